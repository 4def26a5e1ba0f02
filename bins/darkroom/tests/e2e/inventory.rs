//! docs/INVENTORY.md is whole: no C or C++ is carried, linked or hosted that it does not name.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use testkit::executable;

/// Executables, without their common beginning.
const EXECUTABLES: [&str; 8] =
    ["api", "darkroom", "dispatcher", "host", "notary", "renderer", "renderer-av", "worker"];
/// Crates that a crate with C in it builds with.
const BUILDERS: [&str; 4] = ["bindgen", "cc", "cmake", "pkg-config"];
/// Crates that build with those and put no C into a Linux executable.
const WITHOUT_C: [&str; 2] = ["cmake", "iana-time-zone-haiku"];
/// A symbol of each crate that carries C, as the linker keeps it.
const SYMBOLS: [(&str, &str); 4] = [
    ("libmimalloc-sys", "mi_malloc"),
    ("libwebp-sys", "WebPDecode"),
    ("ring", "ring_core_"),
    ("turbojpeg-sys", "tj3Decompress"),
];
/// Libraries of the C compiler, which every executable names.
const COMPILER: [&str; 4] = ["ld-linux", "libc", "libgcc_s", "libm"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The rows of the table under a heading, its head left out.
fn table(heading: &str) -> Vec<Vec<String>> {
    let document = text("docs/INVENTORY.md");
    let (_, part) = document.split_once(&format!("## {heading}\n")).unwrap();
    let part = part.split("\n## ").next().unwrap();
    let rows = part.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    rows.skip(1).map(|row| row.split(" | ").map(str::to_owned).collect()).collect()
}

/// What a program prints.
fn said(program: &str, arguments: &[&str]) -> String {
    let said = Command::new(program).args(arguments).output().unwrap();
    assert!(said.status.success(), "{program} {arguments:?}");
    String::from_utf8_lossy(&said.stdout).into_owned()
}

fn path_of(name: &str) -> String {
    let name = if name == "darkroom" { name.to_owned() } else { format!("darkroom-{name}") };
    executable(&name).to_str().unwrap().to_owned()
}

/// Names of packages in a file of `.config/`.
fn packages(file: &str) -> BTreeSet<String> {
    let text = text(file);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn every_crate_that_carries_c_is_named_with_its_version_and_where_it_ends_up() {
    let rows = table("Carried by crates");
    let named: BTreeMap<_, _> = rows.iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    let lock: toml::Table = text("Cargo.lock").parse().unwrap();
    let carried: BTreeMap<String, String> = lock["package"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|package| {
            let needs = package.get("dependencies").and_then(|needs| needs.as_array());
            let mut needs = needs.into_iter().flatten().filter_map(|need| need.as_str());
            needs.any(|need| BUILDERS.contains(&need.split(' ').next().unwrap()))
        })
        .map(|package| ["name", "version"].map(|key| package[key].as_str().unwrap().to_owned()))
        .filter(|[name, _]| !WITHOUT_C.contains(&name.as_str()))
        .map(<(String, String)>::from)
        .collect();
    assert_eq!(named, carried);

    let symbols = EXECUTABLES.map(|name| (name, said("nm", &[&path_of(name)])));
    for (name, symbol) in SYMBOLS {
        let row = rows.iter().find(|row| row[0] == name).unwrap();
        let holders = symbols.iter().filter(|(_, symbols)| symbols.contains(symbol));
        let holders: Vec<_> = holders.map(|(name, _)| *name).collect();
        assert_eq!(row[3], holders.join(", "), "{name}");
    }
    // What goes on record of each job says the same.
    let engines = text("libs/stills/src/engines.rs");
    for library in rows.iter().filter(|row| row[3].starts_with("renderer,")) {
        let (name, version) = library[2].split_once(' ').unwrap();
        assert!(engines.contains(&format!("(\"{name}\", \"{version}\")")), "{library:?}");
    }
}

#[test]
fn every_library_that_an_executable_names_is_named_with_it() {
    let mut linked: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for name in EXECUTABLES {
        let dynamic = said("readelf", &["--dynamic", "--wide", &path_of(name)]);
        for line in dynamic.lines().filter(|line| line.contains("(NEEDED)")) {
            let library = line.split_once('[').unwrap().1.split(".so").next().unwrap();
            if !COMPILER.iter().any(|of| library == *of || library.starts_with("ld-linux")) {
                linked.entry(library.to_owned()).or_default().push(name);
            }
        }
    }
    let rows = table("Linked from the system");
    let named: BTreeMap<_, _> = rows.iter().map(|row| (row[0].clone(), vec![&*row[3]])).collect();
    assert_eq!(named, linked);
    let wanted = packages(".config/debian.txt");
    for library in named.keys() {
        assert!(wanted.contains(&format!("{library}-dev")), "./justw does not install {library}");
    }
}

#[test]
fn every_program_that_is_hosted_is_named_and_its_package_is_one_that_up_full_installs() {
    let rows = table("Hosted programs");
    let named: BTreeSet<_> = rows.iter().map(|row| row[1].clone()).collect();
    let mut hosted = packages(".config/full.txt");
    hosted.retain(|package| !package.starts_with("fonts-"));
    assert_eq!(named, hosted);
    let justw = text("justw");
    assert!(justw.contains("= --full ]; then need_full") && justw.contains("$pins/full.txt"));

    if !text_of_system().contains("VERSION_ID=\"12\"") {
        return;
    }
    for package in packages(".config/full.txt") {
        assert!(version(&package).is_some(), "{package}: `./justw --need full` installs it");
    }
    // Where the worker looks is where these packages, or those that they bring, put their programs.
    let settings = enclave::hosted::Settings::with_host(PathBuf::from("/"));
    for program in [&settings.office, &settings.ocr, &settings.browser, &settings.ocr_data] {
        let owners = said("dpkg-query", &["--search", program.to_str().unwrap()]);
        let owners: Vec<_> = owners.split(": ").next().unwrap().split(", ").collect();
        let brought = |package: &String| {
            let brings = said("dpkg-query", &["--show", "--showformat=${Depends}", package]);
            owners.iter().any(|owner| owner == package || brings.contains(owner))
        };
        assert!(packages(".config/full.txt").iter().any(brought), "{owners:?}");
    }
}

#[test]
fn versions_are_those_of_debian_12() {
    if !text_of_system().contains("VERSION_ID=\"12\"") {
        return;
    }
    let of = |heading, package: usize| {
        let rows = table(heading);
        rows.into_iter().map(move |row| (row[package].clone(), row[package + 1].clone()))
    };
    let named = of("Linked from the system", 1)
        .chain(of("Reached through them", 0))
        .chain(of("Hosted programs", 1))
        .filter(|(_, version)| version.starts_with(|first: char| first.is_ascii_digit()));
    for (package, named) in named {
        let found = version(&package).unwrap_or_else(|| panic!("{package} is not installed"));
        assert!(found.starts_with(&format!("{named}.")), "{package} is {found}, not {named}");
    }
}

fn text_of_system() -> String {
    fs::read_to_string("/etc/os-release").unwrap_or_default()
}

/// The version of an installed Debian package, as its authors count.
fn version(package: &str) -> Option<String> {
    let format = "--showformat=${Version}";
    let told = Command::new("dpkg-query").args(["--show", format, package]).output().ok()?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let version = told.split_once(':').map_or(told.as_str(), |(_, version)| version);
    (!version.is_empty()).then(|| version.to_owned())
}
