//! JPEG in, shrunk while it is decoded, and JPEG out. The only C that reads untrusted bytes here.

use image::metadata::Orientation;
use turbojpeg::{Colorspace, Compressor, Decompressor, Image, PixelFormat, ScalingFactor, Subsamp};

use crate::colour::cmyk_to_srgb;
use crate::error::Error;
use crate::raster::{Layout, Raster, room};

/// Quality of JPEGs made.
pub(crate) const QUALITY: u8 = 80;
/// The longest edge a JPEG can have, in pixels.
pub(crate) const MAX_EDGE_PX: u32 = 65_535;
/// The most scans of a progressive file: more are an attack on time.
const MAX_SCANS: u32 = 500;
/// The most segments looked through for metadata.
const MAX_SEGMENTS: usize = 4_096;
/// The largest colour profile put together, in bytes.
const MAX_ICC_BYTES: usize = 8 << 20;

/// What the segments before the picture say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Segments {
    pub(crate) orientation: Option<Orientation>,
    pub(crate) icc: Option<Vec<u8>>,
    adobe: bool,
}

/// Reads EXIF orientation, colour profile and Adobe's mark; what is odd is passed over.
pub(crate) fn segments(jpeg: &[u8]) -> Segments {
    let mut found = Segments::default();
    let mut icc: Vec<(u8, &[u8])> = Vec::new();
    let mut rest = jpeg.get(2..).unwrap_or_default();
    for _ in 0..MAX_SEGMENTS {
        let Some([0xff, kind, high, low]) = rest.first_chunk().copied() else { break };
        if kind == 0xff {
            // A fill byte.
            rest = rest.get(1..).unwrap_or_default();
            continue;
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some(body) = rest.get(4..2 + length).filter(|_| kind != 0xda) else { break };
        if let (0xe1, Some(exif)) = (kind, body.strip_prefix(b"Exif\0\0")) {
            found.orientation = found.orientation.or(Orientation::from_exif_chunk(exif));
        } else if let (0xe2, Some([number, _, part @ ..])) =
            (kind, body.strip_prefix(b"ICC_PROFILE\0"))
        {
            icc.push((*number, part));
        } else if kind == 0xee && body.starts_with(b"Adobe") {
            found.adobe = true;
        }
        rest = rest.get(2 + length..).unwrap_or_default();
    }
    icc.sort_by_key(|(number, _)| *number);
    let bytes: usize = icc.iter().map(|(_, part)| part.len()).sum();
    if (1..=MAX_ICC_BYTES).contains(&bytes) {
        found.icc = Some(icc.iter().flat_map(|(_, part)| part.iter().copied()).collect());
    }
    found
}

/// Width and height by the frame header; `None` where libjpeg-turbo's interface gives none for
/// mere oddities between the segments, and another decoder must do.
pub(crate) fn dimensions(jpeg: &[u8]) -> Result<Option<(u32, u32)>, Error> {
    match decompressor()?.read_header(jpeg) {
        Ok(header) => Ok(Some((edge(header.width)?, edge(header.height)?))),
        Err(error) if is_harmless(&error) => Ok(None),
        Err(error) => Err(refusal(error)),
    }
}

fn edge(pixels: usize) -> Result<u32, Error> {
    u32::try_from(pixels).map_err(|_large| Error::corrupt("impossible dimensions"))
}

fn decompressor() -> Result<Decompressor, Error> {
    let mut decompressor = Decompressor::new().map_err(refusal)?;
    decompressor.set_scan_limit(MAX_SCANS).map_err(refusal)?;
    Ok(decompressor)
}

/// Decodes at the smallest scale that still has `least` pixels in each direction.
pub(crate) fn decode(jpeg: &[u8], segments: &Segments, least: (u32, u32)) -> Result<Raster, Error> {
    let mut decompressor = decompressor()?;
    let header = decompressor.read_header(jpeg).map_err(refusal)?;
    let scale = if header.is_lossless {
        ScalingFactor::ONE
    } else {
        scale((header.width, header.height), least)
    };
    decompressor.set_scaling_factor(scale).map_err(refusal)?;
    let (width, height) = (scale.scale(header.width), scale.scale(header.height));
    let (format, bytes) = match header.colorspace {
        Colorspace::Gray => (PixelFormat::GRAY, 1),
        Colorspace::RGB | Colorspace::YCbCr => (PixelFormat::RGB, 3),
        Colorspace::CMYK | Colorspace::YCCK => (PixelFormat::CMYK, 4),
    };
    let (wide, high) = (edge(width)?, edge(height)?);
    let mut pixels = room(wide, high, bytes)?;
    let image =
        Image { pixels: pixels.as_mut_slice(), width, pitch: width * bytes, height, format };
    match decompressor.decompress(jpeg, image) {
        Ok(()) => {}
        Err(error) if is_harmless(&error) => {}
        Err(error) => return Err(refusal(error)),
    }
    match bytes {
        1 => Raster::new(wide, high, Layout::Gray, pixels),
        3 => Raster::new(wide, high, Layout::Rgb, pixels),
        _ => {
            // Adobe writes 255 for no ink, the others 0.
            if segments.adobe {
                pixels.iter_mut().for_each(|ink| *ink = 255 - *ink);
            }
            cmyk_to_srgb(&pixels, segments.icc.as_deref(), (wide, high))
        }
    }
}

/// Among the scales that have fast paths; the others would cost more than they save.
fn scale((width, height): (usize, usize), least: (u32, u32)) -> ScalingFactor {
    let suffices = |scale: &ScalingFactor| {
        scale.scale(width) >= least.0 as usize && scale.scale(height) >= least.1 as usize
    };
    [ScalingFactor::ONE_EIGHTH, ScalingFactor::ONE_QUARTER, ScalingFactor::ONE_HALF]
        .into_iter()
        .find(suffices)
        .unwrap_or(ScalingFactor::ONE)
}

/// A warning about something beside the picture's data. libjpeg-turbo reports the first one, so
/// missing data is never hidden behind it.
fn is_harmless(error: &turbojpeg::Error) -> bool {
    const HARMLESS: [&str; 3] =
        ["extraneous bytes before marker", "JFIF revision number", "Adobe color transform code"];
    let text = error.to_string();
    HARMLESS.iter().any(|harmless| text.contains(harmless))
}

#[allow(clippy::needless_pass_by_value, reason = "goes into map_err")]
fn refusal(error: turbojpeg::Error) -> Error {
    let text = error.to_string();
    if text.contains("memory") {
        Error::Memory { what: "decode a JPEG" }
    } else if text.contains("precision") || text.contains("not supported") {
        Error::Unsupported { what: format!("this kind of JPEG ({text})") }
    } else {
        Error::corrupt(text)
    }
}

/// Writes a JPEG: 4:2:0, without metadata.
pub(crate) fn encode(raster: &Raster, quality: u8) -> Result<Vec<u8>, Error> {
    let (format, subsampling) = match raster.layout {
        Layout::Gray => (PixelFormat::GRAY, Subsamp::Gray),
        Layout::Rgb => (PixelFormat::RGB, Subsamp::Sub2x2),
        Layout::Rgba => (PixelFormat::RGBA, Subsamp::Sub2x2),
    };
    let image = Image {
        pixels: raster.pixels.as_slice(),
        width: raster.width as usize,
        pitch: raster.width as usize * raster.layout.bytes(),
        height: raster.height as usize,
        format,
    };
    let compress = || {
        let mut compressor = Compressor::new()?;
        compressor.set_quality(quality.into())?;
        compressor.set_subsamp(subsampling)?;
        compressor.compress_to_vec(image)
    };
    compress().map_err(|error: turbojpeg::Error| Error::Encode {
        format: "JPEG",
        what: error.to_string(),
    })
}
