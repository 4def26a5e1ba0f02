//! FFmpeg's libraries, as little of them as is needed, behind types that own what they point to.
//!
//! All that is unsafe about FFmpeg stays in here. One thread, no file, no address, no log; bytes
//! come from a [`stills::Source`] and go to memory. Enumerations that come out of a stranger's
//! file are read as the numbers they are, since a number outside the list would be no value of
//! the Rust type.

#![allow(unsafe_code, reason = "FFmpeg is a C library")]

mod charsets;
mod decoder;
mod demuxer;
mod encoder;
mod frame;
mod input;
mod muxer;
mod packet;
mod planes;
mod reader;
mod resampler;
mod scaler;
mod stream;
mod words;

use std::ffi::{CStr, c_char};

use ffmpeg_sys_next as sys;
use stills::Error;

pub(crate) use charsets::load as load_charsets;
pub(crate) use decoder::{Care, Codec, Decoder, Skip, make_tables};
pub(crate) use demuxer::{Demuxer, FORM_BYTES};
pub(crate) use encoder::{Encoder, SoundShape, VideoShape};
pub(crate) use frame::{Colours, Frame};
pub(crate) use input::{Chapter, Input, to_ms};
pub(crate) use muxer::Muxer;
pub(crate) use packet::Packet;
pub(crate) use planes::{PictureFormat, Planes};
pub(crate) use resampler::Resampler;
pub(crate) use scaler::{Channels, Scaler, has_alpha, pixel_format_name};
pub(crate) use stream::{Medium, Rational, Stream};
pub(crate) use words::Words;

/// A stream that is played unless another is picked.
pub(crate) const DEFAULT: i32 = sys::AV_DISPOSITION_DEFAULT;
/// "No time is known".
pub(crate) const NO_TIME: i64 = i64::MIN;

/// The name and version that go on record.
pub(crate) fn engine() -> (&'static str, &'static str) {
    // SAFETY: a constant of the library.
    let version = unsafe { sys::av_version_info() };
    ("FFmpeg", text(version).unwrap_or("unknown"))
}

/// Stops FFmpeg from writing to standard error.
pub(crate) fn quiet() {
    // SAFETY: sets one number.
    unsafe { sys::av_log_set_level(sys::AV_LOG_QUIET) };
}

unsafe extern "C" {
    /// POSIX: reads the time zone. The `libc` crate lacks it.
    fn tzset();
}

/// Sets the time zone to UTC, where FFmpeg's times are. The C library reads it anew from a file
/// whenever a time is written, unless the environment names it and it has been read before.
pub(crate) fn settle_time_zone() {
    // SAFETY: there is one thread yet, and both texts are constants.
    unsafe {
        libc::setenv(c"TZ".as_ptr(), c"UTC0".as_ptr(), 1);
        tzset();
    }
}

/// A text of FFmpeg's; `None` where there is none or it is not UTF-8.
fn text<'a>(pointer: *const c_char) -> Option<&'a str> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: FFmpeg's texts end with a zero; callers hand in constants of the library, or texts
    // owned by what they borrow.
    unsafe { CStr::from_ptr(pointer) }.to_str().ok()
}

/// An enumeration as the number it is, whatever that is.
///
/// # Safety
/// `field` points to four bytes that can be read.
const unsafe fn number<T>(field: *const T) -> i32 {
    // SAFETY: FFmpeg's enumerations are four bytes wide.
    unsafe { field.cast::<i32>().read() }
}

/// What a call that failed means for the job.
fn failed(what: &'static str, code: i32) -> Error {
    match code {
        code if code == sys::AVERROR(libc::ENOMEM) => Error::Memory { what },
        sys::AVERROR_DECODER_NOT_FOUND | sys::AVERROR_PATCHWELCOME => {
            Error::Unsupported { what: format!("{what}: {}", describe(code)) }
        }
        code => Error::corrupt(format_args!("{what}: {}", describe(code))),
    }
}

fn describe(code: i32) -> String {
    const BYTES: usize = 96;
    let mut buffer = [0; BYTES];
    // SAFETY: the buffer is as long as said.
    unsafe { sys::av_strerror(code, buffer.as_mut_ptr(), BYTES) };
    text(buffer.as_ptr()).unwrap_or_default().to_owned()
}

/// Passes what is not negative.
fn checked(what: &'static str, code: i32) -> Result<i32, Error> {
    if code < 0 { Err(failed(what, code)) } else { Ok(code) }
}

/// Passes what is not null.
fn there<T>(what: &'static str, pointer: *mut T) -> Result<*mut T, Error> {
    if pointer.is_null() { Err(Error::Memory { what }) } else { Ok(pointer) }
}
