//! What is said about the log itself: tiles of the trees over its streams, and statements about these.
//!
//! A tile is stored once: the fence wants its subject to be empty, so that none is ever replaced. A
//! statement is fenced by the one before it on the same subject, so that of two who speak one is heard.

use bytes::Bytes;
use serde_json::Value;

use crate::{
    backend::{AppendError, Backend, Fence},
    envelope::Raw,
    error::Unavailable,
    headers::Headers,
    log::Log,
    topology::{CHECKPOINTS, TILES},
};

/// What a statement says of the tree over a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement {
    /// Which tree will be signed next.
    Claimed,
    /// The signed checkpoint.
    Signed,
    /// The same, signed by witnesses as well.
    Cosigned,
    /// Nothing more will be signed, and why.
    Halted,
}

impl Statement {
    /// Where it is published for `stream`.
    #[must_use]
    pub fn subject(self, stream: &str) -> String {
        match self {
            Self::Claimed => format!("darkroom.checkpoint.{stream}.claimed"),
            Self::Signed => format!("darkroom.checkpoint.{stream}"),
            Self::Cosigned => format!("darkroom.checkpoint.{stream}.cosigned"),
            Self::Halted => format!("darkroom.checkpoint.{stream}.halted"),
        }
    }
}

/// From where to where a stream reaches, whatever was removed in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The first sequence that is still there; one more than the last when none is.
    pub first: u64,
    /// The last sequence that was ever given.
    pub last: u64,
}

/// What became of a message that was offered behind a fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// It was stored under this sequence.
    Stored(u64),
    /// Something else was there first; or the same, when an earlier try arrived after all.
    Lost,
}

/// A message could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum OfferError {
    /// The log did not answer. It may have been stored.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The server refuses it: not allowed, too large, out of space.
    #[error("the server refused a message under {subject} with {code}: {description}")]
    Rejected {
        /// Where it was to go.
        subject: String,
        /// nats-server's error code.
        code: u64,
        /// nats-server's explanation.
        description: String,
    },
}

/// Tiles of the trees over streams, and statements about them.
#[derive(Clone)]
pub struct Checkpoints(Log);

impl Checkpoints {
    /// In the streams that [`crate::topology`] makes.
    #[must_use]
    pub fn new(log: &Log) -> Self {
        Self(log.clone())
    }

    /// How far `stream` reaches, as its leader says.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn extent(&self, stream: &str) -> Result<Extent, Unavailable> {
        const LOOK: &str = "look how far a stream reaches";
        let wire = match &*self.0.backend {
            Backend::Server(wire) => wire,
            Backend::Memory(memory) => {
                let last = memory.last(stream, ">").map_or(0, |raw| raw.seq);
                let first = memory.page(stream, ">", 1, 1).messages.pop();
                return Ok(Extent { first: first.map_or(last + 1, |raw| raw.seq), last });
            }
        };
        let answer = wire.api(&format!("STREAM.INFO.{stream}"), &Value::Null, LOOK).await?;
        let report = answer.map_err(|error| Unavailable::new(LOOK, error))?;
        let number = |field: &str| report.get("state")?.get(field)?.as_u64();
        let (messages, first, last) = (number("messages"), number("first_seq"), number("last_seq"));
        match (messages, first, last) {
            (Some(0), _, Some(last)) => Ok(Extent { first: last + 1, last }),
            (Some(_), Some(first), Some(last)) => Ok(Extent { first, last }),
            _ => Err(Unavailable::silent(LOOK)),
        }
    }

    /// At most `limit` messages of `stream` from `from` on, in order. Whoever answers may be a moment
    /// behind the newest.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn read(
        &self,
        stream: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Raw>, Unavailable> {
        Ok(self.0.backend.page(stream, ">", from, limit).await?.messages)
    }

    /// One full tile of the tree over `stream`. In a cluster it may take a moment to be seen.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn tile(
        &self,
        stream: &str,
        level: u8,
        index: u64,
    ) -> Result<Option<Bytes>, Unavailable> {
        // What never changes need not be asked of whoever knows the newest.
        let subject = tile_subject(stream, level, index);
        let found = self.0.backend.page(TILES, &subject, 1, 1).await?.messages.pop();
        Ok(found.map(|raw| raw.body))
    }

    /// Stores a full tile, unless there is one.
    ///
    /// # Errors
    /// [`OfferError`].
    pub async fn offer_tile(
        &self,
        stream: &str,
        level: u8,
        index: u64,
        tile: Bytes,
    ) -> Result<Offered, OfferError> {
        let subject = tile_subject(stream, level, index);
        self.offer(TILES, subject, 0, &Headers::default(), tile).await
    }

    /// The last statement of its kind about `stream`.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn last(
        &self,
        stream: &str,
        statement: Statement,
    ) -> Result<Option<Raw>, Unavailable> {
        self.0.backend.last(CHECKPOINTS, &statement.subject(stream)).await
    }

    /// At most `limit` statements of this kind about `stream`, from this sequence of
    /// [`CHECKPOINTS`] on, oldest first.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn list(
        &self,
        stream: &str,
        statement: Statement,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Raw>, Unavailable> {
        let filter = statement.subject(stream);
        Ok(self.0.backend.page(CHECKPOINTS, &filter, from, limit).await?.messages)
    }

    /// States something about `stream`, if its last statement of that kind is still the one of
    /// sequence `after`; 0 if there is to be none.
    ///
    /// # Errors
    /// [`OfferError`].
    pub async fn state(
        &self,
        stream: &str,
        statement: Statement,
        after: u64,
        headers: &Headers,
        body: Bytes,
    ) -> Result<Offered, OfferError> {
        self.offer(CHECKPOINTS, statement.subject(stream), after, headers, body).await
    }

    async fn offer(
        &self,
        stream: &str,
        subject: String,
        after: u64,
        headers: &Headers,
        body: Bytes,
    ) -> Result<Offered, OfferError> {
        let fence = Fence { filter: subject.clone(), last: after };
        match self.0.backend.append(stream, &subject, headers, &body, Some(&fence)).await {
            Ok(seq) => Ok(Offered::Stored(seq)),
            Err(AppendError::Conflict) => Ok(Offered::Lost),
            Err(AppendError::Rejected { code, description }) => {
                Err(OfferError::Rejected { subject, code, description })
            }
            Err(AppendError::Unclear(source)) => {
                Err(Unavailable::new("state something about the log", source).into())
            }
        }
    }
}

fn tile_subject(stream: &str, level: u8, index: u64) -> String {
    format!("darkroom.tile.{stream}.{level}.{index}")
}
