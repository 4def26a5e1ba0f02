//! Rows made from the log: in a folder of their own, or beside those that are in use.

use std::{
    fs,
    io::{self, IsTerminal as _, Write as _, stderr},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use api::projection;
use eventlog::Log;
use indicatif::{ProgressBar, ProgressStyle};
use readmodel::{Found, Positions, Store, Stream};
use service::{Failure, OrTry};

use super::{say, spelled};
use crate::{exit::Exit, operator::Operator};

/// How often it is said how far it has come where nothing can move on a terminal.
const SPEAK_EVERY: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub(super) enum BuildError {
    #[error("{} is already there", .0.display())]
    Exists(PathBuf),
    #[error("{operation} {}", path.display())]
    Folder {
        operation: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the log ends at {reached:?}, before {wanted:?}, which a replica has reached")]
    Short { reached: Positions, wanted: Positions },
    #[error("the rows in the making reach {reached:?}, and the log ends at {ends:?}")]
    OtherLog { reached: Positions, ends: Positions },
}

/// Makes rows beside the live ones, up to where the log ends, for the next start to find.
pub(super) async fn prepare(log: &Log, operator: &Operator) -> Result<Exit, Failure> {
    let live = operator.settings()?.api.data.join("readmodel");
    let (ready, reached) = make_ready(log, &live).await?;
    say(&format!("ready in {}: {}", ready.display(), spelled(&reached)))?;
    say("the next start of the API with this data folder takes them into use")?;
    Ok(Exit::Well)
}

/// Makes rows ready to take the place of those at `live`, and answers where they lie and how far
/// they reach. Where somebody was interrupted they go on.
pub(super) async fn make_ready(log: &Log, live: &Path) -> Result<(PathBuf, Positions), Failure> {
    let path = live.to_owned();
    let opened = tokio::task::spawn_blocking(move || Store::open_next(&path)).await?;
    let (store, found) = opened.or_try("wait until whoever makes them has done so")?;
    let ends = projection::ends(log).await?;
    if let Found::Rows(reached) = found {
        if !ends.cover(&reached) {
            store.clear()?;
            tracing::warn!(error = %BuildError::OtherLog { reached, ends }, "beginning anew");
        } else if reached != Positions::default() {
            say(&format!("going on behind {}", spelled(&reached)))?;
        }
    }
    let store = Arc::new(store);
    let reached = fill(log, &store, ends).await?;
    let Some(store) = Arc::into_inner(store) else {
        return Err(BuildError::Short { reached, wanted: ends }.into());
    };
    let path = live.to_owned();
    let ready = tokio::task::spawn_blocking(move || store.make_ready(&path)).await??;
    Ok((ready, reached))
}

/// Reads the log into `store` up to there, and says on standard error how far it has come.
pub(super) async fn fill(
    log: &Log,
    store: &Arc<Store>,
    wanted: Positions,
) -> Result<Positions, Failure> {
    let mut progress = Progress::start(store.positions(), wanted);
    let told = |reached| progress.tell(&reached);
    let reached = projection::rebuild(log, Arc::clone(store), wanted, told).await?;
    if !reached.cover(&wanted) {
        return Err(BuildError::Short { reached, wanted }.into());
    }
    Ok(reached)
}

/// How far rows in the making have come.
struct Progress {
    bar: Option<ProgressBar>,
    spoke: Instant,
    wanted: Positions,
}

impl Progress {
    fn start(reached: Positions, wanted: Positions) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total(&wanted));
            let style = "{bar:30} {human_pos} of {human_len} events, {per_sec}";
            if let Ok(style) = ProgressStyle::with_template(style) {
                bar.set_style(style);
            }
            bar.set_position(total(&reached));
            bar
        });
        Self { bar, spoke: Instant::now(), wanted }
    }

    fn tell(&mut self, reached: &Positions) {
        if let Some(bar) = &self.bar {
            bar.set_position(total(reached));
        } else if self.spoke.elapsed() >= SPEAK_EVERY {
            self.spoke = Instant::now();
            let (done, all) = (total(reached), total(&self.wanted));
            // Nobody is left to tell if standard error is closed.
            let _told = writeln!(stderr(), "{done} of {all} events").is_ok();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn total(positions: &Positions) -> u64 {
    Stream::ALL.iter().map(|stream| positions.of(*stream)).sum()
}

/// A folder that goes unless it is kept.
pub(super) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Beside the data of `operator`.
    pub(super) fn new(operator: &Operator, into: Option<&Path>) -> Result<Self, Failure> {
        if let Some(into) = into.filter(|into| into.exists()) {
            let exists = BuildError::Exists(into.to_owned());
            return Err(Failure::from(exists).or_try("another folder"));
        }
        let path = operator.data.join(format!("rebuilt-{}", uuid::Uuid::new_v4()));
        Ok(Self { path })
    }

    /// The empty store in it.
    pub(super) async fn store(&self) -> Result<Arc<Store>, Failure> {
        let path = self.path.clone();
        let (store, _) = tokio::task::spawn_blocking(move || Store::open(&path)).await??;
        Ok(Arc::new(store))
    }

    /// Keeps it, where somebody wants it.
    pub(super) fn finish(&self, into: Option<&Path>) -> Result<(), BuildError> {
        let Some(into) = into.filter(|into| !into.exists()) else { return Ok(()) };
        fs::rename(&self.path, into).map_err(|source| BuildError::Folder {
            operation: "keep the store in",
            path: into.to_owned(),
            source,
        })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, path = %self.path.display(), "not removed");
            }
            _ => {}
        }
        // The lock lies beside the store.
        let mut lock = self.path.clone().into_os_string();
        lock.push(".lock");
        let _gone = fs::remove_file(PathBuf::from(lock)).is_ok();
    }
}
