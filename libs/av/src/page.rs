//! A decoded frame as a page of the easel.

use domain::limits::Limits;
use stills::{Error, Layout, Orientation, Page, Picture, Raster};

use crate::ff::{self, Channels, Frame, Rational, Scaler};
use crate::tone::Tone;

/// The most that a pixel may be wider than high, or the other way round, to be believed.
const MAX_ASPECT: i32 = 16;

/// A frame, and how it is meant to be seen.
pub(crate) struct FramePage<'a> {
    pub(crate) frame: &'a Frame,
    pub(crate) look: Look,
}

/// How the frames of a film are meant to be seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) orientation: Orientation,
    /// Width of a pixel by its height, where the container says.
    pub(crate) aspect: Rational,
}

impl Look {
    /// As stored, with square pixels.
    pub(crate) const fn plain() -> Self {
        Self { orientation: Orientation::NoTransforms, aspect: Rational { num: 0, den: 1 } }
    }

    /// Width and height of a frame with square pixels, as stored.
    pub(crate) fn stored(&self, frame: &Frame) -> (u32, u32) {
        let aspect = [self.aspect, frame.aspect()].into_iter().find(|aspect| {
            aspect.num > 0
                && aspect.den > 0
                && aspect.num / MAX_ASPECT <= aspect.den
                && aspect.den / MAX_ASPECT <= aspect.num
        });
        let (width, height) = (frame.width(), frame.height());
        let Some(Rational { num, den }) = aspect else { return (width, height) };
        let (num, den) = (u64::from(num.unsigned_abs()), u64::from(den.unsigned_abs()));
        let wide = (u64::from(width) * num + den / 2) / den.max(1);
        (u32::try_from(wide.max(1)).unwrap_or(u32::MAX), height)
    }

    /// Width and height as seen.
    pub(crate) fn seen(&self, frame: &Frame) -> (u32, u32) {
        turned(self.orientation, self.stored(frame))
    }
}

/// Width and height after turning; its own inverse.
pub(crate) const fn turned(orientation: Orientation, (width, height): (u32, u32)) -> (u32, u32) {
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

impl Page for FramePage<'_> {
    fn dimensions(&self) -> (u32, u32) {
        self.look.seen(self.frame)
    }

    fn decode(&mut self, least: (u32, u32), _limits: &Limits) -> Result<Picture, Error> {
        let stored = self.look.stored(self.frame);
        let least = turned(self.look.orientation, least);
        let size = (least.0.clamp(1, stored.0), least.1.clamp(1, stored.1));
        let raster = raster(&mut Scaler::new(), self.frame, size)?;
        Ok(Picture::of(raster, self.look.orientation, None))
    }
}

/// A frame in that size (as stored), in sRGB.
pub(crate) fn raster(
    scaler: &mut Scaler,
    frame: &Frame,
    size: (u32, u32),
) -> Result<Raster, Error> {
    if !ff::has_alpha(frame)
        && let Some(tone) = Tone::of(frame)
    {
        let pixels = scaler.pixels(frame, size, Channels::Rgb16)?;
        return Raster::new(size.0, size.1, Layout::Rgb, tone.apply(&pixels));
    }
    plain_raster(scaler, frame, size)
}

/// A frame in that size (as stored), in the colours it has.
pub(crate) fn plain_raster(
    scaler: &mut Scaler,
    frame: &Frame,
    size: (u32, u32),
) -> Result<Raster, Error> {
    if ff::has_alpha(frame) {
        let pixels = scaler.pixels(frame, size, Channels::Rgba)?;
        let quads = pixels.as_chunks::<4>().0;
        if quads.iter().any(|[.., alpha]| *alpha != u8::MAX) {
            return Raster::new(size.0, size.1, Layout::Rgba, pixels);
        }
        let opaque = quads.iter().flat_map(|[r, g, b, _]| [*r, *g, *b]).collect();
        return Raster::new(size.0, size.1, Layout::Rgb, opaque);
    }
    Raster::new(size.0, size.1, Layout::Rgb, scaler.pixels(frame, size, Channels::Rgb)?)
}

/// The largest dimensions of these proportions whose edges are at most that long; never larger.
pub(crate) fn within_box((width, height): (u32, u32), edge: u32) -> (u32, u32) {
    let long = width.max(height).max(1);
    if long <= edge {
        return (width.max(1), height.max(1));
    }
    let scaled = |side: u32| {
        let side = (u64::from(side) * u64::from(edge) + u64::from(long) / 2) / u64::from(long);
        u32::try_from(side.max(1)).unwrap_or(edge)
    };
    (scaled(width), scaled(height))
}

/// A raster without opacity, what was transparent on white.
pub(crate) fn opaque(raster: Raster) -> Result<Raster, Error> {
    let (width, height) = raster.dimensions();
    let blend = |channel: u8, alpha: u8| {
        let sum = u16::from(channel) * u16::from(alpha) + 255 * (255 - u16::from(alpha));
        u8::try_from((sum + 127) / 255).unwrap_or(u8::MAX)
    };
    let pixels = match raster.layout() {
        Layout::Rgb => return Ok(raster),
        Layout::Gray => raster.pixels().iter().flat_map(|gray| [*gray; 3]).collect(),
        Layout::Rgba => {
            let quads = raster.pixels().as_chunks::<4>().0;
            quads.iter().flat_map(|[r, g, b, a]| [*r, *g, *b].map(|c| blend(c, *a))).collect()
        }
    };
    Raster::new(width, height, Layout::Rgb, pixels)
}

/// An RGB raster the right way up.
pub(crate) fn upright(raster: Raster, orientation: Orientation) -> Result<Raster, Error> {
    if matches!(orientation, Orientation::NoTransforms) {
        return Ok(raster);
    }
    let from = raster.dimensions();
    let (width, height) = turned(orientation, from);
    let (across, down) = (from.0 as usize, from.1 as usize);
    let source = raster.pixels().as_chunks::<3>().0;
    let mut pixels = Vec::with_capacity(raster.pixels().len());
    for y in 0..height as usize {
        for x in 0..width as usize {
            let (from_x, from_y) = match orientation {
                Orientation::NoTransforms => (x, y),
                Orientation::FlipHorizontal => (across - 1 - x, y),
                Orientation::Rotate180 => (across - 1 - x, down - 1 - y),
                Orientation::FlipVertical => (x, down - 1 - y),
                Orientation::Rotate90FlipH => (y, x),
                Orientation::Rotate90 => (y, down - 1 - x),
                Orientation::Rotate270FlipH => (across - 1 - y, down - 1 - x),
                Orientation::Rotate270 => (across - 1 - y, x),
            };
            pixels.extend(source.get(from_y * across + from_x).copied().unwrap_or_default());
        }
    }
    Raster::new(width, height, raster.layout(), pixels)
}
