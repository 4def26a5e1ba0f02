//! Proofs held against the definition of RFC 6962.

use proptest::prelude::*;

use super::*;
use crate::{
    tile::Tiles,
    tree::{Edge, leaf},
};

fn leaves(count: usize) -> Vec<Hash> {
    (0..count).map(|number| leaf(&number.to_be_bytes())).collect()
}

fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [one] => *one,
        many => {
            let k = many.len().next_power_of_two() / 2;
            node(&naive_root(&many[..k]), &naive_root(&many[k..]))
        }
    }
}

/// PATH of RFC 6962, section 2.1.1, to the letter.
fn naive_inclusion(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return vec![];
    }
    let k = leaves.len().next_power_of_two() / 2;
    let (mut proof, other) = if index < k {
        (naive_inclusion(index, &leaves[..k]), naive_root(&leaves[k..]))
    } else {
        (naive_inclusion(index - k, &leaves[k..]), naive_root(&leaves[..k]))
    };
    proof.push(other);
    proof
}

/// SUBPROOF of RFC 6962, section 2.1.2, to the letter.
fn naive_consistency(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if whole { vec![] } else { vec![naive_root(leaves)] };
    }
    let k = leaves.len().next_power_of_two() / 2;
    let (mut proof, other) = if old <= k {
        (naive_consistency(old, &leaves[..k], whole), naive_root(&leaves[k..]))
    } else {
        (naive_consistency(old - k, &leaves[k..], false), naive_root(&leaves[..k]))
    };
    proof.push(other);
    proof
}

/// The examples of RFC 6962, section 2.1.3.
#[test]
fn proofs_are_those_of_the_rfcs_example() {
    let d = leaves(7);
    let g = node(&d[0], &d[1]);
    let h = node(&d[2], &d[3]);
    let i = node(&d[4], &d[5]);
    let (k, l) = (node(&g, &h), node(&i, &d[6]));
    let proof = |index| inclusion(index, 7).unwrap().make(d.as_slice()).unwrap();
    assert_eq!(proof(0), [d[1], h, l]);
    assert_eq!(proof(3), [d[2], g, l]);
    assert_eq!(proof(4), [d[5], d[6], k]);
    assert_eq!(proof(6), [i, k]);
    let proof = |old| consistency(old, 7).unwrap().make(d.as_slice()).unwrap();
    assert_eq!(proof(3), [d[2], d[3], g, l]);
    assert_eq!(proof(4), [l]);
    assert_eq!(proof(6), [i, d[6], k]);
}

#[test]
fn what_cannot_be_proven_has_no_plan() {
    assert_eq!(inclusion(3, 3), Err(Impossible::Outside { index: 3, size: 3 }));
    assert_eq!(inclusion(0, 0), Err(Impossible::Outside { index: 0, size: 0 }));
    assert_eq!(consistency(4, 3), Err(Impossible::Smaller { old: 4, new: 3 }));
}

/// What a reader has who fetched exactly what the plans ask for.
fn fetched(leaves: &[Hash], nodes: Vec<Node>) -> Tiles {
    let size = leaves.len() as u64;
    let mut edge = Edge::default();
    let done: Vec<_> = leaves.iter().flat_map(|leaf| edge.append(*leaf)).collect();
    let mut tiles = Tiles::new(size, edge.tail().to_vec());
    let needed = Tiles::needed(nodes, size);
    for (id, tile) in done {
        if needed.contains(&id) {
            tiles.insert(id, tile);
        }
    }
    tiles
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn proofs_of_inclusion_are_those_of_the_definition_and_hold(
        size in 1_usize..700, at in any::<prop::sample::Index>(),
    ) {
        let (leaves, index) = (leaves(size), at.index(size));
        let root = naive_root(&leaves);
        let plan = inclusion(index as u64, size as u64).unwrap();
        let proof = plan.make(leaves.as_slice()).unwrap();
        prop_assert_eq!(&proof, &naive_inclusion(index, &leaves));
        prop_assert!(proof.len() <= LONGEST);
        let tiles = fetched(&leaves, plan.nodes());
        prop_assert_eq!(&plan.make(&tiles).unwrap(), &proof);
        let verify = |leaf: &Hash, index, size, proof: &[Hash], root: &Hash| {
            verify_inclusion(leaf, index, size, proof, root)
        };
        let (index, size) = (index as u64, size as u64);
        let leaf = leaves[at.index(leaves.len())];
        prop_assert_eq!(verify(&leaf, index, size, &proof, &root), Ok(()));
        prop_assert!(verify(&root, index, size, &proof, &leaf).is_err() || size == 1);
        prop_assert!(verify(&leaf, size, size, &proof, &root).is_err());
        if size > 1 {
            prop_assert!(verify(&leaf, (index + 1) % size, size, &proof, &root).is_err());
            prop_assert!(verify(&leaf, index, size, &proof[1..], &root).is_err());
            let mut longer = proof.clone();
            longer.push(root);
            prop_assert!(verify(&leaf, index, size, &longer, &root).is_err());
            let mut other = proof.clone();
            other[0] = root;
            prop_assert_eq!(
                verify(&leaf, index, size, &other, &root), Err(Invalid(Fault::Root))
            );
        }
    }

    #[test]
    fn proofs_of_consistency_are_those_of_the_definition_and_hold(
        new in 1_usize..700, at in any::<prop::sample::Index>(),
    ) {
        let (leaves, old) = (leaves(new), at.index(new + 1));
        let (old_root, new_root) = (naive_root(&leaves[..old]), naive_root(&leaves));
        let plan = consistency(old as u64, new as u64).unwrap();
        let proof = plan.make(leaves.as_slice()).unwrap();
        if old > 0 {
            prop_assert_eq!(&proof, &naive_consistency(old, &leaves, true));
        }
        let tiles = fetched(&leaves, plan.nodes());
        prop_assert_eq!(&plan.make(&tiles).unwrap(), &proof);
        let verify = |old_root: &Hash, new_root: &Hash, proof: &[Hash]| {
            verify_consistency(old as u64, old_root, new as u64, new_root, proof)
        };
        prop_assert_eq!(verify(&old_root, &new_root, &proof), Ok(()));
        let other = leaf(b"other");
        prop_assert!(verify(&other, &new_root, &proof).is_err());
        prop_assert!(verify(&old_root, &other, &proof).is_err() || old == 0);
        let mut longer = proof.clone();
        longer.push(other);
        prop_assert!(verify(&old_root, &new_root, &longer).is_err());
        if !proof.is_empty() {
            prop_assert!(verify(&old_root, &new_root, &proof[1..]).is_err());
            for at in 0..proof.len() {
                let mut changed = proof.clone();
                changed[at] = other;
                prop_assert!(verify(&old_root, &new_root, &changed).is_err());
            }
        }
    }

    #[test]
    fn the_root_of_any_older_size_follows_from_what_is_kept(
        size in 1_usize..1_400, at in any::<prop::sample::Index>(),
    ) {
        let (leaves, older) = (leaves(size), at.index(size + 1));
        let tiles = fetched(&leaves, root_nodes(older as u64));
        prop_assert_eq!(root(older as u64, &tiles), Ok(naive_root(&leaves[..older])));
    }
}
