//! Moving pictures in: how many frames there are, and one after the other.

use std::io::Cursor;
use std::num::NonZeroU16;

use domain::limits::Limits;
use filetype::Kind;
use image::codecs::{gif::GifDecoder, png::PngDecoder, webp::WebPDecoder};
use image::metadata::LoopCount;
use image::{AnimationDecoder, ImageDecoder, Rgba};

use crate::error::Error;
use crate::page::within;
use crate::raster::{Layout, Raster};
use crate::webp;

/// How long a frame is shown that is said to be shown for no time, as browsers do.
const SHORTEST_MS: u32 = 20;
const USUAL_MS: u32 = 100;

/// Frames in order.
pub(crate) struct Frames<'a> {
    pub(crate) dimensions: (u32, u32),
    /// How often they are played; `None`: for ever.
    pub(crate) plays: Option<NonZeroU16>,
    frames: image::Frames<'a>,
}

impl<'a> Frames<'a> {
    /// Reads the header.
    pub(crate) fn open(kind: Kind, file: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        let mut bounds = image::Limits::no_limits();
        bounds.max_alloc = Some(limits.renderer_memory_bytes);
        let reader = Cursor::new(file);
        let (dimensions, count, frames) = match kind {
            Kind::Gif => {
                let mut decoder = GifDecoder::new(reader)?;
                decoder.set_limits(bounds)?;
                (decoder.dimensions(), decoder.loop_count(), decoder.into_frames())
            }
            Kind::Png => {
                let mut decoder = PngDecoder::new(reader)?;
                decoder.set_limits(bounds)?;
                let dimensions = decoder.dimensions();
                let decoder = decoder.apng()?;
                (dimensions, decoder.loop_count(), decoder.into_frames())
            }
            _ => {
                let mut decoder = WebPDecoder::new(reader)?;
                // Without one, what is to vanish stays.
                decoder.set_background_color(Rgba([0; 4]))?;
                (decoder.dimensions(), decoder.loop_count(), decoder.into_frames())
            }
        };
        within(dimensions, limits)?;
        let plays = match count {
            LoopCount::Infinite => None,
            LoopCount::Finite(count) => {
                NonZeroU16::new(u16::try_from(count.get()).unwrap_or(u16::MAX))
            }
        };
        Ok(Self { dimensions, plays, frames })
    }

    /// The next frame, and for how many milliseconds it is shown.
    pub(crate) fn next(&mut self) -> Option<Result<(Raster, u32), Error>> {
        let frame = match self.frames.next()? {
            Ok(frame) => frame,
            Err(error) => return Some(Err(error.into())),
        };
        let (numerator, denominator) = frame.delay().numer_denom_ms();
        let shown_ms = numerator / denominator.max(1);
        let shown_ms = if shown_ms < SHORTEST_MS { USUAL_MS } else { shown_ms };
        let image = frame.into_buffer();
        let (width, height) = image.dimensions();
        let raster = Raster::new(width, height, Layout::Rgba, image.into_raw());
        Some(raster.map(|raster| (raster, shown_ms)))
    }
}

/// How many frames a file has, by its own blocks and chunks; 1 for kinds that do not move.
pub(crate) fn count(kind: Kind, file: &[u8]) -> u32 {
    let found = match kind {
        Kind::Gif => gif_frames(file),
        Kind::Png => apng_frames(file),
        Kind::Webp => {
            u32::try_from(webp::chunks(file).filter(|(name, _)| *name == b"ANMF").count()).ok()
        }
        _ => None,
    };
    found.unwrap_or(1).max(1)
}

/// Refuses a file one of whose frames is larger than the limit, whatever its screen is: room is made
/// for a frame before it is read.
pub(crate) fn gif_fits(file: &[u8], limits: &Limits) -> Result<(), Error> {
    let mut fits = Ok(());
    gif_walk(file, |frame| {
        if fits.is_ok() {
            fits = within(frame, limits);
        }
    });
    fits
}

fn gif_frames(file: &[u8]) -> Option<u32> {
    let mut count = 0;
    gif_walk(file, |_frame| count += 1)?;
    Some(count)
}

/// Goes over blocks without unpacking them, and tells each frame's dimensions; a damaged end ends
/// it.
fn gif_walk(file: &[u8], mut tell: impl FnMut((u32, u32))) -> Option<()> {
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let mut at = 13 + table(*file.get(10)?);
    loop {
        match file.get(at).copied() {
            Some(0x21) => at += 2,
            Some(0x2c) => {
                let [wl, wh, hl, hh] = *file.get(at + 5..)?.first_chunk()?;
                tell((u16::from_le_bytes([wl, wh]).into(), u16::from_le_bytes([hl, hh]).into()));
                at += 11 + file.get(at + 9).copied().map_or(0, table);
            }
            _ => return Some(()),
        }
        while let Some(length) = file.get(at).copied().filter(|length| *length > 0) {
            at += usize::from(length) + 1;
        }
        at += 1;
    }
}

/// The control chunk, which comes before the first picture.
fn apng_frames(file: &[u8]) -> Option<u32> {
    let mut rest = file.get(8..)?;
    loop {
        let length = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        match rest.get(4..8)? {
            b"acTL" => return Some(u32::from_be_bytes(*rest.get(8..)?.first_chunk()?)),
            b"IDAT" => return None,
            _ => rest = rest.get(length.checked_add(12)?..)?,
        }
    }
}
