//! Formats beyond the common ones, each from bytes made here.

use domain::limits::Limits;
use domain::wish::{Format, MetadataKind, Pages};
use filetype::{Filetype, Kind};
use image::codecs::ico::{IcoEncoder, IcoFrame};
use image::{DynamicImage, ExtendedColorType, ImageFormat, Rgb32FImage};

use crate::{Basket, draw_as, drawn, encoded, near, photo, wish};

/// 12 by 8 pixels of red, without loss; then with a little.
const JXL: &str = "ff0a014124080201006c004b188b15c24902e6052200d8fffed0000000000000000000000000";
const LOSSY_JXL: &str = "ff0a01070012880200dc005de5120000152aa38c1bbc9cebf9f24387c5b48deb0c6db56d6149a2c8383649277048128b20eef64041000042ccc39c60cab06995240013";

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).expect("hex"))
        .collect()
}

/// A JPEG XL without boxes.
pub(crate) fn jxl() -> Vec<u8> {
    unhex(JXL)
}

fn kind(kind: Kind) -> Filetype {
    Filetype { kind, ..filetype::sniff(b"") }
}

fn drawn_as(as_kind: Kind, bytes: &[u8], wish: &domain::wish::PreviewWish) -> Basket {
    let (basket, result) = draw_as(&kind(as_kind), bytes, wish, &Limits::default());
    result.unwrap_or_else(|error| panic!("{as_kind:?}: {error}"));
    basket
}

const LESS_COMMON: [(Kind, ImageFormat); 4] = [
    (Kind::Pnm, ImageFormat::Pnm),
    (Kind::Qoi, ImageFormat::Qoi),
    (Kind::Tga, ImageFormat::Tga),
    (Kind::Ico, ImageFormat::Ico),
];

#[test]
fn less_common_formats_are_drawn_with_their_colours() {
    let picture = photo(120, 80);
    let wanted = picture.to_rgb8();
    for (as_kind, format) in LESS_COMMON {
        let basket = drawn_as(
            as_kind,
            &encoded(&picture, format),
            &wish(&["original", "60"], Some(Format::Png)),
        );
        for (x, y) in [(10, 10), (100, 70), (60, 40)] {
            assert_eq!(basket.made[0].rgb(x, y), wanted.get_pixel(x, y).0, "{as_kind:?}");
        }
        assert_eq!(basket.made[1].dimensions, (60, 40));
    }
}

#[test]
fn every_ending_of_them_is_corrupt_or_a_picture_but_never_a_crash() {
    let mut files: Vec<(Kind, Vec<u8>)> = LESS_COMMON
        .iter()
        .map(|(as_kind, format)| (*as_kind, encoded(&photo(30, 20), *format)))
        .collect();
    files.push((Kind::Hdr, encoded(&lights(1.0), ImageFormat::Hdr)));
    files.push((Kind::Exr, encoded(&lights(1.0), ImageFormat::OpenExr)));
    files.push((Kind::Jxl, unhex(JXL)));
    files.push((Kind::Jxl, unhex(LOSSY_JXL)));
    for (as_kind, file) in files {
        for length in (1..file.len()).step_by((file.len() / 60).max(1)) {
            let limits = Limits { pixels: 1_000_000, ..Limits::default() };
            let (_, result) =
                draw_as(&kind(as_kind), &file[..length], &wish(&["8"], None), &limits);
            if let Err(error) = result {
                let code = error.code().name();
                let known = ["corrupt", "unsupported", "too_many_pixels", "renderer_memory"];
                assert!(known.contains(&code), "{as_kind:?} {length}: {code}: {error}");
            }
        }
        let tight = Limits { pixels: 50, ..Limits::default() };
        let (_, result) = draw_as(&kind(as_kind), &file, &wish(&["8"], None), &tight);
        assert_eq!(result.expect_err("too large").code().name(), "too_many_pixels", "{as_kind:?}");
    }
}

#[test]
fn jpeg_xl_is_drawn() {
    for (file, most) in [(JXL, 0), (LOSSY_JXL, 4)] {
        let mut wish = wish(&["original"], Some(Format::Png));
        wish.metadata.insert(MetadataKind::Exif);
        let (basket, result) = draw_as(&kind(Kind::Jxl), &unhex(file), &wish, &Limits::default());
        let metadata = result.expect("drawn").metadata;
        assert_eq!(metadata["exif"]["ImageWidth"], 12);
        assert_eq!(metadata["exif"]["BitDepth"], 8);
        assert_eq!(basket.made[0].dimensions, (12, 8));
        assert!(
            near(basket.made[0].rgb(5, 5), [255, 0, 0], most),
            "{:?}",
            basket.made[0].rgb(5, 5)
        );
    }
}

/// A ramp of light up to `most`, from left to right.
fn lights(most: f32) -> DynamicImage {
    DynamicImage::ImageRgb32F(Rgb32FImage::from_fn(64, 16, |x, _| {
        let light = most * x as f32 / 63.0;
        image::Rgb([light; 3])
    }))
}

#[test]
fn light_without_an_end_is_exposed_by_what_most_of_it_is() {
    for (as_kind, format) in [(Kind::Hdr, ImageFormat::Hdr), (Kind::Exr, ImageFormat::OpenExr)] {
        let mut shown = Vec::new();
        // From candle to sun: exposed alike; from a quarter of white to white: left alone.
        for most in [0.01, 1.0, 5_000.0] {
            let basket = drawn_as(
                as_kind,
                &encoded(&lights(most), format),
                &wish(&["original"], Some(Format::Png)),
            );
            let ramp: Vec<u8> = (0..64).map(|x| basket.made[0].rgb(x, 8)[0]).collect();
            assert!(ramp.is_sorted(), "{as_kind:?} {most}: {ramp:?}");
            assert!(ramp[0] < 10 && ramp[63] > 200, "{as_kind:?} {most}: {ramp:?}");
            shown.push(ramp[32]);
        }
        // Half of the light is 188 in sRGB.
        assert!(shown.iter().all(|middle| middle.abs_diff(188) < 14), "{as_kind:?} {shown:?}");
    }
}

#[test]
fn pictures_of_an_icon_are_its_pages_the_largest_first() {
    let frames: Vec<IcoFrame<'_>> = [16, 64, 32]
        .into_iter()
        .map(|edge| {
            let pixels = photo(edge, edge).to_rgba8().into_raw();
            IcoFrame::as_png(&pixels, edge, edge, ExtendedColorType::Rgba8).expect("a frame")
        })
        .collect();
    let mut file = Vec::new();
    IcoEncoder::new(&mut file).encode_images(&frames).expect("an icon");
    let mut wish = wish(&["original"], Some(Format::Png));
    wish.pages = Pages::parse("all").expect("pages");
    wish.metadata.insert(MetadataKind::Exif);
    let (basket, told) = draw_as(&kind(Kind::Ico), &file, &wish, &Limits::default());
    assert_eq!(told.expect("drawn").metadata["exif"]["PageCount"], 3);
    assert_eq!(basket.total, Some(3));
    let found: Vec<_> = basket.made.iter().map(|made| made.dimensions.0).collect();
    assert_eq!(found, [64, 32, 16]);
}

#[test]
fn a_lossy_webp_comes_out_as_it_went_in() {
    let picture = photo(161, 91);
    let source = encoded(&picture, ImageFormat::Png);
    let webp = drawn(&source, &wish(&["original"], Some(Format::Webp))).made.remove(0).bytes;
    let wanted = image::load_from_memory(&webp).expect("a picture").to_rgb8();
    for format in [Format::Png, Format::Jpg, Format::Webp] {
        let basket = drawn(&webp, &wish(&["original"], Some(format)));
        for (x, y) in [(10, 10), (150, 80), (80, 45), (160, 90)] {
            let (found, wanted) = (basket.made[0].rgb(x, y), wanted.get_pixel(x, y).0);
            assert!(near(found, wanted, 22), "{format:?} {x} {y} {found:?} {wanted:?}");
        }
    }
}

#[test]
fn tiff_in_strips_of_every_packing_is_the_same_picture() {
    use tiff::encoder::{Compression, DeflateLevel, TiffEncoder, colortype};
    use tiff::tags::Predictor;
    let picture = photo(131, 77).to_rgb8();
    for compression in [
        Compression::Uncompressed,
        Compression::Lzw,
        Compression::Packbits,
        Compression::Deflate(DeflateLevel::default()),
    ] {
        for predictor in [Predictor::None, Predictor::Horizontal] {
            if matches!(compression, Compression::Uncompressed | Compression::Packbits)
                && predictor != Predictor::None
            {
                continue;
            }
            let mut file = std::io::Cursor::new(Vec::new());
            TiffEncoder::new(&mut file)
                .expect("begun")
                .with_compression(compression)
                .with_predictor(predictor)
                .write_image::<colortype::RGB8>(131, 77, picture.as_raw())
                .expect("written");
            let file = file.into_inner();
            let basket = drawn(&file, &wish(&["original"], Some(Format::Png)));
            assert_eq!(basket.made[0].image().to_rgb8(), picture, "{predictor:?}");
        }
    }
}
