//! Messages made ready to be shown: hashed, and written as text where they are for programs.

use eventlog::{Hash, Line, Raw};

use super::Format;

/// Some messages that were read together.
pub(super) struct Told {
    /// Each with its hash.
    pub(super) raws: Vec<(Raw, Hash)>,
    /// All of them as lines; nothing where each is shown with what its chain says of it.
    pub(super) text: Vec<u8>,
}

/// About what a line has.
const LINE_BYTES: usize = 1_024;

impl Told {
    /// Takes a while for many of them: keep it off an async thread.
    pub(super) fn of(raws: Vec<Raw>, format: Format) -> Self {
        let raws: Vec<(Raw, Hash)> = raws
            .into_iter()
            .map(|raw| {
                let hash = raw.hash();
                (raw, hash)
            })
            .collect();
        let mut text = Vec::new();
        if format != Format::Human {
            text.reserve(raws.len() * LINE_BYTES);
        }
        for (raw, hash) in &raws {
            match format {
                Format::Human => {}
                Format::Ndjson => Line::of(raw, *hash).write_json(&mut text),
                Format::Csv => Line::of(raw, *hash).write_csv(&mut text),
            }
        }
        Self { raws, text }
    }
}
