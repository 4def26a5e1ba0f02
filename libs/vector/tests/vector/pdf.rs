//! Pages as they should look, and what a document says of itself.

use domain::limits::Limits;
use domain::wish::MetadataKind::{Document, Ocr};
use serde_json::json;

use crate::crypt::{Key, hex};
use crate::paper::{HELVETICA, flate, many_pages, object, one_page, pdf, pdf_with, stream};
use crate::{Job, wide};

const RED: [u8; 4] = [255, 0, 0, 255];
const WHITE: [u8; 4] = [255; 4];

/// A page of one inch by two, red where it is nearest to its own origin.
fn marked(entries: &str) -> Vec<u8> {
    one_page(&format!("/MediaBox [0 0 72 144] {entries}"), "1 0 0 rg 0 0 18 36 re f", &[])
}

#[test]
fn a_page_is_as_large_as_at_150_dots_an_inch_and_lies_on_white_paper() {
    let page = Job::pdf().picture(&marked(""));
    assert_eq!((page.original, page.dimensions), ((150, 300), (150, 300)));
    assert_eq!(page.at(5, 295), RED);
    assert_eq!(page.at(36, 226), RED);
    assert_eq!(page.at(39, 295), WHITE);
    assert_eq!(page.at(5, 223), WHITE);
    assert_eq!(page.at(5, 5), WHITE);
}

#[test]
fn a_page_is_turned_as_it_is_to_be_seen() {
    for (turn, dimensions, corner) in [
        (0, (150, 300), (2, 297)),
        (90, (300, 150), (2, 2)),
        (180, (150, 300), (147, 2)),
        (270, (300, 150), (297, 147)),
        (-90, (300, 150), (297, 147)),
    ] {
        let page = Job::pdf().picture(&marked(&format!("/Rotate {turn}")));
        assert_eq!(page.original, dimensions, "{turn}");
        assert_eq!(page.at(corner.0, corner.1), RED, "{turn}");
        let opposite = (dimensions.0 - 1 - corner.0, dimensions.1 - 1 - corner.1);
        assert_eq!(page.at(opposite.0, opposite.1), WHITE, "{turn}");
    }
}

#[test]
fn only_what_lies_in_the_crop_box_is_shown_and_units_are_those_of_the_page() {
    let page = Job::pdf().picture(&marked("/CropBox [9 18 27 54]"));
    assert_eq!(page.original, (38, 75));
    assert_eq!(page.at(2, 72), RED);
    assert_eq!(page.at(35, 72), WHITE);
    let page = Job::pdf().picture(&marked("/UserUnit 2.0"));
    assert_eq!(page.original, (300, 600));
    assert_eq!(page.at(73, 455), RED);
}

#[test]
fn every_size_is_drawn_and_not_enlarged() {
    let (basket, _) =
        Job::pdf().sizes(&[wide(3_000), wide(60), json!("original")]).draw(&marked("")).unwrap();
    let dimensions: Vec<_> = basket.made.iter().map(|made| made.dimensions).collect();
    assert_eq!(dimensions, [(3_000, 6_000), (60, 120), (150, 300)]);
    // An edge of one that is drawn this large is one pixel wide.
    assert_eq!(basket.made[0].at(748, 5_990), RED);
    assert_eq!(basket.made[0].at(751, 5_990), WHITE);
    assert_eq!(basket.made[1].at(3, 116), RED);
}

#[test]
fn those_pages_are_drawn_that_are_asked_for() {
    let file = many_pages(24);
    let (basket, drawn) = Job::pdf().pages("2,4-5").draw(&file).unwrap();
    assert_eq!(basket.total, Some(24));
    let found: Vec<_> = basket.made.iter().map(|made| (made.page, made.at(75, 75)[0])).collect();
    assert_eq!(found, [(2, 10), (4, 30), (5, 40)]);
    assert_eq!(drawn.engines["hayro"], "0.9.0");
    let (basket, _) = Job::pdf().pages("all").draw(&file).unwrap();
    assert_eq!(basket.made.len(), 24);
    assert_eq!(Job::pdf().pages("25").failure(&file), "no_such_page");
    let limits = Limits { pages: 3, ..Limits::default() };
    assert_eq!(Job::pdf().pages("all").limits(limits).failure(&file), "output_too_large");
}

#[test]
fn a_page_beyond_all_measure_is_drawn_smaller() {
    for entries in ["/MediaBox [0 0 1000000 1000000]", "/MediaBox [0 0 72 72] /UserUnit 1000000000"]
    {
        let limits = Limits { pixels: 250_000, ..Limits::default() };
        let file = one_page(entries, "1 0 0 rg 0 0 1000000 1000000 re f", &[]);
        let page = Job::pdf().limits(limits).picture(&file);
        assert_eq!(page.original, (500, 500), "{entries}");
        assert_eq!(page.at(250, 250), RED, "{entries}");
    }
    let endless = format!("/MediaBox [0 0 {0} {0}]", "9".repeat(60));
    assert_eq!(Job::pdf().failure(&one_page(&endless, "", &[])), "corrupt");
    for entries in ["/MediaBox [0 0 0 0]", "/MediaBox [5 5 5 5]", "/MediaBox (none)", ""] {
        let page = Job::pdf().picture(&one_page(entries, "", &[]));
        assert!(page.dimensions.0 > 1_000, "{entries}: {:?} is no sheet", page.dimensions);
    }
}

#[test]
fn forms_annotations_and_pictures_are_drawn() {
    let form = stream("/Type /XObject /Subtype /Form /BBox [0 0 9 9]", b"0 1 0 rg 0 0 9 9 re f");
    let picture = flate(
        "/Type /XObject /Subtype /Image /Width 2 /Height 1 /ColorSpace /DeviceRGB /BitsPerComponent 8",
        &[255, 0, 0, 0, 0, 255],
    );
    let file = one_page(
        "/MediaBox [0 0 72 72] /Annots [<< /Type /Annot /Subtype /Widget /Rect [60 60 72 72] \
         /AP << /N 5 0 R >> >>] /Resources << /XObject << /A 5 0 R /B 6 0 R >> >>",
        "q 2 0 0 2 0 0 cm /A Do Q q 20 0 0 10 30 0 cm /B Do Q",
        &[form, picture],
    );
    let page = Job::pdf().picture(&file);
    assert_eq!(page.at(10, 140), [0, 255, 0, 255]);
    assert_eq!(page.at(140, 10), [0, 255, 0, 255]);
    assert_eq!(page.at(65, 145), RED);
    assert_eq!(page.at(100, 145), [0, 0, 255, 255]);
    assert_eq!(page.at(75, 75), WHITE);
}

#[test]
fn text_without_its_font_is_drawn_with_one_that_is_built_in_or_lent() {
    let file = one_page(
        &format!("/MediaBox [0 0 144 72] {HELVETICA}"),
        "BT /F 40 Tf 10 20 Td (HIll) Tj ET",
        &[],
    );
    let ink = |page: &crate::Made| page.image().pixels().filter(|pixel| pixel.0[0] < 128).count();
    let built_in = Job::pdf().picture(&file);
    assert!(ink(&built_in) > 500);
    let lent = Job::pdf()
        .font("/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf")
        .picture(&file);
    assert!(ink(&lent) > 500);
    assert_ne!(built_in.bytes, lent.bytes, "the same font");
    // A font that can no letter of it leaves the text out, and that is all.
    let chinese = one_page(
        "/MediaBox [0 0 144 72] /Resources << /Font << /F 5 0 R >> >>",
        "BT /F 40 Tf 10 20 Td <4e2d6587> Tj ET",
        &[
            object(
                "<< /Type /Font /Subtype /Type0 /BaseFont /STSong /Encoding /UniGB-UCS2-H /DescendantFonts [6 0 R] >>",
            ),
            object(
                "<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 2 >> >>",
            ),
        ],
    );
    assert_eq!(Job::pdf().picture(&chinese).original, (300, 150));
}

#[test]
fn what_a_document_says_of_itself_is_told() {
    let file = pdf_with(
        &[
            object(
                "<< /Type /Catalog /Pages 2 0 R /MarkInfo << /Marked true >> /Lang (de-CH) \
                 /AcroForm << /Fields [] >> >>",
            ),
            object(
                "<< /Type /Pages /Kids [3 0 R 4 0 R 5 0 R] /Count 3 /MediaBox [0 0 595.28 841.89] >>",
            ),
            object("<< /Type /Page /Parent 2 0 R >>"),
            object("<< /Type /Page /Parent 2 0 R >>"),
            object("<< /Type /Page /Parent 2 0 R /Rotate 90 >>"),
            object(
                "<< /Title <feff00470072fc> /Author (J\\344ger \\(M.\\)) /Subject (a\\nb) \
                 /Keywords (one, two) /Creator (Writer) /Producer () \
                 /CreationDate (D:20240229123456+05'30') /ModDate (D:2025) >>",
            ),
        ],
        "/Info 6 0 R",
    );
    let told = Job::pdf().metadata(&[Document]).told(&file, Document);
    assert_eq!(
        told,
        json!({
            "pages": 3,
            "title": "Gr\u{fffd}",
            "author": "Jäger (M.)",
            "subject": "a b",
            "keywords": "one, two",
            "creator": "Writer",
            "created": "2024-02-29T12:34:56+05:30",
            "modified": "2025-01-01T00:00:00Z",
            "version": "1.7",
            "encrypted": false,
            "linearized": false,
            "tagged": true,
            "language": "de-CH",
            "form": "acroform",
            "page_sizes": [
                { "pages": "1-2", "width": 595.3, "height": 841.9 },
                { "pages": "3", "width": 841.9, "height": 595.3 },
            ],
        })
        .as_object()
        .map(|expected| {
            // An odd byte at the end of UTF-16 is no letter.
            let mut expected = expected.clone();
            expected["title"] = json!("Gr");
            serde_json::Value::Object(expected)
        })
        .unwrap(),
    );
    let (_, drawn) = Job::pdf().draw(&file).unwrap();
    assert!(drawn.metadata.is_empty(), "metadata that nobody asked for");
}

/// A document encrypted for a user with this password.
fn sealed(password: &str) -> Vec<u8> {
    let key = Key::of(password);
    let content = key.seal(4, b"1 0 0 rg 0 0 72 72 re f");
    pdf_with(
        &[
            object("<< /Type /Catalog /Pages 2 0 R >>"),
            object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>"),
            object("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 72 72] /Contents 4 0 R >>"),
            stream("", &content),
            object(&format!("<< /Title <{}> >>", hex(&key.seal(5, b"Secret")))),
        ],
        &format!("/Info 5 0 R {}", key.trailer()),
    )
}

#[test]
fn an_encrypted_document_opens_with_the_empty_password_or_not_at_all() {
    let job = Job::pdf().metadata(&[Document]);
    assert_eq!(job.picture(&sealed("")).at(75, 75), RED);
    let told = job.told(&sealed(""), Document);
    assert_eq!((&told["title"], &told["encrypted"]), (&json!("Secret"), &json!(true)));
    assert_eq!(job.failure(&sealed("open sesame")), "encrypted");
}

#[test]
fn the_text_of_a_page_is_told_where_it_is_text() {
    let page = |content: &str, picture: &str| {
        one_page(
            "/MediaBox [0 0 300 300] /Resources << /Font << /F << /Type /Font /Subtype /Type1 \
             /BaseFont /Helvetica >> >> /XObject << /P 5 0 R >> >>",
            &format!("{picture} BT /F 12 Tf {content} ET"),
            &[stream(
                "/Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8",
                b"\x80",
            )],
        )
    };
    let full = "q 300 0 0 300 0 0 cm /P Do Q";
    let lines = "20 250 Td (Hello, ) Tj (World) Tj 0 -20 Td [(Sec) -10 (ond) -600 (line)] TJ";
    let job = Job::pdf().metadata(&[Ocr]);
    let told = |file: &[u8]| job.told(file, Ocr);
    let expected =
        json!([{ "page": 1, "text": "Hello, World\nSecond line", "source": "document" }]);
    assert_eq!(told(&page(lines, "")), expected);
    // A scan with a text layer that nobody sees.
    assert_eq!(told(&page(&format!("3 Tr {lines}"), full)), expected);
    // A scan with a stamp on it, and a page without a word.
    assert_eq!(told(&page(lines, full)), json!([]));
    assert_eq!(told(&page("20 250 Td (7) Tj", "")), json!([]));
    let to_read = |file: &[u8]| job.draw(file).unwrap().0.to_read;
    assert_eq!(to_read(&page(lines, "")), [0; 0], "its text is known");
    assert_eq!(to_read(&page(lines, full)), [1], "a scan is read off its picture");
    // Outside of the page.
    assert_eq!(told(&page("20 400 Td (Nobody sees this text) Tj", "")), json!([]));
}

#[test]
fn text_is_cut_where_metadata_ends() {
    let line = "word ".repeat(20);
    let lines: String = (0..40).map(|_| format!("0 -12 Td ({line}) Tj ")).collect();
    let file = one_page(
        &format!("/MediaBox [0 0 900 600] {HELVETICA}"),
        &format!("BT /F 10 Tf 10 590 Td {lines} ET"),
        &[],
    );
    let limits = Limits { metadata_bytes: 2_048, ..Limits::default() };
    let told = Job::pdf().metadata(&[Ocr]).limits(limits).told(&file, Ocr);
    assert_eq!(told[0]["truncated"], json!(true));
    let length = serde_json::to_vec(&told).unwrap().len();
    assert!((500..1_024).contains(&length), "{length} bytes");
}

#[test]
fn the_same_file_gives_the_same_bytes() {
    let file = one_page(
        &format!("/MediaBox [0 0 144 72] {HELVETICA}"),
        "0.3 0.5 0.7 rg 3 3 m 50 60 l 80 10 l f BT /F 20 Tf 10 20 Td (Again) Tj ET",
        &[],
    );
    let job = Job::pdf().metadata(&[Document, Ocr]);
    assert_eq!(job.draw(&file).unwrap(), job.draw(&file).unwrap());
}

#[test]
fn a_broken_table_of_objects_is_mended() {
    let whole = marked("");
    let cut = whole.windows(4).position(|bytes| bytes == b"xref").unwrap();
    assert_eq!(Job::pdf().picture(&whole[..cut]).at(5, 295), RED);
    let mut shifted = b"junk before the file\n".to_vec();
    shifted.extend(&whole);
    assert_eq!(Job::pdf().picture(&shifted).at(5, 295), RED);
}

#[test]
fn what_is_no_document_is_corrupt() {
    for bytes in
        [&b"%PDF-1.7\n"[..], b"%PDF-1.7\nnothing but words\n%%EOF", &pdf(&[object("<< >>")])]
    {
        assert_eq!(Job::pdf().failure(bytes), "corrupt");
    }
    assert_eq!(Job::pdf().failure(b""), "source_empty");
}
