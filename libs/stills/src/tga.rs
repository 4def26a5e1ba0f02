//! Truevision's TGA: plain or run-length packed; gray, palette or colours of 15 to 32 bits.

use crate::error::Error;
use crate::memory::zeroed;
use crate::raster::{Layout, Raster, room};

const HEADER_BYTES: usize = 18;
/// Pixels of a run, at most.
const LONGEST_RUN: usize = 128;

/// What the header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) dimensions: (u32, u32),
    colours: Colours,
    packed: bool,
    /// Bits of a pixel as stored.
    pub(crate) bits: u8,
    alpha: bool,
    /// Rows begin at the right.
    right: bool,
    /// The first row is the top one.
    top: bool,
    /// First entry, number of entries and bits of each.
    palette: (usize, usize, u8),
    /// Where the palette begins, behind the header and a note.
    body: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colours {
    Palette,
    Direct,
    Gray,
}

fn bytes_of(bits: u8) -> usize {
    usize::from(bits).div_ceil(8)
}

/// Reads the header.
pub(crate) fn header(file: &[u8]) -> Result<Header, Error> {
    let Some(
        [
            note,
            has_palette,
            kind,
            first_low,
            first_high,
            count_low,
            count_high,
            palette_bits,
            _,
            _,
            _,
            _,
            wide_low,
            wide_high,
            high_low,
            high_high,
            bits,
            flags,
        ],
    ) = file.first_chunk::<HEADER_BYTES>().copied()
    else {
        return Err(Error::corrupt("TGA: ends too early"));
    };
    let short = |low, high| u16::from_le_bytes([low, high]);
    let colours = match kind & 7 {
        1 => Colours::Palette,
        2 => Colours::Direct,
        3 => Colours::Gray,
        _ => return Err(Error::corrupt("TGA: no picture in it")),
    };
    let alpha_bits = flags & 15;
    let fits = match colours {
        Colours::Palette => {
            has_palette == 1 && matches!(bits, 8 | 16) && matches!(palette_bits, 15 | 16 | 24 | 32)
        }
        Colours::Direct => matches!(bits, 15 | 16 | 24 | 32),
        Colours::Gray => matches!(bits, 8 | 16),
    };
    if !fits {
        return Err(Error::Unsupported { what: format!("a TGA of {bits} bits") });
    }
    let deep = if colours == Colours::Palette { palette_bits } else { bits };
    let alpha = match (colours, deep) {
        (Colours::Gray, 16) => true,
        (Colours::Direct | Colours::Palette, 32) => alpha_bits > 0,
        (Colours::Direct | Colours::Palette, 16) => alpha_bits == 1,
        _ => false,
    };
    Ok(Header {
        dimensions: (short(wide_low, wide_high).into(), short(high_low, high_high).into()),
        colours,
        packed: kind & 8 != 0,
        bits,
        alpha,
        right: flags & 0x10 != 0,
        top: flags & 0x20 != 0,
        palette: (
            short(first_low, first_high).into(),
            if has_palette == 1 { short(count_low, count_high).into() } else { 0 },
            palette_bits,
        ),
        body: HEADER_BYTES + usize::from(note),
    })
}

impl Header {
    /// As others call it.
    pub(crate) const fn colour_model(&self) -> &'static str {
        match (self.colours, self.alpha) {
            (Colours::Gray, false) => "Gray",
            (Colours::Gray, true) => "Gray with alpha",
            (_, false) => "RGB",
            (_, true) => "RGBA",
        }
    }

    const fn layout(&self) -> Layout {
        match (self.colours, self.alpha) {
            (_, true) => Layout::Rgba,
            (Colours::Gray, false) => Layout::Gray,
            (_, false) => Layout::Rgb,
        }
    }

    /// A stored colour as red, green, blue and opacity.
    fn colour(&self, stored: &[u8], bits: u8) -> [u8; 4] {
        let five = |value: u16| u8::try_from((value & 31) * 255 / 31).unwrap_or(u8::MAX);
        match (bits, stored) {
            (15 | 16, [low, high, ..]) => {
                let value = u16::from_le_bytes([*low, *high]);
                let alpha = if self.alpha && value >> 15 == 0 { 0 } else { 255 };
                [five(value >> 10), five(value >> 5), five(value), alpha]
            }
            (_, [blue, green, red, alpha, ..]) => {
                [*red, *green, *blue, if self.alpha { *alpha } else { u8::MAX }]
            }
            (_, [blue, green, red]) => [*red, *green, *blue, 255],
            _ => [0, 0, 0, 255],
        }
    }

    /// Decodes it; what lacks at the end is an error.
    pub(crate) fn decode(&self, file: &[u8]) -> Result<Raster, Error> {
        let early = || Error::corrupt("TGA: ends too early");
        let (first, count, palette_bits) = self.palette;
        let entry = bytes_of(palette_bits);
        let body = file.get(self.body..).ok_or_else(early)?;
        let (table, body) = body.split_at_checked(count * entry).ok_or_else(early)?;
        let palette: Vec<[u8; 4]> = if self.colours == Colours::Palette {
            table.chunks_exact(entry.max(1)).map(|entry| self.colour(entry, palette_bits)).collect()
        } else {
            Vec::new()
        };
        let (width, height) = self.dimensions;
        let stored = bytes_of(self.bits);
        let bytes = (width as usize) * (height as usize) * stored;
        let unpacked: Vec<u8>;
        let body = if self.packed {
            unpacked = unpack(body, bytes, stored)?;
            unpacked.as_slice()
        } else {
            body.get(..bytes).ok_or_else(early)?
        };
        let layout = self.layout();
        let mut pixels = room(width, height, layout.bytes())?;
        let row_bytes = width as usize * layout.bytes();
        let rows = body.chunks_exact((width as usize * stored).max(1));
        for (index, row) in rows.enumerate() {
            let y = if self.top { index } else { (height as usize).wrapping_sub(index + 1) };
            let target = y.checked_mul(row_bytes).and_then(|at| pixels.get_mut(at..at + row_bytes));
            let Some(target) = target else { break };
            match layout {
                Layout::Gray => self.lay::<1>(row, &palette, first, target),
                Layout::Rgb => self.lay::<3>(row, &palette, first, target),
                Layout::Rgba => self.lay::<4>(row, &palette, first, target),
            }
        }
        Raster::new(width, height, layout, pixels)
    }

    /// A stored row into pixels of so many channels.
    fn lay<const CHANNELS: usize>(
        &self,
        row: &[u8],
        palette: &[[u8; 4]],
        first: usize,
        target: &mut [u8],
    ) {
        let targets = target.as_chunks_mut::<CHANNELS>().0;
        for (target, pixel) in targets.iter_mut().zip(row.chunks_exact(bytes_of(self.bits))) {
            let colour = self.pixel(pixel, palette, first);
            if let Some(colour) = colour.first_chunk() {
                *target = *colour;
            }
        }
        if self.right {
            targets.reverse();
        }
    }

    fn pixel(&self, stored: &[u8], palette: &[[u8; 4]], first: usize) -> [u8; 4] {
        match (self.colours, stored) {
            (Colours::Gray, [value, alpha]) => [*value, *value, *value, *alpha],
            (Colours::Gray, [value, ..]) => [*value, *value, *value, 255],
            (Colours::Palette, [low, rest @ ..]) => {
                let high = rest.first().copied().unwrap_or_default();
                let index = usize::from(u16::from_le_bytes([*low, high])).checked_sub(first);
                let found = index.and_then(|index| palette.get(index));
                found.copied().unwrap_or([0, 0, 0, 255])
            }
            _ => self.colour(stored, self.bits),
        }
    }
}

/// Runs of pixels: one repeated, or some as they are.
fn unpack(packed: &[u8], bytes: usize, pixel: usize) -> Result<Vec<u8>, Error> {
    let early = || Error::corrupt("TGA: ends too early");
    // A run is no longer than it can be told to be: what is too short for the picture is known now.
    if (packed.len() / (1 + pixel)).saturating_mul(LONGEST_RUN * pixel) < bytes
        && packed.len() < bytes
    {
        return Err(early());
    }
    let mut unpacked = zeroed(bytes);
    let mut room = unpacked.as_mut_slice();
    let mut rest = packed;
    while !room.is_empty() {
        let (head, behind) = rest.split_first().ok_or_else(early)?;
        let count = usize::from(head & 0x7f) + 1;
        let length = if head & 0x80 == 0 { count * pixel } else { pixel };
        let (run, behind) = behind.split_at_checked(length).ok_or_else(early)?;
        // What reaches beyond the picture is cut off.
        let (place, after) = room.split_at_mut((count * pixel).min(room.len()));
        if head & 0x80 == 0 {
            place.copy_from_slice(run.get(..place.len()).ok_or_else(early)?);
        } else {
            place.chunks_exact_mut(pixel).for_each(|place| place.copy_from_slice(run));
        }
        (room, rest) = (after, behind);
    }
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_laid_down_and_what_is_too_short_is_known_before() {
        let packed = [0x82, 1, 2, 0x01, 3, 4, 5, 6];
        assert_eq!(unpack(&packed, 10, 2).expect("whole"), [1, 2, 1, 2, 1, 2, 3, 4, 5, 6]);
        assert_eq!(unpack(&packed, 8, 2).expect("cut"), [1, 2, 1, 2, 1, 2, 3, 4]);
        assert!(unpack(&packed, 12, 2).is_err());
        assert!(unpack(&[0xff; 64], 65_535 * 300 * 4, 4).is_err());
    }
}
