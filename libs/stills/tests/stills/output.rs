//! What can be set: quality, background, crop, embedded metadata.

use domain::limits::Limits;
use domain::wish::{Background, Crop, Embedded, Format, MetadataKind, Quality};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use serde_json::{Value, json};

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

/// An XMP packet of a picture that lies on its side.
const PACKET: &str = "<?xpacket begin='\u{feff}' id='W5M0MpCehiHzreSzNTczkc9d'?>\
    <x:xmpmeta xmlns:x='adobe:ns:meta/'>\
    <rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>\
    <rdf:Description rdf:about='' xmlns:tiff='http://ns.adobe.com/tiff/1.0/' \
    xmlns:dc='http://purl.org/dc/elements/1.1/' tiff:Orientation='6' dc:source='Darkroom'/>\
    </rdf:RDF></x:xmpmeta><?xpacket end='w'?>";

/// The tagged picture with XMP and IPTC as well.
fn described() -> Vec<u8> {
    let xmp = ["http://ns.adobe.com/xap/1.0/\0", PACKET].concat();
    let iptc = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x09\x1c\x02\x5a\0\x04Rome\0";
    with_segment(&with_segment(&tagged(), 0xe1, xmp.as_bytes()), 0xed, iptc)
}

/// What ExifTool, an independent reader, finds in a file.
fn exiftool(bytes: &[u8]) -> Value {
    let path = std::env::temp_dir().join(format!("stills-{:?}", std::thread::current().id()));
    std::fs::write(&path, bytes).expect("written");
    let tool = std::process::Command::new("exiftool")
        .args(["-json", "-G1", "-n", "-all:all"])
        .arg(&path)
        .output()
        .expect("exiftool");
    std::fs::remove_file(&path).expect("removed");
    let told: Value = serde_json::from_slice(&tool.stdout).expect("JSON");
    told[0].clone()
}

#[test]
fn xmp_and_iptc_are_kept_on_demand_where_the_format_has_a_place() {
    for format in [Format::Jpg, Format::Png, Format::Webp, Format::Gif] {
        let mut wish = wish(&["10"], Some(format));
        let plain = exiftool(&drawn(&described(), &wish).made[0].bytes);
        for name in ["XMP-tiff:Orientation", "XMP-dc:Source", "IPTC:City", "IFD0:Make"] {
            assert_eq!(plain[name], Value::Null, "{format:?}");
        }
        wish.options.embedded = Embedded::Keep;
        let made = &drawn(&described(), &wish).made[0];
        made.image();
        let found = exiftool(&made.bytes);
        assert_eq!(found["XMP-tiff:Orientation"], 1, "{format:?}: {found:#}");
        assert_eq!(found["XMP-dc:Source"], "Darkroom", "{format:?}: {found:#}");
        assert_eq!(found["IPTC:City"] == "Rome", format == Format::Jpg, "{format:?}: {found:#}");
        assert_eq!(found["IFD0:Make"] == "Abc", format != Format::Gif, "{format:?}: {found:#}");
        // And from there into the next one.
        let again = exiftool(&drawn(&made.bytes, &wish).made[0].bytes);
        assert_eq!(again["XMP-dc:Source"], "Darkroom", "{format:?}: {again:#}");
    }
}

#[test]
fn what_moves_carries_what_is_kept() {
    let frames = [40, 200].map(|gray| {
        stills::Raster::new(20, 20, stills::Layout::Rgb, vec![gray; 1_200]).map(|it| (it, 100))
    });
    let motion = stills::Motion::default();
    let moving = stills::animate(Format::Gif, (20, 20), motion, frames).expect("written");
    let mut wish = wish(&["10"], Some(Format::Gif));
    wish.options.embedded = Embedded::Keep;
    let tagged = drawn(&described(), &wish).made[0].bytes.clone();
    // The packet and what is behind it, in a file of two frames.
    let at = tagged.windows(11).position(|bytes| bytes == b"XMP DataXMP").expect("XMP") - 3;
    let moving = [&moving[..moving.len() - 1], &tagged[at..]].concat();
    for format in [Format::Gif, Format::Webp] {
        wish.format = Some(format);
        let made = &drawn(&moving, &wish).made[0];
        let found = exiftool(&made.bytes);
        assert_eq!(found["XMP-dc:Source"], "Darkroom", "{format:?}: {found:#}");
        match format {
            Format::Gif => assert_eq!(found["GIF:FrameCount"], 2, "{found:#}"),
            _ => assert_eq!(made.bytes.windows(4).filter(|name| name == b"ANMF").count(), 2),
        }
    }
}

#[test]
fn a_packet_that_declares_entities_is_not_kept() {
    let bomb = PACKET.replace("<x:xmpmeta", "<!DOCTYPE a [<!ENTITY b 'c'>]><x:xmpmeta");
    let xmp = ["http://ns.adobe.com/xap/1.0/\0", &bomb].concat();
    let source = with_segment(&tagged(), 0xe1, xmp.as_bytes());
    let mut wish = wish(&["10"], Some(Format::Jpg));
    wish.options.embedded = Embedded::Keep;
    let found = exiftool(&drawn(&source, &wish).made[0].bytes);
    assert_eq!((&found["IFD0:Make"], &found["XMP-dc:Source"]), (&json!("Abc"), &Value::Null));
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
