//! Means beside those of libjpeg-turbo, and files that are odd.

use super::*;
use turbojpeg::{
    Compressor, Decompressor, Image, PixelFormat, ScalingFactor, Subsamp, YuvImage, yuv_pixels_len,
};

fn written(subsamp: Subsamp, quality: i32, (width, height): (usize, usize)) -> Vec<u8> {
    let mut dice = 1_u32;
    let pixels: Vec<u8> = (0..width * height * 3)
        .map(|at| {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (x, y) = (at / 3 % width, at / 3 / width);
            // Smooth, sharp and noisy parts.
            match (x / 64 + y / 48) % 3 {
                0 => (x * 2 + y + at % 3 * 40) as u8,
                1 => u8::from((x / 5 + y / 7) % 2 == 0) * 255,
                _ => (dice >> 24) as u8,
            }
        })
        .collect();
    let mut compressor = Compressor::new().expect("a compressor");
    compressor.set_quality(quality).expect("quality");
    compressor.set_subsamp(subsamp).expect("sampling");
    compressor.set_optimize(quality % 2 == 1).expect("codes");
    let (pixels, pitch) = (pixels.as_slice(), width * 3);
    let image = Image { pixels, width, pitch, height, format: PixelFormat::RGB };
    compressor.compress_to_vec(image).expect("a JPEG")
}

/// What libjpeg-turbo makes of it, all planes one after the other.
fn expected(jpeg: &[u8]) -> (Vec<u8>, (usize, usize), Subsamp) {
    let mut decompressor = Decompressor::new().expect("a decompressor");
    let header = decompressor.read_header(jpeg).expect("a header");
    let scale = ScalingFactor::ONE_EIGHTH;
    decompressor.set_scaling_factor(scale).expect("a scale");
    let (width, height) = (scale.scale(header.width), scale.scale(header.height));
    let subsamp = header.subsamp;
    let mut pixels = vec![0; yuv_pixels_len(width, 1, height, subsamp).expect("a length")];
    let image = YuvImage { pixels: pixels.as_mut_slice(), width, align: 1, height, subsamp };
    decompressor.decompress_to_yuv(jpeg, image).expect("planes");
    (pixels, (width, height), subsamp)
}

#[test]
fn samples_are_those_of_libjpeg_turbo() {
    for (subsamp, across, down) in [
        (Subsamp::None, 1, 1),
        (Subsamp::Sub2x1, 2, 1),
        (Subsamp::Sub2x2, 2, 2),
        (Subsamp::Sub1x2, 1, 2),
        (Subsamp::Sub4x1, 4, 1),
        (Subsamp::Gray, 1, 1),
    ] {
        for (quality, dimensions) in
            [(12, (640, 480)), (75, (641, 479)), (91, (317, 203)), (100, (129, 9)), (55, (8, 8))]
        {
            let jpeg = written(subsamp, quality, dimensions);
            let planes = decode(&jpeg).unwrap_or_else(|| panic!("{subsamp:?} {quality}"));
            let (expected, (width, height), _) = expected(&jpeg);
            let (wide, high) = (width.next_multiple_of(across), height.next_multiple_of(down));
            let mut rest = expected.as_slice();
            for (index, plane) in planes.iter().enumerate() {
                let (wide, high) =
                    if index == 0 { (wide, high) } else { (wide / across, high / down) };
                let (samples, behind) = rest.split_at(wide * high);
                rest = behind;
                // What fills whole samples of colour is beyond the picture.
                let shown = if index == 0 { (width, height) } else { (wide, high) };
                for (y, row) in samples.chunks(wide).take(shown.1).enumerate() {
                    let at = y * plane.width as usize;
                    let found = &plane.pixels[at..at + shown.0];
                    assert_eq!(&row[..shown.0], found, "{subsamp:?} {quality} {y}");
                }
            }
            assert!(rest.is_empty(), "{subsamp:?}");
        }
    }
}

#[test]
fn what_is_odd_is_left_to_others_and_nothing_panics() {
    let jpeg = written(Subsamp::Sub2x2, 80, (320, 240));
    assert!(decode(&jpeg).is_some());
    for length in (0..jpeg.len()).step_by(7) {
        assert!(decode(&jpeg[..length]).is_none(), "{length}");
    }
    let mut dice = 7_usize;
    for _ in 0..3_000 {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let mut broken = jpeg.clone();
        let at = (dice >> 20) % broken.len();
        broken[at] ^= 1 << (dice >> 50 & 7);
        let _either = decode(&broken);
    }
    let mut progressive = Compressor::new().expect("a compressor");
    progressive.set_progressive(true).expect("scans");
    let (pixels, pitch) = (&[90; 64 * 64 * 3][..], 64 * 3);
    let image = Image { pixels, width: 64, pitch, height: 64, format: PixelFormat::RGB };
    assert!(decode(&progressive.compress_to_vec(image).expect("a JPEG")).is_none());
}

#[test]
fn restarts_are_found_where_they_belong() {
    // Three gray blocks: a difference of five bits by the code 01, the end of a block by 0.
    let head = b"\xff\xd8\xff\xdb\0\x43\0".iter().chain(&[1; 64]).chain(
        b"\xff\xc0\0\x0b\x08\0\x08\0\x18\x01\x01\x11\0\
          \xff\xc4\0\x15\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\
          \xff\xc4\0\x14\x10\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    );
    let frame: Vec<u8> = head.copied().collect();
    let scan = b"\xff\xda\0\x08\x01\x01\0\0\x3f\0";
    let units = |interval: &[u8], data: &[u8]| {
        [&frame, &b"\xff\xdd\0\x04\0"[..], interval, scan, data, b"\xff\xd9"].concat()
    };
    let unit = [0b0110_0000_u8];
    let samples = |jpeg: &[u8]| decode(jpeg).map(|planes| planes[0].pixels.clone());
    let parted = [&unit[..], b"\xff\xd0", &unit, b"\xff\xd1", &unit].concat();
    assert_eq!(samples(&units(&[1], &parted)), Some(vec![130; 3]));
    // Without restarts each mean builds on the one before.
    assert_eq!(samples(&units(&[0], &unit.repeat(3))), Some(vec![130, 132, 134]));
    let swapped = [&unit[..], b"\xff\xd1", &unit, b"\xff\xd0", &unit].concat();
    assert_eq!(samples(&units(&[1], &swapped)), None);
    assert_eq!(samples(&units(&[1], &unit)), None);
}
