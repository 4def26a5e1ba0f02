//! ISO base media files and their kin: films, sound, HEIF and AVIF, JPEG XL, Canon's CR3.

use crate::bytes::{File, array, u32_be};
use crate::filetype::Filetype;
use crate::kind::Kind;

/// Brands looked at, at most.
const MOST_BRANDS: usize = 64;

/// Looks for a first box that begins such a file.
pub(crate) fn look(file: &mut File<'_>) -> Option<Filetype> {
    if file.has(0, b"\xff\x0a") || file.has(0, b"\0\0\0\x0cJXL \r\n\x87\n") {
        return Some(Filetype::of(Kind::Jxl, "image/jxl", "jxl"));
    }
    if file.has(0, b"\0\0\0\x0cjP  \r\n\x87\n") {
        return Some(jpeg_2000(file.head));
    }
    let length = u32_be(file.head, 0)?;
    match &array::<4>(file.head, 4)? {
        b"ftyp" => Some(branded(file.head, length)),
        b"styp" | b"moof" | b"sidx" => Some(Filetype::of(Kind::Film, "video/mp4", "mp4")),
        // From before brands.
        b"moov" | b"mdat" | b"wide" | b"free" | b"skip" | b"pnot"
            if length == 1 || length >= 8 && is_followed(file, length) =>
        {
            Some(Filetype::of(Kind::Film, "video/quicktime", "mov"))
        }
        _ => None,
    }
}

/// Whether a first box of that length is followed by another one that may be, or by nothing.
fn is_followed(file: &mut File<'_>, length: u32) -> bool {
    let next = file.bytes(u64::from(length) + 4, 4);
    let known = [b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"PICT", b"udta", b"uuid"];
    next.is_empty() || known.iter().any(|name| next == *name)
}

fn jpeg_2000(head: &[u8]) -> Filetype {
    match array::<4>(head, 20).as_ref() {
        Some(b"jpx ") => Filetype::of(Kind::Unknown, "image/jpx", "jpf"),
        Some(b"mjp2") => Filetype::of(Kind::Film, "video/mj2", "mj2"),
        _ => Filetype::of(Kind::Unknown, "image/jp2", "jp2"),
    }
}

/// By the major brand, and where that one only says how the file is built, by the others.
fn branded(head: &[u8], length: u32) -> Filetype {
    let major = array::<4>(head, 8).unwrap_or_default();
    let end = head.len().min(length as usize);
    let others = head.get(16..end).unwrap_or_default().as_chunks::<4>().0;
    let has = |brand: &[u8; 4]| others.iter().take(MOST_BRANDS).any(|other| other == brand);
    let (kind, media_type, extension) = match &major {
        b"crx " => (Kind::Raw, "image/x-canon-cr3", "cr3"),
        b"avif" | b"avis" => (Kind::Avif, "image/avif", "avif"),
        b"heic" | b"heix" | b"heim" | b"heis" => (Kind::Heic, "image/heic", "heic"),
        b"hevc" | b"hevx" | b"hevm" | b"hevs" => (Kind::Heic, "image/heic-sequence", "heics"),
        b"mif1" | b"msf1" | b"mif2" | b"miaf" => {
            if has(b"avif") || has(b"avis") {
                (Kind::Avif, "image/avif", "avif")
            } else if has(b"heic") || has(b"heix") {
                (Kind::Heic, "image/heic", "heic")
            } else {
                (Kind::Heic, "image/heif", "heif")
            }
        }
        b"qt  " => (Kind::Film, "video/quicktime", "mov"),
        b"M4A " | b"M4P " | b"F4A " => (Kind::Sound, "audio/mp4", "m4a"),
        b"M4B " | b"F4B " => (Kind::Sound, "audio/mp4", "m4b"),
        b"aax " => (Kind::Sound, "audio/vnd.audible.aax", "aax"),
        b"M4V " | b"M4VH" | b"M4VP" => (Kind::Film, "video/x-m4v", "m4v"),
        b"F4V " => (Kind::Film, "video/x-f4v", "f4v"),
        [b'3', b'g', b'2', _] => (Kind::Film, "video/3gpp2", "3g2"),
        [b'3', b'g', ..] => (Kind::Film, "video/3gpp", "3gp"),
        b"jp2 " => (Kind::Unknown, "image/jp2", "jp2"),
        b"jxl " => (Kind::Jxl, "image/jxl", "jxl"),
        _ if has(b"M4A ") && !has(b"avc1") => (Kind::Sound, "audio/mp4", "m4a"),
        _ => (Kind::Film, "video/mp4", "mp4"),
    };
    Filetype::of(kind, media_type, extension)
}
