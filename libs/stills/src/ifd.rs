//! Directories of tags, as TIFF, EXIF and most cameras' raw files have them.

/// The most entries of a directory that are looked at.
const MAX_ENTRIES: u64 = 1_024;
/// The most numbers of one entry that are read.
const MAX_NUMBERS: u64 = 65_536;
/// The longest text that is read, in bytes.
const MAX_TEXT_BYTES: u64 = 1_024;

/// Bytes that hold directories; offsets count from their first one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tiff<'a> {
    bytes: &'a [u8],
    little: bool,
}

/// One tag with its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) tag: u16,
    kind: u16,
    pub(crate) count: u64,
    /// Where the value lies.
    pub(crate) at: u64,
}

impl Entry {
    /// Bytes of the whole value.
    pub(crate) fn length(&self) -> u64 {
        self.count.saturating_mul(unit(self.kind))
    }
}

/// Bytes of one value of that kind.
const fn unit(kind: u16) -> u64 {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 => 8,
        _ => 1,
    }
}

/// Tags of one directory, and where the next one is.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    entries: Vec<Entry>,
    pub(crate) next: u64,
}

impl Directory {
    pub(crate) fn get(&self, tag: u16) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.tag == tag)
    }

    /// Whether one of these has more values than there are bytes for.
    pub(crate) fn reaches_beyond(&self, tiff: &Tiff<'_>, tags: &[u16]) -> bool {
        let entries = self.entries.iter().filter(|entry| tags.contains(&entry.tag));
        entries.into_iter().any(|entry| tiff.bytes(entry).is_none())
    }
}

impl<'a> Tiff<'a> {
    /// Bytes that begin with the mark of their order, whatever stands behind it.
    pub(crate) fn of(bytes: &'a [u8]) -> Option<Self> {
        let little = match bytes.first_chunk::<2>()? {
            b"II" => true,
            b"MM" => false,
            _ => return None,
        };
        Some(Self { bytes, little })
    }

    /// Where the first directory is.
    pub(crate) fn first(&self) -> u64 {
        self.number(4, 4).unwrap_or_default()
    }

    /// The directory there, as far as it can be read.
    pub(crate) fn directory(&self, at: u64) -> Option<Directory> {
        let count = self.number(at, 2)?.min(MAX_ENTRIES);
        let mut found = Directory::default();
        for index in 0..count {
            let entry = at.checked_add(2 + index * 12)?;
            let Some(tag) = self.number(entry, 2) else { break };
            let (Some(kind), Some(count)) = (self.number(entry + 2, 2), self.number(entry + 4, 4))
            else {
                break;
            };
            let (tag, kind) = (u16::try_from(tag).ok()?, u16::try_from(kind).ok()?);
            let inside = count.saturating_mul(unit(kind)) <= 4;
            let at = if inside { entry + 8 } else { self.number(entry + 8, 4).unwrap_or(u64::MAX) };
            found.entries.push(Entry { tag, kind, count, at });
        }
        found.next = self.number(at.checked_add(2 + count * 12)?, 4).unwrap_or_default();
        Some(found)
    }

    /// The value as bytes.
    pub(crate) fn bytes(&self, entry: &Entry) -> Option<&'a [u8]> {
        self.slice(entry.at, entry.length())
    }

    /// Whether the low byte of a number comes first.
    pub(crate) const fn is_little(&self) -> bool {
        self.little
    }

    /// Two bytes in the file's order as a number.
    pub(crate) const fn short(&self, bytes: [u8; 2]) -> u16 {
        if self.little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) }
    }

    /// A number as two bytes in the file's order.
    pub(crate) const fn short_bytes(&self, number: u16) -> [u8; 2] {
        if self.little { number.to_le_bytes() } else { number.to_be_bytes() }
    }

    /// All bytes from there on.
    pub(crate) fn from(&self, at: u64) -> Option<&'a [u8]> {
        self.bytes.get(usize::try_from(at).ok()?..)
    }

    /// So many bytes from there.
    pub(crate) fn slice(&self, at: u64, length: u64) -> Option<&'a [u8]> {
        let from = usize::try_from(at).ok()?;
        self.bytes.get(from..from.checked_add(usize::try_from(length).ok()?)?)
    }

    /// The value's first number, if it is a whole one.
    pub(crate) fn whole(&self, entry: &Entry) -> Option<u64> {
        self.wholes(entry).next()
    }

    /// The value's numbers, whole ones only.
    pub(crate) fn wholes(&self, entry: &Entry) -> impl Iterator<Item = u64> + use<'a> {
        let (this, entry) = (*self, *entry);
        let bytes = unit(entry.kind);
        let count = if matches!(entry.kind, 1 | 3 | 4 | 13) { entry.count } else { 0 };
        (0..count.min(MAX_NUMBERS))
            .map_while(move |index| this.number(entry.at.checked_add(index * bytes)?, bytes))
    }

    /// The value's numbers, of whatever kind.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_wrap,
        clippy::cast_possible_truncation,
        reason = "32 bits at most, which f64 holds exactly"
    )]
    pub(crate) fn numbers(&self, entry: &Entry) -> Vec<f64> {
        let signed = |value: u64| f64::from(value as u32 as i32);
        let unit = unit(entry.kind);
        (0..entry.count.min(MAX_NUMBERS))
            .map_while(|index| {
                let at = entry.at.checked_add(index * unit)?;
                Some(match entry.kind {
                    5 => self.number(at, 4)? as f64 / self.number(at + 4, 4)? as f64,
                    10 => signed(self.number(at, 4)?) / signed(self.number(at + 4, 4)?),
                    9 => signed(self.number(at, 4)?),
                    11 => f64::from(f32::from_bits(self.number(at, 4)? as u32)),
                    12 => f64::from_bits(self.number(at, 8)?),
                    _ => self.number(at, unit)? as f64,
                })
            })
            .collect()
    }

    /// The value as a text, without control characters.
    pub(crate) fn text(&self, entry: &Entry) -> Option<String> {
        let bytes = self.slice(entry.at, entry.length().min(MAX_TEXT_BYTES))?;
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        let text = String::from_utf8_lossy(bytes.get(..end)?);
        let clean: String = text.chars().filter(|letter| !letter.is_control()).collect();
        let clean = clean.trim();
        if clean.is_empty() { None } else { Some(clean.to_owned()) }
    }

    /// A number of so many bytes.
    pub(crate) fn number(&self, at: u64, bytes: u64) -> Option<u64> {
        let bytes = self.slice(at, bytes)?;
        let push = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.little {
            bytes.iter().rev().fold(0, push)
        } else {
            bytes.iter().fold(0, push)
        })
    }
}
