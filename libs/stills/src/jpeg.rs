//! JPEG in, shrunk while it is decoded, and JPEG out. The only C that reads untrusted bytes here.

use image::metadata::Orientation;
use turbojpeg::{
    Colorspace, Compressor, DecompressHeader, Decompressor, Image, PixelFormat, ScalingFactor,
    Subsamp, YuvImage, YuvPlanesImage, yuv_pixels_len,
};

use crate::colour::{MAX_ICC_BYTES, cmyk_to_srgb};
use crate::eighth;
use crate::error::Error;
use crate::media::Source;
use crate::planes::{Pixels, Planes};
use crate::raster::{Layout, Raster, room};

/// Quality of JPEGs made.
pub(crate) const QUALITY: u8 = 80;
/// The longest edge a JPEG can have, in pixels.
pub(crate) const MAX_EDGE_PX: u32 = 65_535;
/// The most scans of a progressive file: more are an attack on time.
const MAX_SCANS: u32 = 500;
/// The most segments looked through for metadata.
const MAX_SEGMENTS: usize = 4_096;
/// Of a picture whose end is missing, the part of its rows that must be there: one in so many may
/// lack.
const MAY_LACK: usize = 8;
/// Pixels from which on it pays to be particular about an eighth of them.
const MANY_PIXELS: usize = 1 << 20;
/// What libjpeg-turbo shows where data is missing.
const NO_DATA: u8 = 128;

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

/// The bodies of the segments of that kind before the picture.
pub(crate) fn application(jpeg: &[u8], wanted: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = jpeg.get(2..).unwrap_or_default();
    let next = move || loop {
        let [0xff, kind, high, low] = rest.first_chunk().copied()? else { return None };
        if kind == 0xff {
            // A fill byte.
            rest = rest.get(1..)?;
            continue;
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        let body = rest.get(4..2 + length).filter(|_| kind != 0xda)?;
        rest = rest.get(2 + length..)?;
        if kind == wanted {
            return Some(body);
        }
    };
    std::iter::from_fn(next).take(MAX_SEGMENTS)
}

/// All that comes before the pixels, by as few bytes as that takes; `None` where it is not to be
/// told from them, or all of it is hardly more.
///
/// # Errors
/// When the source cannot be read.
pub(crate) fn head(source: &mut dyn Source) -> Result<Option<Vec<u8>>, Error> {
    const FIRST_BYTES: usize = 64 << 10;
    let mut length = FIRST_BYTES;
    // Half of a file is no head.
    while (length as u64).saturating_mul(2) < source.length() {
        let mut head = vec![0; length];
        let count = source.read_at(0, &mut head).map_err(Error::Source)?;
        head.truncate(count);
        match before_pixels(&head) {
            Before::All => return Ok(Some(head)),
            Before::Odd => return Ok(None),
            Before::More => length *= 4,
        }
    }
    Ok(None)
}

/// What is known of the segments before the pixels.
enum Before {
    /// They are all there.
    All,
    /// They go on.
    More,
    /// They are not as they should be.
    Odd,
}

fn before_pixels(head: &[u8]) -> Before {
    let mut at = 2;
    for _ in 0..MAX_SEGMENTS {
        let Some(&[mark, kind, high, low]) =
            head.get(at..at + 4).and_then(|four| four.first_chunk())
        else {
            return Before::More;
        };
        if mark != 0xff || kind == 0xff {
            return Before::Odd;
        }
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
        if kind == 0xda {
            return if at <= head.len() { Before::All } else { Before::More };
        }
    }
    Before::Odd
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

/// How its colours are made.
pub(crate) fn colours(jpeg: &[u8]) -> Option<&'static str> {
    Some(match decompressor().ok()?.read_header(jpeg).ok()?.colorspace {
        Colorspace::Gray => "Gray",
        Colorspace::RGB => "RGB",
        Colorspace::YCbCr => "YCbCr",
        Colorspace::CMYK => "CMYK",
        Colorspace::YCCK => "YCCK",
    })
}

/// Width and height of one that is seen as it is: with loss, and of 8 bits.
pub(crate) fn dimensions_if_lossy(jpeg: &[u8]) -> Option<(u32, u32)> {
    let header = decompressor().ok()?.read_header(jpeg).ok()?;
    if header.is_lossless {
        return None;
    }
    Some((edge(header.width).ok()?, edge(header.height).ok()?))
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
pub(crate) fn decode(jpeg: &[u8], segments: &Segments, least: (u32, u32)) -> Result<Pixels, Error> {
    let mut decompressor = decompressor()?;
    let header = decompressor.read_header(jpeg).map_err(refusal)?;
    let scale = if header.is_lossless {
        ScalingFactor::ONE
    } else {
        scale((header.width, header.height), least)
    };
    if scale == ScalingFactor::ONE_EIGHTH
        && header.width.saturating_mul(header.height) >= MANY_PIXELS
        && let Some(pixels) = means(jpeg, &header)
    {
        return Ok(pixels);
    }
    decompressor.set_scaling_factor(scale).map_err(refusal)?;
    let size = (scale.scale(header.width), scale.scale(header.height));
    let format = match header.colorspace {
        Colorspace::Gray => PixelFormat::GRAY,
        Colorspace::YCbCr if !header.is_lossless && step(header.subsamp).is_some() => {
            return planes(&mut decompressor, jpeg, &header, size).map(Pixels::Planes);
        }
        Colorspace::RGB | Colorspace::YCbCr => PixelFormat::RGB,
        Colorspace::CMYK | Colorspace::YCCK => PixelFormat::CMYK,
    };
    let bytes = format.size();
    let (wide, high) = (edge(size.0)?, edge(size.1)?);
    let mut pixels = room(wide, high, bytes)?;
    let pitch = size.0 * bytes;
    let image =
        Image { pixels: pixels.as_mut_slice(), width: size.0, pitch, height: size.1, format };
    let outcome = decompressor.decompress(jpeg, image);
    settle(outcome, || lacking(&pixels, pitch) * MAY_LACK <= size.1)?;
    match bytes {
        1 => Raster::new(wide, high, Layout::Gray, pixels).map(Pixels::Raster),
        3 => Raster::new(wide, high, Layout::Rgb, pixels).map(Pixels::Raster),
        _ => {
            // Adobe writes 255 for no ink, the others 0.
            if segments.adobe {
                pixels.iter_mut().for_each(|ink| *ink = 255 - *ink);
            }
            cmyk_to_srgb(&pixels, segments.icc.as_deref(), (wide, high)).map(Pixels::Raster)
        }
    }
}

/// An eighth of a plain picture, with nothing worked out that is not seen.
fn means(jpeg: &[u8], header: &DecompressHeader) -> Option<Pixels> {
    let scale = ScalingFactor::ONE_EIGHTH;
    let size = (scale.scale(header.width), scale.scale(header.height));
    let cut = |plane: Raster, width: usize, height: usize| {
        let to = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
        if plane.dimensions() == to { Some(plane) } else { plane.part((0, 0), to).ok() }
    };
    match header.colorspace {
        Colorspace::Gray => {
            let [gray] = <[Raster; 1]>::try_from(eighth::decode(jpeg)?).ok()?;
            cut(gray, size.0, size.1).map(Pixels::Raster)
        }
        Colorspace::YCbCr => {
            let (across, down) = step(header.subsamp)?;
            let [luma, blue, red] = <[Raster; 3]>::try_from(eighth::decode(jpeg)?).ok()?;
            let coarse = (size.0.div_ceil(across), size.1.div_ceil(down));
            let chroma = [cut(blue, coarse.0, coarse.1)?, cut(red, coarse.0, coarse.1)?];
            let step = (u32::try_from(across).ok()?, u32::try_from(down).ok()?);
            Some(Pixels::Planes(Planes::new(cut(luma, size.0, size.1)?, chroma, step)))
        }
        Colorspace::RGB | Colorspace::CMYK | Colorspace::YCCK => None,
    }
}

/// How many pixels a sample of colour stands for, if it is a whole number of them.
const fn step(subsampling: Subsamp) -> Option<(usize, usize)> {
    match subsampling {
        Subsamp::None => Some((1, 1)),
        Subsamp::Sub2x1 => Some((2, 1)),
        Subsamp::Sub2x2 => Some((2, 2)),
        Subsamp::Sub1x2 => Some((1, 2)),
        Subsamp::Sub4x1 => Some((4, 1)),
        Subsamp::Sub1x4 => Some((1, 4)),
        _ => None,
    }
}

/// Decodes into planes, whose colour is as much coarser as in the file.
fn planes(
    decompressor: &mut Decompressor,
    jpeg: &[u8],
    header: &DecompressHeader,
    (width, height): (usize, usize),
) -> Result<Planes, Error> {
    let subsamp = header.subsamp;
    let (across, down) = step(subsamp).ok_or_else(|| Error::corrupt("JPEG: odd sampling"))?;
    let bytes = yuv_pixels_len(width, 1, height, subsamp).map_err(refusal)?;
    let mut luma = room(edge(bytes)?, 1, 1)?;
    let image = YuvImage { pixels: luma.as_mut_slice(), width, align: 1, height, subsamp };
    let outcome = decompressor.decompress_to_yuv(jpeg, image);
    // Lightness is kept in whole samples of colour.
    let (wide, high) = (width.next_multiple_of(across), height.next_multiple_of(down));
    let (coarse_wide, coarse_high) = (wide / across, high / down);
    if luma.len() != wide * high + 2 * coarse_wide * coarse_high {
        return Err(Error::corrupt("JPEG: odd planes"));
    }
    let mut blue = luma.split_off(wide * high);
    let red = blue.split_off(coarse_wide * coarse_high);
    settle(outcome, || lacking(&luma, wide) * MAY_LACK <= height)?;
    let plane = |width: usize, height: usize, samples| {
        Raster::new(edge(width)?, edge(height)?, Layout::Gray, samples)
    };
    let mut luma = plane(wide, high, luma)?;
    if (wide, high) != (width, height) {
        luma = luma.part((0, 0), (edge(width)?, edge(height)?))?;
    }
    let chroma = [plane(coarse_wide, coarse_high, blue)?, plane(coarse_wide, coarse_high, red)?];
    Ok(Planes::new(luma, chroma, (edge(across)?, edge(down)?)))
}

/// How many rows at the end have no data.
fn lacking(pixels: &[u8], row_bytes: usize) -> usize {
    let rows = pixels.chunks_exact(row_bytes.max(1)).rev();
    rows.take_while(|row| row.iter().all(|sample| *sample == NO_DATA)).count()
}

/// Lets a picture pass that is complete, or nearly so.
fn settle(
    outcome: turbojpeg::Result<()>,
    is_nearly_complete: impl FnOnce() -> bool,
) -> Result<(), Error> {
    match outcome {
        Ok(()) => Ok(()),
        Err(error) if is_harmless(&error) => Ok(()),
        Err(error) if error.to_string().contains("Premature end") && is_nearly_complete() => Ok(()),
        Err(error) => Err(refusal(error)),
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
pub(crate) fn encode(pixels: &Pixels, quality: u8) -> Result<Vec<u8>, Error> {
    let compress = || {
        let mut compressor = Compressor::new()?;
        compressor.set_quality(quality.into())?;
        match pixels {
            Pixels::Planes(planes) => compress_planes(&mut compressor, planes),
            Pixels::Raster(raster) => compress_raster(&mut compressor, raster),
            Pixels::Opaque(raster) => {
                compress_rows(&mut compressor, raster, PixelFormat::RGBX, Subsamp::Sub2x2)
            }
        }
    };
    compress().map_err(|error: turbojpeg::Error| Error::Encode {
        format: "JPEG",
        what: error.to_string(),
    })
}

fn compress_raster(compressor: &mut Compressor, raster: &Raster) -> turbojpeg::Result<Vec<u8>> {
    let (format, subsampling) = match raster.layout {
        Layout::Gray => (PixelFormat::GRAY, Subsamp::Gray),
        Layout::Rgb => (PixelFormat::RGB, Subsamp::Sub2x2),
        Layout::Rgba => (PixelFormat::RGBA, Subsamp::Sub2x2),
    };
    compress_rows(compressor, raster, format, subsampling)
}

fn compress_rows(
    compressor: &mut Compressor,
    raster: &Raster,
    format: PixelFormat,
    subsampling: Subsamp,
) -> turbojpeg::Result<Vec<u8>> {
    compressor.set_subsamp(subsampling)?;
    compressor.compress_to_vec(Image {
        pixels: raster.pixels.as_slice(),
        width: raster.width as usize,
        pitch: raster.width as usize * raster.layout.bytes(),
        height: raster.height as usize,
        format,
    })
}

/// Planes with a sample of colour for every two by two pixels.
fn compress_planes(compressor: &mut Compressor, planes: &Planes) -> turbojpeg::Result<Vec<u8>> {
    let luma = planes.luma();
    let [blue, red] = planes.chroma();
    let (width, height) = (luma.width as usize, luma.height as usize);
    // Lightness is wanted in whole samples of colour.
    let (wide, high) = (width.next_multiple_of(2), height.next_multiple_of(2));
    let padded: Vec<u8>;
    let samples = if (wide, high) == (width, height) {
        &luma.pixels
    } else {
        let rows = luma.pixels.chunks_exact(width);
        let rows = rows.clone().chain(rows.last());
        padded = rows
            .take(high)
            .flat_map(|row| row.iter().chain(row.last().filter(|_| wide > width)))
            .copied()
            .collect();
        &padded
    };
    compressor.compress_yuv_planes_to_vec(&YuvPlanesImage {
        y_plane: samples.as_slice(),
        u_plane: blue.pixels.as_slice(),
        v_plane: red.pixels.as_slice(),
        width,
        height,
        y_stride: wide,
        u_stride: wide / 2,
        v_stride: wide / 2,
        subsamp: Subsamp::Sub2x2,
    })
}
