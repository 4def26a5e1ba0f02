//! `darkroom backup`: the whole log in a folder, the keys to it apart, and for as long as they may be kept.

mod expiry;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _, stderr, stdout},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use clap::Args;
use domain::Timestamp;
use eventlog::{Log, Outline, backed_up, topology};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use service::{Clock, Failure, OrTry};
use sha2::{Digest as _, Sha256};

use crate::{exit::Exit, ledger, operator::Operator};

/// What a folder must have to be a backup; written last.
pub(crate) const MANIFEST: &str = "backup.json";
/// The same of a folder with keys.
pub(crate) const KEYS_MANIFEST: &str = "keys.json";
/// The list of erasures beside a backup.
pub(crate) const LIST: &str = "erasures.ndjson";
/// The shape of the manifests.
pub(crate) const VERSION: u32 = 1;

/// Write a snapshot of the whole log into a folder, to be restored with `darkroom restore`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom backup /backups                          into /backups/<time>/
  darkroom backup /backups --keys-to /short-lived --keys-days 7
                                                    the keys apart, and none older than a week stays
  darkroom erase --list > /backups/erasures.ndjson  the list that old backups are held against

A backup can be taken while everything runs. Sequences, times, headers and consumers come back as they
were. It holds no master key: keep that elsewhere. Personal fields in it can be read by whoever has the
backup, its keys and the master key: what was erased can come back for as long as there is a backup of
its key. Have those removed after as many days as an erasure may take.")]
pub(crate) struct Arguments {
    /// The folder that backups lie in
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Put the wrapped keys below this folder instead
    #[arg(long, value_name = "DIR")]
    keys_to: Option<PathBuf>,
    /// Once this backup is whole, remove keys beside it that are of backups this old
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..))]
    keys_days: Option<u16>,
    #[command(flatten)]
    operator: Operator,
}

/// What a backup holds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) version: u32,
    pub(crate) taken_at: Timestamp,
    pub(crate) streams: Vec<Part>,
}

/// One stream of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) stream: String,
    /// Beside the manifest.
    pub(crate) file: String,
    pub(crate) bytes: u64,
    /// In hex.
    pub(crate) sha256: String,
    #[serde(flatten)]
    pub(crate) outline: Outline,
}

/// A backup could not be written or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    #[error("{operation} {}", path.display())]
    File {
        operation: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is no manifest", path.display())]
    Manifest {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("{} has the shape {found}, which this release does not know", path.display())]
    Version { path: PathBuf, found: u32 },
    #[error("{} is not as it was written: its SHA-256 differs", path.display())]
    Damaged { path: PathBuf },
}

pub(crate) fn failed(
    operation: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> BackupError + use<> {
    let path = path.to_owned();
    move |source| BackupError::File { operation, path, source }
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments, clock: &dyn Clock) -> Result<Exit, Failure> {
    let taken_at = clock.now();
    let way = arguments.operator.reach().await?;
    let taken = take(&arguments, taken_at, &way.nats).await;
    way.close().await;
    let folder = taken?;
    writeln!(stdout(), "{}", folder.display())?;
    if let Some(days) = arguments.keys_days {
        let keys = arguments.keys_to.as_ref().unwrap_or(&arguments.folder);
        let age = SignedDuration::from_hours(24 * i64::from(days));
        for place in expiry::expire(keys, age, taken_at)? {
            writeln!(stderr(), "removed the keys in {}: {days} days old", place.display())?;
        }
    }
    Ok(Exit::Well)
}

async fn take(
    arguments: &Arguments,
    taken_at: Timestamp,
    nats: &eventlog::Settings,
) -> Result<PathBuf, Failure> {
    let log = Log::connect(nats, "operator").await?;
    // As a name of a file: no colons, and in the order of time.
    let name = taken_at.strftime("%Y-%m-%dT%H-%M-%S%.6fZ").to_string();
    let folder = make(&arguments.folder.join(&name))?;
    let keys = match &arguments.keys_to {
        Some(apart) => make(&apart.join(&name))?,
        None => folder.clone(),
    };
    let (mut streams, mut wrapped) = (Vec::new(), Vec::new());
    for stream in backed_up() {
        // A copy elsewhere has neither keys nor what was parked.
        if log.holds(&stream).await?.is_none()
            && ![topology::JOBS, topology::ACCOUNTS].contains(&stream.as_str())
        {
            writeln!(stderr(), "there is no stream {stream}; left out")?;
            continue;
        }
        if stream == topology::KEYS {
            wrapped.push(snapshot(&log, &stream, &keys).await?);
        } else {
            streams.push(snapshot(&log, &stream, &folder).await?);
        }
    }
    let mut list = String::new();
    for line in ledger::lines(&log).await? {
        list += &serde_json::to_string(&line)?;
        list.push('\n');
    }
    write(&folder.join(LIST), list.as_bytes())?;
    for (place, manifest, streams) in
        [(&keys, KEYS_MANIFEST, wrapped), (&folder, MANIFEST, streams)]
    {
        if streams.is_empty() {
            continue;
        }
        let text = serde_json::to_vec_pretty(&Manifest { version: VERSION, taken_at, streams })?;
        write(&place.join(manifest), &text)?;
    }
    Ok(folder)
}

async fn snapshot(log: &Log, stream: &str, folder: &Path) -> Result<Part, Failure> {
    let file = format!("{stream}.snapshot");
    let path = folder.join(&file);
    let mut to = tokio::fs::File::from_std(create(&path)?);
    let outline = log
        .snapshot(stream, &mut to)
        .await
        .or_try("`darkroom nats diff` shows whether every stream is there")?;
    to.sync_all().await.map_err(failed("write", &path))?;
    let digested = path.clone();
    let (bytes, sha256) = tokio::task::spawn_blocking(move || digest(&digested)).await??;
    Ok(Part { stream: stream.to_owned(), file, bytes, sha256, outline })
}

/// Reads a manifest of this shape.
pub(crate) fn read(path: &Path) -> Result<Manifest, BackupError> {
    let text = fs::read(path).map_err(failed("read", path))?;
    let manifest: Manifest = serde_json::from_slice(&text)
        .map_err(|source| BackupError::Manifest { path: path.to_owned(), source })?;
    match manifest.version {
        VERSION => Ok(manifest),
        found => Err(BackupError::Version { path: path.to_owned(), found }),
    }
}

/// Bytes and SHA-256 of a file as it lies there.
pub(crate) fn digest(path: &Path) -> Result<(u64, String), BackupError> {
    let mut file = File::open(path).map_err(failed("open", path))?;
    let mut sha256 = Sha256::new();
    let bytes = io::copy(&mut file, &mut sha256).map_err(failed("read", path))?;
    let hex = sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((bytes, hex))
}

fn make(folder: &Path) -> Result<PathBuf, BackupError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(failed("make the folder", folder))?;
    Ok(folder.to_owned())
}

fn create(path: &Path) -> Result<File, BackupError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed("make", path))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let mut file = create(path)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed("write", path))
}
