//! Proofs that a leaf is in a tree, and that one tree begins with another (RFC 6962, section 2.1).
//!
//! Making one has two steps, since the hashes may have to be fetched in between: a [`Plan`] says
//! which nodes it is made of, and makes it of whatever has them.

use std::{fmt, ops::Range};

use crate::{
    Hash,
    tree::{empty_root, node, perfect_root},
};

/// The longest proof there can be: one hash for each level of a tree of 2^63 leaves, and one more.
pub const LONGEST: usize = 64;

/// The root of a full subtree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    /// It stands over 2^`level` leaves.
    pub level: u8,
    /// Which subtree of this size, from 0.
    pub index: u64,
}

/// Whatever has hashes of a tree.
pub trait Hashes {
    /// The hash of a node; none if it is not at hand.
    fn hash(&self, node: Node) -> Option<Hash>;
}

/// All leaves.
impl Hashes for [Hash] {
    fn hash(&self, node: Node) -> Option<Hash> {
        let width = 1_usize.checked_shl(u32::from(node.level))?;
        let from = usize::try_from(node.index).ok()?.checked_mul(width)?;
        perfect_root(self.get(from..from.checked_add(width)?)?)
    }
}

/// A hash that a proof needs is not at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tree's hash of level {} at {} is not at hand", .0.level, .0.index)]
pub struct Missing(pub Node);

/// No such proof exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// The leaf is not in the tree.
    #[error("leaf {index} is not in a tree of {size}")]
    Outside {
        /// The leaf.
        index: u64,
        /// The tree.
        size: u64,
    },
    /// The tree is smaller than the one that it is to begin with.
    #[error("a tree of {new} does not begin with one of {old}")]
    Smaller {
        /// The size of the older tree.
        old: u64,
        /// The size of the newer one.
        new: u64,
    },
}

/// A proof does not prove what it is said to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the proof does not hold: {0}")]
pub struct Invalid(pub Fault);

/// What is wrong with a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The leaf, or the older tree, lies beyond the tree.
    Outside,
    /// It has too many or too few hashes.
    Length,
    /// It leads to another root than the tree's.
    Root,
    /// It leads to another root than the older tree's.
    OldRoot,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Outside => "what it speaks of is not in the tree",
            Self::Length => "it has the wrong length",
            Self::Root => "it leads to another root",
            Self::OldRoot => "it leads to another root of the older tree",
        })
    }
}

/// Which stretches of leaves a proof has the roots of, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan(Vec<Range<u64>>);

/// That leaf `index` is in the tree of `size`.
///
/// # Errors
/// [`Impossible::Outside`].
pub fn inclusion(index: u64, size: u64) -> Result<Plan, Impossible> {
    if index >= size {
        return Err(Impossible::Outside { index, size });
    }
    let mut plan = Vec::new();
    let mut tree = 0..size;
    while tree.end - tree.start > 1 {
        let (left, right) = split(&tree);
        if index < left.end {
            plan.push(right);
            tree = left;
        } else {
            plan.push(left);
            tree = right;
        }
    }
    plan.reverse();
    Ok(Plan(plan))
}

/// That the tree of size `new` begins with that of size `old`. Nothing need be shown of an empty
/// tree, or of the same.
///
/// # Errors
/// [`Impossible::Smaller`].
pub fn consistency(old: u64, new: u64) -> Result<Plan, Impossible> {
    if old > new {
        return Err(Impossible::Smaller { old, new });
    }
    if old == 0 || old == new {
        return Ok(Plan::default());
    }
    let mut plan = Vec::new();
    let mut tree = 0..new;
    while tree.end != old {
        let (left, right) = split(&tree);
        if old <= left.end {
            plan.push(right);
            tree = left;
        } else {
            plan.push(left);
            tree = right;
        }
    }
    // The verifier knows the older tree's root.
    if tree.start > 0 {
        plan.push(tree);
    }
    plan.reverse();
    Ok(Plan(plan))
}

/// The root of the tree of `size` in which `hashes` are.
///
/// # Errors
/// [`Missing`].
pub fn root<H: Hashes + ?Sized>(size: u64, hashes: &H) -> Result<Hash, Missing> {
    if size == 0 { Ok(empty_root()) } else { stretch(&(0..size), hashes) }
}

/// The nodes that [`root`] looks up.
#[must_use]
pub fn root_nodes(size: u64) -> Vec<Node> {
    let mut nodes = Vec::new();
    if size > 0 {
        nodes_of(&(0..size), &mut nodes);
    }
    nodes
}

impl Plan {
    /// The nodes that it is made of.
    #[must_use]
    pub fn nodes(&self) -> Vec<Node> {
        let mut nodes = Vec::new();
        for range in &self.0 {
            nodes_of(range, &mut nodes);
        }
        nodes
    }

    /// The proof.
    ///
    /// # Errors
    /// [`Missing`].
    pub fn make<H: Hashes + ?Sized>(&self, hashes: &H) -> Result<Vec<Hash>, Missing> {
        self.0.iter().map(|range| stretch(range, hashes)).collect()
    }
}

/// A stretch of more than one leaf, cut where the tree is.
fn split(range: &Range<u64>) -> (Range<u64>, Range<u64>) {
    let width = range.end - range.start;
    // The largest power of two below the width.
    let left = 1 << (63 - (width - 1).leading_zeros());
    let middle = range.start + left;
    (range.start..middle, middle..range.end)
}

fn full(range: &Range<u64>) -> Option<Node> {
    let width = range.end - range.start;
    let level = width.trailing_zeros();
    let node = || Some(Node { level: u8::try_from(level).ok()?, index: range.start >> level });
    if width.is_power_of_two() { node() } else { None }
}

fn nodes_of(range: &Range<u64>, nodes: &mut Vec<Node>) {
    let mut rest = range.clone();
    loop {
        if let Some(node) = full(&rest) {
            nodes.push(node);
            return;
        }
        let (left, right) = split(&rest);
        nodes.extend(full(&left));
        rest = right;
    }
}

fn stretch<H: Hashes + ?Sized>(range: &Range<u64>, hashes: &H) -> Result<Hash, Missing> {
    let mut nodes = Vec::new();
    nodes_of(range, &mut nodes);
    let mut root = None;
    for place in nodes.into_iter().rev() {
        let left = hashes.hash(place).ok_or(Missing(place))?;
        root = Some(root.map_or(left, |right| node(&left, &right)));
    }
    Ok(root.unwrap_or_else(empty_root))
}

/// Whether `proof` shows that `leaf` is number `index` of the tree with this size and root.
///
/// # Errors
/// [`Invalid`].
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), Invalid> {
    if index >= size {
        return Err(Invalid(Fault::Outside));
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for step in proof {
        if last == 0 {
            return Err(Invalid(Fault::Length));
        }
        if at % 2 == 1 || at == last {
            hash = node(step, &hash);
            climb(&mut at, &mut last);
        } else {
            hash = node(&hash, step);
        }
        at >>= 1;
        last >>= 1;
    }
    match (last, hash == *root) {
        (0, true) => Ok(()),
        (0, false) => Err(Invalid(Fault::Root)),
        _ => Err(Invalid(Fault::Length)),
    }
}

/// Whether `proof` shows that the newer tree begins with the older.
///
/// # Errors
/// [`Invalid`].
pub fn verify_consistency(
    old: u64,
    old_root: &Hash,
    new: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), Invalid> {
    if old > new {
        return Err(Invalid(Fault::Outside));
    }
    if old == 0 || old == new {
        let expected = if old == 0 { empty_root() } else { *new_root };
        return match (proof.is_empty(), expected == *old_root) {
            (true, true) => Ok(()),
            (true, false) => Err(Invalid(Fault::OldRoot)),
            (false, _) => Err(Invalid(Fault::Length)),
        };
    }
    let (first, rest) = match proof.split_first() {
        None => return Err(Invalid(Fault::Length)),
        // The older tree is one full subtree, whose root is known.
        Some(_) if old.is_power_of_two() => (*old_root, proof),
        Some((first, rest)) => (*first, rest),
    };
    let (mut at, mut last) = (old - 1, new - 1);
    while at % 2 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut older, mut newer) = (first, first);
    for step in rest {
        if last == 0 {
            return Err(Invalid(Fault::Length));
        }
        if at % 2 == 1 || at == last {
            older = node(step, &older);
            newer = node(step, &newer);
            climb(&mut at, &mut last);
        } else {
            newer = node(&newer, step);
        }
        at >>= 1;
        last >>= 1;
    }
    match (last, older == *old_root, newer == *new_root) {
        (0, true, true) => Ok(()),
        (0, false, _) => Err(Invalid(Fault::OldRoot)),
        (0, true, false) => Err(Invalid(Fault::Root)),
        _ => Err(Invalid(Fault::Length)),
    }
}

/// Goes up past the levels on which a subtree at the right edge has no sibling.
fn climb(at: &mut u64, last: &mut u64) {
    while (*at).is_multiple_of(2) && *at != 0 {
        *at >>= 1;
        *last >>= 1;
    }
}

#[cfg(test)]
mod tests;
