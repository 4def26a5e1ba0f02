//! The pages of a TIFF file: finding them, turning one to the front, and its pixels.

mod lzw;
mod pixels;
mod shape;
pub(crate) mod sparse;
mod unpack;

pub(crate) use shape::Shape;

use crate::error::Error;

/// The most pages a file may have.
const MAX_PAGES: usize = 10_000;
/// The most entries of a directory that are looked at.
const MAX_ENTRIES: u64 = 4_096;
const NEW_SUBFILE_TYPE: u16 = 254;
const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const DNG_VERSION: u16 = 0xc612;

/// Where the directories of the pages lie.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Directories {
    layout: Layout,
    offsets: Vec<u64>,
    /// Whether it is a camera's raw file in the clothes of a TIFF.
    pub(crate) is_raw: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    little: bool,
    big: bool,
}

struct Directory {
    dimensions: (u32, u32),
    reduced: bool,
    raw: bool,
    next: u64,
}

impl Directories {
    /// Follows the chain of directories; thumbnails of pages are left out.
    pub(crate) fn find(file: &[u8]) -> Result<Self, Error> {
        let layout = Layout {
            little: file.starts_with(b"II"),
            big: file.get(2..4).is_some_and(|magic| magic == b"+\0" || magic == b"\0+"),
        };
        let broken = || Error::corrupt("TIFF: a directory outside the file");
        let mut next = layout.offset(file, if layout.big { 8 } else { 4 }).ok_or_else(broken)?;
        let mut full = Vec::new();
        let mut all: Vec<u64> = Vec::new();
        let mut is_raw = false;
        while next != 0 {
            if all.contains(&next) || all.len() >= MAX_PAGES {
                return Err(Error::corrupt("TIFF: directories without end"));
            }
            let directory = layout.directory(file, next).ok_or_else(broken)?;
            all.push(next);
            is_raw |= directory.raw;
            if !directory.reduced {
                full.push(next);
            }
            next = directory.next;
        }
        let offsets = if full.is_empty() { all } else { full };
        if offsets.is_empty() {
            return Err(Error::corrupt("TIFF: no page"));
        }
        Ok(Self { layout, offsets, is_raw })
    }

    pub(crate) fn total(&self) -> u32 {
        u32::try_from(self.offsets.len()).unwrap_or(u32::MAX)
    }

    /// Width and height of page `page`, from 1, by its directory; zeroes if it does not say.
    pub(crate) fn dimensions(&self, file: &[u8], page: u32) -> (u32, u32) {
        let offset = self.offsets.get((page as usize).wrapping_sub(1));
        let directory = offset.and_then(|offset| self.layout.directory(file, *offset));
        directory.map_or((0, 0), |directory| directory.dimensions)
    }

    /// Makes page `page`, from 1, the first directory of the file.
    pub(crate) fn turn_to(&self, file: &mut [u8], page: u32) -> Result<(), Error> {
        let index = (page as usize).wrapping_sub(1);
        let no_page = || Error::NoSuchPage { total: self.total() };
        let offset = *self.offsets.get(index).ok_or_else(no_page)?;
        let wide = if self.layout.little { offset.to_le_bytes() } else { offset.to_be_bytes() };
        let (place, bytes) = match (self.layout.big, self.layout.little) {
            (true, _) => (8..16, &wide[..]),
            (false, true) => (4..8, wide.first_chunk::<4>().map_or(&[][..], |low| &low[..])),
            (false, false) => (4..8, wide.last_chunk::<4>().map_or(&[][..], |low| &low[..])),
        };
        file.get_mut(place).ok_or_else(no_page)?.copy_from_slice(bytes);
        Ok(())
    }
}

impl Layout {
    fn directory(self, file: &[u8], at: u64) -> Option<Directory> {
        let (count, entries, entry_bytes) = if self.big {
            (self.number(file, at, 8)?, at.checked_add(8)?, 20)
        } else {
            (self.number(file, at, 2)?, at.checked_add(2)?, 12)
        };
        let (mut dimensions, mut reduced, mut raw) = ((0, 0), false, false);
        for index in 0..count.min(MAX_ENTRIES) {
            let entry = entries.checked_add(index.checked_mul(entry_bytes)?)?;
            let tag = u16::try_from(self.number(file, entry, 2)?).ok()?;
            let value = entry.checked_add(if self.big { 12 } else { 8 })?;
            match tag {
                NEW_SUBFILE_TYPE => reduced = self.number(file, value, 4)? & 1 == 1,
                WIDTH => dimensions.0 = self.edge(file, entry, value)?,
                HEIGHT => dimensions.1 = self.edge(file, entry, value)?,
                DNG_VERSION => raw = true,
                _ => {}
            }
        }
        let end = entries.checked_add(count.checked_mul(entry_bytes)?)?;
        Some(Directory { dimensions, reduced, raw, next: self.offset(file, end)? })
    }

    /// A value of two bytes or more; 64 bits are cut to what is too large anyway.
    fn edge(self, file: &[u8], entry: u64, value: u64) -> Option<u32> {
        const SHORT: u64 = 3;
        const LONG_8: u64 = 16;
        let bytes = match self.number(file, entry.checked_add(2)?, 2)? {
            SHORT => 2,
            LONG_8 => 8,
            _ => 4,
        };
        Some(u32::try_from(self.number(file, value, bytes)?).unwrap_or(u32::MAX))
    }

    fn offset(self, file: &[u8], at: u64) -> Option<u64> {
        self.number(file, at, if self.big { 8 } else { 4 })
    }

    fn number(self, file: &[u8], at: u64, bytes: usize) -> Option<u64> {
        let from = usize::try_from(at).ok()?;
        let bytes = file.get(from..from.checked_add(bytes)?)?;
        let push = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.little {
            bytes.iter().rev().fold(0, push)
        } else {
            bytes.iter().fold(0, push)
        })
    }
}
