//! Who wants to be told what: every endpoint and account, followed from the log and kept in memory.
//!
//! Whoever asks is answered as of then: an endpoint that was added before an event is found for it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use domain::{
    Aggregate,
    account::{self, Accounts},
    endpoint::{self, Endpoint, Endpoints},
    id::{AccountId, EndpointId},
};
use eventlog::{Barrier, Log, Raw, Unavailable, follow, topology};
use futures::StreamExt as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::told::STEPS;

/// How long a question to the log may take, and how long the book may take to catch up with it.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long to wait before following a stream again that has lost messages.
const DAMAGE_PAUSE: Duration = Duration::from_secs(30);

/// The book. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Book {
    pages: Arc<Pages>,
    endpoints: Barrier,
    accounts: Barrier,
}

struct Pages {
    endpoints: Page<BTreeMap<EndpointId, Arc<Endpoint>>>,
    accounts: Page<Arc<account::State>>,
}

/// What is known of each account, and up to which sequence.
struct Page<T> {
    known: RwLock<HashMap<AccountId, T>>,
    reached: watch::Sender<u64>,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { known: RwLock::default(), reached: watch::Sender::new(0) }
    }
}

/// The book could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Behind {
    /// The log does not say how far it goes.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// It goes further than has been read.
    #[error("{stream} has not been read to its end within {} s", PATIENCE.as_secs())]
    Slow { stream: &'static str },
}

impl<T: Clone + Default> Page<T> {
    fn of(&self, account: AccountId) -> T {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&account).cloned().unwrap_or_default()
    }

    fn change(&self, account: AccountId, change: impl FnOnce(&mut T)) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        change(known.entry(account).or_default());
    }
}

impl Book {
    /// An empty book, kept up to the log until `shutdown`.
    pub(crate) fn keep(log: &Log, shutdown: &CancellationToken) -> Self {
        let pages = Arc::new(Pages { endpoints: Page::default(), accounts: Page::default() });
        let barrier = |stream| Barrier::new(log, stream, PATIENCE);
        tokio::spawn(read(log.clone(), topology::ENDPOINTS, Arc::clone(&pages), shutdown.clone()));
        tokio::spawn(read(log.clone(), topology::ACCOUNTS, Arc::clone(&pages), shutdown.clone()));
        Self {
            pages,
            endpoints: barrier(topology::ENDPOINTS),
            accounts: barrier(topology::ACCOUNTS),
        }
    }

    /// The endpoints of an account that is asked about now.
    ///
    /// # Errors
    /// [`Behind`].
    pub(crate) async fn endpoints(
        &self,
        account: AccountId,
    ) -> Result<BTreeMap<EndpointId, Arc<Endpoint>>, Behind> {
        catch_up(&self.endpoints, &self.pages.endpoints.reached, topology::ENDPOINTS).await?;
        Ok(self.pages.endpoints.of(account))
    }

    /// An endpoint as last heard of.
    pub(crate) fn endpoint(&self, id: endpoint::Id) -> Option<Arc<Endpoint>> {
        self.pages.endpoints.of(id.account).get(&id.endpoint).cloned()
    }

    /// The account as it is now.
    ///
    /// # Errors
    /// [`Behind`].
    pub(crate) async fn account(&self, account: AccountId) -> Result<Arc<account::State>, Behind> {
        catch_up(&self.accounts, &self.pages.accounts.reached, topology::ACCOUNTS).await?;
        Ok(self.pages.accounts.of(account))
    }

    /// Whether any endpoint wants to be told of jobs before their outcome. Changes wake whoever
    /// waits on [`Book::news`].
    pub(crate) fn wants_steps(&self) -> bool {
        let known = &self.pages.endpoints.known;
        let known = known.read().unwrap_or_else(PoisonError::into_inner);
        known
            .values()
            .flat_map(BTreeMap::values)
            .any(|endpoint| STEPS.iter().any(|topic| endpoint.wants(&(*topic).into(), None)))
    }

    /// Whether the account is told on NATS what happens, as last heard of.
    pub(crate) fn has_feed(&self, account: AccountId) -> bool {
        self.pages.accounts.of(account).feed
    }

    /// Whether any account is. Changes wake whoever waits on [`Book::account_news`].
    pub(crate) fn has_feeds(&self) -> bool {
        let known = &self.pages.accounts.known;
        let known = known.read().unwrap_or_else(PoisonError::into_inner);
        known.values().any(|account| account.feed)
    }

    /// Changes with every account.
    pub(crate) fn account_news(&self) -> watch::Receiver<u64> {
        self.pages.accounts.reached.subscribe()
    }

    /// Changes with every endpoint.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.pages.endpoints.reached.subscribe()
    }
}

async fn catch_up(
    barrier: &Barrier,
    reached: &watch::Sender<u64>,
    stream: &'static str,
) -> Result<(), Behind> {
    let last = barrier.position().await?;
    if *reached.borrow() >= last {
        return Ok(());
    }
    let mut reached = reached.subscribe();
    let there = tokio::time::timeout(PATIENCE, reached.wait_for(|reached| *reached >= last));
    if matches!(there.await, Ok(Ok(_))) { Ok(()) } else { Err(Behind::Slow { stream }) }
}

async fn read(log: Log, stream: &'static str, pages: Arc<Pages>, shutdown: CancellationToken) {
    let reached = match stream {
        topology::ENDPOINTS => &pages.endpoints.reached,
        _ => &pages.accounts.reached,
    };
    while !shutdown.is_cancelled() {
        let from = *reached.borrow() + 1;
        let mut tail = follow::ordered(&log, stream, from, None, shutdown.child_token());
        while let Some(batch) = tail.next().await {
            let raws = match batch {
                Ok(raws) => raws,
                Err(gap) => {
                    tracing::error!(error = %gap, "who is to be told may not be known");
                    break;
                }
            };
            for raw in &raws {
                match stream {
                    topology::ENDPOINTS => note_endpoint(&pages, raw),
                    _ => note_account(&pages, raw),
                }
            }
            if let Some(last) = raws.last() {
                reached.send_replace(last.seq);
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(DAMAGE_PAUSE) => {}
        }
    }
}

fn note_endpoint(pages: &Pages, raw: &Raw) {
    let recorded = match raw.decode::<Endpoints>() {
        Ok(recorded) => recorded,
        Err(error) => return unreadable(raw, &error),
    };
    let endpoint::Id { account, endpoint } = recorded.id;
    pages.endpoints.change(account, |known| {
        let before = known.remove(&endpoint).map_or(endpoint::State::Absent, |endpoint| {
            endpoint::State::Present(Box::new(Arc::unwrap_or_clone(endpoint)))
        });
        let after = Endpoints::evolve(before, &recorded.event, recorded.time);
        if let endpoint::State::Present(after) = after {
            known.insert(endpoint, Arc::new(*after));
        }
    });
}

fn note_account(pages: &Pages, raw: &Raw) {
    let recorded = match raw.decode::<Accounts>() {
        Ok(recorded) => recorded,
        Err(error) => return unreadable(raw, &error),
    };
    pages.accounts.change(recorded.id, |known| {
        let before = Arc::unwrap_or_clone(std::mem::take(known));
        *known = Arc::new(Accounts::evolve(before, &recorded.event, recorded.time));
    });
}

fn unreadable(raw: &Raw, error: &eventlog::Malformed) {
    let error = service::Chain(error);
    tracing::error!(%error, stream.seq = raw.seq, "an event cannot be read; the book goes on without it");
}
