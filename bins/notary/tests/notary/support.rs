//! A server, events to sign, notaries to sign them, and an auditor who trusts nobody.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_nats::ConnectOptions;
use domain::{
    account::{self, Accounts},
    id::AccountId,
};
use eventlog::{Checkpoints, Log, Raw, Statement, topology};
use evidence::{
    Hash,
    checkpoint::Checkpoint,
    claim::Halted,
    note::Verifier,
    shelf::Shelf,
    tree::{Edge, absent_leaf, event_leaf},
};
use futures::future::join_all;
use notary::settings::Settings;
use serde_json::{Value, json};
use service::{Clock as _, SystemClock};
use tempfile::TempDir;
use testkit::{Nats, until_some};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The stream that tests write to.
pub(crate) const STREAM: &str = topology::ACCOUNTS;

/// A server and the folders of notaries.
pub(crate) struct Scene {
    pub(crate) nats: Nats,
    folders: TempDir,
}

/// A notary that runs within the test.
pub(crate) struct Running {
    stop: CancellationToken,
    task: JoinHandle<Result<(), notary::Error>>,
}

impl Running {
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap().unwrap();
    }
}

impl Scene {
    pub(crate) async fn start() -> Self {
        Self { nats: Nats::start().await, folders: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.folders.path().join(name)
    }

    /// A notary's settings: it signs each event soon.
    pub(crate) fn settings(&self, name: &str) -> Settings {
        let text = notary::settings::DEFAULTS;
        let mut settings: Settings = toml::from_str(text).unwrap();
        settings.notary.data = self.folder(name);
        settings.notary.name = Some("here.example".to_owned());
        settings.notary.every_events = 1;
        settings.notary.every_ms = 20;
        settings.nats = self.nats.settings("notary");
        settings
    }

    /// The verifier key of the deployment.
    pub(crate) fn key(&self, name: &str) -> Verifier {
        notary::identity::verifier(&self.folder(name), Some("here.example")).unwrap()
    }

    /// A second folder with the same key.
    pub(crate) fn copy_key(&self, from: &str, to: &str) {
        self.key(from);
        fs::create_dir_all(self.folder(to)).unwrap();
        fs::copy(self.folder(from).join("key"), self.folder(to).join("key")).unwrap();
    }

    pub(crate) fn run(&self, settings: &Settings) -> Running {
        let (settings, stop) = (settings.clone(), CancellationToken::new());
        let run = notary::run(settings, Arc::new(SystemClock), stop.clone());
        Running { stop, task: tokio::spawn(run) }
    }

    /// A notary that reads events from another server than the one it signs at.
    pub(crate) async fn run_misled(&self, settings: &Settings, events: &Nats) -> Running {
        let (settings, stop) = (settings.clone(), CancellationToken::new());
        let events = events.log("notary").await;
        let books = self.nats.log("notary").await;
        let token = stop.clone();
        let task = tokio::spawn(async move {
            notary::run_on(&settings, &events, &books, Arc::new(SystemClock), token).await
        });
        Running { stop, task }
    }

    pub(crate) async fn append(&self, count: usize) {
        append(&self.nats.log("operator").await, count).await;
    }

    /// Waits until so many events are signed, and returns the checkpoint.
    pub(crate) async fn signed(&self, size: u64) -> Checkpoint {
        let shelf = Shelf::new(&self.nats.log("auditor").await);
        until_some(&format!("{size} events are signed"), PATIENCE, || async {
            let raw = shelf.last(STREAM, Statement::Signed).await.ok()??;
            Some(parse(&raw)).filter(|checkpoint| checkpoint.size >= size)
        })
        .await
    }

    /// Waits until the notary says that it signs nothing, and why.
    pub(crate) async fn halted(&self) -> Halted {
        let shelf = Shelf::new(&self.nats.log("auditor").await);
        until_some("the notary halts", PATIENCE, || async {
            let raw = shelf.last(STREAM, Statement::Halted).await.ok()??;
            let halted: Halted = serde_json::from_slice(&raw.body).unwrap();
            Some(halted).filter(|halted| halted.reason.is_some())
        })
        .await
    }

    /// Every checkpoint, each verified by `key` and held against the events; the sizes.
    pub(crate) async fn audit(&self, key: &Verifier) -> Vec<u64> {
        let log = self.nats.log("auditor").await;
        let leaves = leaves(&log).await;
        let key = key.named(format!("here.example/{STREAM}"));
        let mut roots: BTreeMap<u64, Hash> = BTreeMap::new();
        let mut sizes = Vec::new();
        for raw in statements(&log, Statement::Signed).await {
            let text = String::from_utf8(raw.body.to_vec()).unwrap();
            let (checkpoint, _) = Checkpoint::open(&text, std::slice::from_ref(&key)).unwrap();
            let known = roots.insert(checkpoint.size, checkpoint.root);
            assert!(known.is_none_or(|root| root == checkpoint.root), "{}", checkpoint.size);
            assert!(sizes.last().is_none_or(|last| *last < checkpoint.size), "{sizes:?}");
            sizes.push(checkpoint.size);
        }
        let mut edge = Edge::default();
        for leaf in leaves {
            if let Some(root) = roots.remove(&edge.size()) {
                assert_eq!(root, edge.root(), "at {}", edge.size());
            }
            edge.append(leaf);
        }
        let last = roots.remove(&edge.size());
        assert!(last.is_none_or(|root| root == edge.root()), "at {}", edge.size());
        assert!(roots.is_empty(), "signed, but nowhere in the stream: {roots:?}");
        sizes
    }

    /// One request of the JetStream API, as the operator.
    pub(crate) async fn api(&self, subject: &str, body: &Value) -> Value {
        let settings = self.nats.settings("operator");
        let client = ConnectOptions::new()
            .nkey(settings.password.expose().to_owned())
            .custom_inbox_prefix("_INBOX_operator")
            .connect(&settings.url)
            .await
            .unwrap();
        let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(body).unwrap() };
        let answer = client.request(format!("$JS.API.{subject}"), body.into()).await.unwrap();
        let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
        assert!(answer.get("error").is_none(), "{subject}: {answer}");
        answer
    }

    /// The stream made anew, without what protects it, from this sequence on.
    pub(crate) async fn remake(&self, stream: &str, first: u64) {
        self.api(&format!("STREAM.DELETE.{stream}"), &Value::Null).await;
        let mut config = topology::config(stream, 1).unwrap();
        for field in ["deny_delete", "deny_purge"] {
            config[field] = json!(false);
        }
        if first > 1 {
            config["first_seq"] = json!(first);
        }
        self.api(&format!("STREAM.CREATE.{stream}"), &config).await;
    }
}

/// So many events of as many accounts.
pub(crate) async fn append(log: &Log, count: usize) {
    let now = SystemClock.now();
    let opened = (0..count).map(|_| async move {
        let id = AccountId::from_uuid(Uuid::new_v4());
        let open = |state: &account::State| account::open(state, None);
        log.transact::<Accounts, _>(&id, now, open).await.unwrap();
    });
    join_all(opened).await;
}

pub(crate) fn parse(raw: &Raw) -> Checkpoint {
    let text = String::from_utf8(raw.body.to_vec()).unwrap();
    evidence::note::Note::parse(&text).unwrap().text.parse().unwrap()
}

/// The leaves of all events that are there; of what is gone from the front, those that say so.
pub(crate) async fn leaves(log: &Log) -> Vec<Hash> {
    let (books, mut from, mut leaves) = (Checkpoints::new(log), 1, Vec::new());
    loop {
        let page = books.read(STREAM, from, 500).await.unwrap();
        let Some(last) = page.last() else { return leaves };
        from = last.seq + 1;
        for raw in &page {
            while leaves.len() as u64 + 1 < raw.seq {
                leaves.push(absent_leaf(STREAM, leaves.len() as u64 + 1));
            }
            leaves.push(event_leaf(STREAM, raw.seq, raw.hash().as_bytes()));
        }
    }
}

/// Every statement of a kind.
pub(crate) async fn statements(log: &Log, statement: Statement) -> Vec<Raw> {
    let (books, mut from, mut all) = (Checkpoints::new(log), 1, Vec::new());
    loop {
        let page = books.list(STREAM, statement, from, 200).await.unwrap();
        let Some(last) = page.last() else { return all };
        from = last.seq + 1;
        all.extend(page);
    }
}

/// What a notary promised last.
pub(crate) fn promised(folder: &Path) -> Option<Value> {
    let bytes = fs::read(folder.join(format!("signed/{STREAM}.json"))).ok()?;
    Some(serde_json::from_slice(&bytes).unwrap())
}
