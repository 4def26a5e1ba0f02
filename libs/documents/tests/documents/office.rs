//! Office files and books: what they say of themselves, and the pictures they carry.

use super::*;

/// A zip archive of stored files.
fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        let offset = u32::try_from(archive.len()).unwrap();
        let length = u32::try_from(bytes.len()).unwrap();
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x5a, 0, 0, 0, 0];
        common.extend(length.to_le_bytes());
        common.extend(length.to_le_bytes());
        common.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        common.extend([0, 0]);
        archive.extend(b"PK\x03\x04");
        archive.extend(&common);
        archive.extend(name.as_bytes());
        archive.extend(*bytes);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (offset, count) = (archive.len(), u16::try_from(files.len()).unwrap());
    archive.extend(&directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend(count.to_le_bytes());
    archive.extend(count.to_le_bytes());
    archive.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
    archive.extend(u32::try_from(offset).unwrap().to_le_bytes());
    archive.extend([0, 0]);
    archive
}

fn png() -> Vec<u8> {
    let mut bytes = io::Cursor::new(Vec::new());
    let red = RgbImage::from_pixel(60, 80, image::Rgb([200, 0, 0]));
    red.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

const CORE: &[u8] = b"<cp:coreProperties xmlns:dc='d' xmlns:dcterms='t'><dc:title>A &amp; B</dc:title>\
<dc:creator>Ada</dc:creator><dcterms:created>2026-01-31T12:00:00Z</dcterms:created></cp:coreProperties>";
const APP: &[u8] = b"<Properties><Pages>13</Pages><Application>Words</Application></Properties>";
const TYPES: &[u8] = b"<Types><Override ContentType='application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml'/></Types>";

#[test]
fn an_office_file_tells_its_core_properties_and_lends_its_thumbnail() {
    let png = png();
    let docx = zip(&[
        ("[Content_Types].xml", TYPES),
        ("docProps/core.xml", CORE),
        ("docProps/app.xml", APP),
        ("docProps/thumbnail.png", &png),
    ]);
    let (found, limits) = (sniff(&docx), Limits::default());
    let told = documents::office(&found, &mut Bytes(&docx), &limits).unwrap();
    assert_eq!(told["title"], "A & B");
    assert_eq!(told["creator"], "Ada");
    assert_eq!(told["created"], "2026-01-31T12:00:00Z");
    assert_eq!(told["pages"], 13);
    let thumbnail = documents::office_thumbnail(&found, &mut Bytes(&docx), &limits).unwrap();
    assert_eq!(thumbnail, Some(png));
}

#[test]
fn an_opendocument_tells_what_it_counts_and_when_it_is_locked() {
    let meta = b"<office:document-meta><meta:initial-creator>Ada</meta:initial-creator>\
<meta:document-statistic meta:page-count='3' meta:word-count='700'/></office:document-meta>";
    let media_type = b"application/vnd.oasis.opendocument.text";
    let odt = zip(&[("mimetype", media_type), ("meta.xml", meta)]);
    let limits = Limits::default();
    let told = documents::office(&sniff(&odt), &mut Bytes(&odt), &limits).unwrap();
    assert_eq!(
        (told["creator"].as_str(), told["pages"].as_u64(), told["words"].as_u64()),
        (Some("Ada"), Some(3), Some(700))
    );
    let manifest = b"<manifest:file-entry><manifest:encryption-data/></manifest:file-entry>";
    let locked = zip(&[("mimetype", media_type), ("META-INF/manifest.xml", manifest)]);
    let refused = documents::office(&sniff(&locked), &mut Bytes(&locked), &limits);
    assert!(matches!(refused, Err(Error::Encrypted)));
}

const CONTAINER: &[u8] =
    b"<container><rootfiles><rootfile full-path='OEBPS/book.opf'/></rootfiles></container>";

fn book(cover: bool) -> Vec<u8> {
    let item = if cover {
        "<item id='c' href='img/co%76er.png' media-type='image/png' properties='cover-image'/>"
    } else {
        ""
    };
    let package = format!(
        "<package xmlns:dc='d'><metadata><dc:title>A Book</dc:title><dc:creator>Ada</dc:creator>\
<dc:language>en</dc:language></metadata><manifest>{item}\
<item id='one' href='one.xhtml' media-type='application/xhtml+xml'/></manifest>\
<spine><itemref idref='one'/></spine></package>"
    );
    let chapter = b"<html><body><h1>One</h1><p>It was a day.</p></body></html>";
    zip(&[
        ("mimetype", b"application/epub+zip"),
        ("META-INF/container.xml", CONTAINER),
        ("OEBPS/book.opf", package.as_bytes()),
        ("OEBPS/one.xhtml", chapter),
        ("OEBPS/img/cover.png", &png()),
    ])
}

#[test]
fn a_book_shows_its_cover_or_its_first_words() {
    let (cover, about) = first(&book(true), "document");
    assert_eq!(cover.dimensions(), (60, 80));
    assert_eq!(cover.get_pixel(30, 40).0, [200, 0, 0]);
    assert_eq!(about["title"], "A Book");
    assert_eq!(about["creator"][0], "Ada");
    assert_eq!(about["language"], "en");
    assert_eq!(about["chapters"], 1);
    let (page, _) = first(&book(false), "document");
    assert!(ink(&page, (9, 5, 60, 30)) > 1_000, "title and chapter");
}

#[test]
fn an_office_file_that_says_it_expands_a_thousandfold_goes_no_further() {
    let sized = |bytes: u32| {
        let mut docx = zip(&[("[Content_Types].xml", TYPES), ("docProps/core.xml", CORE)]);
        let entry = docx.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
        docx[entry + 24..entry + 28].copy_from_slice(&bytes.to_le_bytes());
        let (found, limits) = (sniff(&docx), Limits::default());
        documents::office(&found, &mut Bytes(&docx), &limits)
    };
    assert_eq!(sized(15 << 20).unwrap()["title"], "A & B", "what is small may");
    assert!(matches!(sized(17 << 20), Err(Error::Expands { .. })));
}
