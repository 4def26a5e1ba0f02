//! Colour profiles: everything leaves as sRGB.

use std::sync::Arc;

use image::DynamicImage;
use moxcms::{
    ColorProfile, DataColorSpace, Layout as Channels, ProfileText, Transform8BitExecutor,
    TransformOptions,
};

use crate::error::Error;
use crate::raster::{Layout, Raster, room};

/// Largest difference, of 255, at which a profile counts as sRGB.
const INDISTINCT: u8 = 1;

/// The largest profile that is read, in bytes: those of printing presses have two.
pub(crate) const MAX_ICC_BYTES: usize = 4 << 20;

/// A profile, if it is one and no larger than that.
fn profile(icc: &[u8]) -> Option<ColorProfile> {
    ColorProfile::new_from_slice(Some(icc).filter(|icc| icc.len() <= MAX_ICC_BYTES)?).ok()
}

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
        let profile = profile(icc?)?;
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

/// A picture of 16 bits a channel, converted before it is cut to 8, so that no step of its own is
/// lost; `None` where there is nothing to convert.
pub(crate) fn deep_to_srgb(image: &DynamicImage, icc: &[u8]) -> Option<Raster> {
    let (samples, channels, layout) = match image {
        DynamicImage::ImageRgb16(image) => (image.as_raw(), Channels::Rgb, Layout::Rgb),
        DynamicImage::ImageRgba16(image) => (image.as_raw(), Channels::Rgba, Layout::Rgba),
        _ => return None,
    };
    // Whether it says sRGB is seen in 8 bits.
    ToSrgb::of(Some(icc), layout)?;
    let profile = profile(icc)?;
    let (srgb, options) = (ColorProfile::new_srgb(), TransformOptions::default());
    let transform = profile.create_transform_16bit(channels, &srgb, channels, options).ok()?;
    let mut converted = vec![0_u16; samples.len()];
    transform.transform(samples, &mut converted).ok()?;
    let cut = |sample: &u16| u8::try_from((u32::from(*sample) + 128) / 257).unwrap_or(u8::MAX);
    let pixels = converted.iter().map(cut).collect();
    Raster::new(image.width(), image.height(), layout, pixels).ok().map(Raster::without_idle_alpha)
}

/// CMYK (0 = no ink) to sRGB, by the profile if it is one for CMYK, else by the plain formula.
pub(crate) fn cmyk_to_srgb(
    cmyk: &[u8],
    icc: Option<&[u8]>,
    (width, height): (u32, u32),
) -> Result<Raster, Error> {
    let mut pixels = room(width, height, Layout::Rgb.bytes())?;
    let transform = icc
        .and_then(profile)
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

/// The longest name of a profile, in characters.
const NAME_CHARS: usize = 120;

/// What an ICC profile calls itself.
#[must_use]
pub fn profile_name(icc: &[u8]) -> Option<String> {
    let name = match profile(icc)?.description? {
        ProfileText::PlainString(name) => name,
        ProfileText::Localizable(names) => names.into_iter().next()?.value,
        ProfileText::Description(names) => names.ascii_string,
    };
    let name: String =
        name.chars().filter(|letter| !letter.is_control()).take(NAME_CHARS).collect();
    if name.is_empty() { None } else { Some(name) }
}

/// CIE L*a*b* by the light of D50, as Photoshop packs it into bytes.
pub(crate) fn lab_to_srgb([l, a, b]: [u8; 3]) -> [u8; 3] {
    let l = f32::from(l) / 255.0 * 100.0;
    let middle = (l + 16.0) / 116.0;
    let cube = |value: f32| {
        let cubed = value * value * value;
        if cubed > 0.008_856 { cubed } else { (value - 16.0 / 116.0) / 7.787 }
    };
    let x = 0.964_22 * cube(middle + (f32::from(a) - 128.0) / 500.0);
    let y = cube(middle);
    let z = 0.825_21 * cube(middle - (f32::from(b) - 128.0) / 200.0);
    [
        3.133_856 * x - 1.616_867 * y - 0.490_615 * z,
        -0.978_768 * x + 1.916_141 * y + 0.033_454 * z,
        0.071_945 * x - 0.228_991 * y + 1.405_243 * z,
    ]
    .map(coded)
}

/// Light from 0 to 1 as a byte of sRGB.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what a byte holds"
)]
pub(crate) fn coded(light: f32) -> u8 {
    let light = light.clamp(0.0, 1.0);
    let value =
        if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
    (value * 255.0 + 0.5).clamp(0.0, 255.0) as u8
}

fn convert(transform: &Transform8BitExecutor, from: &[u8], to: &mut [u8]) -> Result<(), Error> {
    transform
        .transform(from, to)
        .map_err(|error| Error::corrupt(format!("colour profile: {error}")))
}
