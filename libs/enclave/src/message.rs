//! The typed messages that worker and renderer exchange; the frames they travel in are in `frame`.

use std::collections::BTreeMap;

use domain::FailureCode;
use domain::job::Role;
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

/// What kind of file the source is, by its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sniffed {
    /// IANA media type.
    pub media_type: String,
    /// The usual file extension, without dot; empty if there is none.
    pub extension: String,
    /// How the bytes are encoded, in libmagic's words: `binary`, `us-ascii`, `utf-8` and so on.
    pub encoding: String,
}

/// Renderer to worker: how many pages the file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pages {
    /// At least 1.
    pub total: u32,
}

/// Renderer to worker: a rendition, or what is made beside them; its memory file travels beside
/// the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactMade {
    /// What it is to the wish.
    pub role: Role,
    /// Page, or which of its role, from 1.
    pub page: u32,
    /// Index into the wish's `sizes` for renditions; else 0.
    pub size_index: u32,
    /// Width in pixels; 0 for what has none.
    pub width: u32,
    /// Height in pixels; 0 for what has none.
    pub height: u32,
    /// Width of the page it was made from, upright; 0 for what has none.
    pub original_width: u32,
    /// Height of the page it was made from, upright; 0 for what has none.
    pub original_height: u32,
    /// File format.
    pub format: Format,
}

/// Renderer to worker: a page as a gray PNG to read text from; its memory file travels beside the
/// frame. Nothing of it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OcrPage {
    /// Page, from 1.
    pub page: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// Renderer to worker: all is drawn.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// What was found in the file, by the name of its metadata kind; only kinds asked for.
    pub metadata: Map<String, Value>,
    /// Libraries that took part, with their versions.
    pub engines: BTreeMap<String, String>,
    /// CPU time spent, in milliseconds.
    pub cpu_ms: u64,
    /// Most resident memory, in bytes.
    pub peak_bytes: u64,
}

/// Who else can draw what a renderer cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The renderer with the libraries for film, sound, HEIC and AVIF.
    Av,
    /// The office suite, which makes a PDF of it.
    Office,
    /// The browser, which makes a picture of it.
    Browser,
}

impl Stage {
    /// Its name, also that of the capability.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Av => "av",
            Self::Office => "office",
            Self::Browser => "browser",
        }
    }
}

/// Renderer to worker: somebody else has to draw it. Nothing has been drawn yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Handover {
    /// Who.
    pub to: Stage,
    /// What is known of the file so far.
    pub so_far: Done,
}

/// Renderer to worker: it cannot be drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Why.
    pub code: FailureCode,
    /// More about it, for operators.
    pub detail: String,
}
