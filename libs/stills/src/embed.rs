//! Puts metadata into files that we have written.

use domain::wish::Format;

use crate::iptc;
use crate::kept::Kept;
use crate::xmp;

/// The most bytes of a JPEG's segment.
const SEGMENT_BYTES: usize = 65_533;
/// Where a PNG's first chunk ends.
const PNG_HEADER_BYTES: usize = 33;

/// The file with metadata in it, as far as the format has a place for it and it fits. An AVIF gets
/// its own from its encoder.
pub(crate) fn kept(file: Vec<u8>, format: Format, kept: &Kept) -> Vec<u8> {
    if kept.is_empty() {
        return file;
    }
    let with = match format {
        Format::Jpg => jpeg(&file, kept),
        Format::Png => png(&file, kept),
        Format::Webp => webp(&file, kept),
        Format::Gif => gif(&file, kept),
        Format::Avif | Format::Mp4 | Format::Vtt | Format::Json => None,
    };
    with.unwrap_or(file)
}

fn jpeg(file: &[u8], kept: &Kept) -> Option<Vec<u8>> {
    // Behind JFIF's own segment, which wants to be the first one.
    let at = match file.get(2..6)? {
        [0xff, 0xe0, high, low] => 4 + usize::from(u16::from_be_bytes([*high, *low])),
        _ => 2,
    };
    let (head, rest) = file.split_at_checked(at)?;
    let segment = |kind: u8, mark: &[u8], body: &[u8]| {
        let length = mark.len() + body.len() + 2;
        let length = u16::try_from(length).ok().filter(|_| length <= SEGMENT_BYTES)?;
        Some([&[0xff, kind], &length.to_be_bytes()[..], mark, body].concat())
    };
    let exif = kept.exif.as_ref().and_then(|exif| segment(0xe1, b"Exif\0\0", exif));
    let xmp = kept.xmp.as_ref().and_then(|xmp| segment(0xe1, xmp::JPEG_MARK, xmp.as_bytes()));
    let iptc = kept.iptc.as_ref().and_then(|iptc| segment(0xed, iptc::JPEG_MARK, &resource(iptc)?));
    let parts = [exif, xmp, iptc].map(Option::unwrap_or_default).concat();
    Some([head, &parts, rest].concat())
}

/// Photoshop's resource of IPTC's records, without a name.
fn resource(records: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(records.len()).ok()?.to_be_bytes();
    let fill: &[u8] = if records.len().is_multiple_of(2) { b"" } else { b"\0" };
    let number = iptc::NUMBER.to_be_bytes();
    Some([iptc::RESOURCE, &number, b"\0\0", &length, records, fill].concat())
}

fn png(file: &[u8], kept: &Kept) -> Option<Vec<u8>> {
    let (head, rest) = file.split_at_checked(PNG_HEADER_BYTES)?;
    let chunk = |name: &[u8; 4], body: &[u8]| {
        let length = u32::try_from(body.len()).ok()?;
        let body = [name, body].concat();
        Some([&length.to_be_bytes(), &body[..], &crc(&body).to_be_bytes()].concat())
    };
    let exif = kept.exif.as_ref().and_then(|exif| chunk(b"eXIf", exif));
    let xmp = kept.xmp.as_ref().and_then(|xmp| {
        // Neither packed nor in a language.
        chunk(b"iTXt", &[xmp::PNG_KEYWORD, b"\0\0\0\0", xmp.as_bytes()].concat())
    });
    let parts = [exif, xmp].map(Option::unwrap_or_default).concat();
    Some([head, &parts, rest].concat())
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

fn webp(file: &[u8], kept: &Kept) -> Option<Vec<u8>> {
    const EXIF_FLAG: u8 = 8;
    const XMP_FLAG: u8 = 4;
    let exif = kept.exif.as_deref().map(|exif| (EXIF_FLAG, b"EXIF", exif));
    let xmp = kept.xmp.as_deref().map(|xmp| (XMP_FLAG, b"XMP ", xmp.as_bytes()));
    let flags = [exif, xmp].iter().flatten().fold(0, |flags, (flag, ..)| flags | flag);
    let chunks = file.get(12..)?;
    let mut body = Vec::new();
    if chunks.starts_with(b"VP8X") {
        body.extend_from_slice(chunks);
        *body.get_mut(8)? |= flags;
    } else {
        // A plain lossy picture: dimensions stand behind its frame's mark.
        let size = chunks.get(14..18)?;
        let edge = |at: usize| {
            let pair = size.get(at..at + 2)?.first_chunk::<2>()?;
            Some(u32::from(u16::from_le_bytes(*pair) & 0x3fff) - 1)
        };
        let [w0, w1, w2, _] = edge(0)?.to_le_bytes();
        let [h0, h1, h2, _] = edge(2)?.to_le_bytes();
        body.extend(b"VP8X\x0a\0\0\0");
        body.extend([flags, 0, 0, 0, w0, w1, w2, h0, h1, h2]);
        body.extend_from_slice(chunks);
    }
    for (_, name, part) in [exif, xmp].into_iter().flatten() {
        body.extend(name);
        body.extend(u32::try_from(part.len()).ok()?.to_le_bytes());
        body.extend_from_slice(part);
        body.resize(body.len().next_multiple_of(2), 0);
    }
    let length = u32::try_from(body.len() + 4).ok()?;
    Some([b"RIFF", &length.to_le_bytes()[..], b"WEBP", &body].concat())
}

/// XMP before the end: the packet as it is, and behind it what leads one who takes its bytes for
/// lengths of blocks to its end.
fn gif(file: &[u8], kept: &Kept) -> Option<Vec<u8>> {
    const END: u8 = 0x3b;
    let xmp = kept.xmp.as_ref()?;
    let pictures = file.strip_prefix(b"GIF89a").and(file.strip_suffix(&[END]))?;
    let way_out: Vec<u8> = std::iter::once(1).chain((0..=u8::MAX).rev()).chain([0]).collect();
    Some([pictures, xmp::GIF_MARK, xmp.as_bytes(), &way_out, &[END]].concat())
}
