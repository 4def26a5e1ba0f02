//! What a job's history amounts to.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{Artifact, Completed, Event, Fetched, Requested};
use crate::{Capability, FailureCode, Sealed, failure::Persistence, id::WorkerId};

/// A job, or that there is none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing has happened under this id.
    #[default]
    Absent,
    /// There is a job.
    Present(Box<Job>),
}

/// A job as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The wish.
    pub requested: Requested,
    /// When it was accepted.
    pub requested_at: Timestamp,
    /// When anything last happened.
    pub updated_at: Timestamp,
    /// Attempts started.
    pub attempts: u32,
    /// Attempts that the source itself may have brought down.
    pub suspicions: u32,
    /// Where it stands.
    pub phase: Phase,
    /// What the source is, once read.
    pub fetched: Option<Fetched>,
    /// Stored artifacts, in order of page and size.
    pub artifacts: Vec<Artifact>,
    /// When it was asked that everything held about it go.
    #[serde(default)]
    pub erasure_requested_at: Option<Timestamp>,
}

/// Where a job stands. Each variant carries what is true in it alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Waits for a worker.
    Queued {
        /// Why the last attempt failed and when the next is due.
        retry: Option<Retry>,
    },
    /// A worker has the lease.
    Running {
        /// Whose it is.
        worker: WorkerId,
        /// When it began.
        started_at: Timestamp,
        /// Whether intermediates may exist that no `wiped` covers.
        to_wipe: bool,
        /// Whether the caller wants it to stop.
        cancelling: bool,
    },
    /// Over.
    Ended(Ended),
}

/// The next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// When it is due.
    pub at: Timestamp,
    /// Why it is needed.
    pub code: FailureCode,
}

/// How and when a job ended, and what became of it since.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// How.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// When.
    pub ended_at: Timestamp,
    /// When its artifacts in development storage were removed.
    pub expired_at: Option<Timestamp>,
    /// When its keys were shredded.
    pub erased_at: Option<Timestamp>,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Fulfilled.
    Completed(Completed),
    /// Given up.
    Failed {
        /// Why.
        code: FailureCode,
        /// Which part is missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        capability: Option<Capability>,
        /// More of why.
        detail: Option<Sealed>,
    },
    /// Not wanted any more.
    Cancelled,
}

/// A job's standing in one word, for lists, filters and counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waits for its first attempt.
    Queued,
    /// Waits for another attempt.
    Retrying,
    /// A worker has it.
    Running,
    /// A worker has it and was asked to stop.
    Cancelling,
    /// Fulfilled.
    Completed,
    /// Given up.
    Failed,
    /// Not wanted any more.
    Cancelled,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Retrying,
        Self::Running,
        Self::Cancelling,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Retrying => "retrying",
            Self::Running => "running",
            Self::Cancelling => "cancelling",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether nothing more will be done for the job.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

impl State {
    /// The job, if there is one.
    #[must_use]
    pub fn job(&self) -> Option<&Job> {
        match self {
            Self::Absent => None,
            Self::Present(job) => Some(job),
        }
    }

    /// The state after one more event. An event that fits no history of ours changes nothing but
    /// `updated_at`: what is stored has happened, and reading it must not fail.
    #[must_use]
    pub fn evolve(self, event: &Event, at: Timestamp) -> Self {
        match (self, event) {
            (Self::Absent, Event::Requested(requested)) => {
                Self::Present(Box::new(Job::new(requested.clone(), at)))
            }
            (Self::Absent, _) => Self::Absent,
            (Self::Present(mut job), event) => {
                job.apply(event, at);
                Self::Present(job)
            }
        }
    }
}

impl Job {
    fn new(requested: Requested, at: Timestamp) -> Self {
        Self {
            requested,
            requested_at: at,
            updated_at: at,
            attempts: 0,
            suspicions: 0,
            phase: Phase::Queued { retry: None },
            fetched: None,
            artifacts: Vec::new(),
            erasure_requested_at: None,
        }
    }

    /// Its standing in one word.
    #[must_use]
    pub const fn status(&self) -> Status {
        match &self.phase {
            Phase::Queued { retry: None } => Status::Queued,
            Phase::Queued { retry: Some(_) } => Status::Retrying,
            Phase::Running { cancelling: true, .. } => Status::Cancelling,
            Phase::Running { .. } => Status::Running,
            Phase::Ended(ended) => match ended.outcome {
                Outcome::Completed(_) => Status::Completed,
                Outcome::Failed { .. } => Status::Failed,
                Outcome::Cancelled => Status::Cancelled,
            },
        }
    }

    fn apply(&mut self, event: &Event, at: Timestamp) {
        self.updated_at = at;
        match event {
            Event::Requested(_) => {}
            Event::Started { attempt, worker } => self.begin(*attempt, *worker, at),
            Event::Fetched(fetched) => {
                self.fetched = Some(fetched.clone());
                self.note_intermediates(true);
            }
            Event::Stored { artifact } => {
                self.keep(artifact);
                self.note_intermediates(true);
            }
            Event::Wiped { .. } => self.note_intermediates(false),
            Event::Completed(completed) => self.end(Outcome::Completed(completed.clone()), at),
            Event::AttemptFailed { code, retry_at, .. } => {
                self.suspicions += u32::from(code.persistence() == Persistence::Suspect);
                self.phase = Phase::Queued { retry: Some(Retry { at: *retry_at, code: *code }) };
            }
            Event::Failed { code, capability, detail, attempts: _ } => {
                let (code, capability) = (*code, *capability);
                self.end(Outcome::Failed { code, capability, detail: detail.clone() }, at);
            }
            Event::CancelRequested {} => {
                if let Phase::Running { cancelling, .. } = &mut self.phase {
                    *cancelling = true;
                }
            }
            Event::Cancelled {} => self.end(Outcome::Cancelled, at),
            Event::Expired {} => {
                if let Phase::Ended(ended) = &mut self.phase {
                    ended.expired_at = Some(at);
                }
            }
            Event::ErasureRequested {} => self.erasure_requested_at = Some(at),
            Event::Erased { .. } => {
                if let Phase::Ended(ended) = &mut self.phase {
                    ended.erased_at = Some(at);
                }
            }
        }
    }

    const fn note_intermediates(&mut self, exist: bool) {
        if let Phase::Running { to_wipe, .. } = &mut self.phase {
            *to_wipe = exist;
        }
    }

    fn begin(&mut self, attempt: u32, worker: WorkerId, started_at: Timestamp) {
        let cancelling = matches!(self.phase, Phase::Running { cancelling: true, .. });
        self.attempts = attempt;
        self.phase = Phase::Running { worker, started_at, to_wipe: true, cancelling };
    }

    /// A repeated attempt overwrites what an earlier one stored under the same name.
    fn keep(&mut self, artifact: &Artifact) {
        self.artifacts.retain(|kept| kept.name != artifact.name);
        let order = |kept: &Artifact| (kept.page, kept.size_index);
        let place = self.artifacts.partition_point(|kept| order(kept) < order(artifact));
        self.artifacts.insert(place, artifact.clone());
    }

    fn end(&mut self, outcome: Outcome, ended_at: Timestamp) {
        self.phase = Phase::Ended(Ended { outcome, ended_at, expired_at: None, erased_at: None });
    }
}
