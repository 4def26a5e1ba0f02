//! FFmpeg reads the source through this, and nothing else.

#![allow(unsafe_code, reason = "callbacks from C")]

use std::ffi::{c_int, c_void};
use std::io;

use ffmpeg_sys_next as sys;
use stills::{Error, Source};

use super::there;

/// How much is asked for at once, in bytes.
const BUFFER_BYTES: c_int = 64 << 10;

/// A source, and where in it FFmpeg is.
struct State<'a> {
    source: &'a mut dyn Source,
    position: u64,
    /// How many bytes were read so far.
    read: u64,
    /// What is read goes here first: a read that fails must leave FFmpeg's buffer as it is.
    scratch: Vec<u8>,
    failed: Option<io::Error>,
}

/// An `AVIOContext` over a source.
pub(super) struct Reader<'a> {
    context: *mut sys::AVIOContext,
    state: *mut State<'a>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a mut dyn Source) -> Result<Self, Error> {
        // SAFETY: allocates; freed in `drop`.
        let buffer =
            there("buffer", unsafe { sys::av_mallocz(BUFFER_BYTES.unsigned_abs() as usize) })?;
        let state = Box::into_raw(Box::new(State {
            source,
            position: 0,
            read: 0,
            scratch: Vec::new(),
            failed: None,
        }));
        // SAFETY: buffer and state live as long as the context, which `drop` frees before them.
        let context = unsafe {
            sys::avio_alloc_context(
                buffer.cast(),
                BUFFER_BYTES,
                0,
                state.cast(),
                Some(read),
                None,
                Some(seek),
            )
        };
        let reader = Self { context, state };
        if context.is_null() {
            // SAFETY: it was not taken over.
            unsafe { sys::av_free(buffer) };
            return Err(Error::Memory { what: "reader" });
        }
        Ok(reader)
    }

    pub(super) const fn as_ptr(&self) -> *mut sys::AVIOContext {
        self.context
    }

    /// The error that the source gave, if it gave one.
    pub(super) fn failure(&mut self) -> Option<io::Error> {
        // SAFETY: the state lives as long as this; no callback runs meanwhile.
        unsafe { (*self.state).failed.take() }
    }

    /// How many bytes were read so far.
    pub(super) fn read(&self) -> u64 {
        // SAFETY: the state lives as long as this; no callback runs meanwhile.
        unsafe { (*self.state).read }
    }

    /// Forgets that an end was reached, so that reading can go on elsewhere.
    pub(super) fn rewind(&mut self) {
        // SAFETY: the context is ours.
        unsafe {
            (*self.context).eof_reached = 0;
            (*self.context).error = 0;
        }
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        // SAFETY: made in `new`, freed here alone; FFmpeg may have changed the buffer, never the
        // state.
        unsafe {
            if !self.context.is_null() {
                sys::av_freep((&raw mut (*self.context).buffer).cast());
                sys::avio_context_free(&raw mut self.context);
            }
            drop(Box::from_raw(self.state));
        }
    }
}

unsafe extern "C" fn read(opaque: *mut c_void, buffer: *mut u8, length: c_int) -> c_int {
    let Ok(length) = usize::try_from(length) else { return sys::AVERROR(libc::EINVAL) };
    if length == 0 {
        return sys::AVERROR(libc::EINVAL);
    }
    // SAFETY: the state given to `avio_alloc_context`; FFmpeg calls from one thread, one at a time.
    let state = unsafe { &mut *opaque.cast::<State<'_>>() };
    state.scratch.resize(length, 0);
    match state.source.read_at(state.position, &mut state.scratch) {
        Ok(0) => sys::AVERROR_EOF,
        Ok(count) => {
            let count = count.min(length);
            // SAFETY: FFmpeg's buffer has room for `length` bytes.
            unsafe { std::ptr::copy_nonoverlapping(state.scratch.as_ptr(), buffer, count) };
            state.position = state.position.saturating_add(count as u64);
            state.read = state.read.saturating_add(count as u64);
            c_int::try_from(count).unwrap_or(c_int::MAX)
        }
        Err(error) => {
            state.failed = Some(error);
            sys::AVERROR(libc::EIO)
        }
    }
}

unsafe extern "C" fn seek(opaque: *mut c_void, offset: i64, whence: c_int) -> i64 {
    // SAFETY: as in `read`.
    let state = unsafe { &mut *opaque.cast::<State<'_>>() };
    let length = i64::try_from(state.source.length()).unwrap_or(i64::MAX);
    let base = match whence & !sys::AVSEEK_FORCE {
        sys::AVSEEK_SIZE => return length,
        libc::SEEK_SET => 0,
        libc::SEEK_CUR => i64::try_from(state.position).unwrap_or(i64::MAX),
        libc::SEEK_END => length,
        _ => return sys::AVERROR(libc::EINVAL).into(),
    };
    let Some(Ok(position)) = base.checked_add(offset).map(u64::try_from) else {
        return sys::AVERROR(libc::EINVAL).into();
    };
    state.position = position;
    i64::try_from(position).unwrap_or(i64::MAX)
}
