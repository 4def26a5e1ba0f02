//! Why a picture cannot be drawn.

use std::io;

use domain::FailureCode;
use image::ImageError;
use image::error::LimitErrorKind;

/// Why a picture cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source has no bytes.
    #[error("the source has no bytes")]
    Empty,
    /// Of a kind that has to be held as a whole, and too large for that.
    #[error("{bytes} bytes, of which {most} at most can be held at once")]
    TooLarge {
        /// How many there are.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// Of no kind that is drawn.
    #[error("{what} is not drawn")]
    Unsupported {
        /// What it is.
        what: String,
    },
    /// Damaged or incomplete.
    #[error("damaged: {what}")]
    Corrupt {
        /// What is wrong.
        what: String,
    },
    /// Larger than the limit, by its own header.
    #[error("{width} x {height} pixels, {most} at most")]
    TooManyPixels {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// The limit.
        most: u64,
    },
    /// A rendition would be larger than a limit.
    #[error("the renditions: {what}")]
    OutputTooLarge {
        /// Which limit.
        what: String,
    },
    /// None of the pages asked for is there.
    #[error("none of the pages asked for, of {total}")]
    NoSuchPage {
        /// How many there are.
        total: u32,
    },
    /// Protected by a password.
    #[error("protected by a password")]
    Encrypted,
    /// Expands beyond a limit, or is nested too deeply.
    #[error("expands too much: {what}")]
    Expands {
        /// Which limit.
        what: String,
    },
    /// Longer, or with more frames, than a limit.
    #[error("too long: {what}")]
    TooLong {
        /// Which limit.
        what: String,
    },
    /// Needs a part that is not built in or installed.
    #[error("the part \"{name}\" is missing")]
    Missing {
        /// Its name.
        name: &'static str,
    },
    /// More memory than there is.
    #[error("not enough memory: {what}")]
    Memory {
        /// For what.
        what: &'static str,
    },
    /// The source cannot be read.
    #[error("read the source")]
    Source(#[source] io::Error),
    /// A result cannot be handed out.
    #[error("hand out a result")]
    Sink(#[source] io::Error),
    /// A rendition cannot be written.
    #[error("write a {format}: {what}")]
    Encode {
        /// The format.
        format: &'static str,
        /// What is wrong.
        what: String,
    },
}

impl Error {
    /// The code of the job's failure.
    #[must_use]
    pub const fn code(&self) -> FailureCode {
        match self {
            Self::Empty => FailureCode::SourceEmpty,
            Self::TooLarge { .. } => FailureCode::SourceTooLarge,
            Self::Unsupported { .. } => FailureCode::Unsupported,
            Self::Corrupt { .. } => FailureCode::Corrupt,
            Self::TooManyPixels { .. } => FailureCode::TooManyPixels,
            Self::OutputTooLarge { .. } => FailureCode::OutputTooLarge,
            Self::NoSuchPage { .. } => FailureCode::NoSuchPage,
            Self::Encrypted => FailureCode::Encrypted,
            Self::Expands { .. } => FailureCode::ExpandsTooMuch,
            Self::TooLong { .. } => FailureCode::TooLong,
            Self::Missing { .. } => FailureCode::CapabilityMissing,
            Self::Memory { .. } => FailureCode::RendererMemory,
            Self::Source(_) | Self::Sink(_) | Self::Encode { .. } => FailureCode::Internal,
        }
    }

    /// Damaged, in this way.
    pub fn corrupt(what: impl std::fmt::Display) -> Self {
        Self::Corrupt { what: what.to_string() }
    }
}

/// Runs decoders of others, whose panics mean that a file is odd.
///
/// # Errors
/// The work's own, or [`Error::Corrupt`] for a panic.
pub fn guarded<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let given_up = |_panic| Err(Error::corrupt("the decoder gave up"));
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(given_up)
}

impl From<ImageError> for Error {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::Limits(limit) => match limit.kind() {
                // Pixels have their own limit, and are within it: something else says too much.
                LimitErrorKind::InsufficientMemory => {
                    Self::corrupt("it asks for more memory than its pixels take")
                }
                _ => Self::corrupt(limit),
            },
            ImageError::Unsupported(what) => Self::Unsupported { what: what.to_string() },
            ImageError::Decoding(_)
            | ImageError::Encoding(_)
            | ImageError::Parameter(_)
            | ImageError::IoError(_) => Self::corrupt(error),
        }
    }
}
