//! The workspace as its manifests and source files describe it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

/// What a dependency is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Part of the crate, or of its build.
    Normal,
    /// Part of its tests alone.
    Dev,
}

/// One dependency of one crate.
#[derive(Debug)]
pub(crate) struct Dependency {
    /// The name in the manifest.
    pub(crate) key: String,
    /// The crate's own name.
    pub(crate) name: String,
    /// What it is for.
    pub(crate) kind: Kind,
    /// Whether the workspace says which version it is.
    pub(crate) from_workspace: bool,
}

/// One crate of ours.
#[derive(Debug)]
pub(crate) struct Crate {
    /// Its name.
    pub(crate) name: String,
    /// Where it lies: `bins/api`.
    pub(crate) folder: PathBuf,
    /// Whether it lies under `bins/`.
    pub(crate) is_bin: bool,
    /// Whether it takes the workspace's lints.
    pub(crate) workspace_lints: bool,
    /// All that it depends on, on any platform.
    pub(crate) dependencies: Vec<Dependency>,
}

/// The workspace.
#[derive(Debug)]
pub(crate) struct House {
    root: PathBuf,
    /// `[workspace.dependencies]`: the name in manifests to the crate's own.
    pub(crate) shared: BTreeMap<String, String>,
    /// Every crate of ours.
    pub(crate) crates: Vec<Crate>,
}

impl House {
    /// Reads the workspace that this test belongs to.
    pub(crate) fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let manifest = read_manifest(&root.join("Cargo.toml"));
        let shared: BTreeMap<String, String> = table(&manifest, &["workspace", "dependencies"])
            .iter()
            .map(|(key, entry)| (key.clone(), own_name(key, entry)))
            .collect();
        let mut crates = Vec::new();
        for above in ["bins", "libs"] {
            for name in names_in(&root.join(above)) {
                let folder = Path::new(above).join(name);
                let path = root.join(&folder).join("Cargo.toml");
                crates.push(read_crate(folder, &read_manifest(&path), &shared));
            }
        }
        assert!(crates.len() > 10, "this is not the workspace: {}", root.display());
        Self { root, shared, crates }
    }

    /// Whether a crate of that name is one of ours.
    pub(crate) fn is_ours(&self, name: &str) -> bool {
        self.crates.iter().any(|krate| krate.name == name)
    }

    /// Fails with everything that is `wrong` with any crate.
    pub(crate) fn all_hold(&self, wrong: impl Fn(&Crate) -> Vec<String>) {
        let found: Vec<String> = self
            .crates
            .iter()
            .flat_map(|krate| {
                wrong(krate).into_iter().map(|what| format!("  {} {what}\n", krate.name))
            })
            .collect();
        assert!(found.is_empty(), "the house rules are broken:\n{}", found.concat());
    }

    /// The Rust files of a crate.
    pub(crate) fn sources(&self, krate: &Crate) -> Vec<Source> {
        let mut found = Vec::new();
        let mut folders = vec![self.root.join(&krate.folder)];
        while let Some(folder) = folders.pop() {
            for name in names_in(&folder) {
                let path = folder.join(&name);
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = read(&path);
                    let path = path
                        .strip_prefix(&self.root)
                        .expect("a path below the root")
                        .display()
                        .to_string();
                    found.push(Source { path, text });
                }
            }
        }
        found
    }
}

/// One Rust file.
#[derive(Debug)]
pub(crate) struct Source {
    /// Where it lies, from the root.
    pub(crate) path: String,
    text: String,
}

impl Source {
    /// Whether its first line is module prose.
    pub(crate) fn opens_with_a_sentence(&self) -> bool {
        self.text.lines().next().is_some_and(|line| line.starts_with("//! "))
    }

    /// How many lines it has before its tests; none if it is a file of tests.
    pub(crate) fn lines_without_tests(&self) -> usize {
        if self.path.contains("/tests/") || self.path.ends_with("tests.rs") {
            return 0;
        }
        let lines: Vec<&str> = self.text.lines().collect();
        lines
            .windows(2)
            .position(|pair| matches!(pair, ["#[cfg(test)]", next] if next.starts_with("mod ")))
            .unwrap_or(lines.len())
    }
}

fn read_crate(folder: PathBuf, manifest: &Table, shared: &BTreeMap<String, String>) -> Crate {
    let mut dependencies = Vec::new();
    let platforms = table(manifest, &["target"]);
    let platforms = platforms.values().filter_map(Value::as_table);
    for part in std::iter::once(manifest).chain(platforms) {
        for (section, kind) in [
            ("dependencies", Kind::Normal),
            ("build-dependencies", Kind::Normal),
            ("dev-dependencies", Kind::Dev),
        ] {
            for (key, entry) in table(part, &[section]) {
                let from_workspace = is_true(entry.get("workspace"));
                let name = match shared.get(&key) {
                    Some(name) if from_workspace => name.clone(),
                    _ => own_name(&key, &entry),
                };
                dependencies.push(Dependency { key, name, kind, from_workspace });
            }
        }
    }
    let package = table(manifest, &["package"]);
    let name = package.get("name");
    Crate {
        name: name.and_then(Value::as_str).expect("a package name").to_owned(),
        is_bin: folder.starts_with("bins"),
        workspace_lints: is_true(table(manifest, &["lints"]).get("workspace")),
        folder,
        dependencies,
    }
}

fn own_name(key: &str, entry: &Value) -> String {
    entry.get("package").and_then(Value::as_str).unwrap_or(key).to_owned()
}

fn is_true(value: Option<&Value>) -> bool {
    value.and_then(Value::as_bool) == Some(true)
}

/// The table at this path, empty if there is none.
fn table(within: &Table, path: &[&str]) -> Table {
    path.iter()
        .try_fold(within, |found, step| found.get(*step).and_then(Value::as_table))
        .cloned()
        .unwrap_or_default()
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a UTF-8 name"))
        .collect();
    names.sort();
    names
}

fn read_manifest(path: &Path) -> Table {
    read(path).parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
