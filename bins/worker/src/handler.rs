//! From a message of the queue to a verdict.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{
    FailureCode, Timestamp,
    job::{self, Failure, Id, Jobs, Phase},
    sealed::field,
};
use eventlog::{
    Loaded, ReadError, TransactError,
    follow::{Delivered, Verdict},
};
use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use crate::{
    attempt,
    desk::Desk,
    lease::{Lease, Taken},
    source::Intermediates,
    stop::Stop,
};

/// How long a message waits when the log cannot be reached.
const LOG_TROUBLE: Duration = Duration::from_secs(2);
/// Longest wait that is asked of the queue; what is due later is looked at again by then.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// The most characters of a failure's detail that are kept.
const DETAIL_CHARS: usize = 2_000;

/// Handles jobs, one call a message.
pub(crate) struct Handler {
    desk: Arc<Desk>,
    /// Jobs at work in this process: a message that comes again meanwhile needs no second look.
    working: Mutex<HashMap<Id, ()>>,
    /// Ends attempts that outlast the stop of the process.
    abort: CancellationToken,
}

impl Handler {
    pub(crate) fn new(desk: Arc<Desk>, abort: CancellationToken) -> Self {
        Self { desk, working: Mutex::default(), abort }
    }

    /// Does what the message asks for.
    pub(crate) async fn handle(self: Arc<Self>, delivered: Delivered) -> Verdict {
        let known = match Loaded::<Jobs>::starting_with(&delivered.raw) {
            Ok(known) => known,
            Err(error) => return Verdict::Park(service::Chain(&error).to_string()),
        };
        let id = known.0;
        let Some(_working) = Working::enter(&self.working, id) else { return Verdict::Leave };
        let desk = &self.desk;
        let taken = Lease::take(&desk.log, &desk.clock, known, desk.worker, &desk.backoff).await;
        match taken {
            Ok(Taken::Lease(lease)) => self.work(*lease).await,
            Ok(Taken::Ended) => Verdict::Done,
            Ok(Taken::NotDue(at)) => Verdict::Again(wait(at, desk.clock.now())),
            Err(error) => trouble(id, &error),
        }
    }

    /// Makes an attempt and records its outcome.
    async fn work(&self, mut lease: Lease) -> Verdict {
        let id = lease.id;
        let number = lease.attempt.number;
        tracing::info!(job.id = %id.job, account.id = %id.account, attempt = number, "started");
        let mut traces = Intermediates::default();
        let made = self.attempt(&mut lease, &mut traces).await;
        match self.record(&mut lease, &traces, made).await {
            Ok(()) => {}
            Err(Stop::LeaseLost) => {
                tracing::warn!(job.id = %id.job, attempt = number, "the lease was lost");
                return Verdict::Leave;
            }
            Err(error) => {
                let error = service::Chain(&error);
                tracing::error!(job.id = %id.job, attempt = number, %error, "outcome not recorded");
                return Verdict::Again(LOG_TROUBLE);
            }
        }
        match lease.job().map(|job| &job.phase) {
            Ok(Phase::Queued { retry: Some(retry) }) => {
                Verdict::Again(wait(retry.at, self.desk.clock.now()))
            }
            Ok(Phase::Queued { retry: None } | Phase::Running { .. }) => {
                Verdict::Again(LOG_TROUBLE)
            }
            Ok(Phase::Ended(_)) => Verdict::Done,
            Err(_) => Verdict::Leave,
        }
    }

    async fn attempt(
        &self,
        lease: &mut Lease,
        traces: &mut Intermediates,
    ) -> Result<job::Completed, Stop> {
        let id = lease.id;
        let cancelled = async {
            match self.desk.log.cancels(id.account, id.job).await {
                Ok(mut cancels) => {
                    cancels.next().await;
                }
                // The next append will tell.
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            made = attempt::fulfil(&self.desk, lease, traces) => made,
            () = cancelled => Err(Stop::Cancelled),
            () = self.abort.cancelled() => {
                Err(Stop::failed(FailureCode::WorkerLost, "the worker was told to stop"))
            }
        }
    }

    /// Records, in this order, that intermediates are gone and how the attempt ended.
    async fn record(
        &self,
        lease: &mut Lease,
        traces: &Intermediates,
        made: Result<job::Completed, Stop>,
    ) -> Result<(), Stop> {
        let made = match made {
            Err(stop @ (Stop::LeaseLost | Stop::Log(_))) => return Err(stop),
            made => made,
        };
        let bytes = traces.destroyed().await?;
        lease.act(|state, who| job::wipe(state, who, bytes)).await?;
        match made {
            Ok(completed) => {
                let done = lease.act(|state, who| job::complete(state, who, completed.clone()));
                match done.await {
                    // Too late to stop, but not too late to say so.
                    Err(Stop::Cancelled) => lease.act(job::give_up).await,
                    done => done,
                }
            }
            Err(Stop::Failed { code, capability, detail }) => {
                let failure = Failure { code, capability, detail: None };
                self.fail(lease, failure, &detail).await
            }
            Err(Stop::Cancelled | Stop::LeaseLost | Stop::Log(_)) => lease.act(job::give_up).await,
        }
    }

    async fn fail(&self, lease: &mut Lease, failure: Failure, detail: &str) -> Result<(), Stop> {
        let desk = &self.desk;
        let (job, code) = (lease.id.job, failure.code);
        tracing::warn!(job.id = %job, attempt = lease.attempt.number, %code, detail, "failed");
        let short: String = detail.chars().take(DETAIL_CHARS).collect();
        let sealed = desk.custody.seal_text(&lease.id, field::DETAIL, &short).await.ok();
        let failure = Failure { detail: sealed, ..failure };
        let (now, jitter) = (desk.clock.now(), rand::random::<f64>());
        lease
            .act(|state, who| {
                job::fail_attempt(state, who, failure.clone(), &desk.backoff, (now, jitter))
            })
            .await
    }
}

/// A job at work, for as long as this lives.
struct Working<'a> {
    jobs: &'a Mutex<HashMap<Id, ()>>,
    id: Id,
}

impl<'a> Working<'a> {
    fn enter(jobs: &'a Mutex<HashMap<Id, ()>>, id: Id) -> Option<Self> {
        let before = jobs.lock().unwrap_or_else(PoisonError::into_inner).insert(id, ());
        before.is_none().then_some(Self { jobs, id })
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

fn wait(at: Timestamp, now: Timestamp) -> Duration {
    let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
    wait.min(LONGEST_WAIT)
}

/// Whether the log is away for now, or says something that nobody here can read.
fn trouble(id: Id, error: &TransactError<job::Refusal>) -> Verdict {
    let text = service::Chain(error).to_string();
    tracing::warn!(job.id = %id.job, error = text, "no lease");
    match error {
        TransactError::Read(
            ReadError::Malformed(_) | ReadError::ChainBroken(_) | ReadError::TooLong { .. },
        ) => Verdict::Park(text),
        TransactError::Read(ReadError::Unavailable(_))
        | TransactError::Refused(_)
        | TransactError::Unavailable(_)
        | TransactError::Contended { .. }
        | TransactError::Rejected { .. }
        | TransactError::Encode(_) => Verdict::Again(LOG_TROUBLE),
    }
}
