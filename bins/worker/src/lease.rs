//! The right to act on a job: every act is a decision, fenced by the last event this worker saw.

use std::sync::Arc;

use domain::{
    Timestamp,
    id::WorkerId,
    job::{self, Attempt, Event, Id, Job, Jobs, Phase, Refusal, State},
    retry::Backoff,
};
use eventlog::{Loaded, Log, TransactError};
use service::Clock;

use crate::stop::Stop;

/// A job that this worker holds.
pub(crate) struct Lease {
    pub(crate) id: Id,
    pub(crate) attempt: Attempt,
    log: Log,
    clock: Arc<dyn Clock>,
    known: Loaded<Jobs>,
}

/// What came of asking for a lease.
pub(crate) enum Taken {
    /// It is ours.
    Lease(Box<Lease>),
    /// The job has ended, by this very decision or before.
    Ended,
    /// Not before this time.
    NotDue(Timestamp),
}

impl Lease {
    /// Takes the next attempt of a job, of which `known` has been seen.
    pub(crate) async fn take(
        log: &Log,
        clock: &Arc<dyn Clock>,
        (id, known): (Id, Loaded<Jobs>),
        worker: WorkerId,
        backoff: &Backoff,
    ) -> Result<Taken, TransactError<Refusal>> {
        let now = clock.now();
        let decide = |state: &State| job::start(state, worker, backoff, now);
        let committed = match log.transact_from::<Jobs, _>(&id, known, now, decide).await {
            Ok(committed) => committed,
            Err(TransactError::Refused(Refusal::NotDue { at })) => return Ok(Taken::NotDue(at)),
            Err(TransactError::Refused(Refusal::Ended | Refusal::Unknown)) => {
                return Ok(Taken::Ended);
            }
            Err(error) => return Err(error),
        };
        let known = committed.loaded;
        let Some(Job { attempts, phase: Phase::Running { .. }, .. }) = known.state.job() else {
            return Ok(Taken::Ended);
        };
        let attempt = Attempt { worker, number: *attempts };
        let (log, clock) = (log.clone(), Arc::clone(clock));
        Ok(Taken::Lease(Box::new(Self { id, attempt, log, clock, known })))
    }

    /// The job as last seen.
    pub(crate) fn job(&self) -> Result<&Job, Stop> {
        self.known.state.job().ok_or(Stop::LeaseLost)
    }

    /// Decides and records.
    pub(crate) async fn act(
        &mut self,
        decide: impl Fn(&State, Attempt) -> Result<Vec<Event>, Refusal>,
    ) -> Result<(), Stop> {
        let attempt = self.attempt;
        let committed = self
            .log
            .transact_from::<Jobs, _>(&self.id, self.known.clone(), self.clock.now(), |state| {
                decide(state, attempt)
            })
            .await?;
        self.known = committed.loaded;
        Ok(())
    }
}
