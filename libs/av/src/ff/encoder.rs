//! Frames to packets: H.264 and AAC, for short clips.

#![allow(unsafe_code, reason = "FFmpeg is a C library")]

use std::ffi::CStr;
use std::ptr;

use ffmpeg_sys_next as sys;
use stills::Error;

use super::{Frame, Packet, Rational, Words, checked, there};

/// What pictures an encoder gets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VideoShape {
    pub(crate) size: (u32, u32),
    pub(crate) unit: Rational,
    pub(crate) colours: super::Colours,
}

/// What sound an encoder gets: floating point, a plane for each channel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SoundShape {
    pub(crate) rate: u32,
    pub(crate) channels: u32,
}

/// An encoder.
pub(crate) struct Encoder(*mut sys::AVCodecContext);

impl Encoder {
    /// H.264, on one thread.
    ///
    /// # Errors
    /// [`Error::Missing`] where FFmpeg was built without it.
    pub(crate) fn h264(shape: VideoShape) -> Result<Self, Error> {
        let edge = |edge: u32| i32::try_from(edge).unwrap_or(i32::MAX);
        let encoder = Self::alloc(c"libx264", "H.264 encoder")?;
        // SAFETY: ours.
        unsafe {
            let context = encoder.0;
            (*context).width = edge(shape.size.0);
            (*context).height = edge(shape.size.1);
            (*context).pix_fmt = sys::AVPixelFormat::AV_PIX_FMT_YUV420P;
            (*context).time_base = shape.unit;
            (*context).max_b_frames = 0;
            (*context).color_range = sys::AVColorRange::AVCOL_RANGE_MPEG;
            (&raw mut (*context).color_primaries).cast::<i32>().write(shape.colours.primaries);
            (&raw mut (*context).color_trc).cast::<i32>().write(shape.colours.transfer);
            (&raw mut (*context).colorspace).cast::<i32>().write(shape.colours.matrix);
        }
        encoder.start(&[
            ("preset", "veryfast"),
            ("crf", "26"),
            ("profile", "main"),
            ("threads", "1"),
        ])
    }

    /// AAC.
    ///
    /// # Errors
    /// [`Error::Missing`] where FFmpeg was built without it.
    pub(crate) fn aac(shape: SoundShape) -> Result<Self, Error> {
        const BITS_A_SECOND: i64 = 96_000;
        let encoder = Self::alloc(c"aac", "AAC encoder")?;
        let rate = i32::try_from(shape.rate).unwrap_or(i32::MAX);
        // SAFETY: ours; the layout is made in place.
        unsafe {
            let context = encoder.0;
            (*context).sample_fmt = sys::AVSampleFormat::AV_SAMPLE_FMT_FLTP;
            (*context).sample_rate = rate;
            (*context).bit_rate = BITS_A_SECOND;
            (*context).time_base = Rational { num: 1, den: rate };
            let channels = i32::try_from(shape.channels).unwrap_or(2);
            sys::av_channel_layout_default(&raw mut (*context).ch_layout, channels);
        }
        encoder.start(&[("threads", "1")])
    }

    fn alloc(name: &CStr, part: &'static str) -> Result<Self, Error> {
        // SAFETY: looks a name up; allocates; freed in `drop`.
        unsafe {
            let codec = sys::avcodec_find_encoder_by_name(name.as_ptr());
            if codec.is_null() {
                return Err(Error::Missing { name: part });
            }
            Ok(Self(there("encoder", sys::avcodec_alloc_context3(codec))?))
        }
    }

    fn start(self, options: &[(&str, &str)]) -> Result<Self, Error> {
        let mut options = Words::new(options);
        // SAFETY: ours.
        let code = unsafe {
            (*self.0).thread_count = 1;
            (*self.0).flags |=
                (sys::AV_CODEC_FLAG_GLOBAL_HEADER | sys::AV_CODEC_FLAG_BITEXACT) as i32;
            sys::avcodec_open2(self.0, (*self.0).codec, options.as_mut())
        };
        checked("encoder", code)?;
        Ok(self)
    }

    pub(super) const fn as_ptr(&self) -> *mut sys::AVCodecContext {
        self.0
    }

    /// The unit of the times it takes and gives.
    pub(crate) fn unit(&self) -> Rational {
        // SAFETY: ours.
        unsafe { (*self.0).time_base }
    }

    /// How many samples of each channel it takes at once.
    pub(crate) fn samples(&self) -> usize {
        // SAFETY: ours.
        usize::try_from(unsafe { (*self.0).frame_size }).unwrap_or(0).max(1)
    }

    /// Hands it a frame, or the end.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub(crate) fn send(&mut self, frame: Option<&Frame>) -> Result<(), Error> {
        let frame = frame.map_or(ptr::null_mut(), Frame::as_ptr);
        // SAFETY: both are ours.
        let code = unsafe { sys::avcodec_send_frame(self.0, frame) };
        if code == sys::AVERROR_EOF { Ok(()) } else { checked("encode", code).map(|_| ()) }
    }

    /// The next packet, if there is one by now.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub(crate) fn receive(&mut self, packet: &mut Packet) -> Result<bool, Error> {
        // SAFETY: both are ours.
        match unsafe { sys::avcodec_receive_packet(self.0, packet.as_ptr()) } {
            sys::AVERROR_EOF => Ok(false),
            code if code == sys::AVERROR(libc::EAGAIN) => Ok(false),
            code => checked("encode", code).map(|_| true),
        }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: ours, freed here alone.
        unsafe { sys::avcodec_free_context(&raw mut self.0) };
    }
}
