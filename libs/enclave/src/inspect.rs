//! A look at an artifact from outside: is it sealed, is it of its kind, is it as large as said?
//!
//! Nothing is decoded here; a few header fields are read with every bound checked. Texts are read
//! whole: cues may name nothing but their sprite.

mod boxes;
mod cues;

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

use domain::wish::Format;
use rustix::fs::SealFlags;

/// How far into a file its dimensions are looked for, in bytes.
const HEAD_BYTES: u64 = 256 << 10;
/// The most bytes of cues or JSON.
const TEXT_BYTES: u64 = 4 << 20;

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

/// Whether a file is of `format` and has these dimensions, by a few fields of its head; zeros for
/// what has none.
#[must_use]
pub fn looks_like(file: &File, format: Format, dimensions: (u32, u32)) -> bool {
    check(file, format, dimensions).is_ok()
}

/// Checks that the file is of `format` and has these dimensions; zeros for what has none.
pub(crate) fn check(file: &File, format: Format, dimensions: (u32, u32)) -> Result<(), Flaw> {
    let found = match format {
        Format::Png => png(&head(file)?),
        Format::Jpg => jpeg(&head(file)?),
        Format::Webp => webp(&head(file)?),
        Format::Gif => gif(&head(file)?),
        Format::Avif => boxes::avif(&head(file)?, dimensions),
        Format::Mp4 => boxes::film(file, length(file)?),
        Format::Vtt => cues::are_harmless(&text(file)?).then_some((0, 0)),
        Format::Json => {
            serde_json::from_slice::<serde::de::IgnoredAny>(&text(file)?).is_ok().then_some((0, 0))
        }
    };
    match found {
        None => Err(Flaw::OtherFormat),
        Some(found) if found == dimensions => Ok(()),
        Some(_) => Err(Flaw::OtherDimensions),
    }
}

fn head(file: &File) -> Result<Vec<u8>, Flaw> {
    read(file, HEAD_BYTES)
}

fn text(file: &File) -> Result<Vec<u8>, Flaw> {
    if length(file)? > TEXT_BYTES { Err(Flaw::OtherFormat) } else { read(file, TEXT_BYTES) }
}

fn length(file: &File) -> Result<u64, Flaw> {
    file.metadata().map(|metadata| metadata.len()).map_err(|_denied| Flaw::Unreadable)
}

/// The first bytes; the position stays at the start.
fn read(file: &File, bytes: u64) -> Result<Vec<u8>, Flaw> {
    let mut first = Vec::new();
    let again = file.try_clone().map_err(|_denied| Flaw::Unreadable)?;
    again.take(bytes).read_to_end(&mut first).map_err(|_denied| Flaw::Unreadable)?;
    std::io::Seek::rewind(&mut &*file).map_err(|_denied| Flaw::Unreadable)?;
    Ok(first)
}

fn gif(head: &[u8]) -> Option<(u32, u32)> {
    let rest = head.strip_prefix(b"GIF89a").or_else(|| head.strip_prefix(b"GIF87a"))?;
    let edge = |from| array(rest, from).map(|bytes| u32::from(u16::from_le_bytes(bytes)));
    Some((edge(0)?, edge(2)?))
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

/// The bytes of the file from `offset` on, as many as fit.
fn at(file: &File, offset: u64, buffer: &mut [u8]) -> Option<()> {
    file.read_exact_at(buffer, offset).ok()
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

    #[test]
    fn the_dimensions_of_a_gif_are_those_of_its_screen() {
        assert_eq!(gif(b"GIF89a\0\x01\x20\0rest"), Some((256, 32)));
        assert_eq!(gif(b"GIF89a\0\x01\x20"), None);
        assert_eq!(gif(b"GIF90a\0\x01\x20\0"), None);
    }

    /// A sealed memory file.
    fn sealed(bytes: &[u8]) -> File {
        use rustix::fs::{MemfdFlags, memfd_create};
        let file = memfd_create("x", MemfdFlags::ALLOW_SEALING).expect("a memory file");
        rustix::io::write(&file, bytes).expect("written");
        let file = File::from(file);
        std::io::Seek::rewind(&mut &file).expect("rewound");
        file
    }

    #[test]
    fn texts_are_looked_at_whole() {
        let fine = b"WEBVTT\n\n00:00.000 --> 00:05.000\nstoryboard.jpg#xywh=0,0,160,90\n";
        assert_eq!(check(&sealed(fine), Format::Vtt, (0, 0)), Ok(()));
        let led_away = b"WEBVTT\n\n00:00.000 --> 00:05.000\nhttp://x/#xywh=0,0,160,90\n";
        assert_eq!(check(&sealed(led_away), Format::Vtt, (0, 0)), Err(Flaw::OtherFormat));
        assert_eq!(check(&sealed(b"{\"peaks\":[1]}"), Format::Json, (0, 0)), Ok(()));
        assert_eq!(check(&sealed(b"[1] alert(1)"), Format::Json, (0, 0)), Err(Flaw::OtherFormat));
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
            let _ = gif(&behind(b"GIF89a"));
            let _ = boxes::avif(&behind(b"\0\0\0\x10ftypavif\0\0\0\0"), (1, 1));
            let film = behind(b"\0\0\0\x10ftypisom\0\0\0\0");
            let _ = boxes::film(&sealed(&film), film.len() as u64);
            let _ = cues::are_harmless(&behind(b"WEBVTT\n\n"));
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
