//! TIFF's commonest shape, gray or coloured bytes in strips, plain or by LZW, read without detours.

use crate::error::Error;
use crate::ifd::Tiff;
use crate::lzw;
use crate::raster::{Layout, Raster, room};

const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const BITS: u16 = 258;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const FILL_ORDER: u16 = 266;
const OFFSETS: u16 = 273;
const SAMPLES: u16 = 277;
const ROWS: u16 = 278;
const BYTES: u16 = 279;
const PLANAR: u16 = 284;
const PREDICTOR: u16 = 317;
const TILE_WIDTH: u16 = 322;
const SAMPLE_FORMAT: u16 = 339;

const PLAIN: u64 = 1;
const LZW: u64 = 5;

/// Where the pixels of the first directory lie, if they are of that shape.
pub(crate) struct Strips<'a> {
    tiff: Tiff<'a>,
    dimensions: (u32, u32),
    layout: Layout,
    rows: u32,
    offsets: Vec<u64>,
    lengths: Vec<u64>,
    packed: bool,
    differences: bool,
}

impl<'a> Strips<'a> {
    pub(crate) fn find(file: &'a [u8]) -> Option<Self> {
        let tiff = Tiff::of(file).filter(|_| matches!(file.get(2..4), Some(b"*\0" | b"\0*")))?;
        let directory = tiff.directory(tiff.first())?;
        let all = |tag| -> Vec<u64> {
            directory.get(tag).map(|entry| tiff.wholes(entry).collect()).unwrap_or_default()
        };
        let one = |tag, usual: u64| all(tag).first().copied().unwrap_or(usual);
        let layout = match (one(PHOTOMETRIC, u64::MAX), one(SAMPLES, 1)) {
            (1, 1) => Layout::Gray,
            (2, 3) => Layout::Rgb,
            _ => return None,
        };
        let compression = one(COMPRESSION, PLAIN);
        let predictor = one(PREDICTOR, 1);
        let is_common = all(BITS).iter().all(|bits| *bits == 8)
            && !all(BITS).is_empty()
            && matches!(compression, PLAIN | LZW)
            && matches!((compression, predictor), (_, 1) | (LZW, 2))
            && [FILL_ORDER, PLANAR, SAMPLE_FORMAT].iter().all(|tag| one(*tag, 1) == 1)
            && directory.get(TILE_WIDTH).is_none();
        let edge = |tag| u32::try_from(one(tag, 0)).ok().filter(|edge| *edge > 0);
        let dimensions = (edge(WIDTH)?, edge(HEIGHT)?);
        let rows = u32::try_from(one(ROWS, u64::MAX)).unwrap_or(u32::MAX).clamp(1, dimensions.1);
        let (offsets, lengths) = (all(OFFSETS), all(BYTES));
        let count = dimensions.1.div_ceil(rows) as usize;
        if !is_common || offsets.len() != count || lengths.len() != count {
            return None;
        }
        let (packed, differences) = (compression == LZW, predictor == 2);
        Some(Self { tiff, dimensions, layout, rows, offsets, lengths, packed, differences })
    }

    pub(crate) const fn dimensions(&self) -> (u32, u32) {
        self.dimensions
    }

    pub(crate) fn decode(&self) -> Result<Raster, Error> {
        let (width, height) = self.dimensions;
        let channels = self.layout.bytes();
        let row = width as usize * channels;
        let early = || Error::corrupt("TIFF: ends too early");
        let mut pixels = room(width, height, channels)?;
        let targets = pixels.chunks_mut(row * self.rows as usize);
        for ((offset, length), target) in self.offsets.iter().zip(&self.lengths).zip(targets) {
            let strip = self.tiff.slice(*offset, *length).ok_or_else(early)?;
            if self.packed {
                lzw::unpack(strip, target)?;
            } else {
                target.copy_from_slice(strip.get(..target.len()).ok_or_else(early)?);
            }
            if self.differences {
                target.chunks_exact_mut(row).for_each(|row| sum_up(row, channels));
            }
        }
        Raster::new(width, height, self.layout, pixels)
    }
}

/// Undoes the differences between neighbours of the same channel.
fn sum_up(row: &mut [u8], channels: usize) {
    if channels == 3 {
        let mut sum = [0_u8; 3];
        for pixel in row.as_chunks_mut::<3>().0 {
            for (sum, sample) in sum.iter_mut().zip(pixel.iter_mut()) {
                *sum = sum.wrapping_add(*sample);
                *sample = *sum;
            }
        }
    } else {
        let mut sum = 0_u8;
        for sample in row {
            sum = sum.wrapping_add(*sample);
            *sample = sum;
        }
    }
}
