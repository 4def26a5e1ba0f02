//! What a PDF says of itself.

use domain::limits::Limits;
use hayro::hayro_syntax::object::{DateTime, Dict, Object};
use hayro::hayro_syntax::{Pdf, PdfVersion};
use serde_json::{Map, Value, json};

use super::page::points;
use crate::text;

/// Most runs of pages of one size that are told.
const MOST_SIZES: usize = 100;
/// How far into a file the mark of a linearized one is looked for, in bytes.
const HEAD_BYTES: usize = 1_024;
/// How much of a file's end is searched for its last cross-references, in bytes.
const TAIL_BYTES: usize = 2_048;
/// How much is searched for the mark of an encrypted file, from its cross-references on, in bytes.
const TRAILER_BYTES: usize = 8 << 20;

/// The kind `document`.
pub(super) fn document(pdf: &Pdf, limits: &Limits) -> Map<String, Value> {
    let mut found = Map::new();
    found.insert("pages".to_owned(), json!(pdf.pages().len()));
    let told = pdf.metadata();
    for (name, bytes) in [
        ("title", &told.title),
        ("author", &told.author),
        ("subject", &told.subject),
        ("keywords", &told.keywords),
        ("creator", &told.creator),
        ("producer", &told.producer),
    ] {
        if let Some(text) = bytes.as_deref().and_then(text::of_pdf) {
            found.insert(name.to_owned(), json!(text));
        }
    }
    for (name, date) in [("created", told.creation_date), ("modified", told.modification_date)] {
        if let Some(date) = date {
            found.insert(name.to_owned(), json!(spelled(date)));
        }
    }
    found.insert("version".to_owned(), json!(version(pdf.version())));
    let bytes: &[u8] = pdf.data().as_ref();
    found.insert("encrypted".to_owned(), json!(is_encrypted(bytes)));
    let head = bytes.get(..HEAD_BYTES).unwrap_or(bytes);
    found.insert("linearized".to_owned(), json!(find(head, b"/Linearized").is_some()));
    let catalog = pdf.xref().get::<Dict<'_>>(pdf.xref().root_id()).unwrap_or_default();
    let marks = catalog.get::<Dict<'_>>("MarkInfo").unwrap_or_default();
    found.insert("tagged".to_owned(), json!(marks.get::<bool>("Marked").unwrap_or(false)));
    if let Some(Object::String(language)) = catalog.get::<Object<'_>>("Lang")
        && let Some(language) = text::of_pdf(language.as_bytes())
    {
        found.insert("language".to_owned(), json!(language));
    }
    if let Some(form) = catalog.get::<Dict<'_>>("AcroForm") {
        let kind = if form.contains_key("XFA") { "xfa" } else { "acroform" };
        found.insert("form".to_owned(), json!(kind));
    }
    sizes(pdf, limits, &mut found);
    found
}

/// The pages' sizes in points, as they are to be seen, one entry for each run of equal ones.
fn sizes(pdf: &Pdf, limits: &Limits, found: &mut Map<String, Value>) {
    struct Run {
        first: usize,
        last: usize,
        width: f64,
        height: f64,
    }
    let most = MOST_SIZES.min(limits.metadata_bytes as usize / 512);
    let mut runs: Vec<Run> = Vec::new();
    let mut truncated = false;
    for (number, page) in (1..).zip(pdf.pages().iter()) {
        let (width, height) = points(page);
        let tenths = |points: f64| (points * 10.0).round() / 10.0;
        let (width, height) = (tenths(width), tenths(height));
        let full = runs.len() >= most;
        match runs.last_mut() {
            Some(run) if run.width == width && run.height == height => run.last = number,
            _ if full => {
                truncated = true;
                break;
            }
            _ => runs.push(Run { first: number, last: number, width, height }),
        }
    }
    let runs: Vec<Value> = runs
        .iter()
        .map(|Run { first, last, width, height }| {
            let pages = if first == last { first.to_string() } else { format!("{first}-{last}") };
            json!({ "pages": pages, "width": width, "height": height })
        })
        .collect();
    found.insert("page_sizes".to_owned(), Value::Array(runs));
    if truncated {
        found.insert("truncated".to_owned(), json!(true));
    }
}

/// RFC 3339. A PDF need not tell the time zone; then it is taken for UTC.
fn spelled(date: DateTime) -> String {
    let DateTime { year, month, day, hour, minute, second, utc_offset_hour, utc_offset_minute } =
        date;
    let time = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if utc_offset_hour == 0 && utc_offset_minute == 0 {
        format!("{time}Z")
    } else {
        let sign = if utc_offset_hour < 0 { '-' } else { '+' };
        let hours = utc_offset_hour.unsigned_abs();
        format!("{time}{sign}{hours:02}:{utc_offset_minute:02}")
    }
}

const fn version(version: PdfVersion) -> &'static str {
    match version {
        PdfVersion::Pdf10 => "1.0",
        PdfVersion::Pdf11 => "1.1",
        PdfVersion::Pdf12 => "1.2",
        PdfVersion::Pdf13 => "1.3",
        PdfVersion::Pdf14 => "1.4",
        PdfVersion::Pdf15 => "1.5",
        PdfVersion::Pdf16 => "1.6",
        PdfVersion::Pdf17 => "1.7",
        PdfVersion::Pdf20 => "2.0",
    }
}

/// Whether the file is encrypted: its last cross-references name a dictionary that says how. One
/// that opens nevertheless takes the empty password.
fn is_encrypted(bytes: &[u8]) -> bool {
    let tail = bytes.get(bytes.len().saturating_sub(TAIL_BYTES)..).unwrap_or(bytes);
    let start = rfind(tail, b"startxref").and_then(|at| tail.get(at + b"startxref".len()..));
    let offset = start.and_then(|rest| {
        let digits = rest.trim_ascii_start();
        let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        std::str::from_utf8(digits.get(..length)?).ok()?.parse::<usize>().ok()
    });
    // Where there is no table the file was mended, and its end is the best guess.
    let trailer = offset.and_then(|offset| bytes.get(offset..)).unwrap_or(tail);
    let trailer = trailer.get(..TRAILER_BYTES).unwrap_or(trailer);
    find(trailer, b"/Encrypt").is_some()
}

fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    let first = *word.first()?;
    let mut at = 0;
    loop {
        let rest = bytes.get(at..)?;
        at += rest.iter().position(|byte| *byte == first)?;
        if bytes.get(at..)?.starts_with(word) {
            return Some(at);
        }
        at += 1;
    }
}

fn rfind(bytes: &[u8], word: &[u8]) -> Option<usize> {
    bytes.windows(word.len()).rposition(|window| window == word)
}
