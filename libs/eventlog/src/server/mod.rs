//! nats-server as a child of this process, run from the very files that `nats/` offers to operators.
//!
//! Only variables differ: they reach the server through its environment. Seeds of its users lie in
//! `credentials.json`, readable by their owner alone; the server is told their public halves.

mod binary;
mod child;
mod cluster;
mod credentials;

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    net::TcpListener,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

pub use binary::Binary;
use child::Child;
pub use cluster::Cluster;
use credentials::Credentials;
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    error::ConnectError,
    log::Log,
    settings::{Durability, Settings},
};

/// The roles of Darkroom, each a NATS user.
pub const ROLES: [&str; 6] = ["api", "worker", "dispatcher", "notary", OPERATOR, AUDITOR];
/// All users of `nats/users.conf`: the roles, who asks servers how they store, the three that let customers
/// in and see to them, and who keeps a copy elsewhere.
pub const USERS: [&str; 11] = [
    "api",
    "worker",
    "dispatcher",
    "notary",
    OPERATOR,
    AUDITOR,
    OBSERVER,
    "gate",
    "desk",
    "usher",
    "offsite",
];
const OPERATOR: &str = "operator";
const AUDITOR: &str = "auditor";
const OBSERVER: &str = "observer";

const FILES: [(&str, &str); 3] = [
    ("server.conf", include_str!("../../../../nats/server.conf")),
    ("users.conf", include_str!("../../../../nats/users.conf")),
    ("cluster.conf", include_str!("../../../../nats/cluster.conf")),
];

/// How long a server may take until it answers.
const READY: Duration = Duration::from_secs(30);
/// How long between two looks whether it does.
const LOOK: Duration = Duration::from_millis(20);

/// A server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// There is none.
    #[error("no nats-server: `./justw setup` installs one, or put one of 2.12.3 or newer on PATH")]
    Missing,
    /// There is one, but too old.
    #[error(
        "{path} is nats-server {version}: needed is 2.12.3 or newer; `./justw setup` installs one"
    )]
    Old {
        /// Which.
        path: PathBuf,
        /// What it says of itself.
        version: String,
    },
    /// Another process has the folder.
    #[error("{path} is in use by another process")]
    InUse {
        /// The data folder.
        path: PathBuf,
    },
    /// The folder, or what is in it, cannot be used.
    #[error("{operation} {path}")]
    Folder {
        /// What was attempted.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The file with the seeds makes no sense.
    #[error("read credentials in {path}")]
    Credentials {
        /// The file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: serde_json::Error,
    },
    /// A password cannot be hashed for the server.
    #[error("hash the password of {user}")]
    Hash {
        /// Whose.
        user: &'static str,
        /// Why it failed.
        #[source]
        source: passwords::Error,
    },
    /// The process cannot be started.
    #[error("start {path}")]
    Spawn {
        /// The executable.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// It runs, or tries to, but does not answer.
    #[error("nats-server does not answer; its last words: {last_words}")]
    NotReady {
        /// The end of its log.
        last_words: String,
        /// What came of the last try.
        #[source]
        source: Option<ConnectError>,
    },
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where streams, credentials and configuration lie.
    pub data: PathBuf,
    /// The executable.
    pub binary: Binary,
    /// A port on loopback; a free one if absent.
    pub port: Option<u16>,
    /// Whether the server must write through.
    pub durability: Durability,
}

/// A server on loopback that lives as long as this value, and no longer than this process.
pub struct Embedded {
    child: Child,
    credentials: Credentials,
    url: String,
    durability: Durability,
    /// Held for as long as the folder is ours.
    _lock: File,
}

impl Embedded {
    /// Starts a server and waits until it answers. If it dies it is started again.
    ///
    /// # Errors
    /// [`ServerError`] which says what to do.
    pub async fn start(options: Options) -> Result<Self, ServerError> {
        let Options { data, binary, port, durability } = options;
        let lock = prepare(&data)?;
        let credentials = Credentials::keep(&data.join("credentials.json"))?;
        let port = match port {
            Some(port) => port,
            None => free_port().map_err(|source| ServerError::Folder {
                operation: "find a free port beside",
                path: data.clone(),
                source,
            })?,
        };
        let mut variables = credentials.variables()?;
        variables.extend(server_variables("darkroom", port, &data, durability));
        let child = Child::start(&binary, &data.join("server.conf"), variables)?;
        let url = format!("nats://127.0.0.1:{port}");
        let embedded = Self { child, credentials, url, durability, _lock: lock };
        embedded.ready().await?;
        Ok(embedded)
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Settings with which `role` connects; the observer's included.
    #[must_use]
    pub fn settings(&self, role: &str) -> Settings {
        self.credentials.settings(role, self.url.clone(), self.durability, 1)
    }

    /// Settings of the auditor by password, which any NATS client knows how to use.
    #[must_use]
    pub fn auditor_by_password(&self) -> Settings {
        Settings { password: self.credentials.auditor_password(), ..self.settings(AUDITOR) }
    }

    /// What lets customers in.
    #[must_use]
    pub fn callout(&self) -> crate::callout::Settings {
        self.credentials.callout()
    }

    /// The process id of the server that runs now.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.pid()
    }

    /// Lets it finish what it is at and waits for its end.
    pub async fn stop(self) {
        self.child.stop().await;
    }

    async fn ready(&self) -> Result<(), ServerError> {
        wait_until_ready(&self.child, &self.settings(OPERATOR)).await
    }
}

async fn wait_until_ready(child: &Child, settings: &Settings) -> Result<(), ServerError> {
    let deadline = Instant::now() + READY;
    let words = |source| ServerError::NotReady { last_words: child.last_words(), source };
    let log = loop {
        match Log::connect(settings, OPERATOR).await {
            Ok(log) => break log,
            Err(source) if Instant::now() > deadline => return Err(words(Some(source))),
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    };
    let crate::backend::Backend::Server(wire) = &*log.backend else { return Err(words(None)) };
    // It listens before its streams are there.
    while !matches!(wire.api("INFO", &Value::Null, "look at JetStream").await, Ok(Ok(_))) {
        if Instant::now() > deadline {
            return Err(words(None));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Makes the folder, puts the configuration there, and takes possession.
fn prepare(data: &Path) -> Result<File, ServerError> {
    let failed = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| ServerError::Folder { operation, path, source }
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .map_err(failed("make the folder", data))?;
    let path = data.join("lock");
    let lock = File::create(&path).map_err(failed("lock", &path))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(ServerError::InUse { path: data.to_owned() }),
        Err(TryLockError::Error(source)) => return Err(failed("lock", &path)(source)),
    }
    for (name, text) in FILES {
        let path = data.join(name);
        write_private(&path, text.as_bytes()).map_err(failed("write", &path))?;
    }
    Ok(lock)
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(beside, path)
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn server_variables(
    name: &str,
    port: u16,
    data: &Path,
    durability: Durability,
) -> Vec<(String, String)> {
    let sync = match durability {
        Durability::Synced => "always",
        // Its own default is two minutes; nobody asked for that much to lose.
        Durability::Relaxed => "1s",
    };
    // A folder that is given relative is relative to this process, as is the server.
    let store = data.join("jetstream").display().to_string();
    [
        ("DARKROOM_NATS_NAME", quoted(name)),
        ("DARKROOM_NATS_LISTEN", quoted(&format!("127.0.0.1:{port}"))),
        ("DARKROOM_NATS_STORE", quoted(&store)),
        ("DARKROOM_NATS_SYNC", quoted(sync)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// A string as the server's configuration reads it, also when it looks like a number.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
