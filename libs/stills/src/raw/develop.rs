//! Develops a sensor's values that are stored as they are, as DNG may have them.
//!
//! Every two by two of a Bayer pattern become one pixel: half the size, and no colour is guessed.

use domain::limits::Limits;
use image::metadata::Orientation;

use crate::colour::coded;
use crate::easel::{Page, Picture};
use crate::error::Error;
use crate::ifd::{Directory, Tiff};
use crate::page::within;
use crate::raster::{Layout, Raster, room, upright};

const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const BITS: u16 = 258;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const STRIP_OFFSETS: u16 = 273;
const SAMPLES: u16 = 277;
const ROWS_PER_STRIP: u16 = 278;
const PATTERN: u16 = 0x828e;
const BLACK: u16 = 0xc61a;
const WHITE: u16 = 0xc61d;
const MATRIX: [u16; 2] = [0xc622, 0xc621];
const NEUTRAL: u16 = 0xc628;
const MOSAIC: u64 = 32_803;

/// What XYZ by the light of D50 makes of linear sRGB.
const TO_SRGB: [[f64; 3]; 3] = [
    [3.133_856, -1.616_867, -0.490_615],
    [-0.978_768, 1.916_141, 0.033_454],
    [0.071_945, -0.228_991, 1.405_243],
];

/// A sensor's values.
#[derive(Debug, Clone)]
pub(crate) struct Sensor<'a> {
    tiff: Tiff<'a>,
    dimensions: (u32, u32),
    /// Whether every sample stands alone, under a filter.
    mosaic: bool,
    little_depth: bool,
    strips: Vec<u64>,
    rows_per_strip: u64,
    pattern: [u8; 4],
    black: f64,
    white: f64,
    /// From the sensor's colours to linear sRGB.
    matrix: [[f64; 3]; 3],
    packed: bool,
}

impl<'a> Sensor<'a> {
    /// Notes where the values are; those packed in ways we do not unpack are known by their size.
    pub(crate) fn find(
        tiff: Tiff<'a>,
        directory: &Directory,
        main: Option<&Directory>,
    ) -> Option<Self> {
        let whole = |tag| directory.get(tag).and_then(|entry| tiff.whole(entry));
        let edge = |tag| whole(tag).and_then(|edge| u32::try_from(edge).ok());
        let dimensions = (edge(WIDTH)?, edge(HEIGHT)?);
        let mosaic = whole(PHOTOMETRIC) == Some(MOSAIC);
        let samples = whole(SAMPLES).unwrap_or(1);
        let bits = whole(BITS).unwrap_or(16);
        let pattern = directory.get(PATTERN).and_then(|entry| tiff.bytes(entry));
        let pattern = match (pattern, mosaic) {
            (Some([a, b, c, d]), _) => Some([*a, *b, *c, *d]),
            (_, false) => Some([0, 1, 1, 2]),
            (_, true) => None,
        };
        let strips: Vec<u64> = directory
            .get(STRIP_OFFSETS)
            .map(|entry| tiff.wholes(entry).collect())
            .unwrap_or_default();
        let packed = whole(COMPRESSION).unwrap_or(1) != 1
            || !matches!(bits, 8 | 16)
            || samples != if mosaic { 1 } else { 3 }
            || strips.is_empty()
            || pattern.is_none();
        let number = |tag| {
            let entry = directory.get(tag).or_else(|| main?.get(tag))?;
            Some(tiff.numbers(entry))
        };
        let first = |tag| number(tag)?.first().copied();
        let most = if bits == 8 { 255.0 } else { 65_535.0 };
        Some(Self {
            tiff,
            dimensions,
            mosaic,
            little_depth: bits == 8,
            strips,
            rows_per_strip: whole(ROWS_PER_STRIP).unwrap_or(dimensions.1.into()).max(1),
            pattern: pattern.unwrap_or_default(),
            black: first(BLACK).unwrap_or(0.0),
            white: first(WHITE).unwrap_or(most),
            matrix: matrix(
                MATRIX.iter().find_map(|tag| number(*tag)).as_deref(),
                number(NEUTRAL).as_deref(),
            ),
            packed,
        })
    }

    pub(crate) const fn dimensions(&self) -> (u32, u32) {
        self.dimensions
    }

    /// Whether its values are stored as they are.
    pub(crate) const fn can_be_developed(&self) -> bool {
        !self.packed
    }

    const fn developed(&self) -> (u32, u32) {
        let (width, height) = self.dimensions;
        if self.mosaic { (width / 2, height / 2) } else { (width, height) }
    }

    fn develop(&self) -> Result<Raster, Error> {
        let (width, height) = self.developed();
        if width == 0 || height == 0 {
            return Err(Error::corrupt("a raw picture without pixels"));
        }
        let table: Vec<u8> = (0..=4_095_u16).map(|at| coded(f32::from(at) / 4_095.0)).collect();
        let mut pixels = room(width, height, Layout::Rgb.bytes())?;
        let rows = pixels.chunks_exact_mut(width as usize * 3);
        for (y, row) in (0_u64..).zip(rows) {
            for (x, pixel) in (0_u64..).zip(row.as_chunks_mut::<3>().0) {
                *pixel = self.shown(
                    self.colour(x, y)
                        .ok_or_else(|| Error::corrupt("a raw picture ends too early"))?,
                    &table,
                );
            }
        }
        Raster::new(width, height, Layout::Rgb, pixels)
    }

    /// The sensor's colours of one pixel, from 0 to 1.
    fn colour(&self, x: u64, y: u64) -> Option<[f64; 3]> {
        let light = |value: f64| {
            ((value - self.black) / (self.white - self.black).max(1.0)).clamp(0.0, 1.0)
        };
        if !self.mosaic {
            return Some([
                light(self.sample(x * 3, y)?),
                light(self.sample(x * 3 + 1, y)?),
                light(self.sample(x * 3 + 2, y)?),
            ]);
        }
        let mut sums = [(0.0, 0.0); 3];
        for ((dx, dy), filter) in [(0, 0), (1, 0), (0, 1), (1, 1)].into_iter().zip(self.pattern) {
            let sum = sums.get_mut(usize::from(filter))?;
            sum.0 += light(self.sample(x * 2 + dx, y * 2 + dy)?);
            sum.1 += 1.0;
        }
        Some(sums.map(|(sum, count)| if count > 0.0 { sum / count } else { 0.0 }))
    }

    /// One stored value: column counted in samples.
    #[allow(clippy::cast_precision_loss, reason = "16 bits")]
    fn sample(&self, column: u64, y: u64) -> Option<f64> {
        let per_row = u64::from(self.dimensions.0) * if self.mosaic { 1 } else { 3 };
        let strip = self.strips.get(usize::try_from(y / self.rows_per_strip).ok()?)?;
        let bytes = if self.little_depth { 1 } else { 2 };
        let at = (y % self.rows_per_strip * per_row + column).checked_mul(bytes)?;
        self.tiff.number(strip.checked_add(at)?, bytes).map(|value| value as f64)
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to the table's length"
    )]
    fn shown(&self, colour: [f64; 3], table: &[u8]) -> [u8; 3] {
        let [r, g, b] = colour;
        self.matrix.map(|[from_r, from_g, from_b]| {
            let light = from_r * r + from_g * g + from_b * b;
            let index = (light.clamp(0.0, 1.0) * 4_095.0 + 0.5) as usize;
            table.get(index).copied().unwrap_or(u8::MAX)
        })
    }
}

/// What turns the sensor's colours into linear sRGB, white into white.
fn matrix(from_xyz: Option<&[f64]>, neutral: Option<&[f64]>) -> [[f64; 3]; 3] {
    let white = match neutral {
        Some([r, g, b]) if *r > 0.0 && *g > 0.0 && *b > 0.0 => [*r, *g, *b],
        _ => [1.0; 3],
    };
    let plain = || {
        let [r, g, b] = white.map(|channel| 1.0 / channel);
        [[r, 0.0, 0.0], [0.0, g, 0.0], [0.0, 0.0, b]]
    };
    let Some([a, b, c, d, e, f, g, h, i]) = from_xyz else { return plain() };
    let Some(to_xyz) = inverse([[*a, *b, *c], [*d, *e, *f], [*g, *h, *i]]) else { return plain() };
    let both = product(TO_SRGB, to_xyz);
    // What is neutral to the sensor comes out as white.
    let mut scaled = both;
    for row in &mut scaled {
        let sum: f64 = row.iter().zip(white).map(|(value, channel)| value * channel).sum();
        if !sum.is_normal() {
            return plain();
        }
        row.iter_mut().for_each(|value| *value /= sum);
    }
    scaled
}

fn product(left: [[f64; 3]; 3], right: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let [first, second, third] = right;
    left.map(|[a, b, c]| {
        let mut row = [0.0; 3];
        for (((value, x), y), z) in row.iter_mut().zip(first).zip(second).zip(third) {
            *value = a * x + b * y + c * z;
        }
        row
    })
}

fn inverse([[a, b, c], [d, e, f], [g, h, i]]: [[f64; 3]; 3]) -> Option<[[f64; 3]; 3]> {
    let whole = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
    if !whole.is_normal() {
        return None;
    }
    let rows = [
        [e * i - f * h, c * h - b * i, b * f - c * e],
        [f * g - d * i, a * i - c * g, c * d - a * f],
        [d * h - e * g, b * g - a * h, a * e - b * d],
    ];
    Some(rows.map(|row| row.map(|value| value / whole)))
}

/// A developed page.
pub(super) struct Leaf<'a> {
    pub(super) sensor: &'a Sensor<'a>,
    pub(super) orientation: Orientation,
}

impl Page for Leaf<'_> {
    fn dimensions(&self) -> (u32, u32) {
        upright(self.orientation, self.sensor.developed())
    }

    fn decode(&mut self, _least: (u32, u32), limits: &Limits) -> Result<Picture, Error> {
        within(self.sensor.dimensions, limits)?;
        Ok(Picture::of(self.sensor.develop()?, self.orientation, None))
    }
}
