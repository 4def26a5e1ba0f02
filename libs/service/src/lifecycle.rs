//! How a process starts, is told to stop, lets its work finish, and restarts what failed inside it.

use std::error::Error;
use std::future::Future;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{Chain, Failure, disable_core_dumps};

/// How long blocking work may hold up the end of a process.
const BLOCKING_STOP_MAX: Duration = Duration::from_secs(2);

/// The body of every `main`: forbids core dumps, starts the runtime, runs `main` with a token that SIGTERM and SIGINT
/// cancel, and says on standard error why it failed, if it did.
pub fn run_main<F, Fut>(name: &str, main: F) -> ExitCode
where
    F: FnOnce(CancellationToken) -> Fut,
    Fut: Future<Output = Result<(), Failure>>,
{
    match run(name, main) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody is left to tell if standard error is closed.
            let _written = writeln!(io::stderr(), "{failure}").is_ok();
            ExitCode::FAILURE
        }
    }
}

fn run<F, Fut>(name: &str, main: F) -> Result<(), Failure>
where
    F: FnOnce(CancellationToken) -> Fut,
    Fut: Future<Output = Result<(), Failure>>,
{
    disable_core_dumps()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().thread_name(name).enable_all().build()?;
    let outcome = runtime.block_on(async {
        let shutdown = shutdown_on_signals()?;
        Box::pin(main(shutdown)).await
    });
    runtime.shutdown_timeout(BLOCKING_STOP_MAX);
    outcome
}

/// A token that the first SIGTERM or SIGINT cancels; the second ends the process at once. Call it once, inside the
/// runtime.
///
/// # Errors
/// If the system refuses the handlers.
pub fn shutdown_on_signals() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let shutdown = token.clone();
    tokio::spawn(async move {
        loop {
            let (name, number) = tokio::select! {
                _ = terminate.recv() => ("SIGTERM", SignalKind::terminate().as_raw_value()),
                _ = interrupt.recv() => ("SIGINT", SignalKind::interrupt().as_raw_value()),
            };
            if shutdown.is_cancelled() {
                tracing::warn!(signal = name, "asked twice, stopping at once");
                std::process::exit(128 + number);
            }
            tracing::info!(signal = name, "stopping; the same again stops at once");
            shutdown.cancel();
        }
    });
    Ok(token)
}

/// How [`drain`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Tasks that ended by themselves, well or not.
    pub finished: usize,
    /// Tasks that were cut off at the deadline.
    pub aborted: usize,
}

/// Waits for tasks until the deadline, then cuts off the rest.
pub async fn drain<T: 'static>(name: &str, deadline: Duration, mut tasks: JoinSet<T>) -> Drained {
    let end = Instant::now() + deadline;
    let mut finished = 0;
    while let Ok(Some(ended)) = tokio::time::timeout_at(end, tasks.join_next()).await {
        if let Err(error) = ended {
            tracing::error!(task = name, error = %Chain(&error), "a task ended badly while stopping");
        }
        finished += 1;
    }
    let aborted = tasks.len();
    if aborted > 0 {
        tracing::warn!(
            task = name,
            aborted,
            deadline_ms = deadline.as_millis() as u64,
            "cut off at the deadline"
        );
        tasks.shutdown().await;
    }
    Drained { finished, aborted }
}

/// How long [`supervise`] waits before a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Before the first restart; doubled for each that follows.
    pub first: Duration,
    /// Never longer than this.
    pub most: Duration,
    /// A run this long counts as healthy: the next failure waits `first` again.
    pub healthy_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(200),
            most: Duration::from_secs(15),
            healthy_after: Duration::from_secs(60),
        }
    }
}

/// Runs a task and starts it again when it fails or panics, until it ends well or `shutdown` is cancelled. The task
/// itself must heed `shutdown`: this waits for its orderly end. Dropping this future cuts the task off.
pub async fn supervise<F, Fut, E>(
    name: &str,
    backoff: Backoff,
    shutdown: &CancellationToken,
    mut start: F,
) where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: Error + Send + Sync + 'static,
{
    let mut pause = backoff.first;
    while !shutdown.is_cancelled() {
        let since = Instant::now();
        // Its own task, so that a panic ends it and nothing else; a set of one, so that it is cut off with us.
        let mut task = JoinSet::new();
        task.spawn(start());
        match task.join_next().await {
            None | Some(Ok(Ok(()))) => return,
            Some(Ok(Err(error))) => report(name, &error),
            Some(Err(error)) => report_panic(name, &error),
        }
        if since.elapsed() >= backoff.healthy_after {
            pause = backoff.first;
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = pause.saturating_mul(2).min(backoff.most);
        tracing::info!(task = name, "starting again");
    }
}

fn report(name: &str, error: &(dyn Error + 'static)) {
    tracing::error!(task = name, error = %Chain(error), "failed");
}

fn report_panic(name: &str, error: &JoinError) {
    // The panic's own text went to standard error, and may quote anything.
    tracing::error!(task = name, panicked = error.is_panic(), "ended without a result");
}

#[cfg(test)]
#[path = "lifecycle_tests.rs"]
mod tests;
