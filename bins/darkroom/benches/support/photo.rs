//! A picture like a photograph, the same on every machine: soft light, edges, texture, and the
//! noise of a sensor.

use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

use super::Trouble;

pub(crate) const WIDTH: usize = 6_000;
pub(crate) const HEIGHT: usize = 4_000;
/// As cameras set it.
const QUALITY: i32 = 88;

/// 24 megapixels as a JPEG.
pub(crate) fn photograph() -> Result<Vec<u8>, Trouble> {
    let mut pixels = Vec::with_capacity(WIDTH * HEIGHT * 3);
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            pixels.extend(pixel(x, y, &mut noise));
        }
    }
    let image = Image {
        pixels: pixels.as_slice(),
        width: WIDTH,
        pitch: WIDTH * 3,
        height: HEIGHT,
        format: PixelFormat::RGB,
    };
    let mut compressor = Compressor::new()?;
    compressor.set_quality(QUALITY)?;
    compressor.set_subsamp(Subsamp::Sub2x2)?;
    Ok(compressor.compress_to_vec(image)?)
}

fn pixel(x: usize, y: usize, noise: &mut Noise) -> [u8; 3] {
    let light = 90 + lattice(x, y, 900, 1) * 110 / 255 + lattice(x, y, 220, 2) * 50 / 255;
    // Where two fields cross there is an edge, as of things before a background.
    let thing = lattice(x, y, 500, 3) + lattice(x, y, 90, 4) / 4 > 165;
    let texture = if thing {
        lattice(x, y, 9, 5) * 60 / 255 - 30
    } else {
        lattice(x, y, 40, 6) * 16 / 255 - 8
    };
    let grey = if thing { light * 5 / 8 } else { light } + texture - 40 + noise.next();
    let (warm, cool) =
        (lattice(x, y, 700, 7) * 70 / 255 - 35, lattice(x, y, 300, 8) * 50 / 255 - 25);
    [grey + warm, grey + cool / 4, grey + cool - warm / 2]
        .map(|value| u8::try_from(value.clamp(0, 255)).unwrap_or_default())
}

/// Values from 0 to 255 that change smoothly over `cell` pixels.
fn lattice(x: usize, y: usize, cell: usize, seed: u64) -> i32 {
    let (left, top) = (x / cell, y / cell);
    let (right, down) = (smooth(x % cell, cell), smooth(y % cell, cell));
    let at = |column, row| i64::from(corner(column, row, seed));
    let above = at(left, top) * (256 - right) + at(left + 1, top) * right;
    let below = at(left, top + 1) * (256 - right) + at(left + 1, top + 1) * right;
    i32::try_from((above * (256 - down) + below * down) >> 16).unwrap_or_default()
}

/// How far along a cell, from 0 to 256, without a kink at either end.
fn smooth(along: usize, cell: usize) -> i64 {
    let t = i64::try_from(along * 256 / cell).unwrap_or_default();
    t * t * (768 - 2 * t) / 65_536
}

fn corner(column: usize, row: usize, seed: u64) -> u8 {
    let mut noise =
        Noise(seed ^ ((column as u64) << 32) ^ ((row as u64) << 8) ^ 0x5851_f42d_4c95_7f2d);
    noise.step();
    noise.step().to_le_bytes()[3]
}

struct Noise(u64);

impl Noise {
    fn step(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A little, most often very little.
    fn next(&mut self) -> i32 {
        let [a, b, c, d, ..] = self.step().to_le_bytes();
        let sum = i32::from(a & 7) + i32::from(b & 7) + i32::from(c & 7) + i32::from(d & 7);
        (sum - 14) / 2
    }
}
