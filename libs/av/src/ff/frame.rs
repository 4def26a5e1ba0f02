//! A picture or a stretch of sound, decoded.

#![allow(unsafe_code, reason = "FFmpeg is a C library")]

use ffmpeg_sys_next as sys;
use stills::Error;

use super::{NO_TIME, Rational, checked, number, there};

/// A frame; cloning it shares what it holds.
pub(crate) struct Frame(*mut sys::AVFrame);

/// How the numbers of a picture mean colours, by ITU-T H.273.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Colours {
    pub(crate) primaries: i32,
    pub(crate) transfer: i32,
    pub(crate) matrix: i32,
    pub(crate) is_full_range: bool,
}

impl Frame {
    pub(crate) fn new() -> Result<Self, Error> {
        // SAFETY: allocates; freed in `drop`.
        Ok(Self(there("frame", unsafe { sys::av_frame_alloc() })?))
    }

    /// A picture of that format with room for its pixels.
    pub(crate) fn picture(
        format: sys::AVPixelFormat,
        width: u32,
        height: u32,
    ) -> Result<Self, Error> {
        let frame = Self::new()?;
        let edge = |edge: u32| i32::try_from(edge).unwrap_or(i32::MAX);
        // SAFETY: ours; its buffer is made for the dimensions set.
        let code = unsafe {
            (*frame.0).format = format as i32;
            (*frame.0).width = edge(width);
            (*frame.0).height = edge(height);
            sys::av_frame_get_buffer(frame.0, 0)
        };
        checked("pixels", code)?;
        Ok(frame)
    }

    pub(super) const fn as_ptr(&self) -> *mut sys::AVFrame {
        self.0
    }

    /// The same frame, once more.
    pub(crate) fn share(&self) -> Result<Self, Error> {
        // SAFETY: ours; a new reference.
        Ok(Self(there("frame", unsafe { sys::av_frame_clone(self.0) })?))
    }

    /// Sound of these samples, a slice for each channel, all as long.
    pub(crate) fn sound(rate: u32, channels: &[&[f32]]) -> Result<Self, Error> {
        let mut frame = Self::new()?;
        let samples = channels.first().map_or(0, |channel| channel.len());
        // SAFETY: ours; its buffer is made for the numbers set.
        let code = unsafe {
            (*frame.0).format = sys::AVSampleFormat::AV_SAMPLE_FMT_FLTP as i32;
            (*frame.0).sample_rate = i32::try_from(rate).unwrap_or(i32::MAX);
            (*frame.0).nb_samples = i32::try_from(samples).unwrap_or(0);
            let count = i32::try_from(channels.len()).unwrap_or(0);
            sys::av_channel_layout_default(&raw mut (*frame.0).ch_layout, count);
            sys::av_frame_get_buffer(frame.0, 0)
        };
        checked("sound", code)?;
        frame.set_time(0);
        for (plane, channel) in channels.iter().enumerate() {
            // SAFETY: every plane has room for as many samples as the first channel has.
            unsafe {
                let to = (*(*frame.0).extended_data.add(plane)).cast::<f32>();
                std::ptr::copy_nonoverlapping(channel.as_ptr(), to, channel.len().min(samples));
            }
        }
        Ok(frame)
    }

    pub(crate) fn width(&self) -> u32 {
        // SAFETY: ours.
        u32::try_from(unsafe { (*self.0).width }).unwrap_or(0)
    }

    pub(crate) fn height(&self) -> u32 {
        // SAFETY: ours.
        u32::try_from(unsafe { (*self.0).height }).unwrap_or(0)
    }

    pub(crate) fn aspect(&self) -> Rational {
        // SAFETY: ours.
        unsafe { (*self.0).sample_aspect_ratio }
    }

    /// Pixel or sample format, as FFmpeg numbers them.
    pub(crate) fn format(&self) -> i32 {
        // SAFETY: ours.
        unsafe { (*self.0).format }
    }

    pub(crate) fn is_interlaced(&self) -> bool {
        // SAFETY: ours.
        unsafe { (*self.0).interlaced_frame != 0 }
    }

    /// When it is shown, in its stream's units.
    pub(crate) fn time(&self) -> Option<i64> {
        // SAFETY: ours.
        let (guessed, told) = unsafe { ((*self.0).best_effort_timestamp, (*self.0).pts) };
        [guessed, told].into_iter().find(|time| *time != NO_TIME)
    }

    pub(crate) fn set_time(&mut self, time: i64) {
        // SAFETY: ours.
        unsafe { (*self.0).pts = time };
    }

    pub(crate) fn colours(&self) -> Colours {
        // SAFETY: ours.
        unsafe {
            Colours {
                primaries: number(&raw const (*self.0).color_primaries),
                transfer: number(&raw const (*self.0).color_trc),
                matrix: number(&raw const (*self.0).colorspace),
                is_full_range: number(&raw const (*self.0).color_range) == 2,
            }
        }
    }

    pub(crate) fn set_colours(&mut self, colours: Colours) {
        // SAFETY: ours; written as numbers, as FFmpeg itself does.
        unsafe {
            (&raw mut (*self.0).color_primaries).cast::<i32>().write(colours.primaries);
            (&raw mut (*self.0).color_trc).cast::<i32>().write(colours.transfer);
            (&raw mut (*self.0).colorspace).cast::<i32>().write(colours.matrix);
            let range = if colours.is_full_range { 2 } else { 1 };
            (&raw mut (*self.0).color_range).cast::<i32>().write(range);
        }
    }

    /// Row `y` of a plane, `bytes` of it.
    pub(crate) fn row_mut(&mut self, plane: usize, y: u32, bytes: usize) -> Option<&mut [u8]> {
        // SAFETY: ours, and not shared: callers write only to frames they made. The stride is
        // checked to hold as many bytes as are asked for.
        unsafe {
            let data = *(*self.0).data.get(plane)?;
            let stride = *(*self.0).linesize.get(plane)?;
            let stride = usize::try_from(stride).ok().filter(|stride| *stride >= bytes)?;
            if data.is_null() || y >= self.height() {
                return None;
            }
            Some(std::slice::from_raw_parts_mut(data.add(y as usize * stride), bytes))
        }
    }

    /// Row `y` of a plane, `bytes` of it.
    pub(crate) fn row(&self, plane: usize, y: u32, bytes: usize) -> Option<&[u8]> {
        // SAFETY: as in `row_mut`, for reading.
        unsafe {
            let data = *(*self.0).data.get(plane)?;
            let stride = *(*self.0).linesize.get(plane)?;
            let stride = usize::try_from(stride).ok().filter(|stride| *stride >= bytes)?;
            if data.is_null() || y >= self.height() {
                return None;
            }
            Some(std::slice::from_raw_parts(data.add(y as usize * stride), bytes))
        }
    }

    /// Samples a second.
    pub(crate) fn sample_rate(&self) -> u32 {
        // SAFETY: ours.
        u32::try_from(unsafe { (*self.0).sample_rate }).unwrap_or(0)
    }

    /// Appends its sound, all channels as one, from -1 to 1.
    pub(crate) fn mono(&self, out: &mut Vec<f32>) {
        // SAFETY: ours.
        let channels = usize::try_from(unsafe { (*self.0).ch_layout.nb_channels }).unwrap_or(0);
        let from = out.len();
        out.resize(from + self.samples(), 0.0);
        let Some(out) = out.get_mut(from..).filter(|_| channels > 0) else { return };
        // Sample formats as FFmpeg numbers them; those from 5 on hold a plane for each channel,
        // but for the last pair.
        match self.format() {
            0 => self.mix::<1>(channels, false, out, |[b]| (f32::from(b) - 128.0) / 128.0),
            1 => self.mix::<2>(channels, false, out, |b| half(i16::from_ne_bytes(b))),
            2 => self.mix::<4>(channels, false, out, |b| narrow(i32::from_ne_bytes(b))),
            3 => self.mix::<4>(channels, false, out, f32::from_ne_bytes),
            4 => self.mix::<8>(channels, false, out, |b| single(f64::from_ne_bytes(b))),
            5 => self.mix::<1>(channels, true, out, |[b]| (f32::from(b) - 128.0) / 128.0),
            6 => self.mix::<2>(channels, true, out, |b| half(i16::from_ne_bytes(b))),
            7 => self.mix::<4>(channels, true, out, |b| narrow(i32::from_ne_bytes(b))),
            8 => self.mix::<4>(channels, true, out, f32::from_ne_bytes),
            9 => self.mix::<8>(channels, true, out, |b| single(f64::from_ne_bytes(b))),
            _ => {}
        }
    }

    fn mix<const N: usize>(
        &self,
        channels: usize,
        is_planar: bool,
        out: &mut [f32],
        sample: impl Fn([u8; N]) -> f32,
    ) {
        #[allow(clippy::cast_precision_loss, reason = "a few channels")]
        let share = 1.0 / channels as f32;
        let (planes, each) = if is_planar { (channels, 1) } else { (1, channels) };
        for plane in 0..planes {
            // SAFETY: ours; every plane holds the samples of its channels.
            let bytes = unsafe {
                let data = *(*self.0).extended_data.add(plane);
                if data.is_null() {
                    return;
                }
                std::slice::from_raw_parts(data, self.samples() * each * N)
            };
            let samples = bytes.as_chunks::<N>().0;
            for (out, samples) in out.iter_mut().zip(samples.chunks(each.max(1))) {
                *out += samples.iter().map(|bytes| sample(*bytes)).sum::<f32>() * share;
            }
        }
    }

    /// How many samples of each channel.
    pub(crate) fn samples(&self) -> usize {
        // SAFETY: ours.
        usize::try_from(unsafe { (*self.0).nb_samples }).unwrap_or(0)
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        // SAFETY: ours, freed here alone.
        unsafe { sys::av_frame_free(&raw mut self.0) };
    }
}

#[allow(clippy::cast_precision_loss, reason = "as near as 24 bits come")]
fn narrow(sample: i32) -> f32 {
    sample as f32 / 2_147_483_648.0
}

#[allow(clippy::cast_possible_truncation, reason = "as near as 24 bits come")]
const fn single(sample: f64) -> f32 {
    sample as f32
}

fn half(sample: i16) -> f32 {
    f32::from(sample) / 32_768.0
}
