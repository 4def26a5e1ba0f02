//! Reading trees where they are kept, with no more than the right to read.

use std::collections::BTreeSet;

use eventlog::{Checkpoints, Log, Raw, Statement, Unavailable};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    Hash,
    claim::Claim,
    proof::{Missing, Node},
    tile::{BadTile, Tile, TileId, Tiles, WIDTH},
};

/// How many tiles are asked for at once.
const AT_ONCE: usize = 32;
/// How many statements one read asks for.
const PAGE: usize = 256;

/// A tree cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// The log did not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// A tile that must be there is not.
    #[error("{id} of {stream} is missing")]
    NoTile {
        /// The stream.
        stream: String,
        /// Which.
        id: TileId,
    },
    /// A tile is none.
    #[error("{id} of {stream} is damaged")]
    BadTile {
        /// The stream.
        stream: String,
        /// Which.
        id: TileId,
        /// In what way.
        #[source]
        source: BadTile,
    },
    /// A claim is none.
    #[error("the claim at {seq} of {stream} cannot be read")]
    BadClaim {
        /// The stream.
        stream: String,
        /// Its place among the checkpoints.
        seq: u64,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// Claims do not carry all leaves.
    #[error("claims of {stream} lack leaves of its last tile")]
    NoTail {
        /// The stream.
        stream: String,
    },
    /// What is kept does not make up the tree.
    #[error("the tree over {stream} is incomplete")]
    Missing {
        /// The stream.
        stream: String,
        /// What is missing.
        #[source]
        source: Missing,
    },
}

/// How much of a tree is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What was claimed last.
    pub claim: Claim,
    /// Where that stands among the checkpoints.
    pub seq: u64,
    /// The leaves behind the last full tile.
    pub tail: Vec<Hash>,
}

/// Trees as NATS keeps them.
#[derive(Clone)]
pub struct Shelf(Checkpoints);

impl Shelf {
    /// Of this log.
    #[must_use]
    pub fn new(log: &Log) -> Self {
        Self(Checkpoints::new(log))
    }

    /// How much of the tree over `stream` is kept; nothing if nobody claimed anything yet.
    ///
    /// # Errors
    /// [`ShelfError`].
    pub async fn kept(&self, stream: &str) -> Result<Option<Kept>, ShelfError> {
        let Some(last) = self.0.last(stream, Statement::Claimed).await? else { return Ok(None) };
        let claim = read_claim(stream, &last)?;
        let mut claims = Vec::new();
        let mut from = claim.since.unwrap_or(last.seq);
        while from < last.seq {
            let page = self.0.list(stream, Statement::Claimed, from, PAGE).await?;
            let Some(newest) = page.last() else { break };
            from = newest.seq + 1;
            for raw in page.iter().filter(|raw| raw.seq < last.seq) {
                claims.push(read_claim(stream, raw)?);
            }
        }
        claims.push(claim.clone());
        let tail = Claim::tail(&claims).ok_or(ShelfError::NoTail { stream: stream.to_owned() })?;
        Ok(Some(Kept { claim, seq: last.seq, tail }))
    }

    /// One full tile.
    ///
    /// # Errors
    /// [`ShelfError`].
    pub async fn tile(&self, stream: &str, id: TileId) -> Result<Tile, ShelfError> {
        let found = self.0.tile(stream, id.level, id.index).await?;
        let bytes = found.ok_or(ShelfError::NoTile { stream: stream.to_owned(), id })?;
        let bad = |source| ShelfError::BadTile { stream: stream.to_owned(), id, source };
        Tile::from_bytes(&bytes).map_err(bad)
    }

    /// What these nodes are made of, in the tree that is kept.
    ///
    /// # Errors
    /// [`ShelfError`].
    pub async fn tiles(
        &self,
        stream: &str,
        kept: &Kept,
        nodes: impl IntoIterator<Item = Node> + Send,
    ) -> Result<Tiles, ShelfError> {
        let mut tiles = Tiles::new(kept.claim.size, kept.tail.clone());
        self.fetch(stream, Tiles::needed(nodes, kept.claim.size), &mut tiles).await?;
        Ok(tiles)
    }

    /// Adds these full tiles to what is at hand.
    ///
    /// # Errors
    /// [`ShelfError`].
    pub async fn fetch(
        &self,
        stream: &str,
        ids: BTreeSet<TileId>,
        tiles: &mut Tiles,
    ) -> Result<(), ShelfError> {
        let wanted: Vec<TileId> = ids.into_iter().filter(|id| !tiles.contains(*id)).collect();
        let fetched: Vec<(TileId, Tile)> = stream::iter(wanted)
            .map(|id| async move { Ok::<_, ShelfError>((id, self.tile(stream, id).await?)) })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        for (id, tile) in fetched {
            tiles.insert(id, tile);
        }
        Ok(())
    }

    /// The leaves of sequences `256 * index + 1` and following: of a full tile, or of the tail.
    ///
    /// # Errors
    /// [`ShelfError`]; [`ShelfError::NoTile`] beyond what is kept.
    pub async fn leaves(
        &self,
        stream: &str,
        kept: &Kept,
        index: u64,
    ) -> Result<Vec<Hash>, ShelfError> {
        if index == kept.claim.size / WIDTH && !kept.tail.is_empty() {
            return Ok(kept.tail.clone());
        }
        Ok(self.tile(stream, TileId { level: 0, index }).await?.hashes().to_vec())
    }

    /// The newest statement of its kind.
    ///
    /// # Errors
    /// [`ShelfError`].
    pub async fn last(
        &self,
        stream: &str,
        statement: Statement,
    ) -> Result<Option<Raw>, ShelfError> {
        Ok(self.0.last(stream, statement).await?)
    }

    /// At most so many of the signed checkpoints as one read brings, from this sequence of the
    /// checkpoints' stream on; none at the end.
    ///
    /// # Errors
    /// [`ShelfError`].
    pub async fn signed(&self, stream: &str, from: u64) -> Result<Vec<Raw>, ShelfError> {
        Ok(self.0.list(stream, Statement::Signed, from, PAGE).await?)
    }
}

fn read_claim(stream: &str, raw: &Raw) -> Result<Claim, ShelfError> {
    let bad = |source| ShelfError::BadClaim { stream: stream.to_owned(), seq: raw.seq, source };
    serde_json::from_slice(&raw.body).map_err(bad)
}

impl ShelfError {
    /// Something of a tree is missing.
    #[must_use]
    pub fn missing(stream: &str, source: Missing) -> Self {
        Self::Missing { stream: stream.to_owned(), source }
    }
}
