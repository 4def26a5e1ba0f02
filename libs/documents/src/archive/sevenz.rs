//! 7z: the header at its end, which is mostly compressed itself.

use std::io::Read;

use domain::limits::Limits;
use stills::{Error, Source};

use super::{Entry, Listing, date_of_ticks};

/// Largest header, as stored and as expanded.
const MOST_HEADER_BYTES: u64 = 32 << 20;
/// Memory for its expansion.
const MOST_MEMORY_KIB: u32 = 256 << 10;
/// Headers in headers, streams, coders.
const MOST_LAYERS: usize = 4;
const MOST_STREAMS: u64 = 100_000;
const MOST_CODERS: u64 = 32;

const LZMA: &[u8] = &[3, 1, 1];
const LZMA2: &[u8] = &[0x21];
const COPY: &[u8] = &[0];
const AES: &[u8] = &[6, 0xf1, 7, 1];

/// Lists a 7z archive.
pub(crate) fn list(source: &mut dyn Source, limits: &Limits) -> Result<Listing, Error> {
    let damaged = || Error::corrupt("a 7z archive without a header");
    let start = read(source, 0, 32)?;
    let mut reader = Reader(start.get(12..).ok_or_else(damaged)?);
    let (Some(offset), Some(size)) = (reader.u64(), reader.u64()) else { return Err(damaged()) };
    let mut listing = Listing { format: "7Z", ..Listing::default() };
    if size == 0 {
        return Ok(listing);
    }
    let mut header = read(source, offset.saturating_add(32), size)?;
    for _ in 0..MOST_LAYERS {
        let mut reader = Reader(&header);
        match reader.u8() {
            Some(0x01) => {
                fill(&mut listing, &mut reader, limits).ok_or_else(damaged)?;
                return Ok(listing);
            }
            Some(0x17) => {
                let streams = Streams::parse(&mut reader).ok_or_else(damaged)?;
                let folder = streams.folders.first().ok_or_else(damaged)?;
                if folder.is_encrypted() {
                    listing.is_sealed = true;
                    return Ok(listing);
                }
                let packed = streams.packed.first().copied().ok_or_else(damaged)?;
                let bytes = read(source, streams.offset.saturating_add(32), packed)?;
                header = expand(&bytes, folder)?;
            }
            _ => return Err(damaged()),
        }
    }
    Err(damaged())
}

fn read(source: &mut dyn Source, offset: u64, count: u64) -> Result<Vec<u8>, Error> {
    if count > MOST_HEADER_BYTES {
        return Err(Error::Expands { what: format!("a header of {count} bytes") });
    }
    let left = source.length().saturating_sub(offset).min(count);
    let mut bytes = vec![0; usize::try_from(left).unwrap_or(0)];
    let count = source.read_at(offset, &mut bytes).map_err(Error::Source)?;
    bytes.truncate(count);
    Ok(bytes)
}

fn expand(bytes: &[u8], folder: &Folder) -> Result<Vec<u8>, Error> {
    let size = folder.sizes.last().copied().unwrap_or(0);
    if size > MOST_HEADER_BYTES {
        return Err(Error::Expands { what: format!("a header of {size} bytes") });
    }
    let [coder] = folder.coders.as_slice() else {
        return Err(Error::corrupt("a header coded in an unusual way"));
    };
    let properties = &coder.properties;
    let dictionary = |at: usize| {
        properties.get(at..).and_then(<[u8]>::first_chunk).map(|bytes| u32::from_le_bytes(*bytes))
    };
    let mut expanded = Vec::new();
    let done = match coder.method.as_slice() {
        COPY => bytes.take(size).read_to_end(&mut expanded),
        LZMA => {
            let (Some(first), Some(dictionary)) = (properties.first(), dictionary(1)) else {
                return Err(Error::corrupt("a header without its dictionary"));
            };
            // A header needs no more than itself.
            let dictionary = dictionary.min(u32::try_from(size).unwrap_or(u32::MAX)).max(4_096);
            let reader =
                lzma_rust2::LzmaReader::new_with_props(bytes, size, *first, dictionary, None);
            reader.map_err(Error::corrupt)?.take(size).read_to_end(&mut expanded)
        }
        LZMA2 => {
            let dictionary =
                u32::try_from(size).unwrap_or(u32::MAX).next_power_of_two().max(1 << 16);
            let reader =
                lzma_rust2::Lzma2Reader::new_mem_limit(bytes, dictionary, MOST_MEMORY_KIB, None);
            reader.map_err(Error::corrupt)?.take(size).read_to_end(&mut expanded)
        }
        _ => return Err(Error::corrupt("a header coded in an unusual way")),
    };
    done.map_err(Error::corrupt)?;
    Ok(expanded)
}

struct Coder {
    method: Vec<u8>,
    properties: Vec<u8>,
}

struct Folder {
    coders: Vec<Coder>,
    /// Bytes that come out of each stream.
    sizes: Vec<u64>,
    /// Which stream is the last.
    last: usize,
}

impl Folder {
    fn is_encrypted(&self) -> bool {
        self.coders.iter().any(|coder| coder.method == AES)
    }
}

/// Where the data is and how it is coded.
#[derive(Default)]
struct Streams {
    offset: u64,
    packed: Vec<u64>,
    folders: Vec<Folder>,
    /// The size of every file that has data, and whether it is encrypted.
    files: Vec<(u64, bool)>,
}

impl Streams {
    fn parse(reader: &mut Reader<'_>) -> Option<Self> {
        let mut streams = Self::default();
        let mut counts: Option<Vec<u64>> = None;
        loop {
            match reader.u8()? {
                0x00 => break,
                0x06 => streams.packs(reader)?,
                0x07 => streams.folders(reader)?,
                0x08 => counts = Some(streams.substreams(reader)?),
                _ => return None,
            }
        }
        if counts.is_none() {
            streams.files = streams
                .folders
                .iter()
                .map(|folder| {
                    (folder.sizes.get(folder.last).copied().unwrap_or(0), folder.is_encrypted())
                })
                .collect();
        }
        Some(streams)
    }

    fn packs(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        self.offset = reader.number()?;
        let count = reader.count(MOST_STREAMS)?;
        loop {
            match reader.u8()? {
                0x00 => return Some(()),
                0x09 => {
                    for _ in 0..count {
                        self.packed.push(reader.number()?);
                    }
                }
                0x0a => reader.digests(count)?,
                _ => return None,
            }
        }
    }

    fn folders(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        (reader.u8()? == 0x0b).then_some(())?;
        let count = reader.count(MOST_STREAMS)?;
        (reader.u8()? == 0).then_some(())?;
        for _ in 0..count {
            self.folders.push(folder(reader)?);
        }
        loop {
            match reader.u8()? {
                0x00 => return Some(()),
                0x0c => {
                    for folder in &mut self.folders {
                        for size in &mut folder.sizes {
                            *size = reader.number()?;
                        }
                    }
                }
                0x0a => reader.digests(count)?,
                _ => return None,
            }
        }
    }

    /// How many files each folder holds, and how large they are: the last one has what is left.
    fn substreams(&mut self, reader: &mut Reader<'_>) -> Option<Vec<u64>> {
        let mut counts = vec![1; self.folders.len()];
        let mut kind = reader.u8()?;
        if kind == 0x0d {
            for count in &mut counts {
                *count = reader.count(MOST_STREAMS)?;
            }
            kind = reader.u8()?;
        }
        let sized = kind == 0x09;
        for (folder, count) in self.folders.iter().zip(&counts) {
            let mut left = folder.sizes.get(folder.last).copied().unwrap_or(0);
            for nth in 0..*count {
                let size = if nth + 1 < *count && sized { reader.number()? } else { left };
                left = left.saturating_sub(size);
                self.files.push((size, folder.is_encrypted()));
                if self.files.len() as u64 > MOST_STREAMS {
                    return None;
                }
            }
        }
        if sized {
            kind = reader.u8()?;
        }
        // Checksums of those that have none yet; they are not needed, only skipped.
        while kind != 0 {
            if kind != 0x0a {
                return None;
            }
            let total: u64 = counts.iter().sum();
            reader.digests(total)?;
            kind = reader.u8()?;
        }
        Some(counts)
    }
}

fn folder(reader: &mut Reader<'_>) -> Option<Folder> {
    let count = reader.count(MOST_CODERS)?;
    let (mut coders, mut inputs, mut outputs) = (Vec::new(), 0, 0);
    for _ in 0..count {
        let flags = reader.u8()?;
        let method = reader.bytes(usize::from(flags & 15))?.to_vec();
        let (ins, outs) = if flags & 0x10 != 0 {
            (reader.count(MOST_CODERS)?, reader.count(MOST_CODERS)?)
        } else {
            (1, 1)
        };
        let properties = if flags & 0x20 != 0 {
            let length = usize::try_from(reader.number()?).ok()?;
            reader.bytes(length)?.to_vec()
        } else {
            Vec::new()
        };
        coders.push(Coder { method, properties });
        inputs += ins;
        outputs += outs;
    }
    let bonds = outputs.checked_sub(1)?;
    let mut bound = Vec::new();
    for _ in 0..bonds {
        reader.number()?;
        bound.push(reader.number()?);
    }
    let packed = inputs.checked_sub(bonds)?;
    if packed > 1 {
        for _ in 0..packed {
            reader.number()?;
        }
    }
    let last = (0..outputs).find(|output| !bound.contains(output)).unwrap_or(0);
    let sizes = vec![0; usize::try_from(outputs).ok()?];
    Some(Folder { coders, sizes, last: usize::try_from(last).ok()? })
}

/// Reads the header proper into the listing.
fn fill(listing: &mut Listing, reader: &mut Reader<'_>, limits: &Limits) -> Option<()> {
    let mut streams = Streams::default();
    loop {
        match reader.u8()? {
            0x00 => return Some(()),
            0x02 => {
                // Properties of the archive: kind, size, bytes, until a zero.
                while reader.u8()? != 0 {
                    let length = usize::try_from(reader.number()?).ok()?;
                    reader.bytes(length)?;
                }
            }
            0x03 => {
                Streams::parse(reader)?;
            }
            0x04 => streams = Streams::parse(reader)?,
            0x05 => files(listing, reader, &streams, limits)?,
            _ => return None,
        }
    }
}

fn files(
    listing: &mut Listing,
    reader: &mut Reader<'_>,
    streams: &Streams,
    limits: &Limits,
) -> Option<()> {
    let total = reader.number()?;
    let kept = usize::try_from(total.min(u64::from(limits.entries))).ok()?;
    let mut entries = vec![Entry::default(); kept];
    let (mut empty, mut empty_files) = (Vec::new(), Vec::new());
    loop {
        let kind = reader.u8()?;
        if kind == 0 {
            break;
        }
        let length = usize::try_from(reader.number()?).ok()?;
        let mut body = Reader(reader.bytes(length)?);
        match kind {
            0x0e => empty = body.bits(total)?,
            0x0f => {
                let count = empty.iter().filter(|empty| **empty).count();
                empty_files = body.bits(count as u64)?;
            }
            0x11 if body.u8() == Some(0) => {
                for entry in &mut entries {
                    entry.name = body.name()?;
                }
            }
            0x14 => {
                let defined = body.defined(total)?;
                if body.u8() == Some(0) {
                    for (entry, _) in
                        entries.iter_mut().zip(&defined).filter(|(_, defined)| **defined)
                    {
                        entry.modified = date_of_ticks(body.u64()?);
                    }
                }
            }
            0x15 => {
                let defined = body.defined(total)?;
                if body.u8() == Some(0) {
                    for (entry, _) in
                        entries.iter_mut().zip(&defined).filter(|(_, defined)| **defined)
                    {
                        let attributes = body.u32()?;
                        // Unix' mode in the upper half, where there is one.
                        let is_link = attributes & 0x8000 != 0 && attributes >> 28 == 0xa;
                        entry.link = is_link.then(|| "?".to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    let mut data = streams.files.iter();
    let mut empty_files = empty_files.into_iter();
    for (at, entry) in entries.iter_mut().enumerate() {
        if empty.get(at) == Some(&true) {
            entry.is_directory = empty_files.next() != Some(true);
            entry.size = Some(0);
        } else if let Some((size, is_encrypted)) = data.next() {
            entry.size = Some(*size);
            entry.is_encrypted = *is_encrypted;
        }
    }
    listing.entries = entries;
    listing.total = total;
    listing.is_cut = total > kept as u64;
    Some(())
}

/// Numbers off the front of some bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(first)
    }

    fn u8(&mut self) -> Option<u8> {
        self.bytes(1)?.first().copied()
    }

    fn u32(&mut self) -> Option<u32> {
        self.bytes(4)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
    }

    fn u64(&mut self) -> Option<u64> {
        self.bytes(8)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
    }

    /// As many further bytes as the first one has leading ones.
    fn number(&mut self) -> Option<u64> {
        let first = self.u8()?;
        let more = first.leading_ones().min(8);
        let mut number = 0;
        for at in 0..more {
            number |= u64::from(self.u8()?) << (8 * at);
        }
        let high = if more >= 7 { 0 } else { u64::from(first) & ((1 << (7 - more)) - 1) };
        Some(if more < 8 { number | high << (8 * more) } else { number })
    }

    /// A number of things of which there may be so many.
    fn count(&mut self, most: u64) -> Option<u64> {
        self.number().filter(|count| *count <= most)
    }

    fn bits(&mut self, count: u64) -> Option<Vec<bool>> {
        let count = usize::try_from(count).ok()?;
        let bytes = self.bytes(count.div_ceil(8))?;
        Some(
            (0..count)
                .map(|at| bytes.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1))
                .collect(),
        )
    }

    /// Which of so many things are there: all, or those whose bits are set.
    fn defined(&mut self, count: u64) -> Option<Vec<bool>> {
        // There are never more of them than bytes that tell of them.
        let most = usize::try_from(count).ok()?.min(self.0.len() * 8);
        if self.u8()? == 0 { self.bits(count) } else { Some(vec![true; most]) }
    }

    fn digests(&mut self, count: u64) -> Option<()> {
        let defined = self.defined(count)?;
        self.bytes(defined.iter().filter(|defined| **defined).count() * 4)?;
        Some(())
    }

    fn name(&mut self) -> Option<String> {
        let pairs = self.0.as_chunks::<2>().0;
        let end = pairs.iter().position(|pair| *pair == [0, 0])?;
        let units: Vec<u16> =
            pairs.iter().take(end).map(|pair| u16::from_le_bytes(*pair)).collect();
        self.bytes(end * 2 + 2)?;
        Some(String::from_utf16_lossy(&units))
    }
}
