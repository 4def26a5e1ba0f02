//! Turns outcomes of jobs into signed deliveries, and what becomes of those into events.
//!
//! No timer lives in memory alone: when the next attempt is due stands in the delivery's history,
//! and the message that led here is not acknowledged before the delivery is over. A message that
//! comes early, because a server restarted, merely finds out that it is early.

mod deliver;
mod later;
pub mod settings;
mod sign;

use std::{sync::Arc, time::Duration};

use domain::{Timestamp, job::Jobs};
use eventlog::{
    Keys, Log, ReadError, TransactError,
    follow::{self, Delivered, Verdict},
    topology,
};
use service::Clock;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use vault::{MasterKeys, Vault};

use crate::deliver::{Deliverer, Error as DeliveryError, Progress};
pub use settings::Settings;

/// How long a message waits when the log cannot be reached.
const LOG_TROUBLE: Duration = Duration::from_secs(2);
/// Longest wait that is asked of the queue; what is due later is looked at again by then.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Why a dispatcher does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection to the log.
    #[error("connect to the event log")]
    Connect(#[from] eventlog::ConnectError),
    /// The log may lose what it acknowledged.
    #[error("trust the event log")]
    Durability(#[from] eventlog::DurabilityError),
    /// No master key.
    #[error("open the master key ring")]
    MasterKeys(#[from] vault::RingError),
    /// The master keys do not fit what is stored.
    #[error("check the master keys against the key store")]
    Vault(#[from] vault::Error),
    /// The `[storage]` section makes no bucket.
    #[error("use the [storage] section")]
    Storage(#[from] custody::BadSettings),
    /// No way out.
    #[error("set up egress")]
    Egress(#[from] egress::SetupError),
}

/// Delivers until `shutdown`, then lets attempts under way end.
///
/// # Errors
/// When it cannot start; once started it outlives whatever happens around it.
pub async fn run(
    settings: Settings,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let log = Log::connect(&settings.nats, "dispatcher").await?;
    Log::prove_durability(&settings.nats).await?;
    let master = MasterKeys::open_or_create(&settings.vault.master_key_file)?;
    let vault = Vault::new(master, Arc::new(Keys::new(&log)));
    vault.check().await?;
    let network = storage::Network::direct(storage::Patience::default());
    let slots = settings.dispatcher.slots.max(1);
    let deliverer = Arc::new(Deliverer {
        log: log.clone(),
        clock,
        custody: custody::Custody::new(Arc::new(vault), &settings.storage, &network).await?,
        egress: egress::Client::new(&settings.egress)?,
        settings: settings.dispatcher,
    });
    tracing::info!(slots, "ready for deliveries");
    let slots = Arc::new(Semaphore::new(slots));
    let queue = follow::Queue::new(topology::JOBS, vec![topology::DISPATCHER.to_owned()], slots);
    let handler = move |delivered| handle(Arc::clone(&deliverer), delivered);
    follow::queue(&log, queue, handler, shutdown).await;
    Ok(())
}

async fn handle(deliverer: Arc<Deliverer>, delivered: Delivered) -> Verdict {
    let outcome = match delivered.raw.decode::<Jobs>() {
        Ok(outcome) => outcome,
        Err(error) => return Verdict::Park(service::Chain(&error).to_string()),
    };
    match deliverer.deliver(&outcome).await {
        Ok(Progress::Over) => Verdict::Done,
        Ok(Progress::DueAt(at)) => Verdict::Again(wait(at, deliverer.clock.now())),
        Err(error) => {
            let text = service::Chain(&error).to_string();
            tracing::warn!(job.id = %outcome.id.job, error = text, "delivery put off");
            if is_unreadable(&error) { Verdict::Park(text) } else { Verdict::Again(LOG_TROUBLE) }
        }
    }
}

fn wait(at: Timestamp, now: Timestamp) -> Duration {
    let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
    wait.min(LONGEST_WAIT)
}

/// Whether the log says something that nobody here can read, as opposed to being away.
const fn is_unreadable(error: &DeliveryError) -> bool {
    let read = match error {
        DeliveryError::Read(read) | DeliveryError::Record(TransactError::Read(read)) => read,
        DeliveryError::Record(_) => return false,
    };
    match read {
        ReadError::Malformed(_) | ReadError::ChainBroken(_) | ReadError::TooLong { .. } => true,
        ReadError::Unavailable(_) => false,
    }
}
