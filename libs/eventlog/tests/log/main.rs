//! The log against its in-memory twin, a real server, three of them, and their failures.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod contract;
mod faults;
mod following;
mod gate;
mod guards;
mod nkeys;
mod rights;
mod stretches;
mod support;
