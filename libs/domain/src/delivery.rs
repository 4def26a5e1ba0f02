//! A delivery: one event on its way to one endpoint.
//!
//! ```text
//! due ─► attempt_failed* ─► delivered
//!  ▲                   └──► exhausted
//!  └──── redelivery_requested ◄───┘
//! ```
//! A delivery whose first attempt succeeds at once has one event: `delivered`, which then says what
//! it told.

mod decide;
mod event;
mod state;

use std::fmt;

use jiff::Timestamp;

pub use decide::{Attempted, Outcome, Refusal, due, interrupt, record, redeliver};
pub use event::{Answer, Event, FailureCode, Told};
pub use state::{Delivery, Phase, State};

use crate::{
    Aggregate, endpoint,
    id::{AccountId, DeliveryId, EndpointId, EventId, JobId},
};

/// Names a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    /// Whose it is.
    pub account: AccountId,
    /// Where it goes.
    pub endpoint: EndpointId,
    /// Which it is.
    pub delivery: DeliveryId,
}

impl Id {
    /// The delivery of `event` to the callback URL of `job`: always the same.
    #[must_use]
    pub fn of_callback(account: AccountId, job: JobId, event: EventId) -> Self {
        let endpoint = EndpointId::derived(job.as_uuid(), b"callback");
        Self::of(endpoint::Id { account, endpoint }, event)
    }

    /// The delivery of `event` to an endpoint: always the same.
    #[must_use]
    pub fn of(endpoint: endpoint::Id, event: EventId) -> Self {
        let endpoint::Id { account, endpoint } = endpoint;
        let delivery = DeliveryId::derived(endpoint.as_uuid(), event.as_uuid().as_bytes());
        Self { account, endpoint, delivery }
    }

    /// The endpoint it goes to.
    #[must_use]
    pub const fn endpoint(&self) -> endpoint::Id {
        endpoint::Id { account: self.account, endpoint: self.endpoint }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.delivery)
    }
}

/// The aggregate `delivery`.
#[derive(Debug, Clone, Copy)]
pub enum Deliveries {}

impl Aggregate for Deliveries {
    type Id = Id;
    type Event = Event;
    type State = State;

    const STREAM: &'static str = "DELIVERIES";
    const NOUN: &'static str = "delivery";

    fn prefix(id: &Id) -> String {
        format!("darkroom.delivery.{}.{}.{}", id.account, id.endpoint, id.delivery)
    }

    fn parse_prefix(prefix: &str) -> Option<Id> {
        let mut parts = prefix.strip_prefix("darkroom.delivery.")?.split('.');
        let id = Id {
            account: parts.next()?.parse().ok()?,
            endpoint: parts.next()?.parse().ok()?,
            delivery: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(id)
    }

    fn event_name(event: &Event) -> &'static str {
        event.name()
    }

    fn evolve(state: State, event: &Event, at: Timestamp) -> State {
        state.evolve(event, at)
    }
}
