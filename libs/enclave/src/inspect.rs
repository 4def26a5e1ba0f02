//! A look at an artifact from outside: is it sealed, is it of its kind, is it as large as said?
//!
//! Nothing is decoded here; a few header fields are read with every bound checked.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};

use domain::wish::Format;
use rustix::fs::SealFlags;

/// How far into a file its dimensions are looked for, in bytes.
const HEAD_BYTES: u64 = 64 << 10;

/// What is wrong with an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Flaw {
    #[error("an artifact that is no sealed memory file")]
    Unsealed,
    #[error("an artifact without a byte")]
    Empty,
    #[error("an artifact that is not of the format it claims")]
    OtherFormat,
    #[error("an artifact whose dimensions are not those it claims")]
    OtherDimensions,
    #[error("an artifact that cannot be read")]
    Unreadable,
}

/// Checks the seals and gives the file's length, and the file with a position of its own: the
/// renderer still holds the description it sent and could move that one's.
pub(crate) fn open(descriptor: &OwnedFd) -> Result<(File, u64), Flaw> {
    let needed = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW;
    let seals = rustix::fs::fcntl_get_seals(descriptor).map_err(|_none| Flaw::Unsealed)?;
    if !seals.contains(needed) {
        return Err(Flaw::Unsealed);
    }
    let path = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
    let file = File::open(path).map_err(|_denied| Flaw::Unreadable)?;
    let length = file.metadata().map_err(|_denied| Flaw::Unreadable)?.len();
    if length == 0 { Err(Flaw::Empty) } else { Ok((file, length)) }
}

/// Checks that the file is of `format` and has these dimensions.
pub(crate) fn check(file: &File, format: Format, (width, height): (u32, u32)) -> Result<(), Flaw> {
    let mut head = Vec::new();
    let again = file.try_clone().map_err(|_denied| Flaw::Unreadable)?;
    again.take(HEAD_BYTES).read_to_end(&mut head).map_err(|_denied| Flaw::Unreadable)?;
    std::io::Seek::rewind(&mut &*file).map_err(|_denied| Flaw::Unreadable)?;
    let found = match format {
        Format::Png => png(&head),
        Format::Jpg => jpeg(&head),
        Format::Webp => webp(&head),
        Format::Avif | Format::Gif | Format::Mp4 | Format::Vtt | Format::Json => None,
    };
    match found {
        None => Err(Flaw::OtherFormat),
        Some(found) if found == (width, height) => Ok(()),
        Some(_) => Err(Flaw::OtherDimensions),
    }
}

fn png(head: &[u8]) -> Option<(u32, u32)> {
    let rest = head.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")?;
    Some((u32::from_be_bytes(array(rest, 0)?), u32::from_be_bytes(array(rest, 4)?)))
}

/// Walks the segments up to the frame header.
fn jpeg(head: &[u8]) -> Option<(u32, u32)> {
    let mut rest = head.strip_prefix(b"\xff\xd8")?;
    loop {
        let [mark, kind, high, low] = array(rest, 0)?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if mark != 0xff || length < 2 {
            return None;
        }
        match kind {
            0xc0..=0xc2 => {
                let height = u16::from_be_bytes(array(rest, 5)?);
                let width = u16::from_be_bytes(array(rest, 7)?);
                return Some((width.into(), height.into()));
            }
            0xc4 | 0xdb | 0xdd | 0xe0..=0xef | 0xfe => rest = rest.get(2 + length..)?,
            _ => return None,
        }
    }
}

fn webp(head: &[u8]) -> Option<(u32, u32)> {
    let rest = head.strip_prefix(b"RIFF")?.get(4..)?.strip_prefix(b"WEBP")?;
    let body = rest.get(8..)?;
    let u24 = |[a, b, c]: [u8; 3]| u32::from_le_bytes([a, b, c, 0]);
    match rest.get(..4)? {
        b"VP8X" => Some((u24(array(body, 4)?) + 1, u24(array(body, 7)?) + 1)),
        b"VP8 " => {
            let rest = body.get(3..)?.strip_prefix(b"\x9d\x01\x2a")?;
            let edge = |bytes| u32::from(u16::from_le_bytes(bytes) & 0x3fff);
            Some((edge(array(rest, 0)?), edge(array(rest, 2)?)))
        }
        b"VP8L" => {
            let bits = u32::from_le_bytes(array(body.strip_prefix(b"\x2f")?, 0)?);
            Some(((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1))
        }
        _ => None,
    }
}

fn array<const N: usize>(bytes: &[u8], from: usize) -> Option<[u8; N]> {
    bytes.get(from..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_dimensions_of_a_png_are_read() {
        let head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0\0\0\0\x20rest";
        assert_eq!(png(head), Some((256, 32)));
        assert_eq!(png(&head[..20]), None);
    }

    #[test]
    fn the_dimensions_of_a_jpeg_are_read_behind_other_segments() {
        let head = b"\xff\xd8\xff\xe0\0\x04ab\xff\xdb\0\x03c\xff\xc0\0\x11\x08\0\x20\x01\0";
        assert_eq!(jpeg(head), Some((256, 32)));
        assert_eq!(jpeg(b"\xff\xd8\xff\xe0\0\0"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_bring_the_look_down(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let behind = |magic: &[u8]| [magic, &bytes].concat();
            let _ = jpeg(&behind(b"\xff\xd8\xff"));
            let _ = png(&behind(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"));
            let _ = webp(&behind(b"RIFF\0\0\0\0WEBPVP8 "));
            let _ = webp(&behind(b"RIFF\0\0\0\0WEBPVP8X"));
            let _ = webp(&behind(b"RIFF\0\0\0\0WEBPVP8L"));
        }
    }

    #[test]
    fn a_file_that_could_still_change_is_refused() {
        use rustix::fs::{MemfdFlags, fcntl_add_seals, memfd_create};
        let file = memfd_create("x", MemfdFlags::ALLOW_SEALING).expect("a memory file");
        rustix::io::write(&file, b"bytes").expect("written");
        assert_eq!(open(&file).expect_err("unsealed"), Flaw::Unsealed);
        fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK).expect("sealed in part");
        assert_eq!(open(&file).expect_err("could grow"), Flaw::Unsealed);
        fcntl_add_seals(&file, SealFlags::GROW).expect("sealed");
        assert_eq!(open(&file).expect("sealed").1, 5);
        let plain: OwnedFd = File::open("/proc/self/exe").expect("a plain file").into();
        assert_eq!(open(&plain).expect_err("no memory file"), Flaw::Unsealed);
    }
}
