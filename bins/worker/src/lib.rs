//! Takes due jobs, drives the renderer, stores, reports. Keeps nothing.
//!
//! A message of the queue is only a hint that something may be due: the lease is the `started`
//! event, and every later event is fenced by the one before. Nothing of a source ever has a name
//! on a disk, so that it is gone with the process, however that ends.

mod attempt;
mod bucket;
mod chores;
mod claims;
mod desk;
mod far;
mod findings;
mod handler;
mod held;
mod lease;
mod network;
mod origin;
mod page;
mod receipt;
mod room;
pub mod settings;
mod shelf;
mod source;
mod spool;
mod stages;
mod stop;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use domain::id::WorkerId;
use enclave::hosted::{State, Workshop};
use eventlog::{Keys, Log, follow, topology};
use evidence::receipt_key::SecretKey;
use service::Clock;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use vault::{Role, Vault};

use crate::{desk::Desk, handler::Handler, network::Networks, spool::Spool};
pub use room::Room;
pub use settings::Settings;

/// Why a worker does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection to the log.
    #[error("connect to the event log")]
    Connect(#[from] eventlog::ConnectError),
    /// The log may lose what it acknowledged.
    #[error("trust the event log")]
    Durability(#[from] eventlog::DurabilityError),
    /// The key rings cannot be read, or do not fit what is stored.
    #[error("use the key rings of the [vault] section")]
    Vault(#[from] vault::Error),
    /// The `[storage]` section makes no bucket.
    #[error("use the [storage] section")]
    Storage(#[from] custody::BadSettings),
    /// No way out.
    #[error("set up egress")]
    Egress(#[from] egress::SetupError),
    /// Receipts cannot be signed.
    #[error("use worker.receipt_key_file and worker.receipt_keys_file")]
    ReceiptKey(#[from] evidence::receipt_key::KeyError),
    /// Nowhere to keep sources.
    #[error("worker.spool: {} cannot hold files without names", folder.display())]
    Spool {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// No renderer.
    #[error("start renderers")]
    Renderer(#[from] enclave::StartError),
    /// The walls are not proven to hold: nothing untrusted may be opened here.
    #[error(
        "the walls that {} puts up are not proven, and no job is taken without: they need user \
         namespaces (user.max_user_namespaces above 0, kernel.apparmor_restrict_unprivileged_userns \
         at 0), Landlock and seccomp, and executables of one build; `darkroom doctor` tries them \
         again",
        executable.display()
    )]
    Walls {
        /// Of a renderer, or of the host of others' programs.
        executable: PathBuf,
        /// Why not.
        #[source]
        source: enclave::ProveError,
    },
    /// A thread that looked for programs or keys died.
    #[error("look for programs and keys")]
    Thread(#[source] tokio::task::JoinError),
}

/// Works until `shutdown`, then lets jobs end for a while.
///
/// # Errors
/// When it cannot start; once started it outlives whatever happens around it.
pub async fn run(
    settings: Settings,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let renderers = settings.worker.renderers()?;
    for renderer in renderers.each() {
        let proof = enclave::prove(&renderer).await;
        let proof = proof.map_err(unproven(&renderer.executable))?;
        let executable = renderer.executable.display();
        tracing::info!(attempts = proof.attempts.len(), %executable, "the renderer's walls hold");
    }
    let workshop = workshop(&settings.worker).await?;
    let desk = desk(&settings, clock, enclave::Pool::start(&renderers)?, workshop).await?;
    let desk = Arc::new(desk);
    let (log, worker) = (desk.log.clone(), desk.worker);
    let slots = settings.worker.slots();
    tracing::info!(worker.id = %worker, slots, "ready for jobs");

    let abort = CancellationToken::new();
    let drained = drain(shutdown.clone(), settings.worker.drain_ms, abort.clone());
    let chores = tokio::spawn(chores::run(Arc::clone(&desk), shutdown.clone()));
    let idle = Arc::new(Semaphore::new(slots));
    let room = (settings.worker.spool.clone(), settings.worker.spool_free_bytes);
    let room = tokio::spawn(room::keep(room, (Arc::clone(&idle), slots)));
    let handler = Arc::new(Handler::new(desk, abort));
    let queue = follow::Queue::new(topology::WORK, topology::worker_consumers(), idle);
    let work = follow::queue(
        &log,
        queue,
        move |delivered| Arc::clone(&handler).handle(delivered),
        shutdown,
    );
    tokio::select! {
        () = work => {}
        () = drained => {}
    }
    // A chore cut short is done again.
    chores.abort();
    room.abort();
    Ok(())
}

fn unproven(executable: &Path) -> impl FnOnce(enclave::ProveError) -> Error {
    move |source| Error::Walls { executable: executable.to_owned(), source }
}

/// The programs of others that are here, their walls proven.
async fn workshop(worker: &settings::Worker) -> Result<Option<Workshop>, Error> {
    let Some(programs) = worker.programs()? else {
        tracing::info!("no darkroom-host: no office documents, web pages or text of pictures");
        return Ok(None);
    };
    let host = programs.host.clone();
    // Finding them asks each for its version.
    let found = tokio::task::spawn_blocking(|| Workshop::find(programs)).await;
    let workshop = found.map_err(Error::Thread)??;
    for (name, proof) in workshop.prove().await.map_err(unproven(&host))? {
        let (capability, attempts) = (name.as_str(), proof.attempts.len());
        tracing::info!(capability, attempts, "the program's walls hold");
    }
    for capability in workshop.capabilities() {
        let name = capability.name.as_str();
        match &capability.state {
            State::Ready { version } => tracing::info!(capability = name, version, "ready"),
            State::Missing { remedy } => tracing::info!(capability = name, remedy, "missing"),
        }
    }
    Ok(Some(workshop))
}

async fn desk(
    settings: &Settings,
    clock: Arc<dyn Clock>,
    renderers: enclave::Pool,
    workshop: Option<Workshop>,
) -> Result<Desk, Error> {
    let log = Log::connect(&settings.nats, "worker").await?;
    Log::prove_durability(&settings.nats).await?;
    let vault = Vault::open(&settings.vault, Role::Opens, Arc::new(Keys::new(&log))).await?;
    let egress = egress::Client::new(&settings.egress)?;
    let network = storage::Network::direct(storage::Patience::default());
    let platform = platform(&settings.storage, &network).await?;
    let destination = settings.storage.destination().map_err(custody::BadSettings::from)?;
    let sources = storage::Ranges::open(destination, &network).await;
    let receipt_key = receipt_key(&settings.worker).await?;
    let folder = &settings.worker.spool;
    let spool = Spool::open(folder, settings.worker.spool_memory_bytes)
        .map_err(|source| Error::Spool { folder: folder.clone(), source })?;
    Ok(Desk {
        worker: WorkerId::from_uuid(uuid::Uuid::new_v4()),
        log,
        clock,
        custody: custody::Custody::new(Arc::new(vault), &settings.storage, &network).await?,
        receipt_key,
        platform,
        sources: sources.map_err(custody::BadSettings::from)?,
        upload_unused: Duration::from_secs(settings.worker.upload_unused_s),
        networks: Networks::new(egress.gate().clone(), settings.worker.patience()),
        egress,
        renderers,
        workshop,
        spool,
        ranges_from_bytes: settings.worker.ranges_from_bytes,
        limits: settings.limits,
        backoff: settings.retry,
        uploads: settings.worker.uploads,
        public_url: settings.worker.public_url.clone(),
    })
}

/// The key that signs receipts, made where there is none.
async fn receipt_key(worker: &settings::Worker) -> Result<SecretKey, Error> {
    let (private, public) = (worker.receipt_key_file.clone(), worker.receipt_keys_file.clone());
    // The disk may be far away.
    let kept = tokio::task::spawn_blocking(move || SecretKey::keep(&private, &public)).await;
    let key = kept.map_err(Error::Thread)??;
    tracing::info!(receipt.key = key.public().id(), "receipts are signed with this key");
    Ok(key)
}

/// The platform bucket, told to remove results by itself where its server can be told so.
async fn platform(
    settings: &storage::Settings,
    network: &storage::Network,
) -> Result<storage::Platform, Error> {
    let destination = settings.destination().map_err(custody::BadSettings::from)?;
    let platform = storage::Platform::open(destination, network).await;
    let platform = platform.map_err(custody::BadSettings::from)?;
    let expires = settings.expires().map_err(custody::BadSettings::from)?;
    match platform.expire(expires).await {
        Ok(expiry) => {
            tracing::info!(?expiry, "the platform bucket has a rule that removes results");
        }
        Err(error) => {
            let error = service::Chain(&error);
            tracing::info!(%error, "the platform bucket takes no rule; workers alone remove results");
        }
    }
    Ok(platform)
}

/// After the stop was asked for: waits, then has attempts end themselves, and waits for that.
async fn drain(shutdown: CancellationToken, drain_ms: u64, abort: CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(Duration::from_millis(drain_ms)).await;
    abort.cancel();
    std::future::pending::<()>().await;
}
