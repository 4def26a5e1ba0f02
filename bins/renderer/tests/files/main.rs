//! Whole files through the real renderers: those that others wrote, and those made to hurt.
#![allow(clippy::indexing_slicing, reason = "a test that slips fails, as it should")]

mod corpus;
mod drawn;
mod hostile;
mod jobs;
mod peers;
mod survives;
mod watch;
