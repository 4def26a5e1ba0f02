//! Moving pictures out: animated WebP and GIF, frame by frame.

use std::num::NonZeroU16;

use domain::wish::Format;

use crate::error::Error;
use crate::gif::GifWriter;
use crate::raster::Raster;
use crate::webp::animation::WebpWriter;

/// How a moving picture is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Motion {
    /// How good frames of a WebP are, from 1 to 100.
    pub quality: u8,
    /// How often it is played; `None`: for ever.
    pub plays: Option<NonZeroU16>,
}

impl Default for Motion {
    fn default() -> Self {
        Self { quality: crate::encode::WEBP_QUALITY, plays: None }
    }
}

/// A moving picture that is being written.
pub struct Animation {
    dimensions: (u32, u32),
    writer: Writer,
}

enum Writer {
    Gif(GifWriter),
    Webp(WebpWriter),
}

impl Animation {
    /// Whether the format can move.
    #[must_use]
    pub const fn can(format: Format) -> bool {
        matches!(format, Format::Gif | Format::Webp)
    }

    /// Begins a GIF or WebP of these dimensions.
    ///
    /// # Errors
    /// [`Error::Encode`] for other formats; [`Error::OutputTooLarge`] for dimensions that the
    /// format cannot have.
    pub fn new(format: Format, dimensions: (u32, u32), motion: Motion) -> Result<Self, Error> {
        let writer = match format {
            Format::Gif => Writer::Gif(GifWriter::new(dimensions, motion)?),
            Format::Webp => Writer::Webp(WebpWriter::new(dimensions, motion)?),
            other => {
                let what = "it does not move".to_owned();
                return Err(Error::Encode { format: other.extension(), what });
            }
        };
        Ok(Self { dimensions, writer })
    }

    /// Appends a frame that is shown for so many milliseconds.
    ///
    /// # Errors
    /// When it has other dimensions, or cannot be written.
    pub fn add(&mut self, frame: &Raster, duration_ms: u32) -> Result<(), Error> {
        if frame.dimensions() != self.dimensions {
            return Err(Error::corrupt("a frame of other dimensions"));
        }
        match &mut self.writer {
            Writer::Gif(gif) => gif.add(frame, duration_ms),
            Writer::Webp(webp) => webp.add(frame, duration_ms),
        }
    }

    /// The file.
    ///
    /// # Errors
    /// When there is no frame, or it cannot be written.
    pub fn finish(self) -> Result<Vec<u8>, Error> {
        match self.writer {
            Writer::Gif(gif) => gif.finish(),
            Writer::Webp(webp) => webp.finish(),
        }
    }
}

/// Writes frames with their durations in milliseconds as one file.
///
/// # Errors
/// As [`Animation`]'s; or a frame's own.
pub fn animate(
    format: Format,
    dimensions: (u32, u32),
    motion: Motion,
    frames: impl IntoIterator<Item = Result<(Raster, u32), Error>>,
) -> Result<Vec<u8>, Error> {
    let mut animation = Animation::new(format, dimensions, motion)?;
    for frame in frames {
        let (raster, duration_ms) = frame?;
        animation.add(&raster, duration_ms)?;
    }
    animation.finish()
}
