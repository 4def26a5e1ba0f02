//! What Canon and Nikon write of a shot in blobs of their own.

use serde_json::{Map, Value};

use crate::ifd::Tiff;

const EXIF: u16 = 0x8769;
const MAKER_NOTE: u16 = 0x927c;

/// Texts in Canon's notes.
const CANON: [(u16, &str); 5] = [
    (0x0006, "CanonImageType"),
    (0x0007, "CanonFirmwareVersion"),
    (0x0009, "OwnerName"),
    (0x0095, "LensModel"),
    (0x0096, "InternalSerialNumber"),
];
/// Texts in Nikon's notes.
const NIKON: [(u16, &str); 5] = [
    (0x0004, "Quality"),
    (0x0005, "WhiteBalanceSetting"),
    (0x0007, "FocusMode"),
    (0x0008, "FlashSetting"),
    (0x001d, "SerialNumber"),
];
/// Numbers in Canon's and Nikon's notes.
const CANON_SERIAL: u16 = 0x000c;
const CANON_MODEL: u16 = 0x0010;
const NIKON_LENS: u16 = 0x0084;
const NIKON_SHUTTER_COUNT: u16 = 0x00a7;

/// Adds what is understood of a maker's notes: who made them, always.
pub(crate) fn add(exif: &[u8], tags: &mut Map<String, Value>) {
    let Some(tiff) = Tiff::of(exif) else { return };
    let main = tiff.directory(tiff.first());
    let below = main.and_then(|main| tiff.whole(main.get(EXIF)?));
    let Some(below) = below.and_then(|at| tiff.directory(at)) else { return };
    let Some(note) = below.get(MAKER_NOTE) else { return };
    let (at, length) = (note.at, note.length());
    let head = tiff.slice(at, length.min(12)).unwrap_or_default();
    let make = tags.get("Make").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    let maker = if head.starts_with(b"Nikon\0\x02") {
        nikon(tiff.slice(at + 10, length.saturating_sub(10)).unwrap_or_default(), tags);
        "Nikon".to_owned()
    } else if make.starts_with("canon") {
        canon(&tiff, at, tags);
        "Canon".to_owned()
    } else {
        // By the letters that most of them begin with.
        let letters = head.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b' ');
        let name: String = letters.map(|byte| char::from(*byte)).collect();
        if name.len() >= 3 { name } else { make }
    };
    let maker = if maker.is_empty() { "unknown".to_owned() } else { maker };
    tags.entry("MakerNote").or_insert(Value::String(format!("{maker}, {length} bytes")));
}

fn texts(tiff: &Tiff<'_>, at: u64, names: &[(u16, &str)], tags: &mut Map<String, Value>) {
    let Some(notes) = tiff.directory(at) else { return };
    for (tag, name) in names {
        if let Some(text) = notes.get(*tag).and_then(|entry| tiff.text(entry)) {
            tags.entry(*name).or_insert(Value::String(text));
        }
    }
}

/// Offsets count from where EXIF begins.
fn canon(tiff: &Tiff<'_>, at: u64, tags: &mut Map<String, Value>) {
    texts(tiff, at, &CANON, tags);
    let Some(notes) = tiff.directory(at) else { return };
    for (tag, name) in [(CANON_SERIAL, "SerialNumber"), (CANON_MODEL, "CanonModelID")] {
        if let Some(number) = notes.get(tag).and_then(|entry| tiff.whole(entry)) {
            tags.entry(name).or_insert(Value::from(number));
        }
    }
}

/// A file of tags in itself, with its own order of bytes.
fn nikon(note: &[u8], tags: &mut Map<String, Value>) {
    let Some(tiff) = Tiff::of(note) else { return };
    texts(&tiff, tiff.first(), &NIKON, tags);
    let Some(notes) = tiff.directory(tiff.first()) else { return };
    if let Some([short, long, fast, slow]) =
        notes.get(NIKON_LENS).map(|entry| tiff.numbers(entry)).as_deref()
    {
        let lens = format!("{short}-{long}mm f/{fast}-{slow}");
        tags.entry("Lens").or_insert(Value::String(lens));
    }
    if let Some(count) = notes.get(NIKON_SHUTTER_COUNT).and_then(|entry| tiff.whole(entry)) {
        tags.entry("ShutterCount").or_insert(Value::from(count));
    }
}
