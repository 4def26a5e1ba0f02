//! What the domain promises, seen from outside.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod body;
mod decisions;
mod document;
mod interleaving;
mod make;
mod samples;
