//! What may happen to a job: one function a verb, each pure.
//!
//! The table of who may do what, in which state (anything else is a [`Refusal`]):
//!
//! | verb | absent | queued | running, own lease | running, another's | ended |
//! |---|---|---|---|---|---|
//! | `request` | requested | - (or the other request's conflict) | | | |
//! | `start` | no | started, or not due | started (a redelivery) | started: the lease is taken over | no |
//! | `fetched`, `stored`, `wipe`, `complete`, `fail_attempt` | no | no | yes | no: the lease is lost | no |
//! | `cancel` | no | cancelled | cancel requested | cancel requested | no |
//! | `expire`, `erase` | no | no | no | no | once |
//! | `request_erasure` | no | once, and cancelled | once, and cancel requested | once, and cancel requested | once |

use jiff::Timestamp;

use super::{
    event::{Artifact, Completed, Event, Fetched, Requested},
    state::{Job, Phase, State},
};
use crate::{Capability, FailureCode, Sealed, failure::Persistence, id::WorkerId, retry::Backoff};

/// Attempts after which a source that brings renderers down is not tried again.
pub(super) const MAX_SUSPICIONS: u32 = 2;

/// Why a verb does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such job.
    #[error("there is no such job")]
    Unknown,
    /// The job exists, from a request that differs.
    #[error("another request has been made under this idempotency key")]
    OtherRequest,
    /// The next attempt is not due yet.
    #[error("the next attempt is due at {at}")]
    NotDue {
        /// When it is.
        at: Timestamp,
    },
    /// Another worker has taken the job over.
    #[error("another worker holds the lease")]
    LeaseLost,
    /// The caller wants it to stop; only `wipe` and `give_up` apply.
    #[error("the job is being cancelled")]
    Cancelling,
    /// Intermediates must be destroyed, and that recorded, first.
    #[error("intermediates are not wiped yet")]
    NotWiped,
    /// It is over.
    #[error("the job has ended")]
    Ended,
    /// It is not over.
    #[error("the job has not ended")]
    NotEnded,
}

/// The lease under which a worker acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Who acts.
    pub worker: WorkerId,
    /// Which attempt, from 1.
    pub number: u32,
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub code: FailureCode,
    /// Which part of the installation is missing, if that is why.
    pub capability: Option<Capability>,
    /// More of why; may quote the caller.
    pub detail: Option<Sealed>,
}

impl From<FailureCode> for Failure {
    fn from(code: FailureCode) -> Self {
        Self { code, capability: None, detail: None }
    }
}

type Decision = Result<Vec<Event>, Refusal>;

/// Accepts a wish. Asking again for what already holds yields no event.
///
/// # Errors
/// [`Refusal::OtherRequest`] when the id belongs to a request with another fingerprint.
pub fn request(state: &State, requested: Requested) -> Decision {
    match state {
        State::Absent => Ok(vec![Event::Requested(requested)]),
        State::Present(job) if job.requested.fingerprint == requested.fingerprint => Ok(vec![]),
        State::Present(_) => Err(Refusal::OtherRequest),
    }
}

/// Takes the lease for the next attempt; where too many were lost, ends the job instead.
///
/// A job found running has lost its worker, or this one its memory of it: the lease passes on,
/// and the former holder's next append is refused. Its intermediates died with it.
///
/// # Errors
/// [`Refusal::NotDue`], [`Refusal::Ended`] or [`Refusal::Unknown`].
pub fn start(state: &State, worker: WorkerId, backoff: &Backoff, now: Timestamp) -> Decision {
    let job = present(state)?;
    let started = Event::Started { attempt: job.attempts + 1, worker };
    match &job.phase {
        Phase::Ended(_) => Err(Refusal::Ended),
        Phase::Queued { retry: Some(retry) } if retry.at > now => {
            Err(Refusal::NotDue { at: retry.at })
        }
        Phase::Queued { .. } => Ok(vec![started]),
        Phase::Running { cancelling: true, .. } => {
            Ok(vec![started, Event::Wiped { bytes: 0 }, Event::Cancelled {}])
        }
        Phase::Running { .. } if job.attempts >= backoff.attempts => Ok(vec![
            Event::Wiped { bytes: 0 },
            Event::Failed {
                attempts: job.attempts,
                code: FailureCode::WorkerLost,
                capability: None,
                detail: None,
            },
        ]),
        Phase::Running { .. } => Ok(vec![started]),
    }
}

/// Records what the source is.
///
/// # Errors
/// As for every act under a lease: [`Refusal::LeaseLost`], [`Refusal::Cancelling`],
/// [`Refusal::Ended`].
pub fn fetched(state: &State, attempt: Attempt, fetched: Fetched) -> Decision {
    leased(state, attempt)?;
    Ok(vec![Event::Fetched(fetched)])
}

/// Records that an artifact lies in its bucket.
///
/// # Errors
/// As [`fetched`].
pub fn stored(state: &State, attempt: Attempt, artifact: Artifact) -> Decision {
    leased(state, attempt)?;
    Ok(vec![Event::Stored { artifact: Box::new(artifact) }])
}

/// Records that all intermediates of the attempt are destroyed; also while cancelling.
///
/// # Errors
/// [`Refusal::LeaseLost`] or [`Refusal::Ended`].
pub fn wipe(state: &State, attempt: Attempt, bytes: u64) -> Decision {
    let job = present(state)?;
    match holds_lease(job, attempt)? {
        Lease { to_wipe: true, .. } => Ok(vec![Event::Wiped { bytes }]),
        Lease { to_wipe: false, .. } => Ok(vec![]),
    }
}

/// Ends a job that is fulfilled.
///
/// # Errors
/// [`Refusal::NotWiped`] before `wiped`, otherwise as [`fetched`].
pub fn complete(state: &State, attempt: Attempt, completed: Completed) -> Decision {
    let job = leased(state, attempt)?;
    if must_wipe(job) {
        return Err(Refusal::NotWiped);
    }
    Ok(vec![Event::Completed(completed)])
}

/// Ends an attempt that failed: the job goes back to the queue or, where trying again cannot help
/// or has been tried enough, fails. A cancelled job ends as cancelled.
///
/// `jitter` in `0.0..=1.0` spreads the retries.
///
/// # Errors
/// [`Refusal::NotWiped`] before `wiped`, [`Refusal::LeaseLost`], [`Refusal::Ended`].
pub fn fail_attempt(
    state: &State,
    attempt: Attempt,
    failure: Failure,
    backoff: &Backoff,
    (now, jitter): (Timestamp, f64),
) -> Decision {
    let job = present(state)?;
    let lease = holds_lease(job, attempt)?;
    if lease.to_wipe {
        return Err(Refusal::NotWiped);
    }
    if lease.cancelling {
        return Ok(vec![Event::Cancelled {}]);
    }
    let Failure { code, capability, detail } = failure;
    let failed =
        |code, detail| Event::Failed { attempts: attempt.number, code, capability, detail };
    let retry = backoff.after(attempt.number, now, jitter);
    Ok(vec![match (code.persistence(), retry) {
        (Persistence::Lasting, _) | (Persistence::Passing, None) => failed(code, detail),
        (Persistence::Suspect, _) if job.suspicions + 1 >= MAX_SUSPICIONS => {
            failed(FailureCode::Quarantined, detail)
        }
        (Persistence::Suspect, None) => failed(code, detail),
        (Persistence::Passing | Persistence::Suspect, Some(retry_at)) => {
            Event::AttemptFailed { attempt: attempt.number, code, retry_at, detail }
        }
    }])
}

/// Ends a job whose caller wanted it to stop, by the worker that holds it.
///
/// # Errors
/// [`Refusal::NotWiped`] before `wiped`, [`Refusal::LeaseLost`], [`Refusal::Ended`].
pub fn give_up(state: &State, attempt: Attempt) -> Decision {
    let job = present(state)?;
    match holds_lease(job, attempt)? {
        Lease { to_wipe: true, .. } => Err(Refusal::NotWiped),
        Lease { cancelling: true, .. } => Ok(vec![Event::Cancelled {}]),
        Lease { .. } => Ok(vec![]),
    }
}

/// Ends a job by its caller's wish: at once when no worker has it, else by asking the worker.
///
/// # Errors
/// [`Refusal::Unknown`], or [`Refusal::Ended`] when it is too late.
pub fn cancel(state: &State) -> Decision {
    match &present(state)?.phase {
        Phase::Queued { .. } => Ok(vec![Event::Cancelled {}]),
        Phase::Running { cancelling: true, .. } => Ok(vec![]),
        Phase::Running { .. } => Ok(vec![Event::CancelRequested {}]),
        Phase::Ended(_) => Err(Refusal::Ended),
    }
}

/// Records that artifacts in development storage are gone after their time.
///
/// # Errors
/// [`Refusal::Unknown`] or [`Refusal::NotEnded`].
pub fn expire(state: &State) -> Decision {
    match &present(state)?.phase {
        Phase::Ended(ended) if ended.expired_at.is_some() || ended.erased_at.is_some() => {
            Ok(vec![])
        }
        Phase::Ended(_) => Ok(vec![Event::Expired {}]),
        Phase::Queued { .. } | Phase::Running { .. } => Err(Refusal::NotEnded),
    }
}

/// Asks that everything held about the job go; one that has not ended is cancelled.
///
/// # Errors
/// [`Refusal::Unknown`].
pub fn request_erasure(state: &State) -> Decision {
    let job = present(state)?;
    if job.erasure_requested_at.is_some() {
        return Ok(vec![]);
    }
    let mut events = vec![Event::ErasureRequested {}];
    match job.phase {
        Phase::Queued { .. } => events.push(Event::Cancelled {}),
        Phase::Running { cancelling: false, .. } => events.push(Event::CancelRequested {}),
        Phase::Running { cancelling: true, .. } | Phase::Ended(_) => {}
    }
    Ok(events)
}

/// Records that the job's keys are shredded, and how many objects were removed with them.
///
/// # Errors
/// [`Refusal::Unknown`] or [`Refusal::NotEnded`].
pub fn erase(state: &State, objects: u64) -> Decision {
    match &present(state)?.phase {
        Phase::Ended(ended) if ended.erased_at.is_some() => Ok(vec![]),
        Phase::Ended(_) => Ok(vec![Event::Erased { objects }]),
        Phase::Queued { .. } | Phase::Running { .. } => Err(Refusal::NotEnded),
    }
}

#[derive(Clone, Copy)]
struct Lease {
    to_wipe: bool,
    cancelling: bool,
}

fn present(state: &State) -> Result<&Job, Refusal> {
    state.job().ok_or(Refusal::Unknown)
}

fn holds_lease(job: &Job, attempt: Attempt) -> Result<Lease, Refusal> {
    match job.phase {
        Phase::Ended(_) => Err(Refusal::Ended),
        Phase::Running { worker, to_wipe, cancelling, .. }
            if worker == attempt.worker && job.attempts == attempt.number =>
        {
            Ok(Lease { to_wipe, cancelling })
        }
        Phase::Running { .. } | Phase::Queued { .. } => Err(Refusal::LeaseLost),
    }
}

fn leased(state: &State, attempt: Attempt) -> Result<&Job, Refusal> {
    let job = present(state)?;
    if holds_lease(job, attempt)?.cancelling {
        return Err(Refusal::Cancelling);
    }
    Ok(job)
}

/// Nothing read, nothing to wipe.
fn must_wipe(job: &Job) -> bool {
    job.fetched.is_some() && matches!(job.phase, Phase::Running { to_wipe: true, .. })
}
