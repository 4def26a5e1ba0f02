//! Files in, renditions out.

use std::io::Write;
use std::path::PathBuf;

use domain::limits::Limits;
use domain::wish::{Format, MetadataKind};
use enclave::{Config, Pool, Stage};
use image::{DynamicImage, ImageFormat};

use crate::pictures::{encoded, photo};
use crate::{config, draw, draw_with, wish};

const FORMATS: [(ImageFormat, &str, &str); 6] = [
    (ImageFormat::Jpeg, "image/jpeg", "jpg"),
    (ImageFormat::Png, "image/png", "png"),
    (ImageFormat::Gif, "image/gif", "gif"),
    (ImageFormat::WebP, "image/webp", "webp"),
    (ImageFormat::Tiff, "image/tiff", "tiff"),
    (ImageFormat::Bmp, "image/bmp", "bmp"),
];

#[tokio::test]
async fn every_kind_is_drawn_in_every_format_behind_the_walls() {
    let pool = Pool::start(&config()).expect("a pool");
    let picture = photo(300, 200);
    let clear = DynamicImage::ImageRgba8({
        let mut clear = picture.to_rgba8();
        clear.pixels_mut().for_each(|pixel| pixel.0[3] = pixel.0[0]);
        clear
    });
    for (kind, media_type, extension) in FORMATS {
        let with_alpha = matches!(kind, ImageFormat::Png | ImageFormat::WebP);
        let sources = [Some(&picture), with_alpha.then_some(&clear)];
        for source in sources.into_iter().flatten().map(|source| encoded(source, kind)) {
            let formats = [Format::Jpg, Format::Png, Format::Webp, Format::Gif].map(Some);
            for format in [None].into_iter().chain(formats) {
                let mut wish = wish(&["600", "x100", "original", "32x32"], format);
                wish.metadata.insert(MetadataKind::Exif);
                let outcome = draw(&pool, &source, wish).await;
                let sniffed = outcome.sniffed.as_ref().expect("sniffed");
                assert_eq!((&*sniffed.media_type, &*sniffed.extension), (media_type, extension));
                assert_eq!((outcome.rendered().artifacts, outcome.total), (4, Some(1)));
                let expected = [(600, 400), (150, 100), (300, 200), (32, 21)];
                for (index, dimensions) in expected.into_iter().enumerate() {
                    let made = &outcome.artifacts[index];
                    assert_eq!((made.page, made.size_index), (1, index));
                    assert_eq!((made.width, made.height), dimensions);
                    assert_eq!(made.resized, dimensions != (300, 200));
                    let bytes = outcome.bytes(index);
                    assert_eq!(bytes.len() as u64, made.bytes);
                    let decoded = image::load_from_memory(&bytes).expect("a picture");
                    assert_eq!((decoded.width(), decoded.height()), dimensions);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_large_photograph_is_drawn_within_its_means() {
    let pool = Pool::start(&config()).expect("a pool");
    let source = encoded(&photo(6000, 4000), ImageFormat::Jpeg);
    let outcome = draw(&pool, &source, wish(&["1920", "640", "256"], None)).await;
    let rendered = outcome.rendered();
    assert!(rendered.read_bytes <= source.len() as u64 + 4_096, "each byte is read once");
    assert!(rendered.peak_bytes < 200 << 20, "{}", rendered.peak_bytes);
    println!("cpu {} ms, peak {} MiB", rendered.cpu_ms, rendered.peak_bytes >> 20);
}

#[tokio::test]
async fn a_picture_that_needs_more_memory_than_there_is_fails_for_that_reason() {
    let pool = Pool::start(&config()).expect("a pool");
    let limits = Limits { renderer_memory_bytes: 64 << 20, ..Limits::default() };
    for (kind, code) in [
        (ImageFormat::Jpeg, "renderer_memory"),
        (ImageFormat::Png, "renderer_memory"),
        (ImageFormat::Bmp, "source_too_large"),
    ] {
        let source = encoded(&photo(5000, 5000), kind);
        let outcome = draw_with(&pool, &source, wish(&["original"], None), limits).await;
        assert_eq!(outcome.failure(), code, "{kind:?}: {:?}", outcome.result);
    }
}

#[tokio::test]
async fn thirty_damaged_files_fail_with_a_reason_and_the_next_job_is_drawn() {
    let pool = Pool::start(&config()).expect("a pool");
    let picture = photo(90, 60);
    let mut cases: Vec<(String, Vec<u8>, &[&str])> = Vec::new();
    for (kind, media_type, _) in FORMATS {
        let file = encoded(&picture, kind);
        for part in [2, 3, 4] {
            let length = (file.len() - 40) * part / 5;
            cases.push((format!("{media_type} cut"), file[..length].to_vec(), &["corrupt"]));
        }
        let mut noise = file.clone();
        for byte in noise.iter_mut().skip(30).step_by(3) {
            *byte ^= 0x5a;
        }
        cases.push((
            format!("{media_type} noise"),
            noise,
            &["none", "corrupt", "unsupported", "too_many_pixels"],
        ));
    }
    // What is no picture is drawn as what it is, or as an icon.
    for (name, bytes) in [
        ("text", &b"this is no picture"[..]),
        ("playlist", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"),
        ("zip", b"PK\x03\x04and so on"),
        ("svg", b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"),
        ("pdf", b"%PDF-1.4 and nothing else"),
        ("zeroes", &[0; 5_000]),
    ] {
        cases.push((name.to_owned(), bytes.to_vec(), &["none", "corrupt"]));
    }
    cases.push(("nothing".to_owned(), Vec::new(), &["source_empty"]));
    assert!(cases.len() > 30);
    let fine = encoded(&picture, ImageFormat::Png);
    for (name, bytes, codes) in cases {
        let outcome = draw(&pool, &bytes, wish(&["30"], None)).await;
        let code = if outcome.result.is_ok() { "none" } else { outcome.failure() };
        assert!(codes.contains(&code), "{name}: {:?}", outcome.result);
        let next = draw(&pool, &fine, wish(&["30"], None)).await;
        assert_eq!(next.artifacts.len(), 1, "after {name}: {:?}", next.result);
    }
}

#[tokio::test]
async fn what_others_draw_is_handed_over_before_anything_is_drawn() {
    let pool = Pool::start(&config()).expect("a pool");
    let photograph = encoded(&photo(90, 60), ImageFormat::Jpeg);
    let rtf = b"{\\rtf1\\ansi text}";
    let film = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\0\x08mdat";
    let page = b"<!DOCTYPE html><title>x</title><p>text";
    for (bytes, format, to) in [
        (&photograph[..], Some(Format::Avif), Stage::Av),
        (film, None, Stage::Av),
        (rtf, None, Stage::Office),
        (rtf, Some(Format::Avif), Stage::Office),
        (page, None, Stage::Browser),
    ] {
        let outcome = draw(&pool, bytes, wish(&["30"], format)).await;
        assert_eq!(outcome.handed_over().to, to, "{:?}", outcome.sniffed);
        assert!(outcome.sniffed.is_some() && outcome.total.is_none());
    }
}

#[tokio::test]
async fn nothing_is_drawn_where_metadata_alone_is_wished_for() {
    let pool = Pool::start(&config()).expect("a pool");
    let photograph = encoded(&photo(900, 600), ImageFormat::Jpeg);
    let small = encoded(&photo(90, 60), ImageFormat::Jpeg);
    for (bytes, kind, total) in [
        (photograph, MetadataKind::Exif, 1),
        // Without the office suite: it says itself how many pages it has.
        (document(&small), MetadataKind::Document, 13),
        (b"a,b\n1,2\n".to_vec(), MetadataKind::Document, 1),
        (b"%PDF-1.4 and nothing else".to_vec(), MetadataKind::Document, 0),
    ] {
        let mut wish = wish(&[], Some(Format::Avif));
        wish.metadata.insert(kind);
        let outcome = draw(&pool, &bytes, wish).await;
        if total == 0 {
            assert_eq!(outcome.failure(), "corrupt", "{:?}", outcome.result);
            continue;
        }
        assert_eq!((outcome.rendered().artifacts, outcome.total), (0, Some(total)));
        assert!(outcome.rendered().metadata.contains_key(kind.name()), "{:?}", outcome.result);
    }
}

/// A document of 13 pages, with a small picture of the first.
fn document(small: &[u8]) -> Vec<u8> {
    let types = "<Types><Override ContentType='application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml'/></Types>";
    let mut file = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in [
        ("[Content_Types].xml", types.as_bytes()),
        ("docProps/app.xml", b"<Properties><Pages>13</Pages></Properties>"),
        ("docProps/thumbnail.jpeg", small),
        ("word/document.xml", b"<w:document/>"),
    ] {
        file.start_file(name, zip::write::SimpleFileOptions::default()).expect("started");
        file.write_all(bytes).expect("written");
    }
    file.finish().expect("finished").into_inner()
}

#[tokio::test]
async fn a_documents_own_small_picture_serves_small_sizes_of_its_first_page() {
    let pool = Pool::start(&config()).expect("a pool");
    let document = document(&encoded(&photo(180, 256), ImageFormat::Jpeg));
    let mut small = wish(&["128", "x256"], None);
    small.metadata.insert(MetadataKind::Document);
    let outcome = draw(&pool, &document, small.clone()).await;
    let rendered = outcome.rendered();
    assert_eq!((outcome.total, outcome.artifacts.len()), (Some(13), 2));
    assert_eq!(rendered.metadata["document"]["pages"], 13);
    println!("{} ms, {} ms of CPU", rendered.wall_ms, rendered.cpu_ms);
    // Whatever needs more than it has is left to those who can print the document.
    small.pages = domain::wish::Pages::parse("1-2").expect("pages");
    let mut read = wish(&["128"], None);
    read.metadata.insert(MetadataKind::Ocr);
    for wish in [wish(&["128", "400"], None), wish(&["original"], None), small, read] {
        let outcome = draw(&pool, &document, wish).await;
        assert_eq!(outcome.handed_over().to, Stage::Office);
        assert!(outcome.artifacts.is_empty() && outcome.total.is_none());
    }
    let odd = self::document(b"no picture");
    assert_eq!(draw(&pool, &odd, wish(&["64"], None)).await.handed_over().to, Stage::Office);
}

#[tokio::test]
async fn text_is_drawn_with_the_fonts_that_travel_with_the_order() {
    let drawing = "<svg xmlns='http://www.w3.org/2000/svg' width='200' height='60'>\
                   <text x='10' y='40' font-size='40'>Hill</text></svg>";
    let with = Config { fonts: vec![font()], ..config() };
    let mut seen = Vec::new();
    for config in [with, config()] {
        let pool = Pool::start(&config).expect("a pool");
        let outcome = draw(&pool, drawing.as_bytes(), wish(&["200"], None)).await;
        let picture = image::load_from_memory(&outcome.bytes(0)).expect("a picture").to_rgba8();
        let dark = picture.pixels().filter(|pixel| pixel.0[3] > 128).filter(|p| p.0[0] < 128);
        seen.push(dark.count());
    }
    assert!(seen[0] > 200 && seen[1] == 0, "{seen:?}");
}

fn font() -> PathBuf {
    PathBuf::from("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
}

#[tokio::test]
async fn a_picture_of_many_opacities_is_written_as_webp() {
    let noise = |x: u32, y: u32| (64 * y + x).wrapping_mul(0x9e37_79b1).to_be_bytes();
    let picture = image::RgbaImage::from_fn(64, 64, |x, y| image::Rgba(noise(x, y)));
    let source = encoded(&DynamicImage::ImageRgba8(picture.clone()), ImageFormat::Png);
    let pool = Pool::start(&config()).expect("a pool");
    let outcome = draw(&pool, &source, wish(&["original"], Some(Format::Webp))).await;
    let drawn = image::load_from_memory(&outcome.bytes(0)).expect("a picture").to_rgba8();
    let opacities = |picture: &image::RgbaImage| -> Vec<u8> {
        picture.pixels().map(|pixel| pixel.0[3]).collect()
    };
    assert_eq!(opacities(&drawn), opacities(&picture));
}

/// Boxes for letters that no font has are all the same.
#[tokio::test]
async fn this_machines_fonts_have_letters_and_no_boxes_for_what_most_people_write() {
    let pool = Pool::start(&Config { fonts: Config::usual_fonts(), ..config() }).expect("a pool");
    for (one, other) in [
        ("АБВГ", "ДЕЖЗ"),
        ("ΑΒΓΔ", "ΕΖΗΘ"),
        ("אבגד", "הוזח"),
        ("ابتث", "جحخد"),
        ("中文文本", "天地玄黄"),
        ("あいうえ", "カキクケ"),
        ("한국어안", "녕하세요"),
        ("กขคง", "จฉชซ"),
        ("ກຂຄງ", "ຈຊຍດ"),
        ("កខគឃ", "ងចឆជ"),
        ("ကခဂဃ", "ငစဆဇ"),
        ("कखगघ", "चछजझ"),
        ("কখগঘ", "চছজঝ"),
        ("ਕਖਗਘ", "ਚਛਜਝ"),
        ("કખગઘ", "ચછજઝ"),
        ("କଖଗଘ", "ଚଛଜଝ"),
        ("கஙசஞ", "டணதந"),
        ("కఖగఘ", "చఛజఝ"),
        ("ಕಖಗಘ", "ಚಛಜಝ"),
        ("കഖഗഘ", "ചഛജഝ"),
        ("කඛගඝ", "චඡජඣ"),
        ("🥑🦊🧩🦉", "🥝🧊🦄🧭"),
    ] {
        let mut drawn = Vec::new();
        for text in [one, other] {
            let outcome = draw(&pool, text.as_bytes(), wish(&["original"], None)).await;
            drawn.push(outcome.bytes(0));
        }
        assert_ne!(drawn[0], drawn[1], "{one}");
    }
}

#[tokio::test]
async fn jobs_run_side_by_side() {
    let pool = Pool::start(&config()).expect("a pool");
    let source = encoded(&photo(400, 300), ImageFormat::Jpeg);
    let mut jobs = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let (pool, source) = (pool.clone(), source.clone());
        jobs.spawn(async move { draw(&pool, &source, wish(&["100"], None)).await.bytes(0) });
    }
    let mut seen = jobs.join_all().await;
    seen.dedup();
    assert_eq!(seen.len(), 1, "the same input gives the same bytes");
}
