//! Text: in which encoding, and what it is about.

mod code;
mod encoding;
mod json;
mod mail;
mod markup;
mod prose;
mod table;

use crate::bytes::{File, HEAD_BYTES};
use crate::filetype::Filetype;
use crate::kind::Kind;

/// How much of a text is looked at to tell what it is about, in characters.
const LOOK_CHARS: usize = 32 << 10;

/// The beginning of a text.
pub(crate) struct Text<'a> {
    /// Without byte order mark.
    pub(crate) text: &'a str,
    /// Whether there is more of it.
    pub(crate) is_cut: bool,
}

impl<'a> Text<'a> {
    /// Its lines that are there as a whole.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &'a str> {
        let end = if self.is_cut {
            self.text.rfind('\n').unwrap_or(self.text.len())
        } else {
            self.text.len()
        };
        self.text.get(..end).unwrap_or_default().lines()
    }
}

/// Those that know their texts, the certain ones first.
const FAMILIES: &[fn(&Text<'_>) -> Option<Filetype>] = &[
    markup::look,
    mail::look,
    json::look,
    code::certain,
    table::look,
    prose::markdown,
    code::likely,
];

/// Looks whether a file is text.
pub(crate) fn look(file: &mut File<'_>) -> Option<Filetype> {
    of_bytes(file.head, file.is_cut)
}

/// What text these bytes begin.
pub(crate) fn of_bytes(bytes: &[u8], is_cut: bool) -> Option<Filetype> {
    let bytes = bytes.get(..HEAD_BYTES).unwrap_or(bytes);
    let (encoding, decoded) = encoding::decode(bytes, is_cut)?;
    let end = decoded.char_indices().nth(LOOK_CHARS).map_or(decoded.len(), |(at, _)| at);
    let start = decoded.get(..end).unwrap_or_default();
    let text = Text { text: start, is_cut: is_cut || end < decoded.len() };
    let filetype = FAMILIES.iter().find_map(|family| family(&text));
    Some(filetype.unwrap_or(Filetype::of(Kind::Text, "text/plain", "txt")).in_encoding(encoding))
}
