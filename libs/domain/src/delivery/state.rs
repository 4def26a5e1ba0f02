//! What a delivery's history amounts to.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{Event, FailureCode, Told};

/// A delivery, or that there is none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing has happened under this id.
    #[default]
    Absent,
    /// There is a delivery.
    Present(Box<Delivery>),
}

/// A delivery as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// What it tells.
    pub told: Told,
    /// When it became due.
    pub due_at: Timestamp,
    /// Attempts made.
    pub attempts: u32,
    /// Attempts that the schedule does not count: those made before somebody wanted it told again, and
    /// those that were interrupted.
    pub attempts_before: u32,
    /// Where it stands.
    pub phase: Phase,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// An attempt is due.
    Waiting {
        /// When; at once where absent.
        retry_at: Option<Timestamp>,
    },
    /// The endpoint took it.
    Delivered {
        /// When.
        at: Timestamp,
    },
    /// Given up.
    Exhausted {
        /// When.
        at: Timestamp,
        /// Why the last attempt failed.
        code: FailureCode,
    },
}

impl State {
    /// The delivery, if there is one.
    #[must_use]
    pub const fn delivery(&self) -> Option<&Delivery> {
        match self {
            Self::Absent => None,
            Self::Present(delivery) => Some(delivery),
        }
    }

    pub(super) fn evolve(self, event: &Event, at: Timestamp) -> Self {
        match (self, event) {
            (Self::Absent, Event::Due { told } | Event::Delivered { told: Some(told), .. }) => {
                let phase = match event {
                    Event::Delivered { .. } => Phase::Delivered { at },
                    _ => Phase::Waiting { retry_at: None },
                };
                let attempts = u32::from(phase != Phase::Waiting { retry_at: None });
                let told = told.clone();
                let due_at = at;
                Self::Present(Box::new(Delivery {
                    told,
                    due_at,
                    attempts,
                    attempts_before: 0,
                    phase,
                }))
            }
            (Self::Absent, _) => Self::Absent,
            (Self::Present(mut delivery), event) => {
                delivery.apply(event, at);
                Self::Present(delivery)
            }
        }
    }
}

impl Delivery {
    /// Whether an attempt is due, at once or later.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        matches!(self.phase, Phase::Waiting { .. })
    }

    /// What is stored has happened; an event that fits no phase changes none.
    fn apply(&mut self, event: &Event, at: Timestamp) {
        match (self.phase, event) {
            (Phase::Waiting { .. }, Event::AttemptFailed { attempt, retry_at, code, .. }) => {
                self.attempts = *attempt;
                if *code == FailureCode::Interrupted {
                    self.attempts_before += 1;
                }
                self.phase = Phase::Waiting { retry_at: Some(*retry_at) };
            }
            (Phase::Waiting { .. } | Phase::Exhausted { .. }, Event::Delivered { attempt, .. }) => {
                self.attempts = *attempt;
                self.phase = Phase::Delivered { at };
            }
            // Two attempts were made at the same time, and this one ended after it was over.
            (Phase::Delivered { .. }, Event::Delivered { attempt, .. })
            | (
                Phase::Delivered { .. } | Phase::Exhausted { .. },
                Event::AttemptFailed { attempt, .. },
            ) => self.attempts = *attempt,
            (Phase::Waiting { .. }, Event::Exhausted { attempts, code, .. }) => {
                self.attempts = *attempts;
                self.phase = Phase::Exhausted { at, code: *code };
            }
            (Phase::Delivered { .. } | Phase::Exhausted { .. }, Event::RedeliveryRequested {}) => {
                self.attempts_before = self.attempts;
                self.phase = Phase::Waiting { retry_at: None };
            }
            _ => {}
        }
    }
}
