//! How much may still be decoded.

use domain::limits::Limits;
use stills::Error;

/// Frames and pixels that are left, of those that the limits allow one film.
pub(crate) struct Budget {
    frames: u32,
    pixels: u64,
    limits: Limits,
}

impl Budget {
    pub(crate) const fn new(limits: &Limits) -> Self {
        Self { frames: limits.frames, pixels: limits.frame_pixels, limits: *limits }
    }

    /// Takes one frame of that many pixels from it.
    ///
    /// # Errors
    /// [`Error::TooLong`] when none is left.
    pub(crate) fn frame(&mut self, (width, height): (u32, u32)) -> Result<(), Error> {
        let pixels = u64::from(width) * u64::from(height);
        let left = self.frames.checked_sub(1).zip(self.pixels.checked_sub(pixels));
        let Some((frames, pixels)) = left else {
            let Limits { frames, frame_pixels, .. } = self.limits;
            let what = format!("at most {frames} frames and {frame_pixels} pixels of them");
            return Err(Error::TooLong { what });
        };
        (self.frames, self.pixels) = (frames, pixels);
        Ok(())
    }
}
