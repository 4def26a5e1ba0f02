//! A job: one wish about one source, from request to outcome.
//!
//! ```text
//! requested ─► started ─► fetched ─► stored* ─► wiped ─► completed
//!     ▲           │                               ├────► failed
//!     │           ▼                               └────► cancelled
//!     └── attempt_failed {retry_at}
//! ```
//! `wiped` comes before every outcome of a job whose source was fetched, and the outcome comes
//! before anyone is told. Whoever appends `started` with the sequence check holds the lease; a
//! worker that lost it finds out at its next append.

mod decide;
mod event;
mod state;

use std::fmt;

use jiff::Timestamp;

pub use decide::{
    Attempt, Failure, Refusal, cancel, complete, erase, expire, fail_attempt, fetched, give_up,
    request, request_erasure, start, stored, wipe,
};
pub use event::{
    Artifact, Claim, Completed, Durations, Event, Fetched, Kind, Location, Receipt, Requested,
    Role, StoredIn,
};
pub use state::{Ended, Job, Outcome, Phase, State, Status};

use crate::{
    Aggregate,
    id::{AccountId, JobId},
};

/// Names a job: its account and itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    /// Whose it is.
    pub account: AccountId,
    /// Which it is.
    pub job: JobId,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.job)
    }
}

/// The aggregate `job`.
#[derive(Debug, Clone, Copy)]
pub enum Jobs {}

impl Aggregate for Jobs {
    type Id = Id;
    type Event = Event;
    type State = State;

    const STREAM: &'static str = "JOBS";
    const NOUN: &'static str = "job";

    fn prefix(id: &Id) -> String {
        format!("darkroom.job.{}.{}", id.account, id.job)
    }

    fn parse_prefix(prefix: &str) -> Option<Id> {
        let (account, job) = prefix.strip_prefix("darkroom.job.")?.split_once('.')?;
        Some(Id { account: account.parse().ok()?, job: job.parse().ok()? })
    }

    fn event_name(event: &Event) -> &'static str {
        event.name()
    }

    fn evolve(state: State, event: &Event, at: Timestamp) -> State {
        state.evolve(event, at)
    }
}
