//! What a real file's metadata must say, by the kind that its row has.

use domain::wish::MetadataKind;
use enclave::Rendered;
use serde_json::{Map, Value};

use crate::corpus::Entry;
use crate::jobs::Drawn;

/// No film or sound of the corpus claims to be as long as a week, in seconds.
const LONGEST_S: f64 = 604_800.0;
/// Bits of a channel, at most.
const DEEPEST: u64 = 64;

/// Rows and the kind of metadata that each of their files has; a row that is not here has none.
const KINDS: &[(MetadataKind, &[&str])] = &[
    (
        MetadataKind::Exif,
        &[
            "avif", "bmp", "exr", "gif", "hdr", "heic", "ico", "jpeg", "jxl", "png", "pnm", "qoi",
            "tga", "tiff", "webp",
        ],
    ),
    (MetadataKind::Raw, &["raw"]),
    (MetadataKind::Psd, &["psd"]),
    (MetadataKind::Sketch, &["sketch"]),
    (MetadataKind::Document, &["epub", "illustrator", "other", "pdf", "text"]),
    (MetadataKind::Mail, &["mail"]),
    (MetadataKind::Font, &["font"]),
    (MetadataKind::Archive, &["archive"]),
    (MetadataKind::Multimedia, &["audio", "video"]),
];
/// Files that are not of their row's kind are drawn as text or as an icon, whatever the row.
const OTHERS: [&str; 2] = ["text/plain", "application/octet-stream"];

/// The kind of metadata that a drawn file must have.
pub(crate) fn kind_of(entry: &Entry) -> Option<MetadataKind> {
    if OTHERS.contains(&&*entry.media_type) {
        return Some(MetadataKind::Document);
    }
    let has_row = |(_, rows): &&(_, &[&str])| rows.contains(&&*entry.row);
    KINDS.iter().find(has_row).map(|(kind, _)| *kind)
}

/// Whether a sound has a cover, or a film a frame.
pub(crate) fn has_picture(rendered: &Rendered) -> bool {
    let streams = rendered.metadata.get("multimedia").map(|told| &told["streams"]);
    streams
        .and_then(Value::as_array)
        .is_some_and(|streams| streams.iter().any(|stream| stream["codec_type"] == "video"))
}

/// What is wrong with the metadata of a drawn file.
pub(crate) fn faults(entry: &Entry, drawn: &Drawn, rendered: &Rendered) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, told) in &rendered.metadata {
        if !is_printable(told) {
            faults.push(format!("{name} is not printable"));
        }
    }
    let Some(kind) = kind_of(entry) else { return faults };
    match rendered.metadata.get(kind.name()) {
        Some(Value::Object(told)) if !told.is_empty() => {
            if let Some(what) = nonsense(kind, told, entry, drawn) {
                faults.push(format!("{}: {what} makes no sense in {told:?}", kind.name()));
            }
        }
        told => faults.push(format!("{} is {told:?}", kind.name())),
    }
    faults
}

fn is_printable(value: &Value) -> bool {
    let plain =
        |text: &str| text.chars().all(|letter| !letter.is_control() || "\n\t".contains(letter));
    match value {
        Value::String(text) => plain(text),
        Value::Array(values) => values.iter().all(is_printable),
        Value::Object(map) => map.iter().all(|(key, value)| plain(key) && is_printable(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

/// The first thing that cannot be so.
fn nonsense(
    kind: MetadataKind,
    told: &Map<String, Value>,
    entry: &Entry,
    drawn: &Drawn,
) -> Option<&'static str> {
    let number = |key: &str| told.get(key).and_then(Value::as_u64);
    let said = |key: &str| told.get(key).and_then(Value::as_str).is_some_and(|it| !it.is_empty());
    let list = |key: &str| told.get(key).and_then(Value::as_array);
    let original = drawn.pictures.first().map_or((0, 0), |first| first.original);
    // As it is stored: its orientation may turn it.
    let sized = |width: &str, height: &str| {
        let stored = (number(width), number(height));
        let (width, height) = (Some(original.0.into()), Some(original.1.into()));
        stored == (width, height) || stored == (height, width)
    };
    let paged = || number("pages") == drawn.pages.map(u64::from);
    let checks: &[(&'static str, bool)] = match kind {
        MetadataKind::Exif => &[
            ("its dimensions", sized("ImageWidth", "ImageHeight")),
            ("its depth", number("BitDepth").is_some_and(|bits| (1..=DEEPEST).contains(&bits))),
            ("its colours", said("ColorModel")),
        ],
        MetadataKind::Raw => {
            let preview = told.get("preview").and_then(Value::as_object);
            let has_pixels = |key: &str| preview.and_then(|it| it.get(key)?.as_u64()) > Some(0);
            &[("its preview", has_pixels("width") && has_pixels("height"))]
        }
        MetadataKind::Psd => &[
            ("its dimensions", sized("width", "height")),
            ("its depth", number("depth").is_some_and(|bits| [1, 8, 16, 32].contains(&bits))),
            ("its mode", said("mode")),
            ("its layers", list("layers").is_some()),
        ],
        MetadataKind::Sketch => &[("its pages", list("pages").is_some_and(|it| !it.is_empty()))],
        MetadataKind::Document if OTHERS.contains(&&*entry.media_type) || entry.row == "other" => {
            &[("what it is", said("media_type") || said("encoding"))]
        }
        MetadataKind::Document if entry.row == "epub" => &[
            ("its chapters", number("chapters").is_some()),
            ("its authors", list("creator").is_some_and(|it| !it.is_empty())),
            ("its title", said("title")),
        ],
        MetadataKind::Document => &[("its pages", paged())],
        MetadataKind::Mail => &[
            ("its pages", paged()),
            ("its body", said("body")),
            ("its sender", list("from").is_some() || said("subject")),
        ],
        MetadataKind::Font => {
            &[("its glyphs", number("glyphs") > Some(0)), ("its faces", number("faces") > Some(0))]
        }
        MetadataKind::Archive => &[
            ("its format", said("format")),
            ("its entries", list("entries").map(|it| it.len() as u64) <= number("total")),
        ],
        MetadataKind::Multimedia => {
            let format = told.get("format").and_then(Value::as_object);
            let text = |key: &str| format.and_then(|it| it.get(key)?.as_str());
            let bytes = entry.file().metadata().expect("known").len();
            let length_s: Option<f64> = text("duration").and_then(|it| it.parse().ok());
            &[
                ("its format", text("format_name").is_some_and(|it| !it.is_empty())),
                ("its size", text("size") == Some(&*bytes.to_string())),
                ("its length", length_s.is_none_or(|it| (0.0..=LONGEST_S).contains(&it))),
                ("its streams", list("streams").is_some_and(|it| !it.is_empty())),
            ]
        }
        MetadataKind::Ocr | MetadataKind::Checksum | MetadataKind::Webpage => &[],
    };
    checks.iter().find(|(_, fine)| !fine).map(|(what, _)| *what)
}
