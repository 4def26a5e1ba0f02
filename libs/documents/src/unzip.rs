//! Files out of a zip archive: found by its directory, expanded within limits.

use std::io::Read;

use domain::limits::Limits;
use filetype::zip::{Directory, Entry, data_of};
use flate2::read::DeflateDecoder;
use stills::{Error, Source};

/// Bytes of a directory that are read, at most.
pub(crate) const MOST_DIRECTORY_BYTES: usize = 16 << 20;

/// How many times its own size anything packed may expand to, beyond what is small anyway. Deflate
/// reaches 1,032, of nothing but zeros; other packings reach thousands.
const MOST_RATIO: u64 = 1_000;
/// What anything may expand to, in bytes.
const SMALL_BYTES: u64 = 16 << 20;

/// The most bytes that so many packed ones may expand to.
pub(crate) fn most_expanded(packed_bytes: u64) -> u64 {
    packed_bytes.saturating_mul(MOST_RATIO).max(SMALL_BYTES)
}

/// An archive.
pub(crate) struct Archive<'a> {
    source: &'a mut dyn Source,
    pub(crate) directory: Directory,
    /// What may still be expanded, in bytes.
    room: u64,
}

impl<'a> Archive<'a> {
    /// Reads the directory.
    pub(crate) fn open(source: &'a mut dyn Source, limits: &Limits) -> Result<Self, Error> {
        let directory = directory(source, limits.entries as usize)?;
        Ok(Self { source, directory, room: limits.expanded_bytes })
    }

    /// Holds what its directory says of itself against what its bytes may expand to.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let sizes = self.directory.entries.iter().map(|entry| entry.size);
        let expanded = sizes.fold(0, u64::saturating_add);
        let most = most_expanded(self.source.length());
        if expanded > most {
            return Err(Error::Expands { what: format!("{expanded} bytes, more than {most}") });
        }
        Ok(())
    }

    /// A file by its name: at most `most` bytes of it. `None` where there is no such file.
    pub(crate) fn read(&mut self, name: &str, most: usize) -> Result<Option<Vec<u8>>, Error> {
        let found = self.directory.find(name).cloned();
        found.map(|entry| self.expand(&entry, most)).transpose()
    }

    fn expand(&mut self, entry: &Entry, most: usize) -> Result<Vec<u8>, Error> {
        if entry.is_encrypted() {
            return Err(Error::Encrypted);
        }
        let mut failed = None;
        let source = &mut *self.source;
        let data = data_of(entry, &mut |offset, count| bytes(source, offset, count, &mut failed));
        failed.map_or(Ok(()), |error| Err(Error::Source(error)))?;
        let data = data.ok_or_else(|| Error::corrupt("an archive without its file"))?;
        let part = Part { source, from: data, left: entry.compressed };
        let most = (most as u64).min(self.room).min(most_expanded(entry.compressed));
        let mut expanded = Vec::new();
        let done = match entry.method {
            0 => part.take(most + 1).read_to_end(&mut expanded),
            8 => DeflateDecoder::new(part).take(most + 1).read_to_end(&mut expanded),
            method => {
                return Err(Error::corrupt(format!("compressed in an unusual way, {method}")));
            }
        };
        done.map_err(Error::corrupt)?;
        if expanded.len() as u64 > most {
            return Err(Error::Expands { what: format!("a file of more than {most} bytes") });
        }
        self.room -= expanded.len() as u64;
        Ok(expanded)
    }
}

/// The directory of an archive, at most so many entries of it.
pub(crate) fn directory(source: &mut dyn Source, most: usize) -> Result<Directory, Error> {
    let mut failed = None;
    let length = source.length();
    let directory = Directory::read(length, most, MOST_DIRECTORY_BYTES, &mut |offset, count| {
        bytes(source, offset, count, &mut failed)
    });
    failed.map_or(Ok(()), |error| Err(Error::Source(error)))?;
    directory.ok_or_else(|| Error::corrupt("an archive without a directory"))
}

fn bytes(
    source: &mut dyn Source,
    offset: u64,
    count: usize,
    failed: &mut Option<std::io::Error>,
) -> Option<Vec<u8>> {
    let left = usize::try_from(source.length().saturating_sub(offset)).unwrap_or(usize::MAX);
    let mut buffer = vec![0; count.min(left)];
    match source.read_at(offset, &mut buffer) {
        Ok(count) => {
            buffer.truncate(count);
            Some(buffer)
        }
        Err(error) => {
            *failed = Some(error);
            None
        }
    }
}

/// A part of a source, to be read through.
pub(crate) struct Part<'a> {
    pub(crate) source: &'a mut dyn Source,
    pub(crate) from: u64,
    pub(crate) left: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = match buffer.get_mut(..most) {
            Some(room) if most > 0 => self.source.read_at(self.from, room)?,
            _ => 0,
        };
        self.from += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_small_expands_freely_and_the_rest_a_thousandfold() {
        for (packed, most) in [
            (0, SMALL_BYTES),
            (16 << 10, SMALL_BYTES),
            (1 << 20, 1_000 << 20),
            (u64::MAX, u64::MAX),
        ] {
            assert_eq!(most_expanded(packed), most, "{packed}");
        }
    }
}
