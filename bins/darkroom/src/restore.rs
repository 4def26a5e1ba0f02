//! `darkroom restore`: a log made of a backup, with everything gone from it that was erased since.

use std::{
    io::{Write as _, stdout},
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use domain::{
    Timestamp,
    account::{self, Accounts},
    job::{self, Jobs},
};
use eventlog::{Keys, Log, TransactError, topology};
use service::{Clock, Failure, OrTry};
use vault::{Role, Vault};

use crate::{
    backup::{self, BackupError, KEYS_MANIFEST, LIST, MANIFEST, Manifest, Part},
    exit::Exit,
    ledger::Ledger,
    operator::Operator,
    up::settings::Settings,
};

/// Make an empty server's log of a backup, and erase again what was erased since
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom restore /backups/2026-11-22T10-00-00.000000Z --erasures /backups/erasures.ndjson
  darkroom restore BACKUP --keys KEYS --data /var/lib/darkroom

What was erased after the backup is in the notes that lie in the platform bucket (erasures/), and in the
lists given with --erasures. Their keys are shredded before any job comes back, and the worker finishes
the rest as soon as it runs. Without a single such source nothing is restored, unless you say that there
is none.")]
pub(crate) struct Arguments {
    /// The backup: a folder with backup.json
    #[arg(value_name = "DIR")]
    backup: PathBuf,
    /// Where its keys lie: a folder with keys.json [default: the backup]
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// A list of erasures as `darkroom erase --list` writes it; may be given several times
    #[arg(long, value_name = "FILE")]
    erasures: Vec<PathBuf>,
    /// There is no list of what was erased since, and no platform bucket that could say so
    #[arg(long)]
    nothing_erased_since: bool,
    #[command(flatten)]
    operator: Operator,
}

#[derive(Debug, thiserror::Error)]
enum RestoreError {
    #[error("the log is not empty: {stream} holds {messages} messages")]
    NotEmpty { stream: String, messages: u64 },
    #[error("nothing says what was erased since the backup")]
    NoLedger,
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments, clock: &dyn Clock) -> Result<Exit, Failure> {
    let settings = arguments.operator.settings()?;
    let backup = Backup::open(&arguments)?;
    let ledger = ledger(&arguments, &settings).await?;
    let way = arguments.operator.begin().await?;
    let restored = restore(&way.nats, &settings, &backup, ledger, clock.now()).await;
    way.close().await;
    let again = restored?;
    let taken_at = backup.streams.taken_at;
    writeln!(stdout(), "restored what was there at {taken_at}; erased again: {again}")?;
    writeln!(
        stdout(),
        "workers finish that when they run; read models are made anew by themselves"
    )?;
    Ok(Exit::Well)
}

/// A backup whose files are as they were written.
struct Backup {
    folder: PathBuf,
    keys_folder: PathBuf,
    streams: Manifest,
    keys: Manifest,
}

impl Backup {
    fn open(arguments: &Arguments) -> Result<Self, Failure> {
        let folder = arguments.backup.clone();
        let keys_folder = arguments.keys.clone().unwrap_or_else(|| folder.clone());
        let streams = backup::read(&folder.join(MANIFEST)).or_try(
            "the folder that `darkroom backup` named; one without backup.json was never finished",
        )?;
        let keys = backup::read(&keys_folder.join(KEYS_MANIFEST))
            .or_try("name the folder that `darkroom backup --keys-to` wrote to with --keys")?;
        let opened = Self { folder, keys_folder, streams, keys };
        for (folder, part) in opened.parts() {
            let path = folder.join(&part.file);
            if backup::digest(&path)? != (part.bytes, part.sha256.clone()) {
                return Err(BackupError::Damaged { path }.into());
            }
        }
        Ok(opened)
    }

    /// Every file of it, the keys first.
    fn parts(&self) -> impl Iterator<Item = (&Path, &Part)> {
        let keys = self.keys.streams.iter().map(|part| (self.keys_folder.as_path(), part));
        keys.chain(self.streams.streams.iter().map(|part| (self.folder.as_path(), part)))
    }
}

/// Everything that anybody knows of erasures.
async fn ledger(arguments: &Arguments, settings: &Settings) -> Result<Ledger, Failure> {
    let mut ledger = Ledger::of_file(&arguments.backup.join(LIST))?;
    let mut sources = arguments.erasures.len();
    for path in &arguments.erasures {
        ledger = ledger.and(Ledger::of_file(path)?);
    }
    let storage = &settings.storage;
    if storage.endpoint.is_some() || !storage.access_key.is_empty() {
        ledger = ledger.and(Ledger::of_bucket(storage).await?);
        sources += 1;
    } else if let Some(noted) =
        Ledger::of_folder(&arguments.operator.data.join("s3").join(&storage.bucket))
    {
        ledger = ledger.and(noted);
        sources += 1;
    }
    if sources == 0 && !arguments.nothing_erased_since {
        return Err(RestoreError::NoLedger).or_try(
            "--erasures FILE with the newest list, [storage] with the platform bucket, or --nothing-erased-since",
        );
    }
    Ok(ledger)
}

async fn restore(
    nats: &eventlog::Settings,
    settings: &Settings,
    backup: &Backup,
    ledger: Ledger,
    now: Timestamp,
) -> Result<usize, Failure> {
    let log = Log::connect(nats, "operator").await?;
    for (_, part) in backup.parts() {
        if let Some(messages) = log.holds(&part.stream).await?.filter(|messages| *messages > 0) {
            let stream = part.stream.clone();
            return Err(RestoreError::NotEmpty { stream, messages })
                .or_try("restore into a data folder, or a server, that has held nothing yet");
        }
    }
    log.make_room(topology::WORK).await?;
    for part in &backup.keys.streams {
        give(&log, &backup.keys_folder, part, nats.replicas).await?;
    }
    // Before anything is back that was sealed under them.
    let vault = Vault::open(&settings.vault, Role::Operates, Arc::new(Keys::new(&log)))
        .await
        .or_try("put the key ring files back that this log was made with, and begin again with an empty server")?;
    shred(&vault, &ledger).await?;
    for part in &backup.streams.streams {
        give(&log, &backup.folder, part, nats.replicas).await?;
    }
    topology::apply(&log, nats.replicas).await?;
    // The keys may be older than the rest.
    let ledger = ledger.and(Ledger::of_log(&log).await?);
    shred(&vault, &ledger).await?;
    ask_again(&log, &ledger, now).await?;
    Ok(ledger.len())
}

async fn give(log: &Log, folder: &Path, part: &Part, replicas: u8) -> Result<(), Failure> {
    let path = folder.join(&part.file);
    let mut file = tokio::fs::File::open(&path).await.map_err(backup::failed("open", &path))?;
    log.make_room(&part.stream).await?;
    let mut outline = part.outline.clone();
    // One that was taken of a mirror becomes the origin.
    if outline.config.get("mirror").is_some() {
        outline.config = topology::config(&part.stream, replicas).unwrap_or(outline.config);
    }
    log.restore(&part.stream, &outline, &mut file).await?;
    let messages = part.outline.messages();
    writeln!(stdout(), "{:<12} {messages:>9} messages", part.stream)?;
    Ok(())
}

/// Destroys every key that must not be there.
async fn shred(vault: &Vault, ledger: &Ledger) -> Result<(), Failure> {
    for account in &ledger.accounts {
        vault.shred_account(&account.to_string()).await?;
    }
    for id in &ledger.jobs {
        vault.shred_job(&id.account.to_string(), &id.job.to_string()).await?;
    }
    Ok(())
}

/// Has every history say that it is to be erased, so that workers do the rest.
async fn ask_again(log: &Log, ledger: &Ledger, now: Timestamp) -> Result<(), Failure> {
    for id in &ledger.accounts {
        let asked = log.transact::<Accounts, _>(id, now, account::request_erasure).await;
        match asked {
            Ok(_) | Err(TransactError::Refused(account::Refusal::Unknown)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    for id in &ledger.jobs {
        match log.transact::<Jobs, _>(id, now, job::request_erasure).await {
            Ok(_) | Err(TransactError::Refused(job::Refusal::Unknown)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
