//! Pictures of one file format each.

use crate::bytes::{File, u16_le, u32_le};
use crate::filetype::Filetype;
use crate::kind::Kind;

/// Pictures that say what they are at their beginning.
pub(crate) fn look(file: &mut File<'_>) -> Option<Filetype> {
    let starts = |magic: &[u8]| file.has(0, magic);
    let (kind, media_type, extension) = if starts(b"\xff\xd8\xff") {
        (Kind::Jpeg, "image/jpeg", "jpg")
    } else if starts(b"\x89PNG\r\n\x1a\n") {
        (Kind::Png, "image/png", "png")
    } else if starts(b"GIF87a") || starts(b"GIF89a") {
        (Kind::Gif, "image/gif", "gif")
    } else if starts(b"BM") && is_bitmap(file.head) {
        (Kind::Bmp, "image/bmp", "bmp")
    } else if is_icon(file.head) {
        (Kind::Ico, "image/vnd.microsoft.icon", if starts(b"\0\0\x02") { "cur" } else { "ico" })
    } else if starts(b"qoif") {
        (Kind::Qoi, "image/qoi", "qoi")
    } else if starts(b"\x76\x2f\x31\x01") {
        (Kind::Exr, "image/x-exr", "exr")
    } else if starts(b"#?RADIANCE") || starts(b"#?RGBE") {
        (Kind::Hdr, "image/vnd.radiance", "hdr")
    } else if starts(b"8BPS\0\x01") {
        (Kind::Psd, "image/vnd.adobe.photoshop", "psd")
    } else if starts(b"8BPS\0\x02") {
        (Kind::Psd, "image/vnd.adobe.photoshop", "psb")
    } else {
        return anymap(file.head);
    };
    Some(Filetype::of(kind, media_type, extension))
}

/// `BM` alone begins many a text; the length of the second header must be one that exists.
fn is_bitmap(head: &[u8]) -> bool {
    u32_le(head, 14).is_some_and(|length| [12, 16, 40, 52, 56, 64, 108, 124].contains(&length))
}

/// Icons and cursors: the first picture must lie behind the directory.
fn is_icon(head: &[u8]) -> bool {
    let known = head.starts_with(b"\0\0\x01\0") || head.starts_with(b"\0\0\x02\0");
    let (Some(count), Some(bytes), Some(offset)) =
        (u16_le(head, 4), u32_le(head, 14), u32_le(head, 18))
    else {
        return false;
    };
    known && count > 0 && bytes > 0 && offset >= 6 + 16 * u32::from(count)
}

/// Portable anymaps: the letter, white space or a comment, then a number or the words of a PAM.
fn anymap(head: &[u8]) -> Option<Filetype> {
    let (media_type, extension) = match head.get(..2)? {
        b"P1" | b"P4" => ("image/x-portable-bitmap", "pbm"),
        b"P2" | b"P5" => ("image/x-portable-graymap", "pgm"),
        b"P3" | b"P6" => ("image/x-portable-pixmap", "ppm"),
        b"P7" => ("image/x-portable-arbitrarymap", "pam"),
        b"PF" | b"Pf" => ("image/x-portable-floatmap", "pfm"),
        _ => return None,
    };
    let rest = head.get(2..head.len().min(1_024))?;
    if !rest.first()?.is_ascii_whitespace() {
        return None;
    }
    if extension == "pam" {
        let words: [&[u8]; 6] = [b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL", b"TUPLTYPE", b"#"];
        let line = rest.get(1..)?;
        let named = words.iter().any(|word| line.starts_with(word));
        return named.then(|| Filetype::of(Kind::Pnm, media_type, extension));
    }
    let mut in_comment = false;
    let first = rest.iter().find(|byte| {
        in_comment = (in_comment || **byte == b'#') && **byte != b'\n';
        !in_comment && !byte.is_ascii_whitespace()
    })?;
    first.is_ascii_digit().then(|| Filetype::of(Kind::Pnm, media_type, extension))
}

/// TGA has no magic at its beginning: newer ones have one at the end, older ones must fit.
pub(crate) fn tga(file: &mut File<'_>) -> Option<Filetype> {
    const HEADER_BYTES: u64 = 18;
    let head = file.head;
    let [id, map_type, kind, ..] = *head.first_chunk::<18>()?;
    let (map_first, map_length) = (u16_le(head, 3)?, u16_le(head, 5)?);
    let (map_bits, bits, descriptor) = (*head.get(7)?, *head.get(16)?, *head.get(17)?);
    let (width, height) = (u64::from(u16_le(head, 12)?), u64::from(u16_le(head, 14)?));
    let mapped = matches!(kind, 1 | 9);
    let fits = matches!(kind, 1 | 2 | 3 | 9 | 10 | 11)
        && map_type == u8::from(mapped)
        && (if mapped {
            matches!(map_bits, 15 | 16 | 24 | 32)
        } else {
            map_length == 0 && map_first == 0 && map_bits == 0
        })
        && (if matches!(kind, 2 | 10) {
            matches!(bits, 15 | 16 | 24 | 32)
        } else {
            matches!(bits, 8 | 16)
        })
        && width > 0
        && height > 0
        && descriptor & 0xc0 == 0
        && descriptor & 0x0f <= 8;
    let map_bytes = u64::from(map_length) * u64::from(map_bits).div_ceil(8);
    let pixel_bytes = width * height * u64::from(bits).div_ceil(8);
    let least = HEADER_BYTES + u64::from(id) + map_bytes;
    // Compressed rows take at least one packet for 128 pixels.
    let filled = match kind {
        1..=3 => {
            file.length >= least + pixel_bytes
                || file.length == file.head.len() as u64 && file.is_cut
        }
        _ => file.length >= least + width * height / 128,
    };
    let signed = fits && {
        let end = file.length.saturating_sub(HEADER_BYTES);
        file.bytes(end, 18) == b"TRUEVISION-XFILE.\0"
    };
    (fits && (signed || filled)).then(|| Filetype::of(Kind::Tga, "image/x-tga", "tga"))
}
