//! Why a log is not signed: for good, until somebody has looked, or for a moment.

use eventlog::{OfferError, Unavailable};
use evidence::{checkpoint::OpenError, proof::Invalid, shelf::ShelfError, tile::TileId};

use crate::promise::PromiseError;

/// Signing would vouch for something that is not so. Each text says what to look at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Halt {
    #[error(
        "event {sequence} is missing: it was removed, or lost, before it was signed for; restore the stream, or own up to it with notary.absent"
    )]
    Gap { sequence: u64 },
    #[error(
        "event {sequence} was signed for and is missing: restore the stream from its copy off site or a backup"
    )]
    Removed { sequence: u64 },
    #[error(
        "event {sequence} is another than the one that was signed for: the stream was rewritten; restore it from its copy off site or a backup"
    )]
    Rewritten { sequence: u64 },
    #[error(
        "the stream ends at {last}, but {size} events were signed for: it was rolled back; restore it from its copy off site or a backup"
    )]
    RolledBack { last: u64, size: u64 },
    #[error("{id} of the stored tree is another than the events make")]
    Tile { id: TileId },
    #[error(
        "a tree of {size} was claimed that the events do not make: another notary reads another stream, or somebody else has this role's password"
    )]
    Claimed { size: u64 },
    #[error(
        "a tree of {size} was signed, but the streams TILES and CHECKPOINTS know less: they were rolled back; restore them"
    )]
    Forgotten { size: u64 },
    #[error("the tree of {new} does not begin with that of {old} which was signed: {source}")]
    Inconsistent {
        old: u64,
        new: u64,
        #[source]
        source: Invalid,
    },
    #[error(
        "the last checkpoint is not signed by this notary's key: put back the key it was signed with, or list that in notary.succeeds"
    )]
    Stranger(#[source] OpenError),
    #[error("what is stored of the tree is not all there")]
    Damaged(#[source] ShelfError),
}

impl Halt {
    /// The event to blame.
    pub(crate) const fn sequence(&self) -> Option<u64> {
        match self {
            Self::Gap { sequence } | Self::Removed { sequence } | Self::Rewritten { sequence } => {
                Some(*sequence)
            }
            Self::RolledBack { last, .. } => Some(*last),
            _ => None,
        }
    }
}

impl Trouble {
    /// The same, knowing that events up to this sequence were there once.
    pub(crate) fn once_up_to(self, size: u64) -> Self {
        match self {
            Self::Halt(Halt::Gap { sequence }) if sequence <= size => {
                Halt::Removed { sequence }.into()
            }
            other => other,
        }
    }
}

/// What keeps a notary from going on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Halt(#[from] Halt),
    #[error("another notary was faster")]
    Raced,
    #[error("whoever answers is behind")]
    Behind,
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    #[error(transparent)]
    Offer(#[from] OfferError),
    #[error("keep what is signed")]
    Promise(#[from] PromiseError),
    #[error("write a statement")]
    Encode(#[from] serde_json::Error),
}

impl From<ShelfError> for Trouble {
    fn from(error: ShelfError) -> Self {
        match error {
            ShelfError::Unavailable(error) => Self::Unavailable(error),
            damaged => Self::Halt(Halt::Damaged(damaged)),
        }
    }
}
