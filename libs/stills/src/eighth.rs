//! JPEG at an eighth of its size: every block of eight by eight pixels is its mean, which is its
//! first number, and the others are skipped several at a time. ITU-T T.81, baseline and extended
//! with Huffman codes, of 8 bits, in one scan.
//!
//! Whatever is otherwise, or odd in any way, is left to libjpeg-turbo, which gives the same samples.

mod entropy;
mod header;
#[cfg(test)]
mod tests;

use crate::raster::{Layout, Raster, room};
use entropy::{Bits, Codes, Skip, difference, skip_others, skips};
use header::{Component, Header};

/// The means of all blocks, a plane for each component; `None` if this is not the way to have them.
pub(crate) fn decode(jpeg: &[u8]) -> Option<Vec<Raster>> {
    let (header, scan) = Header::read(jpeg)?;
    header.means(scan)
}

impl Header {
    fn means(&self, scan: &[u8]) -> Option<Vec<Raster>> {
        let others: Vec<Option<(&Codes, Vec<Skip>)>> =
            self.others.iter().map(|codes| codes.as_ref().map(|it| (it, skips(it)))).collect();
        let mut tracks = Vec::new();
        for component in &self.components {
            let (others, skips) = others.get(component.codes.1)?.as_ref()?;
            let means = self.means.get(component.codes.0)?.as_ref()?;
            let (wide, high) = (self.units.0 * component.across, self.units.1 * component.down);
            let edge = |edge: usize| u32::try_from(edge).ok();
            let samples = room(edge(wide)?, edge(high)?, 1).ok()?;
            let track = Track { means, others, skips, wide, high, samples, last: 0, component };
            tracks.push(track);
        }
        let mut bits = Bits::of(scan);
        let (mut left, mut restarts) = (self.interval, 0_u8);
        for row in 0..self.units.1 {
            if bits.made_up > u64::BITS {
                return None;
            }
            for column in 0..self.units.0 {
                if self.interval > 0 {
                    if left == 0 {
                        bits.restart(restarts % 8)?;
                        restarts = restarts.wrapping_add(1);
                        tracks.iter_mut().for_each(|track| track.last = 0);
                        left = self.interval;
                    }
                    left -= 1;
                }
                for track in &mut tracks {
                    track.unit(&mut bits, column, row)?;
                }
            }
        }
        let done = bits.is_at_end() && bits.data.starts_with(b"\xff\xd9");
        let planes = tracks.into_iter().map(|track| {
            let edge = |edge: usize| u32::try_from(edge).ok();
            Raster::new(edge(track.wide)?, edge(track.high)?, Layout::Gray, track.samples).ok()
        });
        if done { planes.collect() } else { None }
    }
}

/// A component on its way.
struct Track<'a> {
    component: &'a Component,
    means: &'a Codes,
    others: &'a Codes,
    skips: &'a [Skip],
    wide: usize,
    high: usize,
    samples: Vec<u8>,
    /// The mean before, which the next one is told as the difference from.
    last: i32,
}

impl Track<'_> {
    /// The blocks of one unit.
    #[inline]
    fn unit(&mut self, bits: &mut Bits<'_>, column: usize, row: usize) -> Option<()> {
        let (across, down) = (self.component.across, self.component.down);
        for y in 0..down {
            let at = (row * down + y) * self.wide + column * across;
            for x in 0..across {
                self.last = self.last.checked_add(difference(bits, self.means)?)?;
                skip_others(bits, self.others, self.skips)?;
                let mean = i16::try_from(self.last).ok()?;
                // In eighths, and from the middle on.
                let sample = ((i32::from(mean) * self.component.quantum + 4) >> 3) + 128;
                *self.samples.get_mut(at + x)? = u8::try_from(sample.clamp(0, 255)).ok()?;
            }
        }
        Some(())
    }
}
