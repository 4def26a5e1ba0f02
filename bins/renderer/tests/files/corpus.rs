//! The list of real files, and the files themselves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What should come of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Drawn; with the first page's dimensions where they are known.
    Drawn { dimensions: Option<(u32, u32)>, pages: Option<u32> },
    /// Drawn as far as it goes, or refused with a code that says so.
    Damaged,
    /// Needs a password.
    Locked,
    /// Of a variety that is not drawn yet.
    Refused,
}

/// One line of the list.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) path: String,
    /// Row of the table of kinds.
    pub(crate) row: String,
    pub(crate) media_type: String,
    pub(crate) expected: Expected,
    /// The independent renderer sees it differently, within reason.
    pub(crate) far: bool,
    /// There is no independent renderer that reads it.
    pub(crate) alone: bool,
}

impl Entry {
    pub(crate) fn file(&self) -> PathBuf {
        root().join(".tools/corpus/files").join(&self.path)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.file()).expect(&self.path)
    }
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every line, once the files are there.
pub(crate) fn read() -> Vec<Entry> {
    assert!(
        root().join(".tools/corpus/installed").is_file(),
        "the corpus is missing: run ./justw --need corpus"
    );
    let list = std::fs::read_to_string(root().join(".config/corpus/files.txt")).expect("the list");
    let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| parse(line).unwrap_or_else(|| panic!("not a line of the list: {line}")))
        .collect()
}

fn parse(line: &str) -> Option<Entry> {
    let mut fields = line.split('\t');
    let (path, row, media_type) = (fields.next()?, fields.next()?, fields.next()?);
    let words: Vec<&str> = fields.next()?.split(' ').collect();
    let number = |key: &str| words.iter().find_map(|word| word.strip_prefix(key)?.parse().ok());
    let dimensions = || {
        let (width, height) = words.first()?.split_once('x')?;
        Some((width.parse().ok()?, height.parse().ok()?))
    };
    let expected = match *words.first()? {
        "damaged" => Expected::Damaged,
        "locked" => Expected::Locked,
        "refused" => Expected::Refused,
        _ => Expected::Drawn { dimensions: dimensions(), pages: number("pages=") },
    };
    let has = |word: &str| words.contains(&word);
    Some(Entry {
        path: path.to_owned(),
        row: row.to_owned(),
        media_type: media_type.to_owned(),
        expected,
        far: has("far"),
        alone: has("alone"),
    })
}

#[test]
fn every_row_of_the_table_of_kinds_has_real_files() {
    let mut rows: BTreeMap<String, usize> = BTreeMap::new();
    for entry in read() {
        assert!(entry.file().is_file(), "{}", entry.path);
        *rows.entry(entry.row).or_default() += 1;
    }
    assert!(rows.values().sum::<usize>() >= 500, "{rows:?}");
    for row in ROWS {
        assert!(rows.contains_key(*row), "no file of the row {row}");
    }
}

/// Rows of the table of kinds.
pub(crate) const ROWS: &[&str] = &[
    "archive",
    "audio",
    "avif",
    "bmp",
    "epub",
    "exr",
    "font",
    "gif",
    "hdr",
    "heic",
    "html",
    "ico",
    "illustrator",
    "jpeg",
    "jxl",
    "mail",
    "office",
    "other",
    "pdf",
    "png",
    "pnm",
    "psd",
    "qoi",
    "raw",
    "sketch",
    "svg",
    "text",
    "tga",
    "tiff",
    "video",
    "webp",
];
