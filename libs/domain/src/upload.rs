//! An upload: one file on its way from a customer straight into the platform bucket.
//!
//! ```text
//! started ─► completion_requested ─► source_uploaded ─► removed
//!    └─────► expired     └─► rejected     ▲ claimed* by jobs
//! ```
//! The platform bucket follows: what has expired, was rejected or removed is deleted there
//! afterwards, however often whoever does it dies on the way.

mod decide;
mod event;
mod plan;
mod state;

use std::fmt;

use jiff::Timestamp;

pub use decide::*;
pub use event::{Checksum, Event, RejectedBecause, RemovedBecause, Started};
pub use plan::{InvalidPlan, MAX_PART_BYTES, MAX_PARTS, MAX_UPLOAD_BYTES, MIN_PART_BYTES, Plan};
pub use state::{Phase, State, Upload};

use crate::{
    Aggregate,
    id::{AccountId, UploadId},
};

/// Names an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub upload: UploadId,
}

impl Id {
    /// Where its file lies in the platform bucket.
    #[must_use]
    pub fn object_key(&self) -> String {
        format!("uploads/{}/{}", self.account, self.upload)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.upload)
    }
}

/// The aggregate `upload`.
#[derive(Debug, Clone, Copy)]
pub enum Uploads {}

impl Aggregate for Uploads {
    type Id = Id;
    type Event = Event;
    type State = State;

    const STREAM: &'static str = "UPLOADS";
    const NOUN: &'static str = "upload";

    fn prefix(id: &Id) -> String {
        format!("darkroom.upload.{}.{}", id.account, id.upload)
    }

    fn parse_prefix(prefix: &str) -> Option<Id> {
        let (account, upload) = prefix.strip_prefix("darkroom.upload.")?.split_once('.')?;
        Some(Id { account: account.parse().ok()?, upload: upload.parse().ok()? })
    }

    fn event_name(event: &Event) -> &'static str {
        event.name()
    }

    fn evolve(state: State, event: &Event, at: Timestamp) -> State {
        state.evolve(event, at)
    }
}
