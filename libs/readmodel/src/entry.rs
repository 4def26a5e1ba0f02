//! What a store is fed with: events, and where in the log they lie.

use domain::{Timestamp, account, id::AccountId, job};
use serde::{Deserialize, Serialize};

/// The streams a store follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Histories of accounts.
    Accounts,
    /// Histories of jobs.
    Jobs,
}

impl Stream {
    /// Every stream.
    pub const ALL: [Self; 2] = [Self::Accounts, Self::Jobs];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Jobs => "jobs",
        }
    }
}

/// One message of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Where it lies.
    pub stream: Stream,
    /// Its sequence there.
    pub seq: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// What it says.
    pub change: Change,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Something happened to a job.
    Job(job::Id, job::Event),
    /// Something happened to an account.
    Account(AccountId, account::Event),
    /// It could not be read. The place is kept, so that the gap is known and never silent.
    Unreadable,
}

/// How far into each stream the rows reach: the sequence of the last message applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Positions {
    /// In the histories of accounts.
    pub accounts: u64,
    /// In the histories of jobs.
    pub jobs: u64,
}

impl Positions {
    /// How far into `stream`.
    #[must_use]
    pub const fn of(&self, stream: Stream) -> u64 {
        match stream {
            Stream::Accounts => self.accounts,
            Stream::Jobs => self.jobs,
        }
    }

    pub(crate) const fn advance(&mut self, stream: Stream, seq: u64) {
        match stream {
            Stream::Accounts => self.accounts = seq,
            Stream::Jobs => self.jobs = seq,
        }
    }

    /// Whether these reach at least as far as `other` in every stream.
    #[must_use]
    pub const fn cover(&self, other: &Self) -> bool {
        self.accounts >= other.accounts && self.jobs >= other.jobs
    }
}
