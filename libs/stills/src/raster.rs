//! Pixels in memory: resizing, turning, transparency.

use std::borrow::Cow;

use domain::wish::Background;
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{Filter, FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::metadata::Orientation;

use crate::error::Error;
use crate::memory::zeroed;

/// Channels of eight bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Lightness.
    Gray,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, opacity; not premultiplied.
    Rgba,
}

impl Layout {
    /// Bytes of a pixel.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }

    const fn pixel_type(self) -> PixelType {
        match self {
            Self::Gray => PixelType::U8,
            Self::Rgb => PixelType::U8x3,
            Self::Rgba => PixelType::U8x4,
        }
    }
}

/// A picture: rows from the top, without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raster {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) layout: Layout,
    pub(crate) pixels: Vec<u8>,
}

/// Bytes for a picture of these dimensions, zeroed.
pub(crate) fn room(width: u32, height: u32, bytes_per_pixel: usize) -> Result<Vec<u8>, Error> {
    let memory = Error::Memory { what: "pixels" };
    let bytes = (width as usize)
        .checked_mul(height as usize)
        .and_then(|pixels| pixels.checked_mul(bytes_per_pixel));
    let Some(bytes) = bytes else { return Err(memory) };
    Ok(zeroed(bytes))
}

/// The filter that sizes are made with: Lanczos's of six lobes, by one sine instead of two.
pub(crate) fn sharp() -> FilterType {
    const LOBES: f64 = 3.0;
    fn lanczos(x: f64) -> f64 {
        if x == 0.0 {
            return 1.0;
        }
        if x.abs() >= LOBES {
            return 0.0;
        }
        let third = x * std::f64::consts::FRAC_PI_3;
        let sine = third.sin();
        // The sine of three times as much, by de Moivre.
        let threefold = sine * (3.0 - 4.0 * sine * sine);
        sine * threefold / (LOBES * third * third)
    }
    Filter::new("Lanczos3", lanczos, LOBES).map_or(FilterType::Lanczos3, FilterType::Custom)
}

impl Raster {
    /// A picture of these pixels.
    ///
    /// # Errors
    /// When there are not as many bytes as the dimensions say.
    pub fn new(width: u32, height: u32, layout: Layout, pixels: Vec<u8>) -> Result<Self, Error> {
        let bytes = (width as usize)
            .checked_mul(height as usize)
            .and_then(|pixels| pixels.checked_mul(layout.bytes()));
        if width == 0 || height == 0 || bytes != Some(pixels.len()) {
            return Err(Error::corrupt("a picture without pixels"));
        }
        Ok(Self { width, height, layout, pixels })
    }

    /// Width and height in pixels.
    #[must_use]
    pub const fn dimensions(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Its channels.
    #[must_use]
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// Rows from the top, without padding.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The part of these dimensions that begins at `from` (left, top).
    pub(crate) fn part(
        &self,
        from: (u32, u32),
        (width, height): (u32, u32),
    ) -> Result<Self, Error> {
        let bytes = self.layout.bytes();
        let row_bytes = self.width as usize * bytes;
        let (left, wide) = (from.0 as usize * bytes, width as usize * bytes);
        let pixels = self
            .pixels
            .chunks_exact(row_bytes.max(1))
            .skip(from.1 as usize)
            .take(height as usize)
            .filter_map(|row| row.get(left..left + wide))
            .flatten()
            .copied()
            .collect();
        Self::new(width, height, self.layout, pixels)
    }

    /// The same picture with other dimensions, alpha premultiplied on the way.
    pub(crate) fn resized(&self, resizer: &mut Resizer, to: (u32, u32)) -> Result<Self, Error> {
        self.resampled(resizer, None, to, sharp())
    }

    /// The part of these dimensions at top left, or all of it, with other dimensions.
    pub(crate) fn resampled(
        &self,
        resizer: &mut Resizer,
        shown: Option<(f64, f64)>,
        to: (u32, u32),
        filter: FilterType,
    ) -> Result<Self, Error> {
        self.sampled(resizer, shown, to, filter, true)
    }

    /// The same; `heeds_alpha` is whether what is transparent must not shine through.
    pub(crate) fn sampled(
        &self,
        resizer: &mut Resizer,
        shown: Option<(f64, f64)>,
        to: (u32, u32),
        filter: FilterType,
        heeds_alpha: bool,
    ) -> Result<Self, Error> {
        let odd = |error: &dyn std::fmt::Display| Error::corrupt(format!("resize: {error}"));
        let kind = self.layout.pixel_type();
        let from = ImageRef::new(self.width, self.height, &self.pixels, kind)
            .map_err(|error| odd(&error))?;
        let mut target = Image::new(to.0, to.1, kind);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
        let options = match shown {
            Some((width, height)) => options.crop(0.0, 0.0, width, height),
            None => options,
        };
        resizer
            .resize(&from, &mut target, &options.use_alpha(heeds_alpha))
            .map_err(|error| odd(&error))?;
        Self::new(to.0, to.1, self.layout, target.into_vec())
    }

    /// The picture the right way up.
    pub(crate) fn upright(&self, orientation: Orientation) -> Cow<'_, Self> {
        if orientation == Orientation::NoTransforms {
            return Cow::Borrowed(self);
        }
        let (width, height) = upright(orientation, self.dimensions());
        let mut turned = vec![0; self.pixels.len()];
        match self.layout {
            Layout::Gray => turn::<1>(self, orientation, width, &mut turned),
            Layout::Rgb => turn::<3>(self, orientation, width, &mut turned),
            Layout::Rgba => turn::<4>(self, orientation, width, &mut turned),
        }
        Cow::Owned(Self { width, height, layout: self.layout, pixels: turned })
    }

    /// Drops an alpha channel in which nothing is transparent.
    pub(crate) fn without_idle_alpha(self) -> Self {
        if self.layout != Layout::Rgba || self.quads().iter().any(|[.., alpha]| *alpha != 255) {
            return self;
        }
        self.without_alpha()
    }

    /// Drops an alpha channel, whatever is in it.
    pub(crate) fn without_alpha(self) -> Self {
        if self.layout != Layout::Rgba {
            return self;
        }
        let Self { width, height, pixels, .. } = self;
        Self { width, height, layout: Layout::Rgb, pixels: without_fourths(pixels) }
    }

    /// Lightness alone if no pixel has a colour, as on most pages of text: what comes next has a
    /// third of the work. Nothing may be transparent.
    pub(crate) fn without_idle_colours(self) -> Self {
        if self.layout != Layout::Rgba {
            return self;
        }
        let Self { width, height, mut pixels, .. } = self;
        let layout = if to_lightness(&mut pixels) { Layout::Gray } else { Layout::Rgba };
        Self { width, height, layout, pixels }
    }

    /// What is transparent shows the background.
    pub(crate) fn on(self, Background(background): Background) -> Self {
        if self.layout != Layout::Rgba {
            return self;
        }
        let [red, green, blue] = background;
        let blend = |channel: u8, alpha: u8, behind: u8| {
            let (channel, alpha) = (u16::from(channel), u16::from(alpha));
            let sum = channel * alpha + u16::from(behind) * (255 - alpha);
            u8::try_from((sum + 127) / 255).unwrap_or(u8::MAX)
        };
        let pixels = self
            .quads()
            .iter()
            .flat_map(|[r, g, b, a]| {
                [blend(*r, *a, red), blend(*g, *a, green), blend(*b, *a, blue)]
            })
            .collect();
        Self { layout: Layout::Rgb, pixels, ..self }
    }

    fn quads(&self) -> &[[u8; 4]] {
        self.pixels.as_chunks().0
    }
}

/// Keeps one byte of every opaque pixel if none has a colour; otherwise they are as they were.
fn to_lightness(rgba: &mut Vec<u8>) -> bool {
    /// Pixels moved at once: as many as a processor takes together.
    const AT_ONCE: usize = 16;
    let count = rgba.len() / 4;
    let mut done = 0;
    while done < count {
        let moved = move_grays::<AT_ONCE>(rgba, done).or_else(|| move_grays::<1>(rgba, done));
        let Some(moved) = moved else {
            for at in (0..done).rev() {
                let gray = rgba.get(at).copied().unwrap_or_default();
                if let Some(pixel) = rgba.as_chunks_mut().0.get_mut(at) {
                    *pixel = [gray, gray, gray, u8::MAX];
                }
            }
            return false;
        };
        done += moved;
    }
    rgba.truncate(count);
    true
}

/// Moves the lightness of so many pixels behind that of those before; nothing where there are not so
/// many, or one of them has a colour. By whole words: byte by byte takes three times as long.
#[allow(clippy::cast_possible_truncation, reason = "the lowest byte is red, and so the lightness")]
fn move_grays<const N: usize>(rgba: &mut [u8], before: usize) -> Option<usize> {
    let pixels: &[[u8; 4]; N] = rgba.get(before * 4..)?.as_chunks().0.first_chunk()?;
    let mut grays = [0; N];
    let mut differences = 0;
    for (gray, pixel) in grays.iter_mut().zip(pixels) {
        let word = u32::from_le_bytes(*pixel);
        differences |= word ^ word >> 8;
        *gray = word as u8;
    }
    if differences & 0xffff != 0 {
        return None;
    }
    *rgba.get_mut(before..)?.first_chunk_mut()? = grays;
    Some(N)
}

/// Without every fourth byte. In place: fresh memory for so many pixels is dearer than moving them.
fn without_fourths(mut pixels: Vec<u8>) -> Vec<u8> {
    let count = pixels.len() / 4;
    let groups = count / 4;
    for group in 0..groups {
        let from = pixels.get(group * 16..).and_then(|rest| rest.first_chunk());
        let Some(three) = from.map(three_of_four) else { break };
        if let Some(to) = pixels.get_mut(group * 12..).and_then(|rest| rest.first_chunk_mut()) {
            *to = three;
        }
    }
    for index in groups * 4..count {
        pixels.copy_within(index * 4..index * 4 + 3, index * 3);
    }
    pixels.truncate(count * 3);
    pixels
}

/// Four pixels without their opacity, by whole words: one byte after the other takes thrice as long.
fn three_of_four(rgba: &[u8; 16]) -> [u8; 12] {
    let [a, b, c, d] = std::array::from_fn(|pixel| {
        let bytes = rgba.as_chunks::<4>().0.get(pixel).copied().unwrap_or_default();
        u32::from_le_bytes(bytes) & 0x00ff_ffff
    });
    let mut rgb = [0; 12];
    let words = [a | b << 24, b >> 8 | c << 16, c >> 16 | d << 8];
    for (bytes, word) in rgb.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
    rgb
}

/// Width and height after turning a picture of these upright; its own inverse.
pub(crate) const fn upright(orientation: Orientation, (width, height): (u32, u32)) -> (u32, u32) {
    match orientation {
        Orientation::NoTransforms
        | Orientation::Rotate180
        | Orientation::FlipHorizontal
        | Orientation::FlipVertical => (width, height),
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => (height, width),
    }
}

/// Fills `target`, rows of `to_width` pixels, from the place that each pixel came from.
fn turn<const N: usize>(from: &Raster, orientation: Orientation, to_width: u32, target: &mut [u8]) {
    let source = from.pixels.as_chunks::<N>().0;
    let (width, height) = (from.width as usize, from.height as usize);
    let rows = target.as_chunks_mut::<N>().0.chunks_mut(to_width as usize);
    for (y, row) in rows.enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            let (from_x, from_y) = match orientation {
                Orientation::NoTransforms => (x, y),
                Orientation::FlipHorizontal => (width - 1 - x, y),
                Orientation::Rotate180 => (width - 1 - x, height - 1 - y),
                Orientation::FlipVertical => (x, height - 1 - y),
                Orientation::Rotate90FlipH => (y, x),
                Orientation::Rotate90 => (y, height - 1 - x),
                Orientation::Rotate270FlipH => (width - 1 - y, height - 1 - x),
                Orientation::Rotate270 => (width - 1 - y, x),
            };
            if let Some(found) = source.get(from_y * width + from_x) {
                *pixel = *found;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opacity_is_left_out_of_any_number_of_pixels() {
        for width in 1..12 {
            let rgba: Vec<u8> = (0..width * 4).map(|at| (at * 7 + 1) as u8).collect();
            let expected: Vec<u8> =
                rgba.as_chunks::<4>().0.iter().flat_map(|[r, g, b, _]| [*r, *g, *b]).collect();
            let raster = Raster::new(width, 1, Layout::Rgba, rgba).expect("pixels").without_alpha();
            assert_eq!((raster.pixels, raster.layout), (expected, Layout::Rgb));
        }
    }

    #[test]
    fn lightness_is_all_that_is_kept_unless_one_pixel_has_a_colour() {
        for width in [1, 15, 16, 17, 100, 5_000] {
            let grays: Vec<u8> = (0..width).map(|at| (at * 7 + 1) as u8).collect();
            let rgba = grays.iter().flat_map(|gray| [*gray, *gray, *gray, 255]).collect();
            let raster = Raster::new(width, 1, Layout::Rgba, rgba).expect("pixels");
            let lightness = raster.clone().without_idle_colours();
            assert_eq!((lightness.layout, lightness.pixels), (Layout::Gray, grays), "{width}");
            for (channel, pixel) in (0..3).flat_map(|it| [(it, 0), (it, width as usize - 1)]) {
                let mut coloured = raster.clone();
                coloured.pixels[pixel * 4 + channel] ^= 1;
                let kept = coloured.clone().without_idle_colours();
                assert_eq!(kept, coloured, "{width} {channel} {pixel}");
            }
        }
    }
}
