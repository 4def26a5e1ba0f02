//! An upload: one file on its way from a customer straight into the platform bucket.
//!
//! ```text
//! started ─► source_uploaded ─► removed
//!    └─────► expired
//! ```

mod decide;
mod event;
mod state;

use std::fmt;

use jiff::Timestamp;

pub use decide::*;
pub use event::{Checksum, Event, RemovedBecause, Started};
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
