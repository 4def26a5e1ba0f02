//! Texts that are planted, and where they are looked for.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use testkit::files::stands_in;

/// A text that is found nowhere else, in every spelling that it could have been written down in.
pub(super) struct Planted {
    pub(super) what: &'static str,
    pub(super) text: String,
    spellings: Vec<Vec<u8>>,
}

impl Planted {
    pub(super) fn new(what: &'static str) -> Self {
        let text = format!("latent{:032x}", rand::random::<u128>());
        Self::of(what, text)
    }

    pub(super) fn of(what: &'static str, text: String) -> Self {
        let bytes = text.as_bytes();
        let lower: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut spellings = vec![bytes.to_vec(), lower.to_uppercase().into(), lower.into()];
        // Whatever stands before it shifts its base64 by none, one or two bytes.
        for (before, foreign) in [(0, 0), (1, 2), (2, 3)] {
            let shifted = [&vec![0; before], bytes].concat();
            let whole = (shifted.len() * 8) / 6;
            for engine in [&STANDARD, &URL_SAFE] {
                spellings.push(engine.encode(&shifted).as_bytes()[foreign..whole].to_vec());
            }
        }
        Self { what, text, spellings }
    }

    pub(super) fn is_in(&self, bytes: &[u8]) -> bool {
        self.spellings.iter().any(|spelling| stands_in(bytes, spelling))
    }
}

/// Where any of what was planted is found, by its name.
pub(super) fn found(planted: &[Planted], place: &str, bytes: &[u8]) -> Vec<String> {
    let within = planted.iter().filter(|one| one.is_in(bytes));
    within.map(|one| format!("the {} in {place}", one.what)).collect()
}

/// Every file below a folder.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        // What disappears meanwhile is not left.
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&entry.path())),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

pub(super) fn on_disk(planted: &[Planted], folders: &[&Path]) -> Vec<String> {
    let mut hits = Vec::new();
    for path in folders.iter().flat_map(|folder| files(folder)) {
        let bytes = fs::read(&path).unwrap_or_default();
        hits.extend(found(planted, &path.display().to_string(), &bytes));
    }
    hits
}
