//! What an MP4's own index claims (ISO/IEC 14496-12, QuickTime), held against the bytes that are
//! there before FFmpeg makes room for what it claims.
//!
//! Only what cannot be true is refused here: tables with more entries than bytes, samples with less
//! than a byte each, and more of them than there is memory for. All else is FFmpeg's to judge.

use domain::limits::Limits;
use stills::{Error, Source};

/// How much is read at once, in bytes: an index is read by those who look in one or two goes.
const WINDOW_BYTES: usize = 4 << 10;
/// How deep boxes that matter lie in one another: moov, trak, mdia, minf, stbl, and then a table.
const MAX_DEPTH: usize = 6;
/// The most boxes that are looked at.
const MAX_BOXES: usize = 20_000;
/// The most tracks.
const MAX_TRACKS: usize = 128;
/// What one sample takes in FFmpeg's index, in bytes, with what else is known of it.
const SAMPLE_BYTES: u64 = 48;
/// Of the memory that there is, the index may take so large a part.
const MEMORY_PART: u64 = 2;

/// Holds the index against the file.
///
/// # Errors
/// [`Error::Corrupt`] where it claims what is not there, [`Error::TooLong`] where it has more
/// tracks than are read, or more samples than there is memory for.
pub(crate) fn check(source: &mut dyn Source, limits: &Limits) -> Result<(), Error> {
    let length = source.length();
    let window = Window { source, from: 0, bytes: Vec::new() };
    let mut look = Look { window, length, boxes: 0, tracks: Vec::new(), seen: Seen::default() };
    look.inside(0, length, 0)?;
    let entries = look.tracks.iter().map(|track| track.entries(length));
    let entries = entries.sum::<Result<u64, Error>>()?;
    let most = limits.renderer_memory_bytes / MEMORY_PART / SAMPLE_BYTES;
    if entries > most {
        return Err(Error::TooLong { what: format!("{entries} samples, {most} at most") });
    }
    Ok(())
}

/// What is known of a track when its tables have been seen.
#[derive(Default)]
struct Track {
    is_sound: bool,
    samples: u64,
    /// The size that all samples have, if they have one.
    each_bytes: u64,
    /// Every sample lasts one unit of time: they are looked at by the chunk.
    by_chunk: bool,
    edits: u64,
}

impl Track {
    /// How many entries its index will have.
    fn entries(&self, length: u64) -> Result<u64, Error> {
        if self.is_sound && self.by_chunk && self.each_bytes > 0 {
            return Ok(0);
        }
        if self.samples.saturating_mul(self.each_bytes) > length {
            return Err(beyond("stsz"));
        }
        // Each edit takes its samples anew.
        Ok(self.samples.saturating_mul(self.edits.max(1)))
    }
}

#[derive(Default)]
struct Seen {
    index: bool,
    media: bool,
}

struct Look<'a> {
    window: Window<'a>,
    length: u64,
    boxes: usize,
    tracks: Vec<Track>,
    seen: Seen,
}

impl Look<'_> {
    /// Looks at the boxes from here to there.
    fn inside(&mut self, from: u64, to: u64, depth: usize) -> Result<(), Error> {
        let mut at = from;
        while at < to && self.boxes < MAX_BOXES && !(self.seen.index && self.seen.media) {
            self.boxes += 1;
            let Some((kind, body, end)) = self.header(at, to)? else { return Ok(()) };
            match &kind {
                b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" | b"edts" | b"moof" | b"traf"
                    if depth < MAX_DEPTH =>
                {
                    if &kind == b"trak" {
                        self.begin_track()?;
                    }
                    self.inside(body, end.min(to), depth + 1)?;
                    self.seen.index |= &kind == b"moov";
                }
                b"mdat" => self.seen.media = true,
                _ => self.table(&kind, body, end)?,
            }
            at = end;
        }
        Ok(())
    }

    /// Kind, where the body begins, and where it ends by its own word; nothing where there is none.
    fn header(&mut self, at: u64, to: u64) -> Result<Option<([u8; 4], u64, u64)>, Error> {
        let Some(head) = self.window.read::<8>(at)? else { return Ok(None) };
        let [a, b, c, d, kind @ ..] = head;
        let (body, size) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (at + 8, to.saturating_sub(at)),
            1 => match self.window.read::<8>(at + 8)? {
                Some(long) => (at + 16, u64::from_be_bytes(long)),
                None => return Ok(None),
            },
            size => (at + 8, u64::from(size)),
        };
        let end = at.saturating_add(size);
        Ok((end >= body).then_some((kind, body, end)))
    }

    fn table(&mut self, kind: &[u8; 4], body: u64, end: u64) -> Result<(), Error> {
        match kind {
            b"hdlr" => {
                let handler = self.window.read::<4>(body + 8)?;
                self.track(|track| track.is_sound |= handler == Some(*b"soun"));
            }
            b"stsz" => self.sizes(body, end)?,
            b"stz2" => {
                let Some([_, _, _, bits]) = self.window.read::<4>(body + 4)? else { return Ok(()) };
                let count = self.number(body + 8)?;
                fits("stz2", count.saturating_mul(u64::from(bits)).div_ceil(8), body + 12, end)?;
                self.track(|track| track.samples = count);
            }
            b"stts" => {
                let (count, duration) = (self.number(body + 4)?, self.number(body + 12)?);
                fits("stts", count.saturating_mul(8), body + 8, end)?;
                self.track(|track| track.by_chunk = count == 1 && duration == 1);
            }
            b"elst" => {
                let version = self.window.read::<1>(body)?.unwrap_or_default();
                let count = self.number(body + 4)?;
                let each = if version == [1] { 20 } else { 12 };
                fits("elst", count.saturating_mul(each), body + 8, end)?;
                self.track(|track| track.edits = count);
            }
            b"trun" => self.run(body, end)?,
            b"ctts" => fits("ctts", self.number(body + 4)?.saturating_mul(8), body + 8, end)?,
            b"stsc" => fits("stsc", self.number(body + 4)?.saturating_mul(12), body + 8, end)?,
            b"stco" => fits("stco", self.number(body + 4)?.saturating_mul(4), body + 8, end)?,
            b"co64" => fits("co64", self.number(body + 4)?.saturating_mul(8), body + 8, end)?,
            b"stss" => fits("stss", self.number(body + 4)?.saturating_mul(4), body + 8, end)?,
            b"stps" => fits("stps", self.number(body + 4)?.saturating_mul(4), body + 8, end)?,
            b"sbgp" => {
                let version = self.window.read::<1>(body)?.unwrap_or_default();
                let at = if version == [1] { body + 12 } else { body + 8 };
                fits("sbgp", self.number(at)?.saturating_mul(8), at + 4, end)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn sizes(&mut self, body: u64, end: u64) -> Result<(), Error> {
        let (each_bytes, count) = (self.number(body + 4)?, self.number(body + 8)?);
        if each_bytes == 0 {
            fits("stsz", count.saturating_mul(4), body + 12, end)?;
        }
        self.track(|track| (track.samples, track.each_bytes) = (count, each_bytes));
        Ok(())
    }

    /// A fragment's samples.
    fn run(&mut self, body: u64, end: u64) -> Result<(), Error> {
        let [_, _, per_sample, once] = self.window.read::<4>(body)?.unwrap_or_default();
        let count = self.number(body + 4)?;
        // Duration, size, flags and offset in time; before them the offset of the data and the
        // flags of the first sample.
        let each = u64::from((per_sample & 0b1111).count_ones()) * 4;
        let before = u64::from((once & 0b101).count_ones()) * 4;
        fits("trun", count.saturating_mul(each), body + 8 + before, end)?;
        if each == 0 && count > self.length {
            return Err(beyond("trun"));
        }
        Ok(())
    }

    /// A number of 32 bits; 0 where the file ends before.
    fn number(&mut self, at: u64) -> Result<u64, Error> {
        Ok(self.window.read::<4>(at)?.map_or(0, |bytes| u64::from(u32::from_be_bytes(bytes))))
    }

    fn begin_track(&mut self) -> Result<(), Error> {
        if self.tracks.len() == MAX_TRACKS {
            return Err(Error::TooLong { what: format!("at most {MAX_TRACKS} tracks") });
        }
        self.tracks.push(Track::default());
        Ok(())
    }

    fn track(&mut self, learn: impl FnOnce(&mut Track)) {
        if let Some(track) = self.tracks.last_mut() {
            learn(track);
        }
    }
}

/// Whether so many bytes of entries, from here on, fit before the end of their box.
fn fits(table: &'static str, bytes: u64, from: u64, end: u64) -> Result<(), Error> {
    if bytes > end.saturating_sub(from) { Err(beyond(table)) } else { Ok(()) }
}

fn beyond(table: &'static str) -> Error {
    Error::corrupt(format!("its table {table} claims more than there is"))
}

/// A few bytes of the source at a time.
struct Window<'a> {
    source: &'a mut dyn Source,
    from: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// So many bytes at that place; nothing where the source ends before.
    fn read<const N: usize>(&mut self, at: u64) -> Result<Option<[u8; N]>, Error> {
        if let Some(found) = self.held(at) {
            return Ok(Some(found));
        }
        self.from = at;
        self.bytes.resize(WINDOW_BYTES, 0);
        let mut filled = 0;
        while let Some(room) = self.bytes.get_mut(filled..).filter(|room| !room.is_empty()) {
            let place = at.saturating_add(filled as u64);
            match self.source.read_at(place, room).map_err(Error::Source)? {
                0 => break,
                count => filled += count,
            }
        }
        self.bytes.truncate(filled);
        Ok(self.held(at))
    }

    fn held<const N: usize>(&self, at: u64) -> Option<[u8; N]> {
        let skip = usize::try_from(at.checked_sub(self.from)?).ok()?;
        self.bytes.get(skip..)?.first_chunk::<N>().copied()
    }
}
