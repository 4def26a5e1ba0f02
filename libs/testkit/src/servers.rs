//! A real nats-server and a real S3 server, each in a folder of its own that goes with it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use eventlog::{
    Durability, Log,
    server::{Binary, Embedded, Options},
    topology,
};
use storage::{Credentials, Secret, embedded};
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{eventually, processes, until_some};

/// How long a server that was killed may take until another runs.
const RUNS: Duration = Duration::from_secs(30);

/// Where the programs that tests need are installed.
pub(crate) fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools")
}

/// A nats-server that writes everything through. If it is killed it comes back.
pub struct Nats {
    server: Embedded,
    data: TempDir,
}

impl Nats {
    /// Starts one on a free port, with every stream and consumer in place.
    ///
    /// # Panics
    /// When there is no nats-server: `./justw setup` installs one.
    pub async fn start() -> Self {
        Self::start_with(Durability::Synced).await
    }

    /// The same, with another promise of durability.
    ///
    /// # Panics
    /// As [`Nats::start`].
    pub async fn start_with(durability: Durability) -> Self {
        let data = tempfile::tempdir().unwrap();
        let binary = Binary::find(None, &[&tools().join("bin")]).unwrap();
        let options = Options { data: data.path().join("nats"), binary, port: None, durability };
        let server = Embedded::start(options).await.unwrap();
        let nats = Self { server, data };
        topology::apply(&nats.log("operator").await, 1).await.unwrap();
        nats
    }

    /// Settings with which `role` connects.
    #[must_use]
    pub fn settings(&self, role: &str) -> eventlog::Settings {
        self.server.settings(role)
    }

    /// The log as `role` sees it.
    ///
    /// # Panics
    /// When the server lets nobody in.
    pub async fn log(&self, role: &str) -> Log {
        Log::connect(&self.settings(role), role).await.unwrap()
    }

    /// The process id of the server that runs now.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.server.pid()
    }

    /// Ends the server as a power cut would; it is started again at once.
    ///
    /// # Panics
    /// When none runs within a while.
    pub async fn kill(&self) {
        let pid = until_some("nats-server runs", RUNS, || async { self.pid() }).await;
        processes::kill(pid);
        eventually("another nats-server runs", RUNS, || async {
            self.pid().is_some_and(|now| now != pid)
        })
        .await;
    }

    /// The folder of its data.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.data.path()
    }
}

/// An S3 server with one bucket.
pub struct S3 {
    endpoint: String,
    port: u16,
    data: TempDir,
    _stop: DropGuard,
}

impl S3 {
    /// Its bucket.
    pub const BUCKET: &str = "darkroom";
    const ACCESS_KEY: &str = "tester";
    const SECRET_KEY: &str = "testers-secret";

    /// Starts one on a free port.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let options = embedded::Options {
            listen: ([127, 0, 0, 1], 0).into(),
            data: data.path().to_owned(),
            buckets: vec![Self::BUCKET.to_owned()],
            admin: Credentials {
                access_key: Self::ACCESS_KEY.to_owned(),
                secret_key: Secret::from(Self::SECRET_KEY),
                session_token: None,
                role: None,
            },
            writer: None,
        };
        let server = embedded::Server::bind(options).await.unwrap();
        let (endpoint, port) = (server.endpoint(), server.address().port());
        let stop = CancellationToken::new();
        tokio::spawn(server.serve(stop.clone()));
        Self { endpoint, port, data, _stop: stop.drop_guard() }
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The folder that holds its bucket as files.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// It as a `[storage]` section.
    #[must_use]
    pub fn settings(&self) -> storage::Settings {
        storage::Settings {
            endpoint: Some(self.endpoint.clone()),
            bucket: Self::BUCKET.to_owned(),
            access_key: Self::ACCESS_KEY.to_owned(),
            secret_key: Secret::from(Self::SECRET_KEY),
            ..storage::Settings::default()
        }
    }
}
