//! What a store is fed with: events, and where in the log they lie.

use domain::{Timestamp, account, delivery, endpoint, id::AccountId, job, member, upload};
use serde::{Deserialize, Serialize};

/// The streams a store follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Histories of accounts.
    Accounts,
    /// Histories of jobs.
    Jobs,
    /// Histories of members.
    Members,
    /// Histories of uploads.
    Uploads,
    /// Histories of endpoints.
    Endpoints,
    /// Histories of deliveries.
    Deliveries,
}

impl Stream {
    /// Every stream.
    pub const ALL: [Self; 6] = [
        Self::Accounts,
        Self::Jobs,
        Self::Members,
        Self::Uploads,
        Self::Endpoints,
        Self::Deliveries,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Jobs => "jobs",
            Self::Members => "members",
            Self::Uploads => "uploads",
            Self::Endpoints => "endpoints",
            Self::Deliveries => "deliveries",
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
    /// Something happened to a member.
    Member(member::Id, member::Event),
    /// Something happened to an upload.
    Upload(upload::Id, upload::Event),
    /// Something happened to an endpoint.
    Endpoint(endpoint::Id, endpoint::Event),
    /// Something happened to a delivery.
    Delivery(delivery::Id, delivery::Event),
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
    /// In the histories of members.
    #[serde(default)]
    pub members: u64,
    /// In the histories of uploads.
    #[serde(default)]
    pub uploads: u64,
    /// In the histories of endpoints.
    #[serde(default)]
    pub endpoints: u64,
    /// In the histories of deliveries.
    #[serde(default)]
    pub deliveries: u64,
}

impl Positions {
    /// How far into `stream`.
    #[must_use]
    pub const fn of(&self, stream: Stream) -> u64 {
        match stream {
            Stream::Accounts => self.accounts,
            Stream::Jobs => self.jobs,
            Stream::Members => self.members,
            Stream::Uploads => self.uploads,
            Stream::Endpoints => self.endpoints,
            Stream::Deliveries => self.deliveries,
        }
    }

    pub(crate) const fn advance(&mut self, stream: Stream, seq: u64) {
        match stream {
            Stream::Accounts => self.accounts = seq,
            Stream::Jobs => self.jobs = seq,
            Stream::Members => self.members = seq,
            Stream::Uploads => self.uploads = seq,
            Stream::Endpoints => self.endpoints = seq,
            Stream::Deliveries => self.deliveries = seq,
        }
    }

    /// Whether these reach at least as far as `other` in every stream.
    #[must_use]
    pub const fn cover(&self, other: &Self) -> bool {
        self.accounts >= other.accounts
            && self.jobs >= other.jobs
            && self.members >= other.members
            && self.uploads >= other.uploads
            && self.endpoints >= other.endpoints
            && self.deliveries >= other.deliveries
    }
}
