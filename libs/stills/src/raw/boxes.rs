//! Canon's CR3: boxes as in MPEG-4, with previews and tags among them.

use image::metadata::Orientation;

use super::Parts;

/// The most boxes that are looked at.
const MAX_BOXES: usize = 1_024;
/// The deepest nesting that is followed.
const MAX_DEPTH: u32 = 8;
/// Boxes that hold boxes.
const HOLDERS: [&[u8; 4]; 5] = [b"moov", b"trak", b"mdia", b"minf", b"stbl"];
/// Canon's own box inside `moov`.
const CANON: [u8; 16] = *b"\x85\xc0\xb6\x87\x82\x0f\x11\xe0\x81\x11\xf4\xce\x46\x2b\x6a\x48";
/// The box of the middle preview.
const PREVIEW: [u8; 16] = *b"\xea\xf4\x2b\x5e\x1c\x98\x4b\x88\xb9\xfb\xb7\xdc\x40\x6e\x4d\x16";

/// What is found on the way.
struct Walk<'a> {
    file: &'a [u8],
    parts: Parts<'a>,
    left: usize,
    /// First offset and size of the track at hand.
    offset: Option<u64>,
    size: Option<u64>,
}

/// The parts of a file.
pub(super) fn parts(file: &[u8]) -> Parts<'_> {
    let mut walk =
        Walk { file, parts: Parts::default(), left: MAX_BOXES, offset: None, size: None };
    walk.boxes(file, 0);
    walk.parts
}

impl<'a> Walk<'a> {
    fn boxes(&mut self, mut rest: &'a [u8], depth: u32) {
        while let Some((name, body, after)) = next(rest) {
            if self.left == 0 || depth > MAX_DEPTH {
                return;
            }
            self.left -= 1;
            self.one(name, body, depth);
            rest = after;
        }
    }

    fn one(&mut self, name: &[u8; 4], body: &'a [u8], depth: u32) {
        let jpeg = |body: &'a [u8]| {
            let at = body.windows(3).take(64).position(|bytes| bytes == b"\xff\xd8\xff")?;
            body.get(at..)
        };
        match name {
            holder if HOLDERS.contains(&holder) => {
                if name == b"trak" {
                    (self.offset, self.size) = (None, None);
                }
                self.boxes(body, depth + 1);
                if name == b"trak" {
                    self.track();
                }
            }
            b"uuid" => match body.split_first_chunk::<16>() {
                Some((id, inside)) if *id == CANON => self.boxes(inside, depth + 1),
                Some((id, inside)) if *id == PREVIEW => {
                    self.boxes(inside.get(8..).unwrap_or_default(), depth + 1);
                }
                _ => {}
            },
            b"CMT1" => {
                self.parts.orientation = Orientation::from_exif_chunk(body);
                self.parts.tags.push(body.into());
            }
            b"CMT2" | b"CMT4" => self.parts.tags.push(body.into()),
            b"THMB" | b"PRVW" => self.parts.jpegs.extend(jpeg(body)),
            b"stsz" => {
                self.size = number(body, 4, 4).filter(|size| *size > 0).or(number(body, 12, 4));
            }
            b"stco" => self.offset = number(body, 8, 4),
            b"co64" => self.offset = number(body, 8, 8),
            _ => {}
        }
    }

    /// The track's first sample, where it is a JPEG.
    fn track(&mut self) {
        let (Some(offset), Some(size)) = (self.offset, self.size) else { return };
        let (Ok(from), Ok(length)) = (usize::try_from(offset), usize::try_from(size)) else {
            return;
        };
        let sample = from.checked_add(length).and_then(|to| self.file.get(from..to));
        self.parts.jpegs.extend(sample.filter(|sample| sample.starts_with(b"\xff\xd8\xff")));
    }
}

/// The name and body of the first box, and what follows it.
fn next(rest: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let name = rest.get(4..8)?.first_chunk()?;
    let (head, length) = match number(rest, 0, 4)? {
        0 => (8, rest.len() as u64),
        1 => (16, number(rest, 8, 8)?),
        length => (8, length),
    };
    let length = usize::try_from(length).ok()?;
    let body = rest.get(head..length)?;
    Some((name, body, rest.get(length..)?))
}

fn number(bytes: &[u8], at: usize, count: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + count)?;
    Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}
