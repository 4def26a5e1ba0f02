//! Sound of any shape to what an encoder takes.

#![allow(unsafe_code, reason = "FFmpeg is a C library")]

use std::ptr;

use ffmpeg_sys_next as sys;
use stills::Error;

use super::{Frame, SoundShape, checked, there};

/// Changes rate, channels and format.
pub(crate) struct Resampler {
    context: *mut sys::SwrContext,
    shape: SoundShape,
    /// Rate, format and channels of what goes in.
    source: Option<(u32, i32, i32)>,
}

impl Resampler {
    pub(crate) const fn to(shape: SoundShape) -> Self {
        Self { context: ptr::null_mut(), shape, source: None }
    }

    /// Appends a frame's sound to `out`, a vector for each channel.
    ///
    /// # Errors
    /// When it changes its shape midway, or has one that is not known.
    pub(crate) fn take(&mut self, frame: &Frame, out: &mut [Vec<f32>]) -> Result<(), Error> {
        self.prepare(frame)?;
        let rate = u64::from(frame.sample_rate().max(1));
        let most = frame.samples() as u64 * u64::from(self.shape.rate) / rate + 256;
        let most = usize::try_from(most).unwrap_or(0);
        let mut room: Vec<Vec<f32>> = out.iter().map(|_| vec![0.0; most]).collect();
        let mut planes: Vec<*mut u8> =
            room.iter_mut().map(|channel| channel.as_mut_ptr().cast()).collect();
        // SAFETY: as many planes as the shape has channels, each with room for `most` samples;
        // the frame's planes hold its samples.
        let count = unsafe {
            sys::swr_convert(
                self.context,
                planes.as_mut_ptr(),
                i32::try_from(most).unwrap_or(0),
                (*frame.as_ptr()).extended_data.cast(),
                (*frame.as_ptr()).nb_samples,
            )
        };
        let count = usize::try_from(checked("sound", count)?).unwrap_or(0);
        for (out, room) in out.iter_mut().zip(room) {
            out.extend(room.iter().take(count));
        }
        Ok(())
    }

    fn prepare(&mut self, frame: &Frame) -> Result<(), Error> {
        // SAFETY: the frame is ours; layouts are copied; the context is freed in `drop` or here.
        unsafe {
            let source = frame.as_ptr();
            let channels = (*source).ch_layout.nb_channels;
            let now = (frame.sample_rate(), frame.format(), channels);
            if self.source == Some(now) {
                return Ok(());
            }
            let format = frame.format();
            if format < 0 || format >= sys::AVSampleFormat::AV_SAMPLE_FMT_NB as i32 {
                return Err(Error::corrupt("its samples"));
            }
            sys::swr_free(&raw mut self.context);
            let mut layout = std::mem::zeroed();
            let wanted = i32::try_from(self.shape.channels).unwrap_or(2);
            sys::av_channel_layout_default(&raw mut layout, wanted);
            let code = sys::swr_alloc_set_opts2(
                &raw mut self.context,
                &raw mut layout,
                sys::AVSampleFormat::AV_SAMPLE_FMT_FLTP,
                i32::try_from(self.shape.rate).unwrap_or(0),
                &raw mut (*source).ch_layout,
                std::mem::transmute::<i32, sys::AVSampleFormat>(format),
                (*source).sample_rate,
                0,
                ptr::null_mut(),
            );
            checked("sound", code)?;
            checked("sound", sys::swr_init(there("sound", self.context)?))?;
            self.source = Some(now);
        }
        Ok(())
    }
}

impl Drop for Resampler {
    fn drop(&mut self) {
        // SAFETY: ours or null.
        unsafe { sys::swr_free(&raw mut self.context) };
    }
}
