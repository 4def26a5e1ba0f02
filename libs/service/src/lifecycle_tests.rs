//! Tests of supervision, draining and signals.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::OrTry;
use crate::settings::env_flag;

const BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(1),
    most: Duration::from_secs(4),
    healthy_after: Duration::from_secs(60),
};

fn broken() -> io::Error {
    io::Error::other("broken")
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_or_panics_is_started_again_with_growing_pauses_until_it_ends_well() {
    let runs = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    supervise("test", BACKOFF, &CancellationToken::new(), || {
        let run = runs.fetch_add(1, Ordering::SeqCst);
        async move {
            match run {
                0 | 2 | 3 => Err(broken()),
                1 => panic!("on purpose"),
                _ => Ok(()),
            }
        }
    })
    .await;
    assert_eq!(runs.load(Ordering::SeqCst), 5);
    assert_eq!(start.elapsed().as_secs(), 1 + 2 + 4 + 4);
}

#[tokio::test(start_paused = true)]
async fn a_long_healthy_run_makes_the_pauses_short_again() {
    let runs = AtomicUsize::new(0);
    let start = Instant::now();
    supervise("test", BACKOFF, &CancellationToken::new(), || {
        let run = runs.fetch_add(1, Ordering::SeqCst);
        async move {
            match run {
                0 | 1 => Err(broken()),
                2 => {
                    tokio::time::sleep(BACKOFF.healthy_after).await;
                    Err(broken())
                }
                _ => Ok(()),
            }
        }
    })
    .await;
    assert_eq!(start.elapsed().as_secs(), 1 + 2 + 60 + 1);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_the_pause_and_starts_nothing_again() {
    let runs = AtomicUsize::new(0);
    let shutdown = CancellationToken::new();
    let forever = Backoff { first: Duration::from_secs(1_000_000), ..BACKOFF };
    let stop = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        shutdown.cancel();
    };
    let supervised = supervise("test", forever, &shutdown, || {
        runs.fetch_add(1, Ordering::SeqCst);
        async { Err::<(), _>(broken()) }
    });
    let start = Instant::now();
    tokio::join!(stop, supervised);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    assert_eq!(start.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn draining_waits_for_what_ends_in_time_and_cuts_off_the_rest() {
    let mut tasks = JoinSet::new();
    tasks.spawn(tokio::time::sleep(Duration::from_secs(1)));
    tasks.spawn(async { panic!("on purpose") });
    tasks.spawn(std::future::pending());
    let drained = drain("test", Duration::from_secs(5), tasks).await;
    assert_eq!(drained, Drained { finished: 2, aborted: 1 });
}

#[tokio::test(start_paused = true)]
async fn draining_nothing_takes_no_time() {
    let start = Instant::now();
    let drained = drain("test", Duration::from_secs(5), JoinSet::<()>::new()).await;
    assert_eq!(drained, Drained { finished: 0, aborted: 0 });
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// Says to a copy of the test executable that it is the process under test.
const CHILD: &str = "DARKROOM_LIFECYCLE_CHILD";

/// Runs the named test in a process of its own, with [`CHILD`] set.
fn in_a_process_of_its_own(test: &str) -> std::process::Output {
    std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", &format!("lifecycle::tests::{test}")])
        .env(CHILD, "1")
        .output()
        .unwrap()
}

fn signal_self(signal: rustix::process::Signal) -> io::Result<()> {
    Ok(rustix::process::kill_process(rustix::process::getpid(), signal)?)
}

#[test]
fn the_first_signal_cancels_and_the_second_ends_the_process_at_once() {
    use rustix::process::Signal;
    if env_flag(CHILD) {
        let code = run_main("test", |shutdown| async move {
            signal_self(Signal::TERM)?;
            tokio::time::timeout(Duration::from_secs(10), shutdown.cancelled()).await?;
            signal_self(Signal::INT)?;
            std::future::pending().await
        });
        panic!("it came back: {code:?}");
    }
    let output =
        in_a_process_of_its_own("the_first_signal_cancels_and_the_second_ends_the_process_at_once");
    assert_eq!(output.status.code(), Some(128 + 2));
}

#[test]
fn a_main_that_fails_says_why_on_standard_error() {
    if env_flag(CHILD) {
        let code = run_main("test", |_shutdown| async { Err(broken()).or_try("again")? });
        assert_eq!(code, ExitCode::FAILURE);
        return;
    }
    let output = in_a_process_of_its_own("a_main_that_fails_says_why_on_standard_error");
    assert!(output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("error: broken\ntry: again\n"), "{text}");
}
