//! What an upload's history amounts to.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{Checksum, Event, RejectedBecause, RemovedBecause, Started};
use crate::id::JobId;

/// An upload, or that there is none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing has happened under this id.
    #[default]
    Absent,
    /// There is an upload.
    Present(Box<Upload>),
}

/// An upload as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Upload {
    /// As it was announced.
    pub started: Started,
    /// When.
    pub started_at: Timestamp,
    /// Where it stands.
    pub phase: Phase,
    /// Jobs for which the file stays, and since when.
    #[serde(default)]
    pub claims: BTreeMap<JobId, Timestamp>,
}

/// Where an upload stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Parts are being sent.
    Open,
    /// All parts are there; what they make is being held against what was announced.
    Verifying {
        /// What it is held against.
        checksum: Checksum,
        /// Since when.
        at: Timestamp,
    },
    /// The file is there.
    Uploaded {
        /// What it was held against.
        checksum: Checksum,
        /// Since when.
        at: Timestamp,
    },
    /// It is not the file that was announced.
    Rejected {
        /// Why.
        because: RejectedBecause,
        /// When.
        at: Timestamp,
    },
    /// It was not completed.
    Expired {
        /// When that was settled.
        at: Timestamp,
    },
    /// The file is gone.
    Removed {
        /// Why.
        because: RemovedBecause,
        /// When.
        at: Timestamp,
    },
}

impl Phase {
    /// Its name on the wire.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Verifying { .. } => "verifying",
            Self::Uploaded { .. } => "uploaded",
            Self::Rejected { .. } => "rejected",
            Self::Expired { .. } => "expired",
            Self::Removed { .. } => "removed",
        }
    }

    /// The names of all of them.
    pub const NAMES: [&str; 6] =
        ["open", "verifying", "uploaded", "rejected", "expired", "removed"];

    /// Whether nothing of the file is to be in the platform bucket.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self, Self::Rejected { .. } | Self::Expired { .. } | Self::Removed { .. })
    }
}

impl State {
    /// The upload, if there is one.
    #[must_use]
    pub const fn upload(&self) -> Option<&Upload> {
        match self {
            Self::Absent => None,
            Self::Present(upload) => Some(upload),
        }
    }

    pub(super) fn evolve(self, event: &Event, at: Timestamp) -> Self {
        let upload = match (self, event) {
            (_, Event::Started(started)) => {
                let started = started.clone();
                return Self::Present(Box::new(Upload {
                    started,
                    started_at: at,
                    phase: Phase::Open,
                    claims: BTreeMap::new(),
                }));
            }
            (Self::Absent, _) => return Self::Absent,
            (Self::Present(upload), _) => upload,
        };
        Self::Present(Box::new(upload.evolve(event, at)))
    }
}

impl Upload {
    fn evolve(mut self, event: &Event, at: Timestamp) -> Self {
        let phase = match event {
            Event::Started(_) => Phase::Open,
            Event::CompletionRequested { checksum } => {
                Phase::Verifying { checksum: checksum.clone(), at }
            }
            Event::SourceUploaded { checksum, .. } => {
                Phase::Uploaded { checksum: checksum.clone(), at }
            }
            Event::Rejected { because } => Phase::Rejected { because: *because, at },
            Event::Expired {} => Phase::Expired { at },
            Event::Removed { because } => Phase::Removed { because: *because, at },
            Event::Claimed { job } => {
                self.claims.insert(*job, at);
                return self;
            }
        };
        Self { phase, ..self }
    }
}
