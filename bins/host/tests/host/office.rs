//! Documents to PDF.

use std::io::Write;
use std::net::TcpListener;
use std::time::Instant;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::limits::Limits;
use zip::write::SimpleFileOptions;

use crate::{bytes_of, limits, nameless, settings, workshop};

/// A zip of stored parts, as all newer documents are.
fn packed(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut file = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, text) in parts {
        file.start_file(*name, stored).expect("started");
        file.write_all(text.as_bytes()).expect("written");
    }
    file.finish().expect("finished").into_inner()
}

const TYPES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>OVERRIDES</Types>"#;
const RELATIONSHIPS: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">ALL</Relationships>"#;
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

fn types(overrides: &[(&str, &str)]) -> String {
    let one = |(part, kind): &(&str, &str)| {
        format!(
            r#"<Override PartName="{part}" ContentType="application/vnd.openxmlformats-officedocument.{kind}+xml"/>"#
        )
    };
    TYPES.replace("OVERRIDES", &overrides.iter().map(one).collect::<String>())
}

fn relationships(all: &[(&str, &str, &str)]) -> String {
    let one = |(id, kind, target): &(&str, &str, &str)| {
        let mode = if target.contains(':') { r#" TargetMode="External""# } else { "" };
        format!(r#"<Relationship Id="{id}" Type="{OFFICE}/{kind}" Target="{target}"{mode}/>"#)
    };
    RELATIONSHIPS.replace("ALL", &all.iter().map(one).collect::<String>())
}

fn docx(body: &str, links: &[(&str, &str, &str)]) -> Vec<u8> {
    let document = format!(
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:r="{OFFICE}" xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture"><w:body>{body}</w:body></w:document>"#
    );
    packed(&[
        (
            "[Content_Types].xml",
            &types(&[("/word/document.xml", "wordprocessingml.document.main")]),
        ),
        ("_rels/.rels", &relationships(&[("r1", "officeDocument", "word/document.xml")])),
        ("word/_rels/document.xml.rels", &relationships(links)),
        ("word/document.xml", &document),
    ])
}

fn xlsx() -> Vec<u8> {
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    packed(&[
        (
            "[Content_Types].xml",
            &types(&[
                ("/xl/workbook.xml", "spreadsheetml.sheet.main"),
                ("/xl/worksheets/sheet1.xml", "spreadsheetml.worksheet"),
            ]),
        ),
        ("_rels/.rels", &relationships(&[("r1", "officeDocument", "xl/workbook.xml")])),
        (
            "xl/_rels/workbook.xml.rels",
            &relationships(&[("r1", "worksheet", "worksheets/sheet1.xml")]),
        ),
        (
            "xl/workbook.xml",
            &format!(
                r#"<workbook xmlns="{main}" xmlns:r="{OFFICE}"><sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>"#
            ),
        ),
        (
            "xl/worksheets/sheet1.xml",
            &format!(
                r#"<worksheet xmlns="{main}"><sheetData><row r="1"><c r="A1"><v>1</v></c><c r="B1"><f>A1+1</f></c></row></sheetData></worksheet>"#
            ),
        ),
    ])
}

/// A flat OpenDocument file.
fn flat(kind: &str, body: &str) -> Vec<u8> {
    let ns = "urn:oasis:names:tc:opendocument:xmlns";
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><office:document xmlns:office="{ns}:office:1.0" xmlns:text="{ns}:text:1.0" xmlns:draw="{ns}:drawing:1.0" xmlns:table="{ns}:table:1.0" xmlns:svg="{ns}:svg-compatible:1.0" xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:presentation="{ns}:presentation:1.0" office:version="1.2" office:mimetype="application/vnd.oasis.opendocument.{kind}"><office:body>{body}</office:body></office:document>"#
    )
    .into_bytes()
}

async fn pdf(document: &[u8], extension: &str, last_page: Option<u32>) -> Vec<u8> {
    let made = workshop().office_to_pdf(nameless(document), extension, last_page, &limits()).await;
    bytes_of(made.unwrap_or_else(|error| panic!("{extension}: {error}")))
}

fn pages(pdf: &[u8]) -> usize {
    let text = String::from_utf8_lossy(pdf);
    text.matches("/Type/Page/").count() + text.matches("/Type/Page\n").count()
}

/// What is decoded and written anew takes far longer than all the rest.
#[tokio::test]
async fn a_photograph_in_a_document_is_passed_on_as_it_is() {
    // Soft, with grain that nothing but a JPEG makes small.
    let picture = image::RgbImage::from_fn(384, 256, |x, y| {
        let grain = (x * 384 + y).wrapping_mul(2_654_435_761) >> 28;
        image::Rgb([(x / 2 + grain) as u8, (y / 2 + grain) as u8, (x / 4 + y / 4 + grain) as u8])
    });
    let mut photograph = Vec::new();
    // Written with less, it would be smaller.
    let quality = 98;
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut photograph, quality)
        .encode_image(&picture)
        .expect("encoded");
    let text = STANDARD.encode(&photograph);
    let body = format!(
        r#"<office:text><text:p><draw:frame svg:width="6cm" svg:height="4cm"><draw:image><office:binary-data>{text}</office:binary-data></draw:image></draw:frame></text:p></office:text>"#
    );
    let made = pdf(&flat("text", &body), "fodt", Some(1)).await;
    let passed_on = made.windows(photograph.len()).any(|part| part == photograph);
    assert!(passed_on, "{} bytes in a PDF of {}", photograph.len(), made.len());
}

#[tokio::test]
async fn documents_of_every_kind_become_pdfs() {
    let kinds: [(&str, Vec<u8>); 9] = [
        ("txt", b"Plain text".to_vec()),
        ("rtf", b"{\\rtf1\\ansi Rich text\\par}".to_vec()),
        ("csv", b"a,b\n1,2\n".to_vec()),
        ("docx", docx("<w:p><w:r><w:t>Word</w:t></w:r></w:p>", &[])),
        ("xlsx", xlsx()),
        ("fodt", flat("text", "<office:text><text:p>Text</text:p></office:text>")),
        (
            "fods",
            flat(
                "spreadsheet",
                r#"<office:spreadsheet><table:table table:name="S"><table:table-row><table:table-cell office:value-type="float" office:value="7"/></table:table-row></table:table></office:spreadsheet>"#,
            ),
        ),
        (
            "fodp",
            flat(
                "presentation",
                r#"<office:presentation><draw:page draw:name="p1"><draw:frame svg:width="8cm" svg:height="2cm" svg:x="1cm" svg:y="1cm"><draw:text-box><text:p>Slide</text:p></draw:text-box></draw:frame></draw:page></office:presentation>"#,
            ),
        ),
        (
            "fodg",
            flat(
                "graphics",
                r#"<office:drawing><draw:page draw:name="p1"><draw:rect svg:width="8cm" svg:height="2cm" svg:x="1cm" svg:y="1cm"/></draw:page></office:drawing>"#,
            ),
        ),
    ];
    for (extension, document) in kinds {
        let made = pdf(&document, extension, None).await;
        assert!(made.starts_with(b"%PDF-"), "{extension}");
        assert!(pages(&made) >= 1, "{extension}");
    }
}

#[tokio::test]
async fn only_the_pages_asked_for_are_made() {
    let break_page = r#"<w:p><w:r><w:br w:type="page"/></w:r></w:p>"#;
    let letter =
        docx(&format!("{}<w:p><w:r><w:t>End</w:t></w:r></w:p>", break_page.repeat(5)), &[]);
    assert_eq!(pages(&pdf(&letter, "docx", None).await), 6);
    assert_eq!(pages(&pdf(&letter, "docx", Some(2)).await), 2);
}

#[tokio::test]
async fn a_linked_picture_is_neither_fetched_nor_read() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    listener.set_nonblocking(true).expect("set");
    let port = listener.local_addr().expect("an address").port();
    let mut canary = tempfile::Builder::new().suffix(".svg").tempfile().expect("a file");
    let drawing = r#"<svg xmlns="http://www.w3.org/2000/svg" width="90" height="90"><text y="9">CANARY</text></svg>"#;
    canary.write_all(drawing.as_bytes()).expect("written");
    let canary = canary.path().display();
    let picture = r#"<w:p><w:r><w:drawing><wp:inline><wp:extent cx="900000" cy="900000"/><wp:docPr id="1" name="p"/><a:graphic><a:graphicData uri="http://schemas.openxmlformats.org/drawingml/2006/picture"><pic:pic><pic:nvPicPr><pic:cNvPr id="1" name="p"/><pic:cNvPicPr/></pic:nvPicPr><pic:blipFill><a:blip r:link="LINK"/></pic:blipFill><pic:spPr><a:xfrm><a:off x="0" y="0"/><a:ext cx="900000" cy="900000"/></a:xfrm><a:prstGeom prst="rect"/></pic:spPr></pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing></w:r></w:p>"#;
    let body: String = ["r1", "r2"].map(|link| picture.replace("LINK", link)).concat();
    let (near, far) = (format!("file://{canary}"), format!("http://127.0.0.1:{port}/p.png"));
    let links = [("r1", "image", near.as_str()), ("r2", "image", far.as_str())];
    let frame = |link: &str| {
        format!(
            r#"<text:p><draw:frame text:anchor-type="as-char" svg:width="5cm" svg:height="5cm"><draw:image xlink:href="{link}" xlink:type="simple" xlink:show="embed" xlink:actuate="onLoad"/></draw:frame></text:p>"#
        )
    };
    let section = format!(
        r#"<text:section text:name="s"><text:section-source xlink:href="{near}"/><text:p>x</text:p></text:section>"#
    );
    let text = format!("<office:text>{}{}{section}</office:text>", frame(&near), frame(&far));
    for (extension, document) in [("docx", docx(&body, &links)), ("fodt", flat("text", &text))] {
        let made = pdf(&document, extension, None).await;
        assert!(!String::from_utf8_lossy(&made).contains("/Subtype/Image"), "{extension}: drawn");
        assert!(listener.accept().is_err(), "{extension}: the loopback was reached");
    }
}

#[tokio::test]
async fn a_macro_that_runs_on_opening_does_not() {
    let script = r#"<office:scripts><office:script script:language="ooo:Basic" xmlns:script="urn:oasis:names:tc:opendocument:xmlns:script:1.0"><ooo:libraries xmlns:ooo="http://openoffice.org/2004/office"><ooo:library-embedded ooo:name="Standard"><ooo:module ooo:name="Module1"><ooo:source-code>Sub Main
ThisComponent.Text.String = "MACRO" &amp; String(4000, "x ")
End Sub</ooo:source-code></ooo:module></ooo:library-embedded></ooo:libraries></office:script><office:event-listeners><script:event-listener xmlns:script="urn:oasis:names:tc:opendocument:xmlns:script:1.0" script:language="ooo:script" script:event-name="dom:load" xlink:href="vnd.sun.star.script:Standard.Module1.Main?language=Basic&amp;location=document" xlink:type="simple"/></office:event-listeners></office:scripts>"#;
    let document = flat("text", "<office:text><text:p>Text</text:p></office:text>");
    let document = String::from_utf8(document).expect("text");
    let document = document.replace("<office:body>", &format!("{script}<office:body>"));
    assert_eq!(pages(&pdf(document.as_bytes(), "fodt", None).await), 1);
}

#[tokio::test]
async fn what_is_no_document_is_corrupt_and_what_is_too_large_is_said_so() {
    let workshop = workshop();
    let broken = workshop.office_to_pdf(nameless(b"PK\x03\x04junk"), "docx", None, &limits()).await;
    let error = broken.expect_err("no document");
    assert_eq!(error.code().name(), "corrupt", "{error}");
    let tiny = Limits { output_bytes: 100, ..limits() };
    let large = workshop.office_to_pdf(nameless(b"Text"), "txt", None, &tiny).await;
    assert_eq!(large.expect_err("too large").code().name(), "output_too_large");
}

#[tokio::test]
async fn limits_of_memory_and_time_end_a_document() {
    let rows =
        "<w:p><w:r><w:t>many words that take a while to be set</w:t></w:r></w:p>".repeat(30_000);
    let long = docx(&rows, &[]);
    let workshop = workshop();
    let short = Limits { hosted_wall_ms: 700, ..limits() };
    let began = Instant::now();
    let error = workshop.office_to_pdf(nameless(&long), "docx", None, &short).await;
    assert_eq!(error.expect_err("too long").code().name(), "renderer_timeout");
    assert!(began.elapsed().as_secs() < 30);
    let slow = Limits { hosted_cpu_ms: 1_000, ..limits() };
    let error = workshop.office_to_pdf(nameless(&long), "docx", None, &slow).await;
    let error = error.expect_err("too slow");
    assert_eq!(error.code().name(), "renderer_timeout", "{error}");
    let small = Limits { hosted_memory_bytes: 64 << 20, ..limits() };
    let error = workshop.office_to_pdf(nameless(&long), "docx", None, &small).await;
    let code = error.expect_err("too much").code().name();
    assert!(["renderer_memory", "renderer_crashed"].contains(&code), "{code}");
}

/// A document that says little and means much.
fn bomb() -> Vec<u8> {
    let mut file = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let packed = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (name, text) in [
        ("[Content_Types].xml", types(&[("/word/document.xml", "wordprocessingml.document.main")])),
        ("_rels/.rels", relationships(&[("r1", "officeDocument", "word/document.xml")])),
    ] {
        file.start_file(name, packed).expect("started");
        file.write_all(text.as_bytes()).expect("written");
    }
    file.start_file("word/document.xml", packed).expect("started");
    let start = r#"<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>"#;
    file.write_all(start.as_bytes()).expect("written");
    let paragraphs = "<w:p><w:r><w:t>x</w:t></w:r></w:p>".repeat(1 << 12);
    for _ in 0..1 << 10 {
        file.write_all(paragraphs.as_bytes()).expect("written");
    }
    file.write_all(b"</w:body></w:document>").expect("written");
    file.finish().expect("finished").into_inner()
}

fn laughs() -> Vec<u8> {
    let level = |n: u32| format!(r#"<!ENTITY l{n} "{}">"#, format!("&l{};", n - 1).repeat(10));
    let levels: String = (1..10).map(level).collect();
    let text = String::from_utf8(flat("text", "<office:text><text:p>&l9;</text:p></office:text>"));
    let declared = format!(r#"?><!DOCTYPE x [<!ENTITY l0 "ha">{levels}]>"#);
    text.expect("text").replacen("?>", &declared, 1).into_bytes()
}

#[tokio::test]
async fn bombs_end_within_their_limits() {
    let workshop = workshop();
    let tight = Limits { hosted_memory_bytes: 400 << 20, hosted_wall_ms: 6_000, ..limits() };
    for (extension, document) in [("docx", bomb()), ("fodt", laughs())] {
        assert!(document.len() < 2 << 20, "{extension}: {}", document.len());
        let began = Instant::now();
        let made = workshop.office_to_pdf(nameless(&document), extension, Some(1), &tight).await;
        assert!(began.elapsed().as_secs() < 40, "{extension}: {:?}", began.elapsed());
        if let Err(error) = made {
            let code = error.code().name();
            let expected = ["renderer_memory", "renderer_crashed", "renderer_timeout", "corrupt"];
            assert!(expected.contains(&code), "{extension}: {error}");
        }
    }
}

#[tokio::test]
async fn an_office_that_waits_is_used_for_one_document_and_replaced() {
    let ready = enclave::hosted::Ready { office: 1, ..Default::default() };
    let settings = enclave::hosted::Settings { ready, ..settings() };
    let workshop = enclave::hosted::Workshop::find(settings).expect("a workshop");
    for round in 0..3 {
        let letter = docx(&format!("<w:p><w:r><w:t>Letter {round}</w:t></w:r></w:p>"), &[]);
        let made = workshop.office_to_pdf(nameless(&letter), "docx", Some(1), &limits()).await;
        assert_eq!(pages(&bytes_of(made.expect("a PDF"))), 1);
    }
}
