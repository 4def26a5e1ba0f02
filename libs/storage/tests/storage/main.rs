//! Buckets, links and the embedded server, against servers that really run.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test's helpers fail the test, and a child speaks through its output"
)]

mod answers;
mod child;
mod crash;
mod environment;
mod gate;
mod links;
mod proving;
mod store;
mod tls;
mod uploads;
mod world;
