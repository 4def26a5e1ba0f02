//! Documents that are archives, and point outside of themselves.

use super::{Entry, stored, swelling, zip};
use crate::hostile::bits::{le16, le32};
use crate::hostile::films::targets;
use crate::hostile::pages::markup_attacks;
use crate::hostile::{Cases, Lures};

const TYPES: &str = r#"<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/MAIN" ContentType="application/vnd.openxmlformats-officedocument.KIND.main+xml"/></Types>"#;

fn relations(list: &str) -> String {
    format!(
        r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{list}</Relationships>"#
    )
}

/// An Office document: which of the three, its main part and that part's relations.
fn ooxml(which: usize, main: &[u8], outside: &str, more: &[Entry]) -> Vec<u8> {
    let (path, kind) = [
        ("word/document.xml", "wordprocessingml.document"),
        ("xl/workbook.xml", "spreadsheetml.sheet"),
        ("ppt/presentation.xml", "presentationml.presentation"),
    ][which];
    let root = relations(&format!(
        r#"<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="{path}"/>"#
    ));
    let (folder, file) = path.split_once('/').expect("a folder");
    let parts = [
        stored("[Content_Types].xml", TYPES.replace("MAIN", path).replace("KIND", kind).as_bytes()),
        stored("_rels/.rels", root.as_bytes()),
        stored(path, main),
        stored(&format!("{folder}/_rels/{file}.rels"), relations(outside).as_bytes()),
    ];
    zip(&[&parts[..], more].concat())
}

fn odf(kind: &str, content: &[u8], more: &[Entry]) -> Vec<u8> {
    let manifest = br#"<?xml version="1.0"?><manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>"#;
    let media_type = format!("application/vnd.oasis.opendocument.{kind}");
    let parts = [
        stored("mimetype", media_type.as_bytes()),
        stored("content.xml", content),
        stored("META-INF/manifest.xml", manifest),
    ];
    zip(&[&parts[..], more].concat())
}

pub(super) fn add(cases: &mut Cases, lures: &Lures) {
    const DOCUMENT: &str = r#"<?xml version="1.0"?><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><w:body><w:p><w:r><w:t>text</w:t></w:r></w:p></w:body></w:document>"#;
    for target in targets(lures) {
        for relation in
            ["image", "oleObject", "attachedTemplate", "frame", "hyperlink", "subDocument"]
        {
            let list = format!(
                r#"<Relationship Id="r9" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/{relation}" Target="{target}" TargetMode="External"/>"#
            );
            cases
                .of("docx")
                .add(format!("{relation} at {target}"), ooxml(0, DOCUMENT.as_bytes(), &list, &[]));
        }
        let content = format!(
            r#"<?xml version="1.0"?><office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" xmlns:xlink="http://www.w3.org/1999/xlink"><office:body><office:text><text:section><text:section-source xlink:href="{target}"/></text:section><draw:frame><draw:image xlink:href="{target}"/><draw:object xlink:href="{target}"/></draw:frame></office:text></office:body></office:document-content>"#
        );
        cases.of("odt").add(format!("image at {target}"), odf("text", content.as_bytes(), &[]));
        let book = [
            stored("mimetype", b"application/epub+zip"),
            stored("META-INF/container.xml", format!(r#"<container><rootfiles><rootfile full-path="{target}"/></rootfiles></container>"#).as_bytes()),
        ];
        cases.of("epub").add(format!("its book at {target}"), zip(&book));
    }
    for (what, attack) in markup_attacks(lures) {
        for which in 0..3 {
            let kind = ["docx", "xlsx", "pptx"][which];
            cases.of(kind).add(format!("holds {what}"), ooxml(which, attack.as_bytes(), "", &[]));
        }
        cases.of("ods").add(format!("holds {what}"), odf("spreadsheet", attack.as_bytes(), &[]));
        let book = [
            stored("mimetype", b"application/epub+zip"),
            stored("META-INF/container.xml", attack.as_bytes()),
        ];
        cases.of("epub").add(format!("holds {what}"), zip(&book));
    }
    for megabytes in [100, 2_000] {
        let swollen = swelling("word/document.xml", b"<w:document>", megabytes << 20);
        let parts = [
            stored(
                "[Content_Types].xml",
                TYPES
                    .replace("MAIN", "word/document.xml")
                    .replace("KIND", "wordprocessingml.document")
                    .as_bytes(),
            ),
            swollen,
        ];
        cases.of("docx").add(format!("a document of {megabytes} MiB"), zip(&parts));
        let media = swelling("word/media/image1.png", b"\x89PNG\r\n\x1a\n", megabytes << 20);
        cases.of("docx").add(
            format!("a picture of {megabytes} MiB"),
            ooxml(0, DOCUMENT.as_bytes(), "", &[media]),
        );
        let thumbnail = swelling("docProps/thumbnail.jpeg", b"\xff\xd8\xff", megabytes << 20);
        cases.of("docx").add(
            format!("a thumbnail of {megabytes} MiB"),
            ooxml(0, DOCUMENT.as_bytes(), "", &[thumbnail]),
        );
        let thumbnail = swelling("Thumbnails/thumbnail.png", b"\x89PNG\r\n\x1a\n", megabytes << 20);
        cases
            .of("odt")
            .add(format!("a thumbnail of {megabytes} MiB"), odf("text", b"<x/>", &[thumbnail]));
        let sheet =
            swelling("xl/worksheets/sheet1.xml", b"<worksheet><sheetData><row>", megabytes << 20);
        cases.of("xlsx").add(
            format!("a sheet of {megabytes} MiB"),
            ooxml(
                1,
                b"<workbook><sheets><sheet name='a' sheetId='1'/></sheets></workbook>",
                "",
                &[sheet],
            ),
        );
    }
    let cells = r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><dimension ref="A1:XFD1048576"/><sheetData><row r="4294967295"><c r="ZZZZZZ99999999999"><v>1</v></c></row></sheetData></worksheet>"#;
    cases.of("xlsx").add(
        "a cell beyond every sheet",
        ooxml(1, b"<workbook/>", "", &[stored("xl/worksheets/sheet1.xml", cells.as_bytes())]),
    );
    let repeated = r#"<office:document-content><table:table-row table:number-rows-repeated="2000000000"><table:table-cell table:number-columns-repeated="2000000000"/></table:table-row></office:document-content>"#;
    cases.of("ods").add("a cell repeated 4e18 times", odf("spreadsheet", repeated.as_bytes(), &[]));
    cases.of("sketch").add(
        "pages at outside",
        zip(&[
            stored("document.json", br#"{"pages":[{"_ref":"../../../../etc/passwd"}]}"#),
            stored("meta.json", b"{}"),
        ]),
    );
    let nested = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
    cases.of("sketch").add(
        "half a million brackets",
        zip(&[
            stored("document.json", nested.as_bytes()),
            stored("meta.json", nested.as_bytes()),
            stored("previews/preview.png", b""),
        ]),
    );
    cases.of("sketch").add(
        "a preview of 2 GiB",
        zip(&[
            stored("document.json", b"{}"),
            stored("meta.json", b"{}"),
            swelling("previews/preview.png", b"\x89PNG", 2 << 30),
        ]),
    );
    for (sector, mini, fat) in
        [(9u16, 6u16, 1u32), (0, 0, 0), (31, 31, u32::MAX), (9, 6, u32::MAX), (12, 6, 0x7fff_ffff)]
    {
        let head = [
            &b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"[..],
            &[0; 16],
            &le16(0x3e),
            &le16(3),
            &le16(0xfffe),
            &le16(sector),
            &le16(mini),
            &[0; 6],
            &le32(0),
            &le32(fat),
            &le32(1),
            &[0; 8],
            &le32(2),
            &le32(fat),
            &le32(3),
            &le32(fat),
        ]
        .concat();
        for table in [le32(0), le32(1), le32(2), le32(u32::MAX - 3)] {
            let body = [&head[..], &table.repeat(109), &table.repeat(1_024)].concat();
            let what = format!("sectors of 2^{sector}, {fat} tables, all {}", table.escape_ascii());
            cases.of("ole").add(what, body);
        }
    }
}
