//! A sensor's values as DNG packs them, in strips or tiles, unpacked into rows.

use domain::limits::Limits;
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;

use super::lossless;
use crate::error::Error;
use crate::ifd::{Directory, Tiff};
use crate::page::within;

const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const BITS: u16 = 258;
const COMPRESSION: u16 = 259;
const STRIP_OFFSETS: u16 = 273;
const SAMPLES: u16 = 277;
const ROWS_PER_STRIP: u16 = 278;
const STRIP_BYTES: u16 = 279;
const PLANES: u16 = 284;
const PREDICTOR: u16 = 317;
const TILE_WIDTH: u16 = 322;
const TILE_HEIGHT: u16 = 323;
const TILE_OFFSETS: u16 = 324;
const TILE_BYTES: u16 = 325;
const SAMPLE_FORMAT: u16 = 339;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Plain,
    /// Each value as what it is more than the one so many pixels before; 0 where it is itself.
    Deflate {
        differences: usize,
    },
    Lossless,
}

/// Where the values are, and how they are packed.
#[derive(Debug, Clone)]
pub(super) struct Blocks<'a> {
    tiff: Tiff<'a>,
    dimensions: (u32, u32),
    /// Width and height of a strip or tile.
    block: (u32, u32),
    tiled: bool,
    samples: usize,
    bits: u32,
    packing: Packing,
    offsets: Vec<u64>,
    lengths: Vec<u64>,
}

impl<'a> Blocks<'a> {
    /// Nothing where they are packed in a way that is not unpacked here.
    pub(super) fn find(tiff: Tiff<'a>, directory: &Directory) -> Option<Self> {
        let whole = |tag| directory.get(tag).and_then(|entry| tiff.whole(entry));
        let edge = |tag| whole(tag).and_then(|edge| u32::try_from(edge).ok());
        let list = |tag| -> Vec<u64> {
            let entry = directory.get(tag);
            entry.map(|entry| tiff.wholes(entry).collect()).unwrap_or_default()
        };
        let dimensions = (edge(WIDTH)?, edge(HEIGHT)?);
        let tiled = directory.get(TILE_OFFSETS).is_some();
        let block = if tiled {
            (edge(TILE_WIDTH)?, edge(TILE_HEIGHT)?)
        } else {
            (dimensions.0, edge(ROWS_PER_STRIP).unwrap_or(u32::MAX).min(dimensions.1))
        };
        let packing = match (whole(COMPRESSION).unwrap_or(1), whole(PREDICTOR).unwrap_or(1)) {
            (1, _) => Packing::Plain,
            (7, _) => Packing::Lossless,
            (8, 1) => Packing::Deflate { differences: 0 },
            (8, 2) => Packing::Deflate { differences: 1 },
            (8, 34_892) => Packing::Deflate { differences: 2 },
            (8, 34_893) => Packing::Deflate { differences: 4 },
            _ => return None,
        };
        let (offsets, lengths) =
            if tiled { (TILE_OFFSETS, TILE_BYTES) } else { (STRIP_OFFSETS, STRIP_BYTES) };
        let found = Self {
            tiff,
            dimensions,
            block,
            tiled,
            samples: usize::try_from(whole(SAMPLES).unwrap_or(1)).ok()?,
            bits: edge(BITS).unwrap_or(16),
            packing,
            offsets: list(offsets),
            lengths: list(lengths),
        };
        let known = (8..=16).contains(&found.bits)
            && matches!(found.samples, 1 | 3)
            && (found.samples == 1 || whole(PLANES).unwrap_or(1) == 1)
            && whole(SAMPLE_FORMAT).unwrap_or(1) == 1
            && block.0 > 0
            && block.1 > 0
            && !found.offsets.is_empty();
        known.then_some(found)
    }

    pub(super) const fn samples(&self) -> usize {
        self.samples
    }

    /// The largest value that there is room for.
    pub(super) fn most(&self) -> u16 {
        u16::MAX >> 16_u32.saturating_sub(self.bits)
    }

    const fn grid(&self) -> (u32, u32) {
        let ((width, height), (wide, high)) = (self.dimensions, self.block);
        (width.div_ceil(wide), height.div_ceil(high))
    }

    /// Hands over every row of values from the top, with its number.
    pub(super) fn each_row(
        &self,
        limits: &Limits,
        mut each: impl FnMut(u32, &[u16]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        within(self.dimensions, limits)?;
        let ((across, down), (wide, high)) = (self.grid(), self.block);
        // Tiles may reach beyond the picture, but not without bounds.
        within((across.saturating_mul(wide), down.saturating_mul(high)), limits)?;
        let row = self.dimensions.0 as usize * self.samples;
        let mut band = Vec::new();
        for number in 0..down {
            let top = number * high;
            let rows = high.min(self.dimensions.1 - top);
            band.clear();
            band.resize(row * rows as usize, 0);
            for column in 0..across {
                let index = u64::from(number) * u64::from(across) + u64::from(column);
                let values = self.block(index, if self.tiled { high } else { rows }, rows)?;
                let from = column as usize * wide as usize * self.samples;
                let lines = values.chunks(wide as usize * self.samples);
                for (target, line) in band.chunks_exact_mut(row).zip(lines) {
                    let target = target.get_mut(from..).unwrap_or_default();
                    let length = target.len().min(line.len());
                    if let (Some(target), Some(line)) =
                        (target.get_mut(..length), line.get(..length))
                    {
                        target.copy_from_slice(line);
                    }
                }
            }
            for (y, line) in (top..).zip(band.chunks_exact(row)) {
                each(y, line)?;
            }
        }
        Ok(())
    }

    /// The values of one strip or tile, of which `needed` rows are there at least.
    fn block(&self, index: u64, rows: u32, needed: u32) -> Result<Vec<u16>, Error> {
        let early = || Error::corrupt("a raw picture ends too early");
        let index = usize::try_from(index).ok();
        let offset = index.and_then(|index| self.offsets.get(index)).ok_or_else(early)?;
        let packed = match (index.and_then(|index| self.lengths.get(index)), self.packing) {
            (_, Packing::Plain) | (None, _) => self.tiff.from(*offset),
            (Some(length), _) => self.tiff.slice(*offset, *length),
        };
        let packed = packed.ok_or_else(early)?;
        let row = self.block.0 as usize * self.samples;
        let row_bytes = (row * self.bits as usize).div_ceil(8);
        let (most, least) = (row * rows as usize, row * needed as usize);
        let values = match self.packing {
            Packing::Plain => self.numbers(packed, row, row_bytes, needed),
            Packing::Deflate { differences } => {
                let unpacked = decompress_to_vec_zlib_with_limit(packed, row_bytes * rows as usize)
                    .unwrap_or_else(|error| error.output);
                let mut values = self.numbers(&unpacked, row, row_bytes, needed);
                if differences > 0 {
                    values
                        .chunks_exact_mut(row)
                        .for_each(|line| self.sum_up(line, differences * self.samples));
                }
                values
            }
            Packing::Lossless => lossless::decode(packed, most)?,
        };
        if values.len() < least {
            return Err(early());
        }
        Ok(values)
    }

    /// Rows of numbers, each of which begins with a byte; those of 8 and 16 bits in the file's order,
    /// others with their high bits first. As many rows as are whole.
    fn numbers(&self, stored: &[u8], row: usize, row_bytes: usize, rows: u32) -> Vec<u16> {
        let lines = stored.chunks_exact(row_bytes).take(rows as usize);
        let mut values = Vec::with_capacity(row * lines.len());
        for line in lines {
            match self.bits {
                8 => values.extend(line.iter().map(|byte| u16::from(*byte))),
                16 => {
                    values.extend(line.as_chunks::<2>().0.iter().map(|two| self.tiff.short(*two)));
                }
                bits => values.extend(packed(line, bits).take(row)),
            }
        }
        values
    }

    /// Undoes the differences within a row.
    fn sum_up(&self, line: &mut [u16], step: usize) {
        let most = self.most();
        for at in step..line.len() {
            let before = line.get(at - step).copied().unwrap_or_default();
            if let Some(value) = line.get_mut(at) {
                *value = value.wrapping_add(before) & most;
            }
        }
    }
}

/// Numbers of so many bits, 9 to 15, one behind the other.
#[allow(clippy::cast_possible_truncation, reason = "cut to 16 bits at most")]
fn packed(line: &[u8], bits: u32) -> impl Iterator<Item = u16> {
    let (mut held, mut count, mut bytes) = (0_u32, 0, line.iter());
    std::iter::from_fn(move || {
        while count < bits {
            held = held << 8 | u32::from(*bytes.next()?);
            count += 8;
        }
        count -= bits;
        Some((held >> count) as u16 & (u16::MAX >> (16 - bits)))
    })
}
