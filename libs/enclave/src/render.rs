//! What the worker hands in and gets back: the job, its source, the events on the way, the outcome.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;

use domain::job::Role;
use domain::limits::Limits;
use domain::wish::{Format, PreviewWish};
use domain::{Capability, FailureCode};
use serde_json::{Map, Value};

pub use crate::message::{Sniffed, Stage};

/// Which renderer draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renderer {
    /// The one that every file comes to first.
    Light,
    /// The one with the libraries for film, sound, HEIC and AVIF.
    Av,
}

/// One file to draw.
#[derive(Debug, Clone, PartialEq)]
pub struct RenderJob {
    /// Which pages, sizes, format and metadata.
    pub wish: PreviewWish,
    /// How many bytes the source has.
    pub source_bytes: u64,
    /// What the renderer may use.
    pub limits: Limits,
}

/// Where the source's bytes come from. Called on a thread that may block.
pub trait RangeSource: Send {
    /// Fills `buffer` from `offset` on as far as the source goes; fewer bytes only at its end.
    ///
    /// # Errors
    /// Whatever keeps the bytes from being read. It ends the job with [`RenderError::Source`].
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

impl RangeSource for File {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match std::os::unix::fs::FileExt::read_at(self, rest, offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// A source that others hold as well.
impl<S: RangeSource + Sync> RangeSource for std::sync::Arc<S> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.as_ref().read_at(offset, buffer)
    }
}

/// What happens while a job is drawn, in order: `Sniffed`, `Pages`, then artifacts and pages to
/// read.
#[derive(Debug)]
pub enum RenderEvent {
    /// What kind of file it is, by its bytes.
    Sniffed(Sniffed),
    /// How many pages the file has.
    Pages {
        /// At least 1.
        total: u32,
    },
    /// A rendition is ready, or what was made beside them.
    Artifact(Artifact),
    /// A page, to have its text read.
    PageToRead(PageToRead),
}

/// A page as a gray PNG, in a sealed memory file.
#[derive(Debug)]
pub struct PageToRead {
    /// Page, from 1.
    pub page: u32,
    /// Length of `file`, in bytes.
    pub bytes: u64,
    /// The PNG, positioned at the start.
    pub file: File,
}

/// One artifact: an anonymous, sealed memory file and what is known about it.
///
/// The numbers have been checked against the file's own header, the wish and the limits.
#[derive(Debug)]
pub struct Artifact {
    /// What it is to the wish.
    pub role: Role,
    /// Page, or which of its role, from 1.
    pub page: u32,
    /// Index into the wish's `sizes` for renditions; else 0.
    pub size_index: usize,
    /// Width in pixels; 0 for what has none.
    pub width: u32,
    /// Height in pixels; 0 for what has none.
    pub height: u32,
    /// Width of the page it was made from, in pixels, upright; 0 for what has none.
    pub original_width: u32,
    /// Height of the page it was made from, in pixels, upright; 0 for what has none.
    pub original_height: u32,
    /// Whether its edges differ from the page's.
    pub resized: bool,
    /// File format.
    pub format: Format,
    /// Length of `file`, in bytes.
    pub bytes: u64,
    /// The bytes, positioned at the start. Nothing can change them any more.
    pub file: File,
}

/// How a visit to a renderer ended well.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The job was drawn.
    Rendered(Rendered),
    /// Somebody else has to draw it.
    HandedOver(HandedOver),
}

/// A job that this renderer does not draw; nothing has been drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct HandedOver {
    /// Who draws it.
    pub to: Stage,
    /// What kind of file it is, by its bytes.
    pub sniffed: Sniffed,
    /// What is known of the file so far, by the name of its metadata kind.
    pub metadata: Map<String, Value>,
    /// Libraries that took part, with their versions.
    pub engines: BTreeMap<String, String>,
    /// Time the renderer was waited for, in milliseconds.
    pub wall_ms: u64,
}

/// A job that was drawn to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// What kind of file it is, by its bytes.
    pub sniffed: Sniffed,
    /// How many pages the file has.
    pub total_pages: u32,
    /// What was found in the file, by the name of its metadata kind; only kinds asked for.
    pub metadata: Map<String, Value>,
    /// Libraries that took part, with their versions.
    pub engines: BTreeMap<String, String>,
    /// How many artifacts were made.
    pub artifacts: u32,
    /// Bytes of all artifacts together.
    pub output_bytes: u64,
    /// Bytes of the source that were asked for.
    pub read_bytes: u64,
    /// CPU time of the renderer, in milliseconds, by its own account.
    pub cpu_ms: u64,
    /// Most resident memory of the renderer, in bytes, by its own account.
    pub peak_bytes: u64,
    /// Time the renderer was waited for, in milliseconds.
    pub wall_ms: u64,
}

/// Why a job was not drawn.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The file's fault, or the renderer's while it drew the file.
    #[error("{code}: {detail}")]
    Failed {
        /// Why.
        code: FailureCode,
        /// More about it, for operators: short, printable, quotes nothing personal.
        detail: String,
    },
    /// That renderer is not installed.
    #[error("{capability} is not installed")]
    Missing {
        /// Which.
        capability: Capability,
    },
    /// The source's bytes could not be read.
    #[error("read the source at {offset}")]
    Source {
        /// Where.
        offset: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No renderer could be started, or it could not build its walls.
    #[error("start a renderer")]
    Start(#[from] crate::StartError),
    /// The job does not fit into the protocol.
    #[error("send the job")]
    Order(#[source] crate::FrameError),
    /// Whoever listened for events has gone.
    #[error("nobody takes the events of this job any more")]
    Unheard,
    /// The thread that speaks with the renderer died.
    #[error("speak with the renderer")]
    Thread(#[source] tokio::task::JoinError),
}

impl RenderError {
    /// The code a caller is told: the failure's own, or `internal` for what is our fault.
    #[must_use]
    pub const fn code(&self) -> FailureCode {
        match self {
            Self::Failed { code, .. } => *code,
            Self::Missing { .. } => FailureCode::CapabilityMissing,
            Self::Source { .. }
            | Self::Start(_)
            | Self::Order(_)
            | Self::Unheard
            | Self::Thread(_) => FailureCode::Internal,
        }
    }

    /// Which part of the installation is missing, if that is why.
    #[must_use]
    pub const fn capability(&self) -> Option<Capability> {
        match self {
            Self::Missing { capability } => Some(*capability),
            Self::Failed { .. }
            | Self::Source { .. }
            | Self::Start(_)
            | Self::Order(_)
            | Self::Unheard
            | Self::Thread(_) => None,
        }
    }
}
