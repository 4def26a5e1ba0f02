//! The answer: what some bytes are.

use crate::Kind;

/// What the bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filetype {
    /// IANA media type, or the one that is used where none is registered.
    pub media_type: &'static str,
    /// The usual extension, without dot; empty if there is none.
    pub extension: &'static str,
    /// Encoding in libmagic's words: `binary`, `us-ascii`, `utf-8`, `utf-16le`, `utf-16be`,
    /// `iso-8859-1`, `unknown-8bit`.
    pub encoding: &'static str,
    /// How it is drawn.
    pub kind: Kind,
}

impl Filetype {
    /// Nothing that is known.
    pub const UNKNOWN: Self = Self::of(Kind::Unknown, "application/octet-stream", "");

    /// A file that is no text.
    #[must_use]
    pub(crate) const fn of(kind: Kind, media_type: &'static str, extension: &'static str) -> Self {
        Self { media_type, extension, encoding: "binary", kind }
    }

    /// The same in another encoding.
    pub(crate) const fn in_encoding(self, encoding: &'static str) -> Self {
        Self { encoding, ..self }
    }
}
