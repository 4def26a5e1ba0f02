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

/// That a notary signs nothing more of a stream, or does so again, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halted {
    /// Why nothing is signed, for an operator to read; absent once it goes on.
    pub reason: Option<String>,
    /// The sequence of the stream that is to blame, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// When, in RFC 3339.
    pub time: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Edge, leaf};

    #[test]
    fn claims_of_any_sizes_carry_the_tail_between_them() {
        let leaves: Vec<Hash> = (0_u32..1_000).map(|number| leaf(&number.to_be_bytes())).collect();
        let (mut edge, mut before, mut claims) = (Edge::default(), 0, Vec::new());
        for size in [1, 2, 200, 256, 257, 300, 511, 700, 768, 999] {
            while edge.size() < size {
                edge.append(leaves[usize::try_from(edge.size()).unwrap()]);
            }
            let (leaves, time) = (edge.fresh(before).to_vec(), String::new());
            claims.push(Claim { size, root: edge.root(), time, leaves, since: None });
            assert_eq!(Claim::tail(&claims).unwrap(), edge.tail(), "{size}");
            before = size;
        }
        assert_eq!(Claim::tail(&claims[7..]).unwrap(), edge.tail());
        claims.remove(8);
        assert_eq!(Claim::tail(&claims).map(|tail| tail.len()), Some(231));
        assert_eq!(Claim::tail(&[]), None);
        let cut = [claims[0].clone(), claims[2].clone()];
        assert_eq!(Claim::tail(&cut), None);
    }
}
