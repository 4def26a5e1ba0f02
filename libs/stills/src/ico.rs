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
        alone.extend_from_slice(body);
        found.push((edge(width) * edge(height), depth, alone));
    }
    found.sort_by_key(|(pixels, depth, _)| (std::cmp::Reverse(*pixels), std::cmp::Reverse(*depth)));
    if found.is_empty() {
        return Err(Error::corrupt("an icon without pictures"));
    }
    Ok(found.into_iter().map(|(.., alone)| alone).collect())
}
