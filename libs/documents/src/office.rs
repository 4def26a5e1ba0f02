//! Office files: what they say of themselves, and the small picture that some carry.

use std::io::Read;

use domain::limits::Limits;
use filetype::Filetype;
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Map, Value, json};
use stills::{Error, Source};

use crate::archive::date_of_ticks;
use crate::facts;
use crate::mail::Cursor;
use crate::text::decode;
use crate::unzip::Archive;

/// Largest part that is read for its properties, and as a thumbnail.
const MOST_PART_BYTES: usize = 1 << 20;
const MOST_THUMBNAIL_BYTES: usize = 16 << 20;
/// As much of an OLE file's streams as tells whether they are locked.
const MOST_START_BYTES: u64 = 4 << 10;
/// Properties of an OLE file.
const MOST_PROPERTIES: usize = 64;
/// As much of an RTF as holds its properties.
const MOST_RTF_BYTES: usize = 64 << 10;

/// Where thumbnails are kept.
const THUMBNAILS: &[&str] = &[
    "docProps/thumbnail.jpeg",
    "docProps/thumbnail.jpg",
    "docProps/thumbnail.png",
    "Thumbnails/thumbnail.png",
    "QuickLook/Thumbnail.jpg",
    "preview.jpg",
    "preview-web.jpg",
];

/// Elements that say something of a file, and what that is called here.
const ELEMENTS: &[(&str, &str)] = &[
    ("title", "title"),
    ("subject", "subject"),
    ("creator", "creator"),
    ("initial-creator", "creator"),
    ("description", "description"),
    ("keywords", "keywords"),
    ("keyword", "keywords"),
    ("category", "category"),
    ("language", "language"),
    ("lastModifiedBy", "last_modified_by"),
    ("created", "created"),
    ("creation-date", "created"),
    ("modified", "modified"),
    ("date", "modified"),
    ("revision", "revision"),
    ("editing-cycles", "revision"),
    ("Application", "application"),
    ("generator", "application"),
    ("Company", "company"),
    ("Manager", "manager"),
    ("Template", "template"),
    ("Pages", "pages"),
    ("Words", "words"),
    ("Characters", "characters"),
    ("Paragraphs", "paragraphs"),
    ("Lines", "lines"),
    ("Slides", "slides"),
    ("Notes", "notes"),
    ("HiddenSlides", "hidden_slides"),
];

/// What an OpenDocument counts.
const COUNTS: &[(&str, &str)] = &[
    ("page-count", "pages"),
    ("word-count", "words"),
    ("character-count", "characters"),
    ("paragraph-count", "paragraphs"),
    ("table-count", "tables"),
    ("image-count", "images"),
    ("cell-count", "cells"),
];

/// The core properties of an Office file: of Microsoft's, old and new, OpenDocument and RTF. None
/// where it says nothing, or cannot be read so far.
///
/// # Errors
/// [`Error::Encrypted`] when a password is needed, [`Error::Expands`] when it says that it expands to a
/// thousand times its size, and when the source cannot be read.
pub fn office(
    filetype: &Filetype,
    source: &mut dyn Source,
    limits: &Limits,
) -> Result<Map<String, Value>, Error> {
    let mut head = [0; 8];
    let count = source.read_at(0, &mut head).map_err(Error::Source)?;
    let head = head.get(..count).unwrap_or_default();
    if filetype.media_type == "application/encrypted" {
        return Err(Error::Encrypted);
    }
    if head.starts_with(b"PK") {
        return zipped(source, limits);
    }
    if head.starts_with(b"\xd0\xcf\x11\xe0") {
        return ole(source);
    }
    if filetype.extension == "rtf" {
        let (bytes, _) = decode::start(source, MOST_RTF_BYTES)?;
        return Ok(rtf(&String::from_utf8_lossy(&bytes)));
    }
    Ok(Map::new())
}

/// The small picture of its first page that an Office file may carry: the bytes of a JPEG or PNG.
///
/// # Errors
/// When the source cannot be read.
pub fn office_thumbnail(
    _filetype: &Filetype,
    source: &mut dyn Source,
    limits: &Limits,
) -> Result<Option<Vec<u8>>, Error> {
    let mut archive = match Archive::open(source, limits) {
        Err(Error::Source(error)) => return Err(Error::Source(error)),
        Err(_) => return Ok(None),
        Ok(archive) => archive,
    };
    for name in THUMBNAILS {
        match archive.read(name, MOST_THUMBNAIL_BYTES) {
            Err(Error::Source(error)) => return Err(Error::Source(error)),
            Ok(Some(bytes)) if stills::draws(filetype::sniff(&bytes).kind) => {
                return Ok(Some(bytes));
            }
            _ => {}
        }
    }
    Ok(None)
}

fn zipped(source: &mut dyn Source, limits: &Limits) -> Result<Map<String, Value>, Error> {
    let mut told = Map::new();
    let Ok(mut archive) = Archive::open(source, limits) else { return Ok(told) };
    archive.check()?;
    for name in ["docProps/core.xml", "docProps/app.xml", "meta.xml"] {
        match archive.read(name, MOST_PART_BYTES) {
            Ok(Some(bytes)) => properties(&String::from_utf8_lossy(&bytes), &mut told),
            Err(error @ (Error::Source(_) | Error::Encrypted)) => return Err(error),
            _ => {}
        }
    }
    let manifest = archive.read("META-INF/manifest.xml", MOST_PART_BYTES).ok().flatten();
    if manifest.is_some_and(|bytes| String::from_utf8_lossy(&bytes).contains(":encryption-data")) {
        return Err(Error::Encrypted);
    }
    let count = |prefix: &str| {
        let is_one = |name: &[u8]| name.starts_with(prefix.as_bytes()) && name.ends_with(b".xml");
        archive.directory.entries.iter().filter(|entry| is_one(&entry.name)).count()
    };
    for (prefix, name) in [("xl/worksheets/sheet", "sheets"), ("ppt/slides/slide", "slides")] {
        let found = count(prefix);
        if found > 0 {
            told.insert(name.to_owned(), json!(found));
        }
    }
    Ok(told)
}

/// What the elements of a part say; the first of each counts.
fn properties(text: &str, told: &mut Map<String, Value>) {
    let mut reader = Reader::from_str(text);
    let mut inside: Option<&str> = None;
    let mut said = String::new();
    while let Ok(event) = reader.read_event() {
        match event {
            Event::Eof => break,
            Event::Start(tag) | Event::Empty(tag) => {
                let name = tag.local_name();
                let name = name.as_ref();
                if name == "document-statistic" {
                    for (count, called) in COUNTS {
                        if let Some(count) = crate::book::attribute(&tag, count)
                            .and_then(|count| count.parse::<u64>().ok())
                        {
                            told.insert((*called).to_owned(), json!(count));
                        }
                    }
                }
                inside = ELEMENTS
                    .iter()
                    .find(|(element, _)| *element == name)
                    .map(|(_, called)| *called);
                said.clear();
            }
            Event::Text(text) if inside.is_some() => said.push_str(&text),
            Event::GeneralRef(name) if inside.is_some() => {
                let name = format!("&{};", &*name);
                said.push_str(&quick_xml::escape::unescape(&name).unwrap_or_default());
            }
            Event::End(_) => {
                if let Some(name) = inside.take().filter(|name| !told.contains_key(*name)) {
                    put(told, name, &said);
                }
            }
            _ => {}
        }
    }
}

/// Counts as numbers, everything else as text.
fn put(told: &mut Map<String, Value>, name: &str, said: &str) {
    let is_count = matches!(
        name,
        "pages"
            | "words"
            | "characters"
            | "paragraphs"
            | "lines"
            | "slides"
            | "notes"
            | "hidden_slides"
            | "revision"
    );
    match said.trim().parse::<u64>() {
        Ok(count) if is_count => {
            told.insert(name.to_owned(), json!(count));
        }
        _ => facts::put_text(told, name, Some(said)),
    }
}

/// The summary of an OLE file.
fn ole(source: &mut dyn Source) -> Result<Map<String, Value>, Error> {
    let mut told = Map::new();
    let Ok(mut file) = cfb::CompoundFile::open(Cursor::new(source)) else { return Ok(told) };
    let mut start = |stream: &str| {
        let mut bytes = Vec::new();
        let opened = file.open_stream(stream).ok()?;
        opened.take(MOST_START_BYTES).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    };
    let word = start("/WordDocument").is_some_and(|bytes| word_is_locked(&bytes));
    let sheets = ["/Workbook", "/Book"].iter().find_map(|name| start(name));
    let sheets = sheets.is_some_and(|bytes| sheets_are_locked(&bytes));
    let slides = start("/Current User").is_some_and(|bytes| slides_are_locked(&bytes));
    if word || sheets || slides {
        return Err(Error::Encrypted);
    }
    for (stream, names) in [
        ("/\u{5}SummaryInformation", SUMMARY),
        ("/\u{5}DocumentSummaryInformation", DOCUMENT_SUMMARY),
    ] {
        let mut bytes = Vec::new();
        let read = file
            .open_stream(stream)
            .and_then(|stream| stream.take(MOST_PART_BYTES as u64).read_to_end(&mut bytes));
        if read.is_ok() {
            summary(&bytes, names, &mut told);
        }
    }
    Ok(told)
}

/// A flag in the head of a Word document's stream (MS-DOC, 2.5.2).
fn word_is_locked(stream: &[u8]) -> bool {
    const ENCRYPTED: u8 = 1;
    stream.get(11).is_some_and(|flags| flags & ENCRYPTED != 0)
}

/// A record right behind the first one of a workbook, or close to it (MS-XLS, 2.4.117).
fn sheets_are_locked(stream: &[u8]) -> bool {
    const FILE_PASS: u16 = 0x2f;
    const MOST_RECORDS: usize = 8;
    let mut rest = stream;
    for _ in 0..MOST_RECORDS {
        let Some(([k0, k1, l0, l1], body)) = rest.split_first_chunk::<4>() else { return false };
        if u16::from_le_bytes([*k0, *k1]) == FILE_PASS {
            return true;
        }
        let length = usize::from(u16::from_le_bytes([*l0, *l1]));
        rest = body.get(length..).unwrap_or_default();
    }
    false
}

/// A mark in the stream that tells of the last edit of slides (MS-PPT, 2.3.2).
fn slides_are_locked(stream: &[u8]) -> bool {
    const MARK: u32 = 0xf3d1_c4df;
    let mark = stream.get(12..).and_then(<[u8]>::first_chunk);
    mark.is_some_and(|mark| u32::from_le_bytes(*mark) == MARK)
}

const SUMMARY: &[(u32, &str)] = &[
    (2, "title"),
    (3, "subject"),
    (4, "creator"),
    (5, "keywords"),
    (6, "description"),
    (7, "template"),
    (8, "last_modified_by"),
    (9, "revision"),
    (12, "created"),
    (13, "modified"),
    (14, "pages"),
    (15, "words"),
    (16, "characters"),
    (18, "application"),
];
const DOCUMENT_SUMMARY: &[(u32, &str)] = &[
    (2, "category"),
    (5, "lines"),
    (6, "paragraphs"),
    (7, "slides"),
    (14, "manager"),
    (15, "company"),
];

/// A set of properties: where each is, what kind it is of, and its value.
fn summary(bytes: &[u8], names: &[(u32, &str)], told: &mut Map<String, Value>) -> Option<()> {
    const CODE_PAGE: u32 = 1;
    let number = |at: usize| {
        bytes.get(at..).and_then(<[u8]>::first_chunk).map(|bytes| u32::from_le_bytes(*bytes))
    };
    let section = number(44)? as usize;
    let count = (number(section + 4)? as usize).min(MOST_PROPERTIES);
    let place = |nth: usize| {
        let at = section + 8 + nth * 8;
        Some((number(at)?, section.checked_add(number(at + 4)? as usize)?))
    };
    let properties: Vec<(u32, usize)> = (0..count).map_while(place).collect();
    let code_page =
        properties.iter().find(|(id, _)| *id == CODE_PAGE).and_then(|(_, at)| number(at + 4));
    let encoding = match code_page.unwrap_or(1_252) & 0xffff {
        65_001 => "utf-8",
        1_200 => "utf-16le",
        _ => "unknown-8bit",
    };
    for (id, at) in properties {
        let Some((_, name)) = names.iter().find(|(known, _)| *known == id) else { continue };
        match number(at)? & 0xffff {
            0x1e => {
                let length = number(at + 4)? as usize;
                let text = bytes.get(at + 8..(at + 8).saturating_add(length).min(bytes.len()))?;
                let (text, _) = decode::decode(text, encoding);
                put(told, name, text.trim_end_matches('\0'));
            }
            0x1f => {
                let units = number(at + 4)? as usize;
                let end = (at + 8).saturating_add(units.saturating_mul(2)).min(bytes.len());
                let (text, _) = decode::decode(bytes.get(at + 8..end)?, "utf-16le");
                put(told, name, text.trim_end_matches('\0'));
            }
            3 => {
                told.insert((*name).to_owned(), json!(number(at + 4)?));
            }
            0x40 => {
                let ticks = u64::from(number(at + 8)?) << 32 | u64::from(number(at + 4)?);
                // Durations are kept in the same way.
                if ticks > 100_000_000_000_000_000 {
                    facts::put_text(told, name, date_of_ticks(ticks).as_deref());
                }
            }
            _ => {}
        }
    }
    Some(())
}

/// `{\info{\title Words}{\author Somebody}}`
fn rtf(text: &str) -> Map<String, Value> {
    let mut told = Map::new();
    let Some((_, info)) = text.split_once("{\\info") else { return told };
    for (word, name) in [
        ("title", "title"),
        ("subject", "subject"),
        ("author", "creator"),
        ("operator", "last_modified_by"),
        ("keywords", "keywords"),
        ("doccomm", "description"),
        ("company", "company"),
    ] {
        let found =
            info.split_once(&format!("{{\\{word} ")).and_then(|(_, rest)| rest.split_once('}'));
        if let Some((said, _)) = found.filter(|(said, _)| !said.contains('\\')) {
            put(&mut told, name, said);
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_microsofts_old_programs_locked_is_told_by_their_marks() {
        let mut word = vec![0; 32];
        assert!(!word_is_locked(&word));
        word[11] = 0x13;
        assert!(word_is_locked(&word));
        let begin = b"\x09\x08\x04\0\0\x06\x05\0".as_slice();
        assert!(!sheets_are_locked(&[begin, b"\x42\0\x02\0\xb0\x04"].concat()));
        assert!(sheets_are_locked(&[begin, b"\x2f\0\x06\0\0\0\0\0\0\0"].concat()));
        let user = |mark: u32| [&[0; 12][..], &mark.to_le_bytes(), &[0; 8]].concat();
        assert!(!slides_are_locked(&user(0xe391_c05f)));
        assert!(slides_are_locked(&user(0xf3d1_c4df)));
    }
}
