//! `darkroom readmodel`: the rows, made again from the log.

use std::{
    fs,
    io::{self, Write as _, stdout},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use api::{
    ops::{READ_MODEL, Report},
    projection,
};
use bytes::Bytes;
use clap::{Args, Subcommand};
use eventlog::Log;
use readmodel::{Positions, Store};
use service::{Failure, OrTry};

use crate::{exit::Exit, operator::Operator};

/// The most API processes that are asked.
const REPLICAS_MAX: usize = 256;
/// How long they have to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Make the read model again, and hold it against the live ones
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom readmodel rebuild                   compare with every API process that runs
  darkroom readmodel rebuild --into /tmp/rows  keep what was made

While API processes run, theirs stay as they are, and exit status 3 says that one differs.
While none runs, the one in the data folder is replaced.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Read the log from its first event into an empty store
    Rebuild {
        /// Keep the store in this folder, which must not exist
        #[arg(long, value_name = "DIR")]
        into: Option<PathBuf>,
        #[command(flatten)]
        operator: Operator,
    },
}

#[derive(Debug, thiserror::Error)]
enum RebuildError {
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
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let Verb::Rebuild { into, operator } = arguments.verb;
    let way = operator.reach().await?;
    let log = Log::connect(&way.nats, "operator").await?;
    let live = live(&log).await;
    let done = if live.is_empty() {
        replace(&log, &operator, into.as_deref()).await
    } else {
        compare(&log, live, &operator, into.as_deref()).await
    };
    way.close().await;
    done
}

/// What every API process that runs says of its rows.
async fn live(log: &Log) -> Vec<Report> {
    let answers = log.ask(READ_MODEL, Bytes::new(), REPLICAS_MAX, PATIENCE).await;
    // Nobody there is an answer too.
    let answers = answers.unwrap_or_default();
    answers.iter().filter_map(|answer| serde_json::from_slice(answer).ok()).collect()
}

async fn compare(
    log: &Log,
    live: Vec<Report>,
    operator: &Operator,
    into: Option<&Path>,
) -> Result<Exit, Failure> {
    let mut exit = Exit::Well;
    let mut made: Vec<(Positions, String)> = Vec::new();
    for report in live {
        let known = made.iter().find(|(positions, _)| *positions == report.positions);
        let hash = match known {
            Some((_, hash)) => hash.clone(),
            None => {
                let scratch = Scratch::new(operator, into)?;
                let hash = build(log, &scratch.path, Some(report.positions)).await?;
                made.push((report.positions, hash.clone()));
                scratch.finish(into)?;
                hash
            }
        };
        let Positions { accounts, jobs, members, uploads, endpoints, deliveries } =
            report.positions;
        let verdict = if hash == report.hash { "same" } else { "DIFFERENT" };
        let mut out = stdout();
        writeln!(
            out,
            "{} at ACCOUNTS {accounts}, JOBS {jobs}, MEMBERS {members}, UPLOADS {uploads}, ENDPOINTS {endpoints}, DELIVERIES {deliveries}: {verdict}",
            report.replica
        )?;
        writeln!(out, "  live    {}\n  rebuilt {hash}", report.hash)?;
        if hash != report.hash {
            exit = Exit::Differs;
        }
    }
    Ok(exit)
}

/// With nobody to compare with, what was made becomes the read model.
async fn replace(log: &Log, operator: &Operator, into: Option<&Path>) -> Result<Exit, Failure> {
    let scratch = Scratch::new(operator, into)?;
    let hash = build(log, &scratch.path, None).await?;
    if into.is_some() {
        scratch.finish(into)?;
        writeln!(stdout(), "no API runs; rebuilt {hash}")?;
        return Ok(Exit::Well);
    }
    let live = operator.settings()?.api.data.join("readmodel");
    // Fails while another process has it.
    let path = live.clone();
    let held = tokio::task::spawn_blocking(move || Store::open(&path).map(drop)).await?;
    held.or_try("stop the process that has it")?;
    let failed = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| RebuildError::Folder { operation, path, source }
    };
    fs::remove_dir_all(&live).map_err(failed("remove", &live))?;
    fs::rename(&scratch.path, &live).map_err(failed("put in place", &live))?;
    writeln!(stdout(), "no API runs; {} is now the rebuilt one\n  rebuilt {hash}", live.display())?;
    Ok(Exit::Well)
}

/// Makes a store up to `until`, or to the end of the log, and gives its hash.
async fn build(log: &Log, path: &Path, until: Option<Positions>) -> Result<String, Failure> {
    let wanted = match until {
        Some(positions) => positions,
        None => projection::ends(log).await?,
    };
    let owned = path.to_owned();
    let (store, _) = tokio::task::spawn_blocking(move || Store::open(&owned)).await??;
    let store = Arc::new(store);
    let reached = projection::rebuild(log, Arc::clone(&store), wanted).await?;
    if reached != wanted {
        return Err(RebuildError::Short { reached, wanted }.into());
    }
    let (_, hash) = tokio::task::spawn_blocking(move || {
        let hash = store.hash();
        store.flush().and(hash)
    })
    .await??;
    Ok(hash)
}

/// A folder that goes unless it is kept.
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn new(operator: &Operator, into: Option<&Path>) -> Result<Self, Failure> {
        if let Some(into) = into.filter(|into| into.exists()) {
            let exists = RebuildError::Exists(into.to_owned());
            return Err(Failure::from(exists).or_try("another folder"));
        }
        // Beside the live one, so that it can be put in its place.
        let path = operator.data.join(format!("rebuilt-{}", uuid::Uuid::new_v4()));
        Ok(Self { path })
    }

    fn finish(&self, into: Option<&Path>) -> Result<(), RebuildError> {
        let Some(into) = into.filter(|into| !into.exists()) else { return Ok(()) };
        fs::rename(&self.path, into).map_err(|source| RebuildError::Folder {
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
        let _gone = fs::remove_file(self.path.with_extension("lock")).is_ok();
    }
}
