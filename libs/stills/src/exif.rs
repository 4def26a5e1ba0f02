//! EXIF tags as a flat map of names to numbers and texts.

use std::io::Cursor;

use domain::limits::Limits;
use exif::experimental::Writer;
use exif::{Context, Exif, Field, In, Reader, Tag, Value as ExifValue};
use serde_json::{Map, Number, Value};

use crate::{jxl, notes, webp};

/// The longest text of one tag, in characters.
const TEXT_CHARS: usize = 1_024;
/// The most numbers of one tag that are written out.
const MAX_NUMBERS: usize = 16;
/// Blobs of makers, and pointers into the file that mean nothing outside it.
const LEFT_OUT: [Tag; 7] = [
    Tag::MakerNote,
    Tag::ExifIFDPointer,
    Tag::GPSInfoIFDPointer,
    Tag::InteropIFDPointer,
    Tag::JPEGInterchangeFormat,
    Tag::JPEGInterchangeFormatLength,
    Tag(Context::Tiff, 0x02bc),
];
/// Tags of the first directory that are about the picture, not about how it is stored.
const DESCRIPTIVE: [Tag; 7] = [
    Tag::ImageDescription,
    Tag::Make,
    Tag::Model,
    Tag::Software,
    Tag::DateTime,
    Tag::Artist,
    Tag::Copyright,
];
/// Tags of stored pixels elsewhere.
const OF_PIXELS: [Tag; 4] =
    [Tag::PixelXDimension, Tag::PixelYDimension, Tag::ColorSpace, Tag::ComponentsConfiguration];

fn read(file: &[u8]) -> Option<Exif> {
    let mut reader = Reader::new();
    let reader = reader.continue_on_error(true);
    let found = match bare(file) {
        Some(tags) => reader.read_raw(tags.to_vec()),
        None => reader.read_from_container(&mut Cursor::new(file)),
    };
    found.or_else(|error| error.distill_partial_result(|_errors| {})).ok()
}

/// Tags by themselves: as TIFF, Photoshop and Canon keep them, those of JPEG XL, and those of WebP
/// files whose writers put before them what belongs into JPEG.
fn bare(file: &[u8]) -> Option<&[u8]> {
    if file.starts_with(b"II") || file.starts_with(b"MM") {
        return Some(file);
    }
    if let Some(tags) = jxl::tags(file) {
        return Some(tags);
    }
    let is_riff = file.starts_with(b"RIFF");
    is_riff.then(|| webp::chunk(file, b"EXIF")).flatten()?.strip_prefix(b"Exif\0\0")
}

/// The tags of a file, or `None` if it has none that can be read.
pub(crate) fn tags(file: &[u8], limits: &Limits) -> Option<Map<String, Value>> {
    let exif = read(file)?;
    let mut tags = Map::new();
    // Braces and the like are counted in before the first tag.
    let mut bytes = 2;
    for field in exif.fields().filter(|field| field.ifd_num == In::PRIMARY) {
        let name = field.tag.to_string();
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !plain || LEFT_OUT.contains(&field.tag) {
            continue;
        }
        let Some(value) = value(&exif, field) else { continue };
        bytes += name.len() + value.to_string().len() + 4;
        if bytes > limits.metadata_bytes as usize {
            break;
        }
        tags.insert(name, value);
    }
    let mut noted = tags.clone();
    notes::add(exif.buf(), &mut noted);
    if Value::Object(noted.clone()).to_string().len() <= limits.metadata_bytes as usize {
        tags = noted;
    }
    if tags.is_empty() { None } else { Some(tags) }
}

/// The tags of a file and what its decoder knows, as much of it as there is room for.
pub fn with_facts(file: &[u8], facts: Map<String, Value>, limits: &Limits) -> Map<String, Value> {
    let mut tags = tags(file, limits).unwrap_or_default();
    let mut bytes = Value::Object(tags.clone()).to_string().len();
    for (name, value) in facts {
        bytes += name.len() + value.to_string().len() + 4;
        if bytes > limits.metadata_bytes as usize {
            break;
        }
        tags.insert(name, value);
    }
    tags
}

/// The tags as a block of their own that says upright and has no thumbnail; `None` where there is
/// nothing to keep.
pub(crate) fn cleaned(file: &[u8]) -> Option<Vec<u8>> {
    let exif = read(file)?;
    let upright =
        Field { tag: Tag::Orientation, ifd_num: In::PRIMARY, value: ExifValue::Short(vec![1]) };
    let mut writer = Writer::new();
    let mut kept = 0_usize;
    for field in exif.fields().filter(|field| field.ifd_num == In::PRIMARY) {
        // What is said of the stored pixels is not true of a rendition.
        let is_of_exif = field.tag.context() != Context::Tiff || DESCRIPTIVE.contains(&field.tag);
        if is_of_exif && !OF_PIXELS.contains(&field.tag) && !LEFT_OUT.contains(&field.tag) {
            writer.push_field(field);
            kept += 1;
        }
    }
    if kept == 0 {
        return None;
    }
    writer.push_field(&upright);
    let mut bytes = Cursor::new(Vec::new());
    writer.write(&mut bytes, exif.little_endian()).ok()?;
    Some(bytes.into_inner())
}

fn value(exif: &Exif, field: &Field) -> Option<Value> {
    match field.tag {
        Tag::GPSLatitude => return degrees(exif, field, Tag::GPSLatitudeRef, b"S"),
        Tag::GPSLongitude => return degrees(exif, field, Tag::GPSLongitudeRef, b"W"),
        Tag::UserComment => return comment(field),
        _ => {}
    }
    match &field.value {
        ExifValue::Ascii(texts) => {
            let texts: Vec<_> = texts.iter().map(|text| String::from_utf8_lossy(text)).collect();
            text(texts.join(", ").trim())
        }
        // Versions and the like, which the library knows how to print; other blobs are left out.
        ExifValue::Undefined(bytes, _) if bytes.len() <= MAX_NUMBERS => {
            text(&field.display_value().to_string())
        }
        ExifValue::Undefined(..) | ExifValue::Unknown(..) => None,
        numbers => {
            let numbers = numbers_of(numbers);
            match numbers.as_slice() {
                [] => None,
                [one] => Number::from_f64(*one).map(whole),
                many => {
                    let words: Vec<String> =
                        many.iter().take(MAX_NUMBERS).map(ToString::to_string).collect();
                    text(&words.join(", "))
                }
            }
        }
    }
}

/// Integers are written as such.
#[allow(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
fn whole(number: Number) -> Value {
    match number.as_f64() {
        Some(value) if value.fract() == 0.0 && value.abs() < 1e15 => Value::from(value as i64),
        _ => Value::Number(number),
    }
}

fn numbers_of(value: &ExifValue) -> Vec<f64> {
    match value {
        ExifValue::Byte(all) => all.iter().map(|v| f64::from(*v)).collect(),
        ExifValue::Short(all) => all.iter().map(|v| f64::from(*v)).collect(),
        ExifValue::Long(all) => all.iter().map(|v| f64::from(*v)).collect(),
        ExifValue::SByte(all) => all.iter().map(|v| f64::from(*v)).collect(),
        ExifValue::SShort(all) => all.iter().map(|v| f64::from(*v)).collect(),
        ExifValue::SLong(all) => all.iter().map(|v| f64::from(*v)).collect(),
        ExifValue::Float(all) => all.iter().map(|v| f64::from(*v)).collect(),
        ExifValue::Double(all) => all.clone(),
        ExifValue::Rational(all) => all.iter().map(exif::Rational::to_f64).collect(),
        ExifValue::SRational(all) => all.iter().map(exif::SRational::to_f64).collect(),
        ExifValue::Ascii(_) | ExifValue::Undefined(..) | ExifValue::Unknown(..) => Vec::new(),
    }
}

/// Degrees, minutes and seconds as one signed number.
fn degrees(exif: &Exif, field: &Field, reference: Tag, negative: &[u8]) -> Option<Value> {
    const PLACES: f64 = 1e7;
    let numbers = numbers_of(&field.value);
    let [degrees, minutes, seconds] = numbers.as_slice() else { return None };
    let sum = degrees + minutes / 60.0 + seconds / 3_600.0;
    let is_negative = exif.get_field(reference, In::PRIMARY).is_some_and(|field| {
        matches!(&field.value, ExifValue::Ascii(texts)
            if texts.first().is_some_and(|text| text.starts_with(negative)))
    });
    let signed = if is_negative { -sum } else { sum };
    Number::from_f64((signed * PLACES).round() / PLACES).map(Value::Number)
}

/// The first eight bytes name the encoding; only ASCII is taken.
fn comment(field: &Field) -> Option<Value> {
    let ExifValue::Undefined(bytes, _) = &field.value else { return None };
    text(String::from_utf8_lossy(bytes.strip_prefix(b"ASCII\0\0\0")?).trim_end_matches('\0').trim())
}

fn text(text: &str) -> Option<Value> {
    let clean: String =
        text.chars().filter(|letter| !letter.is_control()).take(TEXT_CHARS).collect();
    if clean.is_empty() { None } else { Some(Value::String(clean)) }
}
