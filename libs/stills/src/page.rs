//! One page of a file: its dimensions before anything is decoded, then its pixels.

use std::io::Cursor;

use domain::limits::Limits;
use filetype::Kind;
use image::codecs::{
    bmp::BmpDecoder, gif::GifDecoder, jpeg::JpegDecoder, png::PngDecoder, tiff::TiffDecoder,
    webp::WebPDecoder,
};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder};

use crate::easel::Picture;
use crate::error::Error;
use crate::jpeg;
use crate::raster::{Layout, Raster, upright};

/// A page that is open but not decoded.
pub(crate) struct Page<'a> {
    /// Width and height as stored.
    stored: (u32, u32),
    /// How to turn it upright.
    pub(crate) orientation: Orientation,
    source: Source<'a>,
}

enum Source<'a> {
    Jpeg { bytes: &'a [u8], segments: jpeg::Segments },
    Other(Box<dyn ImageDecoder + 'a>),
}

/// Width and height as the first chunk of a PNG has them, which every PNG begins with; 0 where the
/// file ends before.
fn png_dimensions(bytes: &[u8]) -> (u32, u32) {
    let edge = |at: usize| {
        let field = bytes.get(at..at + 4).and_then(|field| field.try_into().ok());
        field.map_or(0, u32::from_be_bytes)
    };
    (edge(16), edge(20))
}

impl<'a> Page<'a> {
    /// Reads the header, and refuses what is larger than the limit.
    pub(crate) fn open(kind: Kind, bytes: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        let page = match kind {
            Kind::Jpeg => {
                let segments = jpeg::segments(bytes);
                match jpeg::dimensions(bytes)? {
                    Some(stored) => Self {
                        stored,
                        orientation: segments.orientation.unwrap_or(Orientation::NoTransforms),
                        source: Source::Jpeg { bytes, segments },
                    },
                    None => Self::of(Box::new(JpegDecoder::new(Cursor::new(bytes))?)),
                }
            }
            Kind::Png => {
                // Its decoder takes dimensions beyond all bounds for a want of memory.
                within(png_dimensions(bytes), limits)?;
                Self::of(Box::new(PngDecoder::new(Cursor::new(bytes))?))
            }
            Kind::Gif => Self::of(Box::new(GifDecoder::new(Cursor::new(bytes))?)),
            Kind::Webp => Self::of(Box::new(WebPDecoder::new(Cursor::new(bytes))?)),
            Kind::Tiff => Self::of(Box::new(TiffDecoder::new(Cursor::new(bytes))?)),
            Kind::Bmp => Self::of(Box::new(BmpDecoder::new(Cursor::new(bytes))?)),
            _ => return Err(Error::Unsupported { what: format!("{kind:?}") }),
        };
        within(page.stored, limits)?;
        if page.stored.0 == 0 || page.stored.1 == 0 {
            return Err(Error::corrupt("a picture without pixels"));
        }
        Ok(page)
    }

    fn of(mut decoder: Box<dyn ImageDecoder + 'a>) -> Self {
        Self {
            stored: decoder.dimensions(),
            // Metadata that cannot be read does not keep the picture from being drawn.
            orientation: decoder.orientation().unwrap_or(Orientation::NoTransforms),
            source: Source::Other(decoder),
        }
    }

    /// Width and height the right way up.
    pub(crate) const fn dimensions(&self) -> (u32, u32) {
        upright(self.orientation, self.stored)
    }

    /// Decodes it; as small as possible, but in neither direction smaller than `least` (as stored).
    pub(crate) fn decode(self, least: (u32, u32), limits: &Limits) -> Result<Picture, Error> {
        let (raster, icc) = match self.source {
            Source::Jpeg { bytes, segments } => {
                (jpeg::decode(bytes, &segments, least)?, segments.icc)
            }
            Source::Other(mut decoder) => {
                let mut bounds = image::Limits::no_limits();
                bounds.max_alloc = Some(limits.renderer_memory_bytes);
                decoder.set_limits(bounds)?;
                let icc = decoder.icc_profile().unwrap_or_default();
                (raster(DynamicImage::from_decoder(decoder)?)?.without_idle_alpha(), icc)
            }
        };
        Ok(Picture::of(raster, self.orientation, icc.as_deref()))
    }
}

/// Refuses more pixels than the limit.
///
/// # Errors
/// [`Error::TooManyPixels`].
pub fn within((width, height): (u32, u32), limits: &Limits) -> Result<(), Error> {
    if u64::from(width) * u64::from(height) > limits.pixels {
        return Err(Error::TooManyPixels { width, height, most: limits.pixels });
    }
    Ok(())
}

fn raster(image: DynamicImage) -> Result<Raster, Error> {
    let (width, height) = (image.width(), image.height());
    let colour = image.color();
    let (layout, pixels) = match (colour.has_color(), colour.has_alpha()) {
        (false, false) => (Layout::Gray, image.into_luma8().into_raw()),
        (true, false) => (Layout::Rgb, image.into_rgb8().into_raw()),
        (_, true) => (Layout::Rgba, image.into_rgba8().into_raw()),
    };
    Raster::new(width, height, layout, pixels)
}
