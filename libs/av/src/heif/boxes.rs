//! What a file's boxes (ISO/IEC 14496-12, 23008-12) say that libheif does not tell: how the primary
//! picture's colours are made, and how many frames there are where pictures move.

/// The most boxes looked at beside one another.
const MAX_BOXES: usize = 4_096;
/// The most pictures whose properties are looked through.
const MAX_ITEMS: u32 = 65_536;
/// Version and flags, before what some boxes hold.
const FULL_BYTES: usize = 4;

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
        self.find(|(found, _)| *found == name).map(|(_, body)| body)
    }
}

impl<'a> Iterator for Boxes<'a> {
    type Item = (&'a [u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (length, after) = self.rest.split_first_chunk::<4>()?;
        let (name, body) = after.split_first_chunk::<4>()?;
        let (head, length) = match u32::from_be_bytes(*length) {
            0 => (8, self.rest.len()),
            1 => (16, usize::try_from(u64::from_be_bytes(*body.first_chunk()?)).ok()?),
            length => (8, length as usize),
        };
        let body = self.rest.get(head..length)?;
        self.rest = self.rest.get(length..)?;
        Some((name, body))
    }
}

/// Numbers one after the other, big end first.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn next(&mut self, bytes: usize) -> Option<u32> {
        let (number, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(number.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }
}

/// Whether the primary picture has brightness alone; `None` where its boxes do not say.
pub(super) fn is_gray(file: &[u8]) -> Option<bool> {
    properties(file)?.into_iter().find_map(|(name, body)| match name {
        b"pixi" => body.get(FULL_BYTES).map(|channels| *channels < 3),
        b"av1C" => body.get(2).map(|flags| flags & 0x10 != 0),
        b"hvcC" => body.get(16).map(|chroma| chroma & 3 == 0),
        _ => None,
    })
}

/// The properties that belong to the primary picture.
fn properties(file: &[u8]) -> Option<Vec<(&[u8; 4], &[u8])>> {
    let meta = Boxes::of(file).named(b"meta")?.get(FULL_BYTES..)?;
    let mut primary = Numbers(Boxes::of(meta).named(b"pitm")?);
    let id_bytes = if primary.next(FULL_BYTES)? >> 24 == 0 { 2 } else { 4 };
    let primary = primary.next(id_bytes)?;
    let both = Boxes::of(meta).named(b"iprp")?;
    let all: Vec<_> = Boxes::of(Boxes::of(both).named(b"ipco")?).collect();
    let links = Boxes::of(both).filter(|(name, _)| *name == b"ipma");
    let indices = links.into_iter().find_map(|(_, links)| linked(links, primary))?;
    Some(indices.iter().filter_map(|index| all.get(index.checked_sub(1)?).copied()).collect())
}

/// Indices, from 1, of the properties of that picture.
fn linked(links: &[u8], wanted: u32) -> Option<Vec<usize>> {
    let mut numbers = Numbers(links);
    let head = numbers.next(FULL_BYTES)?;
    let id_bytes = if head >> 24 == 0 { 2 } else { 4 };
    // The first bit says that the property must be understood.
    let (index_bytes, mask) = if head & 1 == 0 { (1, 0x7f) } else { (2, 0x7fff) };
    for _ in 0..numbers.next(4)?.min(MAX_ITEMS) {
        let id = numbers.next(id_bytes)?;
        let mut indices = Vec::new();
        for _ in 0..numbers.next(1)? {
            indices.push((numbers.next(index_bytes)? & mask) as usize);
        }
        if id == wanted {
            return Some(indices);
        }
    }
    None
}

/// How many frames the file's longest track of pictures has; 1 where nothing moves.
pub(super) fn frames(file: &[u8]) -> u32 {
    let Some(moov) = Boxes::of(file).named(b"moov") else { return 1 };
    let tracks = Boxes::of(moov).filter(|(name, _)| *name == b"trak");
    tracks.filter_map(|(_, track)| samples(track)).max().unwrap_or(1).max(1)
}

/// How many samples a track of pictures has; `None` of other tracks, such as those of opacity.
fn samples(track: &[u8]) -> Option<u32> {
    let media = Boxes::of(track).named(b"mdia")?;
    let handler = Boxes::of(media).named(b"hdlr")?.get(8..12)?;
    if handler != b"pict" && handler != b"vide" {
        return None;
    }
    let table = Boxes::of(Boxes::of(media).named(b"minf")?).named(b"stbl")?;
    let mut sizes = Numbers(Boxes::of(table).named(b"stsz")?);
    sizes.next(FULL_BYTES)?;
    sizes.next(4)?;
    sizes.next(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 8).expect("short").to_be_bytes();
        [&length, &name[..], body].concat()
    }

    /// Two pictures, of which the second is the primary one, and gray.
    fn file() -> Vec<u8> {
        let colours = boxed(b"pixi", b"\0\0\0\0\x03\x08\x08\x08");
        let gray = boxed(b"pixi", b"\0\0\0\0\x01\x08");
        let links = b"\0\0\0\0\0\0\0\x02\0\x01\x01\x81\0\x02\x01\x02";
        let both = [boxed(b"ipco", &[colours, gray].concat()), boxed(b"ipma", links)].concat();
        let pitm = boxed(b"pitm", b"\0\0\0\0\0\x02");
        boxed(b"meta", &[&[0; 4], &pitm[..], &boxed(b"iprp", &both)].concat())
    }

    #[test]
    fn the_primary_pictures_own_properties_are_looked_at() {
        assert_eq!(is_gray(&file()), Some(true));
        let mut other = file();
        let primary = other.windows(4).position(|name| name == b"pitm").expect("pitm");
        other[primary + 9] = 1;
        assert_eq!(is_gray(&other), Some(false));
        other[primary + 9] = 3;
        assert_eq!(is_gray(&other), None);
    }

    #[test]
    fn damaged_boxes_say_nothing() {
        let file = file();
        for at in 0..file.len() {
            let _ = is_gray(&file[..at]);
            for byte in [0, 1, 7, 0xff] {
                let mut damaged = file.clone();
                damaged[at] = byte;
                let _ = (is_gray(&damaged), frames(&damaged));
            }
        }
        assert_eq!((is_gray(&[]), frames(&[])), (None, 1));
    }
}
