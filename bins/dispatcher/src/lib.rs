//! Turns what happens into signed deliveries, and what becomes of those into events.
//!
//! What happened is told at once to every endpoint that wants to know and has room; otherwise, and
//! after a failure, the delivery is noted as due, and pursued by its own message until it is over.
//! No timer lives in memory alone: when the next attempt is due stands in the delivery's history. A
//! message that comes early, because a server restarted, merely finds out that it is early.

mod attempt;
mod book;
mod deliver;
mod feed;
#[doc(hidden)]
pub mod fuzzed;
mod journal;
mod lanes;
mod later;
mod matter;
mod payload;
mod redact;
mod replay;
pub mod settings;
mod sign;
mod target;
#[cfg(test)]
mod tests;
mod told;
mod turns;

use std::{sync::Arc, time::Duration};

use domain::{
    Timestamp,
    delivery::{self, Deliveries, Event as DeliveryEvent},
    endpoint::{Endpoints, Event as EndpointEvent},
    id::EndpointId,
};
use eventlog::{
    Keys, Log, Malformed, ReadError, TransactError,
    follow::{self, Delivered, Queue, Verdict},
    topology,
};
use service::Clock;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use vault::{Role, Vault};

use crate::{
    book::Book,
    deliver::{Deliverer, Error as DeliveryError, MOST_BEGUN, MOST_READ, Progress},
    journal::Journal,
    lanes::Lanes,
    target::Opener,
    told::Happening,
    turns::Turns,
};
pub use settings::Settings;

/// How long a message waits when the log cannot be reached.
const LOG_TROUBLE: Duration = Duration::from_secs(2);
/// Longest wait that is asked of the queue; what is due later is looked at again by then.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// How long a delivery waits at first that comes after another, before it looks by itself whether that is
/// over; twice as long each time after.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// How long it waits at most.
const LAST_LOOK: Duration = Duration::from_secs(60);
/// How long those who were called may take to finish after the shutdown.
const DRAIN: Duration = Duration::from_secs(20);
/// How often it is looked for attempts that could not be recorded when they were over.
const LEFT_LOOK: Duration = Duration::from_secs(15);
/// Longer waits for room end together with those of others.
const STEP: Duration = Duration::from_secs(1);

/// Why a dispatcher does not start.
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
    /// Attempts cannot be noted.
    #[error(transparent)]
    Journal(#[from] journal::Error),
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
    let vault = Vault::open(&settings.vault, Role::Opens, Arc::new(Keys::new(&log))).await?;
    let network = storage::Network::direct(storage::Patience::default());
    let slots = settings.dispatcher.slots.max(1);
    let custody = custody::Custody::new(Arc::new(vault), &settings.storage, &network).await?;
    let (turns, called) = Turns::new();
    let deliverer = Arc::new(Deliverer {
        book: Book::keep(&log, &shutdown),
        lanes: Lanes::default(),
        turns,
        opener: Opener::new(custody.clone()),
        begun: Arc::new(Semaphore::new(MOST_BEGUN)),
        calls: Semaphore::new(slots),
        reads: Semaphore::new(MOST_READ),
        log,
        clock,
        custody,
        egress: egress::Client::new(&settings.egress)?,
        journal: Journal::open(&settings.dispatcher.attempts)?,
        settings: settings.dispatcher,
    });
    // Before anything is attempted again.
    deliverer.record_left().await;
    tracing::info!(slots, "ready for deliveries");
    // What is new never waits for what is old, and what many are to be told takes one place here.
    let (now, later) = (Arc::new(Semaphore::new(MOST_BEGUN)), Arc::new(Semaphore::new(slots)));
    let take = |stream, consumer: &str, slots: &Arc<Semaphore>| {
        let queue = Queue::new(stream, vec![consumer.to_owned()], Arc::clone(slots));
        let deliverer = Arc::clone(&deliverer);
        let log = deliverer.log.clone();
        let shutdown = shutdown.clone();
        let handler = move |delivered| handle(Arc::clone(&deliverer), stream, delivered);
        async move { follow::queue(&log, queue, handler, shutdown).await }
    };
    tokio::join!(
        take(topology::JOBS, topology::DISPATCHER, &now),
        take(topology::ACCOUNTS, topology::DISPATCHER, &now),
        take(topology::UPLOADS, topology::DISPATCHER, &now),
        take(topology::ENDPOINTS, topology::DISPATCHER, &now),
        take(topology::DELIVERIES, topology::DISPATCHER, &later),
        steps(&deliverer, &now, &shutdown),
        answers(&deliverer, called, &later, &shutdown),
        leftovers(&deliverer, &shutdown),
        feed::keep(&deliverer.log, &deliverer.custody, &deliverer.book, &shutdown),
    );
    Ok(())
}

/// Takes what happens to jobs before their outcome for as long as an endpoint wants to know; for
/// most installations nobody does, and it is left where it lies.
async fn steps(deliverer: &Arc<Deliverer>, slots: &Arc<Semaphore>, shutdown: &CancellationToken) {
    let mut news = deliverer.book.news();
    while !shutdown.is_cancelled() {
        if deliverer.book.wants_steps() {
            let until = shutdown.child_token();
            let (stop, mut changes) = (until.clone(), news.clone());
            let book = deliverer.book.clone();
            let watch = tokio::spawn(async move {
                while changes.changed().await.is_ok() && book.wants_steps() {}
                stop.cancel();
            });
            let queue =
                Queue::new(topology::JOBS, vec![topology::STEPS.to_owned()], Arc::clone(slots));
            let (log, teller) = (deliverer.log.clone(), Arc::clone(deliverer));
            let handler = move |delivered| handle(Arc::clone(&teller), topology::JOBS, delivered);
            follow::queue(&log, queue, handler, until).await;
            watch.abort();
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            _changed = news.changed() => {}
        }
    }
}

/// Pursues whoever is called, then lets what is under way end.
async fn answers(
    deliverer: &Arc<Deliverer>,
    mut called: mpsc::Receiver<delivery::Id>,
    slots: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) {
    let mut answering = JoinSet::new();
    while let Some(Some(id)) = shutdown.run_until_cancelled(called.recv()).await {
        while answering.try_join_next().is_some() {}
        let slot = Arc::clone(slots).acquire_owned();
        let Some(Ok(slot)) = shutdown.run_until_cancelled(slot).await else { break };
        let deliverer = Arc::clone(deliverer);
        answering.spawn(async move {
            deliverer.answer(id).await;
            drop(slot);
        });
    }
    let drained = async { while answering.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        tracing::warn!("deliveries that were called did not end in time");
    }
}

/// Records what could not be recorded when it was over.
async fn leftovers(deliverer: &Deliverer, shutdown: &CancellationToken) {
    while shutdown.run_until_cancelled(tokio::time::sleep(LEFT_LOOK)).await.is_some() {
        deliverer.record_left().await;
    }
}

async fn handle(deliverer: Arc<Deliverer>, stream: &'static str, delivered: Delivered) -> Verdict {
    let done = match stream {
        topology::DELIVERIES => deliveries(&deliverer, &delivered).await,
        topology::ENDPOINTS => endpoints(&deliverer, &delivered).await,
        _ => tell(&deliverer, stream, &delivered, None).await,
    };
    done.unwrap_or_else(|error| {
        let text = service::Chain(&error).to_string();
        tracing::warn!(error = text, stream, stream.seq = delivered.raw.seq, "put off");
        if error.is_unreadable() { Verdict::Park(text) } else { Verdict::Again(LOG_TROUBLE) }
    })
}

async fn tell(
    deliverer: &Deliverer,
    stream: &'static str,
    delivered: &Delivered,
    but: Option<EndpointId>,
) -> Result<Verdict, Trouble> {
    let happening = Happening::read(stream, &delivered.raw)?;
    deliverer.tell(&happening, delivered.deliveries > 1, but).await?;
    Ok(Verdict::Done)
}

/// A delivery that is due is pursued; one that was given up is told to the other endpoints.
async fn deliveries(deliverer: &Deliverer, delivered: &Delivered) -> Result<Verdict, Trouble> {
    let recorded = delivered.raw.decode::<Deliveries>()?;
    if let DeliveryEvent::Exhausted { .. } = recorded.event {
        let known = deliverer.load::<Deliveries>(&recorded.id).await?;
        // That telling of one failed is told; that telling of that failed is not.
        let topic = known.state.delivery().map(|delivery| delivery.told.event_type.as_str());
        if topic.is_none_or(|topic| topic.starts_with("delivery.")) {
            return Ok(Verdict::Done);
        }
        let but = Some(recorded.id.endpoint);
        return tell(deliverer, topology::DELIVERIES, delivered, but).await;
    }
    Ok(match deliverer.pursue(recorded.id).await? {
        Progress::Over => Verdict::Done,
        Progress::DueAt(at) => Verdict::Again(wait(at, deliverer.clock.now())),
        Progress::Later(wait) => Verdict::Again(in_step(wait, deliverer.clock.now())),
        Progress::Behind => {
            Verdict::Again(in_step(next_look(delivered.deliveries), deliverer.clock.now()))
        }
    })
}

async fn endpoints(deliverer: &Deliverer, delivered: &Delivered) -> Result<Verdict, Trouble> {
    let recorded = delivered.raw.decode::<Endpoints>()?;
    match recorded.event {
        EndpointEvent::Added { .. } => {
            let happening = Happening::read(topology::ENDPOINTS, &delivered.raw)?;
            deliverer.greet(recorded.id, &happening, delivered.deliveries > 1).await?;
        }
        EndpointEvent::ReplayRequested { replay, .. } => {
            deliverer.replay(recorded.id, replay, recorded.time).await?;
        }
        _ => {}
    }
    tell(deliverer, topology::ENDPOINTS, delivered, Some(recorded.id.endpoint)).await
}

/// Why a message was not acted upon.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Deliver(#[from] DeliveryError),
    #[error(transparent)]
    Replay(#[from] replay::Error),
}

impl Trouble {
    /// Whether the log says something that nobody here can read, as opposed to being away.
    const fn is_unreadable(&self) -> bool {
        let read = match self {
            Self::Malformed(_) => return true,
            Self::Read(read)
            | Self::Deliver(
                DeliveryError::Read(read) | DeliveryError::Record(TransactError::Read(read)),
            )
            | Self::Replay(replay::Error::Read(read)) => read,
            Self::Deliver(_) | Self::Replay(_) => return false,
        };
        match read {
            ReadError::Malformed(_) | ReadError::ChainBroken(_) | ReadError::TooLong { .. } => true,
            ReadError::Unavailable(_) => false,
        }
    }
}

fn wait(at: Timestamp, now: Timestamp) -> Duration {
    let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
    wait.min(LONGEST_WAIT)
}

/// How long to wait for another delivery after so many looks.
fn next_look(looks: u64) -> Duration {
    let doublings = u32::try_from(looks.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST_LOOK.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(LAST_LOOK)
}

/// A wait that ends with a second: the server looks at all that wait whenever one of them is due.
fn in_step(wait: Duration, now: Timestamp) -> Duration {
    if wait < STEP {
        return wait;
    }
    let past = Duration::from_nanos(u64::try_from(now.subsec_nanosecond()).unwrap_or_default());
    Duration::from_secs((wait + past).as_secs() + 1).saturating_sub(past)
}
