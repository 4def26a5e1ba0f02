//! The fonts that renderers draw text with: one sealed memory file, made once and lent to each.
//!
//! Behind the walls no path leads anywhere, so the files travel together: a table of lengths, then
//! the files one after another, each at a multiple of eight.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

/// The most font files.
pub(crate) const MAX_FONTS: usize = 64;
/// The most bytes of all of them together.
const MAX_BYTES: u64 = 256 << 20;
/// Files begin at multiples of this.
const ALIGNMENT: usize = 8;
/// Bytes of the table: the number of fonts and the length of each, as `u64`.
pub(crate) const TABLE_BYTES: usize = (1 + MAX_FONTS) * 8;

/// Where Debian's packages put the fonts that cover most of what is written.
const USUAL: [&str; 13] = [
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSerif.ttf",
    "/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf",
    "/usr/share/fonts/truetype/liberation/LiberationSans-Bold.ttf",
    "/usr/share/fonts/truetype/liberation/LiberationSerif-Regular.ttf",
    "/usr/share/fonts/truetype/liberation/LiberationSerif-Bold.ttf",
    "/usr/share/fonts/truetype/liberation/LiberationMono-Regular.ttf",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    // Of the same package: fewer Chinese letters, but Korean ones.
    "/usr/share/fonts-droid-fallback/truetype/DroidSansFallback.ttf",
    "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
];
/// Scripts that those have no letters of, each with two fonts of its own.
const SCRIPTS: [&str; 14] = [
    "Bengali",
    "Devanagari",
    "Gujarati",
    "Gurmukhi",
    "Kannada",
    "Khmer",
    "Lao",
    "Malayalam",
    "Myanmar",
    "Oriya",
    "Sinhala",
    "Tamil",
    "Telugu",
    "Thai",
];

/// The usual fonts, those of them that are here.
#[must_use]
pub(crate) fn usual() -> Vec<PathBuf> {
    let noto = |script| {
        ["Regular", "Bold"].map(|weight| {
            PathBuf::from(format!("/usr/share/fonts/truetype/noto/NotoSans{script}UI-{weight}.ttf"))
        })
    };
    let paths = USUAL.iter().map(PathBuf::from).chain(SCRIPTS.iter().flat_map(noto));
    paths.filter(|path| path.is_file()).collect()
}

/// Puts the files into a sealed memory file. Those that cannot be read are left out, with a
/// warning; `None` where nothing is left.
pub(crate) fn gather(paths: &[PathBuf]) -> io::Result<Option<OwnedFd>> {
    let mut fonts: Vec<Vec<u8>> = Vec::new();
    let mut total: u64 = 0;
    for path in paths {
        match read(path, total) {
            Ok(_) if fonts.len() == MAX_FONTS => {
                tracing::warn!(font = %path.display(), "left out: there are {MAX_FONTS} already");
            }
            Ok(font) => {
                total += font.len() as u64;
                fonts.push(font);
            }
            Err(error) => {
                tracing::warn!(font = %path.display(), %error, "a font cannot be used");
            }
        }
    }
    if fonts.is_empty() { Ok(None) } else { write(&fonts).map(Some) }
}

fn read(path: &Path, before: u64) -> io::Result<Vec<u8>> {
    let length = std::fs::metadata(path)?.len();
    if before.saturating_add(length) > MAX_BYTES {
        return Err(io::Error::other("the fonts are too large together"));
    }
    std::fs::read(path)
}

fn write(fonts: &[Vec<u8>]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("fonts", flags)?);
    let mut table = vec![0; TABLE_BYTES];
    let lengths = std::iter::once(fonts.len()).chain(fonts.iter().map(Vec::len));
    for (slot, length) in table.chunks_exact_mut(8).zip(lengths) {
        slot.copy_from_slice(&(length as u64).to_le_bytes());
    }
    file.write_all(&table)?;
    for font in fonts {
        file.write_all(font)?;
        let padding = vec![0; font.len().next_multiple_of(ALIGNMENT) - font.len()];
        file.write_all(&padding)?;
    }
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    fcntl_add_seals(file.as_fd(), seals)?;
    Ok(file.into())
}

/// The lengths in a table.
fn lengths(table: &[u8]) -> impl Iterator<Item = usize> {
    let number = |slot: &[u8]| {
        let value = slot.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        usize::try_from(value.unwrap_or_default()).unwrap_or(usize::MAX)
    };
    let table = table.get(..TABLE_BYTES).unwrap_or_default();
    let mut slots = table.chunks_exact(8).map(number);
    let count = slots.next().unwrap_or_default().min(MAX_FONTS);
    slots.take(count)
}

/// How many bytes the whole file has, by its table.
pub(crate) fn whole_bytes(table: &[u8]) -> usize {
    let padded = |length: usize| length.checked_next_multiple_of(ALIGNMENT).unwrap_or(usize::MAX);
    lengths(table).fold(TABLE_BYTES, |sum, length| sum.saturating_add(padded(length)))
}

/// The fonts in the bytes of such a file.
pub(crate) fn parse(bytes: &[u8]) -> Vec<&[u8]> {
    let mut rest = bytes.get(TABLE_BYTES..).unwrap_or_default();
    let mut fonts = Vec::new();
    for length in lengths(bytes) {
        let Some(font) = rest.get(..length) else { break };
        fonts.push(font);
        let padded = length.checked_next_multiple_of(ALIGNMENT);
        rest = padded.and_then(|padded| rest.get(padded..)).unwrap_or_default();
    }
    fonts
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn fonts_come_out_as_they_went_in_and_cannot_be_changed() {
        let fonts = [vec![1; 5], vec![2; 8], Vec::new(), vec![3; 4_097]];
        let file = File::from(write(&fonts).expect("written"));
        let mut bytes = vec![0; usize::try_from(file.metadata().expect("known").len()).unwrap()];
        file.read_exact_at(&mut bytes, 0).expect("read");
        assert_eq!(whole_bytes(&bytes), bytes.len());
        assert_eq!(parse(&bytes), fonts.iter().map(Vec::as_slice).collect::<Vec<_>>());
        assert!(file.write_at(b"x", 0).is_err());
        assert_eq!(parse(&bytes[..TABLE_BYTES + 10]).len(), 1, "what is cut off is left out");
        assert!(parse(b"").is_empty());
    }

    #[test]
    fn fonts_that_are_not_there_are_left_out() {
        assert!(gather(&[PathBuf::from("/nowhere/x.ttf")]).expect("gathered").is_none());
        assert!(gather(&[PathBuf::from("/proc/self/exe")]).expect("gathered").is_some());
    }
}
