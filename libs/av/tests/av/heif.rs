//! HEIC and AVIF, in and out.

use domain::wish::{Format, PreviewWish};
use stills::{Kept, Layout, Raster};

use crate::kit::{Pixels, draw, wish};
use crate::made::{by, path};

fn picture() -> String {
    path("picture.png", "-f lavfi -i testsrc2=s=640x360 -frames:v 1").display().to_string()
}

#[test]
fn heic_and_avif_look_as_what_they_were_made_from() {
    let picture = picture();
    let expected = Pixels::of(&std::fs::read(&picture).expect("read"));
    for (name, arguments) in [
        ("p.heic", vec!["-q", "90"]),
        ("p444.heic", vec!["-q", "90", "-p", "chroma=444"]),
        ("p.avif", vec!["-A", "-q", "90", "-p", "speed=8"]),
        ("p10.avif", vec!["-A", "-q", "90", "-b", "10", "-p", "speed=8"]),
    ] {
        let bytes = by(name, "heif-enc", &[&arguments[..], &[&picture]].concat());
        let outcome =
            draw(&bytes, &wish("original")).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((outcome.pages, outcome.kept[0].dimensions), (1, (640, 360)));
        let difference = outcome.pixels(0).difference(&expected);
        assert!(difference < 4.0, "{name}: {difference}");
        let small = draw(&bytes, &wish("100")).expect("drawn");
        assert_eq!(small.kept[0].dimensions, (100, 56));
        assert!(small.engines.contains_key("libheif"));
    }
}

#[test]
fn odd_edges_and_colours_for_every_second_pixel_are_drawn_to_the_edge() {
    // Red to the left, green to the right, blue below.
    let pixels = (0..65 * 49).flat_map(|at| match (at % 65, at / 65) {
        (_, 46..) => [0, 0, 255],
        (..60, _) => [255, 0, 0],
        _ => [0, 255, 0],
    });
    let raster = Raster::new(65, 49, Layout::Rgb, pixels.collect()).expect("a raster");
    let outcome =
        draw(&av::encode_avif(&raster, 80, &Kept::default()).expect("written"), &wish("original"));
    let outcome = outcome.expect("drawn");
    assert_eq!(outcome.kept[0].dimensions, (65, 49));
    let pixels = outcome.pixels(0);
    for (x, y, expected) in [
        ((0.0, 0.02), (0.0, 0.9), [255.0, 0.0, 0.0]),
        ((0.99, 1.0), (0.0, 0.9), [0.0, 255.0, 0.0]),
        ((0.0, 1.0), (0.99, 1.0), [0.0, 0.0, 255.0]),
    ] {
        let mean = pixels.mean(x, y);
        let off = mean.iter().zip(expected).map(|(part, whole)| (part - whole).abs());
        assert!(off.fold(0.0, f64::max) < 12.0, "{mean:?} for {expected:?}");
    }
}

#[test]
fn colours_that_were_multiplied_by_their_opacity_are_divided_by_it() {
    // Half of red, half opaque.
    let picture = path(
        "half.png",
        "-f lavfi -i color=0x800000:s=64x64,format=rgba,colorchannelmixer=aa=0.5 -frames:v 1",
    );
    let picture = picture.display().to_string();
    for (name, option, red) in
        [("half.heic", None, 128.0), ("multiplied.heic", Some("--premultiplied-alpha"), 255.0)]
    {
        let mut arguments = vec!["-L", "-p", "chroma=444"];
        arguments.extend(option);
        arguments.push(&picture);
        let outcome = draw(&by(name, "heif-enc", &arguments), &wish("original")).expect("drawn");
        let mean = outcome.pixels(0).mean((0.2, 0.2), (0.8, 0.8));
        assert!((mean[0] - red).abs() < 6.0 && mean[1] < 6.0, "{name}: {mean:?}");
    }
}

#[test]
fn an_avif_of_ours_can_be_read_and_keeps_its_opacity() {
    let gradient = |layout: Layout| {
        let pixels = (0..64_u32 * 48)
            .flat_map(|at| {
                let (x, y) = (at % 64 * 4, at / 64 * 5);
                [x, y, 128, if x < 128 { 255 } else { 0 }].into_iter().take(layout.bytes())
            })
            .map(|channel| u8::try_from(channel).expect("a byte"))
            .collect();
        Raster::new(64, 48, layout, pixels).expect("a raster")
    };
    for layout in [Layout::Gray, Layout::Rgb, Layout::Rgba] {
        let raster = gradient(layout);
        let sizes: Vec<usize> = [10, 60, 95]
            .map(|quality| {
                av::encode_avif(&raster, quality, &Kept::default()).expect("written").len()
            })
            .into();
        assert!(sizes.is_sorted(), "{sizes:?}");
        let bytes = av::encode_avif(&raster, 80, &Kept::default()).expect("written");
        assert_eq!(bytes, av::encode_avif(&raster, 80, &Kept::default()).expect("written"));
        let outcome = draw(&bytes, &wish("original")).expect("drawn");
        let png = &outcome.kept[0].bytes;
        assert_eq!(png[25] == 6, layout == Layout::Rgba, "{layout:?}");
        let left = outcome.pixels(0).mean((0.1, 0.3), (0.4, 0.6));
        let expected = [51.0, if layout == Layout::Gray { 51.0 } else { 117.0 }];
        assert!(
            (left[0] - expected[0]).abs() < 6.0 && (left[1] - expected[1]).abs() < 6.0,
            "{layout:?}: {left:?}"
        );
    }
}

#[test]
fn a_film_can_be_drawn_as_avif() {
    let bytes = crate::made::media(
        "short.mp4",
        "-f lavfi -i testsrc2=s=320x180:d=1 -c:v libx264 -preset veryfast",
    );
    let mut wish = wish("160");
    wish.format = Some(Format::Avif);
    let outcome = draw(&bytes, &wish).expect("drawn");
    assert_eq!(&outcome.kept[0].bytes[4..12], b"ftypavif");
}

#[test]
fn a_damaged_picture_is_corrupt() {
    let bytes = by("p.heic", "heif-enc", &["-q", "90", &picture()]);
    for cut in [20, 200, bytes.len() / 2] {
        assert!(draw(&bytes[..cut], &wish("64")).is_err(), "{cut}");
    }
}

#[test]
fn a_pictures_exif_is_told() {
    let picture = path("photo.jpg", "-f lavfi -i testsrc2=s=640x360 -frames:v 1");
    // A block of tags with the camera's maker, put behind the start of the JPEG.
    let tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x0f\0\x02\0\0\0\x05\0\0\0\x1a\0\0\0\0Acme\0";
    let mut jpeg = std::fs::read(&picture).expect("read");
    let length = u16::try_from(2 + 6 + tiff.len()).expect("short").to_be_bytes();
    let block = [b"\xff\xe1", &length[..], b"Exif\0\0", tiff].concat();
    jpeg.splice(2..2, block);
    let tagged = picture.with_file_name("tagged.jpg");
    std::fs::write(&tagged, jpeg).expect("write");
    let bytes = by("tagged.heic", "heif-enc", &[&tagged.display().to_string()]);
    let mut wish = wish("64");
    wish.metadata = [domain::wish::MetadataKind::Exif].into();
    let outcome = draw(&bytes, &wish).expect("drawn");
    assert_eq!(outcome.metadata["exif"]["Make"], "Acme");
    assert_eq!(outcome.metadata["exif"]["ImageWidth"], 640);
    let carries = |outcome: &crate::kit::Outcome| {
        outcome.kept[0].bytes.windows(4).any(|bytes| bytes == b"Acme")
    };
    assert!(!carries(&outcome), "it is stripped unless it is to be kept");
    let alone = PreviewWish { sizes: Vec::new(), ..wish.clone() };
    let alone = draw(&bytes, &alone).expect("told");
    assert_eq!((&alone.metadata, alone.kept.len()), (&outcome.metadata, 0));
    wish.options.embedded = domain::wish::Embedded::Keep;
    assert!(carries(&draw(&bytes, &wish).expect("drawn")));
}

/// What is told of a real file.
fn told_of_real(path: &str) -> serde_json::Value {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/corpus/files");
    let missing = format!("{path}: `./justw --need corpus` lays it there");
    let bytes = std::fs::read(folder.join(path)).expect(&missing);
    let metadata = [domain::wish::MetadataKind::Exif].into();
    let alone = PreviewWish { sizes: Vec::new(), metadata, ..wish("64") };
    draw(&bytes, &alone).unwrap_or_else(|error| panic!("{path}: {error}")).metadata["exif"].clone()
}

#[test]
fn the_headers_of_real_files_tell_colours_depth_and_frames() {
    let null = serde_json::Value::Null;
    for (path, depth, model, profile, primaries, frames) in [
        ("avif/icc_profile.avif", 8, "YCbCr", Some("sRGB IEC61966-2.1"), None, None),
        ("avif/transparency.avif", 8, "YCbCr with alpha", None, Some("bt709"), None),
        ("avif/star.avifs", 8, "YCbCr with alpha", None, None, Some(5)),
        ("heif/RGB_10__29x100.heif", 10, "YCbCr", None, None, None),
        ("heif/RGBA_8__128x128.heif", 8, "YCbCr with alpha", None, None, None),
        ("heif/L_8__128x128.heif", 8, "Gray", None, None, None),
        ("heif/zPug_3.heic", 8, "Gray", None, None, None),
        ("heif_other/arrow.heic", 8, "YCbCr", Some("Display P3"), None, None),
    ] {
        let folder = if path.starts_with("avif") { "pillow/Tests" } else { "pillow_heif/tests" };
        let told = told_of_real(&format!("{folder}/images/{path}"));
        assert_eq!(told["BitDepth"], depth, "{path}: {told}");
        assert_eq!(told["ColorModel"], model, "{path}: {told}");
        for (name, expected) in [
            ("ProfileDescription", profile.map(serde_json::Value::from)),
            ("ColorPrimaries", primaries.map(serde_json::Value::from)),
            ("FrameCount", frames.map(serde_json::Value::from)),
        ] {
            assert_eq!(told.get(name).unwrap_or(&null), &expected.unwrap_or_default(), "{path}");
        }
    }
    assert_eq!(told_of_real("pillow_heif/tests/images/heif/zPug_3.heic")["PageCount"], 3);
    let nclx = told_of_real("pillow/Tests/images/avif/transparency.avif");
    assert_eq!(nclx["TransferCharacteristics"], "iec61966-2-1");
    assert_eq!(
        (&nclx["MatrixCoefficients"], &nclx["VideoFullRangeFlag"]),
        (&"smpte170m".into(), &1.into())
    );
}

#[test]
fn exif_with_a_long_note_of_its_maker_is_told() {
    let told = told_of_real("pillow_heif/tests/images/heif_special/xiaomi.heic");
    assert_eq!(told["Make"], "Xiaomi", "{told}");
    assert_eq!(told["FNumber"], 2.4, "{told}");
}

/// What ExifTool, an independent reader, finds in a file.
fn exiftool(bytes: &[u8]) -> serde_json::Value {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    std::io::Write::write_all(&mut file, bytes).expect("written");
    let tool = std::process::Command::new("exiftool")
        .args(["-json", "-G1", "-n", "-all:all"])
        .arg(file.path())
        .output()
        .expect("exiftool");
    let told: serde_json::Value = serde_json::from_slice(&tool.stdout).expect("JSON");
    told[0].clone()
}

#[test]
fn an_avif_carries_the_sources_metadata_if_that_is_wished_for() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/corpus/files");
    for (path, toolkit) in [
        ("pillow_heif/tests/images/heif_other/L_exif_xmp_iptc.heic", true),
        ("pillow/Tests/images/avif/xmp_tags_orientation.avif", false),
    ] {
        let source = std::fs::read(folder.join(path)).expect(path);
        let stripped = PreviewWish { format: Some(Format::Avif), ..wish("original") };
        let mut kept = stripped.clone();
        kept.options.embedded = domain::wish::Embedded::Keep;
        let plain = draw(&source, &stripped).expect("drawn");
        let found = exiftool(&plain.kept[0].bytes);
        let names = |found: &serde_json::Value| -> Vec<String> {
            found.as_object().expect("tags").keys().cloned().collect()
        };
        assert!(!names(&found).iter().any(|name| name.starts_with("XMP") || name.contains("IFD")));
        let carrying = draw(&source, &kept).expect("drawn");
        let found = exiftool(&carrying.kept[0].bytes);
        assert!(names(&found).iter().any(|name| name.starts_with("XMP")), "{found:#}");
        assert_eq!(found.get("ExifTool:Error"), None, "{found:#}");
        if toolkit {
            assert_eq!(found["IFD0:Make"], "SONY", "{found:#}");
            assert_eq!(found["IFD0:Orientation"], 1, "{found:#}");
            assert_eq!(found["XMP-aux:Lens"], "EF-S18-55mm f/3.5-5.6 III", "{found:#}");
        } else {
            assert_eq!(found["XMP-tiff:Orientation"], 1, "{found:#}");
        }
        // It is as good a picture as without.
        let pixels = crate::kit::Pixels::of(&plain.kept[0].bytes);
        let difference = crate::kit::Pixels::of(&carrying.kept[0].bytes).difference(&pixels);
        assert!(difference < f64::EPSILON, "{difference}");
    }
}
