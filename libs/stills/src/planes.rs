//! Pictures as JPEG and WebP keep them: lightness apart from colour, which is often coarser.
//!
//! Resizing them as they are saves turning every pixel into red, green and blue and back, and half
//! of what there is to resize.

use std::borrow::Cow;
use std::rc::Rc;

use fast_image_resize::{FilterType, Resizer};
use image::metadata::Orientation;

use crate::error::Error;
use crate::raster::{Layout, Raster, upright};

/// How finely colour is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chroma {
    /// For every pixel.
    Full,
    /// For every two by two pixels.
    Half,
}

impl Chroma {
    /// Width and height of a colour plane of a picture of these.
    pub(crate) const fn of(self, (width, height): (u32, u32)) -> (u32, u32) {
        match self {
            Self::Full => (width, height),
            Self::Half => (width.div_ceil(2), height.div_ceil(2)),
        }
    }
}

/// Y, Cb and Cr by ITU-R BT.601 in full range; the colour planes may have any dimensions.
#[derive(Debug, Clone)]
pub(crate) struct Planes {
    luma: Rc<Raster>,
    chroma: [Rc<Raster>; 2],
    /// How many pixels of the picture a sample of the colour planes stands for.
    step: (u32, u32),
}

impl Planes {
    /// Planes of one picture; `step` is how many of its pixels a sample of colour stands for.
    pub(crate) fn new(luma: Raster, chroma: [Raster; 2], step: (u32, u32)) -> Self {
        Self { luma: Rc::new(luma), chroma: chroma.map(Rc::new), step }
    }

    pub(crate) fn dimensions(&self) -> (u32, u32) {
        self.luma.dimensions()
    }

    pub(crate) fn luma(&self) -> &Raster {
        &self.luma
    }

    pub(crate) fn chroma(&self) -> [&Raster; 2] {
        let [blue, red] = &self.chroma;
        [blue, red]
    }

    /// The same picture with other dimensions.
    pub(crate) fn resized(
        &self,
        resizer: &mut Resizer,
        to: (u32, u32),
        finely: Chroma,
    ) -> Result<Self, Error> {
        let luma = if self.dimensions() == to {
            Rc::clone(&self.luma)
        } else {
            Rc::new(self.luma.resized(resizer, to)?)
        };
        let step = match finely {
            Chroma::Full => (1, 1),
            Chroma::Half => (2, 2),
        };
        let [blue, red] = &self.chroma;
        let chroma =
            [self.colour(blue, resizer, to, finely)?, self.colour(red, resizer, to, finely)?];
        Ok(Self { luma, chroma, step })
    }

    fn colour(
        &self,
        plane: &Rc<Raster>,
        resizer: &mut Resizer,
        to: (u32, u32),
        finely: Chroma,
    ) -> Result<Rc<Raster>, Error> {
        let wanted = finely.of(to);
        let whole = self.dimensions();
        if plane.dimensions() == wanted && whole == to {
            return Ok(Rc::clone(plane));
        }
        // Of odd dimensions, the last sample of colour reaches beyond the picture's edge.
        let share = |plane: u32, step: u32, whole: u32, wanted: u32, to: u32| {
            let reach = f64::from(plane) * f64::from(step) / f64::from(whole);
            let beyond = if finely == Chroma::Half { 2.0 } else { 1.0 };
            let wanted = f64::from(wanted) * beyond / f64::from(to);
            f64::from(plane) * (wanted / reach).min(1.0)
        };
        let shown = (
            share(plane.width, self.step.0, whole.0, wanted.0, to.0),
            share(plane.height, self.step.1, whole.1, wanted.1, to.1),
        );
        // A sharp filter where there is less colour than wanted would ring at every edge.
        let enlarged = plane.width < wanted.0 || plane.height < wanted.1;
        let filter = if enlarged { FilterType::Bilinear } else { crate::raster::sharp() };
        Ok(Rc::new(plane.resampled(resizer, Some(shown), wanted, filter)?))
    }

    /// The picture the right way up.
    pub(crate) fn upright(&self, orientation: Orientation) -> Self {
        if orientation == Orientation::NoTransforms {
            return self.clone();
        }
        let turn = |plane: &Rc<Raster>| Rc::new(plane.upright(orientation).into_owned());
        let [blue, red] = &self.chroma;
        Self {
            luma: turn(&self.luma),
            chroma: [turn(blue), turn(red)],
            step: upright(orientation, self.step),
        }
    }

    /// Red, green and blue.
    pub(crate) fn rgb(&self, resizer: &mut Resizer) -> Result<Raster, Error> {
        let full = self.resized(resizer, self.dimensions(), Chroma::Full)?;
        let (width, height) = full.dimensions();
        let [blue, red] = full.chroma();
        let mut pixels = crate::raster::room(width, height, Layout::Rgb.bytes())?;
        let colours = blue.pixels.iter().zip(&red.pixels);
        for ((rgb, y), (cb, cr)) in
            pixels.as_chunks_mut::<3>().0.iter_mut().zip(&full.luma.pixels).zip(colours)
        {
            let y = (i32::from(*y) << 16) + 0x8000;
            let (cb, cr) = (i32::from(*cb) - 128, i32::from(*cr) - 128);
            *rgb = [
                byte(y + 91_881 * cr),
                byte(y - 22_554 * cb - 46_802 * cr),
                byte(y + 116_130 * cb),
            ];
        }
        Raster::new(width, height, Layout::Rgb, pixels)
    }
}

/// A fixed-point number of 16 binary places, cut to what a byte holds.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what a byte holds"
)]
fn byte(value: i32) -> u8 {
    (value >> 16).clamp(0, 255) as u8
}

/// Pixels in whatever shape they came.
#[derive(Debug, Clone)]
pub(crate) enum Pixels {
    Raster(Raster),
    /// With an opacity that is full everywhere, and need not be looked at.
    Opaque(Raster),
    Planes(Planes),
}

impl Pixels {
    pub(crate) fn dimensions(&self) -> (u32, u32) {
        match self {
            Self::Raster(raster) | Self::Opaque(raster) => raster.dimensions(),
            Self::Planes(planes) => planes.dimensions(),
        }
    }

    pub(crate) fn has_alpha(&self) -> bool {
        matches!(self, Self::Raster(raster) if raster.layout == Layout::Rgba)
    }

    pub(crate) fn resized(
        &self,
        resizer: &mut Resizer,
        to: (u32, u32),
        finely: Chroma,
    ) -> Result<Self, Error> {
        self.part_resized(resizer, None, to, finely)
    }

    /// The part of a raster of these dimensions at top left, or all of it, with other dimensions.
    pub(crate) fn part_resized(
        &self,
        resizer: &mut Resizer,
        shown: Option<(f64, f64)>,
        to: (u32, u32),
        finely: Chroma,
    ) -> Result<Self, Error> {
        Ok(match self {
            Self::Raster(raster) => {
                Self::Raster(raster.resampled(resizer, shown, to, crate::raster::sharp())?)
            }
            Self::Opaque(raster) => {
                Self::Opaque(raster.sampled(resizer, shown, to, crate::raster::sharp(), false)?)
            }
            Self::Planes(planes) => Self::Planes(planes.resized(resizer, to, finely)?),
        })
    }

    /// The picture the right way up.
    pub(crate) fn upright(&self, orientation: Orientation) -> Cow<'_, Self> {
        if orientation == Orientation::NoTransforms {
            return Cow::Borrowed(self);
        }
        Cow::Owned(match self {
            Self::Raster(raster) => Self::Raster(raster.upright(orientation).into_owned()),
            Self::Opaque(raster) => Self::Opaque(raster.upright(orientation).into_owned()),
            Self::Planes(planes) => Self::Planes(planes.upright(orientation)),
        })
    }

    /// Red, green and blue, or whatever channels a raster has; lent where it is one.
    pub(crate) fn raster(&self, resizer: &mut Resizer) -> Result<Cow<'_, Raster>, Error> {
        Ok(match self {
            Self::Raster(raster) => Cow::Borrowed(raster),
            Self::Opaque(raster) => Cow::Owned(raster.clone().without_alpha()),
            Self::Planes(planes) => Cow::Owned(planes.rgb(resizer)?),
        })
    }

    pub(crate) fn into_raster(self, resizer: &mut Resizer) -> Result<Raster, Error> {
        match self {
            Self::Raster(raster) => Ok(raster),
            Self::Opaque(raster) => Ok(raster.without_alpha()),
            Self::Planes(planes) => planes.rgb(resizer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(width: u32, height: u32, value: u8) -> Raster {
        let pixels = vec![value; (width * height) as usize];
        Raster::new(width, height, Layout::Gray, pixels).expect("a plane")
    }

    #[test]
    fn colours_come_out_as_bt_601_has_them() {
        for ([y, cb, cr], rgb) in [
            ([76, 85, 255], [254, 0, 0]),
            ([150, 44, 21], [0, 255, 1]),
            ([29, 255, 107], [0, 0, 254]),
            ([128, 128, 128], [128; 3]),
        ] {
            for (width, height) in [(4, 4), (5, 3), (1, 1)] {
                let (wide, high) = Chroma::Half.of((width, height));
                let planes = Planes::new(
                    plane(width, height, y),
                    [plane(wide, high, cb), plane(wide, high, cr)],
                    (2, 2),
                );
                let raster = planes.rgb(&mut Resizer::new()).expect("pixels");
                for pixel in raster.pixels.as_chunks::<3>().0 {
                    let near = pixel.iter().zip(rgb).all(|(a, b)| a.abs_diff(b) <= 1);
                    assert!(near, "{pixel:?} {rgb:?}");
                }
            }
        }
    }
}
