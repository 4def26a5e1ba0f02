//! A stream as one sequence of bytes: taken from a server, and given to another that does not have it.
//!
//! This is nats-server's own snapshot: sequences, times, headers and consumers come back as they
//! were, so that chains and whatever was signed about them still hold.

use std::io;

use async_nats::Request;
use bytes::Bytes;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::{Duration, timeout},
};

use crate::{backend::Backend, error::Unavailable, log::Log, topology, wire::ApiError};

/// Bytes of one piece.
const CHUNK_BYTES: usize = 128 << 10;
/// How long the server may take for the next piece.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it may take to make a stream of all pieces.
const LAST_PATIENCE: Duration = Duration::from_secs(600);
const STREAM_NOT_FOUND: u64 = 10_059;

/// What a snapshot is of; without it nothing can be made of the bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outline {
    /// The stream's configuration, in nats-server's own JSON.
    pub config: Value,
    /// What it held, in nats-server's own JSON.
    pub state: Value,
}

impl Outline {
    /// How many messages it held.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.number("messages")
    }

    /// The sequence of the last one.
    #[must_use]
    pub fn last_sequence(&self) -> u64 {
        self.number("last_seq")
    }

    fn number(&self, field: &str) -> u64 {
        self.state.get(field).and_then(Value::as_u64).unwrap_or_default()
    }
}

/// A snapshot could not be taken or given.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The server did not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The server refuses.
    #[error("nats-server refuses the snapshot of {stream}: {description}")]
    Refused {
        /// The stream.
        stream: String,
        /// nats-server's explanation.
        description: String,
    },
    /// The file.
    #[error("read or write the snapshot of {stream}")]
    File {
        /// The stream.
        stream: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// There is no server behind this log.
    #[error("a log in memory has no snapshots")]
    NoServer,
}

/// The streams that a backup holds, in the order in which they are to be taken: whatever an event
/// speaks of is in a stream taken later, and the keys come last. The work queue is none of them: it
/// is made anew from [`topology::JOBS`].
#[must_use]
pub fn backed_up() -> Vec<String> {
    let first = [topology::CHECKPOINTS, topology::DELIVERIES, topology::JOBS];
    let last = [topology::ACCOUNTS, topology::PARKED, topology::KEYS];
    let between = topology::names().into_iter().filter(|name| {
        let name = name.as_str();
        name != topology::WORK && !first.contains(&name) && !last.contains(&name)
    });
    let owned = |name: &str| name.to_owned();
    first.map(owned).into_iter().chain(between).chain(last.map(owned)).collect()
}

impl Log {
    /// Writes a snapshot of `stream`, with its consumers, to `file`.
    ///
    /// # Errors
    /// [`SnapshotError`]; what was written is then of no use.
    pub async fn snapshot<W: AsyncWrite + Unpin + Send>(
        &self,
        stream: &str,
        file: &mut W,
    ) -> Result<Outline, SnapshotError> {
        const TAKE: &str = "take a snapshot of a stream";
        let Backend::Server(wire) = &*self.backend else { return Err(SnapshotError::NoServer) };
        let refused =
            |description: String| SnapshotError::Refused { stream: stream.to_owned(), description };
        let failed = |source| SnapshotError::File { stream: stream.to_owned(), source };
        let inbox = wire.client.new_inbox();
        let mut chunks = wire
            .client
            .subscribe(inbox.clone())
            .await
            .map_err(|source| Unavailable::new(TAKE, source))?;
        let query = json!({ "deliver_subject": inbox, "chunk_size": CHUNK_BYTES });
        let answer = wire.api(&format!("STREAM.SNAPSHOT.{stream}"), &query, TAKE).await?;
        let outline = answer.map_err(|error| refused(error.description))?;
        let outline = outline_of(&outline).ok_or(Unavailable::silent(TAKE))?;
        loop {
            let chunk = timeout(PATIENCE, chunks.next())
                .await
                .map_err(|source| Unavailable::new(TAKE, source))?
                .ok_or(Unavailable::silent(TAKE))?;
            match chunk.status.map(|status| status.as_u16()) {
                None | Some(204) => {}
                Some(_) => return Err(refused(chunk.description.unwrap_or_default())),
            }
            if chunk.payload.is_empty() {
                break;
            }
            file.write_all(&chunk.payload).await.map_err(failed)?;
            if let Some(reply) = chunk.reply {
                let more = wire.client.publish(reply, Bytes::new()).await;
                more.map_err(|source| Unavailable::new(TAKE, source))?;
            }
        }
        file.flush().await.map_err(failed)?;
        Ok(outline)
    }

    /// Makes a stream that is not there of its snapshot.
    ///
    /// # Errors
    /// [`SnapshotError`]; the stream is then not there.
    pub async fn restore<R: AsyncRead + Unpin + Send>(
        &self,
        stream: &str,
        outline: &Outline,
        file: &mut R,
    ) -> Result<(), SnapshotError> {
        const GIVE: &str = "restore a stream";
        let Backend::Server(wire) = &*self.backend else { return Err(SnapshotError::NoServer) };
        let refused =
            |description: String| SnapshotError::Refused { stream: stream.to_owned(), description };
        let query = json!({ "config": outline.config, "state": outline.state });
        let answer = wire.api(&format!("STREAM.RESTORE.{stream}"), &query, GIVE).await?;
        let answer = answer.map_err(|error| refused(error.description))?;
        let to = answer.get("deliver_subject").and_then(Value::as_str);
        let to = to.ok_or(Unavailable::silent(GIVE))?.to_owned();
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            let length = fill(file, &mut buffer)
                .await
                .map_err(|source| SnapshotError::File { stream: stream.to_owned(), source })?;
            let chunk = Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default());
            let patience = if length == 0 { LAST_PATIENCE } else { PATIENCE };
            let request = Request::new().payload(chunk).timeout(Some(patience));
            let answer = wire
                .client
                .send_request(to.clone(), request)
                .await
                .map_err(|source| Unavailable::new(GIVE, source))?;
            let body: Value = serde_json::from_slice(&answer.payload).unwrap_or_default();
            if let Some(error) = body.get("error") {
                let error = ApiError::deserialize(error);
                return Err(refused(error.map(|error| error.description).unwrap_or_default()));
            }
            if length == 0 {
                return Ok(());
            }
        }
    }

    /// How many messages `stream` holds; nothing when there is no such stream.
    ///
    /// # Errors
    /// [`SnapshotError`] when the server cannot be asked.
    pub async fn holds(&self, stream: &str) -> Result<Option<u64>, SnapshotError> {
        const LOOK: &str = "look at a stream";
        let Backend::Server(wire) = &*self.backend else { return Err(SnapshotError::NoServer) };
        match wire.api(&format!("STREAM.INFO.{stream}"), &Value::Null, LOOK).await? {
            Ok(report) => Ok(outline_of(&report).map(|outline| outline.messages())),
            Err(error) if error.err_code == STREAM_NOT_FOUND => Ok(None),
            Err(error) => Err(SnapshotError::Refused {
                stream: stream.to_owned(),
                description: error.description,
            }),
        }
    }

    /// Removes a stream that holds nothing, so that its snapshot can take its place.
    ///
    /// # Errors
    /// [`SnapshotError`], also when it holds something.
    pub async fn make_room(&self, stream: &str) -> Result<(), SnapshotError> {
        let Backend::Server(wire) = &*self.backend else { return Err(SnapshotError::NoServer) };
        let refused =
            |description: String| SnapshotError::Refused { stream: stream.to_owned(), description };
        match self.holds(stream).await? {
            None => return Ok(()),
            Some(0) => {}
            Some(messages) => {
                return Err(refused(format!("it is there and holds {messages} messages")));
            }
        }
        let subject = format!("STREAM.DELETE.{stream}");
        let deleted = wire.api(&subject, &Value::Null, "delete a stream").await?;
        deleted.map(drop).map_err(|error| refused(error.description))
    }
}

fn outline_of(report: &Value) -> Option<Outline> {
    Some(Outline { config: report.get("config")?.clone(), state: report.get("state")?.clone() })
}

/// Reads until the buffer is full or the file ends.
async fn fill<R: AsyncRead + Unpin>(file: &mut R, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read(rest).await? {
            0 => break,
            read => length += read,
        }
    }
    Ok(length)
}
