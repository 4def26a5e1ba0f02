//! How like a picture is to what it was made from.

use super::Trouble;

/// Edge of the blocks that are compared, in pixels.
const BLOCK: usize = 8;

/// Lightness, row by row.
pub struct Gray {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<f64>,
}

impl Gray {
    /// The lightness of a JPEG.
    pub fn of_jpeg(jpeg: &[u8]) -> Result<Self, Trouble> {
        let image = turbojpeg::decompress(jpeg, turbojpeg::PixelFormat::GRAY)?;
        let rows = image.pixels.chunks(image.pitch.max(1)).take(image.height);
        let pixels = rows.flat_map(|row| row.iter().take(image.width)).map(|v| f64::from(*v));
        Ok(Self { width: image.width, height: image.height, pixels: pixels.collect() })
    }

    /// The same smaller, every pixel the exact mean of those it covers.
    pub fn shrunk(&self, width: usize, height: usize) -> Self {
        let across = Self::means(&self.pixels, self.width, width);
        let turned = turn(&across, width, self.height);
        let down = Self::means(&turned, self.height, height);
        Self { width, height, pixels: turn(&down, height, width) }
    }

    fn means(pixels: &[f64], from: usize, to: usize) -> Vec<f64> {
        let step = from as f64 / to as f64;
        let mean = |row: &[f64], at: usize| {
            let (begin, end) = (at as f64 * step, (at + 1) as f64 * step);
            let mut sum = 0.0;
            for (x, value) in row.iter().enumerate().skip(begin as usize).take(step as usize + 2) {
                let covered = (end.min(x as f64 + 1.0) - begin.max(x as f64)).max(0.0);
                sum += value * covered;
            }
            sum / step
        };
        pixels.chunks(from).flat_map(|row| (0..to).map(move |at| mean(row, at))).collect()
    }

    /// Structural similarity: 1 for the same picture.
    pub fn likeness(&self, other: &Self) -> f64 {
        const C1: f64 = 6.502_5;
        const C2: f64 = 58.522_5;
        let (mut sum, mut count) = (0.0, 0.0);
        for top in (0..self.height.saturating_sub(BLOCK - 1)).step_by(BLOCK / 2) {
            for left in (0..self.width.saturating_sub(BLOCK - 1)).step_by(BLOCK / 2) {
                let pairs = || {
                    (top..top + BLOCK).flat_map(move |y| {
                        let at = y * self.width + left;
                        let ours = self.pixels.get(at..at + BLOCK).unwrap_or_default();
                        let theirs = other.pixels.get(at..at + BLOCK).unwrap_or_default();
                        ours.iter().zip(theirs)
                    })
                };
                let n = (BLOCK * BLOCK) as f64;
                let (a, b) = pairs().fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
                let (a, b) = (a / n, b / n);
                let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
                for (x, y) in pairs() {
                    aa += (x - a) * (x - a) / n;
                    bb += (y - b) * (y - b) / n;
                    ab += (x - a) * (y - b) / n;
                }
                sum +=
                    (2.0 * a * b + C1) * (2.0 * ab + C2) / ((a * a + b * b + C1) * (aa + bb + C2));
                count += 1.0;
            }
        }
        sum / count
    }
}

fn turn(pixels: &[f64], width: usize, height: usize) -> Vec<f64> {
    (0..width)
        .flat_map(|x| (0..height).map(move |y| pixels.get(y * width + x).copied().unwrap_or(0.0)))
        .collect()
}
