//! Colour profiles: everything leaves as sRGB.

use std::sync::Arc;

use moxcms::{
    ColorProfile, DataColorSpace, Layout as Channels, Transform8BitExecutor, TransformOptions,
};

use crate::error::Error;
use crate::raster::{Layout, Raster, room};

/// Largest difference, of 255, at which a profile counts as sRGB.
const INDISTINCT: u8 = 1;

/// The way from a picture's own colours to sRGB.
pub(crate) struct ToSrgb {
    transform: Arc<Transform8BitExecutor>,
    from: Layout,
    to: Layout,
}

impl ToSrgb {
    /// `None` when there is nothing to do: no profile, one that means sRGB, one that is broken or
    /// does not fit the picture.
    pub(crate) fn of(icc: Option<&[u8]>, layout: Layout) -> Option<Self> {
        let profile = ColorProfile::new_from_slice(icc?).ok()?;
        let (expected, channels, to) = match layout {
            Layout::Gray => (DataColorSpace::Gray, Channels::Gray, Layout::Rgb),
            Layout::Rgb => (DataColorSpace::Rgb, Channels::Rgb, Layout::Rgb),
            Layout::Rgba => (DataColorSpace::Rgb, Channels::Rgba, Layout::Rgba),
        };
        if profile.color_space != expected {
            return None;
        }
        let target = if to == Layout::Rgba { Channels::Rgba } else { Channels::Rgb };
        let transform = profile
            .create_transform_8bit(
                channels,
                &ColorProfile::new_srgb(),
                target,
                TransformOptions::default(),
            )
            .ok()?;
        let this = Self { transform, from: layout, to };
        if this.is_idle() { None } else { Some(this) }
    }

    /// Converts a picture.
    pub(crate) fn apply(&self, raster: &Raster) -> Result<Raster, Error> {
        let mut pixels = room(raster.width, raster.height, self.to.bytes())?;
        convert(self.transform.as_ref(), &raster.pixels, &mut pixels)?;
        Raster::new(raster.width, raster.height, self.to, pixels)
    }

    /// Tries a grid of colours: names and numbers in profiles lie, colours do not.
    fn is_idle(&self) -> bool {
        const STEPS: [u8; 6] = [0, 51, 102, 153, 204, 255];
        let grays = STEPS.iter().map(|v| [*v, *v, *v, 255]);
        let colours = STEPS.iter().flat_map(|r| {
            STEPS.iter().flat_map(move |g| STEPS.iter().map(move |b| [*r, *g, *b, 255]))
        });
        let probes: Vec<[u8; 4]> = match self.from {
            Layout::Gray => grays.collect(),
            Layout::Rgb | Layout::Rgba => colours.collect(),
        };
        let take = |layout: Layout| -> Vec<u8> {
            probes.iter().flat_map(|probe| probe.iter().copied().take(layout.bytes())).collect()
        };
        let (input, expected) = (take(self.from), take(self.to));
        let mut output = vec![0; expected.len()];
        convert(self.transform.as_ref(), &input, &mut output).is_ok()
            && output.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= INDISTINCT)
    }
}

/// CMYK (0 = no ink) to sRGB, by the profile if it is one for CMYK, else by the plain formula.
pub(crate) fn cmyk_to_srgb(
    cmyk: &[u8],
    icc: Option<&[u8]>,
    (width, height): (u32, u32),
) -> Result<Raster, Error> {
    let mut pixels = room(width, height, Layout::Rgb.bytes())?;
    let transform = icc
        .and_then(|icc| ColorProfile::new_from_slice(icc).ok())
        .filter(|profile| profile.color_space == DataColorSpace::Cmyk)
        .and_then(|profile| {
            let (srgb, options) = (ColorProfile::new_srgb(), TransformOptions::default());
            profile.create_transform_8bit(Channels::Rgba, &srgb, Channels::Rgb, options).ok()
        });
    if let Some(transform) = transform {
        convert(transform.as_ref(), cmyk, &mut pixels)?;
    } else {
        let mix = |ink: u8, black: u8| {
            let light = (255 - u16::from(ink)) * (255 - u16::from(black));
            u8::try_from((light + 127) / 255).unwrap_or(u8::MAX)
        };
        for ([c, m, y, k], rgb) in cmyk.as_chunks().0.iter().zip(pixels.as_chunks_mut().0) {
            *rgb = [mix(*c, *k), mix(*m, *k), mix(*y, *k)];
        }
    }
    Raster::new(width, height, Layout::Rgb, pixels)
}

fn convert(transform: &Transform8BitExecutor, from: &[u8], to: &mut [u8]) -> Result<(), Error> {
    transform
        .transform(from, to)
        .map_err(|error| Error::corrupt(format!("colour profile: {error}")))
}
