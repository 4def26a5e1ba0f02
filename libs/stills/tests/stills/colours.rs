//! Profiles, CMYK, depth, transparency.

use domain::wish::Format;
use image::codecs::png::PngEncoder;
use image::{
    DynamicImage, ExtendedColorType, GrayImage, ImageEncoder, ImageFormat, Luma, Rgba, RgbaImage,
};
use moxcms::ColorProfile;
use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

use crate::{drawn, encoded, near, photo, wish, with_segment};

fn png_with(profile: &ColorProfile, colour: [u8; 3]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = PngEncoder::new(&mut bytes);
    encoder.set_icc_profile(profile.encode().expect("a profile")).expect("set");
    let pixels = colour.repeat(16 * 16);
    encoder.write_image(&pixels, 16, 16, ExtendedColorType::Rgb8).expect("written");
    bytes
}

fn jpeg_with(profile: &ColorProfile, colour: [u8; 3]) -> Vec<u8> {
    let pixels = colour.repeat(16 * 16);
    let image =
        Image { pixels: &pixels[..], width: 16, pitch: 48, height: 16, format: PixelFormat::RGB };
    let jpeg = turbojpeg::compress(image, 98, Subsamp::None).expect("compressed");
    let icc = profile.encode().expect("a profile");
    with_segment(&jpeg, 0xe2, &[b"ICC_PROFILE\0\x01\x01", &icc[..]].concat())
}

#[test]
fn colours_of_a_wider_space_are_brought_into_srgb() {
    // (200, 100, 50) in Display P3 is (215, 92, 31) in sRGB.
    let p3 = ColorProfile::new_display_p3();
    for source in [png_with(&p3, [200, 100, 50]), jpeg_with(&p3, [200, 100, 50])] {
        let basket = drawn(&source, &wish(&["original", "8"], Some(Format::Png)));
        for made in &basket.made {
            assert!(near(made.rgb(4, 4), [215, 92, 31], 3), "{:?}", made.rgb(4, 4));
        }
    }
}

#[test]
fn colours_of_srgb_are_left_alone() {
    let srgb = ColorProfile::new_srgb();
    let basket = drawn(&png_with(&srgb, [200, 100, 50]), &wish(&["original"], Some(Format::Png)));
    assert_eq!(basket.made[0].rgb(4, 4), [200, 100, 50]);
}

#[test]
fn a_broken_profile_does_not_keep_a_picture_from_being_drawn() {
    let jpeg = encoded(&photo(32, 32), ImageFormat::Jpeg);
    let source = with_segment(&jpeg, 0xe2, b"ICC_PROFILE\0\x01\x01no profile");
    drawn(&source, &wish(&["16"], None));
}

#[test]
fn cmyk_is_seen_as_its_inks_look() {
    // As Adobe writes it: 255 is no ink.
    for (inks, seen) in [
        ([255, 255, 255, 255], [255, 255, 255]),
        ([0, 255, 255, 255], [0, 255, 255]),
        ([255, 0, 255, 255], [255, 0, 255]),
        ([255, 255, 0, 255], [255, 255, 0]),
        ([255, 255, 255, 0], [0, 0, 0]),
    ] {
        let pixels: Vec<u8> = inks.repeat(32 * 32);
        let image = Image {
            pixels: &pixels[..],
            width: 32,
            pitch: 128,
            height: 32,
            format: PixelFormat::CMYK,
        };
        let mut compressor = Compressor::new().expect("a compressor");
        compressor.set_quality(95).expect("set");
        compressor.set_subsamp(Subsamp::None).expect("set");
        let jpeg = compressor.compress_to_vec(image).expect("compressed");
        for size in ["original", "4"] {
            let basket = drawn(&jpeg, &wish(&[size], Some(Format::Png)));
            assert!(near(basket.made[0].rgb(1, 1), seen, 6), "{inks:?} {size}");
        }
    }
}

fn half_transparent() -> DynamicImage {
    DynamicImage::ImageRgba8(RgbaImage::from_fn(64, 64, |x, _| {
        if x < 32 { Rgba([255, 0, 0, 255]) } else { Rgba([0, 0, 0, 0]) }
    }))
}

#[test]
fn transparency_is_kept_as_png_and_shows_white_as_jpeg() {
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif] {
        let source = encoded(&half_transparent(), format);
        let kept = drawn(&source, &wish(&["original", "32"], None));
        for made in &kept.made {
            assert_eq!(made.format, Format::Png);
            let image = made.image().to_rgba8();
            assert_eq!(image.get_pixel(made.dimensions.0 - 1, 3).0[3], 0);
            assert_eq!(image.get_pixel(3, 3).0, [255, 0, 0, 255]);
        }
        let flat = drawn(&source, &wish(&["original"], Some(Format::Jpg)));
        assert!(near(flat.made[0].rgb(60, 3), [255, 255, 255], 3));
        let webp = drawn(&source, &wish(&["original"], Some(Format::Webp)));
        assert!(webp.made[0].image().color().has_alpha());
    }
}

#[test]
fn no_dark_fringe_grows_from_what_is_transparent() {
    let source = encoded(&half_transparent(), ImageFormat::Png);
    let basket = drawn(&source, &wish(&["13"], Some(Format::Png)));
    for pixel in basket.made[0].image().to_rgba8().pixels().filter(|pixel| pixel.0[3] > 8) {
        assert!(pixel.0[0] > 245, "{pixel:?}");
    }
}

#[test]
fn an_alpha_channel_in_which_nothing_is_transparent_does_not_count() {
    let source = encoded(&DynamicImage::ImageRgba8(photo(20, 20).to_rgba8()), ImageFormat::Png);
    assert_eq!(drawn(&source, &wish(&["10"], None)).made[0].format, Format::Jpg);
}

#[test]
fn gray_and_deep_pictures_are_drawn() {
    let gray = DynamicImage::ImageLuma8(GrayImage::from_fn(50, 50, |x, _| Luma([x as u8 * 5])));
    for (image, format) in [
        (gray.clone(), ImageFormat::Jpeg),
        (gray.clone(), ImageFormat::Png),
        (DynamicImage::ImageLuma16(gray.to_luma16()), ImageFormat::Png),
        (DynamicImage::ImageRgb16(gray.to_rgb16()), ImageFormat::Png),
        (DynamicImage::ImageRgb16(gray.to_rgb16()), ImageFormat::Tiff),
        (DynamicImage::ImageLumaA8(gray.to_luma_alpha8()), ImageFormat::Png),
    ] {
        for to in [Format::Jpg, Format::Png, Format::Webp] {
            let basket = drawn(&encoded(&image, format), &wish(&["original"], Some(to)));
            assert!(near(basket.made[0].rgb(25, 25), [125; 3], 8), "{format:?} to {to:?}");
        }
    }
}
