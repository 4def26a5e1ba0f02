//! A Darkroom of its own for a benchmark: real servers, the real API, accounts to ask with.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use custody::Custody;
use domain::{
    account::{self, Accounts, Application, Terms},
    id::{AccountId, ApplicationId},
};
use eventlog::{
    Durability, Keys, Log, Settings,
    server::{Binary, Cluster, Embedded, Options},
    topology,
};
use service::{Clock as _, SystemClock};
use storage::{Network, Patience};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use vault::{Role, Vault};

use super::{Trouble, cpu, load, root};

/// How long the servers may take until they take the topology.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// What the API's own limit of connections and requests is set to: out of the way.
const ROOM: usize = 4_096;

/// Which servers hold the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One server that writes through when it sees fit: the class of Redis.
    Relaxed,
    /// One server that writes every event through.
    Synced,
    /// Three servers that hold everything three times and write everything through.
    Cluster,
}

impl Kind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Relaxed => "relaxed",
            Self::Synced => "synced",
            Self::Cluster => "cluster",
        }
    }

    /// How many there are.
    pub const fn servers(self) -> usize {
        match self {
            Self::Relaxed | Self::Synced => 1,
            Self::Cluster => 3,
        }
    }
}

/// The servers that hold the log.
pub(super) enum Servers {
    One(Embedded),
    Three(Cluster),
}

impl Servers {
    pub(super) async fn start(kind: Kind, data: &Path) -> Result<Self, Trouble> {
        let binary = Binary::find(None, &[&root().join(".tools/bin")])?;
        let one = |durability| Options {
            data: data.join("nats"),
            binary: binary.clone(),
            port: None,
            durability,
        };
        Ok(match kind {
            Kind::Relaxed => Self::One(Embedded::start(one(Durability::Relaxed)).await?),
            Kind::Synced => Self::One(Embedded::start(one(Durability::Synced)).await?),
            Kind::Cluster => Self::Three(Cluster::start(data, &binary, Durability::Synced).await?),
        })
    }

    pub(super) fn settings(&self, role: &str) -> Settings {
        match self {
            Self::One(server) => server.settings(role),
            Self::Three(cluster) => cluster.settings(role),
        }
    }

    fn pids(&self) -> Vec<u32> {
        match self {
            Self::One(server) => server.pid().into_iter().collect(),
            Self::Three(cluster) => cluster.pids(),
        }
    }

    pub(super) async fn stop(self) {
        match self {
            Self::One(server) => server.stop().await,
            Self::Three(cluster) => cluster.stop().await,
        }
    }
}

/// Servers, an API and accounts.
pub struct Stack {
    pub kind: Kind,
    pub address: SocketAddr,
    /// An `Authorization` header of each account.
    pub callers: Vec<String>,
    accounts: Vec<AccountId>,
    servers: Servers,
    api: JoinHandle<Result<(), api::Error>>,
    stop: CancellationToken,
    stop_api: CancellationToken,
    vault: vault::Settings,
    storage: storage::Settings,
    _data: TempDir,
}

impl Stack {
    /// Starts everything, with as many accounts as asked for.
    pub async fn start(kind: Kind, accounts: usize) -> Result<Self, Trouble> {
        let data = tempfile::tempdir()?;
        let servers = Servers::start(kind, data.path()).await?;
        let operator = Log::connect(&servers.settings("operator"), "operator").await?;
        apply_topology(&operator, servers.settings("operator").replicas).await?;
        let vault = vault::Settings {
            master_key_file: data.path().join("master.key"),
            credentials_key_file: data.path().join("credentials.key"),
            credentials_public_file: data.path().join("credentials.pub"),
            ..vault::Settings::default()
        };
        let storage = storage::Settings {
            // Nothing is stored.
            endpoint: Some("http://127.0.0.1:9".to_owned()),
            access_key: "none".to_owned(),
            secret_key: storage::Secret::from("none"),
            ..storage::Settings::default()
        };
        let (accounts, callers) = open_accounts(&operator, &vault, &storage, accounts).await?;
        let settings = api::Settings {
            api: api::Api {
                listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                data: data.path().join("api"),
                max_connections: ROOM,
                max_in_flight: ROOM,
                ..api::Api::default()
            },
            // What is measured is not held back.
            quotas: domain::limits::Quotas {
                jobs_in_flight: u64::MAX,
                jobs_per_minute: u64::MAX,
                ..domain::limits::Quotas::default()
            },
            nats: servers.settings("api"),
            vault: vault.clone(),
            storage: storage.clone(),
            ..api::Settings::default()
        };
        let stop = CancellationToken::new();
        let stop_api = stop.child_token();
        let server = api::Server::start(settings, Arc::new(SystemClock), stop_api.clone()).await?;
        let address = server.address();
        let api = tokio::spawn(server.serve());
        Ok(Self {
            kind,
            address,
            callers,
            accounts,
            servers,
            api,
            stop,
            stop_api,
            vault,
            storage,
            _data: data,
        })
    }

    /// One of the accounts.
    pub fn account(&self, number: usize) -> Option<AccountId> {
        self.accounts.get(number).copied()
    }

    /// Settings with which `role` connects.
    pub fn settings(&self, role: &str) -> Settings {
        self.servers.settings(role)
    }

    /// Settings of a dispatcher that may post to this port of loopback, so much at once.
    pub fn dispatcher(&self, port: u16, at_once: usize) -> dispatcher::Settings {
        dispatcher::Settings {
            dispatcher: dispatcher::settings::Dispatcher {
                attempts: self._data.path().join("attempts"),
                slots: at_once,
                at_once: 16,
                timeout_ms: 15_000,
                retry_after_s: domain::retry::Schedule::default(),
                longest_retry_after_s: 86_400,
                public_url: "http://127.0.0.1:1".to_owned(),
            },
            log: service::LogSettings::default(),
            nats: self.settings("dispatcher"),
            vault: self.vault.clone(),
            storage: self.storage.clone(),
            egress: egress::Settings {
                allow: format!("127.0.0.1/32:{port}").parse().unwrap_or_default(),
                ..egress::Settings::default()
            },
        }
    }

    /// Seconds of CPU that this process and the servers have used so far.
    pub fn cpu_s(&self) -> Result<f64, Trouble> {
        Ok(cpu::own()? + cpu::of_all(self.servers.pids())?)
    }

    /// Seconds of CPU that the servers have used so far.
    pub fn servers_cpu_s(&self) -> Result<f64, Trouble> {
        cpu::of_all(self.servers.pids())
    }

    /// Ends the API alone: nobody asks any more, and nobody makes rows.
    pub async fn stop_api(&self) {
        self.stop_api.cancel();
        while !self.api.is_finished() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ends when the stack is to end.
    pub fn stopping(&self) -> CancellationToken {
        self.stop.child_token()
    }

    /// Jobs of all accounts that the read model shows as completed.
    pub async fn completed(&self) -> Result<u64, Trouble> {
        let requests: Vec<_> = self
            .callers
            .iter()
            .map(|caller| load::request("GET", "/v1/counts", caller, ""))
            .collect();
        let plan = load::Plan {
            address: self.address,
            connections: 1,
            total: requests.len(),
            requests: Arc::new(requests),
            status: 200,
            keep: true,
        };
        let mut completed = 0;
        for body in load::run(plan).await?.bodies {
            let counts: serde_json::Value = serde_json::from_slice(&body)?;
            completed += counts.get("completed").and_then(serde_json::Value::as_u64).unwrap_or(0);
        }
        Ok(completed)
    }

    /// Ends everything.
    pub async fn stop(self) -> Result<(), Trouble> {
        self.stop.cancel();
        self.api.await??;
        self.servers.stop().await;
        Ok(())
    }
}

pub(super) async fn apply_topology(operator: &Log, replicas: u8) -> Result<(), Trouble> {
    // Right after its election a cluster may still refuse for want of peers.
    let applied = tokio::time::timeout(PATIENCE, async {
        while topology::apply(operator, replicas).await.is_err() {
            tokio::time::sleep(LOOK).await;
        }
    });
    Ok(applied.await?)
}

async fn open_accounts(
    operator: &Log,
    vault: &vault::Settings,
    storage: &storage::Settings,
    accounts: usize,
) -> Result<(Vec<AccountId>, Vec<String>), Trouble> {
    let vault = Vault::open(vault, Role::Opens, Arc::new(Keys::new(operator))).await?;
    let network = Network::direct(Patience::default());
    let custody = Custody::new(Arc::new(vault), storage, &network).await?;
    let (mut ids, mut callers) = (Vec::new(), Vec::new());
    for number in 0..accounts {
        let (id, secret) = (AccountId::from_uuid(Uuid::new_v4()), Uuid::new_v4().to_string());
        let key = format!("dk_bench_{number}");
        let application = Application {
            application: ApplicationId::from_uuid(Uuid::new_v4()),
            key: key.clone(),
            secret_digest: custody.secret_digest(&secret),
            terms: Terms::default(),
        };
        let now = SystemClock.now();
        operator.transact::<Accounts, _>(&id, now, |state| account::open(state, None)).await?;
        operator
            .transact::<Accounts, _>(&id, now, |state| {
                account::add_application(state, application.clone())
            })
            .await?;
        ids.push(id);
        callers.push(format!("Basic {}", STANDARD.encode(format!("{key}:{secret}"))));
    }
    Ok((ids, callers))
}
