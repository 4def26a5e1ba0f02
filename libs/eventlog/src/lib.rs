//! The event log: histories of aggregates on JetStream, appended by optimistic decisions and followed by everybody else.
//!
//! The log is the truth. [`Log::transact`] is the only way to write to it: it loads a history,
//! lets a pure decision look at the state, and appends what was decided behind a fence that lets
//! one of two writers win. [`follow`] is the only way to act on it: a handler answers with a
//! verdict and never acknowledges by hand. Everything here ends at NATS; nothing outside this
//! crate knows a subject, a header or an error code of it.

mod backend;
mod barrier;
pub mod callout;
mod checkpoints;
mod commit;
mod connect;
mod core;
mod durability;
mod envelope;
mod error;
pub mod follow;
mod headers;
mod keys;
mod line;
mod log;
mod memory;
mod nkey;
mod replay;
pub mod server;
mod settings;
mod snapshot;
mod stored;
pub mod subject;
mod sweep;
pub mod topology;
mod transact;
mod wire;

pub use crate::{
    barrier::Barrier,
    checkpoints::{Checkpoints, Extent, OfferError, Offered, Statement},
    core::Request,
    durability::DurabilityError,
    envelope::{COVERED, Hash, Raw, Recorded, verify_chain},
    error::{ChainBroken, ConnectError, Malformed, ReadError, TransactError, Unavailable},
    headers::Headers,
    keys::Keys,
    line::Line,
    log::Log,
    nkey::UserKey,
    replay::Span,
    settings::{Durability, Secret, Settings},
    snapshot::{Outline, SnapshotError, backed_up},
    transact::{Committed, Head, Loaded, Moment},
};
