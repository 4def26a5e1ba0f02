//! Dimensions, formats, orientation, sameness.

use domain::limits::Limits;
use domain::wish::Format;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

use crate::{FORMATS, drawn, encoded, failure, near, photo, try_draw, wish, with_segment};

#[test]
fn every_size_has_the_dimensions_that_the_contract_says() {
    let sizes = ["200x200", "300", "x50", "80x60", "42>", "5000x5000>", "original", "500"];
    let expected =
        [(200, 100), (300, 150), (100, 50), (80, 40), (42, 21), (401, 201), (401, 201), (500, 251)];
    for format in FORMATS {
        let basket = drawn(&encoded(&photo(401, 201), format), &wish(&sizes, None));
        let found: Vec<_> = basket.made.iter().map(|made| made.dimensions).collect();
        assert_eq!(found, expected, "{format:?}");
        for (index, made) in basket.made.iter().enumerate() {
            assert_eq!((made.size_index as usize, made.original), (index, (401, 201)));
            assert_eq!(made.format, Format::Jpg);
            made.image();
        }
    }
}

#[test]
fn every_format_comes_out_as_itself_and_shows_the_picture() {
    let source = encoded(&photo(300, 200), ImageFormat::Png);
    let expected = photo(300, 200).to_rgb8();
    for (format, magic) in
        [(Format::Jpg, &b"\xff\xd8"[..]), (Format::Png, b"\x89PNG"), (Format::Webp, b"RIFF")]
    {
        let basket = drawn(&source, &wish(&["original", "150"], Some(format)));
        assert!(basket.made[0].bytes.starts_with(magic));
        for (x, y) in [(20, 20), (280, 180), (150, 100)] {
            let (full, half) = (basket.made[0].rgb(x, y), basket.made[1].rgb(x / 2, y / 2));
            let wanted = expected.get_pixel(x, y).0;
            assert!(near([full[0], full[1], 0], [wanted[0], wanted[1], 0], 12), "{format:?}");
            assert!(near([half[0], half[1], 0], [wanted[0], wanted[1], 0], 12), "{format:?}");
        }
    }
}

#[test]
fn shrinking_while_decoding_looks_like_shrinking_after_it() {
    let picture = photo(1600, 1200);
    let jpeg = encoded(&picture, ImageFormat::Jpeg);
    let png = encoded(&image::load_from_memory(&jpeg).expect("a picture"), ImageFormat::Png);
    for size in ["200", "333", "700", "799"] {
        let wish = wish(&[size], Some(Format::Png));
        let (a, b) = (drawn(&jpeg, &wish), drawn(&png, &wish));
        let (a, b) = (a.made[0].image().to_rgb8(), b.made[0].image().to_rgb8());
        let sum: u64 =
            a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        let mean = sum as f64 / a.as_raw().len() as f64;
        assert!(mean < 3.0, "{size}: {mean}");
    }
}

/// Red, green over blue, white.
fn corners() -> DynamicImage {
    DynamicImage::ImageRgb8(RgbImage::from_fn(64, 32, |x, y| match (x < 32, y < 16) {
        (true, true) => Rgb(RED),
        (false, true) => Rgb(GREEN),
        (true, false) => Rgb(BLUE),
        (false, false) => Rgb(WHITE),
    }))
}

const RED: [u8; 3] = [255, 0, 0];
const GREEN: [u8; 3] = [0, 255, 0];
const BLUE: [u8; 3] = [0, 0, 255];
const WHITE: [u8; 3] = [255, 255, 255];

fn exif_orientation(value: u8) -> Vec<u8> {
    let mut body = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    body.extend([value, 0, 0, 0, 0, 0, 0]);
    body
}

#[test]
fn all_eight_orientations_come_out_upright() {
    let jpeg = encoded(&corners(), ImageFormat::Jpeg);
    // What is then seen at top left, top right, bottom left, bottom right.
    for (value, seen) in [
        (1, [RED, GREEN, BLUE, WHITE]),
        (2, [GREEN, RED, WHITE, BLUE]),
        (3, [WHITE, BLUE, GREEN, RED]),
        (4, [BLUE, WHITE, RED, GREEN]),
        (5, [RED, BLUE, GREEN, WHITE]),
        (6, [BLUE, RED, WHITE, GREEN]),
        (7, [WHITE, GREEN, BLUE, RED]),
        (8, [GREEN, WHITE, RED, BLUE]),
    ] {
        let turned = with_segment(&jpeg, 0xe1, &exif_orientation(value));
        let basket = drawn(&turned, &wish(&["original", "x16", "16x16"], Some(Format::Png)));
        let upright = if value < 5 { (64, 32) } else { (32, 64) };
        for made in &basket.made {
            assert_eq!(made.original, upright, "{value}");
            let (width, height) = made.dimensions;
            assert_eq!(width > height, value < 5);
            let (left, right, top, low) = (width / 4, width * 3 / 4, height / 4, height * 3 / 4);
            let places = [(left, top), (right, top), (left, low), (right, low)];
            for ((x, y), colour) in places.into_iter().zip(seen) {
                assert!(near(made.rgb(x, y), colour, 40), "{value} {:?}", made.dimensions);
            }
        }
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    for format in FORMATS {
        let source = encoded(&photo(500, 333), format);
        for to in [None, Some(Format::Png), Some(Format::Webp)] {
            let wish = wish(&["300", "100", "original"], to);
            assert_eq!(drawn(&source, &wish), drawn(&source, &wish), "{format:?} {to:?}");
        }
    }
}

#[test]
fn a_picture_of_one_pixel_is_drawn_in_every_size() {
    for format in FORMATS {
        let basket =
            drawn(&encoded(&photo(1, 1), format), &wish(&["1", "64x64", "original"], None));
        assert_eq!(basket.made.iter().map(|m| m.dimensions.0).collect::<Vec<_>>(), [1, 64, 1]);
    }
}

#[test]
fn what_would_be_too_large_is_refused_before_it_is_made() {
    let source = encoded(&photo(40, 40), ImageFormat::Png);
    assert_eq!(failure(&source, &wish(&["16384x16384"], None)), "output_too_large");
    let tight = Limits { output_bytes: 1_000, ..Limits::default() };
    let (_, result) = try_draw(&source, &wish(&["2000"], None), &tight);
    assert_eq!(result.expect_err("too large").code().name(), "output_too_large");
    let few = Limits { artifacts: 1, ..Limits::default() };
    let (_, result) = try_draw(&source, &wish(&["10", "20"], None), &few);
    assert_eq!(result.expect_err("too many").code().name(), "output_too_large");
    let small = Limits { pixels: 1_599, ..Limits::default() };
    let (_, result) = try_draw(&source, &wish(&["10"], None), &small);
    assert_eq!(result.expect_err("too many").code().name(), "too_many_pixels");
    let wide = encoded(&photo(16_400, 4), ImageFormat::Png);
    assert_eq!(failure(&wide, &wish(&["original"], Some(Format::Webp))), "output_too_large");
}

#[test]
fn a_large_picture_of_any_edges_keeps_its_proportions_when_it_is_averaged_on_the_way() {
    let (width, height) = (1_511, 1_009);
    let picture =
        image::DynamicImage::ImageRgb8(image::RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, 128])
        }));
    for format in [image::ImageFormat::Png, image::ImageFormat::Tiff] {
        let file = crate::encoded(&picture, format);
        for size in ["512", "200", "64"] {
            let made = &crate::drawn(&file, &crate::wish(&[size], Some(Format::Png))).made[0];
            let (wide, high) = made.dimensions;
            for (x, y) in [(1, 1), (wide / 2, high / 2), (wide - 2, high - 2)] {
                let share = |at: u32, edge: u32| (f64::from(at) + 0.5) / f64::from(edge) * 255.0;
                let expected = [share(x, wide) as u8, share(y, high) as u8, 128];
                let found = made.rgb(x, y);
                assert!(
                    crate::near(found, expected, 2),
                    "{format:?} {size}: {found:?} {expected:?}"
                );
            }
        }
    }
}
