//! SVGs as they should look.

use std::io::Write;

use domain::wish::Format;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::{Job, wide};

const RED: [u8; 4] = [255, 0, 0, 255];
const CLEAR: [u8; 4] = [0; 4];
const SANS: &str = "/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf";
const SERIF: &str = "/usr/share/fonts/truetype/liberation/LiberationSerif-Regular.ttf";

pub(crate) fn svg(attributes: &str, content: &str) -> Vec<u8> {
    format!("<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink' {attributes}>{content}</svg>")
        .into_bytes()
}

const HALF: &str = "<rect width='50%' height='100%' fill='#f00'/>";

#[test]
fn a_drawing_is_as_large_as_it_says() {
    for (attributes, dimensions) in [
        ("width='30' height='20'", (30, 20)),
        ("width='1in' height='25.4mm'", (96, 96)),
        ("viewBox='0 0 300 200'", (300, 200)),
        ("width='600' viewBox='0 0 300 200'", (600, 400)),
        ("width='50%' height='50%' viewBox='0 0 300 200'", (150, 100)),
        ("width='0.1' height='0.1'", (1, 1)),
    ] {
        let made = Job::svg().picture(&svg(attributes, HALF));
        assert_eq!(made.original, dimensions, "{attributes}");
    }
    // Without a word about it, as large as what is drawn.
    let made = Job::svg().picture(&svg("", "<rect x='5' width='40' height='30'/>"));
    assert_eq!(made.original, (45, 30));
    for attributes in ["width='0' height='5'", "width='-3' height='5'"] {
        assert_eq!(Job::svg().failure(&svg(attributes, HALF)), "corrupt", "{attributes}");
    }
}

#[test]
fn a_drawing_beyond_all_measure_is_drawn_smaller() {
    let made = Job::svg().picture(&svg("width='1e6' height='1e6' viewBox='0 0 2 2'", HALF));
    let (width, height) = made.original;
    assert_eq!(width, height);
    assert!((6_000..7_000).contains(&width), "{width}");
    let made = Job::svg().picture(&svg("width='1e9' height='1'", HALF));
    assert_eq!(made.original, (65_535, 1));
}

#[test]
fn every_size_is_drawn_and_transparent_where_nothing_is() {
    let (basket, drawn) = Job::svg()
        .sizes(&[wide(4), wide(1_000)])
        .draw(&svg("width='10' height='10'", HALF))
        .unwrap();
    assert_eq!(basket.total, Some(1));
    let large = &basket.made[1];
    assert_eq!((large.dimensions, large.original), ((1_000, 1_000), (10, 10)));
    assert_eq!(large.at(499, 500), RED);
    assert_eq!(large.at(500, 500), CLEAR);
    assert_eq!(basket.made[0].at(0, 0), RED);
    assert_eq!(drawn.engines["resvg"], "0.49.0");
    assert!(drawn.metadata.is_empty());
}

#[test]
fn colours_that_shine_through_are_not_darkened() {
    let half = "<rect width='10' height='10' fill='#ff8000' fill-opacity='0.5'/>";
    let [red, green, blue, alpha] = Job::svg().picture(&svg("width='9' height='9'", half)).at(4, 4);
    assert!(red == 255 && (126..=130).contains(&green) && blue == 0, "{red} {green} {blue}");
    assert!((126..=129).contains(&alpha), "{alpha}");
}

#[test]
fn what_is_opaque_becomes_a_jpeg_and_what_is_not_a_png() {
    let mut job = Job::svg();
    job.wish.format = None;
    let full = job.picture(&svg("width='9' height='9'", "<rect width='9' height='9' fill='red'/>"));
    assert_eq!(full.format, Format::Jpg);
    let half = job.picture(&svg("width='10' height='10'", HALF));
    assert_eq!(half.format, Format::Png);
}

#[test]
fn compressed_and_oddly_encoded_text_is_read() {
    let text = String::from_utf8(svg("width='10' height='10'", HALF)).unwrap();
    let mut gz = GzEncoder::new(Vec::new(), Compression::best());
    gz.write_all(text.as_bytes()).unwrap();
    let utf_16 = |unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
        let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
        units.flat_map(unit).collect()
    };
    let mut latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><!-- Gr\xfc\xdfe -->".to_vec();
    latin.extend(text.bytes());
    for bytes in [
        gz.finish().unwrap(),
        utf_16(u16::to_le_bytes),
        utf_16(u16::to_be_bytes),
        [b"\xef\xbb\xbf".as_slice(), text.as_bytes()].concat(),
        latin,
    ] {
        assert_eq!(Job::svg().picture(&bytes).at(1, 1), RED);
    }
    assert_eq!(Job::svg().failure(b"<svg>\xff\xfe</svg>"), "corrupt");
    assert_eq!(Job::svg().failure(b"<html/>"), "corrupt");
    assert_eq!(Job::svg().failure(b"\x1f\x8b\x08broken"), "corrupt");
}

#[test]
fn text_is_drawn_with_the_fonts_lent_and_left_out_without() {
    let word = |family: &str| {
        svg(
            "width='100' height='40'",
            &format!("<text x='5' y='30' font-size='30' font-family='{family}'>HIm</text>"),
        )
    };
    let ink = |made: &crate::Made| made.image().pixels().filter(|it| it.0[3] > 127).count();
    let job = Job::svg().font(SANS).font(SERIF);
    let sans = job.picture(&word("Helvetica Neue, Arial"));
    let serif = job.picture(&word("Georgia"));
    assert!(ink(&sans) > 200 && ink(&serif) > 200);
    assert_ne!(sans.bytes, serif.bytes, "the same font");
    assert_eq!(job.picture(&word("sans-serif")).bytes, sans.bytes);
    assert_eq!(job.picture(&word("Times New Roman")).bytes, serif.bytes);
    assert_eq!(ink(&Job::svg().picture(&word("Arial"))), 0);
}

/// A red PNG of these dimensions.
pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    let picture = image::RgbImage::from_pixel(width, height, image::Rgb([255, 0, 0]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).expect("memory");
    bytes.into_inner()
}

/// A `data:` URL in hexadecimal: no base64 is needed to write one.
pub(crate) fn data(media_type: &str, bytes: &[u8]) -> String {
    let escaped: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
    format!("data:{media_type},{escaped}")
}

#[test]
fn pictures_and_drawings_within_a_drawing_are_drawn() {
    let image = |href: &str| {
        svg("width='10' height='10'", &format!("<image width='10' height='10' href='{href}'/>"))
    };
    for href in [
        data("image/png", &png(2, 2)),
        // By what it is, not by what it is called.
        data("image/jpeg", &png(2, 2)),
        data(
            "image/svg+xml",
            &svg("width='2' height='2'", "<rect width='2' height='2' fill='#f00'/>"),
        ),
        data("image/svg+xml", &image(&data("image/png", &png(2, 2)))),
    ] {
        assert_eq!(Job::svg().picture(&image(&href)).at(5, 5), RED, "{}", &href[..24]);
    }
}

#[test]
fn the_entities_that_old_programs_write_are_understood() {
    let text = "<?xml version='1.0'?><!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' \
        'http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd' [ \
        <!ENTITY ns_svg 'http://www.w3.org/2000/svg'> <!ENTITY st0 'fill:#FF0000'> ]>\
        <svg xmlns='&ns_svg;' width='9' height='9'><rect style='&st0;' width='9' height='9'/></svg>";
    assert_eq!(Job::svg().picture(text.as_bytes()).at(4, 4), RED);
}

#[test]
fn the_same_file_gives_the_same_bytes() {
    let file = svg(
        "width='60' height='60'",
        "<defs><filter id='f'><feGaussianBlur stdDeviation='3'/></filter><linearGradient id='g'>\
         <stop stop-color='red'/><stop offset='1' stop-color='blue'/></linearGradient></defs>\
         <circle cx='30' cy='30' r='20' fill='url(#g)' filter='url(#f)'/><text y='20'>Again</text>",
    );
    let job = Job::svg().font(SANS).sizes(&[json!("original"), wide(300)]);
    assert_eq!(job.draw(&file).unwrap(), job.draw(&file).unwrap());
}
