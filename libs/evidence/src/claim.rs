//! Claims: which tree a notary is about to sign, said before it signs.
//!
//! Claims of one stream form a sequence in which sizes only grow, each fenced by the one before: so
//! there is at most one tree of each size to be signed. They also carry the leaves that are in no
//! full tile yet, each leaf once, so that nothing needs to be replaced and what a stream has let go
//! of stays provable.

use serde::{Deserialize, Serialize};

use crate::{Hash, tile::WIDTH};

/// A tree that is about to be signed, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// How many leaves it has.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// When, in RFC 3339: the time that the checkpoint will state.
    pub time: String,
    /// The leaves of the unfinished tile that no claim before had.
    pub leaves: Vec<Hash>,
    /// Where in the stream of checkpoints the first claim is that has leaves of the same unfinished
    /// tile; absent if it is this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
}

impl Claim {
    /// The leaves behind the last full tile of the tree of `claims`' last, of its claims since
    /// [`Claim::since`], oldest first. None if some are missing.
    #[must_use]
    pub fn tail(claims: &[Self]) -> Option<Vec<Hash>> {
        let last = claims.last()?;
        let first_leaf = last.size - last.size % WIDTH;
        // What claims that ended in an earlier tile carried belongs to that.
        let ours = claims.iter().filter(|claim| claim.size > first_leaf);
        let tail: Vec<Hash> = ours.flat_map(|claim| claim.leaves.iter().copied()).collect();
        (tail.len() as u64 == last.size - first_leaf).then_some(tail)
    }
}
