//! Windows' icons and cursors: every picture in them is a page, the largest first.

use crate::error::Error;

/// The most pictures in a file.
const MAX_PICTURES: usize = 256;
const HEAD_BYTES: usize = 6;
const ENTRY_BYTES: usize = 16;
/// Where the picture begins in a file of one.
pub(crate) const HEADERS_BYTES: usize = HEAD_BYTES + ENTRY_BYTES;

/// Each picture as a file of its own.
pub(crate) fn pictures(file: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let count = file.get(4..HEAD_BYTES).and_then(|bytes| bytes.first_chunk());
    let count = count.map_or(0, |count| usize::from(u16::from_le_bytes(*count)));
    let entries = file.get(HEAD_BYTES..).unwrap_or_default().as_chunks::<ENTRY_BYTES>().0;
    let mut found: Vec<(u32, u16, Vec<u8>)> = Vec::new();
    for entry in entries.iter().take(count.min(MAX_PICTURES)) {
        let [width, height, .., l0, l1, l2, l3, o0, o1, o2, o3] = *entry;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let offset = u32::from_le_bytes([o0, o1, o2, o3]) as usize;
        let Some(body) = offset.checked_add(length).and_then(|end| file.get(offset..end)) else {
            continue;
        };
        // 256 is written as 0.
        let edge = |edge: u8| if edge == 0 { 256 } else { u32::from(edge) };
        let depth = match entry.get(6..8) {
            // A cursor has a place here.
            Some([low, high]) if file.get(2) == Some(&1) => u16::from_le_bytes([*low, *high]),
            _ => 0,
        };
        let mut alone = b"\0\0\x01\0\x01\0".to_vec();
        alone.extend_from_slice(entry.get(..4).unwrap_or_default());
        alone.extend([1, 0]);
        alone.extend(depth.to_le_bytes());
        alone.extend_from_slice(&[l0, l1, l2, l3]);
        alone.extend(22_u32.to_le_bytes());
        let begins = alone.len();
        alone.extend_from_slice(body);
        if let Some(picture) = alone.get_mut(begins..) {
            uncover(picture);
        }
        found.push((edge(width) * edge(height), depth, alone));
    }
    found.sort_by_key(|(pixels, depth, _)| (std::cmp::Reverse(*pixels), std::cmp::Reverse(*depth)));
    if found.is_empty() {
        return Err(Error::corrupt("an icon without pictures"));
    }
    Ok(found.into_iter().map(|(.., alone)| alone).collect())
}

/// A bitmap of 32 bits says by itself what is seen, and the mask behind it nothing; unless every
/// pixel is transparent, and the mask speaks, as for those without an opacity of their own.
fn uncover(bitmap: &mut [u8]) {
    const HEADER_BYTES: usize = 40;
    let number = |at: usize| {
        let field = bitmap.get(at..).and_then(<[u8]>::first_chunk);
        field.map_or(0, |field| u32::from_le_bytes(*field))
    };
    let (width, height) = (number(4) as usize, number(8) as usize / 2);
    let is_such = number(0) as usize == HEADER_BYTES && number(12) >> 16 == 32 && number(16) == 0;
    let pixels = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(4));
    let body = bitmap.get_mut(HEADER_BYTES..).unwrap_or_default();
    let Some((colours, mask)) = pixels.and_then(|pixels| body.split_at_mut_checked(pixels)) else {
        return;
    };
    let transparent = colours.as_chunks::<4>().0.iter().all(|[.., alpha]| *alpha == 0);
    if !is_such || width == 0 {
        return;
    }
    if !transparent {
        mask.fill(0);
        return;
    }
    // A row of the mask is whole in words of 32 bits.
    let row = width.div_ceil(32) * 4;
    for (line, bits) in colours.chunks_exact_mut(width * 4).zip(mask.chunks_exact(row)) {
        for (x, [.., alpha]) in line.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let hidden = bits.get(x / 8).is_none_or(|byte| byte & (0x80 >> (x % 8)) != 0);
            *alpha = if hidden { 0 } else { u8::MAX };
        }
    }
    mask.fill(0);
}
