//! The guard against an oracle, and the client against real servers on loopback, friendly and hostile.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should panic"
)]

mod certificates;
mod fetching;
mod guarding;
mod internet;
mod posting;
mod resolving;
mod servers;
