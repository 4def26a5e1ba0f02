//! Moving pictures: kept moving where the format asked for can, else their first frame.

use domain::limits::Limits;
use domain::wish::{Crop, Format, MetadataKind};
use image::codecs::gif::{GifDecoder, GifEncoder, Repeat};
use image::codecs::webp::WebPDecoder;
use image::{AnimationDecoder, Delay, DynamicImage, Frame, Rgba, RgbaImage};
use std::io::Cursor;
use stills::{Animation, Layout, Motion, Raster};

use crate::{drawn, try_draw, wish};

const COLOURS: [[u8; 4]; 3] = [[250, 0, 0, 255], [0, 250, 0, 255], [0, 0, 250, 255]];

/// A square of another colour in every frame, before gray or nothing.
fn picture(index: usize, behind: [u8; 4]) -> RgbaImage {
    RgbaImage::from_fn(60, 30, |x, y| {
        let inside = (x as usize) / 20 == index && (8..22).contains(&y);
        Rgba(if inside { COLOURS[index] } else { behind })
    })
}

fn gif(behind: [u8; 4]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    encoder.set_repeat(Repeat::Infinite).expect("set");
    for index in 0..3 {
        let delay = Delay::from_numer_denom_ms(40 + 30 * index as u32, 1);
        encoder
            .encode_frame(Frame::from_parts(picture(index, behind), 0, 0, delay))
            .expect("a frame");
    }
    drop(encoder);
    bytes
}

/// Chunks of an animated PNG around frames that are files of their own.
fn apng() -> Vec<u8> {
    let chunk = |name: &[u8; 4], body: &[u8]| {
        let named = [&name[..], body].concat();
        let crc = !named.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
            })
        });
        [&(body.len() as u32).to_be_bytes()[..], &named, &crc.to_be_bytes()].concat()
    };
    let chunks = |index: usize| {
        let png = crate::encoded(
            &DynamicImage::ImageRgba8(picture(index, [9, 9, 9, 255])),
            image::ImageFormat::Png,
        );
        let mut rest = &png[8..];
        let mut found: Vec<([u8; 4], Vec<u8>)> = Vec::new();
        while rest.len() >= 12 {
            let length = u32::from_be_bytes(rest[..4].try_into().expect("four")) as usize;
            found.push((rest[4..8].try_into().expect("four"), rest[8..8 + length].to_vec()));
            rest = &rest[12 + length..];
        }
        found
    };
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut sequence = 0_u32;
    for index in 0..3 {
        for (name, body) in chunks(index) {
            match &name {
                b"IHDR" if index == 0 => {
                    file.extend(chunk(b"IHDR", &body));
                    file.extend(chunk(b"acTL", &[0, 0, 0, 3, 0, 0, 0, 2]));
                }
                b"IDAT" => {
                    let control = [sequence, 60, 30, 0, 0].map(u32::to_be_bytes).concat();
                    let control = [&control[..], &[0, 50, 3, 232, 0, 0]].concat();
                    file.extend(chunk(b"fcTL", &control));
                    sequence += 1;
                    if index == 0 {
                        file.extend(chunk(b"IDAT", &body));
                    } else {
                        file.extend(chunk(b"fdAT", &[&sequence.to_be_bytes()[..], &body].concat()));
                        sequence += 1;
                    }
                }
                _ => {}
            }
        }
    }
    file.extend(chunk(b"IEND", &[]));
    file
}

fn frames(format: Format, bytes: &[u8]) -> Vec<(RgbaImage, u32)> {
    let frames = match format {
        Format::Gif => GifDecoder::new(Cursor::new(bytes)).expect("a GIF").into_frames(),
        _ => {
            let mut decoder = WebPDecoder::new(Cursor::new(bytes)).expect("a WebP");
            // Without one, its decoder lets stay what is to vanish.
            decoder.set_background_color(Rgba([0; 4])).expect("set");
            decoder.into_frames()
        }
    };
    frames
        .map(|frame| {
            let frame = frame.expect("a frame");
            let (ms, one) = frame.delay().numer_denom_ms();
            (frame.into_buffer(), ms / one)
        })
        .collect()
}

fn near(found: [u8; 4], wanted: [u8; 4]) -> bool {
    found.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) < 24)
}

#[test]
fn a_moving_picture_keeps_moving_in_every_size() {
    let webp =
        drawn(&gif([128, 128, 128, 255]), &wish(&["original"], Some(Format::Webp))).made.remove(0);
    for (name, source, delays) in [
        ("gif", gif([128, 128, 128, 255]), [40, 70, 100]),
        ("webp", webp.bytes, [40, 70, 100]),
        ("apng", apng(), [50, 50, 50]),
    ] {
        for format in [Format::Gif, Format::Webp] {
            let basket = drawn(&source, &wish(&["original", "30", "60"], Some(format)));
            for made in &basket.made {
                let found = frames(format, &made.bytes);
                assert_eq!(found.len(), 3, "{name} {format:?}");
                for (index, (image, ms)) in found.iter().enumerate() {
                    assert_eq!(image.dimensions(), made.dimensions);
                    assert_eq!(*ms, delays[index], "{name} {format:?}");
                    let step = made.dimensions.0 / 3;
                    let at = (step * index as u32 + step / 2, made.dimensions.1 / 2);
                    let pixel = image.get_pixel(at.0, at.1).0;
                    assert!(near(pixel, COLOURS[index]), "{name} {format:?} {index} {pixel:?}");
                }
            }
        }
        let still = drawn(&source, &wish(&["original"], Some(Format::Jpg)));
        let [r, g, b] = still.made[0].rgb(10, 15);
        assert!(near([r, g, b, 255], COLOURS[0]), "{name}");
    }
}

#[test]
fn what_vanishes_again_leaves_nothing_behind() {
    for format in [Format::Gif, Format::Webp] {
        let basket = drawn(&gif([0; 4]), &wish(&["original"], Some(format)));
        let found = frames(format, &basket.made[0].bytes);
        assert_eq!(found[0].0.get_pixel(10, 15).0[3], 255);
        assert_eq!(found[1].0.get_pixel(10, 15).0[3], 0, "{format:?}");
        assert_eq!(found[2].0.get_pixel(50, 15).0[3], 255);
    }
}

#[test]
fn frames_are_counted_limited_and_cropped_alike() {
    let mut wish = wish(&["20x20"], Some(Format::Gif));
    wish.options.crop = Crop::Fill;
    wish.metadata.insert(MetadataKind::Exif);
    let source = gif([128, 128, 128, 255]);
    let (basket, result) = try_draw(&source, &wish, &Limits::default());
    assert_eq!(result.expect("drawn").metadata["exif"]["FrameCount"], 3);
    assert_eq!(frames(Format::Gif, &basket.made[0].bytes).len(), 3);
    for limits in [
        Limits { frames: 2, ..Limits::default() },
        Limits { frame_pixels: 4_000, ..Limits::default() },
    ] {
        let (_, result) = try_draw(&source, &wish, &limits);
        assert_eq!(result.expect_err("too long").code().name(), "too_long");
    }
}

#[test]
fn a_gif_of_many_colours_is_dithered_not_banded() {
    let ramp: Vec<u8> = (0..128 * 128_u32)
        .flat_map(|at| {
            let (x, y) = (at % 128, at / 128);
            [(x * 2) as u8, (y * 2) as u8, ((x + y) % 256) as u8]
        })
        .collect();
    let raster = Raster::new(128, 128, Layout::Rgb, ramp.clone()).expect("pixels");
    let mut animation = Animation::new(Format::Gif, (128, 128), Motion::default()).expect("begun");
    animation.add(&raster, 100).expect("added");
    let file = animation.finish().expect("written");
    let found = image::load_from_memory(&file).expect("a picture").to_rgb8();
    // On average over a patch, colours are where they were.
    for (x, y) in [(8, 8), (64, 64), (100, 20)] {
        for channel in 0..3 {
            let (mut sum, mut wanted) = (0_i32, 0_i32);
            for at in 0..64 {
                let (x, y) = (x + at % 8, y + at / 8);
                sum += i32::from(found.get_pixel(x, y).0[channel]);
                wanted += i32::from(ramp[(y * 128 + x) as usize * 3 + channel]);
            }
            assert!((sum - wanted).abs() < 64 * 6, "{x} {y} {channel}: {sum} {wanted}");
        }
    }
}
