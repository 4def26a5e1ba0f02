//! Files that are zip archives inside: Office, OpenDocument, EPUB, Sketch, packages.

use crate::bytes::{File, find};
use crate::filetype::Filetype;
use crate::kind::Kind::{self, Archive, Epub, Office, Sketch, Unknown};
use crate::zip::{Directory, Entry, locals, start_of};

/// Entries and bytes of the directory looked at, at most.
const MOST_ENTRIES: usize = 2_000;
const MOST_DIRECTORY_BYTES: usize = 512 << 10;
/// Bytes of an entry that tells what the archive is, at most.
const MOST_TELLING_BYTES: usize = 256 << 10;

const ZIP: Filetype = Filetype::of(Archive, "application/zip", "zip");

/// What the first entry, `mimetype`, may say, and the extension.
const MEDIA_TYPES: &[(Kind, &str, &str)] = &[
    (Epub, "application/epub+zip", "epub"),
    (Office, "application/vnd.oasis.opendocument.text", "odt"),
    (Office, "application/vnd.oasis.opendocument.text-template", "ott"),
    (Office, "application/vnd.oasis.opendocument.text-master", "odm"),
    (Office, "application/vnd.oasis.opendocument.text-web", "oth"),
    (Office, "application/vnd.oasis.opendocument.spreadsheet", "ods"),
    (Office, "application/vnd.oasis.opendocument.spreadsheet-template", "ots"),
    (Office, "application/vnd.oasis.opendocument.presentation", "odp"),
    (Office, "application/vnd.oasis.opendocument.presentation-template", "otp"),
    (Office, "application/vnd.oasis.opendocument.graphics", "odg"),
    (Office, "application/vnd.oasis.opendocument.graphics-template", "otg"),
    (Office, "application/vnd.oasis.opendocument.chart", "odc"),
    (Office, "application/vnd.oasis.opendocument.formula", "odf"),
    (Office, "application/vnd.oasis.opendocument.image", "odi"),
    (Office, "application/vnd.oasis.opendocument.base", "odb"),
    (Office, "application/vnd.sun.xml.writer", "sxw"),
    (Office, "application/vnd.sun.xml.calc", "sxc"),
    (Office, "application/vnd.sun.xml.impress", "sxi"),
    (Office, "application/vnd.sun.xml.draw", "sxd"),
    (Unknown, "image/openraster", "ora"),
    (Unknown, "application/x-krita", "kra"),
    (Unknown, "application/vnd.adobe.indesign-idml-package", "idml"),
];

/// What `[Content_Types].xml` calls the main part, the media type and the extension.
const MAIN_PARTS: &[(&str, &str, &str)] = &[
    (
        "wordprocessingml.document.main+xml",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "docx",
    ),
    (
        "wordprocessingml.template.main+xml",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.template",
        "dotx",
    ),
    (
        "ms-word.document.macroEnabled.main+xml",
        "application/vnd.ms-word.document.macroEnabled.12",
        "docm",
    ),
    (
        "ms-word.template.macroEnabledTemplate.main+xml",
        "application/vnd.ms-word.template.macroEnabled.12",
        "dotm",
    ),
    (
        "spreadsheetml.sheet.main+xml",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "xlsx",
    ),
    (
        "spreadsheetml.template.main+xml",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.template",
        "xltx",
    ),
    (
        "ms-excel.sheet.macroEnabled.main+xml",
        "application/vnd.ms-excel.sheet.macroEnabled.12",
        "xlsm",
    ),
    (
        "ms-excel.template.macroEnabled.main+xml",
        "application/vnd.ms-excel.template.macroEnabled.12",
        "xltm",
    ),
    (
        "ms-excel.sheet.binary.macroEnabled.main",
        "application/vnd.ms-excel.sheet.binary.macroEnabled.12",
        "xlsb",
    ),
    (
        "presentationml.presentation.main+xml",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "pptx",
    ),
    (
        "presentationml.slideshow.main+xml",
        "application/vnd.openxmlformats-officedocument.presentationml.slideshow",
        "ppsx",
    ),
    (
        "presentationml.template.main+xml",
        "application/vnd.openxmlformats-officedocument.presentationml.template",
        "potx",
    ),
    (
        "ms-powerpoint.presentation.macroEnabled.main+xml",
        "application/vnd.ms-powerpoint.presentation.macroEnabled.12",
        "pptm",
    ),
    (
        "ms-powerpoint.slideshow.macroEnabled.main+xml",
        "application/vnd.ms-powerpoint.slideshow.macroEnabled.12",
        "ppsm",
    ),
    (
        "ms-powerpoint.template.macroEnabled.main+xml",
        "application/vnd.ms-powerpoint.template.macroEnabled.12",
        "potm",
    ),
    ("ms-visio.drawing.main+xml", "application/vnd.ms-visio.drawing.main+xml", "vsdx"),
];

/// Names that tell by themselves: all of a row must be there, a `/` at the end stands for any
/// file of a folder.
const NAMES: &[(&[&str], Kind, &str, &str)] = &[
    (
        &["word/document.xml"],
        Office,
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "docx",
    ),
    (
        &["xl/workbook.xml"],
        Office,
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "xlsx",
    ),
    (&["xl/workbook.bin"], Office, "application/vnd.ms-excel.sheet.binary.macroEnabled.12", "xlsb"),
    (
        &["ppt/presentation.xml"],
        Office,
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "pptx",
    ),
    (&["visio/document.xml"], Office, "application/vnd.ms-visio.drawing.main+xml", "vsdx"),
    (&["Index/Document.iwa", "Index/Slide.iwa"], Office, "application/vnd.apple.keynote", "key"),
    (
        &["Index/Document.iwa", "Index/CalculationEngine.iwa", "Index/Tables/"],
        Office,
        "application/vnd.apple.numbers",
        "numbers",
    ),
    (&["Index/Document.iwa"], Office, "application/vnd.apple.pages", "pages"),
    (&["document.json", "meta.json", "pages/"], Sketch, "application/x-sketch", "sketch"),
    (&["META-INF/container.xml", "OEBPS/"], Epub, "application/epub+zip", "epub"),
    (&["AndroidManifest.xml"], Archive, "application/vnd.android.package-archive", "apk"),
    (&["META-INF/MANIFEST.MF"], Archive, "application/java-archive", "jar"),
    (&["3D/3dmodel.model"], Unknown, "model/3mf", "3mf"),
    (&["doc.kml"], Archive, "application/vnd.google-earth.kmz", "kmz"),
    (&["FixedDocSeq.fdseq"], Unknown, "application/oxps", "oxps"),
    (&["FixedDocumentSequence.fdseq"], Unknown, "application/vnd.ms-xpsdocument", "xps"),
];

/// Looks into a zip archive: at its first entry, then at its directory.
pub(crate) fn look(file: &mut File<'_>) -> Option<Filetype> {
    let starts = [&b"PK\x03\x04"[..], b"PK\x05\x06", b"PK\x07\x08PK\x03\x04", b"PK00PK\x03\x04"];
    if !starts.iter().any(|magic| file.has(0, magic)) {
        return None;
    }
    let near = locals(file.head, MOST_ENTRIES);
    if let Some(found) = near.first().and_then(|first| by_media_type(file, first)) {
        return Some(found);
    }
    let length = file.length;
    let mut read = |offset, count| Some(file.bytes(offset, count));
    let entries = Directory::read(length, MOST_ENTRIES, MOST_DIRECTORY_BYTES, &mut read)
        .map_or(near, |directory| directory.entries);
    Some(by_content_types(file, &entries).or_else(|| by_names(&entries)).unwrap_or(ZIP))
}

fn by_media_type(file: &mut File<'_>, first: &Entry) -> Option<Filetype> {
    if first.name != b"mimetype" {
        return None;
    }
    let said = start_of(first, 128, &mut |offset, count| Some(file.bytes(offset, count)));
    let said = said.trim_ascii();
    MEDIA_TYPES
        .iter()
        .find(|(_, media_type, _)| said == media_type.as_bytes())
        .map(|(kind, media_type, extension)| Filetype::of(*kind, media_type, extension))
}

fn by_content_types(file: &mut File<'_>, entries: &[Entry]) -> Option<Filetype> {
    let entry = entries.iter().find(|entry| entry.name == b"[Content_Types].xml")?;
    let mut read = |offset, count| Some(file.bytes(offset, count));
    let types = start_of(entry, MOST_TELLING_BYTES, &mut read);
    MAIN_PARTS
        .iter()
        .find(|(part, ..)| find(&types, part.as_bytes()).is_some())
        .map(|(_, media_type, extension)| Filetype::of(Office, media_type, extension))
}

fn by_names(entries: &[Entry]) -> Option<Filetype> {
    let is_there = |wanted: &str| {
        entries.iter().any(|entry| {
            if wanted.ends_with('/') {
                entry.name.starts_with(wanted.as_bytes())
            } else {
                entry.name == wanted.as_bytes()
            }
        })
    };
    NAMES
        .iter()
        .find(|(names, ..)| names.iter().all(|name| is_there(name)))
        .map(|(_, kind, media_type, extension)| Filetype::of(*kind, media_type, extension))
}
