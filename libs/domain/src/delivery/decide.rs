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

/// Records an attempt. Where another dispatcher made one at the same time and was faster, this one
/// counts as the next: whatever was asked of the endpoint is told of, also once the delivery is over.
/// `jitter` in `0.0..=1.0` lengthens the wait for the next.
///
/// # Errors
/// None; a `Result` as every decision.
pub fn record(
    state: &State,
    attempted: Attempted,
    schedule: &Schedule,
    (now, jitter): (Timestamp, f64),
) -> Decision {
    let Attempted { told, attempt: mine, outcome, latency_ms, answer } = attempted;
    let known = state.delivery();
    let attempt = known.map_or(mine, |known| mine.max(known.attempts + 1));
    let before = known.map_or(0, |known| known.attempts_before);
    let first = known.is_none().then_some(told);
    let (code, status, not_before) = match outcome {
        Outcome::Taken { status } => {
            return Ok(vec![Event::Delivered { attempt, status, latency_ms, answer, told: first }]);
        }
        Outcome::NotTaken { code, status, not_before } => (code, status, not_before),
    };
    let is_over = known.is_some_and(|known| !known.is_waiting());
    if (is_over || attempt > mine) && !code.is_the_endpoints() {
        // Nobody was asked anything, and somebody else said so.
        return Ok(vec![]);
    }
    if is_over {
        let retry_at = now;
        return Ok(vec![Event::AttemptFailed {
            attempt,
            code,
            status,
            latency_ms,
            retry_at,
            answer,
        }]);
    }
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

/// Records an attempt that began `began_ago_ms` before `now` and was cut off: whether the endpoint was asked
/// is not known. The next is due when it was before, and the schedule does not count this one.
///
/// # Errors
/// None; a `Result` as every decision.
pub fn interrupt(state: &State, told: Told, began_ago_ms: u64, now: Timestamp) -> Decision {
    let known = state.delivery();
    let retry_at = match known.map(|known| known.phase) {
        Some(Phase::Waiting { retry_at: Some(retry_at) }) => retry_at,
        _ => now,
    };
    let failed = Event::AttemptFailed {
        attempt: known.map_or(1, |known| known.attempts + 1),
        code: FailureCode::Interrupted,
        status: None,
        latency_ms: began_ago_ms,
        retry_at,
        answer: Answer::default(),
    };
    let due = known.is_none().then_some(Event::Due { told });
    Ok(due.into_iter().chain([failed]).collect())
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
