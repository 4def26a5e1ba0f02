//! EXIF as a flat map.

use domain::limits::Limits;
use domain::wish::{MetadataKind, PreviewWish};
use image::ImageFormat;
use serde_json::{Map, Value, json};
use stills::{Drawn, Error, Source};

use crate::{encoded, photo, try_draw, wish, with_segment};

const EXIF: u16 = 0x8769;
const GPS: u16 = 0x8825;

type Entry = (u16, u16, Vec<u8>);

/// Big-endian EXIF: main tags, and others in a directory of their own behind `pointer`.
fn exif(main: &[Entry], pointer: u16, gps: &[Entry]) -> Vec<u8> {
    let directory_bytes = |count: usize| 2 + count * 12 + 4;
    let main_at = 8;
    let gps_at = main_at + directory_bytes(main.len() + 1);
    let mut data_at = gps_at + directory_bytes(gps.len());
    let mut data = Vec::new();
    let mut body = b"MM\0\x2a\0\0\0\x08".to_vec();
    let pointer = (pointer, 4, u32::try_from(gps_at).expect("small").to_be_bytes().to_vec());
    let main: Vec<_> = main.iter().cloned().chain([pointer]).collect();
    for entries in [&main[..], gps] {
        body.extend(u16::try_from(entries.len()).expect("few").to_be_bytes());
        for (tag, kind, value) in entries {
            let unit = [0, 1, 1, 2, 4, 8, 0, 1][usize::from(*kind)];
            body.extend([tag.to_be_bytes(), kind.to_be_bytes()].concat());
            body.extend(u32::try_from(value.len() / unit).expect("small").to_be_bytes());
            if value.len() <= 4 {
                body.extend(value.iter().copied().chain([0; 4]).take(4));
            } else {
                body.extend(u32::try_from(data_at).expect("small").to_be_bytes());
                data_at += value.len();
                data.extend(value);
            }
        }
        body.extend([0; 4]);
    }
    [b"Exif\0\0", &body[..], &data].concat()
}

fn rationals(numbers: &[(u32, u32)]) -> Vec<u8> {
    numbers.iter().flat_map(|(a, b)| [a.to_be_bytes(), b.to_be_bytes()].concat()).collect()
}

fn tagged() -> Vec<u8> {
    let main = [
        (0x010f, 2, b"Dark\x07room\0".to_vec()),
        (0x0112, 3, vec![0, 1]),
        (0x011a, 5, rationals(&[(72, 1)])),
    ];
    let gps = [
        (1, 2, b"S\0".to_vec()),
        (2, 5, rationals(&[(33, 1), (51, 1), (3_600, 100)])),
        (3, 2, b"E\0".to_vec()),
        (4, 5, rationals(&[(151, 1), (12, 1), (0, 1)])),
    ];
    with_segment(&encoded(&photo(20, 20), ImageFormat::Jpeg), 0xe1, &exif(&main, GPS, &gps))
}

fn tags(drawn: Result<Drawn, Error>) -> Option<Map<String, Value>> {
    drawn.expect("drawn").metadata.get("exif").and_then(Value::as_object).cloned()
}

#[test]
fn tags_come_as_numbers_and_clean_texts() {
    let mut wish = wish(&["10"], None);
    wish.metadata.insert(MetadataKind::Exif);
    let (basket, drawn) = try_draw(&tagged(), &wish, &Limits::default());
    let tags = tags(drawn).expect("tags");
    assert_eq!(tags.get("Make"), Some(&json!("Darkroom")));
    assert_eq!(tags.get("Orientation"), Some(&json!(1)));
    assert_eq!(tags.get("XResolution"), Some(&json!(72)));
    assert_eq!(tags.get("GPSLatitude"), Some(&json!(-33.86)));
    assert_eq!(tags.get("GPSLongitude"), Some(&json!(151.2)));
    let rendition = &basket.made[0].bytes;
    assert!(!rendition.windows(4).any(|window| window == b"Exif" || window == b"Dark"));
}

#[test]
fn tags_of_a_webp_are_read_with_and_without_what_jpeg_puts_before_them() {
    let tags_alone =
        exif(&[(0x010f, 2, b"Darkroom\0".to_vec()), (0x0112, 3, vec![0, 6])], GPS, &[]);
    let plain = encoded(&photo(20, 10), ImageFormat::WebP);
    let mut asked = wish(&["10"], None);
    asked.metadata.insert(MetadataKind::Exif);
    for before in [0, b"Exif\0\0".len()] {
        let block = &tags_alone[before..];
        let mut file = plain.clone();
        file.extend(
            [b"EXIF", &u32::try_from(block.len()).expect("small").to_le_bytes()[..]].concat(),
        );
        file.extend(block);
        file.resize(file.len().next_multiple_of(2), 0);
        let size = u32::try_from(file.len() - 8).expect("small");
        file[4..8].copy_from_slice(&size.to_le_bytes());
        let (_, drawn) = try_draw(&file, &asked, &Limits::default());
        let tags = tags(drawn).expect("tags");
        assert_eq!(tags.get("Make"), Some(&json!("Darkroom")), "{before}");
        assert_eq!(tags.get("Orientation"), Some(&json!(6)), "{before}");
    }
}

#[test]
fn tags_of_a_jpeg_xl_are_read() {
    let block = exif(&[(0x010f, 2, b"Darkroom\0".to_vec())], GPS, &[]).split_off(b"Exif\0\0".len());
    let boxed = |name: &[u8; 4], body: &[u8]| {
        let length = u32::try_from(body.len() + 8).expect("small");
        [&length.to_be_bytes()[..], name, body].concat()
    };
    let begin = [
        boxed(b"JXL ", b"\r\n\x87\n"),
        boxed(b"ftyp", b"jxl \0\0\0\0jxl "),
        boxed(b"Exif", &[&[0, 0, 0, 2, 7, 7][..], &block].concat()),
    ];
    let file = [begin.concat(), boxed(b"jxlc", &crate::formats::jxl())].concat();
    let mut asked = wish(&["10"], None);
    asked.metadata.insert(MetadataKind::Exif);
    let (basket, drawn) = try_draw(&file, &asked, &Limits::default());
    assert_eq!(basket.made.len(), 1);
    let tags = tags(drawn).expect("tags");
    assert_eq!((&tags["Make"], &tags["ImageWidth"]), (&json!("Darkroom"), &json!(12)));
}

#[test]
fn blobs_of_makers_are_left_out_and_the_rest_is_printed() {
    let camera = [
        (0x829a, 5, rationals(&[(1, 125)])),
        (0x8827, 3, vec![1, 144]),
        (0x9000, 7, b"0231".to_vec()),
        (0x927c, 7, vec![7; 200]),
        (0x9286, 7, b"ASCII\0\0\0a word\0".to_vec()),
        (0xa432, 5, rationals(&[(24, 1), (70, 1), (28, 10), (0, 0)])),
    ];
    let file = encoded(&photo(20, 20), ImageFormat::Jpeg);
    let file = with_segment(&file, 0xe1, &exif(&[], EXIF, &camera));
    let mut wish = wish(&["10"], None);
    wish.metadata.insert(MetadataKind::Exif);
    let (_, drawn) = try_draw(&file, &wish, &Limits::default());
    let tags = Value::Object(tags(drawn).expect("tags"));
    assert_eq!(
        tags,
        json!({
            "ExposureTime": 0.008,
            "PhotographicSensitivity": 400,
            "ExifVersion": "2.31",
            "UserComment": "a word",
            "LensSpecification": "24, 70, 2.8, NaN",
            "ImageWidth": 20,
            "ImageHeight": 20,
            "BitDepth": 8,
            "ColorModel": "YCbCr",
            "MakerNote": "unknown, 200 bytes",
        })
    );
}

#[test]
fn tags_are_given_only_if_asked_for_and_there() {
    let plain = wish(&["10"], None);
    let (_, drawn) = try_draw(&tagged(), &plain, &Limits::default());
    assert_eq!(tags(drawn), None);
    let mut asked = plain;
    asked.metadata.insert(MetadataKind::Exif);
    for format in crate::FORMATS.into_iter().filter(|format| *format != ImageFormat::Tiff) {
        let (_, drawn) = try_draw(&encoded(&photo(20, 20), format), &asked, &Limits::default());
        let tags = tags(drawn).expect("facts");
        assert_eq!((&tags["ImageWidth"], &tags["BitDepth"]), (&json!(20), &json!(8)), "{format:?}");
        assert_eq!(tags.get("Make"), None);
    }
    let (_, drawn) =
        try_draw(&tagged(), &asked, &Limits { metadata_bytes: 30, ..Limits::default() });
    let size = tags(drawn).map_or(0, |tags| json!(tags).to_string().len());
    assert!(size <= 30, "{size}");
}

#[test]
fn metadata_alone_says_what_it_says_beside_a_picture() {
    let alone = PreviewWish {
        metadata: [MetadataKind::Exif].into(),
        ..wish(&[], Some(domain::wish::Format::Webp))
    };
    let beside = PreviewWish { sizes: wish(&["10"], None).sizes, ..alone.clone() };
    let files = crate::FORMATS.map(|format| encoded(&photo(20, 20), format));
    for file in files.into_iter().chain([tagged()]) {
        let (made, drawn) = try_draw(&file, &beside, &Limits::default());
        let (none, told) = try_draw(&file, &alone, &Limits::default());
        assert_eq!((made.made.len(), none.made.len(), none.total), (1, 0, made.total));
        assert_eq!(tags(drawn), tags(told));
    }
}

/// Bytes, and how many of them were read.
struct Counted<'a>(&'a [u8], usize);

impl Source for Counted<'_> {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = crate::Bytes(self.0).read_at(offset, buffer)?;
        self.1 += count;
        Ok(count)
    }
}

#[test]
fn of_a_large_photograph_metadata_alone_is_read() {
    let asked = PreviewWish { metadata: [MetadataKind::Exif].into(), ..wish(&[], None) };
    let told = |file: &[u8]| {
        let (mut source, mut basket) = (Counted(file, 0), crate::Basket::default());
        let (filetype, limits) = (filetype::sniff(file), Limits::default());
        let easel = stills::Easel::new(&asked, &limits, &mut basket);
        let drawn = stills::draw(&filetype, &mut source, easel);
        (tags(drawn).expect("facts"), source.1)
    };
    let noise = |x: u32, y: u32| {
        let dice = (x * 7_919 + y * 104_729).wrapping_mul(2_654_435_761);
        image::Rgb([(dice >> 8) as u8, (dice >> 16) as u8, (dice >> 24) as u8])
    };
    let photograph = image::RgbImage::from_fn(900, 600, noise).into();
    let plain = encoded(&photograph, ImageFormat::Jpeg);
    let (facts, read) = told(&plain);
    assert_eq!((&facts["ImageWidth"], &facts["ImageHeight"]), (&json!(900), &json!(600)));
    assert!(plain.len() > 4 * read, "{read} of {}", plain.len());
    // What comes before the pixels may be long, and odd: then more is read, or all.
    let mut long = plain.clone();
    for _ in 0..3 {
        long = with_segment(&long, 0xe5, &[7; 60_000]);
    }
    assert_eq!(told(&long).0, facts);
    let mut filled = plain.clone();
    filled.splice(2..2, [0xff; 9]);
    assert_eq!(told(&filled).0["ImageWidth"], json!(900));
}

/// A directory of a maker's own, little end first, whose offsets count from `base`.
fn notes(entries: &[(u16, u16, &[u8])], base: usize) -> Vec<u8> {
    let mut body = (entries.len() as u16).to_le_bytes().to_vec();
    let mut far = Vec::new();
    let behind = base + 2 + entries.len() * 12 + 4;
    for (tag, kind, value) in entries {
        let unit = [1, 1, 1, 2, 4, 8][usize::from(*kind)];
        body.extend([*tag, *kind].map(u16::to_le_bytes).concat());
        body.extend(((value.len() / unit) as u32).to_le_bytes());
        if value.len() <= 4 {
            body.extend(value.iter().copied().chain([0; 4]).take(4));
        } else {
            body.extend(((behind + far.len()) as u32).to_le_bytes());
            far.extend_from_slice(value);
        }
    }
    body.extend([0; 4]);
    [body, far].concat()
}

#[test]
fn basics_of_nikons_own_notes_are_understood() {
    let lens = [18_u32, 1, 55, 1, 7, 2, 28, 5].map(u32::to_le_bytes).concat();
    let own =
        notes(&[(0x1d, 2, b"6001234\0"), (0x84, 5, &lens), (0xa7, 4, &4_321_u32.to_le_bytes())], 8);
    let note = [&b"Nikon\0\x02\x10\0\0II*\0\x08\0\0\0"[..], &own].concat();
    let file = encoded(&photo(20, 20), ImageFormat::Jpeg);
    let file = with_segment(&file, 0xe1, &exif(&[], EXIF, &[(0x927c, 7, note)]));
    let mut wish = wish(&["10"], None);
    wish.metadata.insert(MetadataKind::Exif);
    let (_, drawn) = try_draw(&file, &wish, &Limits::default());
    let tags = tags(drawn).expect("tags");
    assert_eq!(tags["SerialNumber"], "6001234");
    assert_eq!(tags["Lens"], "18-55mm f/3.5-5.6");
    assert_eq!(tags["ShutterCount"], 4_321);
    assert!(tags["MakerNote"].as_str().expect("a text").contains("Nikon"));
}
