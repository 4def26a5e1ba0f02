//! Pictures out: JPEG, PNG, WebP, always without metadata.

use domain::wish::Format;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use crate::error::Error;
use crate::jpeg;
use crate::raster::{Layout, Raster};

/// Quality of WebPs made.
const WEBP_QUALITY: f32 = 80.0;
/// The longest edge a WebP can have, in pixels.
const WEBP_MAX_EDGE_PX: u32 = 16_383;

/// Writes a picture. JPEG has no transparency: what is transparent shows white.
pub(crate) fn encode(raster: &Raster, format: Format) -> Result<Vec<u8>, Error> {
    let most = match format {
        Format::Jpg => jpeg::MAX_EDGE_PX,
        Format::Png => u32::MAX,
        Format::Webp => WEBP_MAX_EDGE_PX,
    };
    if raster.width.max(raster.height) > most {
        let what = format!("a {} has at most {most} pixels along an edge", format.extension());
        return Err(Error::OutputTooLarge { what });
    }
    match format {
        Format::Jpg => jpeg::encode(&raster.on_white()),
        Format::Png => png(raster),
        Format::Webp => webp(raster),
    }
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

fn webp(raster: &Raster) -> Result<Vec<u8>, Error> {
    let colour: Vec<u8>;
    let encoder = match raster.layout {
        Layout::Gray => {
            colour = raster.pixels.iter().flat_map(|gray| [*gray; 3]).collect();
            webp::Encoder::from_rgb(&colour, raster.width, raster.height)
        }
        Layout::Rgb => webp::Encoder::from_rgb(&raster.pixels, raster.width, raster.height),
        Layout::Rgba => webp::Encoder::from_rgba(&raster.pixels, raster.width, raster.height),
    };
    match encoder.encode_simple(false, WEBP_QUALITY) {
        Ok(memory) => Ok(memory.to_vec()),
        Err(webp::WebPEncodingError::VP8_ENC_ERROR_OUT_OF_MEMORY) => {
            Err(Error::Memory { what: "write a WebP" })
        }
        Err(error) => Err(Error::Encode { format: "WebP", what: format!("{error:?}") }),
    }
}
