//! Where previews lie in raw files that are built like TIFF, and in Fujifilm's.

use std::borrow::Cow;

use image::metadata::Orientation;

use super::Parts;
use super::develop::Sensor;
use crate::ifd::{Directory, Tiff};

/// The most directories that are looked at.
const MAX_DIRECTORIES: usize = 64;
/// The most places where a JPEG may begin that are looked at.
const MAX_BEGINNINGS: usize = 256;

const NEW_SUBFILE_TYPE: u16 = 254;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const MAKE: u16 = 271;
const STRIP_OFFSETS: u16 = 273;
const ORIENTATION: u16 = 274;
const STRIP_BYTES: u16 = 279;
const SUB_DIRECTORIES: u16 = 330;
const JPEG_OFFSET: u16 = 513;
const JPEG_BYTES: u16 = 514;
/// Panasonic: a whole JPEG as a value.
const JPEG_FROM_RAW: u16 = 0x002e;
const EXIF: u16 = 0x8769;
const MAKER_NOTE: u16 = 0x927c;
const DNG_VERSION: u16 = 0xc612;
/// How the pixels of a sensor are told to be ones.
const MOSAIC: u64 = 32_803;
const LINEAR: u64 = 34_892;
/// Inside Olympus' notes: the settings, and there the preview.
const OLYMPUS_SETTINGS: u16 = 0x2020;
const OLYMPUS_PREVIEW: (u16, u16) = (0x101, 0x102);

/// Whether a file built like TIFF holds what a camera's sensor saw.
pub(crate) fn is_raw(file: &[u8]) -> bool {
    let Some(tiff) = Tiff::of(file) else { return false };
    directories(&tiff).iter().any(|directory| {
        let photometric = directory.get(PHOTOMETRIC).and_then(|entry| tiff.whole(entry));
        directory.get(DNG_VERSION).is_some() || matches!(photometric, Some(MOSAIC | LINEAR))
    })
}

/// The parts of a file built like TIFF.
pub(super) fn parts(file: &[u8]) -> Parts<'_> {
    let Some(tiff) = Tiff::of(file) else { return Parts::default() };
    let all = directories(&tiff);
    let mut parts = Parts::default();
    let orientation = all.iter().find_map(|directory| directory.get(ORIENTATION));
    parts.orientation = orientation
        .and_then(|entry| u8::try_from(tiff.whole(entry)?).ok())
        .and_then(Orientation::from_exif);
    for directory in &all {
        collect(&tiff, directory, &mut parts.jpegs);
        let photometric = directory.get(PHOTOMETRIC).and_then(|entry| tiff.whole(entry));
        if matches!(photometric, Some(MOSAIC | LINEAR)) && is_whole(&tiff, directory) {
            parts.sensor = parts.sensor.or_else(|| Sensor::find(tiff, directory, all.first()));
        }
    }
    let makes_tags = all.iter().any(|directory| directory.get(MAKE).is_some());
    if makes_tags {
        parts.tags.push(plain(file));
    }
    parts
}

fn is_whole(tiff: &Tiff<'_>, directory: &Directory) -> bool {
    let kind = directory.get(NEW_SUBFILE_TYPE).and_then(|entry| tiff.whole(entry));
    kind.is_none_or(|kind| kind & 1 == 0)
}

/// The file with the magic number that readers of tags know; Olympus and Panasonic have their own.
fn plain(file: &[u8]) -> Cow<'_, [u8]> {
    let magic: &[u8] = match file.get(..4) {
        Some(b"II*\0" | b"MM\0*") | None => return file.into(),
        Some([b'I', ..]) => b"II*\0",
        Some(_) => b"MM\0*",
    };
    let rest = file.get(4..).unwrap_or_default();
    Cow::Owned([magic, rest].concat())
}

/// The main chain, and whatever hangs below it.
fn directories(tiff: &Tiff<'_>) -> Vec<Directory> {
    let mut places = vec![tiff.first()];
    let mut seen: Vec<u64> = Vec::new();
    let mut found = Vec::new();
    while let Some(at) = places.pop() {
        if at == 0 || seen.contains(&at) || seen.len() >= MAX_DIRECTORIES {
            continue;
        }
        seen.push(at);
        let Some(directory) = tiff.directory(at) else { continue };
        // The next of the chain comes after what hangs below this one.
        places.push(directory.next);
        for tag in [SUB_DIRECTORIES, EXIF] {
            let below = directory.get(tag).map(|entry| tiff.wholes(entry).collect::<Vec<_>>());
            places.extend(below.unwrap_or_default().into_iter().rev());
        }
        found.push(directory);
    }
    found
}

/// The JPEGs that a directory points at.
fn collect<'a>(tiff: &Tiff<'a>, directory: &Directory, jpegs: &mut Vec<&'a [u8]>) {
    let whole = |tag| directory.get(tag).and_then(|entry| tiff.whole(entry));
    let mut add = |found: Option<&'a [u8]>| {
        jpegs.extend(found.filter(|bytes| bytes.starts_with(b"\xff\xd8\xff")));
    };
    if let (Some(at), Some(length)) = (whole(JPEG_OFFSET), whole(JPEG_BYTES)) {
        add(tiff.slice(at, length));
    }
    let is_jpeg = matches!(whole(COMPRESSION), Some(6 | 7));
    if let (true, Some(at), Some(length)) = (is_jpeg, whole(STRIP_OFFSETS), whole(STRIP_BYTES)) {
        add(tiff.slice(at, length));
    }
    add(directory.get(JPEG_FROM_RAW).and_then(|entry| tiff.bytes(entry)));
    if let Some(note) = directory.get(MAKER_NOTE) {
        add(olympus(tiff, note.at));
    }
}

/// The preview in Olympus' notes, whose offsets count from where the notes begin.
fn olympus<'a>(tiff: &Tiff<'a>, at: u64) -> Option<&'a [u8]> {
    if !tiff.slice(at, 10)?.starts_with(b"OLYMPUS\0II")
        && !tiff.slice(at, 10)?.starts_with(b"OM SYSTEM")
    {
        return None;
    }
    let head = if tiff.slice(at, 9)? == b"OM SYSTEM" { 16 } else { 12 };
    let notes = tiff.directory(at + head)?;
    let settings = notes.get(OLYMPUS_SETTINGS)?;
    // A pointer, or the settings themselves.
    let place = tiff.whole(settings).unwrap_or(settings.at);
    let settings = tiff.directory(at.checked_add(place)?)?;
    let from = tiff.whole(settings.get(OLYMPUS_PREVIEW.0)?)?;
    let length = tiff.whole(settings.get(OLYMPUS_PREVIEW.1)?)?;
    tiff.slice(at.checked_add(from)?, length)
}

/// Fujifilm: the head says where the JPEG is.
pub(super) fn fuji(file: &[u8]) -> Parts<'_> {
    let number = |at: usize| {
        let bytes = file.get(at..at + 4).and_then(|bytes| bytes.first_chunk());
        bytes.map(|bytes| u32::from_be_bytes(*bytes) as usize)
    };
    let jpeg = number(84).zip(number(88)).and_then(|(from, length)| {
        file.get(from..from.checked_add(length)?).filter(|bytes| bytes.starts_with(b"\xff\xd8\xff"))
    });
    Parts { jpegs: jpeg.into_iter().collect(), ..Parts::default() }
}

/// Wherever a JPEG with tables or an application's segment seems to begin.
pub(super) fn anywhere(file: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = file.get(at..) {
        let Some(next) = rest.windows(4).position(|bytes| {
            matches!(bytes, [0xff, 0xd8, 0xff, 0xdb | 0xe0..=0xef | 0xc4 | 0xc0])
        }) else {
            break;
        };
        found.extend(rest.get(next..));
        if found.len() == MAX_BEGINNINGS {
            break;
        }
        at += next + 3;
    }
    found
}
