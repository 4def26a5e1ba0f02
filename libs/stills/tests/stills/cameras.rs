//! Cameras' raw files: previews found wherever cameras put them, and values developed.

use domain::limits::Limits;
use domain::wish::{Format, MetadataKind};
use filetype::{Filetype, Kind};
use image::ImageFormat;

use crate::{Basket, draw_as, encoded, near, photo, wish, with_segment};

fn raw() -> Filetype {
    Filetype { kind: Kind::Raw, ..filetype::sniff(b"") }
}

fn drawn(file: &[u8]) -> (Basket, serde_json::Value) {
    let mut wish = wish(&["original"], Some(Format::Png));
    wish.metadata.extend([MetadataKind::Raw, MetadataKind::Exif]);
    let (basket, result) = draw_as(&raw(), file, &wish, &Limits::default());
    let drawn = result.expect("drawn");
    (basket, serde_json::Value::Object(drawn.metadata))
}

enum Tag {
    Short(u16, u16),
    Long(u16, u32),
    Bytes(u16, u16, Vec<u8>),
}

/// A little-endian file of one directory with data behind it; `place` gets where the data begins.
fn tiff(magic: &[u8; 4], tags: impl Fn(u32) -> Vec<Tag>, data: &[u8]) -> Vec<u8> {
    let count = tags(0).len();
    let behind = 8 + 2 + count * 12 + 4;
    let mut far = Vec::new();
    let far_length: usize = tags(0)
        .iter()
        .map(|tag| match tag {
            Tag::Bytes(_, _, bytes) if bytes.len() > 4 => bytes.len().next_multiple_of(2),
            _ => 0,
        })
        .sum();
    let data_at = behind + far_length;
    let mut file = magic.to_vec();
    file.extend(8_u32.to_le_bytes());
    file.extend((count as u16).to_le_bytes());
    for tag in tags(data_at as u32) {
        match tag {
            Tag::Short(tag, value) => {
                file.extend([tag, 3, 1, 0, value, 0].map(u16::to_le_bytes).concat());
            }
            Tag::Long(tag, value) => {
                file.extend([tag, 4, 1, 0].map(u16::to_le_bytes).concat());
                file.extend(value.to_le_bytes());
            }
            Tag::Bytes(tag, kind, bytes) => {
                let unit = [1, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8][usize::from(kind)];
                file.extend([tag, kind].map(u16::to_le_bytes).concat());
                file.extend(((bytes.len() / unit) as u32).to_le_bytes());
                if bytes.len() <= 4 {
                    file.extend(bytes.iter().copied().chain([0; 4]).take(4));
                } else {
                    file.extend(((behind + far.len()) as u32).to_le_bytes());
                    far.extend(&bytes);
                    far.resize(far.len().next_multiple_of(2), 0);
                }
            }
        }
    }
    file.extend([0; 4]);
    file.extend(far);
    file.extend(data);
    file
}

fn preview() -> Vec<u8> {
    encoded(&photo(800, 600), ImageFormat::Jpeg)
}

#[test]
fn the_preview_is_found_where_each_maker_puts_it() {
    let jpeg = preview();
    let length = jpeg.len() as u32;
    let make = || Tag::Bytes(271, 2, b"Darkroom\0".to_vec());
    let turned = || Tag::Short(274, 6);
    // Nikon, Sony, Pentax: offset and length. Canon: as the only strip. Panasonic: as a value.
    // Olympus: nowhere that we look, under a magic number of its own.
    let files = [
        (
            "offset",
            tiff(
                b"II*\0",
                |at| vec![make(), turned(), Tag::Long(513, at), Tag::Long(514, length)],
                &jpeg,
            ),
        ),
        (
            "strip",
            tiff(
                b"II*\0",
                |at| {
                    vec![
                        Tag::Short(259, 6),
                        make(),
                        Tag::Long(273, at),
                        turned(),
                        Tag::Long(279, length),
                    ]
                },
                &jpeg,
            ),
        ),
        (
            "value",
            tiff(b"IIU\0", |_| vec![Tag::Bytes(0x2e, 7, jpeg.clone()), make(), turned()], &[]),
        ),
        ("anywhere", tiff(b"IIRO", |_| vec![make(), turned()], &jpeg)),
    ];
    for (name, file) in files {
        let (basket, metadata) = drawn(&file);
        assert_eq!(basket.made[0].original, (600, 800), "{name}");
        assert_eq!(metadata["raw"]["make"], "Darkroom", "{name}");
        assert_eq!(metadata["raw"]["preview"]["width"], 800, "{name}");
        assert_eq!(metadata["exif"]["Make"], "Darkroom", "{name}");
    }
}

#[test]
fn fujifilms_head_and_canons_boxes_are_followed() {
    let orientation = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0\0\0\0\0";
    let jpeg = with_segment(&preview(), 0xe1, orientation);
    let mut fuji = b"FUJIFILMCCD-RAW ".to_vec();
    fuji.resize(84, 0);
    fuji.extend(100_u32.to_be_bytes());
    fuji.extend((jpeg.len() as u32).to_be_bytes());
    fuji.resize(100, 0);
    fuji.extend(&jpeg);
    assert_eq!(drawn(&fuji).0.made[0].original, (600, 800));

    let boxed = |name: &[u8; 4], body: &[u8]| {
        [&(body.len() as u32 + 8).to_be_bytes()[..], name, body].concat()
    };
    let jpeg = preview();
    let tags =
        tiff(b"II*\0", |_| vec![Tag::Bytes(272, 2, b"EOS\0".to_vec()), Tag::Short(274, 3)], &[]);
    let head = boxed(b"ftyp", b"crx \0\0\0\x01crx ");
    let moov = |at: u32| {
        let canon = [
            &b"\x85\xc0\xb6\x87\x82\x0f\x11\xe0\x81\x11\xf4\xce\x46\x2b\x6a\x48"[..],
            &boxed(b"CMT1", &tags),
        ]
        .concat();
        let sizes = [&[0; 4][..], &(jpeg.len() as u32).to_be_bytes(), &[0, 0, 0, 1]].concat();
        let offsets = [&[0, 0, 0, 0, 0, 0, 0, 1][..], &u64::from(at).to_be_bytes()].concat();
        let table = boxed(b"stbl", &[boxed(b"stsz", &sizes), boxed(b"co64", &offsets)].concat());
        let track = boxed(b"trak", &boxed(b"mdia", &boxed(b"minf", &table)));
        boxed(b"moov", &[boxed(b"uuid", &canon), track].concat())
    };
    let at = head.len() + moov(0).len() + 8;
    let file = [head, moov(at as u32), boxed(b"mdat", &jpeg)].concat();
    let (basket, metadata) = drawn(&file);
    assert_eq!(basket.made[0].original, (800, 600));
    assert_eq!(metadata["raw"]["model"], "EOS");
    // Upside down.
    let (wanted, found) = (photo(800, 600).to_rgb8(), basket.made[0].rgb(20, 30));
    assert!(near(
        [found[0], found[1], 0],
        [wanted.get_pixel(779, 569).0[0], wanted.get_pixel(779, 569).0[1], 0],
        12
    ));
}

#[test]
fn values_of_a_sensor_that_are_not_packed_are_developed() {
    let (width, height) = (40_u16, 20_u16);
    // Red and blue at half and a quarter of green, under a filter of red, green, green, blue.
    let value = |x: u16, y: u16| match (x % 2, y % 2) {
        (0, 0) => 500 + 64,
        (1, 1) => 250 + 64,
        _ => 1_000 + 64_u16,
    };
    let data: Vec<u8> =
        (0..height).flat_map(|y| (0..width).flat_map(move |x| value(x, y).to_le_bytes())).collect();
    let file = tiff(
        b"II*\0",
        |at| {
            vec![
                Tag::Long(254, 0),
                Tag::Short(256, width),
                Tag::Short(257, height),
                Tag::Short(258, 16),
                Tag::Short(259, 1),
                Tag::Short(262, 32_803),
                Tag::Bytes(271, 2, b"Darkroom\0".to_vec()),
                Tag::Long(273, at),
                Tag::Short(277, 1),
                Tag::Short(278, height),
                Tag::Long(279, u32::from(width) * u32::from(height) * 2),
                Tag::Bytes(0x828e, 1, vec![0, 1, 1, 2]),
                Tag::Bytes(0xc612, 1, vec![1, 4, 0, 0]),
                Tag::Short(0xc61a, 64),
                Tag::Short(0xc61d, 1_064),
                Tag::Bytes(0xc628, 5, [1_u32, 2, 1, 1, 1, 4].map(u32::to_le_bytes).concat()),
            ]
        },
        &data,
    );
    // Sniffed as a TIFF, known for what it is by its tags.
    for filetype in [raw(), filetype::sniff(&file)] {
        let mut wish = wish(&["original"], Some(Format::Png));
        wish.metadata.insert(MetadataKind::Raw);
        let (basket, result) = draw_as(&filetype, &file, &wish, &Limits::default());
        let metadata = result.expect("drawn").metadata;
        assert_eq!(metadata["raw"]["sensor"]["width"], 40);
        assert_eq!(basket.made[0].dimensions, (20, 10));
        // What is neutral to the sensor is white.
        assert!(near(basket.made[0].rgb(5, 5), [255; 3], 1), "{:?}", basket.made[0].rgb(5, 5));
    }
    let cut = &file[..file.len() - 100];
    let (_, result) = draw_as(&raw(), cut, &wish(&["8"], None), &Limits::default());
    assert_eq!(result.expect_err("cut").code().name(), "corrupt");
}

/// A scene as cameras store it without a preview, written by imagecodecs and, two components side by
/// side, as Adobe's converter does; tifffile reads the same values from each.
const PACKED: [(&str, &[u8], &[u8]); 7] = [
    // Tiles of lossless JPEG: one component, and two.
    ("bayer-lj92", include_bytes!("raws/bayer-lj92.dng"), BAYER),
    ("bayer-pairs", include_bytes!("raws/bayer-pairs.dng"), BAYER),
    // Strips of 12 bits, one strip of 10.
    ("bayer-packed", include_bytes!("raws/bayer-packed.dng"), BAYER),
    ("bayer-packed10", include_bytes!("raws/bayer-packed10.dng"), BAYER),
    // 8 bits along a curve, in a frame that is not to be shown.
    ("bayer-curve", include_bytes!("raws/bayer-curve.dng"), BAYER),
    // Three colours of each pixel, in tiles.
    ("linear-lossless", include_bytes!("raws/linear-lossless.dng"), LINEAR),
    ("linear-deflate", include_bytes!("raws/linear-deflate.dng"), LINEAR),
];
/// What LibRaw makes of the scene, by each two by two of the filters and by each pixel.
const BAYER: &[u8] = include_bytes!("raws/bayer.png");
const LINEAR: &[u8] = include_bytes!("raws/linear.png");
/// The mean difference of a channel that is no difference to the eye, of 255.
const NEAR: f64 = 2.0;

#[test]
fn values_that_are_packed_look_as_libraw_develops_them() {
    for (name, file, libraw) in PACKED {
        let expected = image::load_from_memory(libraw).expect("a picture").to_rgb8();
        let (basket, metadata) = drawn(file);
        let found = &basket.made[0];
        assert_eq!(found.dimensions, expected.dimensions(), "{name}");
        let difference: u64 = expected
            .enumerate_pixels()
            .flat_map(|(x, y, pixel)| {
                let channels = found.rgb(x, y).into_iter().zip(pixel.0);
                channels.map(|(a, b)| u64::from(a.abs_diff(b)))
            })
            .sum();
        let mean = difference as f64 / expected.as_raw().len() as f64;
        assert!(mean < NEAR, "{name}: differs by {mean:.2}");
        assert_eq!(metadata["raw"]["model"], "Sample", "{name}");
    }
}

#[test]
fn packed_values_that_are_broken_give_a_code_or_a_picture() {
    for (name, file, _) in PACKED {
        let cut = &file[..file.len() - 200];
        let (_, result) = draw_as(&raw(), cut, &wish(&["8"], None), &Limits::default());
        assert_eq!(result.expect_err(name).code().name(), "corrupt");
        let limits = Limits { pixels: 1_000, ..Limits::default() };
        let (_, result) = draw_as(&raw(), file, &wish(&["8"], None), &limits);
        assert_eq!(result.expect_err(name).code().name(), "too_many_pixels");
        // The head with its tags, and the beginning of the values.
        for at in 8..900.min(file.len()) {
            let mut broken = file.to_vec();
            broken[at] ^= 0xff;
            let (_, result) = draw_as(&raw(), &broken, &wish(&["8"], None), &Limits::default());
            if let Err(error) = result {
                let code = error.code().name();
                let known = ["corrupt", "unsupported", "too_many_pixels"].contains(&code);
                assert!(known, "{name}, {at}: {code}");
            }
        }
    }
}

#[test]
fn whatever_is_broken_gives_a_code_or_a_picture() {
    let jpeg = preview();
    let length = jpeg.len() as u32;
    let file = tiff(
        b"II*\0",
        |at| vec![Tag::Long(330, 8), Tag::Long(513, at), Tag::Long(514, length)],
        &jpeg,
    );
    for at in 0..60 {
        for flip in [0x01, 0x80, 0xff] {
            let mut broken = file.clone();
            broken[at] ^= flip;
            let (_, result) = draw_as(&raw(), &broken, &wish(&["8"], None), &Limits::default());
            if let Err(error) = result {
                let code = error.code().name();
                assert!(["corrupt", "unsupported"].contains(&code), "{at}: {code}");
            }
        }
    }
    let (_, result) =
        draw_as(&raw(), b"II*\0\x08\0\0\0\0\0", &wish(&["8"], None), &Limits::default());
    assert_eq!(result.expect_err("nothing").code().name(), "unsupported");
}
