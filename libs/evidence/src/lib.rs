//! The log as evidence: Merkle trees over streams, proofs from them, and signed statements about them.
//!
//! Each stream has a tree of its own, as RFC 6962 makes it: the event of sequence `n` is leaf
//! `n - 1`, and [`tree::event_leaf`] says what of it is hashed. [`tile`] is how a tree is kept,
//! [`proof`] what can be shown of it, [`checkpoint`] what is said about it, and [`note`] how that is
//! signed: the forms of <https://c2sp.org>, so that programs of others verify them as well.
//!
//! [`verify`] holds a whole log against what was signed, and [`bundle`] is evidence of one job.
//!
//! Nothing here but [`bundle::gather`] and [`shelf`] knows a network, and nothing a disk or a clock.

pub mod bundle;
pub mod checkpoint;
pub mod claim;
pub mod cosign;
pub mod dsse;
mod hash;
pub mod note;
pub mod proof;
pub mod receipt;
pub mod receipt_key;
pub mod shelf;
pub mod tile;
pub mod tree;
pub mod verify;

pub use hash::{BadHash, Hash};

/// The streams that have a tree: everything that tells what happened.
pub const STREAMS: [&str; 6] =
    ["JOBS", "ACCOUNTS", "MEMBERS", "UPLOADS", "ENDPOINTS", "DELIVERIES"];

/// The header of a stored checkpoint that says which key it is to be verified with. Whoever may write
/// checkpoints may write that, too: it helps to find the key, and is no reason to trust it.
pub const KEY_HEADER: &str = "darkroom-key";
