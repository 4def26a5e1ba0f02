//! Puts EXIF into files that we have written.

use domain::wish::Format;

/// The most bytes of a JPEG's segment.
const SEGMENT_BYTES: usize = 65_533;
/// Where a PNG's first chunk ends.
const PNG_HEADER_BYTES: usize = 33;

/// The file with EXIF in it, where the format has a place for it and it fits.
pub(crate) fn exif(file: Vec<u8>, format: Format, exif: &[u8]) -> Vec<u8> {
    let with = match format {
        Format::Jpg => jpeg(&file, exif),
        Format::Png => png(&file, exif),
        Format::Webp => webp(&file, exif),
        _ => None,
    };
    with.unwrap_or(file)
}

fn jpeg(file: &[u8], exif: &[u8]) -> Option<Vec<u8>> {
    const MARK: &[u8] = b"Exif\0\0";
    let length = exif.len() + MARK.len() + 2;
    let length = u16::try_from(length).ok().filter(|_| length <= SEGMENT_BYTES)?;
    // Behind JFIF's own segment, which wants to be the first one.
    let at = match file.get(2..6)? {
        [0xff, 0xe0, high, low] => 4 + usize::from(u16::from_be_bytes([*high, *low])),
        _ => 2,
    };
    let (head, rest) = file.split_at_checked(at)?;
    Some([head, &[0xff, 0xe1], &length.to_be_bytes(), MARK, exif, rest].concat())
}

fn png(file: &[u8], exif: &[u8]) -> Option<Vec<u8>> {
    let (head, rest) = file.split_at_checked(PNG_HEADER_BYTES)?;
    let length = u32::try_from(exif.len()).ok()?;
    let body = [b"eXIf", exif].concat();
    Some([head, &length.to_be_bytes(), &body, &crc(&body).to_be_bytes(), rest].concat())
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

fn webp(file: &[u8], exif: &[u8]) -> Option<Vec<u8>> {
    const EXIF_FLAG: u8 = 8;
    let chunks = file.get(12..)?;
    let mut body = Vec::new();
    if chunks.starts_with(b"VP8X") {
        body.extend_from_slice(chunks);
        *body.get_mut(8)? |= EXIF_FLAG;
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
        body.extend([EXIF_FLAG, 0, 0, 0, w0, w1, w2, h0, h1, h2]);
        body.extend_from_slice(chunks);
    }
    body.extend(b"EXIF");
    body.extend(u32::try_from(exif.len()).ok()?.to_le_bytes());
    body.extend_from_slice(exif);
    body.resize(body.len().next_multiple_of(2), 0);
    let length = u32::try_from(body.len() + 4).ok()?;
    Some([b"RIFF", &length.to_le_bytes()[..], b"WEBP", &body].concat())
}
