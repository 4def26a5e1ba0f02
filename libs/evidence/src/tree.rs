//! The Merkle tree of RFC 6962: what is hashed, and a tree that grows at its right edge.

use sha2::{Digest as _, Sha256};

use crate::{
    Hash,
    proof::{Hashes, Missing, Node},
    tile::{Tile, TileId, WIDTH},
};

/// Before every leaf, so that none is mistaken for a node (RFC 6962, section 2.1).
const LEAF: [u8; 1] = [0];
/// Before every node.
const NODE: [u8; 1] = [1];
/// What the leaf of an event begins with.
const EVENT_TAG: &[u8] = b"darkroom-leaf-1";
/// What the leaf of a sequence begins with whose event was gone before it could be seen.
const ABSENT_TAG: &[u8] = b"darkroom-absent-1";

/// The hash of a leaf with these data.
#[must_use]
pub fn leaf(data: &[u8]) -> Hash {
    hash(&[&LEAF, data])
}

/// The hash of the node above these two.
#[must_use]
pub fn node(left: &Hash, right: &Hash) -> Hash {
    hash(&[&NODE, left.as_bytes(), right.as_bytes()])
}

/// The root of a tree without leaves.
#[must_use]
pub fn empty_root() -> Hash {
    hash(&[])
}

/// The leaf of an event: a tag, the stream's name, the sequence in eight big-endian bytes, and the
/// hash that the event's successor states as `darkroom-prev`.
#[must_use]
pub fn event_leaf(stream: &str, seq: u64, event: &[u8; Hash::BYTES]) -> Hash {
    hash(&[&LEAF, EVENT_TAG, stream.as_bytes(), &seq.to_be_bytes(), event])
}

/// The leaf of a sequence whose event had been removed before anybody made a tree: a tag of its
/// own, the stream's name and the sequence.
#[must_use]
pub fn absent_leaf(stream: &str, seq: u64) -> Hash {
    hash(&[&LEAF, ABSENT_TAG, stream.as_bytes(), &seq.to_be_bytes()])
}

fn hash(parts: &[&[u8]]) -> Hash {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
    }
    Hash::from_bytes(digest.finalize().into())
}

/// The root over so many leaves as a power of two, each the root of an equally high tree.
pub(crate) fn perfect_root(hashes: &[Hash]) -> Option<Hash> {
    debug_assert!(hashes.len().is_power_of_two());
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row
            .chunks(2)
            .filter_map(|pair| match pair {
                [left, right] => Some(node(left, right)),
                _ => None,
            })
            .collect();
    }
    row.first().copied()
}

/// A tree of which only the right edge is at hand: what it takes to go on, and to know the root.
///
/// Of each level of tiles that is the unfinished tile, so it is never more than 8 KiB a level.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    unfinished: Vec<Vec<Hash>>,
}

impl Edge {
    /// The edge of the tree of this size in which `hashes` are.
    ///
    /// # Errors
    /// [`Missing`] names the first hash that is not among them.
    pub fn restore<H: Hashes + ?Sized>(size: u64, hashes: &H) -> Result<Self, Missing> {
        let nodes = Self::nodes(size);
        let row = |nodes: Vec<Node>| {
            nodes.into_iter().map(|node| hashes.hash(node).ok_or(Missing(node))).collect()
        };
        Ok(Self { size, unfinished: nodes.into_iter().map(row).collect::<Result<_, _>>()? })
    }

    /// What [`Edge::restore`] looks up, by level of tiles.
    #[must_use]
    pub fn nodes(size: u64) -> Vec<Vec<Node>> {
        let mut rows = Vec::new();
        let (mut count, mut level) = (size, 0);
        while count > 0 {
            let from = count - count % WIDTH;
            rows.push((from..count).map(|index| Node { level, index }).collect());
            count /= WIDTH;
            level += 8;
        }
        rows
    }

    /// How many leaves the tree has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The leaves behind the last full tile.
    #[must_use]
    pub fn tail(&self) -> &[Hash] {
        self.unfinished.first().map(Vec::as_slice).unwrap_or_default()
    }

    /// Those leaves of the tail that a tree of size `before` did not have.
    #[must_use]
    pub fn fresh(&self, before: u64) -> &[Hash] {
        let tail = self.tail();
        let known = before.saturating_sub(self.size - tail.len() as u64);
        tail.get(usize::try_from(known).unwrap_or(usize::MAX)..).unwrap_or_default()
    }

    /// Adds a leaf, and hands out the tiles that it completes: mostly none, the lowest first.
    pub fn append(&mut self, leaf: Hash) -> Vec<(TileId, Tile)> {
        self.size += 1;
        let mut done = Vec::new();
        let (mut hash, mut index) = (leaf, self.size);
        for level in 0.. {
            let at = usize::from(level);
            if self.unfinished.len() == at {
                self.unfinished.push(Vec::new());
            }
            let Some(row) = self.unfinished.get_mut(at) else { break };
            row.push(hash);
            let Some(tile) = Tile::full(row) else { break };
            row.clear();
            hash = tile.root();
            index /= WIDTH;
            done.push((TileId { level, index: index - 1 }, tile));
        }
        done
    }

    /// The root of the tree as it is.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut root = None;
        for row in &self.unfinished {
            // From the right, subtrees of growing size, as the bits of the length say.
            let mut rest = row.as_slice();
            while !rest.is_empty() {
                let (left, last) = rest.split_at(rest.len() - (1 << rest.len().trailing_zeros()));
                let peak = perfect_root(last);
                root = match (peak, root) {
                    (Some(peak), Some(right)) => Some(node(&peak, &right)),
                    (peak, right) => peak.or(right),
                };
                rest = left;
            }
        }
        root.unwrap_or_else(empty_root)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::proof;

    /// The leaves and roots that implementations of RFC 6962 are held against.
    const INPUTS: [&str; 8] = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    /// The definition of RFC 6962, section 2.1, to the letter.
    pub(crate) fn naive(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [one] => *one,
            many => {
                let k = many.len().next_power_of_two() / 2;
                node(&naive(&many[..k]), &naive(&many[k..]))
            }
        }
    }

    fn leaves(count: usize) -> Vec<Hash> {
        (0..count).map(|number| leaf(&number.to_be_bytes())).collect()
    }

    #[test]
    fn roots_are_those_of_the_known_answers() {
        let mut edge = Edge::default();
        for (size, expected) in ROOTS.into_iter().enumerate() {
            assert_eq!(hex::encode(edge.root().as_bytes()), expected, "{size}");
            if let Some(input) = INPUTS.get(size) {
                edge.append(leaf(&hex::decode(input).unwrap()));
            }
        }
    }

    #[test]
    fn leaves_of_events_differ_in_stream_sequence_and_kind() {
        let event = [7; 32];
        let all = [
            event_leaf("JOBS", 1, &event),
            event_leaf("JOBS", 2, &event),
            event_leaf("MEMBERS", 1, &event),
            event_leaf("JOBS", 1, &[8; 32]),
            absent_leaf("JOBS", 1),
            absent_leaf("JOBS", 2),
        ];
        let mut data = b"darkroom-leaf-1JOBS".to_vec();
        data.extend([0, 0, 0, 0, 0, 0, 0, 1]);
        data.extend(event);
        assert_eq!(all[0], leaf(&data));
        for (index, one) in all.iter().enumerate() {
            assert!(!all[..index].contains(one), "{index}");
        }
    }

    #[test]
    fn an_edge_has_the_root_of_the_definition_at_every_size() {
        let leaves = leaves(1_100);
        let mut edge = Edge::default();
        for (size, leaf) in leaves.iter().enumerate() {
            assert_eq!(edge.root(), naive(&leaves[..size]), "{size}");
            edge.append(*leaf);
        }
    }

    #[test]
    fn a_tree_of_three_levels_of_tiles_hands_out_each_once_and_has_the_right_root() {
        let leaves = leaves(256 * 256 + 300);
        let mut edge = Edge::default();
        let mut done = Vec::new();
        for leaf in &leaves {
            done.extend(edge.append(*leaf).into_iter().map(|(id, _)| id));
        }
        assert_eq!(edge.root(), naive(&leaves));
        let mut expected: Vec<TileId> = (0..257).map(|index| TileId { level: 0, index }).collect();
        expected.insert(256, TileId { level: 1, index: 0 });
        assert_eq!(done, expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn an_edge_that_is_restored_goes_on_like_the_one_that_never_stopped(
            size in 0_usize..1_500, more in 0_usize..300,
        ) {
            let leaves = leaves(size + more);
            let mut edge = Edge::default();
            for leaf in &leaves[..size] {
                edge.append(*leaf);
            }
            let mut restored = Edge::restore(size as u64, leaves[..size].as_ref() as &[Hash]).unwrap();
            prop_assert_eq!(&restored, &edge);
            for leaf in &leaves[size..] {
                prop_assert_eq!(restored.append(*leaf), edge.append(*leaf));
            }
            prop_assert_eq!(restored.root(), naive(&leaves));
            let root = proof::root(leaves.len() as u64, leaves.as_slice()).unwrap();
            prop_assert_eq!(root, naive(&leaves));
        }
    }
}
