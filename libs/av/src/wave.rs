//! A waveform: gathered from samples, drawn, and told as peaks.

use domain::limits::Limits;
use domain::wish::Background;
use serde_json::{Value, json};
use stills::{Error, Layout, Page, Picture, Raster};

/// Width and height of a waveform, in pixels, where nothing else is asked for.
const DIMENSIONS: (u32, u32) = (1_600, 400);
/// Samples of a bucket at first.
const FIRST_SAMPLES: u64 = 256;
/// The most buckets; when there are more, each two become one.
const MAX_BUCKETS: usize = 8_192;
/// Quiet sounds are drawn louder, at most this many times.
const MAX_GAIN: f32 = 6.0;
/// How much of the height the loudest takes.
const FILL: f32 = 0.92;
/// Colours, as red, green, blue: what lies between the peaks, and around the effective value.
const PEAK: [f32; 3] = [147.0, 187.0, 240.0];
const CORE: [f32; 3] = [37.0, 99.0, 205.0];
/// The least that is drawn, in pixels: silence is a line.
const LEAST_PX: f32 = 0.9;

/// What a stretch of samples comes to.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    low: f32,
    high: f32,
    squares: f64,
    samples: u64,
}

impl Bucket {
    fn hear(&mut self, sample: f32) {
        let sample = if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 };
        self.low = self.low.min(sample);
        self.high = self.high.max(sample);
        self.squares += f64::from(sample) * f64::from(sample);
        self.samples += 1;
    }

    fn and(self, other: Self) -> Self {
        Self {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
            squares: self.squares + other.squares,
            samples: self.samples + other.samples,
        }
    }

    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "a mean of few"
    )]
    fn effective(&self) -> f32 {
        (self.squares / self.samples.max(1) as f64).sqrt() as f32
    }
}

/// A sound's loudness along its length.
pub(crate) struct Envelope {
    rate: u32,
    buckets: Vec<Bucket>,
    samples_each: u64,
    open: Bucket,
}

impl Envelope {
    pub(crate) const fn new(rate: u32) -> Self {
        let open = Bucket { low: 0.0, high: 0.0, squares: 0.0, samples: 0 };
        Self { rate, buckets: Vec::new(), samples_each: FIRST_SAMPLES, open }
    }

    /// For a sound that is heard at places, each of which stands for that many samples.
    pub(crate) fn at_places(rate: u32, samples_each: u64) -> Self {
        Self { samples_each: samples_each.max(1), ..Self::new(rate) }
    }

    pub(crate) const fn rate(&self) -> u32 {
        self.rate
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.buckets.is_empty() && self.open.samples == 0
    }

    /// How many samples were heard.
    pub(crate) const fn samples(&self) -> u64 {
        (self.buckets.len() as u64).saturating_mul(self.samples_each)
    }

    /// Takes the next samples.
    pub(crate) fn hear(&mut self, mono: &[f32], rate: u32) {
        if self.rate == 0 {
            self.rate = rate;
        }
        for sample in mono {
            self.open.hear(*sample);
            if self.open.samples == self.samples_each {
                self.buckets.push(std::mem::take(&mut self.open));
                if self.buckets.len() == 2 * MAX_BUCKETS {
                    self.halve();
                }
            }
        }
    }

    /// Takes what was heard at the next place.
    pub(crate) fn place(&mut self, mono: &[f32]) {
        let mut bucket = Bucket::default();
        for sample in mono {
            bucket.hear(*sample);
        }
        self.buckets.push(bucket);
    }

    fn halve(&mut self) {
        self.buckets = self
            .buckets
            .chunks(2)
            .map(|pair| pair.iter().copied().fold(Bucket::default(), Bucket::and))
            .collect();
        self.samples_each *= 2;
    }

    /// All buckets, the one begun last among them.
    fn all(&self) -> Vec<Bucket> {
        let open = Some(self.open).filter(|open| open.samples > 0);
        self.buckets.iter().copied().chain(open).collect()
    }

    /// The peaks in the shape that players read: pairs of lowest and highest, of 8 bits.
    pub(crate) fn peaks(&self) -> Value {
        let byte = |value: f32| {
            #[allow(clippy::cast_possible_truncation, reason = "held between -128 and 127")]
            let byte = (value * 128.0).round().clamp(-128.0, 127.0) as i8;
            byte
        };
        let (mut buckets, mut samples_each) = (self.all(), self.samples_each);
        while buckets.len() > MAX_BUCKETS {
            buckets = buckets
                .chunks(2)
                .map(|pair| pair.iter().copied().fold(Bucket::default(), Bucket::and))
                .collect();
            samples_each *= 2;
        }
        let data: Vec<i8> =
            buckets.iter().flat_map(|bucket| [byte(bucket.low), byte(bucket.high)]).collect();
        json!({
            "version": 2,
            "channels": 1,
            "sample_rate": self.rate,
            "samples_per_pixel": samples_each,
            "bits": 8,
            "length": buckets.len(),
            "data": data,
        })
    }

    /// One bucket for each column.
    fn columns(&self, width: u32) -> Vec<Bucket> {
        let buckets = self.all();
        let (count, width) = (buckets.len(), width as usize);
        (0..width)
            .map(|x| {
                let from = x * count / width;
                let to = ((x + 1) * count).div_ceil(width).clamp(from + 1, count.max(from + 1));
                let part = buckets.get(from..to).unwrap_or_default();
                part.iter().copied().fold(Bucket::default(), Bucket::and)
            })
            .collect()
    }
}

/// A waveform as a page: it has no pixels of its own, so it is drawn as large as asked for.
pub(crate) struct WavePage<'a> {
    pub(crate) envelope: &'a Envelope,
    pub(crate) background: Option<Background>,
}

impl Page for WavePage<'_> {
    fn dimensions(&self) -> (u32, u32) {
        DIMENSIONS
    }

    fn decode(&mut self, least: (u32, u32), limits: &Limits) -> Result<Picture, Error> {
        let size = (least.0.max(1), least.1.max(1));
        stills::within(size, limits)?;
        Ok(Picture::upright(self.draw(size)?))
    }
}

impl WavePage<'_> {
    #[allow(clippy::cast_precision_loss, reason = "pixels of an edge")]
    fn draw(&self, (width, height): (u32, u32)) -> Result<Raster, Error> {
        let Background(paper) = self.background.unwrap_or(Background::WHITE);
        let paper = paper.map(f32::from);
        let columns = self.envelope.columns(width);
        let loudest =
            columns.iter().fold(0.0_f32, |most, column| most.max(-column.low).max(column.high));
        let gain = (1.0 / loudest.max(f32::EPSILON)).min(MAX_GAIN);
        let half = height as f32 / 2.0;
        let reach = half * FILL * gain;
        let spans: Vec<[(f32, f32); 2]> = columns
            .iter()
            .map(|column| {
                let peak = span(half, column.high * reach, column.low * reach);
                let effective = column.effective() * reach;
                let core = (effective.min(column.high * reach), effective.min(-column.low * reach));
                [peak, span(half, core.0, -core.1)]
            })
            .collect();
        let mut pixels = Vec::with_capacity(width as usize * height as usize * 3);
        for y in 0..height {
            let y = y as f32;
            for [peak, core] in &spans {
                let outer = covered(y, *peak);
                let inner = covered(y, *core).min(outer);
                for ((paper, peak), core) in paper.iter().zip(PEAK).zip(CORE) {
                    let value = paper * (1.0 - outer) + peak * (outer - inner) + core * inner;
                    pixels.push(byte(value));
                }
            }
        }
        Raster::new(width, height, Layout::Rgb, pixels)
    }
}

/// From top to bottom, never thinner than a line.
fn span(half: f32, above: f32, below: f32) -> (f32, f32) {
    let (above, below) = (above.max(LEAST_PX / 2.0), below.min(-LEAST_PX / 2.0));
    (half - above, half - below)
}

/// How much of the pixel row at `y` lies in a span.
fn covered(y: f32, (top, bottom): (f32, f32)) -> f32 {
    ((y + 1.0).min(bottom) - y.max(top)).clamp(0.0, 1.0)
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "held between 0 and 255"
)]
fn byte(value: f32) -> u8 {
    (value + 0.5).clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(samples: &[f32]) -> Raster {
        let mut envelope = Envelope::new(8_000);
        envelope.hear(samples, 8_000);
        WavePage { envelope: &envelope, background: None }.draw((200, 50)).expect("drawn")
    }

    fn ink(raster: &Raster) -> usize {
        raster.pixels().chunks(3).filter(|pixel| *pixel != [255; 3]).count()
    }

    #[test]
    fn silence_is_a_line_and_loudness_fills_the_height() {
        let silent = drawn(&vec![0.0; 80_000]);
        assert!((200..=400).contains(&ink(&silent)), "{}", ink(&silent));
        let loud: Vec<f32> =
            (0..80_000).map(|sample| if sample % 2 == 0 { 1.0 } else { -1.0 }).collect();
        assert!(ink(&drawn(&loud)) > 200 * 44);
        // A handful of samples still fills the width.
        assert!(ink(&drawn(&[0.5, -0.5, 0.25])) >= 200);
    }

    #[test]
    fn peaks_are_pairs_of_a_length_that_is_told() {
        let mut envelope = Envelope::new(8_000);
        envelope.hear(&vec![0.5; 5 * FIRST_SAMPLES as usize], 8_000);
        let peaks = envelope.peaks();
        assert_eq!(peaks["length"], 5);
        assert_eq!(peaks["data"].as_array().map(Vec::len), Some(10));
        assert_eq!(peaks["data"][1], 64);
        envelope.hear(&vec![0.5; 3 * MAX_BUCKETS * FIRST_SAMPLES as usize], 8_000);
        assert!(envelope.peaks()["length"].as_u64().expect("length") <= MAX_BUCKETS as u64);
    }
}
