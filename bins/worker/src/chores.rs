//! What a worker does besides jobs: it tries what destinations' credentials may do, and clears the
//! platform bucket.

mod accounts;
mod jobs;
mod prover;
pub(crate) mod uploads;

use std::{sync::Arc, time::Duration};

use domain::Timestamp;
use eventlog::{
    follow::{self, Delivered, Queue, Verdict},
    topology,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;

/// Chores of one kind at once.
const AT_ONCE: usize = 4;
/// Longest wait that is asked of a queue; what is due later is looked at again by then.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);
/// How long a chore waits when the log or a bucket cannot be reached.
const TROUBLE: Duration = Duration::from_secs(10);

/// Does chores until `shutdown`.
pub(crate) async fn run(desk: Arc<Desk>, shutdown: CancellationToken) {
    tokio::join!(
        keep(&desk, topology::ACCOUNTS, topology::PROVER, prover::handle, &shutdown),
        keep(&desk, topology::ACCOUNTS, topology::JANITOR, accounts::handle, &shutdown),
        keep(&desk, topology::JOBS, topology::JANITOR, jobs::handle, &shutdown),
        keep(&desk, topology::JOBS, topology::ERASER, jobs::erase, &shutdown),
        keep(&desk, topology::UPLOADS, topology::JANITOR, uploads::handle, &shutdown),
        keep(&desk, topology::UPLOADS, topology::PROVER, uploads::prove, &shutdown),
    );
}

async fn keep<F, R>(
    desk: &Arc<Desk>,
    stream: &'static str,
    consumer: &str,
    handle: F,
    shutdown: &CancellationToken,
) where
    F: Fn(Arc<Desk>, Delivered) -> R + Copy + Send + Sync + 'static,
    R: Future<Output = Verdict> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let queue = Queue::new(stream, vec![consumer.to_owned()], slots);
    let desk = Arc::clone(desk);
    let log = desk.log.clone();
    let handler = move |delivered| handle(Arc::clone(&desk), delivered);
    follow::queue(&log, queue, handler, shutdown.clone()).await;
}

/// The wait until `at`, or as much of it as may be asked for.
fn wait(at: Timestamp, now: Timestamp) -> Duration {
    let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
    wait.min(LONGEST_WAIT)
}
