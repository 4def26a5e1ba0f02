//! The whole as its users meet it: real processes, servers, files and clients.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot go on should fail where it stands, and say what it was at"
)]

mod bad_input;
mod chaos;
mod commands;
mod jobs;
mod kinds;
mod malformed;
mod renderer;
mod replicas;
mod up;
