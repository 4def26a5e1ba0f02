//! One page of a file: its dimensions before anything is decoded, then its pixels.

use std::io::Cursor;

use domain::limits::Limits;
use filetype::Kind;
use image::codecs::{
    bmp::BmpDecoder, gif::GifDecoder, hdr::HdrDecoder, ico::IcoDecoder, jpeg::JpegDecoder,
    png::PngDecoder, pnm::PnmDecoder, qoi::QoiDecoder, tiff::TiffDecoder, webp::WebPDecoder,
};
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder};
use serde_json::{Map, Value};

use crate::colour;
use crate::easel::Picture;
use crate::error::Error;
use crate::jxl;
use crate::media;
use crate::planes::Pixels;
use crate::raster::{Layout, Raster, upright};
use crate::tiff::Shape;
use crate::{exr, frames, jpeg, light, png, tga, webp};

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
    Webp { bytes: &'a [u8], header: webp::Header },
    Jxl(Box<jxl::Open<'a>>),
    Tiff { shape: Box<Shape<'a>>, source: Option<&'a mut dyn media::Source> },
    Exr(Box<exr::Open<'a>>),
    Tga { bytes: &'a [u8], header: tga::Header },
    Png { bytes: &'a [u8], decoder: Box<PngDecoder<Cursor<&'a [u8]>>> },
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
        let reader = Cursor::new(bytes);
        let page = match kind {
            Kind::Jpeg => Self::jpeg(bytes)?,
            Kind::Webp => Self::webp(bytes)?,
            Kind::Jxl => {
                let open = jxl::Open::new(bytes, limits)?;
                let source = Source::Jxl(Box::new(open));
                Self::plain(jxl_dimensions(&source), UPRIGHT, source)
            }
            Kind::Png => {
                // Its decoder takes dimensions beyond all bounds for a want of memory.
                within(png_dimensions(bytes), limits)?;
                let mut decoder = Box::new(PngDecoder::new(reader)?);
                let stored = decoder.dimensions();
                let orientation = decoder.orientation().unwrap_or(UPRIGHT);
                Self::plain(stored, orientation, Source::Png { bytes, decoder })
            }
            Kind::Gif => {
                frames::gif_fits(bytes, limits)?;
                Self::of(Box::new(GifDecoder::new(reader)?))
            }
            Kind::Tiff => match Shape::find(bytes)? {
                Some(shape) => {
                    let (stored, orientation) = (shape.dimensions(), shape.orientation());
                    let source = Source::Tiff { shape: Box::new(shape), source: None };
                    Self::plain(stored, orientation, source)
                }
                None => Self::of(Box::new(TiffDecoder::new(reader)?)),
            },
            Kind::Bmp => Self::of(Box::new(BmpDecoder::new(reader)?)),
            Kind::Ico => Self::of(Box::new(IcoDecoder::new(reader)?)),
            Kind::Pnm => Self::of(Box::new(PnmDecoder::new(reader)?)),
            Kind::Qoi => Self::of(Box::new(QoiDecoder::new(reader)?)),
            Kind::Tga => {
                let header = tga::header(bytes)?;
                Self::plain(header.dimensions, UPRIGHT, Source::Tga { bytes, header })
            }
            Kind::Hdr => Self::of(Box::new(HdrDecoder::new(reader)?)),
            Kind::Exr => {
                let open = exr::Open::new(bytes, limits)?;
                Self::plain(open.dimensions(), UPRIGHT, Source::Exr(Box::new(open)))
            }
            _ => return Err(Error::Unsupported { what: format!("{kind:?}") }),
        };
        within(page.stored, limits)?;
        if page.stored.0 == 0 || page.stored.1 == 0 {
            return Err(Error::corrupt("a picture without pixels"));
        }
        Ok(page)
    }

    fn jpeg(bytes: &'a [u8]) -> Result<Self, Error> {
        let segments = jpeg::segments(bytes);
        Ok(match jpeg::dimensions(bytes)? {
            Some(stored) => {
                let orientation = segments.orientation.unwrap_or(UPRIGHT);
                Self::plain(stored, orientation, Source::Jpeg { bytes, segments })
            }
            None => Self::of(Box::new(JpegDecoder::new(Cursor::new(bytes))?)),
        })
    }

    /// Those that move are read by a decoder that composes their first frame.
    fn webp(bytes: &'a [u8]) -> Result<Self, Error> {
        let header = webp::header(bytes)?;
        if header.moves {
            return Ok(Self::of(Box::new(WebPDecoder::new(Cursor::new(bytes))?)));
        }
        let exif = webp::chunk(bytes, b"EXIF");
        let exif = exif.map(|exif| exif.strip_prefix(b"Exif\0\0").unwrap_or(exif));
        let orientation = exif.and_then(Orientation::from_exif_chunk).unwrap_or(UPRIGHT);
        let stored = header.dimensions;
        Ok(Self::plain(stored, orientation, Source::Webp { bytes, header }))
    }

    fn of(mut decoder: Box<dyn ImageDecoder + 'a>) -> Self {
        let stored = decoder.dimensions();
        // Metadata that cannot be read does not keep the picture from being drawn.
        let orientation = decoder.orientation().unwrap_or(UPRIGHT);
        Self::plain(stored, orientation, Source::Other(decoder))
    }

    const fn plain(stored: (u32, u32), orientation: Orientation, source: Source<'a>) -> Self {
        Self { stored, orientation, source }
    }

    /// Whence the rows of a TIFF come that are not in its bytes.
    pub(crate) fn from(mut self, rows: &'a mut dyn media::Source) -> Self {
        if let Source::Tiff { source, .. } = &mut self.source {
            *source = Some(rows);
        }
        self
    }

    /// Width and height the right way up.
    pub(crate) const fn dimensions(&self) -> (u32, u32) {
        upright(self.orientation, self.stored)
    }

    /// What the headers say, under the names that EXIF has for it or others have given it.
    pub(crate) fn facts(&mut self) -> Map<String, Value> {
        let (colours, bits, icc) = match &mut self.source {
            Source::Jpeg { bytes, segments } => {
                let colours = jpeg::colours(bytes).unwrap_or("RGB");
                (colours, 8, segments.icc.clone())
            }
            Source::Webp { bytes, header } => {
                let colours = if header.alpha { "RGBA" } else { "RGB" };
                (colours, 8, webp::chunk(bytes, b"ICCP").map(<[u8]>::to_vec))
            }
            Source::Jxl(open) => open.facts(),
            Source::Tiff { shape, .. } => {
                let (colours, bits) = shape.facts();
                (colours, bits, shape.icc().map(<[u8]>::to_vec))
            }
            Source::Exr(open) => {
                let (colours, bits) = open.facts();
                (colours, bits, None)
            }
            Source::Tga { header, .. } => (header.colour_model(), header.bits.into(), None),
            Source::Png { decoder, .. } => decoder_facts(decoder.as_mut()),
            Source::Other(decoder) => decoder_facts(decoder.as_mut()),
        };
        let mut facts = Map::new();
        facts.insert("ImageWidth".to_owned(), Value::from(self.stored.0));
        facts.insert("ImageHeight".to_owned(), Value::from(self.stored.1));
        facts.insert("BitDepth".to_owned(), Value::from(bits));
        facts.insert("ColorModel".to_owned(), Value::from(colours));
        if let Some(name) = icc.as_deref().and_then(colour::profile_name) {
            facts.insert("ProfileDescription".to_owned(), Value::String(name));
        }
        facts
    }

    /// Decodes it; as small as possible, but in neither direction smaller than `least` (as stored).
    pub(crate) fn decode(self, least: (u32, u32), limits: &Limits) -> Result<Picture, Error> {
        let (pixels, icc) = match self.source {
            Source::Jpeg { bytes, segments } => {
                (jpeg::decode(bytes, &segments, least)?, segments.icc)
            }
            Source::Webp { bytes, header } => {
                let icc = webp::chunk(bytes, b"ICCP").map(<[u8]>::to_vec);
                (webp::decode(bytes, &header)?, icc)
            }
            Source::Jxl(open) => {
                let (raster, icc) = open.decode()?;
                (Pixels::Raster(raster), icc)
            }
            Source::Tiff { shape, source } => {
                let (raster, reach, own) = shape.decode(least, source)?;
                let pixels = Pixels::Raster(raster.without_idle_alpha());
                let icc = shape.icc().filter(|_| own);
                return Ok(Picture::decoded(pixels, self.orientation, icc).reaching(reach));
            }
            Source::Exr(open) => (Pixels::Raster(open.decode()?), None),
            Source::Tga { bytes, header } => {
                (Pixels::Raster(header.decode(bytes)?.without_idle_alpha()), None)
            }
            Source::Png { bytes, mut decoder } => match png::decode(bytes, least)? {
                Some((raster, reach)) => {
                    let icc = decoder.icc_profile().unwrap_or_default();
                    let picture =
                        Picture::decoded(Pixels::Raster(raster), self.orientation, icc.as_deref());
                    return Ok(picture.reaching(reach));
                }
                None => whole(decoder, limits)?,
            },
            Source::Other(decoder) => whole(decoder, limits)?,
        };
        Ok(Picture::decoded(pixels, self.orientation, icc.as_deref()))
    }
}

/// How colours are made, bits of each channel, and the profile.
fn decoder_facts(decoder: &mut dyn ImageDecoder) -> (&'static str, u32, Option<Vec<u8>>) {
    let kind = decoder.original_color_type();
    let channels = kind.channel_count();
    let bits = u32::from(kind.bits_per_pixel()) / u32::from(channels.max(1));
    let colours = match (kind, channels) {
        (ExtendedColorType::Cmyk8 | ExtendedColorType::Cmyk16, _) => "CMYK",
        (_, 1) => "Gray",
        (_, 2) => "Gray with alpha",
        (_, 3) => "RGB",
        _ => "RGBA",
    };
    (colours, bits, decoder.icc_profile().ok().flatten())
}

/// All pixels, and their profile if they are still in its colours.
fn whole(
    mut decoder: impl ImageDecoder,
    limits: &Limits,
) -> Result<(Pixels, Option<Vec<u8>>), Error> {
    if decoder.total_bytes() > limits.renderer_memory_bytes {
        return Err(Error::Memory { what: "pixels" });
    }
    let mut bounds = image::Limits::no_limits();
    bounds.max_alloc = Some(limits.renderer_memory_bytes);
    decoder.set_limits(bounds)?;
    let icc = decoder.icc_profile().unwrap_or_default();
    let image = DynamicImage::from_decoder(decoder)?;
    Ok(match icc.as_deref().and_then(|icc| colour::deep_to_srgb(&image, icc)) {
        Some(raster) => (Pixels::Raster(raster), None),
        None => (Pixels::Raster(raster(image)?.without_idle_alpha()), icc),
    })
}

const UPRIGHT: Orientation = Orientation::NoTransforms;

fn jxl_dimensions(source: &Source<'_>) -> (u32, u32) {
    if let Source::Jxl(open) = source { open.dimensions() } else { (0, 0) }
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
    let image = match image {
        DynamicImage::ImageRgb32F(_) | DynamicImage::ImageRgba32F(_) => {
            return light::raster(image);
        }
        other => other,
    };
    let colour = image.color();
    let (layout, pixels) = match (colour.has_color(), colour.has_alpha()) {
        (false, false) => (Layout::Gray, image.into_luma8().into_raw()),
        (true, false) => (Layout::Rgb, image.into_rgb8().into_raw()),
        (_, true) => (Layout::Rgba, image.into_rgba8().into_raw()),
    };
    Raster::new(width, height, layout, pixels)
}
