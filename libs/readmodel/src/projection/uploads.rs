//! Uploads: each by account and id.

use domain::{
    id::{AccountId, UploadId},
    upload::{self, Event, State, Upload},
};
use serde::{Deserialize, Serialize};

use super::{Row, usage::is_open};
use crate::{
    entry::Entry,
    key::{self, Held, Key},
};

/// An upload as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UploadRow {
    /// Whose it is.
    pub account: AccountId,
    /// Which it is.
    pub id: UploadId,
    /// Sequence in the stream of the last event that is part of it.
    pub seq: u64,
    /// The upload.
    pub upload: Box<Upload>,
}

impl Row for UploadRow {
    fn key(&self) -> Key {
        key::upload(upload::Id { account: self.account, upload: self.id })
    }

    fn indexes(&self) -> Vec<(Key, Vec<u8>)> {
        Vec::new()
    }

    fn counts(&self) -> Vec<(Key, u64)> {
        if !is_open(&self.upload) {
            return Vec::new();
        }
        vec![
            (key::held(self.account, Held::Uploads), 1),
            (key::held(self.account, Held::UploadBytes), self.upload.started.size_bytes),
        ]
    }
}

/// The row after one more event. A history whose beginning is gone makes no row.
pub(crate) fn evolve(
    row: Option<UploadRow>,
    id: upload::Id,
    event: &Event,
    entry: &Entry,
) -> Option<UploadRow> {
    use domain::{Aggregate as _, upload::Uploads};
    let state = row.map_or(State::Absent, |row| State::Present(row.upload));
    match Uploads::evolve(state, event, entry.at) {
        State::Absent => None,
        State::Present(upload) => {
            Some(UploadRow { account: id.account, id: id.upload, seq: entry.seq, upload })
        }
    }
}
