//! AVIF out: libheif writes the container, libaom encodes, on one thread.

#![allow(unsafe_code, reason = "libheif is a C library")]

use std::ffi::{CStr, c_int, c_void};
use std::ptr;

use stills::{Error, Kept, Layout, Raster};

use super::{open, sys};

/// How the encoder is set: no threads, and an effort that a request can wait for.
const SETTINGS: &[(&CStr, &CStr)] = &[(c"threads", c"1"), (c"speed", c"8"), (c"chroma", c"420")];
/// From this quality on colours keep their full resolution.
const FULL_COLOUR_QUALITY: u8 = 90;

/// Writes an AVIF of that quality (1 to 100) that carries this metadata; its transparency is kept.
pub(crate) fn encode(raster: &Raster, quality: u8, kept: &Kept) -> Result<Vec<u8>, Error> {
    open::prepare();
    let mut bytes = Vec::new();
    let image = image(raster)?;
    // SAFETY: what is made here is freed here; the writer gets the vector that outlives the call.
    unsafe {
        let context = Context(sys::heif_context_alloc());
        let mut encoder = Encoder(ptr::null_mut());
        let mut handle = Handle(ptr::null_mut());
        named(sys::heif_context_get_encoder_for_format(context.0, sys::AV1, &raw mut encoder.0))?;
        named(sys::heif_encoder_set_lossy_quality(encoder.0, c_int::from(quality.clamp(1, 100))))?;
        for (name, value) in SETTINGS {
            named(sys::heif_encoder_set_parameter(encoder.0, name.as_ptr(), value.as_ptr()))?;
        }
        if quality >= FULL_COLOUR_QUALITY {
            let (name, value) = (c"chroma".as_ptr(), c"444".as_ptr());
            named(sys::heif_encoder_set_parameter(encoder.0, name, value))?;
        }
        named(sys::heif_context_encode_image(
            context.0,
            image.0,
            encoder.0,
            ptr::null(),
            &raw mut handle.0,
        ))?;
        if let Some((data, length)) = kept.exif().and_then(raw) {
            named(sys::heif_context_add_exif_metadata(context.0, handle.0, data, length))?;
        }
        if let Some((data, length)) = kept.xmp().map(str::as_bytes).and_then(raw) {
            named(sys::heif_context_add_XMP_metadata(context.0, handle.0, data, length))?;
        }
        let writer = sys::Writer { version: 1, write };
        let user = (&raw mut bytes).cast();
        named(sys::heif_context_write(context.0, &raw const writer, user))?;
    }
    Ok(bytes)
}

/// Bytes as libheif takes them.
fn raw(bytes: &[u8]) -> Option<(*const c_void, c_int)> {
    Some((bytes.as_ptr().cast(), c_int::try_from(bytes.len()).ok()?))
}

fn image(raster: &Raster) -> Result<Image, Error> {
    let (colorspace, chroma, channel) = match raster.layout() {
        Layout::Gray => (sys::COLORSPACE_MONOCHROME, sys::CHROMA_MONOCHROME, sys::CHANNEL_Y),
        Layout::Rgb => (sys::COLORSPACE_RGB, sys::CHROMA_RGB, sys::CHANNEL_INTERLEAVED),
        Layout::Rgba => (sys::COLORSPACE_RGB, sys::CHROMA_RGBA, sys::CHANNEL_INTERLEAVED),
    };
    let (width, height) = raster.dimensions();
    let edge = |edge: u32| c_int::try_from(edge).unwrap_or(0);
    let row_bytes = width as usize * raster.layout().bytes();
    let mut image = Image(ptr::null_mut());
    let mut stride = 0;
    // SAFETY: the plane is as large as was asked for; the image is freed with what is given back.
    let data = unsafe {
        let (width, height) = (edge(width), edge(height));
        named(sys::heif_image_create(width, height, colorspace, chroma, &raw mut image.0))?;
        named(sys::heif_image_add_plane(image.0, channel, width, height, 8))?;
        sys::heif_image_get_plane(image.0, channel, &raw mut stride)
    };
    let stride = usize::try_from(stride).unwrap_or(0);
    if data.is_null() || stride < row_bytes {
        return Err(Error::Memory { what: "pixels" });
    }
    for (y, row) in raster.pixels().chunks_exact(row_bytes.max(1)).enumerate() {
        // SAFETY: as many rows as the plane is high, each no longer than its stride.
        unsafe { ptr::copy_nonoverlapping(row.as_ptr(), data.add(y * stride), row_bytes) };
    }
    Ok(image)
}

fn named(outcome: sys::Outcome) -> Result<(), Error> {
    match super::checked(outcome) {
        Ok(()) | Err(Error::Memory { .. }) if outcome.code == sys::OK => Ok(()),
        Err(Error::Memory { what }) => Err(Error::Memory { what }),
        Ok(()) => Ok(()),
        Err(error) => Err(Error::Encode { format: "AVIF", what: error.to_string() }),
    }
}

struct Image(*mut sys::Image);

impl Drop for Image {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: ours, freed here alone.
            unsafe { sys::heif_image_release(self.0) };
        }
    }
}

struct Context(*mut sys::Context);

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: ours, freed here alone.
        unsafe { sys::heif_context_free(self.0) };
    }
}

struct Handle(*mut sys::Handle);

impl Drop for Handle {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: ours, freed here alone.
            unsafe { sys::heif_image_handle_release(self.0) };
        }
    }
}

struct Encoder(*mut sys::Encoder);

impl Drop for Encoder {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: ours, freed here alone.
            unsafe { sys::heif_encoder_release(self.0) };
        }
    }
}

unsafe extern "C" fn write(
    _context: *mut sys::Context,
    data: *const c_void,
    length: usize,
    user: *mut c_void,
) -> sys::Outcome {
    // SAFETY: the vector given to `heif_context_write`; libheif's bytes, as long as said.
    unsafe {
        let out = &mut *user.cast::<Vec<u8>>();
        out.extend_from_slice(std::slice::from_raw_parts(data.cast(), length));
    }
    sys::Outcome { code: sys::OK, detail: 0, message: c"".as_ptr() }
}
