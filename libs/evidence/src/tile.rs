//! Tiles: a tree cut into pieces of 256 hashes, each of which never changes once it is full.
//!
//! The layout is that of <https://c2sp.org/tlog-tiles>: at level 0 a tile holds leaves, at each
//! level above the roots of full tiles of the one below. What is not full is not stored: the leaves
//! of the last tile are the tail, and unfinished tiles above follow from full ones below.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{
    Hash,
    proof::{Hashes, Node},
    tree::perfect_root,
};

/// How many hashes a full tile has.
pub const WIDTH: u64 = 256;
/// The same, as a length.
const FULL: usize = 256;
/// How many levels of a tree one tile spans.
const HEIGHT: u8 = 8;

/// Which tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TileId {
    /// 0 for leaves, 1 for the roots of full tiles of level 0, and so on.
    pub level: u8,
    /// Its place in the level, from 0.
    pub index: u64,
}

impl TileId {
    /// Whether it is full in a tree of this size.
    #[must_use]
    pub fn is_full(self, size: u64) -> bool {
        let bits = u32::from(HEIGHT) * (u32::from(self.level) + 1);
        size.checked_shr(bits).is_some_and(|full| self.index < full)
    }
}

/// `tile/<level>/<index>`, the index in groups of three digits, all but the last behind an `x`.
impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/", self.level)?;
        let mut groups = vec![self.index % 1_000];
        let mut rest = self.index / 1_000;
        while rest > 0 {
            groups.push(rest % 1_000);
            rest /= 1_000;
        }
        for group in groups.iter().skip(1).rev() {
            write!(f, "x{group:03}/")?;
        }
        write!(f, "{:03}", self.index % 1_000)
    }
}

/// A full tile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile(Box<[Hash]>);

/// The bytes are no full tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a full tile has 8192 bytes, this has {bytes}")]
pub struct BadTile {
    /// How many there are.
    pub bytes: usize,
}

impl Tile {
    /// Of so many hashes as a full tile has.
    #[must_use]
    pub fn full(hashes: &[Hash]) -> Option<Self> {
        (hashes.len() == FULL).then(|| Self(hashes.into()))
    }

    /// Its hashes.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.0
    }

    /// The root over its hashes: one hash of a tile above.
    #[must_use]
    pub fn root(&self) -> Hash {
        // A tile is full, and so never without a root.
        perfect_root(&self.0).unwrap_or_else(crate::tree::empty_root)
    }

    /// Its hashes, one after the other.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|hash| *hash.as_bytes()).collect()
    }

    /// Reads what [`Tile::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`BadTile`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadTile> {
        let hashes = hashes_of(bytes).ok_or(BadTile { bytes: bytes.len() })?;
        Self::full(&hashes).ok_or(BadTile { bytes: bytes.len() })
    }
}

/// Hashes that were written one after the other.
#[must_use]
pub fn hashes_of(bytes: &[u8]) -> Option<Vec<Hash>> {
    let chunks = bytes.chunks(Hash::BYTES);
    chunks.map(|chunk| chunk.try_into().ok().map(Hash::from_bytes)).collect()
}

/// What is at hand of a tree: some of its full tiles, and its tail.
#[derive(Debug, Clone, Default)]
pub struct Tiles {
    full: BTreeMap<TileId, Tile>,
    tail: (u64, Vec<Hash>),
}

impl Tiles {
    /// Of a tree of which nothing is at hand but its tail: the leaves behind the last full tile.
    #[must_use]
    pub fn new(size: u64, tail: Vec<Hash>) -> Self {
        Self { full: BTreeMap::new(), tail: (size / WIDTH, tail) }
    }

    /// Adds a full tile.
    pub fn insert(&mut self, id: TileId, tile: Tile) {
        self.full.insert(id, tile);
    }

    /// Forgets the full tiles.
    pub fn clear(&mut self) {
        self.full.clear();
    }

    /// Whether this full tile is at hand.
    #[must_use]
    pub fn contains(&self, id: TileId) -> bool {
        self.full.contains_key(&id)
    }

    /// The full tiles that these nodes are made of in a tree of this size; the tail not counted.
    #[must_use]
    pub fn needed(nodes: impl IntoIterator<Item = Node>, size: u64) -> BTreeSet<TileId> {
        let mut needed = BTreeSet::new();
        for node in nodes {
            let place = Place::of(node);
            if place.tile.is_full(size) {
                needed.insert(place.tile);
            } else {
                needed.extend(place.below());
            }
        }
        needed
    }
}

impl Hashes for Tiles {
    fn hash(&self, node: Node) -> Option<Hash> {
        let place = Place::of(node);
        let row = match self.full.get(&place.tile) {
            Some(tile) => Some(tile.hashes()),
            None if place.tile == (TileId { level: 0, index: self.tail.0 }) => {
                Some(self.tail.1.as_slice())
            }
            None => None,
        };
        if let Some(row) = row {
            return perfect_root(row.get(place.from..place.from + place.width)?);
        }
        let below = place.below().map(|id| Some(self.full.get(&id)?.root()));
        let below: Vec<Hash> = below.collect::<Option<_>>()?;
        if below.len() == place.width { perfect_root(&below) } else { None }
    }
}

/// Where a node lies: in which tile, and over which of its hashes it is the root.
struct Place {
    tile: TileId,
    from: usize,
    width: usize,
}

impl Place {
    fn of(node: Node) -> Self {
        let height = node.level % HEIGHT;
        let first = node.index << height;
        Self {
            tile: TileId { level: node.level / HEIGHT, index: first / WIDTH },
            // Less than 256.
            from: usize::try_from(first % WIDTH).unwrap_or_default(),
            width: 1 << height,
        }
    }

    /// The tiles of the level below whose roots these hashes are.
    fn below(&self) -> impl Iterator<Item = TileId> + use<> {
        let level = self.tile.level.checked_sub(1);
        let first = self.tile.index * WIDTH + self.from as u64;
        let indexes = first..first + self.width as u64;
        level
            .into_iter()
            .flat_map(move |level| indexes.clone().map(move |index| TileId { level, index }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        for (level, index, expected) in [
            (0, 0, "tile/0/000"),
            (0, 273, "tile/0/273"),
            (1, 1_000, "tile/1/x001/000"),
            (2, 1_234_067, "tile/2/x001/x234/067"),
        ] {
            assert_eq!(TileId { level, index }.to_string(), expected);
        }
    }

    #[test]
    fn tiles_are_full_as_the_specification_counts_them() {
        let full = |level, size| {
            (0..300).filter(|index| TileId { level, index: *index }.is_full(size)).count()
        };
        assert_eq!((full(0, 70_000), full(1, 70_000), full(2, 70_000)), (273, 1, 0));
        assert_eq!((full(0, 255), full(0, 256), full(1, 256)), (0, 1, 0));
        assert!(!TileId { level: 9, index: 0 }.is_full(u64::MAX));
    }

    #[test]
    fn a_tile_reads_back_as_it_was_written_and_nothing_else_is_one() {
        let hashes: Vec<Hash> = (0..=255).map(|byte| Hash::from_bytes([byte; 32])).collect();
        let tile = Tile::full(&hashes).unwrap();
        assert_eq!(Tile::from_bytes(&tile.to_bytes()), Ok(tile.clone()));
        let short = &tile.to_bytes()[32..];
        assert_eq!(Tile::from_bytes(short), Err(BadTile { bytes: 8_160 }));
        assert!(Tile::from_bytes(&[0; 8_191]).is_err() && Tile::full(&hashes[1..]).is_none());
    }
}
