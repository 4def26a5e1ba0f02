//! One hash over all rows.

use std::{ops::Bound, panic::resume_unwind, thread};

use sha2::{Digest as _, Sha256};

use crate::{Error, Positions, Store, tree::Tree};

/// Where parts of a tree begin that are hashed at once: the rows of deliveries, what lies between, the
/// rows of jobs, and the rest.
const PARTS: [&[u8]; 4] = [b"", b"endpoint/", b"job/", b"member/"];

impl Store {
    /// SHA-256, in hex, over the digests of the [`PARTS`] of the tree, each over every key and value in
    /// order; and the positions it is of. Two stores that have taken in the same log have the same
    /// hash. Nothing is taken in meanwhile.
    ///
    /// # Errors
    /// [`Error::Sled`].
    pub fn hash(&self) -> Result<(Positions, String), Error> {
        let positions = self.hold();
        let ends = PARTS.iter().skip(1).map(|start| Bound::Excluded(start.to_vec()));
        let parts = PARTS.iter().zip(ends.chain([Bound::Unbounded]));
        let digests: Result<Vec<_>, Error> = thread::scope(|scope| {
            let begin = |(start, end): (&&[u8], _)| {
                let start = Bound::Included(start.to_vec());
                scope.spawn(move || digest(self.tree(), start, end))
            };
            let parts: Vec<_> = parts.map(begin).collect();
            let ended = |part: thread::ScopedJoinHandle<'_, _>| {
                part.join().unwrap_or_else(|panic| resume_unwind(panic))
            };
            parts.into_iter().map(ended).collect()
        });
        let whole = digests?.into_iter().fold(Sha256::new(), Sha256::chain_update);
        Ok((*positions, hex::encode(whole.finalize())))
    }
}

/// SHA-256 over every key and value from here to there, in order.
fn digest(tree: &Tree, start: Bound<Vec<u8>>, end: Bound<Vec<u8>>) -> Result<[u8; 32], Error> {
    let mut digest = Sha256::new();
    for row in tree.range(start, end) {
        let (key, value) = row?;
        for part in [&key, &value] {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
    }
    Ok(digest.finalize().into())
}
