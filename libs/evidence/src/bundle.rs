//! Evidence of one job or account in one file: what is stored, and the proof that it was signed.
//!
//! A bundle holds every event of a job and of its deliveries byte for byte as stored, for each the
//! path to the root of its stream's tree, and the signed checkpoints over these roots. Whoever has
//! the verifier key from somewhere else needs nothing but the file. What it says in plain words is
//! made anew from the events whenever it is checked.

mod check;
mod gather;
mod page;
#[cfg(test)]
mod tests;
mod words;

use domain::id::{AccountId, JobId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::{
    check::{Checked, Covered, Step},
    gather::{GatherError, gather},
    page::page,
};
use crate::{
    Hash,
    verify::{Signed, Stored},
};

/// What a bundle says that it is.
pub const KIND: &str = "darkroom-evidence";
/// Its shape.
pub const VERSION: u32 = 1;
/// The media type of a bundle.
pub const MEDIA_TYPE: &str = "application/json";

/// Evidence of one job or account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// [`KIND`].
    pub kind: String,
    /// [`VERSION`].
    pub version: u32,
    /// When it was put together. Nothing covers that.
    pub made_at: Timestamp,
    /// What it is about.
    pub about: About,
    /// What happened, a sentence for each event.
    pub summary: Vec<String>,
    /// The verifier keys that the checkpoints are said to be signed with. Compare them with what you
    /// were given: who forges a log brings a key of their own.
    pub keys: Vec<String>,
    /// The newest checkpoint of every stream that has events here.
    pub checkpoints: Vec<Signed>,
    /// The events, in the order in which they were decided.
    pub events: Vec<Proven>,
}

/// What a bundle is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Whose it is.
    pub account: AccountId,
    /// The job; without one it is about the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
}

/// An event, and the path from its leaf to the root of its stream's tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proven {
    /// The event as stored.
    pub event: Stored,
    /// The path; none for an event that is younger than the checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Vec<Hash>>,
}

impl Bundle {
    /// What its files are called, without an ending.
    #[must_use]
    pub fn file_name(&self) -> String {
        match self.about.job {
            Some(job) => format!("evidence-{job}"),
            None => format!("evidence-account-{}", self.about.account),
        }
    }
}
