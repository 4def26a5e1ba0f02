//! A server of its own for each test, and an aggregate to write with.

use std::{path::Path, sync::Arc, time::Duration};

use domain::Aggregate;
use eventlog::{
    Durability, Log, Settings,
    server::{Binary, Cluster, Embedded, Options},
    topology,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use uuid::Uuid;

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A job reduced to what the log cares for.
#[derive(Debug)]
pub(crate) enum Toy {}

/// Account and job.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Id(pub(crate) String, pub(crate) String);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    Requested { note: String },
    Started { worker: u32 },
    Stored { number: u32 },
    Completed {},
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct State {
    pub(crate) requested: bool,
    pub(crate) worker: Option<u32>,
    pub(crate) stored: Vec<u32>,
    pub(crate) completed_at: Option<Timestamp>,
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.0, self.1)
    }
}

impl Aggregate for Toy {
    type Id = Id;
    type Event = Event;
    type State = State;

    const STREAM: &'static str = topology::JOBS;
    const NOUN: &'static str = "job";

    fn prefix(id: &Id) -> String {
        format!("darkroom.job.{}.{}", id.0, id.1)
    }

    fn parse_prefix(prefix: &str) -> Option<Id> {
        let (account, job) = prefix.strip_prefix("darkroom.job.")?.split_once('.')?;
        Some(Id(account.to_owned(), job.to_owned()))
    }

    fn event_name(event: &Event) -> &'static str {
        match event {
            Event::Requested { .. } => "requested",
            Event::Started { .. } => "started",
            Event::Stored { .. } => "stored",
            Event::Completed {} => "completed",
        }
    }

    fn evolve(mut state: State, event: &Event, at: Timestamp) -> State {
        match event {
            Event::Requested { .. } => state.requested = true,
            Event::Started { worker } => state.worker = Some(*worker),
            Event::Stored { number } => state.stored.push(*number),
            Event::Completed {} => state.completed_at = Some(at),
        }
        state
    }
}

#[derive(Debug, PartialEq)]
pub(crate) struct No;

pub(crate) fn request(state: &State) -> Result<Vec<Event>, No> {
    if state.requested {
        return Err(No);
    }
    Ok(vec![Event::Requested { note: "a wish".into() }])
}

pub(crate) fn fresh_id() -> Id {
    Id(Uuid::now_v7().to_string(), Uuid::now_v7().to_string())
}

pub(crate) fn now() -> Timestamp {
    "2026-01-02T03:04:05.678901Z".parse().unwrap()
}

pub(crate) fn binary() -> Binary {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    Binary::find(None, &[&root.join(".tools/bin")]).unwrap_or_else(|error| panic!("{error}"))
}

/// One server with the topology applied.
pub(crate) struct Server {
    pub(crate) embedded: Embedded,
    folder: TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(Durability::Synced).await
    }

    pub(crate) async fn start_with(durability: Durability) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options =
            Options { data: folder.path().join("nats"), binary: binary(), port: None, durability };
        let embedded = Embedded::start(options).await.unwrap();
        let server = Self { embedded, folder };
        topology::apply(&server.log("operator").await, 1).await.unwrap();
        server
    }

    pub(crate) async fn log(&self, role: &str) -> Log {
        Log::connect(&self.settings(role), role).await.unwrap()
    }

    pub(crate) fn settings(&self, role: &str) -> Settings {
        self.embedded.settings(role)
    }

    /// Where it stores.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A bare connection, for what the log does not offer.
    pub(crate) async fn bare(&self, role: &str) -> async_nats::Client {
        let settings = self.settings(role);
        async_nats::ConnectOptions::new()
            .nkey(settings.password.expose().to_owned())
            .custom_inbox_prefix(format!("_INBOX_{role}"))
            .connect(&settings.url)
            .await
            .unwrap()
    }

    /// Ends the server as a power cut would, and returns once another one runs.
    pub(crate) async fn kill(&self) {
        let pid = self.embedded.pid().expect("a running server");
        kill(pid);
        until("another server runs", async || self.embedded.pid().is_some_and(|now| now != pid))
            .await;
    }
}

/// Three servers with the topology applied.
pub(crate) struct Three {
    pub(crate) cluster: Cluster,
    _folder: TempDir,
}

impl Three {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cluster = Cluster::start(folder.path(), &binary(), Durability::Synced).await.unwrap();
        let three = Self { cluster, _folder: folder };
        let log = three.log("operator").await;
        // Right after its election a cluster may still refuse for want of peers.
        until("the topology is applied", async || topology::apply(&log, 3).await.is_ok()).await;
        three
    }

    pub(crate) async fn log(&self, role: &str) -> Log {
        Log::connect(&self.cluster.settings(role), role).await.unwrap()
    }
}

/// Ends a process as a power cut would.
pub(crate) fn kill(pid: u32) {
    let raw = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(raw, rustix::process::Signal::KILL).unwrap();
}

/// Waits for `condition`, looking every few milliseconds.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("waited in vain until {what}"));
}

/// A set that handlers note things in.
pub(crate) type Seen<T> = Arc<std::sync::Mutex<Vec<T>>>;
