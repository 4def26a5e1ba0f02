//! The API as its clients see it, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should fail where it stands"
)]

mod account_events;
mod applications;
mod asyncapi;
mod audit;
mod auth;
mod console;
mod deliveries;
mod documents;
mod events;
mod export;
mod isolation;
mod jobs;
mod keys;
mod limits;
mod logs;
mod malformed;
mod members;
mod past;
mod people;
mod previews;
mod quotas;
mod replays;
mod replicas;
mod rotations;
mod sessions;
mod shapes;
mod shown;
mod stage;
mod statistics;
mod subscribers;
mod uploads;
