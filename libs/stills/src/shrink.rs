//! Rows of a picture taken as they are decoded, and averaged by a whole factor on the way: of one
//! that is much larger than what is asked for, only the smaller one is ever in memory.

use crate::error::Error;
use crate::raster::{Layout, Raster, room};

/// The largest factor: the sum of a block of this edge has to fit into 16 bits.
const MAX_FACTOR: u32 = 16;
/// What is left for the filter that makes the sizes, in halves: it sees to sharpness.
const LEFT_HALVES: u64 = 3;

/// A picture that rows are added to, from the top.
pub(crate) struct Shrinker {
    dimensions: (u32, u32),
    small: (u32, u32),
    layout: Layout,
    factor: u32,
    /// Of the block under way, by column; and how many rows it has.
    sums: Vec<u16>,
    summed: u32,
    taken: u32,
    pixels: Vec<u8>,
    at: usize,
}

/// A picture that was averaged, and how much of its width and height is the page: the last samples
/// may stand for fewer pixels than the others.
pub(crate) type Shrunk = (Raster, Option<(f64, f64)>);

impl Shrinker {
    /// Takes rows of a picture of these dimensions, of which `least` pixels are needed in each
    /// direction. Transparent pixels must not be averaged with others, so those are kept as they are.
    pub(crate) fn new(
        dimensions: (u32, u32),
        layout: Layout,
        least: (u32, u32),
    ) -> Result<Self, Error> {
        let factor = if layout == Layout::Rgba { 1 } else { factor(dimensions, least) };
        let small = (dimensions.0.div_ceil(factor), dimensions.1.div_ceil(factor));
        let pixels = room(small.0, small.1, layout.bytes())?;
        let sums = if factor == 1 { 0 } else { dimensions.0 as usize * layout.bytes() };
        let sums = vec![0; sums];
        Ok(Self { dimensions, small, layout, factor, sums, summed: 0, taken: 0, pixels, at: 0 })
    }

    /// Adds the next row.
    pub(crate) fn row(&mut self, row: &[u8]) -> Result<(), Error> {
        let odd = || Error::corrupt("a row of odd length");
        let bytes = self.dimensions.0 as usize * self.layout.bytes();
        if self.taken == self.dimensions.1 || row.len() != bytes {
            return Err(odd());
        }
        self.taken += 1;
        if self.factor == 1 {
            let target = self.pixels.get_mut(self.at..self.at + bytes).ok_or_else(odd)?;
            target.copy_from_slice(row);
            self.at += bytes;
            return Ok(());
        }
        if self.summed == 0 {
            for (sum, sample) in self.sums.iter_mut().zip(row) {
                *sum = u16::from(*sample);
            }
        } else {
            for (sum, sample) in self.sums.iter_mut().zip(row) {
                *sum += u16::from(*sample);
            }
        }
        self.summed += 1;
        if self.summed == self.factor || self.taken == self.dimensions.1 {
            let bytes = self.small.0 as usize * self.layout.bytes();
            let target = self.pixels.get_mut(self.at..self.at + bytes).ok_or_else(odd)?;
            match self.layout {
                Layout::Gray => means::<1>(&self.sums, self.factor, self.summed, target),
                Layout::Rgb => means::<3>(&self.sums, self.factor, self.summed, target),
                Layout::Rgba => {}
            }
            self.at += bytes;
            self.summed = 0;
        }
        Ok(())
    }

    /// The picture, once all rows are there.
    pub(crate) fn finish(self) -> Result<Shrunk, Error> {
        if self.taken < self.dimensions.1 {
            return Err(Error::corrupt("rows are missing"));
        }
        let by = f64::from(self.factor);
        let reach = (f64::from(self.dimensions.0) / by, f64::from(self.dimensions.1) / by);
        let raster = Raster::new(self.small.0, self.small.1, self.layout, self.pixels)?;
        Ok((raster, (self.factor > 1).then_some(reach)))
    }
}

/// By how much a picture can be averaged so that enough is left of it.
fn factor((width, height): (u32, u32), least: (u32, u32)) -> u32 {
    let suffices = |whole: u32, least: u32, factor: u32| {
        u64::from(whole) * 2 >= u64::from(least) * LEFT_HALVES * u64::from(factor)
    };
    (2..=MAX_FACTOR)
        .rev()
        .find(|by| suffices(width, least.0, *by) && suffices(height, least.1, *by))
        .unwrap_or(1)
}

/// Means of blocks from the sums of their columns.
fn means<const CHANNELS: usize>(sums: &[u16], factor: u32, rows: u32, target: &mut [u8]) {
    match factor {
        2 => blocks::<CHANNELS, 2>(sums, rows, target),
        3 => blocks::<CHANNELS, 3>(sums, rows, target),
        4 => blocks::<CHANNELS, 4>(sums, rows, target),
        _ => block_by_block::<CHANNELS>(sums, factor as usize, rows, target),
    }
}

/// The same for factors that are known when it is compiled.
fn blocks<const CHANNELS: usize, const FACTOR: usize>(sums: &[u16], rows: u32, target: &mut [u8]) {
    block_by_block::<CHANNELS>(sums, FACTOR, rows, target);
}

#[inline(always)]
fn block_by_block<const CHANNELS: usize>(
    sums: &[u16],
    factor: usize,
    rows: u32,
    target: &mut [u8],
) {
    let whole = sums.chunks_exact(factor * CHANNELS);
    let rest = whole.remainder();
    let means = target.as_chunks_mut::<CHANNELS>().0;
    let (means, last) = means.split_at_mut(whole.len().min(means.len()));
    let scale = scale(factor, rows);
    for (block, mean) in whole.zip(means) {
        *mean = average(block, scale);
    }
    if let Some(mean) = last.first_mut() {
        *mean = average(rest, self::scale(rest.len() / CHANNELS, rows));
    }
}

/// What a sum is multiplied by for its mean, of 24 binary places.
fn scale(columns: usize, rows: u32) -> u32 {
    (1 << 24) / (u32::try_from(columns).unwrap_or(1) * rows).max(1)
}

#[inline(always)]
fn average<const CHANNELS: usize>(block: &[u16], scale: u32) -> [u8; CHANNELS] {
    let mut totals = [0_u32; CHANNELS];
    for pixel in block.as_chunks::<CHANNELS>().0 {
        for (total, sum) in totals.iter_mut().zip(pixel) {
            *total += u32::from(*sum);
        }
    }
    // 255 times 2^24 and a half still are of 32 bits.
    totals.map(|total| (total * scale + (1 << 23)).to_be_bytes()[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shrunk(dimensions: (u32, u32), layout: Layout, least: u32, pixels: &[u8]) -> Shrunk {
        let mut shrinker = Shrinker::new(dimensions, layout, (least, least)).expect("room");
        for row in pixels.chunks_exact(dimensions.0 as usize * layout.bytes()) {
            shrinker.row(row).expect("a row");
        }
        shrinker.finish().expect("a picture")
    }

    #[test]
    fn every_sample_is_the_mean_of_its_block_also_at_the_edges() {
        for (layout, channels) in [(Layout::Gray, 1), (Layout::Rgb, 3)] {
            for (width, height, least) in [(31, 47, 10), (64, 64, 21), (65, 70, 9), (330, 333, 13)]
            {
                let at = |x: usize, y: usize, c: usize| (x * 7 + y * 13 + c * 101 + x * y) as u8;
                let (wide, high) = (width as usize, height as usize);
                let pixels: Vec<u8> = (0..high)
                    .flat_map(|y| {
                        (0..wide).flat_map(move |x| (0..channels).map(move |c| at(x, y, c)))
                    })
                    .collect();
                let by = factor((width, height), (least, least)) as usize;
                assert!(by > 1, "{width} {height}");
                let (small, reach) = shrunk((width, height), layout, least, &pixels);
                assert_eq!(
                    small.dimensions(),
                    (width.div_ceil(by as u32), height.div_ceil(by as u32))
                );
                assert_eq!(reach, Some((wide as f64 / by as f64, high as f64 / by as f64)));
                for (index, found) in small.pixels.iter().enumerate() {
                    let (pixel, c) = (index / channels, index % channels);
                    let (x, y) = (pixel % small.width as usize, pixel / small.width as usize);
                    let block: Vec<f64> = (y * by..((y + 1) * by).min(high))
                        .flat_map(|y| (x * by..((x + 1) * by).min(wide)).map(move |x| (x, y)))
                        .map(|(x, y)| f64::from(at(x, y, c)))
                        .collect();
                    let mean = block.iter().sum::<f64>() / block.len() as f64;
                    assert!(
                        (f64::from(*found) - mean).abs() <= 0.51,
                        "{x} {y} {c}: {found} {mean}"
                    );
                }
            }
        }
    }

    #[test]
    fn white_stays_white_under_every_factor() {
        for least in 1..40 {
            let (small, _) = shrunk((57, 61), Layout::Rgb, least, &[255; 57 * 61 * 3]);
            assert!(small.pixels.iter().all(|sample| *sample == 255), "{least}");
        }
    }

    #[test]
    fn what_is_needed_is_left_with_something_to_spare() {
        assert_eq!(factor((6_000, 4_000), (1_920, 1_280)), 2);
        assert_eq!(factor((6_000, 4_000), (256, 171)), 15);
        assert_eq!(factor((6_000, 1), (256, 1)), 1);
        assert_eq!(factor((100, 100), (90, 90)), 1);
        assert_eq!(factor((u32::MAX, u32::MAX), (1, 1)), MAX_FACTOR);
    }

    #[test]
    fn rows_too_many_too_few_or_too_long_are_refused() {
        let new = || Shrinker::new((40, 40), Layout::Gray, (10, 10)).expect("room");
        let mut shrinker = new();
        assert!(shrinker.row(&[0; 39]).is_err());
        for _ in 0..40 {
            shrinker.row(&[0; 40]).expect("a row");
        }
        assert!(shrinker.row(&[0; 40]).is_err());
        assert!(new().finish().is_err());
    }
}
