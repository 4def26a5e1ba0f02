//! Jobs: each by its id, in its account's list of its status, and counted.

use domain::{
    id::{AccountId, JobId},
    job::{self, Event, Job, Phase, State, Status, StoredIn},
};
use serde::{Deserialize, Serialize};

use super::Row;
use crate::{
    entry::Entry,
    key::{self, Held, Key, Place},
};

/// A job as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRow {
    /// Whose it is.
    pub account: AccountId,
    /// Which it is.
    pub id: JobId,
    /// Sequence in the stream of the last event that is part of it.
    pub seq: u64,
    /// The job.
    pub job: Box<Job>,
}

impl JobRow {
    fn status(&self) -> Status {
        self.job.status()
    }

    /// Bytes of its results in development storage.
    fn development_bytes(&self) -> u64 {
        let gone = match &self.job.phase {
            Phase::Ended(ended) => ended.expired_at.or(ended.erased_at).is_some(),
            Phase::Queued { .. } | Phase::Running { .. } => false,
        };
        let artifacts = self.job.artifacts.iter().filter(|_| !gone);
        let there = artifacts.filter(|artifact| artifact.stored_in == StoredIn::Development);
        there.map(|artifact| artifact.size_bytes).sum()
    }

    fn place(&self) -> Place {
        Place::new(self.job.requested_at, self.id)
    }
}

impl Row for JobRow {
    fn key(&self) -> Key {
        key::job(job::Id { account: self.account, job: self.id })
    }

    fn indexes(&self) -> Vec<(Key, Vec<u8>)> {
        let list = key::list_of(self.account, self.status());
        vec![(key::listed(list, self.place()), Vec::new())]
    }

    fn counts(&self) -> Vec<(Key, u64)> {
        vec![
            (key::count(self.account, self.status()), 1),
            (key::count_of_all(self.status()), 1),
            (key::held(self.account, Held::Jobs), u64::from(!self.status().is_final())),
            (key::held(self.account, Held::DevelopmentBytes), self.development_bytes()),
        ]
    }
}

/// The row after one more event. A history whose beginning is gone makes no row, nor does a job that
/// was erased.
pub(crate) fn evolve(
    row: Option<JobRow>,
    id: job::Id,
    event: &Event,
    entry: &Entry,
) -> Option<JobRow> {
    let state = row.map_or(State::Absent, |row| State::Present(row.job));
    match state.evolve(event, entry.at) {
        _ if matches!(event, Event::Erased { .. }) => None,
        State::Absent => None,
        State::Present(job) => {
            Some(JobRow { account: id.account, id: id.job, seq: entry.seq, job })
        }
    }
}
