//! A source on its way to the renderer: a file that never has a name.
//!
//! Small ones are memory files, larger ones `O_TMPFILE` on a disk. Either way the kernel destroys
//! them with the last descriptor, however the process ends. Nothing else of a job meets a disk: what
//! is made of a source is in memory, within the limits of whoever makes it.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use md5::Md5;
use rustix::fs::{MemfdFlags, Mode, OFlags};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

/// Where sources are kept while they are drawn.
#[derive(Debug, Clone)]
pub(crate) struct Spool {
    folder: PathBuf,
    memory_bytes: u64,
}

/// A whole source.
#[derive(Debug)]
pub(crate) struct Spooled {
    /// Its bytes, readable from any place.
    pub(crate) file: File,
    /// How many.
    pub(crate) size_bytes: u64,
    /// SHA-256, in hex.
    pub(crate) sha256: String,
    /// MD5, in hex.
    pub(crate) md5: String,
    /// CRC-32C, in hex.
    pub(crate) crc32c: String,
}

/// Why a source could not be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpoolError<E> {
    /// Its bytes stopped coming.
    #[error("read the source")]
    Source(#[source] E),
    /// There are more bytes than the job may keep here.
    #[error("more than {most_bytes} bytes came")]
    TooLarge {
        /// How many it may keep: the account's `source_bytes`.
        most_bytes: u64,
    },
    /// This machine's trouble, a full disk for example.
    #[error("keep the source in a file without a name")]
    File(#[source] io::Error),
}

impl Spool {
    /// Checks that the folder's file system can hold files without names.
    ///
    /// # Errors
    /// When the folder cannot be made, or its file system has no `O_TMPFILE`.
    pub(crate) fn open(folder: &Path, memory_bytes: u64) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        on_disk(folder)?;
        Ok(Self { folder: folder.to_owned(), memory_bytes })
    }

    /// Takes in a stream to its end, if that comes within so many bytes.
    pub(crate) async fn take<E>(
        &self,
        bytes: impl Stream<Item = Result<Bytes, E>>,
        most_bytes: u64,
        mut progress: impl FnMut(u64),
    ) -> Result<Spooled, SpoolError<E>> {
        let mut file = tokio::fs::File::from_std(in_memory().map_err(SpoolError::File)?);
        let (mut sha256, mut md5, mut crc32c) = (Sha256::new(), Md5::new(), 0);
        let mut size_bytes = 0;
        let mut spilled = false;
        let mut bytes = std::pin::pin!(bytes);
        while let Some(chunk) = bytes.next().await {
            let chunk = chunk.map_err(SpoolError::Source)?;
            if size_bytes + chunk.len() as u64 > most_bytes {
                return Err(SpoolError::TooLarge { most_bytes });
            }
            sha256.update(&chunk);
            md5.update(&chunk);
            crc32c = crc32c::crc32c_append(crc32c, &chunk);
            size_bytes += chunk.len() as u64;
            if !spilled && size_bytes > self.memory_bytes {
                spilled = true;
                file = self.spill(file).await.map_err(SpoolError::File)?;
            }
            file.write_all(&chunk).await.map_err(SpoolError::File)?;
            progress(size_bytes);
        }
        file.flush().await.map_err(SpoolError::File)?;
        Ok(Spooled {
            file: file.into_std().await,
            size_bytes,
            sha256: hex::encode(sha256.finalize()),
            md5: hex::encode(md5.finalize()),
            crc32c: format!("{crc32c:08x}"),
        })
    }

    /// A file without a name for parts of a source of this size.
    pub(crate) fn file_for(&self, size_bytes: u64) -> io::Result<File> {
        if size_bytes > self.memory_bytes { on_disk(&self.folder) } else { in_memory() }
    }

    /// Moves what is in memory to the disk.
    async fn spill(&self, mut memory: tokio::fs::File) -> io::Result<tokio::fs::File> {
        let mut disk = tokio::fs::File::from_std(on_disk(&self.folder)?);
        memory.flush().await?;
        memory.rewind().await?;
        tokio::io::copy(&mut memory, &mut disk).await?;
        Ok(disk)
    }
}

fn in_memory() -> io::Result<File> {
    Ok(rustix::fs::memfd_create("source", MemfdFlags::CLOEXEC)?.into())
}

fn on_disk(folder: &Path) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC | OFlags::EXCL;
    Ok(rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR)?.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    type Chunk = Result<Bytes, io::Error>;

    /// What a job may keep.
    const MOST: u64 = 10_000;

    async fn spooled(memory_bytes: u64, folder: &Path) -> Spooled {
        let spool = Spool::open(folder, memory_bytes).unwrap();
        let chunks: Vec<Chunk> = (0_u8..10).map(|n| Ok(Bytes::from(vec![n; 1_000]))).collect();
        let mut last = 0;
        let spooled = spool.take(futures::stream::iter(chunks), MOST, |bytes| last = bytes).await;
        assert_eq!(last, 10_000);
        spooled.unwrap()
    }

    #[tokio::test]
    async fn a_source_reads_the_same_from_memory_and_from_disk() {
        let folder = tempfile::tempdir().unwrap();
        let memory = spooled(1 << 20, folder.path()).await;
        let disk = spooled(3_500, folder.path()).await;
        for spooled in [&memory, &disk] {
            let mut all = vec![0; 10_000];
            spooled.file.read_exact_at(&mut all, 0).unwrap();
            assert!(all.chunks(1_000).enumerate().all(|(n, part)| part == [n as u8; 1_000]));
            assert_eq!(spooled.size_bytes, 10_000);
        }
        assert_eq!((&memory.sha256, &memory.md5), (&disk.sha256, &disk.md5));
        assert_eq!(memory.crc32c, disk.crc32c);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing has a name");
    }

    #[tokio::test]
    async fn checksums_are_those_that_everybody_knows() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 1 << 20).unwrap();
        let chunks: Vec<Chunk> =
            ["1234", "56789"].map(|part| Ok(Bytes::from_static(part.as_bytes()))).into();
        let spooled = spool.take(futures::stream::iter(chunks), MOST, |_| ()).await.unwrap();
        assert_eq!(spooled.crc32c, "e3069283");
        assert_eq!(spooled.md5, "25f9e794323b453885f5181f1b624d0b");
    }

    #[tokio::test]
    async fn a_source_that_breaks_off_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 1).unwrap();
        let chunks: Vec<Chunk> = vec![Ok(Bytes::from_static(b"abc")), Err(io::Error::other("x"))];
        let broken = spool.take(futures::stream::iter(chunks), MOST, |_| ()).await;
        assert!(matches!(broken, Err(SpoolError::Source(_))));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn no_job_keeps_more_than_it_may() {
        let folder = tempfile::tempdir().unwrap();
        for memory_bytes in [1, 1 << 20] {
            let spool = Spool::open(folder.path(), memory_bytes).unwrap();
            let chunks = |count| {
                let chunks: Vec<Chunk> =
                    (0..count).map(|_| Ok(Bytes::from_static(&[7; 1_000]))).collect();
                futures::stream::iter(chunks)
            };
            assert_eq!(spool.take(chunks(10), MOST, |_| ()).await.unwrap().size_bytes, MOST);
            let mut last = 0;
            let more = spool.take(chunks(11), MOST, |bytes| last = bytes).await;
            assert!(matches!(more, Err(SpoolError::TooLarge { most_bytes: MOST })), "{more:?}");
            assert_eq!(last, MOST, "nothing above it was kept");
        }
    }
}
