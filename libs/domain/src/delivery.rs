//! A delivery: one event on its way to one endpoint.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Aggregate,
    id::{AccountId, DeliveryId, EndpointId, EventId, JobId},
    retry::Schedule,
};

/// Names a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
        let delivery = DeliveryId::derived(endpoint.as_uuid(), event.as_uuid().as_bytes());
        Self { account, endpoint, delivery }
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

/// A fact in a delivery's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The event must reach the endpoint.
    Due {
        /// What is told.
        event_id: EventId,
        /// Its kind, as in `job.completed`.
        event_type: String,
        /// The job it is about.
        job: JobId,
    },
    /// An attempt failed, and another follows.
    AttemptFailed {
        /// Counts from 1.
        attempt: u32,
        /// Why.
        code: FailureCode,
        /// The HTTP status, where one came.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// How long it took, in milliseconds.
        latency_ms: u64,
        /// When the next attempt is due.
        retry_at: Timestamp,
    },
    /// The endpoint took it.
    Delivered {
        /// Counts from 1.
        attempt: u32,
        /// The HTTP status, a 2xx.
        status: u16,
        /// How long it took, in milliseconds.
        latency_ms: u64,
    },
    /// Given up.
    Exhausted {
        /// Attempts made.
        attempts: u32,
        /// Why the last failed.
        code: FailureCode,
        /// The HTTP status, where one came.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
    },
}

/// Why an attempt to deliver failed. Append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// The URL is none that can be posted to.
    Invalid,
    /// The address, port or scheme is none that this service posts to.
    Forbidden,
    /// No connection, or it broke off.
    Unreachable,
    /// Too slow.
    Timeout,
    /// TLS could not be verified.
    Tls,
    /// An answer that is no 2xx.
    Status,
    /// 410: the endpoint is gone for good.
    Gone,
    /// What the event tells can no longer be read: its keys are shredded.
    Erased,
    /// Something inside this service failed.
    Internal,
}

impl FailureCode {
    /// Whether trying again cannot help.
    #[must_use]
    pub const fn is_lasting(self) -> bool {
        match self {
            Self::Invalid | Self::Gone | Self::Erased => true,
            Self::Forbidden
            | Self::Unreachable
            | Self::Timeout
            | Self::Tls
            | Self::Status
            | Self::Internal => false,
        }
    }
}

/// A delivery as it stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Nothing has happened under this id.
    #[default]
    Absent,
    /// An attempt is due.
    Waiting {
        /// Attempts made.
        attempts: u32,
        /// When the next is due; at once where absent.
        retry_at: Option<Timestamp>,
        /// When the event became due.
        due_at: Timestamp,
    },
    /// The endpoint took it.
    Delivered {
        /// When.
        at: Timestamp,
    },
    /// Given up.
    Exhausted {
        /// When.
        at: Timestamp,
    },
}

/// How an attempt went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A 2xx.
    Taken {
        /// The status.
        status: u16,
    },
    /// Anything else.
    NotTaken {
        /// Why.
        code: FailureCode,
        /// The status, where one came.
        status: Option<u16>,
        /// Not before this time, as the endpoint asked by `Retry-After`, within bounds.
        not_before: Option<Timestamp>,
    },
}

/// Why a verb does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was never due.
    #[error("there is no such delivery")]
    Unknown,
}

type Decision = Result<Vec<Event>, Refusal>;

/// Makes a delivery due; nothing to do when it is.
///
/// # Errors
/// None; a `Result` as every decision.
pub fn due(state: &State, event_id: EventId, event_type: String, job: JobId) -> Decision {
    Ok(match state {
        State::Absent => vec![Event::Due { event_id, event_type, job }],
        State::Waiting { .. } | State::Delivered { .. } | State::Exhausted { .. } => vec![],
    })
}

/// Records how attempt number `attempt` went. What another dispatcher has recorded meanwhile
/// stands: then nothing is added.
///
/// # Errors
/// [`Refusal::Unknown`].
pub fn record(
    state: &State,
    attempt: u32,
    outcome: Outcome,
    latency_ms: u64,
    schedule: &Schedule,
    (now, jitter): (Timestamp, f64),
) -> Decision {
    let attempts = match state {
        State::Absent => return Err(Refusal::Unknown),
        State::Delivered { .. } | State::Exhausted { .. } => return Ok(vec![]),
        State::Waiting { attempts, .. } => *attempts,
    };
    let (code, status, not_before) = match outcome {
        Outcome::Taken { status } => {
            return Ok(vec![Event::Delivered { attempt, status, latency_ms }]);
        }
        Outcome::NotTaken { .. } if attempts >= attempt => return Ok(vec![]),
        Outcome::NotTaken { code, status, not_before } => (code, status, not_before),
    };
    Ok(vec![match schedule.after(attempt, now, jitter) {
        Some(retry_at) if !code.is_lasting() => {
            let retry_at = not_before.map_or(retry_at, |not_before| retry_at.max(not_before));
            Event::AttemptFailed { attempt, code, status, latency_ms, retry_at }
        }
        Some(_) | None => Event::Exhausted { attempts: attempt, code, status },
    }])
}

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
        match event {
            Event::Due { .. } => "due",
            Event::AttemptFailed { .. } => "attempt_failed",
            Event::Delivered { .. } => "delivered",
            Event::Exhausted { .. } => "exhausted",
        }
    }

    fn evolve(state: State, event: &Event, at: Timestamp) -> State {
        match (state, event) {
            (State::Absent, Event::Due { .. }) => {
                State::Waiting { attempts: 0, retry_at: None, due_at: at }
            }
            (State::Waiting { due_at, .. }, Event::AttemptFailed { attempt, retry_at, .. }) => {
                State::Waiting { attempts: *attempt, retry_at: Some(*retry_at), due_at }
            }
            (State::Waiting { .. }, Event::Delivered { .. }) => State::Delivered { at },
            (State::Waiting { .. }, Event::Exhausted { .. }) => State::Exhausted { at },
            // What is stored has happened; an event that fits no state changes none.
            (state, _) => state,
        }
    }
}
