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
