//! The house rules: who may know whom, where each outside crate lives, and how a file opens.
//!
//! The tables are the rules. A new crate of ours needs a row in [`KNOWS`]; an outside crate that
//! wraps a technology needs a row in [`HOMES`].

mod house;

use std::collections::BTreeSet;

use house::{Crate, House, Kind};

/// The crates that parse strangers' bytes. Only renderers link them.
const MEDIA: &[&str] = &["av", "documents", "filetype", "stills", "vector"];

/// The programs that stand behind walls and open strangers' bytes.
const RENDERERS: &[&str] = &["renderer", "renderer-av"];
/// The same renderer with more linked into it.
const AV_IS_A_RENDERER: (&str, &str) = ("renderer-av", "renderer");

/// The crates of ours that each crate may depend on.
const KNOWS: &[(&str, &[&str])] = &[
    // Know nobody.
    ("domain", &[]),
    ("egress", &[]),
    ("passwords", &[]),
    ("service", &[]),
    ("vault", &[]),
    // Wrap one technology or protocol each.
    ("custody", &["domain", "storage", "vault"]),
    ("enclave", &["domain"]),
    // Keeps the vault's wrapped keys in the key bucket; tells its server a hash of the auditor's password.
    ("eventlog", &["domain", "passwords", "vault"]),
    // Reads trees where the log keeps them, and says whether a log is still the one that was signed.
    ("evidence", &["domain", "eventlog"]),
    ("readmodel", &["domain"]),
    ("filetype", &[]),
    // Pages of every file become renditions on the easel of stills.
    ("stills", &["domain", "filetype"]),
    ("av", &["domain", "filetype", "stills"]),
    ("documents", &["domain", "filetype", "stills", "vector"]),
    ("storage", &["domain"]),
    ("vector", &["domain", "filetype", "stills"]),
    // Fetches nothing, draws nothing: no egress, no enclave.
    (
        "api",
        &[
            "custody",
            "domain",
            "eventlog",
            "evidence",
            "passwords",
            "readmodel",
            "service",
            "storage",
            "vault",
        ],
    ),
    // Draws nothing: no enclave.
    (
        "dispatcher",
        &["custody", "domain", "egress", "eventlog", "readmodel", "service", "storage", "vault"],
    ),
    // Signs what happened and opens nothing of it: no custody.
    ("notary", &["domain", "egress", "eventlog", "evidence", "service", "storage", "vault"]),
    // Keeps nothing: no readmodel.
    (
        "worker",
        &[
            "custody", "domain", "egress", "enclave", "eventlog", "evidence", "service", "storage",
            "vault",
        ],
    ),
    // Holds no secret and reaches nothing: no vault, eventlog, storage or egress.
    ("host", &["domain", "enclave"]),
    ("renderer", &["documents", "domain", "enclave", "filetype", "stills", "vector"]),
    ("renderer-av", &["av", "domain", "enclave", "filetype", "renderer", "stills"]),
    (
        "darkroom",
        &[
            "api",
            "custody",
            "dispatcher",
            "domain",
            "egress",
            "enclave",
            "eventlog",
            "evidence",
            "notary",
            "readmodel",
            "service",
            "storage",
            "vault",
            "worker",
        ],
    ),
    (
        "testkit",
        &[
            "custody",
            "domain",
            "egress",
            "enclave",
            "eventlog",
            "readmodel",
            "service",
            "storage",
            "vault",
        ],
    ),
];

/// The one crate of ours that may name an outside crate. A trailing `*` stands for any ending.
const HOMES: &[(&str, &str)] = &[
    ("aes-siv", "vault"),
    ("async-nats", "eventlog"),
    ("aws-*", "storage"),
    ("bcrypt", "passwords"),
    ("bzip2", "documents"),
    ("cfb", "documents"),
    ("chardetng", "documents"),
    ("color_quant", "stills"),
    ("cosmic-text", "documents"),
    ("encoding_rs", "documents"),
    ("exr", "stills"),
    ("fast_image_resize", "stills"),
    ("ffmpeg-*", "av"),
    ("figment", "service"),
    ("gif", "stills"),
    ("hayro-ccitt", "stills"),
    ("hayro*", "vector"),
    ("hickory-*", "egress"),
    ("hpke", "vault"),
    ("html5gum", "documents"),
    ("hyper-rustls", "egress"),
    ("image", "stills"),
    ("indicatif", "darkroom"),
    ("jxl-oxide", "stills"),
    ("kamadak-exif", "stills"),
    ("landlock", "enclave"),
    ("libwebp-sys", "stills"),
    ("lzma-rust2", "documents"),
    ("mail-parser", "documents"),
    ("moxcms", "stills"),
    ("nkeys", "eventlog"),
    ("pulldown-cmark", "documents"),
    ("quick-xml", "documents"),
    ("resvg", "vector"),
    ("ring", "storage"),
    ("ruzstd", "documents"),
    ("s3s*", "storage"),
    ("schemars*", "domain"),
    ("seccompiler", "enclave"),
    ("sha1", "passwords"),
    ("sled", "readmodel"),
    ("tiny-skia*", "vector"),
    ("tracing-subscriber", "service"),
    ("ttf-parser", "documents"),
    ("turbojpeg", "stills"),
    ("usvg", "vector"),
    ("utoipa*", "api"),
    ("warp", "api"),
    ("whatlang", "documents"),
    ("wuff", "documents"),
];

/// The most lines of a file, its tests not counted.
const LONGEST_FILE_LINES: usize = 500;

#[test]
fn every_crate_knows_only_whom_it_may() {
    let house = House::read();
    house.all_hold(|krate| {
        let Some((_, known)) = KNOWS.iter().find(|(name, _)| *name == krate.name) else {
            return vec![format!("has no row in KNOWS ({})", file!())];
        };
        let may = |name: &str, kind| match kind {
            Kind::Normal => known.contains(&name),
            // A test may stand on the test kit, and the test kit's own tests on anybody.
            Kind::Dev => known.contains(&name) || name == "testkit" || krate.name == "testkit",
        };
        krate
            .dependencies
            .iter()
            .filter(|dependency| house.is_ours(&dependency.name))
            .filter(|dependency| !may(&dependency.name, dependency.kind))
            .map(|dependency| format!("may not depend on {}", dependency.name))
            .collect()
    });
}

#[test]
fn the_table_of_arrows_follows_bins_to_libs_to_domain() {
    let house = House::read();
    let is_bin = |name: &str| house.crates.iter().any(|krate| krate.name == name && krate.is_bin);
    for (name, known) in KNOWS {
        for other in *known {
            assert!(
                !is_bin(other) || *name == "darkroom" || (*name, *other) == AV_IS_A_RENDERER,
                "{name} -> {other}: only darkroom knows a bin"
            );
            assert!(
                !MEDIA.contains(other) || RENDERERS.contains(name) || MEDIA.contains(name),
                "{name} -> {other}: only renderers know a media crate"
            );
            assert_ne!(*other, "testkit", "{name} -> testkit: only tests know the test kit");
        }
        if MEDIA.contains(name) {
            let fine = known.iter().all(|other| *other == "domain" || MEDIA.contains(other));
            assert!(fine, "{name} is a media crate: it knows domain and its kin alone");
        }
    }
}

#[test]
fn every_outside_technology_has_one_home() {
    House::read().all_hold(|krate| {
        let mut wrong = Vec::new();
        for dependency in krate.dependencies.iter().filter(|found| found.kind == Kind::Normal) {
            let home = HOMES.iter().find(|(pattern, _)| matches(pattern, &dependency.name));
            if let Some((_, home)) = home.filter(|(_, home)| *home != krate.name) {
                wrong.push(format!("may not depend on {}: its home is {home}", dependency.name));
            }
        }
        wrong
    });
}

#[test]
fn every_dependency_takes_its_version_from_the_workspace() {
    let house = House::read();
    house.all_hold(|krate| {
        krate
            .dependencies
            .iter()
            .filter(|dependency| !dependency.from_workspace)
            .map(|dependency| format!("states its own version or path of {}", dependency.name))
            .collect()
    });
    let used: BTreeSet<&str> = house
        .crates
        .iter()
        .flat_map(|krate| &krate.dependencies)
        .map(|dependency| dependency.key.as_str())
        .collect();
    let unused: Vec<&String> =
        house.shared.keys().filter(|key| !used.contains(key.as_str())).collect();
    assert!(unused.is_empty(), "the workspace names crates that nobody uses: {unused:?}");
}

#[test]
fn every_crate_is_named_after_its_folder_and_takes_the_lints_of_the_workspace() {
    House::read().all_hold(|krate| {
        let mut wrong = Vec::new();
        if !krate.folder.ends_with(&krate.name) {
            wrong.push("is not named after its folder".to_owned());
        }
        if !krate.workspace_lints {
            wrong.push("lacks `[lints] workspace = true`".to_owned());
        }
        wrong
    });
}

#[test]
fn every_file_opens_by_saying_what_it_is_and_is_short() {
    let house = House::read();
    house.all_hold(|krate: &Crate| {
        let mut wrong = Vec::new();
        for file in house.sources(krate) {
            if !file.opens_with_a_sentence() {
                wrong.push(format!("{} does not open with `//!`", file.path));
            }
            let lines = file.lines_without_tests();
            if lines > LONGEST_FILE_LINES {
                wrong.push(format!(
                    "{} has {lines} lines without its tests, more than {LONGEST_FILE_LINES}",
                    file.path
                ));
            }
        }
        wrong
    });
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}
