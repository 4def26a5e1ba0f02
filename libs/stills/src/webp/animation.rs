//! Animated WebP by libwebp's own assembler.

#![allow(unsafe_code, reason = "libwebp is C; every call is checked and every buffer is ours")]

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use libwebp_sys as sys;

use super::{MAX_EDGE_PX, Picture, failed, int, settings};
use crate::animation::Motion;
use crate::error::Error;
use crate::raster::{Layout, Raster};

/// The assembler's interface that we were written for.
const ABI: c_int = sys::WEBP_MUX_ABI_VERSION as c_int;
/// Where the file's flags are, and which of them tells of transparency.
const FLAGS_AT: usize = 20;
const ALPHA_FLAG: u8 = 0x10;
/// The fewest and most frames between those that stand by themselves.
const KEYS: (c_int, c_int) = (9, 30);

pub(crate) struct WebpWriter {
    encoder: NonNull<sys::WebPAnimEncoder>,
    config: sys::WebPConfig,
    dimensions: (u32, u32),
    now_ms: c_int,
    frames: u32,
    /// Whether something shows through, be it only around the frames.
    clear: bool,
}

impl WebpWriter {
    pub(crate) fn new(dimensions: (u32, u32), motion: Motion) -> Result<Self, Error> {
        if dimensions.0.max(dimensions.1) > MAX_EDGE_PX {
            let what = format!("a webp has at most {MAX_EDGE_PX} pixels along an edge");
            return Err(Error::OutputTooLarge { what });
        }
        let config = settings(motion.quality)?;
        // SAFETY: plain numbers, for which all zeros is a value.
        let mut options: sys::WebPAnimEncoderOptions = unsafe { std::mem::zeroed() };
        // SAFETY: `options` is writable.
        if unsafe { sys::WebPAnimEncoderOptionsInitInternal(&raw mut options, ABI) } == 0 {
            return Err(failed("version"));
        }
        // Nothing, not white, is behind what has vanished.
        options.anim_params.bgcolor = 0;
        options.anim_params.loop_count = motion.plays.map_or(0, |plays| plays.get().into());
        (options.kmin, options.kmax) = KEYS;
        let (width, height) = (int(dimensions.0)?, int(dimensions.1)?);
        // SAFETY: `options` is initialised; it is copied.
        let encoder =
            unsafe { sys::WebPAnimEncoderNewInternal(width, height, &raw const options, ABI) };
        let encoder = NonNull::new(encoder).ok_or(Error::Memory { what: "write a WebP" })?;
        Ok(Self { encoder, config, dimensions, now_ms: 0, frames: 0, clear: false })
    }

    pub(crate) fn add(&mut self, frame: &Raster, duration_ms: u32) -> Result<(), Error> {
        let mut picture = Picture::new(self.dimensions)?;
        picture.0.use_argb = 1;
        picture.import(frame)?;
        // SAFETY: encoder, picture and configuration are initialised; the picture is only read.
        let done = unsafe {
            sys::WebPAnimEncoderAdd(
                self.encoder.as_ptr(),
                &raw mut picture.0,
                self.now_ms,
                &raw const self.config,
            )
        };
        if done == 0 {
            return Err(failed("a frame"));
        }
        let duration = c_int::try_from(duration_ms.max(1)).unwrap_or(c_int::MAX);
        self.now_ms = self.now_ms.saturating_add(duration);
        self.frames += 1;
        self.clear |= frame.layout == Layout::Rgba
            && frame.pixels.as_chunks::<4>().0.iter().any(|[.., alpha]| *alpha < 255);
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<Vec<u8>, Error> {
        if self.frames == 0 {
            return Err(failed("no frame"));
        }
        // SAFETY: a frame of null tells the end; the data is freed after it is copied.
        unsafe {
            let (encoder, none) = (self.encoder.as_ptr(), ptr::null_mut());
            if sys::WebPAnimEncoderAdd(encoder, none, self.now_ms, ptr::null()) == 0 {
                return Err(failed("the last frame"));
            }
            let mut data = sys::WebPData { bytes: ptr::null(), size: 0 };
            if sys::WebPAnimEncoderAssemble(encoder, &raw mut data) == 0 || data.bytes.is_null() {
                return Err(failed("assemble"));
            }
            let mut bytes = std::slice::from_raw_parts(data.bytes, data.size).to_vec();
            sys::WebPFree(data.bytes.cast_mut().cast());
            // Frames cut to what can be seen have no transparency of their own, so that libwebp
            // says there is none.
            if let (true, Some(flags)) = (self.clear, bytes.get_mut(FLAGS_AT)) {
                *flags |= ALPHA_FLAG;
            }
            Ok(bytes)
        }
    }
}

impl Drop for WebpWriter {
    fn drop(&mut self) {
        // SAFETY: made by its own function and not freed elsewhere.
        unsafe { sys::WebPAnimEncoderDelete(self.encoder.as_ptr()) };
    }
}
