//! Deliveries: each by its id, in its endpoint's list, in that of its standing, and in that of its job.

use std::net::IpAddr;

use domain::{
    Aggregate, Timestamp,
    delivery::{self, Deliveries, Delivery, Event, FailureCode, Phase, State},
    endpoint,
    id::{AccountId, DeliveryId, EndpointId},
    job,
};
use serde::{Deserialize, Serialize};

use super::Row;
use crate::{
    entry::Entry,
    key::{self, Key, Place},
};

/// A delivery as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeliveryRow {
    /// Whose it is.
    pub account: AccountId,
    /// Where it goes.
    pub endpoint: EndpointId,
    /// Which it is.
    pub id: DeliveryId,
    /// Sequence in the stream of the last event that is part of it.
    pub seq: u64,
    /// When anything last happened.
    pub updated_at: Timestamp,
    /// The delivery.
    pub delivery: Box<Delivery>,
    /// Its last attempt.
    pub last: Option<Attempt>,
    /// Attempts that the endpoint took, or may have taken.
    pub taken: u32,
}

/// How an attempt went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it was over.
    pub at: Timestamp,
    /// The HTTP status, where one came.
    pub status: Option<u16>,
    /// Why it failed, if it did.
    pub code: Option<FailureCode>,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
    /// The address that was called, if it came to that.
    pub address: Option<IpAddr>,
}

/// A delivery's standing in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// An attempt is due.
    Waiting,
    /// The endpoint took it.
    Delivered,
    /// Given up.
    Exhausted,
}

impl Standing {
    /// Every standing.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::Exhausted];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Exhausted => "exhausted",
        }
    }

    /// The standing with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.name() == name)
    }
}

impl DeliveryRow {
    /// Its standing in one word.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        match self.delivery.phase {
            Phase::Waiting { .. } => Standing::Waiting,
            Phase::Delivered { .. } => Standing::Delivered,
            Phase::Exhausted { .. } => Standing::Exhausted,
        }
    }

    /// How often the endpoint took it, or may have taken it, after the first time.
    #[must_use]
    pub const fn duplicates(&self) -> u32 {
        self.taken.saturating_sub(1)
    }

    /// The endpoint it goes to.
    #[must_use]
    pub const fn goes_to(&self) -> endpoint::Id {
        endpoint::Id { account: self.account, endpoint: self.endpoint }
    }

    pub(crate) fn place(&self) -> Place {
        Place::of(self.delivery.due_at, self.id.as_uuid())
    }
}

impl Row for DeliveryRow {
    fn key(&self) -> Key {
        key::delivery(self.account, self.id)
    }

    fn indexes(&self) -> Vec<(Key, Vec<u8>)> {
        let of_job = self.delivery.told.job.map(|job| job::Id { account: self.account, job });
        [
            key::deliveries_to(self.goes_to()),
            key::deliveries_in(self.account, self.standing().name()),
        ]
        .into_iter()
        .chain(of_job.map(key::deliveries_of))
        .map(|list| (key::listed(list, self.place()), Vec::new()))
        .collect()
    }

    fn counts(&self) -> Vec<(Key, u64)> {
        Vec::new()
    }
}

/// The row after one more event. A history whose beginning is gone makes no row.
pub(crate) fn evolve(
    row: Option<DeliveryRow>,
    id: delivery::Id,
    event: &Event,
    entry: &Entry,
) -> Option<DeliveryRow> {
    let (state, last, taken) = match row {
        None => (State::Absent, None, 0),
        Some(row) => (State::Present(row.delivery), row.last, row.taken),
    };
    match Deliveries::evolve(state, event, entry.at) {
        State::Absent => None,
        State::Present(delivery) => Some(DeliveryRow {
            account: id.account,
            endpoint: id.endpoint,
            id: id.delivery,
            seq: entry.seq,
            updated_at: entry.at,
            delivery,
            last: attempt(event, entry.at).or(last),
            taken: taken.saturating_add(u32::from(is_taken(event))),
        }),
    }
}

const fn is_taken(event: &Event) -> bool {
    match event {
        Event::Delivered { .. } => true,
        Event::AttemptFailed { code, .. } | Event::Exhausted { code, .. } => {
            code.may_have_arrived()
        }
        Event::Due { .. } | Event::RedeliveryRequested {} => false,
    }
}

const fn attempt(event: &Event, at: Timestamp) -> Option<Attempt> {
    let (status, code, latency_ms, answer) = match event {
        Event::AttemptFailed { status, code, latency_ms, answer, .. }
        | Event::Exhausted { status, code, latency_ms, answer, .. } => {
            (*status, Some(*code), *latency_ms, answer)
        }
        Event::Delivered { status, latency_ms, answer, .. } => {
            (Some(*status), None, *latency_ms, answer)
        }
        Event::Due { .. } | Event::RedeliveryRequested {} => return None,
    };
    Some(Attempt { at, status, code, latency_ms, address: answer.address })
}
