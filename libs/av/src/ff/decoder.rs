//! Packets to frames.

#![allow(unsafe_code, reason = "FFmpeg is a C library")]

use std::ffi::c_int;
use std::ptr;

use domain::limits::Limits;
use ffmpeg_sys_next as sys;
use stills::Error;

use super::demuxer::CODECS;
use super::{Frame, Packet, Stream, Words, checked, failed, there};

/// Which frames a decoder leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skip {
    /// None.
    Nothing,
    /// Those that no other frame is made from.
    NotReferred,
    /// All but key frames.
    NotKey,
}

/// How much a decoder takes trouble over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Care {
    /// All as it is meant to be.
    Full,
    /// Without smoothing the edges of blocks: what is drawn is at most half as large as the film.
    Rough,
}

/// A codec of pictures, where there is no stream to tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    Hevc,
    Av1,
}

/// Where a decoder asks for room for a frame; FFmpeg's `get_buffer2`.
type Room = unsafe extern "C" fn(*mut sys::AVCodecContext, *mut sys::AVFrame, c_int) -> c_int;

/// A decoder of one stream.
pub(crate) struct Decoder {
    context: *mut sys::AVCodecContext,
    name: String,
}

impl Decoder {
    /// Opens the decoder that a stream needs.
    ///
    /// # Errors
    /// When there is none, or the stream's header is damaged.
    pub(crate) fn open(stream: &Stream<'_>, limits: &Limits) -> Result<Self, Error> {
        Self::with(stream, limits, None)
    }

    /// The same without room for frames: it reads headers, and no packet is decoded further. One
    /// that makes room itself decodes all the same.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn of_headers(stream: &Stream<'_>, limits: &Limits) -> Result<Self, Error> {
        Self::with(stream, limits, Some(no_room))
    }

    fn with(stream: &Stream<'_>, limits: &Limits, room: Option<Room>) -> Result<Self, Error> {
        let name = stream.codec_names().map_or("an unknown codec", |(name, _)| name).to_owned();
        // SAFETY: looks a number up; an unknown one has no decoder.
        let codec = unsafe { sys::avcodec_find_decoder((*stream.parameters()).codec_id) };
        let mut decoder = Self::alloc(codec, name)?;
        // SAFETY: ours; the parameters are copied.
        let code =
            unsafe { sys::avcodec_parameters_to_context(decoder.context, stream.parameters()) };
        checked("decoder", code)?;
        // SAFETY: ours.
        unsafe { (*decoder.context).pkt_timebase = stream.time_base() };
        if room.is_some() {
            // SAFETY: ours, and not started yet.
            unsafe { (*decoder.context).get_buffer2 = room };
        }
        decoder.start(codec, limits)?;
        Ok(decoder)
    }

    /// Opens the decoder of a codec.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn of(codec: Codec, limits: &Limits) -> Result<Self, Error> {
        let (id, name) = match codec {
            Codec::Hevc => (sys::AVCodecID::AV_CODEC_ID_HEVC, "hevc"),
            Codec::Av1 => (sys::AVCodecID::AV_CODEC_ID_AV1, "av1"),
        };
        // SAFETY: looks a number up.
        let codec = unsafe { sys::avcodec_find_decoder(id) };
        let mut decoder = Self::alloc(codec, name.to_owned())?;
        decoder.start(codec, limits)?;
        Ok(decoder)
    }

    /// Opens a decoder and closes it: what it reckons once is reckoned. Without one there is nothing
    /// to reckon.
    fn open_once(id: sys::AVCodecID) {
        // SAFETY: looks a number up.
        let codec = unsafe { sys::avcodec_find_decoder(id) };
        let opened = Self::alloc(codec, String::new())
            .and_then(|mut decoder| decoder.start(codec, &Limits::default()));
        drop(opened);
    }

    fn alloc(codec: *const sys::AVCodec, name: String) -> Result<Self, Error> {
        if codec.is_null() {
            return Err(Error::Unsupported { what: name });
        }
        // SAFETY: allocates; freed in `drop`.
        let context = there("decoder", unsafe { sys::avcodec_alloc_context3(codec) })?;
        Ok(Self { context, name })
    }

    fn start(&mut self, codec: *const sys::AVCodec, limits: &Limits) -> Result<(), Error> {
        let mut options = Words::new(&[("codec_whitelist", CODECS), ("threads", "1")]);
        // SAFETY: ours.
        let code = unsafe {
            (*self.context).thread_count = 1;
            (*self.context).max_pixels = i64::try_from(limits.pixels).unwrap_or(i64::MAX);
            // A damaged film that still yields a frame yields it.
            (*self.context).flags |= sys::AV_CODEC_FLAG_OUTPUT_CORRUPT as i32;
            sys::avcodec_open2(self.context, codec, options.as_mut())
        };
        if code == sys::AVERROR(libc::EINVAL) {
            // Not one of the decoders allowed.
            return Err(Error::Unsupported { what: self.name.clone() });
        }
        checked("decoder", code).map(|_| ())
    }

    /// Leaves frames out, from the next packet on.
    pub(crate) fn skip(&mut self, skip: Skip) {
        let discard = match skip {
            Skip::Nothing => sys::AVDiscard::AVDISCARD_DEFAULT,
            Skip::NotReferred => sys::AVDiscard::AVDISCARD_NONREF,
            Skip::NotKey => sys::AVDiscard::AVDISCARD_NONKEY,
        };
        // SAFETY: ours.
        unsafe { (*self.context).skip_frame = discard };
    }

    /// Takes more or less trouble, from the next packet on.
    pub(crate) fn take(&mut self, care: Care) {
        let discard = match care {
            Care::Full => sys::AVDiscard::AVDISCARD_DEFAULT,
            Care::Rough => sys::AVDiscard::AVDISCARD_ALL,
        };
        // SAFETY: ours.
        unsafe { (*self.context).skip_loop_filter = discard };
    }

    /// Hands it a packet; `false` where the packet cannot be decoded.
    ///
    /// # Errors
    /// When there is no memory, or what it needs is not built in.
    pub(crate) fn send(&mut self, packet: &Packet) -> Result<bool, Error> {
        // SAFETY: both are ours.
        let code = unsafe { sys::avcodec_send_packet(self.context, packet.as_ptr()) };
        self.passable(code)
    }

    /// Says that nothing follows: what is held back comes out.
    pub(crate) fn end(&mut self) {
        // SAFETY: ours; it can only fail by having ended before.
        unsafe { sys::avcodec_send_packet(self.context, ptr::null()) };
    }

    /// The next frame, if there is one by now.
    ///
    /// # Errors
    /// When there is no memory, or what it needs is not built in.
    pub(crate) fn receive(&mut self, frame: &mut Frame) -> Result<bool, Error> {
        // SAFETY: both are ours.
        let code = unsafe { sys::avcodec_receive_frame(self.context, frame.as_ptr()) };
        self.passable(code)
    }

    /// Whether it knows by now what its frames are.
    pub(crate) fn knows_frames(&self) -> bool {
        // SAFETY: ours.
        unsafe { (*self.context).pix_fmt != sys::AVPixelFormat::AV_PIX_FMT_NONE }
    }

    /// Forgets all packets.
    pub(crate) fn flush(&mut self) {
        // SAFETY: ours.
        unsafe { sys::avcodec_flush_buffers(self.context) };
    }

    /// Lets what it found out be known of the stream.
    pub(crate) fn teach(&self, stream: &Stream<'_>) {
        stream.learn(self.context);
    }

    fn passable(&self, code: i32) -> Result<bool, Error> {
        match code {
            0.. => Ok(true),
            code if code == sys::AVERROR(libc::ENOMEM) => Err(Error::Memory { what: "frame" }),
            sys::AVERROR_PATCHWELCOME => Err(Error::Unsupported { what: self.name.clone() }),
            code if code == sys::AVERROR(libc::ENOSYS) => Err(failed("decode", code)),
            _ => Ok(false),
        }
    }
}

/// Has the decoders of most films and sounds make their tables, which they keep for the process.
pub(crate) fn make_tables() {
    const MOST: [sys::AVCodecID; 8] = [
        sys::AVCodecID::AV_CODEC_ID_H264,
        sys::AVCodecID::AV_CODEC_ID_HEVC,
        sys::AVCodecID::AV_CODEC_ID_VP9,
        sys::AVCodecID::AV_CODEC_ID_MPEG4,
        sys::AVCodecID::AV_CODEC_ID_AAC,
        sys::AVCodecID::AV_CODEC_ID_MP3,
        sys::AVCodecID::AV_CODEC_ID_OPUS,
        sys::AVCodecID::AV_CODEC_ID_VORBIS,
    ];
    MOST.into_iter().for_each(Decoder::open_once);
}

/// There is none: whoever asks has read all headers, and gives the packet up.
unsafe extern "C" fn no_room(
    _context: *mut sys::AVCodecContext,
    _frame: *mut sys::AVFrame,
    _flags: c_int,
) -> c_int {
    sys::AVERROR(libc::ECANCELED)
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: ours, freed here alone.
        unsafe { sys::avcodec_free_context(&raw mut self.context) };
    }
}
