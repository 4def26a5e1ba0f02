//! RAR, versions 4 and 5: block after block.

use domain::limits::Limits;
use stills::{Error, Source};

use super::{Entry, Listing, date_of_dos, date_of_seconds};

/// Longest header that is read.
const MOST_HEADER_BYTES: usize = 64 << 10;

/// Lists a RAR archive.
pub(crate) fn list(source: &mut dyn Source, limits: &Limits) -> Result<Listing, Error> {
    let mut blocks = Blocks { source, at: 0 };
    let mut listing = Listing { format: "RAR", ..Listing::default() };
    let magic = blocks.bytes(8)?;
    let is_fifth = magic.starts_with(b"Rar!\x1a\x07\x01\0");
    blocks.at = if is_fifth { 8 } else { 7 };
    // Beside each file there may be a block about it.
    for _ in 0..(limits.entries as usize).saturating_mul(2) {
        let step =
            if is_fifth { blocks.fifth(&mut listing)? } else { blocks.fourth(&mut listing)? };
        match step {
            Step::Next if listing.entries.len() < limits.entries as usize => {}
            Step::End => {
                listing.total = listing.entries.len() as u64;
                return Ok(listing);
            }
            Step::Next | Step::Cut => break,
        }
    }
    listing.is_cut = true;
    listing.total = listing.entries.len() as u64;
    if listing.entries.is_empty() && !listing.is_sealed {
        return Err(Error::corrupt("a RAR archive without an entry"));
    }
    Ok(listing)
}

enum Step {
    Next,
    End,
    Cut,
}

struct Blocks<'a> {
    source: &'a mut dyn Source,
    at: u64,
}

impl Blocks<'_> {
    fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; count];
        let read = self.source.read_at(self.at, &mut bytes).map_err(Error::Source)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    fn fourth(&mut self, listing: &mut Listing) -> Result<Step, Error> {
        const MAIN: u8 = 0x73;
        const FILE: u8 = 0x74;
        const END: u8 = 0x7b;
        let start = self.bytes(7)?;
        let mut reader = Reader(&start);
        let (Some(_), Some(kind), Some(flags), Some(size)) =
            (reader.u16(), reader.u8(), reader.u16(), reader.u16())
        else {
            return Ok(if start.is_empty() { Step::End } else { Step::Cut });
        };
        let header = self.bytes(usize::from(size))?;
        let mut reader = Reader(header.get(7..).unwrap_or_default());
        let mut data = 0;
        match kind {
            MAIN if flags & 0x80 != 0 => {
                listing.is_sealed = true;
                return Ok(Step::Cut);
            }
            FILE => {
                let Some((entry, packed)) = fourth_entry(&mut reader, flags) else {
                    return Ok(Step::Cut);
                };
                data = packed;
                // What goes on from another volume is one file.
                if flags & 1 == 0 || listing.entries.is_empty() {
                    listing.entries.push(entry);
                }
            }
            END => return Ok(Step::End),
            _ if flags & 0x8000 != 0 => data = u64::from(reader.u32().unwrap_or(0)),
            _ => {}
        }
        if size < 7 {
            return Ok(Step::Cut);
        }
        self.at = self.at.saturating_add(u64::from(size)).saturating_add(data);
        Ok(if self.at >= self.source.length() { Step::End } else { Step::Next })
    }

    fn fifth(&mut self, listing: &mut Listing) -> Result<Step, Error> {
        let start = self.bytes(16)?;
        let mut reader = Reader(&start);
        let checksum = reader.u32();
        let before = reader.0.len();
        let (Some(_), Some(size)) = (checksum, reader.vint()) else {
            return Ok(if start.is_empty() { Step::End } else { Step::Cut });
        };
        let prefix = 4 + (before - reader.0.len()) as u64;
        let Some(length) =
            usize::try_from(size).ok().filter(|size| (1..=MOST_HEADER_BYTES).contains(size))
        else {
            return Ok(Step::Cut);
        };
        self.at += prefix;
        let header = self.bytes(length)?;
        let mut reader = Reader(&header);
        let (Some(kind), Some(flags)) = (reader.vint(), reader.vint()) else {
            return Ok(Step::Cut);
        };
        let extra = if flags & 1 != 0 { reader.vint().unwrap_or(0) } else { 0 };
        let data = if flags & 2 != 0 { reader.vint().unwrap_or(0) } else { 0 };
        match kind {
            2 => {
                let extra = usize::try_from(extra).unwrap_or(usize::MAX).min(header.len());
                let extra = header.get(header.len() - extra..).unwrap_or_default();
                let Some(entry) = fifth_entry(&mut reader, extra, data) else {
                    return Ok(Step::Cut);
                };
                if flags & 8 == 0 || listing.entries.is_empty() {
                    listing.entries.push(entry);
                }
            }
            4 => {
                listing.is_sealed = true;
                return Ok(Step::Cut);
            }
            5 => return Ok(Step::End),
            _ => {}
        }
        self.at = self.at.saturating_add(size).saturating_add(data);
        Ok(if self.at >= self.source.length() { Step::End } else { Step::Next })
    }
}

fn fourth_entry(reader: &mut Reader<'_>, flags: u16) -> Option<(Entry, u64)> {
    let (packed, size) = (reader.u32()?, reader.u32()?);
    let system = reader.u8()?;
    reader.u32()?;
    let (time, date) = (reader.u16()?, reader.u16()?);
    reader.u16()?;
    let name_bytes = reader.u16()?;
    let attributes = reader.u32()?;
    let (mut packed, mut size) = (u64::from(packed), u64::from(size));
    if flags & 0x100 != 0 {
        packed |= u64::from(reader.u32()?) << 32;
        size |= u64::from(reader.u32()?) << 32;
    }
    let name = reader.0.get(..usize::from(name_bytes))?;
    let name = if flags & 0x200 == 0 {
        String::from_utf8_lossy(name).into_owned()
    } else {
        wide_name(name)
    };
    let is_directory = flags & 0xe0 == 0xe0;
    let is_link = system == 3 && attributes >> 12 == 0xa;
    let entry = Entry {
        name: name.replace('\\', "/"),
        size: Some(size),
        compressed: Some(packed),
        modified: date_of_dos((date, time)),
        is_directory,
        is_encrypted: flags & 4 != 0,
        link: is_link.then(|| "?".to_owned()),
    };
    Some((entry, packed))
}

/// A name in bytes, a zero, and how it differs from its letters in UTF-16.
fn wide_name(name: &[u8]) -> String {
    let Some(end) = name.iter().position(|byte| *byte == 0) else {
        return String::from_utf8_lossy(name).into_owned();
    };
    let (narrow, mut coded) =
        (name.get(..end).unwrap_or_default(), Reader(name.get(end + 1..).unwrap_or_default()));
    let high = u16::from(coded.u8().unwrap_or(0)) << 8;
    let mut units: Vec<u16> = Vec::new();
    let (mut flags, mut left) = (0, 0);
    let narrow_at = |at: usize| narrow.get(at).copied().map_or(0, u16::from);
    loop {
        if left == 0 {
            let Some(next) = coded.u8() else { break };
            (flags, left) = (next, 8);
        }
        left -= 2;
        let step = match flags >> left & 3 {
            0 => coded.u8().map(|low| units.push(low.into())),
            1 => coded.u8().map(|low| units.push(u16::from(low) | high)),
            2 => coded.u16().map(|unit| units.push(unit)),
            _ => coded.u8().and_then(|length| {
                let count = usize::from(length & 0x7f) + 2;
                let more = if length & 0x80 != 0 { Some(coded.u8()?) } else { None };
                for _ in 0..count {
                    let unit = narrow_at(units.len());
                    units.push(more.map_or(unit, |more| ((unit + u16::from(more)) & 0xff) | high));
                }
                Some(())
            }),
        };
        if step.is_none() || units.len() > narrow.len() * 2 + 512 {
            break;
        }
    }
    String::from_utf16_lossy(&units)
}

fn fifth_entry(reader: &mut Reader<'_>, extra: &[u8], packed: u64) -> Option<Entry> {
    let flags = reader.vint()?;
    let size = reader.vint()?;
    reader.vint()?;
    let seconds = if flags & 2 != 0 { Some(reader.u32()?) } else { None };
    if flags & 4 != 0 {
        reader.u32()?;
    }
    reader.vint()?;
    reader.vint()?;
    let name_bytes = usize::try_from(reader.vint()?).ok()?;
    let name = String::from_utf8_lossy(reader.0.get(..name_bytes)?).into_owned();
    let mut entry = Entry {
        name,
        size: (flags & 8 == 0).then_some(size),
        compressed: Some(packed),
        modified: seconds.and_then(|seconds| date_of_seconds(seconds.into())),
        is_directory: flags & 1 != 0,
        ..Entry::default()
    };
    let mut records = Reader(extra);
    while let (Some(length), rest) = (records.vint(), records.0) {
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(rest.len());
        let mut record = Reader(rest.get(..length).unwrap_or_default());
        records.0 = rest.get(length..).unwrap_or_default();
        match record.vint() {
            Some(1) => entry.is_encrypted = true,
            Some(3) => entry.modified = fifth_time(&mut record).or(entry.modified),
            Some(5) => {
                let (_, _, length) = (record.vint(), record.vint(), record.vint());
                let length = usize::try_from(length.unwrap_or(0)).unwrap_or(0).min(record.0.len());
                let target = record.0.get(..length).unwrap_or_default();
                entry.link = Some(String::from_utf8_lossy(target).into_owned());
            }
            _ => {}
        }
    }
    Some(entry)
}

fn fifth_time(record: &mut Reader<'_>) -> Option<String> {
    let flags = record.vint()?;
    if flags & 2 == 0 {
        return None;
    }
    if flags & 1 != 0 {
        return date_of_seconds(record.u32()?.into());
    }
    let (low, high) = (record.u32()?, record.u32()?);
    super::date_of_ticks(u64::from(high) << 32 | u64::from(low))
}

/// Numbers off the front of some bytes.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    /// Seven bits a byte, the lowest first.
    fn vint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.u8()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}
