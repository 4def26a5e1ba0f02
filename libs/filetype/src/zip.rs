//! The directory of a zip archive: read by ranges, without believing it.

use crate::bytes::{find, has, u16_le, u32_le, u64_le};

/// The end record without its comment.
const END_BYTES: usize = 22;
const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const LOCATOR: &[u8] = b"PK\x06\x07";
const LOCATOR_BYTES: u64 = 20;
const ENTRY: &[u8] = b"PK\x01\x02";
const ENTRY_BYTES: usize = 46;
const LOCAL: &[u8] = b"PK\x03\x04";
const LOCAL_BYTES: usize = 30;
/// A comment's length has 16 bits.
const TAIL_BYTES: u64 = END_BYTES as u64 + 0xffff;
/// Names that are longer are cut.
const MOST_NAME_BYTES: usize = 4_096;

/// What an archive says of one of its files. None of it is to be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name: often a path, in whatever encoding.
    pub name: Vec<u8>,
    /// General purpose flags.
    pub flags: u16,
    /// Compression method: 0 stored, 8 deflated.
    pub method: u16,
    /// Date and time as DOS keeps them.
    pub modified: (u16, u16),
    /// Bytes in the archive.
    pub compressed: u64,
    /// Bytes outside.
    pub size: u64,
    /// Where its local header stands.
    pub offset: u64,
    /// Attributes of the system that made it; with Unix, the mode in the upper half.
    pub attributes: u32,
    /// The system that made it.
    pub system: u8,
}

impl Entry {
    /// Whether a password is needed.
    #[must_use]
    pub const fn is_encrypted(&self) -> bool {
        self.flags & 1 == 1
    }

    /// Whether its name is said to be UTF-8.
    #[must_use]
    pub const fn is_utf8(&self) -> bool {
        self.flags & 0x800 != 0
    }

    /// Whether it is a folder.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.name.last().is_some_and(|last| matches!(last, b'/' | b'\\'))
    }

    /// Whether it is a link.
    #[must_use]
    pub const fn is_link(&self) -> bool {
        self.system == 3 && self.attributes >> 28 == 0xa
    }
}

/// The files of an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directory {
    /// As many as were asked for, in their order.
    pub entries: Vec<Entry>,
    /// How many there are, by the archive's own account.
    pub total: u64,
}

/// Reads up to `count` bytes from an offset; `None` when that fails.
type Bytes<'a> = dyn FnMut(u64, usize) -> Option<Vec<u8>> + 'a;

impl Directory {
    /// Reads the directory at the end of an archive of `length` bytes: at most `most` entries, and
    /// at most `most_bytes` of it. `None` where there is none. `bytes` reads up to so many bytes
    /// from an offset.
    pub fn read(
        length: u64,
        most: usize,
        most_bytes: usize,
        bytes: &mut Bytes<'_>,
    ) -> Option<Self> {
        let end = End::find(length, bytes)?;
        let room = usize::try_from(end.bytes.min(length)).unwrap_or(usize::MAX).min(most_bytes);
        // Where something was put before the archive, its offsets are wrong by its length.
        let mut listing = bytes(end.offset, room)?;
        let mut shift = 0;
        if !has(&listing, 0, ENTRY) && end.total > 0 {
            let place = end.place.checked_sub(end.bytes)?;
            shift = place.saturating_sub(end.offset);
            listing = bytes(place, room)?;
        }
        let mut entries = Vec::new();
        let mut rest = listing.as_slice();
        while entries.len() < most
            && let Some((mut entry, bytes)) = entry(rest)
        {
            entry.offset = entry.offset.saturating_add(shift);
            entries.push(entry);
            rest = rest.get(bytes..).unwrap_or_default();
        }
        Some(Self { entries, total: end.total })
    }

    /// The entry of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name.as_bytes())
    }
}

/// Where the bytes of an entry begin, by its local header.
pub fn data_of(entry: &Entry, bytes: &mut Bytes<'_>) -> Option<u64> {
    let header = bytes(entry.offset, LOCAL_BYTES)?;
    if !has(&header, 0, LOCAL) {
        return None;
    }
    let (name, extra) = (u16_le(&header, 26)?, u16_le(&header, 28)?);
    entry.offset.checked_add(LOCAL_BYTES as u64 + u64::from(name) + u64::from(extra))
}

/// The first bytes of an entry, expanded, at most `most` of them; empty if it cannot be read.
pub fn start_of(entry: &Entry, most: usize, bytes: &mut Bytes<'_>) -> Vec<u8> {
    if entry.is_encrypted() || !matches!(entry.method, 0 | 8) {
        return Vec::new();
    }
    // A length that follows the data is not known yet; what is deflated ends by itself.
    let is_open = entry.compressed == 0 && entry.flags & 8 != 0 && entry.method == 8;
    let compressed = if is_open { u64::MAX } else { entry.compressed };
    let room = usize::try_from(compressed).unwrap_or(usize::MAX).min(most);
    let data = data_of(entry, bytes).and_then(|place| bytes(place, room)).unwrap_or_default();
    if entry.method == 0 { data } else { inflate(&data, most) }
}

/// As much of a deflated stream as can be had, at most `most` bytes.
pub(crate) fn inflate(deflated: &[u8], most: usize) -> Vec<u8> {
    use miniz_oxide::inflate::decompress_to_vec_with_limit;
    match decompress_to_vec_with_limit(deflated, most) {
        Ok(bytes) => bytes,
        // Cut, or more than is wanted.
        Err(error) => error.output,
    }
}

/// The first entry as its local header tells it, where there is no more than a head.
pub(crate) fn locals(head: &[u8], most: usize) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut at = 0;
    while entries.len() < most
        && let Some(entry) = local(head, at)
    {
        let room = LOCAL_BYTES + entry.name.len() + usize::from(u16_le(head, at + 28).unwrap_or(0));
        // Whoever wrote in one go knew no lengths yet: the next header is searched for.
        let next = if entry.flags & 8 == 0 {
            usize::try_from(entry.compressed).ok().and_then(|bytes| (at + room).checked_add(bytes))
        } else {
            head.get(at + room..).and_then(|rest| find(rest, LOCAL)).map(|gap| at + room + gap)
        };
        entries.push(entry);
        match next {
            Some(next) if next > at => at = next,
            _ => break,
        }
    }
    entries
}

fn local(head: &[u8], at: usize) -> Option<Entry> {
    if !has(head, at, LOCAL) {
        return None;
    }
    let name_bytes = usize::from(u16_le(head, at + 26)?);
    Some(Entry {
        name: head.get(at + LOCAL_BYTES..at + LOCAL_BYTES + name_bytes)?.to_vec(),
        flags: u16_le(head, at + 6)?,
        method: u16_le(head, at + 8)?,
        modified: (u16_le(head, at + 12)?, u16_le(head, at + 10)?),
        compressed: u64::from(u32_le(head, at + 18)?),
        size: u64::from(u32_le(head, at + 22)?),
        offset: at as u64,
        attributes: 0,
        system: 0,
    })
}

/// An entry and how many bytes it takes.
fn entry(listing: &[u8]) -> Option<(Entry, usize)> {
    if !has(listing, 0, ENTRY) {
        return None;
    }
    let lengths = [u16_le(listing, 28)?, u16_le(listing, 30)?, u16_le(listing, 32)?];
    let [name_bytes, extra_bytes, comment_bytes] = lengths.map(usize::from);
    let name = listing.get(ENTRY_BYTES..ENTRY_BYTES + name_bytes)?;
    let extra = listing.get(ENTRY_BYTES + name_bytes..)?;
    let mut entry = Entry {
        name: name.get(..name.len().min(MOST_NAME_BYTES))?.to_vec(),
        system: *listing.get(5)?,
        flags: u16_le(listing, 8)?,
        method: u16_le(listing, 10)?,
        modified: (u16_le(listing, 14)?, u16_le(listing, 12)?),
        compressed: u64::from(u32_le(listing, 20)?),
        size: u64::from(u32_le(listing, 24)?),
        offset: u64::from(u32_le(listing, 42)?),
        attributes: u32_le(listing, 38)?,
    };
    widen(&mut entry, extra.get(..extra_bytes).unwrap_or_default());
    Some((entry, ENTRY_BYTES + name_bytes + extra_bytes + comment_bytes))
}

/// What does not fit into 32 bits stands in an extra field, in a fixed order.
fn widen(entry: &mut Entry, mut extra: &[u8]) {
    const WIDE: u16 = 1;
    while let (Some(id), Some(length)) = (u16_le(extra, 0), u16_le(extra, 2)) {
        let end = 4 + usize::from(length);
        let body = extra.get(4..end.min(extra.len())).unwrap_or_default();
        if id == WIDE {
            let mut at = 0;
            for field in [&mut entry.size, &mut entry.compressed, &mut entry.offset] {
                if *field == u64::from(u32::MAX)
                    && let Some(wide) = u64_le(body, at)
                {
                    *field = wide;
                    at += 8;
                }
            }
        }
        extra = extra.get(end..).unwrap_or_default();
    }
}

/// What the end record says.
struct End {
    /// Where the record itself stands: what lies before it is the directory.
    place: u64,
    offset: u64,
    bytes: u64,
    total: u64,
}

impl End {
    /// The last record, mostly without a comment.
    fn find(length: u64, bytes: &mut Bytes<'_>) -> Option<Self> {
        for tail in [END_BYTES as u64, TAIL_BYTES] {
            let from = length.saturating_sub(tail);
            let end = bytes(from, usize::try_from(tail).ok()?)?;
            let found = end.windows(END.len()).rposition(|window| window == END);
            if let Some(at) = found {
                let record = end.get(at..)?;
                return Self::parse(record, from + at as u64, bytes);
            }
        }
        None
    }

    fn parse(record: &[u8], place: u64, bytes: &mut Bytes<'_>) -> Option<Self> {
        let end = Self {
            place,
            total: u64::from(u16_le(record, 10)?),
            bytes: u64::from(u32_le(record, 12)?),
            offset: u64::from(u32_le(record, 16)?),
        };
        let is_wide = end.total == 0xffff || end.bytes == 0xffff_ffff || end.offset == 0xffff_ffff;
        Some(if is_wide { Self::wide(place, bytes).unwrap_or(end) } else { end })
    }

    fn wide(place: u64, bytes: &mut Bytes<'_>) -> Option<Self> {
        let locator = bytes(place.checked_sub(LOCATOR_BYTES)?, LOCATOR_BYTES as usize)?;
        if !has(&locator, 0, LOCATOR) {
            return None;
        }
        let place = u64_le(&locator, 8)?;
        let record = bytes(place, 56)?;
        has(&record, 0, END_64).then_some(())?;
        Some(Self {
            place,
            total: u64_le(&record, 32)?,
            bytes: u64_le(&record, 40)?,
            offset: u64_le(&record, 48)?,
        })
    }
}
