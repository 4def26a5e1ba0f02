//! A TIFF whose pixels are left where they are until they are drawn.

use crate::error::Error;
use crate::media::Source;

use super::Shape;

/// Files from here on, in bytes: smaller ones are read as they are.
const LARGE_BYTES: u64 = 8 << 20;
/// What is read where a directory is expected, in bytes.
const PLACE_BYTES: usize = 64 << 10;
/// The most strips.
const MAX_STRIPS: usize = 1 << 16;

/// All bytes of a file but those of the strips of its first page, which are zeros; `None` if that
/// is not the way to draw it.
pub(crate) fn read(source: &mut dyn Source) -> Result<Option<Vec<u8>>, Error> {
    let length = source.length();
    let (Ok(bytes), true) = (usize::try_from(length), length >= LARGE_BYTES) else {
        return Ok(None);
    };
    if Vec::<u8>::new().try_reserve_exact(bytes).is_err() {
        return Ok(None);
    }
    // What is never written to takes no memory.
    let mut file = vec![0; bytes];
    fill(source, &mut file, 0, PLACE_BYTES)?;
    let Some(first) = directory(&file) else { return Ok(None) };
    fill(source, &mut file, first, PLACE_BYTES)?;
    let Ok(Some(shape)) = Shape::find(&file) else { return Ok(None) };
    let Some(strips) = strips(&shape, length) else { return Ok(None) };
    let mut from = 0;
    for (begin, end) in strips {
        fill(source, &mut file, from, begin - from)?;
        from = end;
    }
    fill(source, &mut file, from, bytes - from)?;
    Ok(Some(file))
}

/// Where the first directory is.
fn directory(file: &[u8]) -> Option<usize> {
    let place = file.get(4..8)?.first_chunk::<4>()?;
    let little = file.starts_with(b"II");
    let place = if little { u32::from_le_bytes(*place) } else { u32::from_be_bytes(*place) };
    usize::try_from(place).ok().filter(|place| *place < file.len())
}

/// Where strips begin and end, from the first to the last, if they lie apart and hold as much as
/// they should: else their places have not been read yet, or are wrong.
fn strips(shape: &Shape<'_>, length: u64) -> Option<Vec<(usize, usize)>> {
    if !shape.is_plain_rows() || shape.offsets.len() > MAX_STRIPS {
        return None;
    }
    let mut strips = Vec::new();
    for (index, (from, bytes)) in shape.offsets.iter().zip(&shape.lengths).enumerate() {
        let end = from.checked_add(*bytes).filter(|end| *end <= length)?;
        if *bytes < shape.strip_bytes(index)? {
            return None;
        }
        strips.push((usize::try_from(*from).ok()?, usize::try_from(end).ok()?));
    }
    strips.sort_unstable();
    let apart = strips.iter().zip(strips.iter().skip(1)).all(|((_, end), (next, _))| end <= next);
    (apart && !strips.is_empty()).then_some(strips)
}

fn fill(source: &mut dyn Source, file: &mut [u8], from: usize, bytes: usize) -> Result<(), Error> {
    let end = from.saturating_add(bytes).min(file.len());
    let place = file.get_mut(from..end).unwrap_or_default();
    if place.is_empty() {
        return Ok(());
    }
    let count = source.read_at(from as u64, place).map_err(Error::Source)?;
    if count < place.len() { Err(Error::corrupt("TIFF: ends too early")) } else { Ok(()) }
}
