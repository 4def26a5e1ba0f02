//! An endpoint: a URL of a customer's that is told what happens.

mod decide;
mod event;
mod replay;
mod state;
mod topic;

use std::fmt;

use jiff::Timestamp;

pub use decide::{
    MAX_SECRETS, Refusal, add, change, close_circuit, disable, enable, end_replay, open_circuit,
    progress_replay, remove, request_replay, rotate,
};
pub use event::{DisabledBecause, Event, Letter, Payload, Scheme, Signing, Terms};
pub use replay::{Replay, ReplayOnly, ReplayStream};
pub use state::{Circuit, Endpoint, PreviousSigning, RunningReplay, State};
pub use topic::{InvalidTopic, Topic, TopicFilter, of_event};

use crate::{
    Aggregate,
    id::{AccountId, EndpointId},
};

/// Names an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub endpoint: EndpointId,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.endpoint)
    }
}

/// The aggregate `endpoint`.
#[derive(Debug, Clone, Copy)]
pub enum Endpoints {}

impl Aggregate for Endpoints {
    type Id = Id;
    type Event = Event;
    type State = State;

    const STREAM: &'static str = "ENDPOINTS";
    const NOUN: &'static str = "endpoint";

    fn prefix(id: &Id) -> String {
        format!("darkroom.endpoint.{}.{}", id.account, id.endpoint)
    }

    fn parse_prefix(prefix: &str) -> Option<Id> {
        let (account, endpoint) = prefix.strip_prefix("darkroom.endpoint.")?.split_once('.')?;
        Some(Id { account: account.parse().ok()?, endpoint: endpoint.parse().ok()? })
    }

    fn event_name(event: &Event) -> &'static str {
        event.name()
    }

    fn evolve(state: State, event: &Event, at: Timestamp) -> State {
        state.evolve(event, at)
    }
}
