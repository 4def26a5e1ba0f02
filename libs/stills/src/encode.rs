//! Pictures out: JPEG, PNG, WebP, GIF; AVIF by a lent encoder.

use domain::wish::{Background, Format};
use fast_image_resize::Resizer;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use crate::easel::AvifEncoder;
use crate::error::Error;
use crate::gif;
use crate::jpeg;
use crate::kept::Kept;
use crate::planes::{Chroma, Pixels};
use crate::raster::{Layout, Raster};
use crate::webp;

/// Quality of WebPs made.
pub(crate) const WEBP_QUALITY: u8 = 80;
/// Quality of AVIFs made.
const AVIF_QUALITY: u8 = 60;

/// How a picture is written.
pub(crate) struct Style<'a> {
    pub(crate) format: Format,
    /// From 1 to 100; each format has a default of its own.
    pub(crate) quality: Option<u8>,
    /// What shows through where the format has no transparency.
    pub(crate) background: Background,
    pub(crate) avif: Option<AvifEncoder>,
    /// Metadata for what writes its own.
    pub(crate) kept: &'a Kept,
}

impl Style<'_> {
    /// How finely the format keeps colour.
    pub(crate) const fn chroma(&self) -> Chroma {
        match self.format {
            Format::Jpg | Format::Webp => Chroma::Half,
            Format::Png | Format::Gif | Format::Avif | Format::Mp4 | Format::Vtt | Format::Json => {
                Chroma::Full
            }
        }
    }
}

/// Writes a picture.
pub(crate) fn encode(pixels: &Pixels, style: &Style<'_>) -> Result<Vec<u8>, Error> {
    let format = style.format;
    let most = match format {
        Format::Jpg => jpeg::MAX_EDGE_PX,
        Format::Webp => webp::MAX_EDGE_PX,
        Format::Gif | Format::Avif => u16::MAX.into(),
        Format::Png | Format::Mp4 | Format::Vtt | Format::Json => u32::MAX,
    };
    let (width, height) = pixels.dimensions();
    if width.max(height) > most {
        let what = format!("a {} has at most {most} pixels along an edge", format.extension());
        return Err(Error::OutputTooLarge { what });
    }
    match format {
        Format::Jpg => {
            let quality = style.quality.unwrap_or(jpeg::QUALITY);
            return match pixels {
                Pixels::Raster(raster) if pixels.has_alpha() => {
                    let seen = raster.clone().on(style.background);
                    jpeg::encode(&Pixels::Raster(seen), quality)
                }
                pixels => jpeg::encode(pixels, quality),
            };
        }
        Format::Webp => return webp::encode(pixels, style.quality.unwrap_or(WEBP_QUALITY)),
        _ => {}
    }
    let raster = pixels.raster(&mut Resizer::new())?;
    match (format, style.avif) {
        (Format::Png, _) => png(&raster),
        (Format::Gif, _) => gif::encode(&raster),
        (Format::Avif, Some(avif)) => {
            avif(&raster, style.quality.unwrap_or(AVIF_QUALITY), style.kept)
        }
        _ => Err(Error::Encode { format: format.extension(), what: "no encoder here".to_owned() }),
    }
}

/// Writes a PNG.
pub(crate) fn png(raster: &Raster) -> Result<Vec<u8>, Error> {
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
