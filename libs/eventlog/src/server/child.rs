//! The process itself: started, started again when it dies, and never outliving us.

use std::{
    collections::VecDeque,
    io::{self, BufRead as _, BufReader, Read},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{self, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};
use tokio::sync::oneshot;

use super::{Binary, ServerError};

/// How long it may take to end when asked to.
const PATIENCE: Duration = Duration::from_secs(10);
/// The first pause before it is started again.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest such pause.
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// After how long a server that dies counts as one that had been well.
const WELL: Duration = Duration::from_secs(10);
/// Lines of its log that are kept for an error.
const MAX_LAST_WORDS: usize = 5;

/// A supervised process.
pub(super) struct Child {
    shared: Arc<Shared>,
    ended: Option<oneshot::Receiver<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    stopping: Condvar,
}

#[derive(Default)]
struct State {
    pid: Option<u32>,
    stop: bool,
    last_words: VecDeque<String>,
}

impl Child {
    /// Starts it, and a thread that looks after it.
    pub(super) fn start(
        binary: &Binary,
        config: &Path,
        variables: Vec<(String, String)>,
    ) -> Result<Self, ServerError> {
        let shared = Arc::new(Shared::default());
        let (started, first) = std::sync::mpsc::channel();
        let (end, ended) = oneshot::channel();
        let path = binary.path().to_owned();
        let mut command = Command::new(&path);
        command.arg("-c").arg(config).env_clear().envs(variables);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        die_with_parent(&mut command);
        let supervisor = Arc::clone(&shared);
        let spawned = thread::Builder::new().name("nats-server".to_owned()).spawn(move || {
            supervisor.supervise(&mut command, |result| drop(started.send(result)));
            // Whoever started it may be gone.
            let _ = end.send(());
        });
        let first = match spawned {
            Ok(_) => first.recv().unwrap_or_else(|_gone| Err(io::ErrorKind::BrokenPipe.into())),
            Err(error) => Err(error),
        };
        first.map_err(|source| ServerError::Spawn { path, source })?;
        Ok(Self { shared, ended: Some(ended) })
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.shared.state().pid
    }

    pub(super) fn last_words(&self) -> String {
        let state = self.shared.state();
        state.last_words.iter().map(String::as_str).collect::<Vec<_>>().join(" | ")
    }

    /// Asks it to end, insists after a while, and waits.
    pub(super) async fn stop(mut self) {
        self.shared.stop(Signal::TERM);
        let Some(mut ended) = self.ended.take() else { return };
        if tokio::time::timeout(PATIENCE, &mut ended).await.is_err() {
            tracing::warn!("nats-server does not end; killing it");
            self.shared.stop(Signal::KILL);
            // Nothing is left to be told but that it is over.
            drop(ended.await);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.ended.is_some() {
            self.shared.stop(Signal::KILL);
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self, signal: Signal) {
        let mut state = self.state();
        state.stop = true;
        // While the lock is held the process has not been waited for: the id is still its own.
        let pid = state.pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        if let Some(pid) = pid
            && let Err(error) = kill_process(pid, signal)
        {
            tracing::warn!(%error, "signal nats-server");
        }
        self.stopping.notify_all();
    }

    /// Runs on a thread of its own, because the kernel ends the child with the thread that started it.
    fn supervise(self: &Arc<Self>, command: &mut Command, first: impl FnOnce(io::Result<()>)) {
        let mut first = Some(first);
        let mut pause = FIRST_PAUSE;
        loop {
            let since = Instant::now();
            match command.spawn() {
                Ok(child) => {
                    self.state().pid = Some(child.id());
                    if let Some(first) = first.take() {
                        first(Ok(()));
                    }
                    self.watch(child);
                }
                Err(error) => match first.take() {
                    Some(first) => return first(Err(error)),
                    None => tracing::error!(%error, "start nats-server again"),
                },
            }
            if since.elapsed() > WELL {
                pause = FIRST_PAUSE;
            }
            let state = self.state();
            let stopped = self.stopping.wait_timeout_while(state, pause, |state| !state.stop);
            if stopped.unwrap_or_else(PoisonError::into_inner).0.stop {
                return;
            }
            tracing::warn!("nats-server died; starting it again");
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    /// Passes its log on until it ends.
    fn watch(&self, mut child: process::Child) {
        if self.state().stop {
            drop(child.kill());
        }
        if let Some(log) = child.stderr.take() {
            self.pass_on(log);
        }
        // Its log has ended, so it has too, or is about to. Only then does its id become free.
        loop {
            let mut state = self.state();
            match child.try_wait() {
                Ok(None) => {
                    drop(self.stopping.wait_timeout(state, Duration::from_millis(5)));
                }
                Ok(Some(_)) | Err(_) => {
                    state.pid = None;
                    return;
                }
            }
        }
    }

    fn pass_on(&self, log: impl Read) {
        for line in BufReader::new(log).split(b'\n') {
            let Ok(line) = line else { return };
            let line = String::from_utf8_lossy(&line);
            // [12791] 2026/11/22 04:01:58.278273 [INF] Starting nats-server
            let (level, text) =
                match line.split_once(" [").and_then(|(_, rest)| rest.split_once("] ")) {
                    Some((level, text)) => (level, text),
                    None => ("ERR", &*line),
                };
            match level {
                "ERR" | "FTL" => tracing::error!(target: "nats_server", "{text}"),
                "WRN" => tracing::warn!(target: "nats_server", "{text}"),
                _ => tracing::debug!(target: "nats_server", "{text}"),
            }
            let mut state = self.state();
            if state.last_words.len() == MAX_LAST_WORDS {
                state.last_words.pop_front();
            }
            state.last_words.push_back(text.to_owned());
        }
    }
}

#[allow(unsafe_code, reason = "only code between fork and exec can tie the child's life to ours")]
fn die_with_parent(command: &mut Command) {
    let parent = process::id();
    let tie = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have died before the tie was made.
        let alive =
            getppid().is_some_and(|pid| pid.as_raw_nonzero().get().cast_unsigned() == parent);
        if alive { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    };
    // SAFETY: two system calls and no allocation, which is all that may happen after a fork.
    unsafe {
        command.pre_exec(tie);
    }
}
