//! Sharing out messages: a handler's verdict is turned into an acknowledgement here, and nowhere else.
//!
//! An acknowledgement is no fence. A handler that was thought dead may finish after another has
//! begun; what it appends is refused by the fence of [`Log::transact`], and that is what counts.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinError, JoinSet},
    time::{Instant, MissedTickBehavior, interval_at},
};
use tokio_util::sync::CancellationToken;

use crate::{
    backend::{Backend, Pulled, Puller, Receipt, Settlement},
    envelope::Raw,
    error::Unavailable,
    headers::Headers,
    log::Log,
    subject, topology,
};

/// How long a fetched message waits here for a slot before another process may have it.
const HOLD: Duration = Duration::from_millis(50);
/// After how long a message that found no slot is offered again.
const ELSEWHERE: Duration = Duration::from_millis(100);
/// How long handlers may take to finish after the shutdown.
const DRAIN: Duration = Duration::from_secs(20);
/// The longest pause after trouble with the server.
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// The longest wait after a handler panicked.
const MAX_PANIC_DELAY: Duration = Duration::from_secs(60);
/// nats-server's own `ack_wait`.
const USUAL_ACK_WAIT: Duration = Duration::from_secs(30);
/// Messages that one pull asks for at most.
const MAX_AHEAD: usize = 64;
/// How often parking is tried before the message is left for its redelivery.
const MAX_PARKING: u32 = 3;

/// Which messages, and how many at once.
#[derive(Debug, Clone)]
pub struct Queue {
    /// The stream.
    pub stream: &'static str,
    /// Its durable consumers to take from, as [`topology`] names them.
    pub consumers: Vec<String>,
    /// One permit for each message handled at a time.
    pub slots: Arc<Semaphore>,
    /// How often the server is told that a handler is still at work; well below the consumers'
    /// `ack_wait`.
    pub pulse: Duration,
}

impl Queue {
    /// The messages of `consumers`, which `nats/` describes, as many at once as `slots` has permits.
    #[must_use]
    pub fn new(stream: &'static str, consumers: Vec<String>, slots: Arc<Semaphore>) -> Self {
        let ack_wait = consumers.iter().map(|consumer| topology::ack_wait(stream, consumer)).min();
        Self { stream, consumers, slots, pulse: ack_wait.unwrap_or(USUAL_ACK_WAIT) / 3 }
    }
}

/// A message handed to a handler.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// The event, at the place where it was first stored, also when a work queue handed it out.
    pub raw: Raw,
    /// How often it has been handed out, this time included.
    pub deliveries: u64,
}

/// What a handler makes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Acted upon; nobody needs it any more.
    Done,
    /// Not yet: hand it out again after this delay, to whomever.
    Again(Duration),
    /// Never: nobody can act on it. It is set aside with this reason, for an operator.
    Park(String),
    /// Somebody else was handed the same message and acts on it: the verdict is theirs. If they
    /// die, it is handed out once more.
    Leave,
}

/// Hands the messages of `queue` to `handler` until `shutdown`, then waits for those at work.
///
/// While a handler works, the server is told so, however long it takes. A handler that panics gets
/// its message again after a growing delay. Whatever happens to the server or the connection, this
/// goes on by itself.
pub async fn queue<H, F>(log: &Log, queue: Queue, handler: H, shutdown: CancellationToken)
where
    H: Fn(Delivered) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Verdict> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    let share = queue.consumers.len().max(1);
    for consumer in queue.consumers {
        let taker = Taker {
            log: log.clone(),
            stream: queue.stream,
            pulse: queue.pulse,
            consumer,
            slots: Arc::clone(&queue.slots),
            share,
        };
        let (handler, shutdown) = (handler.clone(), shutdown.clone());
        tasks.spawn(async move { taker.run(handler, shutdown).await });
    }
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, stream = queue.stream, "a follower ended");
        }
    }
}

/// Takes messages from one consumer.
#[derive(Clone)]
struct Taker {
    log: Log,
    stream: &'static str,
    consumer: String,
    pulse: Duration,
    slots: Arc<Semaphore>,
    share: usize,
}

impl Taker {
    async fn run<H, F>(self, handler: H, shutdown: CancellationToken)
    where
        H: Fn(Delivered) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Verdict> + Send + 'static,
    {
        let mut working = JoinSet::new();
        let mut pause = Duration::from_millis(50);
        while !shutdown.is_cancelled() {
            match self.take(&handler, &mut working, &mut pause, &shutdown).await {
                Ok(()) => break,
                Err(error) => {
                    tracing::warn!(
                        error = %crate::error::chain(&error),
                        stream = self.stream, consumer = self.consumer, "pulling again"
                    );
                    shutdown.run_until_cancelled(tokio::time::sleep(pause)).await;
                    pause = (pause * 2).min(MAX_PAUSE);
                }
            }
        }
        let drained = async { while working.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!(consumer = self.consumer, "handlers did not finish in time");
        }
    }

    /// Takes until the shutdown, or until something is wrong with the consumer.
    async fn take<H, F>(
        &self,
        handler: &H,
        working: &mut JoinSet<()>,
        pause: &mut Duration,
        shutdown: &CancellationToken,
    ) -> Result<(), Unavailable>
    where
        H: Fn(Delivered) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Verdict> + Send + 'static,
    {
        let mut puller = self.log.backend.puller(self.stream, &self.consumer).await?;
        loop {
            while working.try_join_next().is_some() {}
            // Only a process with a free slot asks for work.
            let Some(free) = shutdown.run_until_cancelled(self.slots.acquire()).await else {
                break;
            };
            drop(free);
            let ahead = (self.slots.available_permits() / self.share).clamp(1, MAX_AHEAD);
            let Some(next) = shutdown.run_until_cancelled(puller.next(ahead)).await else { break };
            *pause = Duration::from_millis(50);
            let Some(pulled) = next? else { continue };
            let slot = Arc::clone(&self.slots).acquire_owned();
            match tokio::time::timeout(HOLD, slot).await {
                Ok(Ok(slot)) => {
                    working.spawn(self.clone().handle(pulled, handler.clone(), slot));
                }
                Ok(Err(_)) | Err(_) => {
                    pulled.receipt.settle(Settlement::Again(ELSEWHERE)).await?;
                }
            }
        }
        puller.close().await;
        Ok(())
    }

    async fn handle<H, F>(self, pulled: Pulled, handler: H, slot: OwnedSemaphorePermit)
    where
        H: Fn(Delivered) -> F + Send + 'static,
        F: Future<Output = Verdict> + Send + 'static,
    {
        let Pulled { raw, deliveries, receipt } = pulled;
        let delivered = Delivered { raw: raw.clone(), deliveries };
        // A task of its own: a panic stays in there, and reading on is not held up.
        let work = tokio::spawn(async move { handler(delivered).await });
        let verdict = match self.stand_by(work, &receipt).await {
            Ok(verdict) => verdict,
            Err(panic) => {
                let delay = panic_delay(deliveries);
                tracing::error!(
                    %panic, stream = raw.stream, stream.seq = raw.seq, ?delay, "a handler panicked"
                );
                Verdict::Again(delay)
            }
        };
        drop(slot);
        let settlement = match verdict {
            Verdict::Done => Settlement::Done,
            Verdict::Again(delay) => Settlement::Again(delay),
            Verdict::Park(reason) => self.park(&raw, &reason).await,
            Verdict::Leave => return,
        };
        if let Err(error) = receipt.settle(settlement).await {
            tracing::warn!(error = %crate::error::chain(&error), "a verdict was lost; the message will return");
        }
    }

    /// Waits for the handler, and tells the server meanwhile that it is at work.
    async fn stand_by(
        &self,
        mut work: tokio::task::JoinHandle<Verdict>,
        receipt: &Receipt,
    ) -> Result<Verdict, JoinError> {
        let period = self.pulse.max(Duration::from_millis(10));
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                verdict = &mut work => return verdict,
                _ = ticks.tick() => {
                    if let Err(error) = receipt.settle(Settlement::Working).await {
                        tracing::debug!(%error, "could not say that work goes on");
                    }
                }
            }
        }
    }

    /// Sets a message aside. Only what is safely there may be dropped from the queue.
    async fn park(&self, raw: &Raw, reason: &str) -> Settlement {
        let subject = subject::parked(self.stream, &self.consumer);
        // One copy per message and consumer, however often it is parked.
        let own = format!("{}-{}-{}", self.consumer, raw.stream, raw.seq);
        let mut headers: Headers = raw
            .headers
            .iter()
            .filter(|(name, _)| !name.starts_with("Nats-") && !name.starts_with(':'))
            .collect();
        headers.push("Nats-Msg-Id", own);
        headers.push("darkroom-parked-reason", single_line(reason));
        headers.push("darkroom-parked-subject", &raw.subject);
        headers.push("darkroom-parked-seq", raw.seq.to_string());
        tracing::error!(
            reason,
            stream = raw.stream,
            stream.seq = raw.seq,
            consumer = self.consumer,
            "parked a message"
        );
        for _ in 0..MAX_PARKING {
            match self.append_parked(&subject, &headers, raw).await {
                Ok(()) => return Settlement::Never(single_line(reason)),
                Err(error) => tracing::warn!(?error, "parking failed"),
            }
        }
        Settlement::Again(MAX_PAUSE)
    }

    async fn append_parked(
        &self,
        subject: &str,
        headers: &Headers,
        raw: &Raw,
    ) -> Result<(), crate::backend::AppendError> {
        let backend: &Backend = &self.log.backend;
        backend.append(topology::PARKED, subject, headers, &raw.body, None).await.map(drop)
    }
}

impl Puller {
    async fn close(self) {
        match self {
            Self::Server(puller) => puller.close().await,
            Self::Memory(_) => {}
        }
    }
}

fn panic_delay(deliveries: u64) -> Duration {
    let doublings = u32::try_from(deliveries.saturating_sub(1)).unwrap_or(u32::MAX).min(6);
    (Duration::from_secs(1) * 2_u32.pow(doublings)).min(MAX_PANIC_DELAY)
}

/// A reason as it may stand in a header and in a verdict.
fn single_line(reason: &str) -> String {
    reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect()
}
