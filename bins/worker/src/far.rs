//! A source that stays where it is: read by ranges, as far as somebody asks for it.
//!
//! What has been read lies in a file without a name, so that nothing is asked for twice. A range is
//! short after a jump and doubles while reading goes on from where it stopped; its bytes are taken
//! from the connection as they are needed. So a jump costs little, and reading all of it not much
//! more than one request would.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use enclave::RangeSource;
use tokio::{runtime::Handle, sync::Mutex, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    held::Held,
    origin::{Coming, Origin, ReadError},
};

/// The first range after a jump, in bytes.
const FIRST_BYTES: u64 = 128 << 10;
/// The longest range, in bytes.
const LONGEST_BYTES: u64 = 64 << 20;
/// A jump ahead of no more than this reads on instead, and a range with no more than this left is
/// read to its end rather than its connection given up.
const PATIENCE_BYTES: u64 = 256 << 10;
/// How often a range may break off and be asked for anew.
const MAX_BREAKS: u32 = 16;

/// Why bytes of a far source cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FarError {
    /// Its server failed, or has another version of it.
    #[error("read a range of the source")]
    Read(#[source] ReadError),
    /// The attempt is over.
    #[error("the attempt is over")]
    Stopped,
    /// This machine's trouble.
    #[error("keep a part of the source in a file without a name")]
    File(#[source] io::Error),
}

/// Where a far source lies, and which version of it is meant.
pub(crate) struct Place {
    pub(crate) origin: Origin,
    pub(crate) size_bytes: u64,
    pub(crate) deadline: Instant,
}

/// A far source.
pub(crate) struct Far {
    reader: Mutex<Reader>,
    size_bytes: u64,
    runtime: Handle,
    over: CancellationToken,
}

/// Reads ranges into the file.
struct Reader {
    place: Place,
    file: File,
    held: Held,
    open: Option<Range>,
    /// How long the next range is, and where it begins if reading goes on as it did.
    next_bytes: u64,
    next_at: u64,
    breaks: u32,
    fetched: Arc<AtomicU64>,
}

/// A range whose bytes are coming.
struct Range {
    body: Coming,
    at: u64,
    end: u64,
}

impl Far {
    /// A source whose first `len_bytes` are coming in `body`; `file` takes what is read. Ends when
    /// `over` is cancelled. To be made on the runtime that reads it.
    pub(crate) fn new(
        place: Place,
        file: File,
        (body, len_bytes): (Coming, u64),
        over: CancellationToken,
    ) -> Self {
        let size_bytes = place.size_bytes;
        let reader = Reader {
            place,
            file,
            held: Held::default(),
            open: Some(Range { body, at: 0, end: len_bytes }),
            next_bytes: FIRST_BYTES,
            next_at: len_bytes,
            breaks: 0,
            fetched: Arc::default(),
        };
        Self { reader: Mutex::new(reader), size_bytes, runtime: Handle::current(), over }
    }

    /// Counts the bytes that were fetched, also when this has gone.
    pub(crate) async fn fetched_bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.reader.lock().await.fetched)
    }

    /// All of it, as a file.
    pub(crate) async fn whole(&self) -> Result<File, FarError> {
        let mut reader = self.reader.lock().await;
        let all = reader.need(0, self.size_bytes);
        tokio::select! {
            all = all => all?,
            () = self.over.cancelled() => return Err(FarError::Stopped),
        }
        reader.file.try_clone().map_err(FarError::File)
    }

    async fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, FarError> {
        let end = offset.saturating_add(buffer.len() as u64).min(self.size_bytes);
        let Some(length) = end.checked_sub(offset).filter(|length| *length > 0) else {
            return Ok(0);
        };
        let mut reader = self.reader.lock().await;
        reader.need(offset, end).await?;
        let length = usize::try_from(length).unwrap_or_default();
        let part = buffer.get_mut(..length).unwrap_or_default();
        reader.file.read_exact_at(part, offset).map_err(FarError::File)?;
        Ok(length)
    }
}

impl RangeSource for Far {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let read = async {
            tokio::select! {
                read = self.read(offset, buffer) => read,
                () = self.over.cancelled() => Err(FarError::Stopped),
            }
        };
        self.runtime.block_on(read).map_err(io::Error::other)
    }
}

impl Reader {
    /// Has the bytes of a stretch in the file. May be dropped half way.
    async fn need(&mut self, from: u64, to: u64) -> Result<(), FarError> {
        let mut at = self.held.until(from);
        while at < to {
            self.go_to(at, to).await?;
            self.step().await?;
            at = self.held.until(from);
        }
        Ok(())
    }

    /// Has a range open that will come to `at`.
    async fn go_to(&mut self, at: u64, needed_to: u64) -> Result<(), FarError> {
        if let Some(open) = &self.open {
            if (open.at..open.end).contains(&at) && at - open.at <= PATIENCE_BYTES {
                return Ok(());
            }
            if open.end - open.at <= PATIENCE_BYTES {
                // An error here is the range's own; whoever needs its bytes asks anew.
                while self.open.is_some() && self.step().await.is_ok() {}
            }
            self.open = None;
        }
        let goes_on = at == self.next_at;
        self.next_bytes =
            if goes_on { (self.next_bytes * 2).min(LONGEST_BYTES) } else { FIRST_BYTES };
        let gap = self.held.next(at).unwrap_or(self.place.size_bytes);
        let end = needed_to.max(at.saturating_add(self.next_bytes)).min(gap);
        self.next_at = end;
        let body = self.ask(at, end).await?;
        self.open = Some(Range { body, at, end });
        Ok(())
    }

    async fn ask(&self, at: u64, end: u64) -> Result<Coming, FarError> {
        let Place { origin, size_bytes, deadline } = &self.place;
        origin.ask((at, end - at), *size_bytes, *deadline).await.map_err(FarError::Read)
    }

    /// Takes the next bytes of the open range into the file.
    async fn step(&mut self) -> Result<(), FarError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let Some(chunk) = open.body.chunk().await else {
            // Servers may send fewer bytes than they were asked for, but not none at all.
            let nothing = open.body.bytes_read() == 0;
            self.open = None;
            let changed = Err(FarError::Read(ReadError::Changed));
            return if nothing { changed } else { Ok(()) };
        };
        let chunk = match chunk {
            // A connection that nobody read from for a while may be given up by its server.
            Err(error)
                if error.is_a_break() && open.body.bytes_read() > 0 && self.breaks < MAX_BREAKS =>
            {
                self.breaks += 1;
                self.open = None;
                return Ok(());
            }
            chunk => chunk.map_err(FarError::Read)?,
        };
        self.file.write_all_at(&chunk, open.at).map_err(FarError::File)?;
        let end = open.at + chunk.len() as u64;
        self.held.add(open.at, end);
        self.fetched.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        open.at = end;
        if open.at >= open.end {
            self.open = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
