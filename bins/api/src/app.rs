//! What the handlers share.

use std::sync::Arc;

use custody::Custody;
use eventlog::{Barrier, Log, topology};
use readmodel::{Positions, Store, Stream};
use service::Clock;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::{callers::Callers, currency::Currency, fresh::Fresh, routes::Routes, settings::Api, views::Views};

/// What an [`App`] is made of.
pub(crate) struct Parts {
    pub(crate) api: Api,
    pub(crate) public_url: String,
    pub(crate) log: Log,
    pub(crate) custody: Custody,
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) shutdown: CancellationToken,
}

/// What the handlers share.
pub(crate) struct App {
    pub(crate) api: Api,
    /// Base of links, without a trailing slash.
    pub(crate) public_url: String,
    pub(crate) log: Log,
    pub(crate) custody: Custody,
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Ends event streams, and keeps new ones from starting.
    pub(crate) shutdown: CancellationToken,
    /// How far the read model has come.
    pub(crate) reached: watch::Sender<Positions>,
    pub(crate) currency: Currency,
    pub(crate) callers: Callers,
    pub(crate) fresh: Fresh,
    pub(crate) views: Views,
    pub(crate) routes: Arc<Routes>,
    /// One permit for each event stream.
    pub(crate) streams: Arc<Semaphore>,
    accounts: Barrier,
    jobs: Barrier,
    members: Barrier,
    uploads: Barrier,
}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        let barrier = |stream| Barrier::new(&parts.log, stream, parts.api.read_barrier());
        Self {
            streams: Arc::new(Semaphore::new(parts.api.max_streams)),
            reached: watch::Sender::new(parts.store.positions()),
            currency: Currency::new(),
            callers: Callers::default(),
            fresh: Fresh::default(),
            views: Views::default(),
            routes: Arc::new(Routes::new()),
            accounts: barrier(topology::ACCOUNTS),
            jobs: barrier(topology::JOBS),
            members: barrier(topology::MEMBERS),
            uploads: barrier(topology::UPLOADS),
            api: parts.api,
            public_url: parts.public_url,
            log: parts.log,
            custody: parts.custody,
            store: parts.store,
            clock: parts.clock,
            shutdown: parts.shutdown,
        }
    }

    /// Why this process is not, or no longer, fit to serve.
    pub(crate) fn unready(&self) -> Vec<&'static str> {
        let mut reasons = self.currency.complaints(self.clock.now());
        if self.shutdown.is_cancelled() {
            reasons.push("stopping");
        }
        reasons
    }

    pub(crate) const fn barrier(&self, stream: Stream) -> &Barrier {
        match stream {
            Stream::Accounts => &self.accounts,
            Stream::Jobs => &self.jobs,
            Stream::Members => &self.members,
            Stream::Uploads => &self.uploads,
        }
    }
}

/// The name of a stream in the log.
pub(crate) const fn name(stream: Stream) -> &'static str {
    match stream {
        Stream::Accounts => topology::ACCOUNTS,
        Stream::Jobs => topology::JOBS,
        Stream::Members => topology::MEMBERS,
        Stream::Uploads => topology::UPLOADS,
    }
}
