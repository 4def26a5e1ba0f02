//! What an object is made of: bytes in memory, or an open file read in pieces at given places.

use std::{
    fs::File,
    future::Future,
    io,
    os::{fd::OwnedFd, unix::fs::FileExt},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use sha2::{Digest, Sha256};
use tokio::task::{JoinHandle, spawn_blocking};

/// How much of a file is in memory at a time.
const CHUNK_BYTES: u64 = 256 << 10;

/// The bytes of an object. Reading a file does not move its position, so that an attempt can be
/// repeated and parts can be read at once.
#[derive(Debug, Clone)]
pub struct Body {
    source: Source,
    offset: u64,
    len: u64,
}

#[derive(Debug, Clone)]
enum Source {
    Memory(Bytes),
    File(Arc<File>),
}

impl Body {
    /// A file, or a memory file, from its start to the end it has now.
    ///
    /// # Errors
    /// When it is no regular file, or cannot be asked for its length.
    pub fn file(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(Self { source: Source::File(Arc::new(file)), offset: 0, len: metadata.len() })
    }

    /// Its length, in bytes.
    #[must_use]
    pub const fn size_bytes(&self) -> u64 {
        self.len
    }

    /// The part of `len` bytes at `offset`, or what there is of it.
    pub(crate) fn part(&self, offset: u64, len: u64) -> Self {
        let offset = offset.min(self.len);
        let len = len.min(self.len - offset);
        Self { source: self.source.clone(), offset: self.offset + offset, len }
    }

    /// Its SHA-256, from a reading of its own.
    pub(crate) async fn sha256(&self) -> io::Result<[u8; 32]> {
        let body = self.clone();
        blocking(spawn_blocking(move || {
            let mut hash = Sha256::new();
            let mut at = 0;
            while at < body.len {
                let chunk = body.read(at)?;
                hash.update(&chunk);
                at += chunk.len() as u64;
            }
            Ok(hash.finalize().into())
        }))
        .await
    }

    /// It as the SDK wants it; can be read again from the start for another attempt.
    pub(crate) fn stream(&self) -> ByteStream {
        if let Source::Memory(bytes) = &self.source {
            return ByteStream::from(slice(bytes, self.offset, self.len));
        }
        let body = self.clone();
        ByteStream::new(SdkBody::retryable(move || {
            SdkBody::from_body_1_x(Stream { body: body.clone(), at: 0, reading: None })
        }))
    }

    /// The next piece at `at`; never empty before the end.
    fn read(&self, at: u64) -> io::Result<Bytes> {
        let len = (self.len - at).min(CHUNK_BYTES);
        match &self.source {
            Source::Memory(bytes) => Ok(slice(bytes, self.offset + at, len)),
            Source::File(file) => {
                let mut chunk = vec![0; usize::try_from(len).map_err(io::Error::other)?];
                file.read_exact_at(&mut chunk, self.offset + at)?;
                Ok(chunk.into())
            }
        }
    }
}

// A body's bounds were taken from its bytes' own length.
fn slice(bytes: &Bytes, offset: u64, len: u64) -> Bytes {
    let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    let to = from.saturating_add(usize::try_from(len).unwrap_or(usize::MAX)).min(bytes.len());
    bytes.slice(from..to)
}

async fn blocking<T>(task: JoinHandle<io::Result<T>>) -> io::Result<T> {
    task.await.unwrap_or_else(|lost| Err(io::Error::other(lost)))
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        let len = bytes.len() as u64;
        Self { source: Source::Memory(bytes), offset: 0, len }
    }
}

impl TryFrom<OwnedFd> for Body {
    type Error = io::Error;

    fn try_from(file: OwnedFd) -> io::Result<Self> {
        Self::file(file.into())
    }
}

/// One reading of a file's part, a piece at a time, off the async threads.
struct Stream {
    body: Body,
    at: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl hyper::body::Body for Stream {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.at >= self.body.len {
            return Poll::Ready(None);
        }
        let (body, at) = (self.body.clone(), self.at);
        let task = self.reading.get_or_insert_with(|| spawn_blocking(move || body.read(at)));
        let read = ready!(Pin::new(task).poll(context));
        self.reading = None;
        let chunk = read.unwrap_or_else(|lost| Err(io::Error::other(lost)))?;
        self.at += chunk.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.at >= self.body.len
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.body.len - self.at)
    }
}
