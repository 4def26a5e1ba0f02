//! What can be set: quality, background, crop, embedded metadata.

use domain::limits::Limits;
use domain::wish::{Background, Crop, Embedded, Format, MetadataKind, Quality};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use serde_json::json;

use crate::{drawn, encoded, near, photo, try_draw, wish, with_segment};

#[test]
fn a_higher_quality_makes_larger_files() {
    let source = encoded(&photo(300, 200), ImageFormat::Png);
    for format in [Format::Jpg, Format::Webp] {
        let mut lengths = Vec::new();
        for quality in [20_u8, 60, 95] {
            let mut wish = wish(&["original"], Some(format));
            wish.options.quality = Some(Quality::try_from(quality).expect("a quality"));
            lengths.push(drawn(&source, &wish).made[0].bytes.len());
        }
        assert!(lengths.is_sorted() && lengths[0] * 2 < lengths[2], "{format:?} {lengths:?}");
    }
}

#[test]
fn the_background_shows_through_where_there_is_no_transparency() {
    let clear = DynamicImage::ImageRgba8(RgbaImage::from_pixel(20, 20, Rgba([0, 0, 0, 0])));
    let mut wish = wish(&["original"], Some(Format::Jpg));
    wish.options.background = Some(Background([200, 30, 60]));
    let basket = drawn(&encoded(&clear, ImageFormat::Png), &wish);
    assert!(near(basket.made[0].rgb(10, 10), [200, 30, 60], 4));
}

#[test]
fn filling_a_box_keeps_what_there_is_to_see() {
    let right = DynamicImage::ImageRgb8(RgbImage::from_fn(600, 200, |x, y| {
        let busy = x > 430 && x < 570 && (x / 6 + y / 6) % 2 == 0;
        Rgb(if busy { [220, 160, 120] } else { [60, 62, 64] })
    }));
    for format in [ImageFormat::Jpeg, ImageFormat::Png] {
        let mut wish = wish(&["100x100", "50x100", "300"], Some(Format::Png));
        wish.options.crop = Crop::Fill;
        let basket = drawn(&encoded(&right, format), &wish);
        let found: Vec<_> = basket.made.iter().map(|made| made.dimensions).collect();
        assert_eq!(found, [(100, 100), (50, 100), (300, 100)]);
        let image = basket.made[0].image().to_rgb8();
        let busy = image.pixels().filter(|pixel| pixel.0[0] > 100).count();
        assert!(busy > 2_400, "{format:?} {busy}");
    }
}

fn tagged() -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x03".to_vec();
    exif.extend(b"\x01\x0f\0\x02\0\0\0\x04Abc\0");
    exif.extend(b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0");
    exif.extend(b"\x01\x1a\0\x03\0\0\0\x01\0\x48\0\0");
    exif.extend([0; 4]);
    with_segment(&encoded(&photo(40, 20), ImageFormat::Jpeg), 0xe1, &exif)
}

#[test]
fn embedded_metadata_is_kept_on_demand_and_says_upright() {
    for format in [Format::Jpg, Format::Png, Format::Webp] {
        let plain = drawn(&tagged(), &wish(&["10"], Some(format)));
        assert!(!plain.made[0].bytes.windows(3).any(|window| window == b"Abc"));
        let mut wish = wish(&["10", "original"], Some(format));
        wish.options.embedded = Embedded::Keep;
        wish.metadata.insert(MetadataKind::Exif);
        for made in &drawn(&tagged(), &wish).made {
            made.image();
            let (basket, result) = try_draw(&made.bytes, &wish, &Limits::default());
            let exif = result.expect("drawn").metadata.remove("exif").expect("tags");
            assert_eq!(exif["Make"], json!("Abc"), "{format:?}");
            assert_eq!(exif["Orientation"], json!(1), "{format:?}");
            assert_eq!(exif["XResolution"], json!(null), "{format:?}");
            // Turned once, not twice.
            assert_eq!(basket.made[1].dimensions, made.dimensions, "{format:?}");
        }
    }
}

#[test]
fn a_jpeg_whose_very_end_is_missing_is_drawn_one_cut_in_the_middle_is_not() {
    let jpeg = encoded(&photo(400, 400), ImageFormat::Jpeg);
    for (length, drawn) in [
        (jpeg.len() - 2, true),
        (jpeg.len() - 40, true),
        (jpeg.len() * 97 / 100, true),
        (jpeg.len() / 2, false),
    ] {
        let (_, result) = try_draw(&jpeg[..length], &wish(&["100"], None), &Limits::default());
        match result {
            Ok(_) => assert!(drawn, "{length}"),
            Err(error) => assert!(!drawn && error.code().name() == "corrupt", "{length}: {error}"),
        }
    }
}
