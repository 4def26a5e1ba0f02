//! Pictures out: JPEG, PNG, WebP, always without metadata.

use domain::wish::{Background, Format};
use image::codecs::gif::GifEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use crate::easel::AvifEncoder;
use crate::error::Error;
use crate::jpeg;
use crate::raster::{Layout, Raster};

/// Quality of WebPs made.
const WEBP_QUALITY: u8 = 80;
/// Quality of AVIFs made.
const AVIF_QUALITY: u8 = 60;
/// The longest edge a WebP can have, in pixels.
const WEBP_MAX_EDGE_PX: u32 = 16_383;

/// How a picture is written.
pub(crate) struct Style {
    pub(crate) format: Format,
    /// From 1 to 100; each format has a default of its own.
    pub(crate) quality: Option<u8>,
    /// What shows through where the format has no transparency.
    pub(crate) background: Background,
    pub(crate) avif: Option<AvifEncoder>,
}

/// Writes a picture.
pub(crate) fn encode(raster: &Raster, style: &Style) -> Result<Vec<u8>, Error> {
    let format = style.format;
    let most = match format {
        Format::Jpg => jpeg::MAX_EDGE_PX,
        Format::Webp => WEBP_MAX_EDGE_PX,
        Format::Gif | Format::Avif => u16::MAX.into(),
        Format::Png | Format::Mp4 | Format::Vtt | Format::Json => u32::MAX,
    };
    if raster.width.max(raster.height) > most {
        let what = format!("a {} has at most {most} pixels along an edge", format.extension());
        return Err(Error::OutputTooLarge { what });
    }
    match (format, style.avif) {
        (Format::Jpg, _) => {
            jpeg::encode(&raster.on(style.background), style.quality.unwrap_or(jpeg::QUALITY))
        }
        (Format::Png, _) => png(raster),
        (Format::Webp, _) => webp(raster, style.quality.unwrap_or(WEBP_QUALITY)),
        (Format::Gif, _) => gif(raster),
        (Format::Avif, Some(avif)) => avif(raster, style.quality.unwrap_or(AVIF_QUALITY)),
        (Format::Avif | Format::Mp4 | Format::Vtt | Format::Json, _) => {
            Err(Error::Encode { format: format.extension(), what: "no encoder here".to_owned() })
        }
    }
}

fn gif(raster: &Raster) -> Result<Vec<u8>, Error> {
    let failed =
        |error: image::ImageError| Error::Encode { format: "GIF", what: error.to_string() };
    let colours = match raster.layout {
        Layout::Gray | Layout::Rgb => ExtendedColorType::Rgb8,
        Layout::Rgba => ExtendedColorType::Rgba8,
    };
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    let spread: Vec<u8>;
    let pixels = if raster.layout == Layout::Gray {
        spread = raster.pixels.iter().flat_map(|gray| [*gray; 3]).collect();
        &spread
    } else {
        &raster.pixels
    };
    encoder.encode(pixels, raster.width, raster.height, colours).map_err(failed)?;
    drop(encoder);
    Ok(bytes)
}

fn png(raster: &Raster) -> Result<Vec<u8>, Error> {
    let colours = match raster.layout {
        Layout::Gray => ExtendedColorType::L8,
        Layout::Rgb => ExtendedColorType::Rgb8,
        Layout::Rgba => ExtendedColorType::Rgba8,
    };
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive)
        .write_image(&raster.pixels, raster.width, raster.height, colours)
        .map_err(|error| Error::Encode { format: "PNG", what: error.to_string() })?;
    Ok(bytes)
}

fn webp(raster: &Raster, quality: u8) -> Result<Vec<u8>, Error> {
    let colour: Vec<u8>;
    let encoder = match raster.layout {
        Layout::Gray => {
            colour = raster.pixels.iter().flat_map(|gray| [*gray; 3]).collect();
            webp::Encoder::from_rgb(&colour, raster.width, raster.height)
        }
        Layout::Rgb => webp::Encoder::from_rgb(&raster.pixels, raster.width, raster.height),
        Layout::Rgba => webp::Encoder::from_rgba(&raster.pixels, raster.width, raster.height),
    };
    match encoder.encode_simple(false, quality.into()) {
        Ok(memory) => Ok(memory.to_vec()),
        Err(webp::WebPEncodingError::VP8_ENC_ERROR_OUT_OF_MEMORY) => {
            Err(Error::Memory { what: "write a WebP" })
        }
        Err(error) => Err(Error::Encode { format: "WebP", what: format!("{error:?}") }),
    }
}
