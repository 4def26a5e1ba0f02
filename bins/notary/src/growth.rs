//! A tree that grows as its stream does, and believes nothing that it can look up.

use bytes::Bytes;
use eventlog::{Checkpoints, Extent, Offered, Raw};
use evidence::{
    Hash,
    proof::{Hashes as _, Node},
    shelf::{Kept, Shelf},
    tile::{Tile, TileId, WIDTH},
    tree::{Edge, absent_leaf, event_leaf},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    promise::Promise,
    trouble::{Halt, Trouble},
};

/// How many events one read asks for.
const PAGE: u64 = 1_000;
/// How many full tiles wait in memory, and are stored at once.
const TILES_AT_ONCE: usize = 64;

/// The tree over one stream, and what of it is not stored yet.
#[derive(Default)]
pub(crate) struct Tree {
    pub(crate) edge: Edge,
    /// The leaf of the last event.
    last: Option<Hash>,
    /// Full tiles that are not stored yet.
    done: Vec<(TileId, Tile)>,
}

impl Tree {
    fn push(&mut self, leaf: Hash) {
        self.last = Some(leaf);
        let done = self.edge.append(leaf);
        self.done.extend(done);
    }

    pub(crate) const fn size(&self) -> u64 {
        self.edge.size()
    }
}

/// Where the leaves come from, and where the tiles go.
pub(crate) struct Ground {
    pub(crate) stream: &'static str,
    /// Has the events.
    pub(crate) events: Checkpoints,
    /// Has tiles and statements.
    pub(crate) books: Checkpoints,
    pub(crate) shelf: Shelf,
    /// Up to where an operator owns up to missing events.
    pub(crate) absent: u64,
}

impl Ground {
    /// The tree as it was when it was signed, from what is kept of a larger one.
    pub(crate) async fn restore(&self, kept: &Kept, signed: Promise) -> Result<Tree, Trouble> {
        let size = signed.size;
        let mut nodes: Vec<Node> = Edge::nodes(size).into_iter().flatten().collect();
        let last = size.checked_sub(1).map(|index| Node { level: 0, index });
        nodes.extend(last);
        let tiles = self.shelf.tiles(self.stream, kept, nodes).await?;
        let missing = |source| evidence::shelf::ShelfError::missing(self.stream, source);
        let edge = Edge::restore(size, &tiles).map_err(missing)?;
        if edge.root() != signed.root {
            let source = evidence::proof::Invalid(evidence::proof::Fault::OldRoot);
            return Err(Halt::Inconsistent { old: size, new: kept.claim.size, source }.into());
        }
        Ok(Tree { edge, last: last.and_then(|node| tiles.hash(node)), done: Vec::new() })
    }

    /// Grows up to sequence `to`, or as far as whoever answers knows the stream; true when all of
    /// it was there.
    pub(crate) async fn grow(
        &self,
        tree: &mut Tree,
        to: u64,
        extent: Extent,
    ) -> Result<bool, Trouble> {
        // What was gone before anybody looked is marked as that.
        let gone = if tree.size() == 0 { extent.first.saturating_sub(1) } else { 0 };
        let absent = self.absent.max(gone);
        let to = to.max(absent.min(extent.last));
        while tree.size() < to {
            let before = tree.size();
            // The last event is looked at once more, unless it has expired: a stream that was rolled
            // back has another there.
            let from = if before >= extent.first { before } else { before + 1 };
            let leaves =
                self.stretch(from, to, extent).await.map_err(|it| it.once_up_to(before))?;
            for (sequence, leaf) in (from..).zip(leaves) {
                if sequence == before {
                    if tree.last.is_some() && leaf.is_some() && leaf != tree.last {
                        return Err(Halt::Rewritten { sequence }.into());
                    }
                    continue;
                }
                match leaf {
                    Some(leaf) => tree.push(leaf),
                    None if sequence <= absent => tree.push(absent_leaf(self.stream, sequence)),
                    None => return Err(Halt::Gap { sequence }.into()),
                }
            }
            if tree.size() == before {
                return Ok(false);
            }
            if tree.done.len() >= TILES_AT_ONCE {
                self.store(tree).await?;
            }
        }
        Ok(true)
    }

    /// Grows to the tree that was claimed, and holds each of its leaves against the stream.
    pub(crate) async fn follow(
        &self,
        tree: &mut Tree,
        kept: &Kept,
        extent: Extent,
    ) -> Result<(), Trouble> {
        let size = kept.claim.size;
        if extent.last < size {
            return Err(Halt::RolledBack { last: extent.last, size }.into());
        }
        while tree.size() < size {
            let index = tree.size() / WIDTH;
            let claimed = self.shelf.leaves(self.stream, kept, index).await?;
            let to = size.min((index + 1) * WIDTH);
            let skip = usize::try_from(tree.size() % WIDTH).unwrap_or_default();
            let mut claimed = claimed.into_iter().skip(skip);
            while tree.size() < to {
                let leaves = self.stretch(tree.size() + 1, to, extent).await;
                let leaves = leaves.map_err(|it| it.once_up_to(size))?;
                if leaves.is_empty() {
                    return Err(Trouble::Behind);
                }
                for leaf in leaves {
                    let sequence = tree.size() + 1;
                    let claimed = claimed.next().ok_or(Halt::Claimed { size })?;
                    if leaf.is_some_and(|leaf| leaf != claimed) {
                        return Err(Halt::Rewritten { sequence }.into());
                    }
                    // What has expired since is taken from where it was kept.
                    tree.push(claimed);
                }
            }
            if tree.done.len() >= TILES_AT_ONCE {
                self.store(tree).await?;
            }
        }
        if tree.edge.root() != kept.claim.root {
            return Err(Halt::Claimed { size }.into());
        }
        self.store(tree).await
    }

    /// The leaves of sequences from `from` to at most `to`, as many as one read brings: none for
    /// those that are gone from the front of the stream.
    async fn stretch(
        &self,
        from: u64,
        to: u64,
        extent: Extent,
    ) -> Result<Vec<Option<Hash>>, Trouble> {
        let wanted = (to + 1).saturating_sub(from).min(PAGE);
        let gone = extent.first.saturating_sub(from).min(wanted);
        if gone > 0 {
            return Ok(vec![None; count(gone)]);
        }
        let page = self.events.read(self.stream, from, count(wanted)).await?;
        let (mut leaves, mut sequence) = (Vec::with_capacity(page.len()), from);
        for raw in page.iter().take_while(|raw| raw.seq <= to) {
            // What somebody owned up to.
            while sequence < raw.seq.min(self.absent + 1) {
                leaves.push(None);
                sequence += 1;
            }
            if raw.seq != sequence {
                return self.gap(sequence, leaves).await;
            }
            leaves.push(Some(self.leaf(raw)));
            sequence += 1;
        }
        Ok(leaves)
    }

    /// A sequence is not there: it has just expired with all before it, or something is wrong.
    async fn gap(
        &self,
        sequence: u64,
        leaves: Vec<Option<Hash>>,
    ) -> Result<Vec<Option<Hash>>, Trouble> {
        let extent = self.events.extent(self.stream).await?;
        match leaves.is_empty() {
            _ if extent.first <= sequence => Err(Halt::Gap { sequence }.into()),
            true => Ok(vec![None]),
            false => Ok(leaves),
        }
    }

    fn leaf(&self, raw: &Raw) -> Hash {
        event_leaf(self.stream, raw.seq, raw.hash().as_bytes())
    }

    /// Stores the tiles that are full, each of which is what it is for ever.
    pub(crate) async fn store(&self, tree: &mut Tree) -> Result<(), Trouble> {
        let done = std::mem::take(&mut tree.done);
        let offers = done.into_iter().map(|(id, tile)| self.store_tile(id, tile));
        let stored = stream::iter(offers).buffer_unordered(TILES_AT_ONCE);
        stored.try_for_each(|()| std::future::ready(Ok(()))).await
    }

    async fn store_tile(&self, id: TileId, tile: Tile) -> Result<(), Trouble> {
        let bytes = Bytes::from(tile.to_bytes());
        match self.books.offer_tile(self.stream, id.level, id.index, bytes.clone()).await? {
            Offered::Stored(_) => Ok(()),
            Offered::Lost => match self.books.tile(self.stream, id.level, id.index).await? {
                Some(known) if known == bytes => Ok(()),
                Some(_) => Err(Halt::Tile { id }.into()),
                None => Err(Trouble::Behind),
            },
        }
    }
}

/// At most [`PAGE`].
fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
