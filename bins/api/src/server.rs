//! A whole API process: built from its settings, then run until told to stop.

use std::{net::SocketAddr, sync::Arc};

use custody::Custody;
use eventlog::{Keys, Log, callout::Gate};
use readmodel::{Found, Store};
use service::{Clock, lifecycle};
use storage::{Network, Patience};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use vault::{Role, Vault};

use crate::{
    app::{App, Parts},
    edge::{self, Edge},
    error::Error,
    ops, projection,
    serve::Listener,
    sessions::Sessions,
    settings::{Api, Served, Settings},
    subscribers, tls, uses,
};

/// The role this process has in the log.
const ROLE: &str = "api";

/// An API that has its port, its log and its read model, and waits to be told to serve.
pub struct Server {
    app: Arc<App>,
    listener: Listener,
    address: SocketAddr,
    replica: String,
    gate: Option<Gate>,
}

/// Whether an API is fit to serve.
#[derive(Clone)]
pub struct Readiness(Arc<App>);

impl Readiness {
    /// Whether its read model is made and the log answers.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.unready().is_empty()
    }
}

/// Runs an API until `shutdown`.
///
/// # Errors
/// [`Error`] when it cannot start; afterwards it outlives whatever happens around it.
pub async fn run(
    settings: Settings,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    Server::start(settings, clock, shutdown).await?.serve().await
}

impl Server {
    /// Builds everything that can fail: checks the settings, proves what the log promises, opens
    /// the read model, takes the port.
    ///
    /// # Errors
    /// [`Error`], which says what to set.
    pub async fn start(
        settings: Settings,
        clock: Arc<dyn Clock>,
        shutdown: CancellationToken,
    ) -> Result<Self, Error> {
        settings.api.check()?;
        settings.api.sessions.check_cost()?;
        Log::prove_durability(&settings.nats).await?;
        let log = Log::connect(&settings.nats, ROLE).await?;
        // Credentials are taken in here and never read: the private halves are not even looked for.
        let vault = Vault::open(&settings.vault, Role::Seals, Arc::new(Keys::new(&log))).await?;
        let network = Network::direct(Patience::default());
        let custody = Custody::new(Arc::new(vault), &settings.storage, &network).await?;
        let gate = if settings.subscribers.is_set() {
            Some(Gate::open(&settings.nats, &settings.subscribers).await?)
        } else {
            None
        };
        let Settings { api, limits, quotas, .. } = settings;
        let served = Served { api, limits, quotas };
        let server = Self::assemble(served, log, custody, clock, shutdown).await?;
        Ok(Self { gate, ..server })
    }

    /// The same over a log and a custody that exist.
    ///
    /// # Errors
    /// [`Error`], which says what to set.
    pub async fn assemble(
        served: impl Into<Served>,
        log: Log,
        custody: Custody,
        clock: Arc<dyn Clock>,
        shutdown: CancellationToken,
    ) -> Result<Self, Error> {
        let served = served.into();
        let api = &served.api;
        api.check()?;
        let tls = tls::acceptor(api)?;
        let store = Arc::new(open_store(api).await?);
        let refused = |source| Error::Listen { address: api.listen, source };
        let listener = Listener::bind(api, tls).await.map_err(refused)?;
        let address = listener.address().map_err(refused)?;
        let public_url = api.public_base(address)?;
        let replica = format!("{address}/{}", Uuid::new_v4());
        let sessions = Sessions::new(api.sessions.clone(), &custody)?;
        let parts = Parts { served, sessions, public_url, log, custody, store, clock, shutdown };
        Ok(Self { app: Arc::new(App::new(parts)), listener, address, replica, gate: None })
    }

    /// The same, and letting customers' own NATS clients in through `gate`.
    #[must_use]
    pub fn with_gate(self, gate: Gate) -> Self {
        Self { gate: Some(gate), ..self }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base of its links.
    #[must_use]
    pub fn public_url(&self) -> &str {
        &self.app.public_url
    }

    /// Tells, from now on, what `/readyz` tells.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        Readiness(Arc::clone(&self.app))
    }

    /// Serves until the shutdown, then finishes what is under way.
    ///
    /// # Errors
    /// [`Error::ReadModel`] when the read model cannot be handed to the system at the end.
    pub async fn serve(self) -> Result<(), Error> {
        let Self { app, listener, address, replica, gate } = self;
        let shutdown = app.shutdown.clone();
        tracing::info!(%address, public_url = app.public_url, "listening");
        let filters = warp::service(edge::filter(app.clone()));
        let edge = Edge::new(filters, Arc::clone(&app.routes), app.api.max_in_flight);
        // The read model follows until the last answer is out.
        let background = CancellationToken::new();
        let followers = tokio::spawn(follow(app.clone(), replica, gate, background.clone()));
        let answer = move |peer, request| edge.clone().answer(peer, request);
        listener.serve(answer, shutdown).await;
        background.cancel();
        followers.await?;
        let store = app.store.clone();
        tokio::task::spawn_blocking(move || store.flush()).await??;
        tracing::info!(%address, "stopped");
        Ok(())
    }
}

async fn follow(app: Arc<App>, replica: String, gate: Option<Gate>, shutdown: CancellationToken) {
    let backoff = lifecycle::Backoff::default();
    let keep = lifecycle::supervise("read model", backoff, &shutdown, || {
        projection::keep(app.clone(), shutdown.clone())
    });
    let answer = lifecycle::supervise("operators' questions", backoff, &shutdown, || {
        ops::answer(app.clone(), replica.clone(), shutdown.clone())
    });
    let admit = async {
        if let Some(gate) = gate {
            lifecycle::supervise("subscribers", backoff, &shutdown, || {
                subscribers::keep(app.clone(), gate.clone(), shutdown.clone())
            })
            .await;
        }
    };
    tokio::join!(keep, answer, admit, uses::keep(app.clone(), shutdown.clone()));
}

async fn open_store(api: &Api) -> Result<Store, Error> {
    let path = api.data.join("readmodel");
    let (store, found) = tokio::task::spawn_blocking(move || Store::open(&path)).await??;
    match found {
        Found::Nothing => tracing::info!("the read model is new: making it from the log"),
        Found::Rows(positions) => tracing::info!(?positions, "the read model goes on"),
        Found::Prepared { before, reached } => tracing::info!(
            ?reached, before = %before.display(),
            "the read model that was made ready has taken the place of the one before"
        ),
        Found::Unusable { moved_to, why } => tracing::warn!(
            ?why, moved_to = %moved_to.display(),
            "the read model was unusable: making it anew from the log"
        ),
    }
    Ok(store)
}
