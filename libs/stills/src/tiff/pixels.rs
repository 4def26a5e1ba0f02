//! The pixels of a TIFF: strips and tiles laid side by side, numbers of any depth as bytes, colours
//! as red, green and blue.

use std::borrow::Cow;

use fast_image_resize::Resizer;

use super::shape::{Alpha, Colours, Packing, Shape};
use super::unpack::{unpack, whole_rows};
use crate::colour::{cmyk_to_srgb, lab_to_srgb};
use crate::error::Error;
use crate::jpeg;
use crate::media::Source;
use crate::raster::{Layout, Raster, room};
use crate::shrink::{Shrinker, Shrunk};

/// A picture, how much of it is the page, and whether its colours are still those of its profile.
type Decoded = (Raster, Option<(f64, f64)>, bool);

/// What is read at once of rows that are needed once, in bytes: no more than a socket takes without
/// waiting, and small enough to stay near the processor.
const READ_BYTES: usize = 160 << 10;

/// Bytes of the picture, with so many channels.
struct Canvas {
    width: usize,
    height: usize,
    channels: usize,
    bytes: Vec<u8>,
}

impl Shape<'_> {
    /// The picture, no smaller than `least`, how much of it is the page, and whether its colours
    /// still are those of its profile. Strips of plain rows come from the source, if it is given.
    pub(crate) fn decode(
        &self,
        least: (u32, u32),
        source: Option<&mut dyn Source>,
    ) -> Result<Decoded, Error> {
        match self.packing {
            Packing::OldJpeg { at, length } => Ok((self.whole_jpeg(at, length)?, None, true)),
            Packing::Jpeg if !self.planar => {
                let canvas = self.jpegs()?;
                let cmyk = self.colours == Colours::Cmyk;
                self.finished(canvas).map(|raster| (raster, None, !cmyk))
            }
            _ if self.is_in_rows() => {
                self.in_rows(least, source).map(|(raster, reach)| (raster, reach, true))
            }
            _ => {
                let canvas = self.unpacked()?;
                let own = matches!(self.colours, Colours::Dark | Colours::Light | Colours::Rgb);
                self.coloured(canvas).map(|raster| (raster, None, own))
            }
        }
    }

    /// Whether it is of whole rows of bytes, each a channel that is shown.
    fn is_in_rows(&self) -> bool {
        !self.tiled
            && !self.planar
            && !self.signed
            && self.bits == 8
            && self.samples == self.colours.channels()
            && matches!(self.colours, Colours::Dark | Colours::Light | Colours::Rgb)
            && matches!(
                self.packing,
                Packing::Plain | Packing::Lzw | Packing::Deflate | Packing::Runs
            )
    }

    /// Whether these rows lie in the file as they are.
    pub(super) fn is_plain_rows(&self) -> bool {
        self.is_in_rows() && self.packing == Packing::Plain && !self.differences && !self.reversed
    }

    /// Bytes of all rows of a plain strip.
    pub(super) fn strip_bytes(&self, index: usize) -> Option<u64> {
        let above = u64::try_from(index).ok()?.checked_mul(self.chunk.1.into())?;
        let rows = u64::from(self.chunk.1).min(u64::from(self.dimensions().1).checked_sub(above)?);
        rows.checked_mul(u64::from(self.dimensions().0) * self.samples as u64)
    }

    /// Row by row, so that of a plain file nothing is copied as a whole.
    fn in_rows(
        &self,
        least: (u32, u32),
        mut source: Option<&mut dyn Source>,
    ) -> Result<Shrunk, Error> {
        let layout = if self.colours == Colours::Rgb { Layout::Rgb } else { Layout::Gray };
        let dimensions = self.dimensions();
        let row = dimensions.0 as usize * self.samples;
        let mut shrinker = Shrinker::new(dimensions, layout, least)?;
        let mut buffer = Vec::new();
        for index in 0..self.grid().1 {
            let above = u32::try_from(index).unwrap_or(u32::MAX).saturating_mul(self.chunk.1);
            let rows = self.chunk.1.min(dimensions.1.saturating_sub(above));
            if let (Some(source), Some(at)) = (source.as_deref_mut(), self.offsets.get(index)) {
                from_source(source, *at, (row, rows), &mut buffer, &mut shrinker)?;
                continue;
            }
            let packed = self.chunk(index)?;
            if self.is_plain_rows() {
                for stored in whole_rows(&packed, row, rows)?.chunks_exact(row) {
                    shrinker.row(stored)?;
                }
                continue;
            }
            unpack(self.packing, &packed, (dimensions.0, rows), row, &mut buffer)?;
            for stored in buffer.chunks_exact_mut(row) {
                if self.differences {
                    self.sum_up(stored, self.samples);
                }
                shrinker.row(stored)?;
            }
        }
        let (mut raster, reach) = shrinker.finish()?;
        if self.colours == Colours::Dark {
            raster.pixels.iter_mut().for_each(|gray| *gray = 255 - *gray);
        }
        Ok((raster, reach))
    }

    fn chunk(&self, index: usize) -> Result<Cow<'_, [u8]>, Error> {
        let place = self.offsets.get(index).zip(self.lengths.get(index));
        let bytes = place.and_then(|(offset, length)| self.tiff.slice(*offset, *length));
        let bytes = bytes.ok_or_else(|| Error::corrupt("TIFF: a strip outside the file"))?;
        if self.reversed && !matches!(self.packing, Packing::Jpeg) {
            return Ok(bytes.iter().map(|byte| byte.reverse_bits()).collect());
        }
        Ok(Cow::Borrowed(bytes))
    }

    fn canvas(&self, channels: usize) -> Result<Canvas, Error> {
        let (width, height) = self.dimensions();
        let bytes = room(width, height, channels)?;
        Ok(Canvas { width: width as usize, height: height as usize, channels, bytes })
    }

    /// Channels that are kept: those of the colour, and one of opacity.
    fn kept(&self) -> usize {
        let alpha = self.alpha != Alpha::None && self.colours != Colours::Cmyk;
        self.colours.channels() + usize::from(alpha)
    }

    /// Strips and tiles laid down, every number as a byte; indices of a palette as they are.
    fn unpacked(&self) -> Result<Canvas, Error> {
        let mut canvas = self.canvas(self.kept())?;
        let (across, down) = self.grid();
        let (wide, high) = self.chunk;
        let together = if self.planar { 1 } else { self.samples };
        let row = (wide as usize * together * self.bits as usize).div_ceil(8);
        let planes = if self.planar { self.kept() } else { 1 };
        let mut bytes = Vec::new();
        for index in 0..across * down * planes {
            let (plane, place) = (index / (across * down), index % (across * down));
            let (left, top) = (place % across * wide as usize, place / across * high as usize);
            let left_over =
                self.dimensions().1.saturating_sub(u32::try_from(top).unwrap_or(u32::MAX));
            let rows = if self.tiled { high } else { high.min(left_over) };
            let packed = self.chunk(index)?;
            match self.packing {
                Packing::Jpeg => bytes = self.plane(&packed, (wide, rows))?,
                packing => unpack(packing, &packed, (wide, rows), row, &mut bytes)?,
            }
            for (y, stored) in bytes.chunks_exact_mut(row.max(1)).enumerate() {
                if self.differences {
                    self.sum_up(stored, together);
                }
                let pixels = canvas.row(left, top + y);
                self.lay(stored, pixels, self.kept(), together, plane);
            }
        }
        Ok(canvas)
    }

    /// One channel packed as a JPEG of its own.
    fn plane(&self, packed: &[u8], dimensions: (u32, u32)) -> Result<Vec<u8>, Error> {
        let raster = self.jpeg(packed, dimensions)?;
        let gray = (raster.layout == Layout::Gray && raster.dimensions() == dimensions)
            .then_some(raster.pixels);
        gray.ok_or_else(|| Error::corrupt("TIFF: a JPEG that is no channel"))
    }

    /// Undoes the differences between neighbours of the same channel.
    fn sum_up(&self, row: &mut [u8], together: usize) {
        match (self.bits, together) {
            (8, 1) => return sum_up::<1>(row),
            (8, 3) => return sum_up::<3>(row),
            (8, 4) => return sum_up::<4>(row),
            (8, _) => {
                for at in together..row.len() {
                    let before = row.get(at - together).copied().unwrap_or_default();
                    if let Some(sample) = row.get_mut(at) {
                        *sample = sample.wrapping_add(before);
                    }
                }
                return;
            }
            _ => {}
        }
        let mut before = vec![0_u16; together];
        for pixel in row.chunks_exact_mut(together * 2) {
            for (sample, before) in pixel.as_chunks_mut::<2>().0.iter_mut().zip(&mut before) {
                *before = before.wrapping_add(self.tiff.short(*sample));
                *sample = self.tiff.short_bytes(*before);
            }
        }
    }

    /// A stored row into pixels of the canvas.
    fn lay(
        &self,
        stored: &[u8],
        pixels: &mut [u8],
        channels: usize,
        together: usize,
        plane: usize,
    ) {
        if self.bits == 8 && together == channels && !self.signed {
            let count = stored.len().min(pixels.len());
            if let (Some(to), Some(from)) = (pixels.get_mut(..count), stored.get(..count)) {
                to.copy_from_slice(from);
            }
            return;
        }
        let mut numbers = Numbers { stored, bits: self.bits, at: 0, little: self.tiff.is_little() };
        for pixel in pixels.chunks_exact_mut(channels) {
            for sample in 0..together {
                let Some(number) = numbers.next() else { return };
                let place = if self.planar { plane } else { sample };
                if let Some(byte) = pixel.get_mut(place) {
                    *byte = self.byte(number);
                }
            }
        }
    }

    /// A number of the picture's depth as a byte.
    fn byte(&self, number: u16) -> u8 {
        let sign = if self.signed { 1_u16 << (self.bits - 1) } else { 0 };
        let number = number ^ sign;
        let byte = match self.bits {
            1 | 2 | 4 if self.colours == Colours::Palette => number,
            1 => number * 255,
            2 => number * 85,
            4 => number * 17,
            bits => number >> (bits - 8),
        };
        u8::try_from(byte).unwrap_or(u8::MAX)
    }

    /// Colours as they are meant.
    fn coloured(&self, mut canvas: Canvas) -> Result<Raster, Error> {
        if self.alpha == Alpha::Multiplied {
            let colours = self.colours.channels();
            for pixel in canvas.bytes.chunks_exact_mut(canvas.channels) {
                let (colours, alpha) = pixel.split_at_mut(colours);
                let alpha = u16::from(alpha.first().copied().unwrap_or(u8::MAX)).max(1);
                for colour in colours {
                    let straight = (u16::from(*colour) * 255 + alpha / 2) / alpha;
                    *colour = u8::try_from(straight).unwrap_or(u8::MAX);
                }
            }
        }
        let dimensions = self.dimensions();
        match self.colours {
            Colours::Cmyk => cmyk_to_srgb(&canvas.bytes, self.icc(), dimensions),
            Colours::Palette => {
                let third = self.palette.len() / 3;
                let entry = |index: usize| u8::try_from(self.palette.get(index)? >> 8).ok();
                canvas.mapped(|pixel| {
                    let index = usize::from(pixel.first().copied().unwrap_or_default());
                    [index, index + third, index + 2 * third]
                        .map(|index| entry(index).unwrap_or_default())
                })
            }
            Colours::Lab => canvas.mapped(|pixel| match pixel {
                [l, a, b, ..] => lab_to_srgb([*l, a.wrapping_add(128), b.wrapping_add(128)]),
                _ => [0; 3],
            }),
            Colours::IccLab => canvas.mapped(|pixel| match pixel {
                [l, a, b, ..] => lab_to_srgb([*l, *a, *b]),
                _ => [0; 3],
            }),
            Colours::Dark | Colours::Light | Colours::Rgb | Colours::YCbCr => self.finished(canvas),
        }
    }

    /// Gray and coloured bytes as a raster.
    fn finished(&self, mut canvas: Canvas) -> Result<Raster, Error> {
        if self.colours == Colours::Dark {
            let every = canvas.channels;
            canvas.bytes.iter_mut().step_by(every).for_each(|gray| *gray = 255 - *gray);
        }
        let (width, height) = self.dimensions();
        match canvas.channels {
            1 => Raster::new(width, height, Layout::Gray, canvas.bytes),
            2 => {
                let pairs = canvas.bytes.as_chunks::<2>().0;
                let pixels = pairs.iter().flat_map(|[v, a]| [*v, *v, *v, *a]).collect();
                Raster::new(width, height, Layout::Rgba, pixels)
            }
            3 => Raster::new(width, height, Layout::Rgb, canvas.bytes),
            _ => Raster::new(width, height, Layout::Rgba, canvas.bytes),
        }
    }

    /// Strips and tiles that are JPEGs without their tables.
    fn jpegs(&self) -> Result<Canvas, Error> {
        let gray = matches!(self.colours, Colours::Dark | Colours::Light);
        let mut canvas = self.canvas(if gray { 1 } else { 3 })?;
        let (across, down) = self.grid();
        let (wide, high) = self.chunk;
        for index in 0..across * down {
            let (left, top) = (index % across * wide as usize, index / across * high as usize);
            let raster = self.jpeg(&self.chunk(index)?, (wide, high))?;
            if raster.layout.bytes() != canvas.channels {
                return Err(Error::corrupt("TIFF: a JPEG of other colours"));
            }
            let row = raster.width as usize * canvas.channels;
            for (y, stored) in raster.pixels.chunks_exact(row.max(1)).enumerate() {
                let pixels = canvas.row(left, top + y);
                let count = stored.len().min(pixels.len());
                if let (Some(to), Some(from)) = (pixels.get_mut(..count), stored.get(..count)) {
                    to.copy_from_slice(from);
                }
            }
        }
        Ok(canvas)
    }

    fn jpeg(&self, packed: &[u8], (wide, high): (u32, u32)) -> Result<Raster, Error> {
        // Says whether colours are turned into lightness and colour: without it, decoders guess.
        let turned = u8::from(self.colours == Colours::YCbCr);
        let adobe = [b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0".as_slice(), &[turned]].concat();
        let tables = self.tables.and_then(|tables| tables.get(2..tables.len().checked_sub(2)?));
        let marked = matches!(self.colours, Colours::Rgb | Colours::YCbCr) && !self.planar;
        let file = [
            b"\xff\xd8".as_slice(),
            if marked { &adobe } else { &[] },
            tables.unwrap_or_default(),
            packed.get(2..).unwrap_or_default(),
        ]
        .concat();
        let found = jpeg::dimensions(&file)?;
        if found.is_some_and(|(width, height)| width > wide || height > high) {
            return Err(Error::corrupt("TIFF: a JPEG larger than its place"));
        }
        let mut segments = jpeg::segments(&file);
        segments.icc = self.icc().map(<[u8]>::to_vec);
        jpeg::decode(&file, &segments, (wide, high))?.into_raster(&mut Resizer::new())
    }

    fn whole_jpeg(&self, at: u64, length: Option<u64>) -> Result<Raster, Error> {
        let rest = self.tiff.from(at).unwrap_or_default();
        let most = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(rest.len());
        let file = rest.get(..most).unwrap_or(rest);
        if !file.starts_with(b"\xff\xd8") {
            return Err(Error::Unsupported { what: "a TIFF with a JPEG in parts".to_owned() });
        }
        let dimensions = self.dimensions();
        if jpeg::dimensions(file)?.is_some_and(|found| found != dimensions) {
            return Err(Error::corrupt("TIFF: a JPEG of other dimensions"));
        }
        let segments = jpeg::segments(file);
        jpeg::decode(file, &segments, dimensions)?.into_raster(&mut Resizer::new())
    }
}

/// Rows of a strip that are read as they are needed.
fn from_source(
    source: &mut dyn Source,
    mut at: u64,
    (row, rows): (usize, u32),
    buffer: &mut Vec<u8>,
    shrinker: &mut Shrinker,
) -> Result<(), Error> {
    let mut left = rows as usize;
    while left > 0 {
        let count = (READ_BYTES / row.max(1)).clamp(1, left);
        buffer.resize(count * row, 0);
        let read = source.read_at(at, buffer).map_err(Error::Source)?;
        if read < buffer.len() {
            return Err(Error::corrupt("TIFF: ends too early"));
        }
        for stored in buffer.chunks_exact(row) {
            shrinker.row(stored)?;
        }
        at = at.saturating_add(read as u64);
        left -= count;
    }
    Ok(())
}

impl Canvas {
    /// The rest of a row, from the left; nothing beyond the picture.
    fn row(&mut self, left: usize, y: usize) -> &mut [u8] {
        if left >= self.width || y >= self.height {
            return &mut [];
        }
        let stride = self.width * self.channels;
        let (from, to) = (y * stride + left * self.channels, (y + 1) * stride);
        self.bytes.get_mut(from..to).unwrap_or_default()
    }

    /// Every pixel by itself, as red, green and blue.
    fn mapped(&self, map: impl Fn(&[u8]) -> [u8; 3]) -> Result<Raster, Error> {
        let pixels = self.bytes.chunks_exact(self.channels).flat_map(map).collect();
        let edge = |edge: usize| u32::try_from(edge).unwrap_or(u32::MAX);
        Raster::new(edge(self.width), edge(self.height), Layout::Rgb, pixels)
    }
}

/// The same for the most common numbers of channels.
fn sum_up<const N: usize>(row: &mut [u8]) {
    let mut sum = [0_u8; N];
    for pixel in row.as_chunks_mut::<N>().0 {
        for (sum, sample) in sum.iter_mut().zip(pixel.iter_mut()) {
            *sum = sum.wrapping_add(*sample);
            *sample = *sum;
        }
    }
}

/// Numbers of so many bits in a row.
struct Numbers<'a> {
    stored: &'a [u8],
    bits: u32,
    /// The next one's place, in bits.
    at: usize,
    little: bool,
}

impl Iterator for Numbers<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        let (byte, bit) = (self.at / 8, u32::try_from(self.at % 8).unwrap_or_default());
        self.at += self.bits as usize;
        let first = u16::from(*self.stored.get(byte)?);
        let second = || self.stored.get(byte + 1).copied().map(u16::from);
        match self.bits {
            16 if self.little => Some(second()? << 8 | first),
            16 => Some(first << 8 | second()?),
            12 if bit == 0 => Some(first << 4 | second()? >> 4),
            12 => Some((first & 15) << 8 | second()?),
            8 => Some(first),
            bits => Some(first >> (8 - bits - bit) & ((1 << bits) - 1)),
        }
    }
}
