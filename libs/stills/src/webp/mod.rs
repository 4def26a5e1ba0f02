//! WebP in and out by libwebp: lossy pictures as the planes they consist of.

#![allow(unsafe_code, reason = "libwebp is C; every call is checked and every buffer is ours")]

pub(crate) mod animation;

use std::ffi::c_int;
use std::ptr;

use fast_image_resize::Resizer;
use libwebp_sys as sys;

use crate::error::Error;
use crate::planes::{Pixels, Planes};
use crate::raster::{Layout, Raster, room};

/// The longest edge a WebP can have, in pixels.
pub(crate) const MAX_EDGE_PX: u32 = 16_383;
/// Effort of the encoder, from 0 to 6: as others have it unless told otherwise.
const METHOD: c_int = 4;
/// Of a lossy bitstream.
const LOSSY: c_int = 1;

/// What the headers say.
pub(crate) struct Header {
    pub(crate) dimensions: (u32, u32),
    pub(crate) moves: bool,
    pub(crate) alpha: bool,
    lossy: bool,
}

/// Reads the headers.
pub(crate) fn header(file: &[u8]) -> Result<Header, Error> {
    // SAFETY: plain numbers, for which all zeros is a value.
    let mut found: sys::WebPBitstreamFeatures = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer and the length are those of one slice; `found` is writable.
    let status = unsafe { sys::WebPGetFeatures(file.as_ptr(), file.len(), &raw mut found) };
    if status != sys::VP8StatusCode::VP8_STATUS_OK {
        return Err(refusal(status));
    }
    let edge = |edge: c_int| u32::try_from(edge).map_err(|_odd| Error::corrupt("odd dimensions"));
    Ok(Header {
        dimensions: (edge(found.width)?, edge(found.height)?),
        moves: found.has_animation != 0,
        alpha: found.has_alpha != 0,
        lossy: found.format == LOSSY,
    })
}

fn refusal(status: sys::VP8StatusCode) -> Error {
    match status {
        sys::VP8StatusCode::VP8_STATUS_OUT_OF_MEMORY => Error::Memory { what: "decode a WebP" },
        other => Error::corrupt(format!("WebP: {other:?}")),
    }
}

/// Decodes a picture that does not move.
pub(crate) fn decode(file: &[u8], header: &Header) -> Result<Pixels, Error> {
    let (width, height) = header.dimensions;
    let mut config =
        sys::WebPDecoderConfig::new().map_err(|()| Error::Memory { what: "decode a WebP" })?;
    config.output.is_external_memory = 1;
    if header.lossy && !header.alpha {
        let (wide, high) = (width.div_ceil(2), height.div_ceil(2));
        let mut luma = room(width, height, 1)?;
        let mut chroma = [room(wide, high, 1)?, room(wide, high, 1)?];
        let [blue, red] = &mut chroma;
        config.output.colorspace = sys::WEBP_CSP_MODE::MODE_YUV;
        config.output.u.YUVA = sys::WebPYUVABuffer {
            y: luma.as_mut_ptr(),
            u: blue.as_mut_ptr(),
            v: red.as_mut_ptr(),
            a: ptr::null_mut(),
            y_stride: int(width)?,
            u_stride: int(wide)?,
            v_stride: int(wide)?,
            a_stride: 0,
            y_size: luma.len(),
            u_size: blue.len(),
            v_size: red.len(),
            a_size: 0,
        };
        run(file, &mut config)?;
        widen(&mut luma, FROM_LUMA);
        chroma.iter_mut().for_each(|plane| widen(plane, FROM_CHROMA));
        let [blue, red] = chroma;
        let luma = Raster::new(width, height, Layout::Gray, luma)?;
        let blue = Raster::new(wide, high, Layout::Gray, blue)?;
        let red = Raster::new(wide, high, Layout::Gray, red)?;
        return Ok(Pixels::Planes(Planes::new(luma, [blue, red], (2, 2))));
    }
    let (layout, mode) = if header.alpha {
        (Layout::Rgba, sys::WEBP_CSP_MODE::MODE_RGBA)
    } else {
        (Layout::Rgb, sys::WEBP_CSP_MODE::MODE_RGB)
    };
    let mut pixels = room(width, height, layout.bytes())?;
    config.output.colorspace = mode;
    config.output.u.RGBA = sys::WebPRGBABuffer {
        rgba: pixels.as_mut_ptr(),
        stride: int(width)? * int(u32::try_from(layout.bytes()).unwrap_or(4))?,
        size: pixels.len(),
    };
    run(file, &mut config)?;
    Ok(Pixels::Raster(Raster::new(width, height, layout, pixels)?.without_idle_alpha()))
}

/// What libwebp lacks memory for, while the picture has its own, is no picture's need.
fn run(file: &[u8], config: &mut sys::WebPDecoderConfig) -> Result<(), Error> {
    // SAFETY: the output's pointers and sizes are those of living buffers, which libwebp checks
    // against the picture's dimensions; it keeps no pointer.
    let status = unsafe { sys::WebPDecode(file.as_ptr(), file.len(), config) };
    match status {
        sys::VP8StatusCode::VP8_STATUS_OK => Ok(()),
        other => Err(Error::corrupt(format!("WebP: {other:?}"))),
    }
}

pub(crate) fn int(number: u32) -> Result<c_int, Error> {
    c_int::try_from(number).map_err(|_odd| Error::corrupt("odd dimensions"))
}

/// Scale (of 2^16) and the two zeros between WebP's ranges, which leave room at both ends, and
/// full ones.
type Range = (i32, i32, i32);
const FROM_LUMA: Range = (65_536 * 255 / 219, 16, 0);
const FROM_CHROMA: Range = (65_536 * 255 / 224, 128, 128);
const TO_LUMA: Range = (65_536 * 219 / 255, 0, 16);
const TO_CHROMA: Range = (65_536 * 224 / 255, 128, 128);

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what a byte holds"
)]
fn widen(plane: &mut [u8], (scale, from, to): Range) {
    for sample in plane {
        let value = ((i32::from(*sample) - from) * scale + 0x8000) >> 16;
        *sample = (value + to).clamp(0, 255) as u8;
    }
}

fn narrowed(plane: &Raster, range: Range) -> Vec<u8> {
    let mut samples = plane.pixels.clone();
    widen(&mut samples, range);
    samples
}

/// The encoder's settings at a quality from 1 to 100.
pub(crate) fn settings(quality: u8) -> Result<sys::WebPConfig, Error> {
    let mut config = sys::WebPConfig::new().map_err(|()| failed("settings"))?;
    config.quality = quality.into();
    config.method = METHOD;
    Ok(config)
}

/// Writes a lossy picture.
pub(crate) fn encode(pixels: &Pixels, quality: u8) -> Result<Vec<u8>, Error> {
    let config = settings(quality)?;
    let mut picture = Picture::new(pixels.dimensions())?;
    // What libwebp reads from while it encodes.
    let kept;
    match pixels {
        Pixels::Planes(planes) => {
            let [blue, red] = planes.chroma();
            kept = [
                narrowed(planes.luma(), TO_LUMA),
                narrowed(blue, TO_CHROMA),
                narrowed(red, TO_CHROMA),
            ];
            let [luma, blue_samples, red_samples] = &kept;
            picture.0.use_argb = 0;
            picture.0.y = luma.as_ptr().cast_mut();
            picture.0.u = blue_samples.as_ptr().cast_mut();
            picture.0.v = red_samples.as_ptr().cast_mut();
            picture.0.y_stride = int(planes.dimensions().0)?;
            picture.0.uv_stride = int(blue.width)?;
        }
        Pixels::Raster(_) | Pixels::Opaque(_) => {
            picture.import(&*pixels.raster(&mut Resizer::new())?)?;
        }
    }
    let mut writer = Writer::new();
    picture.0.writer = Some(sys::WebPMemoryWrite);
    picture.0.custom_ptr = (&raw mut writer.0).cast();
    // SAFETY: picture and writer are initialised and outlive the call, as do the planes.
    let done = unsafe { sys::WebPEncode(&raw const config, &raw mut picture.0) };
    if done == 0 {
        return Err(picture.error());
    }
    Ok(writer.bytes().to_vec())
}

pub(crate) fn failed(what: impl std::fmt::Debug) -> Error {
    Error::Encode { format: "WebP", what: format!("{what:?}") }
}

/// A picture in libwebp's hands.
pub(crate) struct Picture(pub(crate) sys::WebPPicture);

impl Picture {
    pub(crate) fn new((width, height): (u32, u32)) -> Result<Self, Error> {
        let mut picture = sys::WebPPicture::new().map_err(|()| failed("version"))?;
        picture.width = int(width)?;
        picture.height = int(height)?;
        Ok(Self(picture))
    }

    /// Copies pixels in.
    pub(crate) fn import(&mut self, raster: &Raster) -> Result<(), Error> {
        let spread: Vec<u8>;
        let (pixels, alpha) = match raster.layout {
            Layout::Gray => {
                spread = raster.pixels.iter().flat_map(|gray| [*gray; 3]).collect();
                (&spread, false)
            }
            Layout::Rgb => (&raster.pixels, false),
            Layout::Rgba => (&raster.pixels, true),
        };
        let stride = self.0.width.saturating_mul(if alpha { 4 } else { 3 });
        // SAFETY: a raster has as many bytes as width, height and layout say, which is checked when
        // it is made; the picture has the same dimensions.
        let done = unsafe {
            if alpha {
                sys::WebPPictureImportRGBA(&raw mut self.0, pixels.as_ptr(), stride)
            } else {
                sys::WebPPictureImportRGB(&raw mut self.0, pixels.as_ptr(), stride)
            }
        };
        if done == 0 { Err(self.error()) } else { Ok(()) }
    }

    pub(crate) fn error(&self) -> Error {
        match self.0.error_code {
            sys::WebPEncodingError::VP8_ENC_ERROR_OUT_OF_MEMORY
            | sys::WebPEncodingError::VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY => {
                Error::Memory { what: "write a WebP" }
            }
            other => failed(other),
        }
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        // SAFETY: initialised; frees only what libwebp allocated itself.
        unsafe { sys::WebPPictureFree(&raw mut self.0) };
    }
}

struct Writer(sys::WebPMemoryWriter);

impl Writer {
    fn new() -> Self {
        // SAFETY: plain pointers and numbers, for which all zeros is a value; then initialised.
        let mut writer: sys::WebPMemoryWriter = unsafe { std::mem::zeroed() };
        // SAFETY: `writer` is writable.
        unsafe { sys::WebPMemoryWriterInit(&raw mut writer) };
        Self(writer)
    }

    fn bytes(&self) -> &[u8] {
        if self.0.mem.is_null() {
            return &[];
        }
        // SAFETY: libwebp wrote `size` bytes there and they live as long as the writer.
        unsafe { std::slice::from_raw_parts(self.0.mem, self.0.size) }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // SAFETY: initialised.
        unsafe { sys::WebPMemoryWriterClear(&raw mut self.0) };
    }
}

/// The body of the first chunk of that name; `None` if there is none.
pub(crate) fn chunk<'a>(file: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    chunks(file).find(|(found, _)| *found == name).map(|(_, body)| body)
}

/// The chunks of a file with their names.
pub(crate) fn chunks(file: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    let mut rest = file.get(12..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (name, after) = rest.split_first_chunk::<4>()?;
        let (length, after) = after.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        let body = after.get(..length)?;
        rest = after.get(length + length % 2..).unwrap_or_default();
        Some((name, body))
    })
}
