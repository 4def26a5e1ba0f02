//! FFmpeg's decoders lent to libheif: its own start threads, which a renderer must not.
//!
//! Before 1.19, libheif turns all that has colours into red, green and blue as soon as it is decoded,
//! one number after the other in floating point: it takes longer than decoding, and FFmpeg's scaler
//! does it while it shrinks. Planes that go in [under the names](under_other_names) of red, green and
//! blue are left alone.

#![allow(unsafe_code, reason = "callbacks from a C library")]

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
use std::ptr;

use domain::limits::Limits;
use stills::Error;

use super::sys::{self, Image, Nclx, Outcome};
use crate::ff::{Codec, Colours, Decoder, Frame, Packet, Planes};

/// Higher than that of any decoder built into libheif.
const PRIORITY: c_int = 10_000;
/// The most bytes of one coded picture or tile.
const MAX_BYTES: usize = 512 << 20;

const FINE: Outcome = Outcome { code: sys::OK, detail: 0, message: c"".as_ptr() };
const BAD: Outcome =
    Outcome { code: sys::DECODER, detail: 0, message: c"the picture cannot be decoded".as_ptr() };
const FULL: Outcome = Outcome { code: sys::MEMORY, detail: 0, message: c"no memory".as_ptr() };

/// From here on planes keep their names: 1.19 leaves colours alone, and 1.18 was not tried.
const FIRST_UNTRIED: u32 = 0x0112_0000;

/// What libheif, which knows of no such thing, is handed while it decodes.
#[derive(Debug, Clone, Copy, Default)]
struct Naming {
    is_other: bool,
    /// What the first coded picture said of its colours, if its planes went under other names.
    first: Option<Option<Colours>>,
}

thread_local! {
    static NAMING: Cell<Naming> = const { Cell::new(Naming { is_other: false, first: None }) };
}

/// Decodes with planes of brightness and colours under the names of red, green and blue, each as large
/// as the picture. Gives what the first coded picture said of its colours; `None` where its planes go
/// by their own names, which those without colours do, and those whose numbers FFmpeg's scaler would
/// not understand.
pub(super) fn under_other_names<T>(decode: impl FnOnce() -> T) -> (T, Option<Colours>) {
    // SAFETY: a constant of the library.
    let version = unsafe { sys::heif_get_version_number() };
    NAMING.set(Naming { is_other: version < FIRST_UNTRIED, first: None });
    let decoded = decode();
    (decoded, NAMING.take().first.flatten())
}

/// Whether numbers by that matrix (ITU-T H.273) are understood by FFmpeg's scaler.
pub(super) const fn is_usual(matrix: i32) -> bool {
    matches!(matrix, 0..=2 | 4..=7 | 9 | 10)
}

static HEVC: sys::DecoderPlugin = plugin(hevc_only, make_hevc);
static AV1: sys::DecoderPlugin = plugin(av1_only, make_av1);

const fn plugin(
    supports: unsafe extern "C" fn(c_int) -> c_int,
    make: unsafe extern "C" fn(*mut *mut c_void) -> Outcome,
) -> sys::DecoderPlugin {
    sys::DecoderPlugin {
        version: 1,
        name,
        init: None,
        deinit: None,
        supports,
        make,
        free,
        push,
        decode,
        set_strict: None,
        id: c"ffmpeg".as_ptr(),
    }
}

/// Lends them, before anything is decoded.
pub(super) fn lend() {
    // SAFETY: both are constants.
    unsafe {
        sys::heif_register_decoder_plugin(&raw const HEVC);
        sys::heif_register_decoder_plugin(&raw const AV1);
    }
}

/// One coded picture or tile, as libheif hands it over.
struct Coded {
    codec: Codec,
    bytes: Vec<u8>,
}

unsafe extern "C" fn name() -> *const c_char {
    c"FFmpeg".as_ptr()
}

unsafe extern "C" fn hevc_only(format: c_int) -> c_int {
    if format == sys::HEVC { PRIORITY } else { 0 }
}

unsafe extern "C" fn av1_only(format: c_int) -> c_int {
    if format == sys::AV1 { PRIORITY } else { 0 }
}

unsafe extern "C" fn make_hevc(out: *mut *mut c_void) -> Outcome {
    // SAFETY: libheif's pointer.
    unsafe { make(Codec::Hevc, out) }
}

unsafe extern "C" fn make_av1(out: *mut *mut c_void) -> Outcome {
    // SAFETY: libheif's pointer.
    unsafe { make(Codec::Av1, out) }
}

unsafe fn make(codec: Codec, out: *mut *mut c_void) -> Outcome {
    // SAFETY: by the contract `out` can be written.
    unsafe { *out = Box::into_raw(Box::new(Coded { codec, bytes: Vec::new() })).cast() };
    FINE
}

unsafe extern "C" fn free(decoder: *mut c_void) {
    // SAFETY: made in `make`, freed once.
    drop(unsafe { Box::from_raw(decoder.cast::<Coded>()) });
}

unsafe extern "C" fn push(decoder: *mut c_void, data: *const c_void, length: usize) -> Outcome {
    // SAFETY: made in `make`; libheif uses it from one thread.
    let coded = unsafe { &mut *decoder.cast::<Coded>() };
    if data.is_null() || length == 0 {
        return FINE;
    }
    if coded.bytes.len().saturating_add(length) > MAX_BYTES {
        return FULL;
    }
    // SAFETY: libheif's bytes, as long as said.
    coded.bytes.extend_from_slice(unsafe { std::slice::from_raw_parts(data.cast(), length) });
    FINE
}

unsafe extern "C" fn decode(decoder: *mut c_void, out: *mut *mut Image) -> Outcome {
    // SAFETY: made in `make`; libheif uses it from one thread.
    let coded = unsafe { &mut *decoder.cast::<Coded>() };
    let bytes = std::mem::take(&mut coded.bytes);
    let image = frame(coded.codec, bytes).and_then(|frame| {
        let planes = frame.planes().ok_or_else(|| Error::corrupt("its planes"))?;
        image(&frame, &planes)
    });
    match image {
        Ok(image) => {
            // SAFETY: by the contract `out` can be written.
            unsafe { *out = image };
            FINE
        }
        Err(Error::Memory { .. }) => FULL,
        Err(_) => BAD,
    }
}

fn frame(codec: Codec, mut bytes: Vec<u8>) -> Result<Frame, Error> {
    if codec == Codec::Hevc {
        start_codes(&mut bytes);
    }
    // The dimensions of the whole were held to the job's limits before.
    let mut decoder = Decoder::of(codec, &Limits::default())?;
    let packet = Packet::of(&bytes)?;
    drop(bytes);
    let mut frame = Frame::new()?;
    decoder.send(&packet)?;
    if decoder.receive(&mut frame)? {
        return Ok(frame);
    }
    decoder.end();
    if decoder.receive(&mut frame)? { Ok(frame) } else { Err(Error::corrupt("no picture")) }
}

/// Lengths of four bytes before each unit become start codes.
fn start_codes(bytes: &mut Vec<u8>) {
    const START: [u8; 4] = [0, 0, 0, 1];
    let mut at = 0;
    while let Some(prefix) = bytes.get_mut(at..at + 4) {
        let Ok(length) = <[u8; 4]>::try_from(&*prefix) else { break };
        prefix.copy_from_slice(&START);
        at = at.saturating_add(4).saturating_add(u32::from_be_bytes(length) as usize);
    }
    bytes.truncate(at.min(bytes.len()));
}

/// The planes as libheif's image.
fn image(frame: &Frame, planes: &Planes) -> Result<*mut Image, Error> {
    let edge = |edge: u32| c_int::try_from(edge).unwrap_or(0);
    let other = other_names(frame, planes);
    let (colorspace, chroma) = match planes.chroma {
        None => (sys::COLORSPACE_MONOCHROME, sys::CHROMA_MONOCHROME),
        Some(_) if other => (sys::COLORSPACE_RGB, sys::CHROMA_444),
        Some((1, 1)) => (sys::COLORSPACE_YCBCR, sys::CHROMA_420),
        Some((1, 0)) => (sys::COLORSPACE_YCBCR, sys::CHROMA_422),
        Some(_) => (sys::COLORSPACE_YCBCR, sys::CHROMA_444),
    };
    let mut image = ptr::null_mut();
    // SAFETY: makes an image, which is freed here if it cannot be filled.
    unsafe {
        let (width, height) = (edge(frame.width()), edge(frame.height()));
        super::checked(sys::heif_image_create(width, height, colorspace, chroma, &raw mut image))?;
        if let Err(error) = fill(image, frame, planes, other) {
            sys::heif_image_release(image);
            return Err(error);
        }
    }
    Ok(image)
}

/// Whether the planes go under other names; notes what the first picture was.
fn other_names(frame: &Frame, planes: &Planes) -> bool {
    let naming = NAMING.get();
    let colours = frame.colours();
    let other = naming.is_other && planes.chroma.is_some() && is_usual(colours.matrix);
    let first = naming.first.unwrap_or(other.then_some(colours));
    NAMING.set(Naming { first: Some(first), ..naming });
    other
}

/// # Safety
/// `image` is libheif's.
unsafe fn fill(
    image: *mut Image,
    frame: &Frame,
    planes: &Planes,
    other: bool,
) -> Result<(), Error> {
    let channels = if other {
        [sys::CHANNEL_R, sys::CHANNEL_G, sys::CHANNEL_B]
    } else {
        [sys::CHANNEL_Y, sys::CHANNEL_CB, sys::CHANNEL_CR]
    };
    let count = if planes.chroma.is_some() { 3 } else { 1 };
    let bits = c_int::try_from(planes.bits).unwrap_or(8);
    let sample_bytes = if planes.bits > 8 { 2 } else { 1 };
    for (plane, channel) in channels.into_iter().take(count).enumerate() {
        let stored = planes.size(frame, plane);
        let (width, height) = if other { (frame.width(), frame.height()) } else { stored };
        let (wide, high) = (c_int::try_from(width), c_int::try_from(height));
        let (Ok(wide), Ok(high)) = (wide, high) else { return Err(Error::corrupt("its size")) };
        let mut stride = 0;
        // SAFETY: by the contract; the plane is as large as was asked for.
        let data = unsafe {
            super::checked(sys::heif_image_add_plane(image, channel, wide, high, bits))?;
            sys::heif_image_get_plane(image, channel, &raw mut stride)
        };
        let row_bytes = width as usize * sample_bytes;
        let stride = usize::try_from(stride).unwrap_or(0);
        if data.is_null() || stride < row_bytes {
            return Err(Error::Memory { what: "pixels" });
        }
        // As libheif does it: each of fewer samples stands for those around it.
        let (across, down) = (stored.0 < width, u32::from(stored.1 < height));
        for y in 0..height {
            let missing = || Error::corrupt("a row is missing");
            let from = stored.0 as usize * sample_bytes;
            let from = frame.row(plane, y >> down, from).ok_or_else(missing)?;
            // SAFETY: the row lies inside the plane, which nothing else refers to meanwhile.
            let to =
                unsafe { std::slice::from_raw_parts_mut(data.add(y as usize * stride), row_bytes) };
            match (across, sample_bytes) {
                (false, _) => to.copy_from_slice(from),
                (true, 1) => twice::<1>(from, to),
                (true, _) => twice::<2>(from, to),
            }
        }
    }
    // SAFETY: the profile is made and freed here; libheif copies it.
    unsafe {
        let profile: *mut Nclx = sys::heif_nclx_color_profile_alloc();
        if !profile.is_null() {
            let colours = frame.colours();
            (*profile).primaries = colours.primaries;
            (*profile).transfer = colours.transfer;
            (*profile).matrix = colours.matrix;
            (*profile).is_full_range = u8::from(colours.is_full_range);
            sys::heif_image_set_nclx_color_profile(image, profile);
            sys::heif_nclx_color_profile_free(profile);
        }
    }
    Ok(())
}

/// Every sample of so many bytes twice, as far as there is room.
fn twice<const BYTES: usize>(from: &[u8], to: &mut [u8]) {
    let from = from.as_chunks::<BYTES>().0;
    let (pairs, last) = to.as_chunks_mut::<BYTES>().0.as_chunks_mut::<2>();
    for (pair, sample) in pairs.iter_mut().zip(from) {
        *pair = [*sample; 2];
    }
    if let ([last], Some(sample)) = (last, from.last()) {
        *last = *sample;
    }
}
