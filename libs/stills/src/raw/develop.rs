//! Develops a sensor's values, as DNG has them.
//!
//! Every two by two of a Bayer pattern become one pixel: half the size, and no colour is guessed.

use domain::limits::Limits;
use image::metadata::Orientation;

use super::blocks::Blocks;
use crate::colour::coded;
use crate::easel::{Page, Picture};
use crate::error::Error;
use crate::ifd::{Directory, Tiff};
use crate::page::within;
use crate::raster::{Layout, Raster, room, upright};

const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const PHOTOMETRIC: u16 = 262;
const PATTERN: u16 = 0x828e;
const LINEARIZATION: u16 = 0xc618;
const BLACK_REPEAT: u16 = 0xc619;
const BLACK: u16 = 0xc61a;
const WHITE: u16 = 0xc61d;
const CROP_ORIGIN: u16 = 0xc61f;
const CROP_SIZE: u16 = 0xc620;
const MATRIX: [u16; 2] = [0xc622, 0xc621];
const NEUTRAL: u16 = 0xc628;
const ACTIVE_AREA: u16 = 0xc68d;
const MOSAIC: u64 = 32_803;
/// Steps of light that are told apart.
const STEPS: u16 = 4_096;

/// What linear sRGB is in XYZ, by the light of D65, which the second matrix of a DNG is mostly for.
const FROM_SRGB: [[f64; 3]; 3] = [
    [0.412_453, 0.357_580, 0.180_423],
    [0.212_671, 0.715_160, 0.072_169],
    [0.019_334, 0.119_193, 0.950_227],
];
const UNCHANGED: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// A sensor's values.
#[derive(Debug, Clone)]
pub(crate) struct Sensor<'a> {
    dimensions: (u32, u32),
    /// Nothing where they are packed in ways that we do not unpack.
    values: Option<Values<'a>>,
}

/// Values that can be unpacked, and what they mean.
#[derive(Debug, Clone)]
struct Values<'a> {
    blocks: Blocks<'a>,
    /// Filters of two by two, where every sample stands alone under one.
    mosaic: Option<[u8; 4]>,
    area: Area,
    levels: Levels,
    /// What the sensor's colours are where something is white; the most of them is 1.
    neutral: [f64; 3],
    /// From the sensor's colours, where white is 1 of each, to linear sRGB.
    matrix: [[f64; 3]; 3],
}

/// What is shown of the values, in pixels of the sensor.
#[derive(Debug, Clone, Copy)]
struct Area {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

/// How much light a value stands for.
#[derive(Debug, Clone)]
struct Levels {
    /// What stored values mean; empty where they mean themselves.
    curve: Vec<u16>,
    /// Columns and rows after which black repeats.
    repeat: (usize, usize),
    black: Vec<f64>,
    white: Vec<f64>,
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
        Some(Self { dimensions, values: Values::find(tiff, dimensions, directory, main) })
    }

    pub(crate) const fn dimensions(&self) -> (u32, u32) {
        self.dimensions
    }

    /// Whether its values can be unpacked.
    pub(crate) const fn can_be_developed(&self) -> bool {
        self.values.is_some()
    }
}

impl<'a> Values<'a> {
    fn find(
        tiff: Tiff<'a>,
        dimensions: (u32, u32),
        directory: &Directory,
        main: Option<&Directory>,
    ) -> Option<Self> {
        let blocks = Blocks::find(tiff, directory)?;
        let photometric = directory.get(PHOTOMETRIC).and_then(|entry| tiff.whole(entry));
        let mosaic = if photometric == Some(MOSAIC) {
            let pattern = directory.get(PATTERN).and_then(|entry| tiff.bytes(entry))?;
            let filters: [u8; 4] = pattern.try_into().ok()?;
            Some(filters)
                .filter(|filters| blocks.samples() == 1 && filters.iter().all(|it| *it < 3))
        } else {
            None
        };
        if photometric == Some(MOSAIC) && mosaic.is_none() {
            return None;
        }
        let numbers = |tag| {
            let entry = directory.get(tag).or_else(|| main?.get(tag))?;
            Some(tiff.numbers(entry))
        };
        let coloured = blocks.samples() > 1 || mosaic.is_some();
        let told = |tag| numbers(tag).filter(|_| coloured);
        let matrix = MATRIX.iter().find_map(|tag| told(*tag)).and_then(|it| matrix(&it));
        let neutral = told(NEUTRAL).and_then(|it| neutral(&it)).unwrap_or([1.0; 3]);
        let area = Area::find(dimensions, mosaic.is_some(), |tag| {
            directory.get(tag).map(|entry| tiff.numbers(entry))
        });
        let levels = Levels::find(&blocks, tiff, directory, numbers);
        let matrix = matrix.unwrap_or(UNCHANGED);
        Some(Self { blocks, mosaic, area, levels, neutral, matrix })
    }

    const fn developed(&self) -> (u32, u32) {
        let Area { width, height, .. } = self.area;
        if self.mosaic.is_some() { (width / 2, height / 2) } else { (width, height) }
    }

    fn develop(&self, limits: &Limits) -> Result<Raster, Error> {
        let (width, height) = self.developed();
        if width == 0 || height == 0 {
            return Err(Error::corrupt("a raw picture without pixels"));
        }
        let table: Vec<u8> =
            (0..STEPS).map(|at| coded(f32::from(at) / f32::from(STEPS - 1))).collect();
        let mut pixels = room(width, height, Layout::Rgb.bytes())?;
        let mut rows = pixels.chunks_exact_mut(width as usize * 3);
        let first = self.area.left as usize * self.blocks.samples();
        let mut upper: Vec<u16> = Vec::new();
        self.blocks.each_row(limits, |y, row| {
            let Some(y) = y.checked_sub(self.area.top) else { return Ok(()) };
            let row = row.get(first..).unwrap_or_default();
            if self.mosaic.is_some() && y % 2 == 0 {
                upper.clear();
                upper.extend_from_slice(row);
                return Ok(());
            }
            // What is below the area is not shown.
            let Some(target) = rows.next() else { return Ok(()) };
            for (x, pixel) in target.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                let colour = match self.mosaic {
                    Some(filters) => self.under(filters, x, y as usize, &upper, row),
                    None => self.alone(x, y as usize, row),
                };
                *pixel = self.shown(colour.unwrap_or_default(), &table);
            }
            Ok(())
        })?;
        Raster::new(width, height, Layout::Rgb, pixels)
    }

    /// The sensor's colours of two by two values under their filters, from 0 to 1; `y` is the lower
    /// row's number.
    fn under(
        &self,
        filters: [u8; 4],
        x: usize,
        y: usize,
        upper: &[u16],
        lower: &[u16],
    ) -> Option<[f64; 3]> {
        let mut sums = [(0.0, 0.0); 3];
        let places = [(0, upper, y - 1), (1, upper, y - 1), (0, lower, y), (1, lower, y)];
        for ((dx, row, y), filter) in places.into_iter().zip(filters) {
            let sum = sums.get_mut(usize::from(filter))?;
            sum.0 += self.levels.light(*row.get(x * 2 + dx)?, (x * 2 + dx, y), (0, 1));
            sum.1 += 1.0;
        }
        Some(sums.map(|(sum, count)| if count > 0.0 { sum / count } else { 0.0 }))
    }

    /// The sensor's colours of one pixel, from 0 to 1.
    fn alone(&self, x: usize, y: usize, row: &[u16]) -> Option<[f64; 3]> {
        let samples = self.blocks.samples();
        let pixel = row.get(x * samples..)?.get(..samples)?;
        let mut colour = [0.0; 3];
        for (at, channel) in colour.iter_mut().enumerate() {
            let sample = at.min(samples - 1);
            *channel = self.levels.light(*pixel.get(sample)?, (x, y), (sample, samples));
        }
        Some(colour)
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to the table's length"
    )]
    fn shown(&self, colour: [f64; 3], table: &[u8]) -> [u8; 3] {
        let mut balanced = colour;
        for (channel, white) in balanced.iter_mut().zip(self.neutral) {
            // What is brighter than white is white: not all channels know how bright.
            *channel = (*channel / white).min(1.0);
        }
        let [r, g, b] = balanced;
        self.matrix.map(|[from_r, from_g, from_b]| {
            let light = from_r * r + from_g * g + from_b * b;
            let index = (light.clamp(0.0, 1.0) * f64::from(STEPS - 1) + 0.5) as usize;
            table.get(index).copied().unwrap_or(u8::MAX)
        })
    }
}

impl Area {
    /// The part that the tags name; everything where they make no sense. Begins with the same
    /// filter as the active area does.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked against the dimensions"
    )]
    fn find(
        (width, height): (u32, u32),
        mosaic: bool,
        numbers: impl Fn(u16) -> Option<Vec<f64>>,
    ) -> Self {
        let whole = Self { left: 0, top: 0, width, height };
        let active = match numbers(ACTIVE_AREA).as_deref() {
            Some([top, left, bottom, right]) => {
                let [top, left, bottom, right] =
                    [*top, *left, *bottom, *right].map(|edge| edge as u32);
                whole.part((left, top), (right.saturating_sub(left), bottom.saturating_sub(top)))
            }
            _ => whole,
        };
        match (numbers(CROP_ORIGIN).as_deref(), numbers(CROP_SIZE).as_deref()) {
            (Some([left, top]), Some([width, height])) => {
                let even = |edge: f64| if mosaic { edge as u32 & !1 } else { edge as u32 };
                active.part((even(*left), even(*top)), (*width as u32, *height as u32))
            }
            _ => active,
        }
    }

    /// A part of it, or all where the part is not within it.
    fn part(self, (left, top): (u32, u32), (width, height): (u32, u32)) -> Self {
        let ends_within = |from: u32, length: u32, all: u32| {
            length > 0 && from.checked_add(length).is_some_and(|end| end <= all)
        };
        if !ends_within(left, width, self.width) || !ends_within(top, height, self.height) {
            return self;
        }
        Self { left: self.left + left, top: self.top + top, width, height }
    }
}

impl Levels {
    fn find(
        blocks: &Blocks<'_>,
        tiff: Tiff<'_>,
        directory: &Directory,
        numbers: impl Fn(u16) -> Option<Vec<f64>>,
    ) -> Self {
        let curve = directory.get(LINEARIZATION).map(|entry| tiff.wholes(entry));
        let curve = curve.into_iter().flatten().filter_map(|value| u16::try_from(value).ok());
        let repeat =
            directory.get(BLACK_REPEAT).map(|entry| tiff.wholes(entry).collect::<Vec<_>>());
        let repeat = match repeat.as_deref() {
            Some([rows, columns]) => (
                usize::try_from(*columns).unwrap_or(1).max(1),
                usize::try_from(*rows).unwrap_or(1).max(1),
            ),
            _ => (1, 1),
        };
        let some = |tag, otherwise: f64| {
            numbers(tag).filter(|found| !found.is_empty()).unwrap_or_else(|| vec![otherwise])
        };
        Self {
            curve: curve.collect(),
            repeat,
            black: some(BLACK, 0.0),
            white: some(WHITE, blocks.most().into()),
        }
    }

    /// From 0 to 1, for the value at a column and row, of one sample of so many.
    fn light(&self, value: u16, (x, y): (usize, usize), (sample, samples): (usize, usize)) -> f64 {
        let (columns, rows) = self.repeat;
        let place = (y % rows)
            .checked_mul(columns)
            .and_then(|before| (before + x % columns).checked_mul(samples));
        let black = place.and_then(|place| self.black.get(place + sample));
        let black = black.or(self.black.first()).copied().unwrap_or_default();
        let white = self.white.get(sample).or(self.white.first()).copied().unwrap_or(1.0);
        let value = self.curve.get(usize::from(value)).or(self.curve.last()).unwrap_or(&value);
        ((f64::from(*value) - black) / (white - black).max(1.0)).clamp(0.0, 1.0)
    }
}

/// What is neutral to the sensor, its largest number as 1.
fn neutral(told: &[f64]) -> Option<[f64; 3]> {
    let told: [f64; 3] = told.try_into().ok()?;
    let most = told.iter().fold(0.0, |most: f64, channel| most.max(*channel));
    let sound = told.iter().all(|channel| channel.is_normal() && *channel > 0.0);
    sound.then(|| told.map(|channel| channel / most))
}

/// What turns the sensor's colours, where white is 1 of each, into linear sRGB; by how the sensor
/// sees XYZ.
fn matrix(from_xyz: &[f64]) -> Option<[[f64; 3]; 3]> {
    let [a, b, c, d, e, f, g, h, i] = from_xyz else { return None };
    let mut seen = product([[*a, *b, *c], [*d, *e, *f], [*g, *h, *i]], FROM_SRGB);
    for row in &mut seen {
        let sum: f64 = row.iter().sum();
        if !sum.is_normal() {
            return None;
        }
        row.iter_mut().for_each(|value| *value /= sum);
    }
    inverse(seen)
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
    values: &'a Values<'a>,
    orientation: Orientation,
}

impl<'a> Leaf<'a> {
    /// Nothing where the values cannot be unpacked.
    pub(super) fn of(sensor: &'a Sensor<'a>, orientation: Orientation) -> Option<Self> {
        sensor.values.as_ref().map(|values| Self { values, orientation })
    }
}

impl Page for Leaf<'_> {
    fn dimensions(&self) -> (u32, u32) {
        upright(self.orientation, self.values.developed())
    }

    fn decode(&mut self, _least: (u32, u32), limits: &Limits) -> Result<Picture, Error> {
        within(self.values.developed(), limits)?;
        Ok(Picture::of(self.values.develop(limits)?, self.orientation, None))
    }
}
