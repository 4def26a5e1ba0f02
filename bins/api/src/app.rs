//! What the handlers share.

use std::sync::Arc;

use custody::Custody;
use domain::limits::Limits;
use eventlog::{Barrier, Log, topology};
use readmodel::{Positions, Store, Stream};
use service::Clock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    callers::Callers,
    console::Console,
    currency::Currency,
    demands::Demands,
    fresh::Fresh,
    logs::Logs,
    places::Places,
    quotas::Gate,
    routes::Routes,
    sessions::Sessions,
    settings::{Api, Served},
    uses::Uses,
    views::Views,
};

/// What an [`App`] is made of.
pub(crate) struct Parts {
    pub(crate) served: Served,
    pub(crate) sessions: Sessions,
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
    pub(crate) demands: Demands,
    pub(crate) fresh: Fresh,
    pub(crate) logs: Logs,
    pub(crate) gate: Gate,
    /// Limits of a job of an account that has none of its own.
    pub(crate) limits: Limits,
    pub(crate) uses: Uses,
    pub(crate) views: Views,
    pub(crate) routes: Arc<Routes>,
    pub(crate) console: Console,
    pub(crate) sessions: Sessions,
    /// One for each event stream and export.
    pub(crate) places: Places,
    accounts: Barrier,
    jobs: Barrier,
    members: Barrier,
    uploads: Barrier,
    endpoints: Barrier,
    deliveries: Barrier,
}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        let Served { api, limits, quotas } = parts.served;
        let barrier = |stream| Barrier::new(&parts.log, stream, api.read_barrier());
        Self {
            places: Places::new(api.max_streams, api.max_streams_per_account),
            reached: watch::Sender::new(parts.store.positions()),
            currency: Currency::new(),
            callers: Callers::default(),
            demands: Demands::default(),
            fresh: Fresh::default(),
            logs: Logs::default(),
            gate: Gate::new(quotas),
            limits,
            uses: Uses::default(),
            views: Views::default(),
            routes: Arc::new(Routes::new()),
            console: Console::new(&parts.public_url, &parts.custody.download_origins()),
            sessions: parts.sessions,
            accounts: barrier(topology::ACCOUNTS),
            jobs: barrier(topology::JOBS),
            members: barrier(topology::MEMBERS),
            uploads: barrier(topology::UPLOADS),
            endpoints: barrier(topology::ENDPOINTS),
            deliveries: barrier(topology::DELIVERIES),
            api,
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
            Stream::Endpoints => &self.endpoints,
            Stream::Deliveries => &self.deliveries,
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
        Stream::Endpoints => topology::ENDPOINTS,
        Stream::Deliveries => topology::DELIVERIES,
    }
}
