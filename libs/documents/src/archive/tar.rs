//! tar: header after header.

use std::io::Read;

use domain::limits::Limits;
use stills::{Error, Source};

use super::{Entry, Listing, date_of_seconds};

const BLOCK_BYTES: usize = 512;
/// Longest name of its own block that is kept.
const MOST_NAME_BYTES: u64 = 16 << 10;

/// Where a block of the map of a file with holes says that another follows.
const MAP_GOES_ON_AT: usize = 504;

/// Bytes in a row, of which some are left out.
pub(crate) trait Tape {
    /// Fills the buffer; fewer bytes at the end.
    fn fill(&mut self, buffer: &mut [u8]) -> std::io::Result<usize>;
    /// Leaves bytes out; whether they were there.
    fn skip(&mut self, bytes: u64) -> std::io::Result<bool>;
}

/// A source, of which only headers are read.
struct Whole<'a> {
    source: &'a mut dyn Source,
    at: u64,
}

impl Tape for Whole<'_> {
    fn fill(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.source.read_at(self.at, buffer)?;
        self.at += count as u64;
        Ok(count)
    }

    fn skip(&mut self, bytes: u64) -> std::io::Result<bool> {
        self.at = self.at.saturating_add(bytes);
        Ok(self.at <= self.source.length())
    }
}

/// Bytes that are expanded as they are read.
pub(crate) struct Stream<R>(pub(crate) R);

impl<R: Read> Tape for Stream<R> {
    fn fill(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut filled = 0;
        while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.0.read(room)? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }

    fn skip(&mut self, bytes: u64) -> std::io::Result<bool> {
        let skipped = std::io::copy(&mut (&mut self.0).take(bytes), &mut std::io::sink())?;
        Ok(skipped == bytes)
    }
}

/// Lists a tar archive.
pub(crate) fn plain(source: &mut dyn Source, limits: &Limits) -> Result<Listing, Error> {
    let mut listing = Listing { format: "TAR", ..Listing::default() };
    let mut tape = Whole { source, at: 0 };
    if read(&mut tape, limits, &mut listing).is_err() {
        listing.is_cut = true;
    }
    if listing.entries.is_empty() && listing.is_cut {
        return Err(Error::corrupt("a tar archive without an entry"));
    }
    Ok(listing)
}

/// Reads headers until their end, a limit, or what is none.
pub(crate) fn read(
    tape: &mut dyn Tape,
    limits: &Limits,
    listing: &mut Listing,
) -> std::io::Result<()> {
    let mut next = Next::default();
    let mut block = [0; BLOCK_BYTES];
    // A name or an attribute may come before each.
    let most = limits.entries as usize * 3;
    for _ in 0..most {
        if tape.fill(&mut block)? < BLOCK_BYTES || block.iter().all(|byte| *byte == 0) {
            listing.total = listing.entries.len() as u64;
            return Ok(());
        }
        let Some(header) = Header::parse(&block) else { break };
        // More of the map of a file with holes, before its data.
        let mut maps_on = header.maps_on;
        while maps_on {
            if tape.fill(&mut block)? < BLOCK_BYTES {
                break;
            }
            maps_on = block.get(MAP_GOES_ON_AT).is_some_and(|more| *more != 0);
        }
        let data = next.size.unwrap_or(header.size);
        let padded = data.div_ceil(BLOCK_BYTES as u64).saturating_mul(BLOCK_BYTES as u64);
        if matches!(header.kind, b'L' | b'K' | b'x' | b'X' | b'g') {
            let kept = header.size.min(MOST_NAME_BYTES);
            let padded =
                header.size.div_ceil(BLOCK_BYTES as u64).saturating_mul(BLOCK_BYTES as u64);
            let mut bytes = vec![0; usize::try_from(kept).unwrap_or(0)];
            let count = tape.fill(&mut bytes)?;
            bytes.truncate(count);
            next.take(header.kind, &bytes);
            if !tape.skip(padded - count as u64)? {
                break;
            }
            continue;
        }
        if listing.entries.len() >= limits.entries as usize {
            break;
        }
        listing.entries.push(std::mem::take(&mut next).entry(header));
        if !tape.skip(padded)? {
            break;
        }
    }
    listing.is_cut = true;
    listing.total = listing.entries.len() as u64;
    Ok(())
}

/// What is said of the entry to come.
#[derive(Default)]
struct Next {
    name: Option<String>,
    link: Option<String>,
    size: Option<u64>,
    /// Of a file with holes: what it is called and how large it is, holes and all.
    holed_name: Option<String>,
    holed_size: Option<u64>,
    modified: Option<i64>,
}

impl Next {
    fn take(&mut self, kind: u8, bytes: &[u8]) {
        let text = || name(bytes).trim_end_matches('\0').to_owned();
        match kind {
            b'L' => self.name = Some(text()),
            b'K' => self.link = Some(text()),
            // `X` is Solaris'.
            b'x' | b'X' => self.attributes(&text()),
            _ => {}
        }
    }

    /// `27 path=some/name` and a line feed, one after the other.
    fn attributes(&mut self, text: &str) {
        for line in text.lines() {
            let pair = line.split_once(' ').and_then(|(_, pair)| pair.split_once('='));
            match pair {
                Some(("path", value)) => self.name = Some(value.to_owned()),
                Some(("linkpath", value)) => self.link = Some(value.to_owned()),
                Some(("GNU.sparse.name", value)) => self.holed_name = Some(value.to_owned()),
                Some(("GNU.sparse.size" | "GNU.sparse.realsize", value)) => {
                    self.holed_size = value.parse().ok();
                }
                Some(("size", value)) => self.size = value.parse().ok(),
                Some(("mtime", value)) => {
                    self.modified = value.split('.').next().and_then(|whole| whole.parse().ok());
                }
                _ => {}
            }
        }
    }

    fn entry(self, header: Header) -> Entry {
        let name = self.holed_name.or(self.name).unwrap_or(header.name);
        let size = self.holed_size.or(header.holed_size).or(self.size).unwrap_or(header.size);
        let is_directory = header.kind == b'5' || name.ends_with('/');
        let link = matches!(header.kind, b'1' | b'2').then(|| self.link.unwrap_or(header.link));
        Entry {
            size: (!is_directory && link.is_none()).then_some(size),
            modified: self.modified.or(header.modified).and_then(date_of_seconds),
            name,
            is_directory,
            link,
            ..Entry::default()
        }
    }
}

struct Header {
    name: String,
    link: String,
    kind: u8,
    size: u64,
    /// How large a file with holes is, holes and all.
    holed_size: Option<u64>,
    /// Whether blocks follow that say more of where holes are.
    maps_on: bool,
    modified: Option<i64>,
}

impl Header {
    /// A header whose checksum is right.
    fn parse(block: &[u8; BLOCK_BYTES]) -> Option<Self> {
        let summed = |value: fn(u8) -> i64| -> i64 {
            let blanked = |(at, byte): (usize, &u8)| {
                if (148..156).contains(&at) { i64::from(b' ') } else { value(*byte) }
            };
            block.iter().enumerate().map(blanked).sum()
        };
        let told = i64::try_from(number(block.get(148..156)?)?).ok()?;
        // Some older systems counted bytes as signed.
        if told != summed(i64::from) && told != summed(|byte| i64::from(byte.cast_signed())) {
            return None;
        }
        let text = |from: usize, to: usize| {
            let field = block.get(from..to).unwrap_or_default();
            let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
            name(field.get(..end).unwrap_or_default())
        };
        let is_posix = block.get(257..263) == Some(b"ustar\0");
        let prefix = if is_posix { text(345, 500) } else { String::new() };
        let name =
            if prefix.is_empty() { text(0, 100) } else { format!("{prefix}/{}", text(0, 100)) };
        let kind = *block.get(156)?;
        // Links have no data, whatever their size says.
        let size = if matches!(kind, b'1'..=b'6') { 0 } else { number(block.get(124..136)?)? };
        let modified = number(block.get(136..148)?).and_then(|seconds| i64::try_from(seconds).ok());
        let has_holes = kind == b'S';
        let holed_size = if has_holes { number(block.get(483..495)?) } else { None };
        let maps_on = has_holes && *block.get(482)? != 0;
        Some(Self { name, link: text(157, 257), kind, size, holed_size, maps_on, modified })
    }
}

/// Octal digits, or a binary number where they are too few.
fn number(field: &[u8]) -> Option<u64> {
    if field.first()? & 0x80 != 0 {
        let low = field.last_chunk::<8>()?;
        return Some(u64::from_be_bytes(*low) & (u64::MAX >> 1));
    }
    let text = std::str::from_utf8(field).ok()?;
    let digits = text.trim_matches(|letter: char| letter == ' ' || letter == '\0');
    if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
}

/// Names are bytes: UTF-8, or else most often the Latin letters of an older system.
fn name(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(name) => name.to_owned(),
        Err(_other_encoding) => {
            encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_older_systems_are_read_as_latin_letters() {
        assert_eq!(name(b"umlauts-\xc4\xd6\xdc\xe4\xf6\xfc\xdf"), "umlauts-ÄÖÜäöüß");
        assert_eq!(name("日本.txt".as_bytes()), "日本.txt");
    }
}
