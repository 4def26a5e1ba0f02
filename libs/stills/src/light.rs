//! Pictures of light as it is, without an upper end: brought into what a screen can show.

use image::DynamicImage;

use crate::colour::coded;
use crate::error::Error;
use crate::raster::{Layout, Raster, room};

/// The most pixels that are looked at to find the exposure.
const SAMPLES: usize = 1 << 18;
/// The share of pixels that are to be no lighter than white.
const WHITE_SHARE: f32 = 0.98;
/// What the middle of a picture is brought down to: a card of middle gray.
const MIDDLE: f64 = 0.18;
/// From half to full white: what is exposed so already is left as it is.
const FINE: std::ops::RangeInclusive<f32> = 0.25..=1.0;
/// From here on lights are pressed together instead of cut.
const SHOULDER: f32 = 0.8;
/// Steps of the table from light to sRGB.
const STEPS: usize = 4_096;

/// As [`expose`] does it.
pub(crate) fn raster(image: DynamicImage) -> Result<Raster, Error> {
    let dimensions = (image.width(), image.height());
    match image {
        DynamicImage::ImageRgba32F(image) => expose(dimensions, Layout::Rgba, image.as_raw()),
        other => expose(dimensions, Layout::Rgb, other.into_rgb32f().as_raw()),
    }
}

/// Finds an exposure by the lightness of most pixels, and gives them in sRGB.
pub(crate) fn expose(
    (width, height): (u32, u32),
    layout: Layout,
    samples: &[f32],
) -> Result<Raster, Error> {
    let exposure = exposure(samples, layout.bytes());
    let table = table();
    let mut pixels = room(width, height, layout.bytes())?;
    let channels = layout.bytes();
    for (pixel, light) in pixels.chunks_exact_mut(channels).zip(samples.chunks_exact(channels)) {
        for (byte, light) in pixel.iter_mut().zip(light).take(3) {
            *byte = shown(*light * exposure, &table);
        }
        if let (Some(byte), Some(alpha)) = (pixel.get_mut(3), light.get(3)) {
            *byte = scaled(*alpha, 255.0);
        }
    }
    Ok(Raster::new(width, height, layout, pixels)?.without_idle_alpha())
}

/// By how much light is multiplied.
fn exposure(samples: &[f32], channels: usize) -> f32 {
    let stride = (samples.len() / channels / SAMPLES).max(1);
    let mut lights: Vec<f32> = samples
        .chunks_exact(channels)
        .step_by(stride)
        .filter_map(|pixel| match pixel {
            [red, green, blue, ..] => Some(0.2126 * red + 0.7152 * green + 0.0722 * blue),
            _ => None,
        })
        .filter(|light| light.is_finite() && *light > 0.0)
        .collect();
    if lights.is_empty() {
        return 1.0;
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index into a list of limited length"
    )]
    let index = ((lights.len() - 1) as f32 * WHITE_SHARE) as usize;
    let (_, white, _) = lights.select_nth_unstable_by(index, f32::total_cmp);
    let white = *white;
    if FINE.contains(&white) {
        return 1.0;
    }
    if white < *FINE.start() {
        return 1.0 / white;
    }
    // A lamp or a window is no reason to leave a room in the dark: only as far down as its middle
    // is too light.
    #[allow(clippy::cast_precision_loss, reason = "a mean")]
    let middle = (lights.iter().map(|light| f64::from(*light).ln()).sum::<f64>()
        / lights.len() as f64)
        .exp();
    #[allow(clippy::cast_possible_truncation, reason = "a factor")]
    let down = (MIDDLE / middle) as f32;
    down.clamp(1.0 / white, 1.0)
}

/// Light from 0 on as a byte of sRGB.
fn shown(light: f32, table: &[u8]) -> u8 {
    let light = if light.is_nan() { 0.0 } else { light.max(0.0) };
    let pressed = if light <= SHOULDER {
        light
    } else {
        let room = 1.0 - SHOULDER;
        let over = light - SHOULDER;
        // Never reaches white, and leaves the straight part without a kink.
        SHOULDER + if over.is_finite() { room * over / (over + room) } else { room }
    };
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "from 0 to the table's length"
    )]
    // By the root, so that the dark end has steps enough.
    let index = (pressed.sqrt() * (STEPS - 1) as f32 + 0.5) as usize;
    table.get(index).copied().unwrap_or(u8::MAX)
}

#[allow(clippy::cast_precision_loss, reason = "small numbers")]
fn table() -> Vec<u8> {
    (0..STEPS)
        .map(|step| {
            let root = step as f32 / (STEPS - 1) as f32;
            let light = root * root;
            coded(light)
        })
        .collect()
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what a byte holds"
)]
fn scaled(value: f32, by: f32) -> u8 {
    (value * by + 0.5).clamp(0.0, 255.0) as u8
}
