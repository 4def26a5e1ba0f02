//! JPEG XL, by a decoder in Rust.

use domain::limits::Limits;
use jxl_oxide::{
    AllocTracker, EnumColourEncoding, InitializeResult, JxlImage, PixelFormat, RenderingIntent,
};

use crate::colour::cmyk_to_srgb;
use crate::error::Error;
use crate::page::within;
use crate::raster::{Layout, Raster, room};

/// How much of a file is read at a time until its header is complete, in bytes.
const HEADER_STEP_BYTES: usize = 64 << 10;

/// The box that a file in boxes begins with.
const SIGNATURE_BOX: &[u8] = b"\0\0\0\x0cJXL \r\n\x87\n";

/// A picture whose header is read.
pub(crate) struct Open<'a> {
    image: JxlImage,
    /// What was not fed yet.
    rest: &'a [u8],
}

impl<'a> Open<'a> {
    /// Reads the header, and refuses what is larger than the limit.
    pub(crate) fn new(file: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        let memory = usize::try_from(limits.renderer_memory_bytes).unwrap_or(usize::MAX);
        let tracker = AllocTracker::with_limit(memory);
        let mut reader = JxlImage::builder().alloc_tracker(tracker).build_uninit();
        let mut rest = file;
        loop {
            let (step, after) = rest.split_at(rest.len().min(HEADER_STEP_BYTES));
            reader.feed_bytes(step).map_err(refusal)?;
            rest = after;
            match reader.try_init().map_err(refusal)? {
                InitializeResult::Initialized(image) => {
                    within((image.width(), image.height()), limits)?;
                    return Ok(Self { image, rest });
                }
                InitializeResult::NeedMoreData(_) if rest.is_empty() => {
                    return Err(Error::corrupt("JPEG XL: ends in its header"));
                }
                InitializeResult::NeedMoreData(more) => reader = more,
            }
        }
    }

    /// Width and height, upright.
    pub(crate) fn dimensions(&self) -> (u32, u32) {
        (self.image.width(), self.image.height())
    }

    /// How colours are made, bits of each, and the profile.
    pub(crate) fn facts(&self) -> (&'static str, u32, Option<Vec<u8>>) {
        let colours = match self.image.pixel_format() {
            PixelFormat::Gray => "Gray",
            PixelFormat::Graya => "Gray with alpha",
            PixelFormat::Rgb => "RGB",
            PixelFormat::Rgba => "RGBA",
            PixelFormat::Cmyk | PixelFormat::Cmyka => "CMYK",
        };
        let bits = self.image.image_header().metadata.bit_depth.bits_per_sample();
        (colours, bits, self.image.original_icc().map(<[u8]>::to_vec))
    }

    /// The first frame, upright, and the profile its colours are in, if it is not sRGB.
    pub(crate) fn decode(mut self) -> Result<(Raster, Option<Vec<u8>>), Error> {
        let image = &mut self.image;
        image.feed_bytes(self.rest).map_err(refusal)?;
        if image.original_icc().is_none() {
            let intent = RenderingIntent::Relative;
            image.request_color_encoding(if image.pixel_format().is_grayscale() {
                EnumColourEncoding::gray_srgb(intent)
            } else {
                EnumColourEncoding::srgb(intent)
            });
        }
        if image.num_loaded_keyframes() == 0 {
            return Err(Error::corrupt("JPEG XL: ends before its first frame"));
        }
        let render = image.render_frame(0).map_err(refusal)?;
        let mut stream = render.stream();
        let (width, height) = (stream.width(), stream.height());
        let channels = stream.channels() as usize;
        let mut samples = room(width, height, channels)?;
        stream.write_to_buffer(&mut samples);
        let icc = image.original_icc().map(|_| image.rendered_icc());
        let raster = match image.pixel_format() {
            PixelFormat::Gray => Raster::new(width, height, Layout::Gray, samples)?,
            PixelFormat::Graya => {
                let pixels = samples.as_chunks().0.iter().flat_map(|[v, a]| [*v, *v, *v, *a]);
                Raster::new(width, height, Layout::Rgba, pixels.collect())?
            }
            PixelFormat::Rgb => Raster::new(width, height, Layout::Rgb, samples)?,
            PixelFormat::Rgba => Raster::new(width, height, Layout::Rgba, samples)?,
            PixelFormat::Cmyk => {
                return Ok((inks(&samples, icc.as_deref(), (width, height))?, None));
            }
            PixelFormat::Cmyka => {
                let inked: Vec<u8> = samples
                    .chunks_exact(channels)
                    .flat_map(|ink| ink.iter().take(4))
                    .copied()
                    .collect();
                return Ok((inks(&inked, icc.as_deref(), (width, height))?, None));
            }
        };
        Ok((raster.without_idle_alpha(), icc))
    }
}

/// JPEG XL has 255 for no ink.
fn inks(samples: &[u8], icc: Option<&[u8]>, size: (u32, u32)) -> Result<Raster, Error> {
    let inks: Vec<u8> = samples.iter().map(|sample| 255 - sample).collect();
    cmyk_to_srgb(&inks, icc, size)
}

/// The tags that a file in boxes holds, unless they are packed.
pub(crate) fn tags(file: &[u8]) -> Option<&[u8]> {
    let mut rest = file.strip_prefix(SIGNATURE_BOX)?;
    loop {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (name, after) = after.split_first_chunk::<4>()?;
        let (whole, headed) = match u32::from_be_bytes(*length) {
            0 => (rest.len(), 8),
            1 => (usize::try_from(u64::from_be_bytes(*after.first_chunk()?)).ok()?, 16),
            length => (length as usize, 8),
        };
        let body = rest.get(headed..whole)?;
        if name == b"Exif" {
            // Where they begin behind this number is said first.
            let (offset, body) = body.split_first_chunk::<4>()?;
            return body.get(u32::from_be_bytes(*offset) as usize..);
        }
        rest = rest.get(whole..)?;
    }
}

#[allow(clippy::needless_pass_by_value, reason = "goes into map_err")]
fn refusal(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    let text = error.to_string();
    if text.contains("alloc") || text.contains("memory") {
        Error::Memory { what: "decode a JPEG XL" }
    } else {
        Error::corrupt(format!("JPEG XL: {text}"))
    }
}
