//! Pictures made on the spot: whole ones, marked ones, and ones that are wrong in a known way.

/// A small photograph with EXIF, as a camera would write it.
pub const PHOTOGRAPH: &[u8] = include_bytes!("../testdata/photograph.jpg");

/// The photograph with `marker` inside its bytes (a JPEG comment): the same picture, another file.
///
/// # Panics
/// When the marker does not fit into one comment.
#[must_use]
pub fn marked_photograph(marker: &[u8]) -> Vec<u8> {
    let length = u16::try_from(marker.len() + 2).unwrap();
    let (start, rest) = PHOTOGRAPH.split_at(2);
    [start, &[0xff, 0xfe], &length.to_be_bytes(), marker, rest].concat()
}

/// A PNG of one colour.
#[must_use]
pub fn png(width: u32, height: u32, rgb: [u8; 3]) -> Vec<u8> {
    let mut raw = Vec::new();
    for _ in 0..height {
        raw.extend([0]);
        for _ in 0..width {
            raw.extend(rgb);
        }
    }
    png_of(width, height, &stored_deflate(&raw))
}

/// A PNG that says it is `width` × `height` and has next to no data: a bomb.
#[must_use]
pub fn png_bomb(width: u32, height: u32) -> Vec<u8> {
    png_of(width, height, &stored_deflate(&[0; 64]))
}

/// Width and height of a JPEG or PNG, as its header has them; nothing when it is neither.
#[must_use]
pub fn dimensions(file: &[u8]) -> Option<(u32, u32)> {
    let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
    if file.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Some((number(file.get(16..20)?), number(file.get(20..24)?)));
    }
    let mut rest = file.strip_prefix(b"\xff\xd8")?;
    while let [0xff, marker, high, low, body @ ..] = rest {
        // Frames of every coding but tables and reserved ones.
        if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
            return Some((number(body.get(3..5)?), number(body.get(1..3)?)));
        }
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        rest = body.get(length.checked_sub(2)?..)?;
    }
    None
}

fn png_of(width: u32, height: u32, data: &[u8]) -> Vec<u8> {
    let mut header = Vec::from(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, body) in [(b"IHDR", header.as_slice()), (b"IDAT", data), (b"IEND", &[])] {
        file.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        let checked = [kind.as_slice(), body].concat();
        file.extend(&checked);
        file.extend(crc32(&checked).to_be_bytes());
    }
    file
}

/// A zlib stream of stored blocks.
fn stored_deflate(raw: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let blocks = raw.chunks(0xffff);
    let last = blocks.len().saturating_sub(1);
    for (index, block) in blocks.enumerate() {
        let length = u16::try_from(block.len()).unwrap();
        out.push(u8::from(index == last));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in raw {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    out.extend((b << 16 | a).to_be_bytes());
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_are_those_of_the_picture() {
        assert_eq!(dimensions(PHOTOGRAPH), Some((150, 100)));
        assert_eq!(dimensions(&marked_photograph(b"marker")), Some((150, 100)));
        assert_eq!(dimensions(&png(7, 5, [1, 2, 3])), Some((7, 5)));
        assert_eq!(dimensions(b"text"), None);
    }
}
