//! Endpoints: each by account and id.

use domain::{
    Aggregate,
    endpoint::{self, Endpoint, Endpoints, Event, State},
    id::{AccountId, EndpointId},
};
use serde::{Deserialize, Serialize};

use super::Row;
use crate::{
    entry::Entry,
    key::{self, Key},
};

/// An endpoint as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndpointRow {
    /// Whose it is.
    pub account: AccountId,
    /// Which it is.
    pub id: EndpointId,
    /// Sequence in the stream of the last event that is part of it.
    pub seq: u64,
    /// The endpoint.
    pub endpoint: Box<Endpoint>,
}

impl Row for EndpointRow {
    fn key(&self) -> Key {
        key::endpoint(endpoint::Id { account: self.account, endpoint: self.id })
    }

    fn indexes(&self) -> Vec<(Key, Vec<u8>)> {
        Vec::new()
    }

    fn counts(&self) -> Vec<(Key, u64)> {
        Vec::new()
    }
}

/// The row after one more event. One that was removed has none.
pub(crate) fn evolve(
    row: Option<EndpointRow>,
    id: endpoint::Id,
    event: &Event,
    entry: &Entry,
) -> Option<EndpointRow> {
    let state = row.map_or(State::Absent, |row| State::Present(row.endpoint));
    match Endpoints::evolve(state, event, entry.at) {
        State::Absent | State::Removed => None,
        State::Present(endpoint) => {
            Some(EndpointRow { account: id.account, id: id.endpoint, seq: entry.seq, endpoint })
        }
    }
}
