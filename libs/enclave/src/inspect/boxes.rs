//! The boxes of AVIF and MP4, as far as dimensions need them.

use std::fs::File;

use super::{array, at};

/// The most boxes looked at beside one another.
const MAX_BOXES: usize = 1_024;
/// The largest `moov` box that is looked into, in bytes.
const MOOV_BYTES: u64 = 8 << 20;
/// Bytes of a box's header: length and name.
const HEADER_BYTES: usize = 8;

/// Boxes that lie beside one another: name and body.
struct Boxes<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Boxes<'a> {
    const fn of(rest: &'a [u8]) -> Self {
        Self { rest, left: MAX_BOXES }
    }

    fn named(mut self, name: &[u8; 4]) -> Option<&'a [u8]> {
        self.find(|(found, _)| found == name).map(|(_, body)| body)
    }
}

impl<'a> Iterator for Boxes<'a> {
    type Item = ([u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let length = usize::try_from(u32::from_be_bytes(array(self.rest, 0)?)).ok()?;
        let name = array(self.rest, 4)?;
        // Nothing of ours has a box that is longer than 32 bits can say, inside another.
        let body = self.rest.get(HEADER_BYTES..length)?;
        self.rest = self.rest.get(length..)?;
        Some((name, body))
    }
}

/// Whether the first box names a brand of this family.
fn is_of(head: &[u8], brands: &[&[u8; 4]]) -> bool {
    let Some((name, body)) = Boxes::of(head).next() else { return false };
    let compatible = body.get(HEADER_BYTES..).unwrap_or_default().chunks_exact(4);
    let named = body.get(..4).into_iter().chain(compatible);
    name == *b"ftyp" && named.into_iter().any(|found| brands.iter().any(|brand| **brand == *found))
}

/// The dimensions of the largest picture inside; of those that are larger in either way than
/// `expected`, one of them.
pub(super) fn avif(head: &[u8], expected: (u32, u32)) -> Option<(u32, u32)> {
    /// Version and flags, before the boxes inside.
    const FULL_BYTES: usize = 4;
    if !is_of(head, &[b"avif", b"avis"]) {
        return None;
    }
    let meta = Boxes::of(head).named(b"meta")?.get(FULL_BYTES..)?;
    let properties = Boxes::of(Boxes::of(meta).named(b"iprp")?).named(b"ipco")?;
    let pictures = Boxes::of(properties).filter(|(name, _)| name == b"ispe");
    let dimensions = pictures.filter_map(|(_, body)| {
        Some((u32::from_be_bytes(array(body, 4)?), u32::from_be_bytes(array(body, 8)?)))
    });
    let beyond = |(width, height): (u32, u32)| width > expected.0 || height > expected.1;
    dimensions.max_by_key(|found| (beyond(*found), *found == expected, *found))
}

/// The dimensions of the first track that has any.
pub(super) fn film(file: &File, length: u64) -> Option<(u32, u32)> {
    let mut first = [0; 64];
    let known = usize::try_from(length).unwrap_or(usize::MAX).min(first.len());
    at(file, 0, first.get_mut(..known)?)?;
    let brands: &[&[u8; 4]] =
        &[b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1"];
    let ftyp = usize::try_from(u32::from_be_bytes(array(&first, 0)?)).ok()?;
    if !is_of(first.get(..ftyp.min(known))?, brands) {
        return None;
    }
    let moov = moov(file, length)?;
    let tracks = Boxes::of(&moov).filter(|(name, _)| name == b"trak");
    tracks.filter_map(|(_, track)| track_dimensions(track)).find(|found| *found != (0, 0))
}

/// The body of the `moov` box, wherever it lies.
fn moov(file: &File, length: u64) -> Option<Vec<u8>> {
    let mut offset: u64 = 0;
    for _ in 0..MAX_BOXES {
        let mut header = [0; HEADER_BYTES];
        at(file, offset, &mut header)?;
        let [a, b, c, d, name @ ..] = header;
        let (skipped, whole) = match u64::from(u32::from_be_bytes([a, b, c, d])) {
            0 => (8, length.checked_sub(offset)?),
            1 => {
                let mut long = [0; 8];
                at(file, offset.checked_add(8)?, &mut long)?;
                (16, u64::from_be_bytes(long))
            }
            whole => (8, whole),
        };
        let body = whole.checked_sub(skipped)?;
        if name == *b"moov" {
            let fits = body <= MOOV_BYTES && offset.checked_add(whole)? <= length;
            let mut bytes = vec![0; usize::try_from(body).ok().filter(|_| fits)?];
            at(file, offset + skipped, &mut bytes)?;
            return Some(bytes);
        }
        offset = offset.checked_add(whole)?;
    }
    None
}

/// Width and height of a track, in whole pixels.
fn track_dimensions(track: &[u8]) -> Option<(u32, u32)> {
    let header = Boxes::of(track).named(b"tkhd")?;
    let at = match header.first()? {
        0 => 76,
        _ => 88,
    };
    let pixels = |from| array(header, from).map(|bytes| u32::from_be_bytes(bytes) >> 16);
    Some((pixels(at)?, pixels(at + 4)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 8).expect("short").to_be_bytes();
        [&length, &name[..], body].concat()
    }

    fn ispe(width: u32, height: u32) -> Vec<u8> {
        boxed(b"ispe", &[[0; 4], width.to_be_bytes(), height.to_be_bytes()].concat())
    }

    fn picture(sizes: &[(u32, u32)]) -> Vec<u8> {
        let properties: Vec<u8> = sizes.iter().flat_map(|(w, h)| ispe(*w, *h)).collect();
        let iprp = boxed(b"iprp", &boxed(b"ipco", &properties));
        let ftyp = boxed(b"ftyp", b"avif\0\0\0\0avifmif1");
        [ftyp, boxed(b"meta", &[vec![0; 4], iprp].concat())].concat()
    }

    #[test]
    fn the_dimensions_of_an_avif_are_those_of_its_largest_picture() {
        assert_eq!(avif(&picture(&[(256, 32)]), (256, 32)), Some((256, 32)));
        assert_eq!(avif(&picture(&[(256, 32), (64, 8)]), (256, 32)), Some((256, 32)));
        assert_eq!(avif(&picture(&[(256, 32), (257, 8)]), (256, 32)), Some((257, 8)));
        assert_eq!(avif(&picture(&[(256, 32)]), (9, 9)), Some((256, 32)));
        assert_eq!(avif(&picture(&[]), (1, 1)), None);
        assert_eq!(avif(&boxed(b"ftyp", b"heic\0\0\0\0mif1"), (1, 1)), None);
    }

    #[test]
    fn the_dimensions_of_a_film_are_found_behind_its_pictures() {
        let mut tkhd = vec![0; 84];
        tkhd[76..78].copy_from_slice(&256_u16.to_be_bytes());
        tkhd[80..82].copy_from_slice(&32_u16.to_be_bytes());
        let sound = boxed(b"trak", &boxed(b"tkhd", &[0; 84]));
        let moov = boxed(b"moov", &[sound, boxed(b"trak", &boxed(b"tkhd", &tkhd))].concat());
        let ftyp = boxed(b"ftyp", b"isom\0\0\0\0isomavc1");
        let file = |parts: &[&[u8]]| {
            let bytes = parts.concat();
            let mut file = tempfile();
            std::io::Write::write_all(&mut file, &bytes).expect("written");
            (file, bytes.len() as u64)
        };
        let (fine, length) = file(&[&ftyp, &boxed(b"mdat", &[7; 99]), &moov]);
        assert_eq!(film(&fine, length), Some((256, 32)));
        let (other, length) = file(&[&boxed(b"ftyp", b"crx \0\0\0\0crx "), &moov]);
        assert_eq!(film(&other, length), None);
        let (cut, length) = file(&[&ftyp, &moov[..40]]);
        assert_eq!(film(&cut, length), None);
    }

    fn tempfile() -> File {
        rustix::fs::memfd_create("x", rustix::fs::MemfdFlags::CLOEXEC).expect("a file").into()
    }
}
