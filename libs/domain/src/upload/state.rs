//! What an upload's history amounts to.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{Checksum, Event, RemovedBecause, Started};

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
}

/// Where an upload stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Parts are being sent.
    Open,
    /// The file is there.
    Uploaded {
        /// What it was held against.
        checksum: Checksum,
        /// Since when.
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
        let phase = match event {
            Event::Started(started) => {
                let started = started.clone();
                return Self::Present(Box::new(Upload {
                    started,
                    started_at: at,
                    phase: Phase::Open,
                }));
            }
            Event::SourceUploaded { checksum, .. } => {
                Phase::Uploaded { checksum: checksum.clone(), at }
            }
            Event::Expired {} => Phase::Expired { at },
            Event::Removed { because } => Phase::Removed { because: *because, at },
        };
        match self {
            Self::Absent => Self::Absent,
            Self::Present(upload) => Self::Present(Box::new(Upload { phase, ..*upload })),
        }
    }
}
