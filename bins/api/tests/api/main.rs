//! The API as its clients see it, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should fail where it stands"
)]

mod auth;
mod events;
mod jobs;
mod limits;
mod malformed;
mod previews;
mod replicas;
mod stage;
