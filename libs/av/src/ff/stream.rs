//! A stream of an open file: what its header, or a look at its first packets, says of it.

#![allow(unsafe_code, reason = "FFmpeg is a C library")]

use std::marker::PhantomData;

use ffmpeg_sys_next as sys;

use stills::Error;

use super::{NO_TIME, Packet, number, text, words};

/// The most tags of one stream that are read.
const MAX_TAGS: usize = 256;

/// A fraction.
pub(crate) type Rational = sys::AVRational;

/// What a stream carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Medium {
    Video,
    Audio,
    Subtitle,
    Data,
    Attachment,
    Unknown,
}

impl Medium {
    pub(super) const fn of(number: i32) -> Self {
        match number {
            0 => Self::Video,
            1 => Self::Audio,
            2 => Self::Data,
            3 => Self::Subtitle,
            4 => Self::Attachment,
            _ => Self::Unknown,
        }
    }

    /// Its name in ffprobe's words, if it has one.
    pub(crate) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Video => Some("video"),
            Self::Audio => Some("audio"),
            Self::Subtitle => Some("subtitle"),
            Self::Data => Some("data"),
            Self::Attachment => Some("attachment"),
            Self::Unknown => None,
        }
    }
}

/// A stream.
#[derive(Clone, Copy)]
pub(crate) struct Stream<'a> {
    stream: *mut sys::AVStream,
    file: PhantomData<&'a ()>,
}

/// A number of the stream, or of its parameters.
macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident: $of:ident $field:ident as $type:ty;)*) => {
        $($(#[$doc])*
        pub(crate) fn $name(&self) -> $type {
            // SAFETY: stream and parameters live as long as the file that is borrowed.
            unsafe { (*self.$of()).$field }
        })*
    };
}

/// An enumeration of the stream's parameters, as the number it is.
macro_rules! enumerations {
    ($($name:ident: $field:ident;)*) => {
        $(pub(crate) fn $name(&self) -> i32 {
            // SAFETY: the parameters live as long as the file that is borrowed.
            unsafe { number(&raw const (*self.parameters()).$field) }
        })*
    };
}

impl<'a> Stream<'a> {
    /// # Safety
    /// `stream` lives as long as `'a`.
    pub(super) const unsafe fn new(stream: *mut sys::AVStream) -> Self {
        Self { stream, file: PhantomData }
    }

    pub(super) const fn as_ptr(&self) -> *mut sys::AVStream {
        self.stream
    }

    pub(super) const fn parameters(&self) -> *mut sys::AVCodecParameters {
        // SAFETY: every stream has parameters.
        unsafe { (*self.stream).codecpar }
    }

    numbers! {
        /// Number that the container gives it.
        id: as_ptr id as i32;
        /// The unit of its times, in seconds.
        time_base: as_ptr time_base as Rational;
        raw_start: as_ptr start_time as i64;
        raw_duration: as_ptr duration as i64;
        /// How many frames the container says it has; 0 if it does not.
        frames: as_ptr nb_frames as i64;
        disposition: as_ptr disposition as i32;
        frame_rate: as_ptr r_frame_rate as Rational;
        average_frame_rate: as_ptr avg_frame_rate as Rational;
        container_aspect: as_ptr sample_aspect_ratio as Rational;
        codec_tag: parameters codec_tag as u32;
        extradata_size: parameters extradata_size as i32;
        pixel_format: parameters format as i32;
        bit_rate: parameters bit_rate as i64;
        bits_per_raw_sample: parameters bits_per_raw_sample as i32;
        profile: parameters profile as i32;
        level: parameters level as i32;
        width: parameters width as i32;
        height: parameters height as i32;
        aspect: parameters sample_aspect_ratio as Rational;
        video_delay: parameters video_delay as i32;
        sample_rate: parameters sample_rate as i32;
        initial_padding: parameters initial_padding as i32;
    }

    enumerations! {
        codec_number: codec_id;
        field_order: field_order;
        color_range: color_range;
        color_primaries: color_primaries;
        color_transfer: color_trc;
        color_space: color_space;
        chroma_location: chroma_location;
    }

    /// What it carries.
    pub(crate) fn medium(&self) -> Medium {
        // SAFETY: the parameters live as long as the file that is borrowed.
        Medium::of(unsafe { number(&raw const (*self.parameters()).codec_type) })
    }

    /// Its place among the file's streams.
    pub(crate) fn index(&self) -> usize {
        // SAFETY: the stream lives as long as the file that is borrowed.
        usize::try_from(unsafe { (*self.stream).index }).unwrap_or(usize::MAX)
    }

    /// When it starts, in its units.
    pub(crate) fn start(&self) -> Option<i64> {
        Some(self.raw_start()).filter(|time| *time != NO_TIME)
    }

    /// How long it lasts, in its units.
    pub(crate) fn duration(&self) -> Option<i64> {
        Some(self.raw_duration()).filter(|time| *time != NO_TIME && *time > 0)
    }

    /// How many channels of sound it has.
    pub(crate) fn channels(&self) -> i32 {
        // SAFETY: the parameters live as long as the file that is borrowed.
        unsafe { (*self.parameters()).ch_layout.nb_channels }
    }

    /// The name of the arrangement of its channels, if it is known.
    pub(crate) fn channel_layout(&self) -> Option<String> {
        const BYTES: usize = 128;
        let mut buffer = [0; BYTES];
        // SAFETY: the parameters live as long as the file; the buffer is as long as said. An
        // unspecified order (0) has no name.
        let known = unsafe {
            let layout = &raw const (*self.parameters()).ch_layout;
            number(&raw const (*layout).order) != 0
                && sys::av_channel_layout_describe(layout, buffer.as_mut_ptr(), BYTES) > 0
        };
        if known { text(buffer.as_ptr()).map(str::to_owned) } else { None }
    }

    /// Whether it is nothing but an attached picture.
    pub(crate) fn is_attached_picture(&self) -> bool {
        self.disposition() & sys::AV_DISPOSITION_ATTACHED_PIC != 0
    }

    /// Data beside the stream, such as its rotation.
    pub(crate) fn side_data(&self, kind: sys::AVPacketSideDataType) -> Option<&'a [u8]> {
        let mut length = 0;
        // SAFETY: the data belongs to the stream, which lives as long as the file.
        unsafe {
            let data = sys::av_stream_get_side_data(self.stream, kind, &raw mut length);
            if data.is_null() { None } else { Some(std::slice::from_raw_parts(data, length)) }
        }
    }

    /// The part of its display matrix that turns: a, b, c, d, in 16.16.
    pub(crate) fn display_matrix(&self) -> Option<[i32; 4]> {
        let data = self.side_data(sys::AVPacketSideDataType::AV_PKT_DATA_DISPLAYMATRIX)?;
        let words = data.as_chunks::<4>().0;
        let word = |index: usize| words.get(index).copied().map(i32::from_ne_bytes);
        Some([word(0)?, word(1)?, word(3)?, word(4)?])
    }

    /// How far it is turned by its display matrix, in degrees against the clock, if it has one.
    #[allow(clippy::cast_possible_truncation, reason = "degrees of a circle")]
    pub(crate) fn rotation(&self) -> Option<i32> {
        let data = self.side_data(sys::AVPacketSideDataType::AV_PKT_DATA_DISPLAYMATRIX)?;
        let words: Vec<i32> =
            data.as_chunks::<4>().0.iter().map(|word| i32::from_ne_bytes(*word)).collect();
        if words.len() < 9 {
            return None;
        }
        // SAFETY: nine numbers.
        let degrees = unsafe { sys::av_display_rotation_get(words.as_ptr()) };
        Some(if degrees.is_finite() { degrees.round() as i32 } else { 0 })
    }

    /// The screen that it was made on.
    pub(crate) fn mastering(&self) -> Option<Vec<(&'static str, Rational)>> {
        const PRIMARIES: [&str; 8] = [
            "red_x",
            "red_y",
            "green_x",
            "green_y",
            "blue_x",
            "blue_y",
            "white_point_x",
            "white_point_y",
        ];
        const LUMINANCES: [&str; 2] = ["min_luminance", "max_luminance"];
        let kind = sys::AVPacketSideDataType::AV_PKT_DATA_MASTERING_DISPLAY_METADATA;
        // Ten fractions, then whether the first eight and the last two are there.
        let words: Vec<i32> = self
            .side_data(kind)?
            .as_chunks::<4>()
            .0
            .iter()
            .map(|word| i32::from_ne_bytes(*word))
            .collect();
        let has = |word: usize| words.get(word).is_some_and(|word| *word != 0);
        let (has_primaries, has_luminances) = (has(20), has(21));
        let mut values =
            words.as_chunks::<2>().0.iter().map(|[num, den]| Rational { num: *num, den: *den });
        let mut all = Vec::new();
        for (names, is_there) in
            [(&PRIMARIES[..], has_primaries), (&LUMINANCES[..], has_luminances)]
        {
            let told = names.iter().copied().zip(values.by_ref().take(names.len()));
            if is_there {
                all.extend(told);
            } else {
                told.for_each(drop);
            }
        }
        Some(all)
    }

    /// The brightest pixel and the brightest frame's mean, in candela a square metre.
    pub(crate) fn content_light(&self) -> Option<(u32, u32)> {
        let data = self.side_data(sys::AVPacketSideDataType::AV_PKT_DATA_CONTENT_LIGHT_LEVEL)?;
        let words = data.as_chunks::<4>().0;
        let word = |index: usize| words.get(index).copied().map(u32::from_ne_bytes);
        Some((word(0)?, word(1)?))
    }

    /// Whether its packets are encrypted (ISO/IEC 23001-7).
    pub(crate) fn is_encrypted(&self) -> bool {
        let tag = self.codec_tag().to_le_bytes();
        let kind = sys::AVPacketSideDataType::AV_PKT_DATA_ENCRYPTION_INIT_INFO;
        [*b"encv", *b"enca", *b"drmi", *b"drms"].contains(&tag)
            || self.side_data(kind).is_some() && self.codec_number() == 0
    }

    /// The name of its sample format.
    pub(crate) fn sample_format_name(&self) -> Option<&'static str> {
        let number = self.pixel_format();
        if number < 0 || number >= sys::AVSampleFormat::AV_SAMPLE_FMT_NB as i32 {
            return None;
        }
        // SAFETY: every number below the count is a format; names are constants of the library.
        text(unsafe {
            sys::av_get_sample_fmt_name(std::mem::transmute::<i32, sys::AVSampleFormat>(number))
        })
    }

    /// The packet of its attached picture.
    pub(crate) fn attached_packet(&self) -> Result<Option<Packet>, Error> {
        if !self.is_attached_picture() {
            return Ok(None);
        }
        // SAFETY: the packet belongs to the stream, which lives; a new reference is made.
        unsafe { Packet::share(&raw const (*self.stream).attached_pic) }.map(Some)
    }

    /// Its tags.
    pub(crate) fn tags(&self) -> Vec<(String, String)> {
        // SAFETY: the dictionary belongs to the stream.
        unsafe { words::tags((*self.stream).metadata, MAX_TAGS) }
    }

    /// Lets what a decoder found out be known of the stream.
    pub(super) fn learn(&self, context: *const sys::AVCodecContext) {
        // SAFETY: both live; the parameters own what is copied.
        unsafe { sys::avcodec_parameters_from_context(self.parameters(), context) };
    }

    /// Short and long name of its codec.
    pub(crate) fn codec_names(&self) -> Option<(&'static str, Option<&'static str>)> {
        // SAFETY: descriptors are constants of the library; an unknown number has none.
        unsafe {
            let id = (*self.parameters()).codec_id;
            let descriptor = sys::avcodec_descriptor_get(id);
            if descriptor.is_null() {
                return None;
            }
            Some((text((*descriptor).name)?, text((*descriptor).long_name)))
        }
    }

    /// The name of its profile.
    pub(crate) fn profile_name(&self) -> Option<&'static str> {
        // SAFETY: names are constants of the library.
        unsafe { text(sys::avcodec_profile_name((*self.parameters()).codec_id, self.profile())) }
    }

    /// How many bits a sample of its codec has, if that is fixed.
    pub(crate) fn bits_per_sample(&self) -> i32 {
        // SAFETY: looks a number up.
        unsafe { sys::av_get_bits_per_sample((*self.parameters()).codec_id) }
    }
}
