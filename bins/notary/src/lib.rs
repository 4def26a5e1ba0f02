//! Says what the log amounts to: a Merkle tree over each stream, and signed checkpoints of it.
//!
//! A notary reads every stream in order, keeps the tiles of its tree in the log, and signs the root
//! every so often. It has no state but a key and what it signed last; all else it finds in the log,
//! and verifies. It would rather sign nothing than something that does not continue what it signed
//! before: then it says so, and which event is to blame.

mod elsewhere;
mod growth;
pub mod identity;
mod keeper;
mod promise;
pub mod settings;
mod trouble;
mod witness;

use std::{
    fs::{self, File, TryLockError},
    io,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use eventlog::{Checkpoints, Log};
use evidence::{
    STREAMS,
    note::{BadKey, Kind, Signer, Verifier},
    shelf::Shelf,
};
use service::Clock;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

pub use crate::{elsewhere::BadPlace, identity::IdentityError, settings::Settings};
use crate::{elsewhere::Elsewhere, growth::Ground, keeper::Keeper, promise::PromiseFile};

/// The role that this process has in the log.
const ROLE: &str = "notary";
/// The folder of what was signed last, below the notary's.
const SIGNED: &str = "signed";

/// Why a notary does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection to the log.
    #[error("connect to the event log")]
    Connect(#[from] eventlog::ConnectError),
    /// The log may lose what it acknowledged.
    #[error("trust the event log")]
    Durability(#[from] eventlog::DurabilityError),
    /// The key cannot be used.
    #[error("use the signing key")]
    Identity(#[from] IdentityError),
    /// A setting names no key.
    #[error("notary.succeeds holds `{text}`, which is no verifier key")]
    Succeeds {
        /// As it was set.
        text: String,
        /// Why not.
        #[source]
        source: BadKey,
    },
    /// The folder cannot be used.
    #[error("use the notary's folder {}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Another notary has the folder.
    #[error("another notary runs on {}: stop it, or give this one a folder of its own", path.display())]
    InUse {
        /// Which.
        path: PathBuf,
    },
    /// A setting cannot be met.
    #[error(
        "signing after no events, or after no time: set notary.every_events and notary.every_ms to 1 or more"
    )]
    Never,
    /// Checkpoints cannot be published elsewhere as they are to be.
    #[error(transparent)]
    Place(#[from] BadPlace),
}

/// Signs until `shutdown`.
///
/// # Errors
/// When it cannot start; once started it outlives whatever happens around it.
pub async fn run(
    settings: Settings,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let log = Log::connect(&settings.nats, ROLE).await?;
    Log::prove_durability(&settings.nats).await?;
    run_on(&settings, &log, &log, clock, shutdown).await
}

/// The same over connections that exist: one to read events from, one for all that is said of them.
///
/// # Errors
/// As [`run`].
pub async fn run_on(
    settings: &Settings,
    events: &Log,
    books: &Log,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let notary = &settings.notary;
    if notary.every_events == 0 || notary.every_ms == 0 {
        return Err(Error::Never);
    }
    let signer = identity::open(&notary.data, notary.name.as_deref())?;
    let lock = own(&notary.data)?;
    let known = predecessors(&notary.succeeds)?;
    let elsewhere = Arc::new(Elsewhere::new(settings, books, &clock).await?);
    tracing::info!(key = %signer.verifier(), "ready to sign");
    let mut running = JoinSet::new();
    for stream in STREAMS {
        let (published, news) = watch::channel(None);
        let named = under(&signer, stream)?;
        let before = known.iter().map(|key| key.named(format!("{}/{stream}", key.name())));
        let keeper = Keeper {
            ground: Ground {
                stream,
                events: Checkpoints::new(events),
                books: Checkpoints::new(books),
                shelf: Shelf::new(books),
                absent: notary.absent.get(stream).copied().unwrap_or_default(),
            },
            promise: PromiseFile::of(&notary.data.join(SIGNED), stream),
            key: signer.verifier(),
            keys: before.chain([named.verifier()]).collect(),
            signer: named,
            clock: Arc::clone(&clock),
            every_events: notary.every_events,
            every: Duration::from_millis(notary.every_ms),
            published,
            shutdown: shutdown.clone(),
        };
        running.spawn(keeper.run());
        running.spawn(Arc::clone(&elsewhere).follow(stream, news, shutdown.clone()));
    }
    while let Some(ended) = running.join_next().await {
        if let Err(error) = ended {
            // It may have been about to sign: nothing is better than something unproven.
            tracing::error!(%error, "a log is not kept any more");
        }
    }
    drop(lock);
    Ok(())
}

/// The deployment's key as it is called in the checkpoints of one log.
fn under(signer: &Signer, stream: &str) -> Result<Signer, IdentityError> {
    let name = format!("{}/{stream}", signer.name());
    signer.named(name.clone()).map_err(|_bad_name| IdentityError::Name { name })
}

fn predecessors(texts: &[String]) -> Result<Vec<Verifier>, Error> {
    let read = |text: &String| {
        let bad = |source| Error::Succeeds { text: text.clone(), source };
        match text.parse::<Verifier>() {
            Ok(key) if key.kind() == Kind::Note => Ok(key),
            Ok(_) => Err(bad(BadKey::Kind)),
            Err(source) => Err(bad(source)),
        }
    };
    texts.iter().map(read).collect()
}

/// Takes the folder.
fn own(folder: &std::path::Path) -> Result<File, Error> {
    let unusable = |source| Error::Folder { path: folder.to_owned(), source };
    fs::create_dir_all(folder.join(SIGNED)).map_err(unusable)?;
    let lock = File::create(folder.join("lock")).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { path: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}
