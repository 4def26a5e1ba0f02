//! Packets to an MP4 in memory.

#![allow(unsafe_code, reason = "callbacks from C")]

use std::ffi::{c_int, c_void};
use std::ptr;

use ffmpeg_sys_next as sys;
use stills::Error;

use super::{Encoder, Packet, Rational, Words, checked, there};

/// What is written at once, in bytes.
const BUFFER_BYTES: c_int = 64 << 10;

/// An MP4 in fragments: it can be written without going back, and played while it loads.
pub(crate) struct Muxer {
    context: *mut sys::AVFormatContext,
    io: *mut sys::AVIOContext,
    out: *mut Vec<u8>,
}

impl Muxer {
    pub(crate) fn mp4() -> Result<Self, Error> {
        let mut muxer = Self {
            context: ptr::null_mut(),
            io: ptr::null_mut(),
            out: Box::into_raw(Box::default()),
        };
        // SAFETY: all is allocated here and freed in `drop`; the vector outlives the context.
        unsafe {
            let code = sys::avformat_alloc_output_context2(
                &raw mut muxer.context,
                ptr::null(),
                c"mp4".as_ptr(),
                ptr::null(),
            );
            checked("clip", code)?;
            let buffer = there("buffer", sys::av_mallocz(BUFFER_BYTES.unsigned_abs() as usize))?;
            muxer.io = sys::avio_alloc_context(
                buffer.cast(),
                BUFFER_BYTES,
                1,
                muxer.out.cast(),
                None,
                Some(write),
                None,
            );
            if muxer.io.is_null() {
                sys::av_free(buffer);
                return Err(Error::Memory { what: "clip" });
            }
            (*muxer.context).pb = muxer.io;
            (*muxer.context).flags |= sys::AVFMT_FLAG_CUSTOM_IO | sys::AVFMT_FLAG_BITEXACT;
        }
        Ok(muxer)
    }

    /// A stream of what an encoder makes; its index.
    pub(crate) fn stream(&mut self, encoder: &Encoder) -> Result<usize, Error> {
        // SAFETY: the stream belongs to the context.
        unsafe {
            let stream = there("stream", sys::avformat_new_stream(self.context, ptr::null()))?;
            let code = sys::avcodec_parameters_from_context((*stream).codecpar, encoder.as_ptr());
            checked("stream", code)?;
            (*stream).time_base = encoder.unit();
            Ok(usize::try_from((*stream).index).unwrap_or(0))
        }
    }

    /// Begins, once all streams are there.
    pub(crate) fn begin(&mut self) -> Result<(), Error> {
        let mut options = Words::new(&[("movflags", "frag_keyframe+empty_moov+default_base_moof")]);
        // SAFETY: ours.
        let code = unsafe { sys::avformat_write_header(self.context, options.as_mut()) };
        checked("clip", code).map(|_| ())
    }

    /// Takes a packet of a stream whose times are in `unit`.
    pub(crate) fn write(
        &mut self,
        packet: &mut Packet,
        stream: usize,
        unit: Rational,
    ) -> Result<(), Error> {
        // SAFETY: ours; the packet is taken over and left empty.
        let code = unsafe {
            let Ok(count) = usize::try_from((*self.context).nb_streams) else { return Ok(()) };
            if stream >= count {
                return Err(Error::corrupt("no such stream"));
            }
            let target = *(*self.context).streams.add(stream);
            (*packet.as_ptr()).stream_index = c_int::try_from(stream).unwrap_or(0);
            sys::av_packet_rescale_ts(packet.as_ptr(), unit, (*target).time_base);
            sys::av_interleaved_write_frame(self.context, packet.as_ptr())
        };
        checked("clip", code).map(|_| ())
    }

    /// Ends; the file.
    pub(crate) fn finish(self) -> Result<Vec<u8>, Error> {
        // SAFETY: ours; no callback runs after the flush.
        unsafe {
            checked("clip", sys::av_write_trailer(self.context))?;
            sys::avio_flush(self.io);
            Ok(std::mem::take(&mut *self.out))
        }
    }
}

impl Drop for Muxer {
    fn drop(&mut self) {
        // SAFETY: ours, freed here alone; the context does not free what it writes to.
        unsafe {
            sys::avformat_free_context(self.context);
            if !self.io.is_null() {
                sys::av_freep((&raw mut (*self.io).buffer).cast());
                sys::avio_context_free(&raw mut self.io);
            }
            drop(Box::from_raw(self.out));
        }
    }
}

unsafe extern "C" fn write(opaque: *mut c_void, bytes: *mut u8, length: c_int) -> c_int {
    let Ok(count) = usize::try_from(length) else { return sys::AVERROR(libc::EINVAL) };
    // SAFETY: the vector given to `avio_alloc_context`; FFmpeg's bytes, as long as said.
    unsafe {
        (*opaque.cast::<Vec<u8>>()).extend_from_slice(std::slice::from_raw_parts(bytes, count));
    }
    length
}
