//! A worker that does everything to the log that the real one does, and nothing to files: it takes
//! the lease, completes the job, and has the message acknowledged.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use domain::{
    id::WorkerId,
    job::{self, Attempt, Completed, Durations, Jobs, Refusal},
    retry::Backoff,
};
use eventlog::{
    Loaded, Log, TransactError,
    follow::{self, Delivered, Queue, Verdict},
    topology,
};
use service::{Clock as _, SystemClock};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::{Trouble, stack::Stack};

/// How long a message waits after trouble.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

/// A worker at work.
#[derive(Clone)]
pub struct Stub {
    log: Log,
    worker: WorkerId,
    backoff: Backoff,
    completed: Arc<AtomicU64>,
}

impl Stub {
    /// Takes jobs of `stack`, `slots` at a time, until the stack ends.
    pub async fn start(stack: &Stack, slots: usize) -> Result<Self, Trouble> {
        let stub = Self {
            log: Log::connect(&stack.settings("worker"), "worker").await?,
            worker: WorkerId::from_uuid(Uuid::new_v4()),
            backoff: Backoff::default(),
            completed: Arc::default(),
        };
        let slots = Arc::new(Semaphore::new(slots));
        let queue = Queue::new(topology::WORK, topology::worker_consumers(), slots);
        let (log, stop, worker) = (stub.log.clone(), stack.stopping(), stub.clone());
        tokio::spawn(async move {
            follow::queue(&log, queue, move |delivered| worker.clone().handle(delivered), stop)
                .await;
        });
        Ok(stub)
    }

    /// Jobs that it has completed.
    pub fn completed(&self) -> u64 {
        self.completed.load(Ordering::Relaxed)
    }

    async fn handle(self, delivered: Delivered) -> Verdict {
        let (id, known) = match Loaded::<Jobs>::starting_with(&delivered.raw) {
            Ok(first) => first,
            Err(error) => return Verdict::Park(error.to_string()),
        };
        match self.work(&id, known).await {
            Ok(()) => {
                self.completed.fetch_add(1, Ordering::Relaxed);
                Verdict::Done
            }
            Err(TransactError::Refused(Refusal::Ended)) => Verdict::Done,
            Err(error) => {
                tracing::warn!(%error, "a job is handed back");
                Verdict::Again(AGAIN)
            }
        }
    }

    async fn work(&self, id: &job::Id, known: Loaded<Jobs>) -> Result<(), TransactError<Refusal>> {
        let now = SystemClock.now();
        let started = self
            .log
            .transact_from::<Jobs, _>(id, known, now, |state| {
                job::start(state, self.worker, &self.backoff, now)
            })
            .await?
            .loaded;
        let number = started.state.job().map_or(1, |job| job.attempts);
        let attempt = Attempt { worker: self.worker, number };
        self.log
            .transact_from::<Jobs, _>(id, started, SystemClock.now(), |state| {
                job::complete(state, attempt, nothing())
            })
            .await?;
        Ok(())
    }
}

fn nothing() -> Completed {
    Completed {
        total_pages: 1,
        metadata: None,
        engines: std::collections::BTreeMap::new(),
        durations: Durations::default(),
        receipt: None,
    }
}
