//! Office documents made on the spot.

use std::io::Write as _;

use flate2::{Compression, Crc, write::DeflateEncoder};

/// What a zip says of how a part is packed.
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// The version of the format that has both.
const VERSION: u16 = 20;
/// The first of January 1980, as zips write days.
const DAY: u16 = 33;

/// A part of a document: its name, what is in it, and whether it is packed.
type Part<'a> = (&'a str, &'a [u8], Packing);

/// How a part lies in its zip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Stored,
    Deflated,
}

/// A zip of parts.
pub(crate) fn packed(parts: &[Part<'_>]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes, packing) in parts {
        let at = length(&file);
        let (method, body) = match packing {
            Packing::Stored => (STORED, bytes.to_vec()),
            Packing::Deflated => (DEFLATED, deflated(bytes)),
        };
        let mut crc = Crc::new();
        crc.update(bytes);
        let mut entry = Vec::new();
        for half in [VERSION, 0, method, 0, DAY] {
            entry.extend(half.to_le_bytes());
        }
        for word in [crc.sum(), length(&body), length(bytes)] {
            entry.extend(word.to_le_bytes());
        }
        entry.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        entry.extend([0; 2]);
        file.extend([b"PK\x03\x04", &entry[..], name.as_bytes(), &body].concat());
        // No comment, one disk, no attributes.
        let rest = [&[0; 10][..], &at.to_le_bytes(), name.as_bytes()].concat();
        directory.extend([b"PK\x01\x02", &VERSION.to_le_bytes()[..], &entry, &rest].concat());
    }
    let count = u16::try_from(parts.len()).unwrap().to_le_bytes();
    let place = [length(&directory).to_le_bytes(), length(&file).to_le_bytes()].concat();
    let end = [&b"PK\x05\x06"[..], &[0; 4], &count, &count, &place, &[0; 2]].concat();
    [file, directory, end].concat()
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const WORD: &str = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";
const SHEET: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";

/// What every newer document of Microsoft's has, and these parts besides.
fn package(main: &str, kinds: &[(&str, &str)], parts: &[Part<'_>]) -> Vec<u8> {
    let kind = |(part, kind): &(&str, &str)| {
        format!(
            r#"<Override PartName="/{part}" ContentType="application/vnd.openxmlformats-officedocument.{kind}+xml"/>"#
        )
    };
    let types = format!(
        r#"<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Default Extension="bin" ContentType="application/octet-stream"/>{}</Types>"#,
        kinds.iter().map(kind).collect::<String>()
    );
    let links = related(&[("officeDocument", main)]);
    let first = [
        ("[Content_Types].xml", types.as_bytes(), Packing::Deflated),
        ("_rels/.rels", links.as_bytes(), Packing::Deflated),
    ];
    packed(&[&first[..], parts].concat())
}

fn related(all: &[(&str, &str)]) -> String {
    let one = |(number, (kind, target)): (usize, &(&str, &str))| {
        format!(r#"<Relationship Id="r{number}" Type="{OFFICE}/{kind}" Target="{target}"/>"#)
    };
    let all: String = all.iter().enumerate().map(one).collect();
    format!(r#"<Relationships xmlns="{PACKAGE}/relationships">{all}</Relationships>"#)
}

/// A letter of such paragraphs, in a packed part, beside a part of these bytes that is not packed.
pub(crate) fn docx(body: &str, beside: &[u8]) -> Vec<u8> {
    let document = format!(r#"<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>"#);
    package(
        "word/document.xml",
        &[("word/document.xml", "wordprocessingml.document.main")],
        &[
            ("word/beside.bin", beside, Packing::Stored),
            ("word/document.xml", document.as_bytes(), Packing::Deflated),
        ],
    )
}

/// A paragraph of a letter.
pub(crate) fn paragraph(text: &str) -> String {
    format!("<w:p><w:r><w:t>{text}</w:t></w:r></w:p>")
}

/// A sheet of such rows.
pub(crate) fn xlsx(rows: &str) -> Vec<u8> {
    let book = format!(
        r#"<workbook xmlns="{SHEET}" xmlns:r="{OFFICE}"><sheets><sheet name="Sheet" sheetId="1" r:id="r0"/></sheets></workbook>"#
    );
    let sheet = format!(r#"<worksheet xmlns="{SHEET}"><sheetData>{rows}</sheetData></worksheet>"#);
    let links = related(&[("worksheet", "worksheets/sheet1.xml")]);
    package(
        "xl/workbook.xml",
        &[
            ("xl/workbook.xml", "spreadsheetml.sheet.main"),
            ("xl/worksheets/sheet1.xml", "spreadsheetml.worksheet"),
        ],
        &[
            ("xl/_rels/workbook.xml.rels", links.as_bytes(), Packing::Deflated),
            ("xl/workbook.xml", book.as_bytes(), Packing::Deflated),
            ("xl/worksheets/sheet1.xml", sheet.as_bytes(), Packing::Deflated),
        ],
    )
}
