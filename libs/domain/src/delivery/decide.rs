//! What may happen to a delivery: one function a verb, each pure.

use jiff::Timestamp;

use super::{
    event::{Answer, Event, FailureCode, Told},
    state::{Phase, State},
};
use crate::retry::Schedule;

/// How an attempt went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A 2xx.
    Taken {
        /// The status.
        status: u16,
    },
    /// Anything else.
    NotTaken {
        /// Why.
        code: FailureCode,
        /// The status, where one came.
        status: Option<u16>,
        /// Not before this time, as the endpoint asked by `Retry-After`, within bounds.
        not_before: Option<Timestamp>,
    },
}

/// An attempt that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempted {
    /// What was told.
    pub told: Told,
    /// Counts from 1.
    pub attempt: u32,
    /// How it went.
    pub outcome: Outcome,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
    /// Who answered, and what.
    pub answer: Answer,
}

/// Why a verb does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was never due.
    #[error("there is no such delivery")]
    Unknown,
    /// An attempt is due anyway.
    #[error("the delivery is not over")]
    Waiting,
}

type Decision = Result<Vec<Event>, Refusal>;

/// Makes a delivery due; nothing to do when it is, or is over.
///
/// # Errors
/// None; a `Result` as every decision.
pub fn due(state: &State, told: Told) -> Decision {
    Ok(match state {
        State::Absent => vec![Event::Due { told }],
        State::Present(_) => vec![],
    })
}

/// Records an attempt. What another dispatcher has recorded meanwhile stands: then nothing is
/// added. `jitter` in `0.0..=1.0` lengthens the wait for the next.
///
/// # Errors
/// None; a `Result` as every decision.
pub fn record(
    state: &State,
    attempted: Attempted,
    schedule: &Schedule,
    (now, jitter): (Timestamp, f64),
) -> Decision {
    let Attempted { told, attempt, outcome, latency_ms, answer } = attempted;
    let (before, first) = match state.delivery() {
        None => (0, Some(told)),
        Some(known) if !known.is_waiting() || known.attempts >= attempt => return Ok(vec![]),
        Some(known) => (known.attempts_before, None),
    };
    let (code, status, not_before) = match outcome {
        Outcome::Taken { status } => {
            return Ok(vec![Event::Delivered { attempt, status, latency_ms, answer, told: first }]);
        }
        Outcome::NotTaken { code, status, not_before } => (code, status, not_before),
    };
    let next = schedule.after(attempt.saturating_sub(before), now, jitter);
    let failed = match next.filter(|_| !code.is_lasting()) {
        Some(retry_at) => {
            let retry_at = not_before.map_or(retry_at, |not_before| retry_at.max(not_before));
            Event::AttemptFailed { attempt, code, status, latency_ms, retry_at, answer }
        }
        None => Event::Exhausted { attempts: attempt, code, status, latency_ms, answer },
    };
    Ok(first.map(|told| Event::Due { told }).into_iter().chain([failed]).collect())
}

/// Has it told again, by a schedule that begins anew.
///
/// # Errors
/// [`Refusal::Unknown`], [`Refusal::Waiting`].
pub fn redeliver(state: &State) -> Decision {
    match state.delivery().ok_or(Refusal::Unknown)?.phase {
        Phase::Waiting { .. } => Err(Refusal::Waiting),
        Phase::Delivered { .. } | Phase::Exhausted { .. } => {
            Ok(vec![Event::RedeliveryRequested {}])
        }
    }
}
