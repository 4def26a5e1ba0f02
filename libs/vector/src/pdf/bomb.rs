//! Streams that come to far more than they take, told before they are unpacked.

use std::borrow::Cow;

use domain::limits::Limits;
use flate2::{Decompress, FlushDecompress, Status};
use hayro::hayro_syntax::Filter;
use hayro::hayro_syntax::object::{Array, Name, Stream};
use hayro::hayro_syntax::page::Page;
use stills::Error;

use super::tiles;

/// Most bytes of one stream once it is unpacked.
const MOST_BYTES: u64 = 256 << 20;
/// A byte comes to no more than this many.
const MOST_RATIO: u64 = 1_032;
/// How often pictures are packed tighter than this, so that it is worth a look, in times.
const TIGHT: u64 = 8;
/// What a picture's data may have beside its samples, in bytes.
const BESIDE_BYTES: u64 = 4 << 10;
/// Most streams that the instructions of a page are made of.
const MOST_PARTS: usize = 4_096;
/// Most tiles of a picture in JPEG 2000, those of each channel counted: tiles are numbered with 16
/// bits, and there are up to four channels.
const MOST_TILES: u64 = 4 * 65_535;
/// Most channels of a picture, with as many bytes for each as there can be.
const WIDEST_PIXEL_BYTES: f64 = 8.0;

/// Refuses a file whose table of objects is a bomb. What else there is comes later.
pub(super) fn check_table(pdf: &[u8], limits: &Limits) -> Result<(), Error> {
    const END_BYTES: usize = 2_048;
    const DICTIONARY_BYTES: usize = 2_048;
    let end = pdf.get(pdf.len().saturating_sub(END_BYTES)..).unwrap_or(pdf);
    let Some(at) = last(end, b"startxref") else { return Ok(()) };
    let digits = end.get(at + 9..).unwrap_or_default().trim_ascii_start();
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let place = digits.get(..count).and_then(|digits| std::str::from_utf8(digits).ok());
    let place = place.and_then(|place| place.parse::<usize>().ok());
    let Some(table) = place.and_then(|place| pdf.get(place..)) else { return Ok(()) };
    let head = table.get(..DICTIONARY_BYTES).unwrap_or(table);
    let Some(at) = head.windows(6).position(|word| word == b"stream") else { return Ok(()) };
    let has = |word: &[u8]| {
        head.get(..at).unwrap_or_default().windows(word.len()).any(|found| found == word)
    };
    if !has(b"/XRef") || !has(b"FlateDecode") {
        return Ok(());
    }
    let packed = table.get(at + 6..).unwrap_or_default();
    let packed = packed.strip_prefix(b"\r").unwrap_or(packed);
    let packed = packed.strip_prefix(b"\n").unwrap_or(packed);
    // What follows the stream is not read: it knows its end.
    match unpacked(packed, most(limits), false) {
        Some(_) => Ok(()),
        None => Err(expands(limits)),
    }
}

/// Refuses a page whose instructions are a bomb.
pub(super) fn check_content(page: &Page<'_>, limits: &Limits) -> Result<(), Error> {
    const CONTENTS: &str = "Contents";
    let mut streams = Vec::new();
    if let Some(stream) = page.raw().get::<Stream<'_>>(CONTENTS) {
        streams.push(stream);
    } else if let Some(array) = page.raw().get::<Array<'_>>(CONTENTS) {
        streams.extend(array.iter::<Stream<'_>>().take(MOST_PARTS));
    }
    if streams.iter().all(|stream| fits(stream, most(limits))) {
        Ok(())
    } else {
        Err(expands(limits))
    }
}

/// Refuses a picture that has more pixels than there is memory for, or whose data is a bomb.
pub(super) fn check_picture(picture: &Stream<'_>, limits: &Limits) -> Result<(), Error> {
    let edge = |name| picture.dict().get::<f64>(name).unwrap_or_default().max(0.0);
    let (width, height) = (edge("Width"), edge("Height"));
    // They take a byte each at the least, and as much again while they are drawn.
    let most_pixels = limits.renderer_memory_bytes / 2;
    #[allow(clippy::cast_precision_loss, reason = "a limit need not be exact to the pixel")]
    if width * height > most_pixels as f64 {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an edge beyond all measure is told as the largest"
        )]
        let (width, height) = (width as u32, height as u32);
        return Err(Error::TooManyPixels { width, height, most: most_pixels });
    }
    check_tiles(picture, most_pixels, limits)?;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "no more than the limit above"
    )]
    let expected = (width * height * WIDEST_PIXEL_BYTES) as u64;
    let packed = picture.raw_data().len() as u64;
    // As tightly packed as pictures are, or not packed at all.
    let usual = packed > expected / TIGHT && packed <= expected + BESIDE_BYTES;
    if usual || fits(picture, most(limits).max(expected)) { Ok(()) } else { Err(expands(limits)) }
}

/// Refuses a picture in JPEG 2000 that is too large by its own head, whatever its dictionary says.
fn check_tiles(picture: &Stream<'_>, most_pixels: u64, limits: &Limits) -> Result<(), Error> {
    let filters = picture.filters();
    if !filters.contains(&Filter::JpxDecode) {
        return Ok(());
    }
    let mut data = picture.raw_data();
    for _ in filters.iter().filter(|filter| **filter == Filter::FlateDecode) {
        let unpacked = unpacked(&data, most(limits), true).ok_or_else(|| expands(limits))?;
        data = Cow::Owned(unpacked);
    }
    for tiles::Sizes { width, height, channels, tiles } in tiles::sizes(&data) {
        let channels = u64::from(channels);
        let samples = (u64::from(width) * u64::from(height)).saturating_mul(channels);
        if samples > most_pixels {
            return Err(Error::TooManyPixels { width, height, most: most_pixels });
        }
        if tiles.saturating_mul(channels) > MOST_TILES {
            return Err(Error::Expands { what: format!("a picture of {tiles} tiles") });
        }
    }
    Ok(())
}

pub(super) fn is_picture(stream: &Stream<'_>) -> bool {
    stream.dict().get::<Name<'_>>("Subtype").is_some_and(|kind| *kind == *b"Image")
}

fn most(limits: &Limits) -> u64 {
    limits.expanded_bytes.min(MOST_BYTES)
}

fn expands(limits: &Limits) -> Error {
    Error::Expands { what: format!("a stream of more than {} bytes", most(limits)) }
}

/// Whether a stream comes to no more than this; streams that are packed in other ways do.
fn fits(stream: &Stream<'_>, most: u64) -> bool {
    let filters = stream.filters();
    let mut data = stream.raw_data();
    let mut rest = filters.iter().skip_while(|filter| **filter == Filter::Crypt).peekable();
    while let Some(Filter::FlateDecode) = rest.next() {
        let goes_on = rest.peek() == Some(&&Filter::FlateDecode);
        if !goes_on && (data.len() as u64).saturating_mul(MOST_RATIO) <= most {
            return true;
        }
        match unpacked(&data, most, goes_on) {
            Some(unpacked) => data = Cow::Owned(unpacked),
            None => return false,
        }
    }
    true
}

/// What a stream comes to, as far as it can be read, if it is kept; `None` if that is more than
/// `most`.
fn unpacked(packed: &[u8], most: u64, keep: bool) -> Option<Vec<u8>> {
    let mut inflate = Decompress::new(true);
    let mut kept = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let (read, written) = (inflate.total_in(), inflate.total_out());
        let rest = usize::try_from(read).ok().and_then(|read| packed.get(read..));
        let status =
            inflate.decompress(rest.unwrap_or_default(), &mut buffer, FlushDecompress::None);
        if inflate.total_out() > most {
            return None;
        }
        let count = usize::try_from(inflate.total_out() - written).unwrap_or_default();
        if keep {
            kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
        }
        let stuck = inflate.total_in() == read && count == 0;
        if stuck || matches!(status, Ok(Status::StreamEnd) | Err(_)) {
            return Some(kept);
        }
    }
}

fn last(bytes: &[u8], word: &[u8]) -> Option<usize> {
    bytes.windows(word.len()).rposition(|found| found == word)
}
