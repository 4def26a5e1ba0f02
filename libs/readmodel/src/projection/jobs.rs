//! Jobs: each by its id, in its account's list, in the list of its status, and counted.

use domain::{
    id::{AccountId, JobId},
    job::{self, Event, Job, State, Status},
};
use serde::{Deserialize, Serialize};

use super::Row;
use crate::{
    entry::Entry,
    key::{self, Key, Place},
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

    fn place(&self) -> Place {
        Place::new(self.job.requested_at, self.id)
    }
}

impl Row for JobRow {
    fn key(&self) -> Key {
        key::job(job::Id { account: self.account, job: self.id })
    }

    fn indexes(&self) -> Vec<(Key, Vec<u8>)> {
        [key::list(self.account), key::list_of(self.account, self.status())]
            .map(|list| (key::listed(list, self.place()), Vec::new()))
            .into()
    }

    fn counts(&self) -> Vec<Key> {
        vec![key::count(self.account, self.status()), key::count_of_all(self.status())]
    }
}

/// The row after one more event. A history whose beginning is gone makes no row.
pub(crate) fn evolve(
    row: Option<JobRow>,
    id: job::Id,
    event: &Event,
    entry: &Entry,
) -> Option<JobRow> {
    let state = row.map_or(State::Absent, |row| State::Present(row.job));
    match state.evolve(event, entry.at) {
        State::Absent => None,
        State::Present(job) => {
            Some(JobRow { account: id.account, id: id.job, seq: entry.seq, job })
        }
    }
}
