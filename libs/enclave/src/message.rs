//! The typed messages that worker and renderer exchange; the frames they travel in are in `frame`.

use std::collections::BTreeMap;

use domain::FailureCode;
use domain::limits::Limits;
use domain::wish::{Format, PreviewWish};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Worker to renderer: what to draw. The renderer is told neither name nor declared type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Which pages, sizes, format and metadata.
    pub wish: PreviewWish,
    /// How many bytes the source has.
    pub source_bytes: u64,
    /// What the renderer may use.
    pub limits: Limits,
}

/// Renderer to worker: the walls stand, a job may come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// The protocol it speaks.
    pub protocol: u32,
    /// The walls it stands behind.
    pub walls: Vec<String>,
}

/// Renderer to worker: a range of the source, please.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// First byte.
    pub offset: u64,
    /// At most this many bytes.
    pub len: u32,
}

/// How the bytes are encoded, in libmagic's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// Not text.
    #[serde(rename = "binary")]
    Binary,
    /// Text of ASCII characters.
    #[serde(rename = "us-ascii")]
    UsAscii,
    /// Text in UTF-8.
    #[serde(rename = "utf-8")]
    Utf8,
}

impl Encoding {
    /// The word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::UsAscii => "us-ascii",
            Self::Utf8 => "utf-8",
        }
    }
}

/// What kind of file the source is, by its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sniffed {
    /// IANA media type.
    pub media_type: String,
    /// The usual file extension, without dot; empty if there is none.
    pub extension: String,
    /// How the bytes are encoded.
    pub encoding: Encoding,
}

/// Renderer to worker: how many pages the file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pages {
    /// At least 1.
    pub total: u32,
}

/// Renderer to worker: a rendition; its memory file travels beside the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactMade {
    /// Page, from 1.
    pub page: u32,
    /// Index into the wish's `sizes`.
    pub size_index: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Width of the page it was made from, upright.
    pub original_width: u32,
    /// Height of the page it was made from, upright.
    pub original_height: u32,
    /// File format.
    pub format: Format,
}

/// Renderer to worker: all is drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// EXIF tags, if they were asked for and the file has any.
    pub exif: Option<Map<String, Value>>,
    /// Libraries that took part, with their versions.
    pub engines: BTreeMap<String, String>,
    /// CPU time spent, in milliseconds.
    pub cpu_ms: u64,
    /// Most resident memory, in bytes.
    pub peak_bytes: u64,
}

/// Renderer to worker: it cannot be drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Why.
    pub code: FailureCode,
    /// More about it, for operators.
    pub detail: String,
}
