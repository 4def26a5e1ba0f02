//! High dynamic range and wide colours to sRGB.
//!
//! Perceptual quantizer (SMPTE ST 2084) and hybrid log-gamma (ARIB STD-B67) become light, light of
//! BT.2020 or P3 becomes light of BT.709, and what is brighter than a screen can show is rolled
//! off along a curve that leaves all but the brightest as it is.

use crate::ff::Frame;

/// Transfer characteristic of the perceptual quantizer, by ITU-T H.273.
const PQ: i32 = 16;
/// Transfer characteristic of hybrid log-gamma.
const HLG: i32 = 18;
/// Primaries of BT.2020.
const BT2020: i32 = 9;
/// Primaries of P3 with a D65 white.
const P3: i32 = 12;
/// What white on paper is meant to have, in candela a square metre (ITU-R BT.2408).
const PAPER_WHITE_NITS: f64 = 203.0;
/// What the brightest are taken to have, in candela a square metre.
const PEAK_NITS: f64 = 1_000.0;
/// Steps of the tables.
const STEPS: usize = 1 << 12;

/// Light of BT.2020 in terms of BT.709, and likewise of P3 (rows: red, green, blue).
const FROM_2020: [[f32; 3]; 3] = [
    [1.660_491, -0.587_641_1, -0.072_849_9],
    [-0.124_550_5, 1.132_899_9, -0.008_349_4],
    [-0.018_150_8, -0.100_578_9, 1.118_729_7],
];
const FROM_P3: [[f32; 3]; 3] = [
    [1.224_940_2, -0.224_940_2, 0.0],
    [-0.042_056_9, 1.042_056_9, 0.0],
    [-0.019_637_6, -0.078_636_1, 1.098_273_5],
];

/// A way to sRGB.
pub(crate) struct Tone {
    /// Of a 16-bit number, to light; 1 is white on paper.
    light: Vec<f32>,
    matrix: Option<[[f32; 3]; 3]>,
    is_bright: bool,
    /// Of light from 0 to 1, by square root, to sRGB.
    srgb: Vec<u8>,
}

impl Tone {
    /// For a frame that needs one.
    pub(crate) fn of(frame: &Frame) -> Option<Self> {
        let colours = frame.colours();
        Self::new(colours.transfer, colours.primaries)
    }

    /// For a transfer characteristic and primaries by ITU-T H.273, where these are not sRGB's own.
    pub(crate) fn new(transfer: i32, primaries: i32) -> Option<Self> {
        let matrix = match primaries {
            BT2020 => Some(FROM_2020),
            P3 => Some(FROM_P3),
            _ => None,
        };
        let is_bright = matches!(transfer, PQ | HLG);
        if !is_bright && matrix.is_none() {
            return None;
        }
        let light = steps().map(|signal| narrow(light(transfer, signal))).collect();
        let srgb = steps().map(|root| byte(srgb(root * root))).collect();
        Some(Self { light, matrix, is_bright, srgb })
    }

    /// 16-bit red, green and blue to 8-bit sRGB.
    pub(crate) fn apply(&self, pixels: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(pixels.len() / 2);
        for [r0, r1, g0, g1, b0, b1] in pixels.as_chunks::<6>().0 {
            let light = [[*r0, *r1], [*g0, *g1], [*b0, *b1]].map(|bytes| self.light_of(bytes));
            let light = self.matrix.map_or(light, |rows| {
                rows.map(|[r, g, b]| {
                    let [red, green, blue] = light;
                    r * red + g * green + b * blue
                })
            });
            let light = if self.is_bright { rolled_off(light) } else { light };
            out.extend(light.map(|light| self.shown(light)));
        }
        out
    }

    fn light_of(&self, bytes: [u8; 2]) -> f32 {
        let index = (usize::from(u16::from_ne_bytes(bytes)) * STEPS) >> 16;
        self.light.get(index).copied().unwrap_or_default()
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "between 0 and the number of steps"
    )]
    fn shown(&self, light: f32) -> u8 {
        let index = light.clamp(0.0, 1.0).sqrt() * (STEPS - 1) as f32 + 0.5;
        self.srgb.get(index as usize).copied().unwrap_or(u8::MAX)
    }
}

/// Keeps what is below three quarters of white; bends what is above, up to the peak, into the
/// rest. All three channels by one factor, so that hues stay.
fn rolled_off(light: [f32; 3]) -> [f32; 3] {
    const KNEE: f32 = 0.75;
    let [red, green, blue] = light;
    let most = red.max(green).max(blue);
    if most <= KNEE {
        return light;
    }
    let peak = narrow(PEAK_NITS / PAPER_WHITE_NITS);
    let over = (most - KNEE) / (1.0 - KNEE);
    let span = (peak - KNEE) / (1.0 - KNEE);
    // Slope 1 at the knee, 1 at the peak (an extended Reinhard curve).
    let bent = over * (1.0 + over / (span * span)) / (1.0 + over);
    let factor = (KNEE + (1.0 - KNEE) * bent.min(1.0)) / most;
    light.map(|channel| channel * factor)
}

#[allow(clippy::cast_precision_loss, reason = "a few thousand steps")]
fn steps() -> impl Iterator<Item = f64> {
    (0..STEPS).map(|step| step as f64 / (STEPS - 1) as f64)
}

/// Light of a signal between 0 and 1; 1 is white on paper.
fn light(transfer: i32, signal: f64) -> f64 {
    match transfer {
        PQ => {
            let (m1, m2) = (0.159_301_757_812_5, 78.843_75);
            let (c1, c2, c3) = (0.835_937_5, 18.851_562_5, 18.687_5);
            let power = signal.powf(1.0 / m2);
            let nits = 10_000.0 * ((power - c1).max(0.0) / (c2 - c3 * power)).powf(1.0 / m1);
            nits / PAPER_WHITE_NITS
        }
        HLG => {
            let (a, b, c) = (0.178_832_77, 0.284_668_92, 0.559_910_73);
            let scene = if signal <= 0.5 {
                signal * signal / 3.0
            } else {
                (((signal - c) / a).exp() + b) / 12.0
            };
            // The system gamma of a screen of 1,000 candela a square metre, channel by channel.
            scene.powf(1.2) * PEAK_NITS / PAPER_WHITE_NITS
        }
        // What films of standard range are made to be seen with.
        8 => signal,
        _ => {
            if signal <= 0.040_45 {
                signal / 12.92
            } else {
                ((signal + 0.055) / 1.055).powf(2.4)
            }
        }
    }
}

fn srgb(light: f64) -> f64 {
    if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

#[allow(clippy::cast_possible_truncation, reason = "as near as 32 bits come")]
const fn narrow(value: f64) -> f32 {
    value as f32
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "held between 0 and 255"
)]
fn byte(value: f64) -> u8 {
    (value * 255.0 + 0.5).clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(tone: &Tone, signal: f64) -> u8 {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
        let bytes = ((signal * 65_535.0) as u16).to_ne_bytes();
        let pixel: Vec<u8> = [bytes; 3].concat();
        tone.apply(&pixel)[0]
    }

    #[test]
    fn white_on_paper_is_nearly_white_and_the_peak_is_white() {
        // 203 cd/m2 is 58 % in PQ and 75 % in HLG (ITU-R BT.2408).
        for (transfer, white, peak) in [(PQ, 0.581, 0.752), (HLG, 0.75, 1.0)] {
            let tone = Tone::new(transfer, BT2020).expect("a way");
            assert!((225..=250).contains(&shown(&tone, white)), "{}", shown(&tone, white));
            assert!(shown(&tone, peak) >= 253, "{}", shown(&tone, peak));
            assert_eq!(shown(&tone, 0.0), 0);
            let ramp: Vec<u8> = (0..100).map(|step| shown(&tone, f64::from(step) / 99.0)).collect();
            assert!(ramp.is_sorted(), "{ramp:?}");
        }
    }

    #[test]
    fn standard_range_passes_but_for_its_primaries() {
        assert!(Tone::new(1, 1).is_none());
        let tone = Tone::new(1, BT2020).expect("a way");
        for gray in [0.0, 0.25, 0.5, 1.0] {
            let expected = byte(gray);
            assert!(shown(&tone, gray).abs_diff(expected) <= 1);
        }
    }
}
