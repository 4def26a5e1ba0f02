//! A copy of the log elsewhere: it holds what the origin acknowledged, and can become the origin.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use domain::{
    account::{self, Accounts},
    id::AccountId,
};
use eventlog::{ConnectError, Keys, Log, Raw, Secret, Settings, Span, UserKey, topology};
use futures::TryStreamExt as _;
use service::{Clock as _, SystemClock};
use testkit::{Finish as _, eventually, free_port, until_some};
use uuid::Uuid;
use vault::{Role, Vault};

use crate::up;

const PATIENCE: Duration = Duration::from_secs(60);
const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../nats");

/// What `darkroom nats keys` prints: public halves for the servers by name, and all seeds.
#[derive(Clone)]
struct Minted {
    public: BTreeMap<String, String>,
    seeds: Vec<Secret>,
}

impl Minted {
    fn new(folder: &Path) -> Self {
        let said = up::bare(folder).args(["nats", "keys"]).finish();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        let text = String::from_utf8(said.stdout).unwrap();
        let (servers, secret) = text.split_once("# Secret").unwrap();
        let pairs = servers.lines().filter_map(|line| line.split_once('='));
        let public = pairs.map(|(name, key)| (name.to_owned(), key.to_owned())).collect();
        let values = secret.lines().filter_map(|line| line.rsplit('=').next());
        let seeds = values.filter(|value| value.starts_with("SU")).map(Secret::new).collect();
        Self { public, seeds }
    }

    /// The seed whose public half the servers know as that of `user`.
    fn seed(&self, user: &str) -> Secret {
        let public = &self.public[&format!("DARKROOM_{}_NKEY", user.to_uppercase())];
        let is_its = |seed: &&Secret| UserKey::of(seed).is_some_and(|key| key.public() == *public);
        self.seeds.iter().find(is_its).unwrap().clone()
    }
}

/// A nats-server run from the files that operators are given.
pub(crate) struct Server {
    child: Child,
    port: u16,
    keys: Minted,
}

impl Server {
    /// Copies the configuration into `folder` and starts from `file` there.
    fn start(folder: &Path, file: &str, port: u16, keys: &Minted, more: &[(&str, String)]) -> Self {
        fs::create_dir_all(folder).unwrap();
        for name in ["server.conf", "users.conf", "offsite.conf"] {
            fs::copy(Path::new(CONFIGURATION).join(name), folder.join(name)).unwrap();
        }
        let quoted = |text: &str| format!("\"{text}\"");
        let mut command = Command::new(up::tools().join("bin/nats-server"));
        command.env_clear().arg("-c").arg(folder.join(file));
        let store = folder.join("store").display().to_string();
        command
            .envs(keys.public.iter().map(|(name, key)| (name, quoted(key))))
            .env("DARKROOM_AUDITOR_PASSWORD", quoted("of-the-tests"))
            .env("DARKROOM_NATS_NAME", quoted(file))
            .env("DARKROOM_NATS_LISTEN", quoted(&format!("127.0.0.1:{port}")))
            .env("DARKROOM_NATS_STORE", quoted(&store))
            .env("DARKROOM_NATS_SYNC", quoted("always"))
            .envs(more.iter().map(|(name, value)| (name, quoted(value))))
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("log")).unwrap());
        Self { child: command.spawn().unwrap(), port, keys: keys.clone() }
    }

    fn settings(&self, user: &str) -> Settings {
        Settings {
            url: format!("nats://127.0.0.1:{}", self.port),
            user: user.to_owned(),
            password: self.keys.seed(user),
            system_password: self.keys.seed("observer"),
            ..Settings::default()
        }
    }

    pub(crate) async fn log(&self) -> Log {
        Log::connect(&self.settings("operator"), "operator").await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An origin that is mirrored.
pub(crate) struct Pair {
    pub(crate) origin: Server,
    pub(crate) copy: Server,
    pub(crate) log: Log,
}

impl Pair {
    /// Starts both, and the mirrors; what was written so far has arrived. Key rings lie in `new`.
    pub(crate) async fn start(folder: &Path) -> Self {
        let (here, there) = (folder.join("origin"), folder.join("copy"));
        let (origin, leaves) = start_origin(&here);
        let copy = start_copy(&there, free_port(), leaves, &origin.keys);
        let (log, mirrored) = (origin.log().await, copy.log().await);
        topology::apply(&log, 1).await.unwrap();
        fs::create_dir_all(folder.join("new")).unwrap();
        let keys = Arc::new(Keys::new(&log));
        let vault = Vault::open(&rings(&folder.join("new")), Role::Opens, keys).await.unwrap();
        let first = open_accounts(&log, 1).await;
        vault.create_account_key(&first[0].to_string()).await.unwrap();
        topology::apply_mirrors(&mirrored, 1).await.unwrap();
        caught_up(&log, &mirrored).await;
        Self { origin, copy, log }
    }

    /// Opens so many accounts; each is acknowledged when this returns.
    pub(crate) async fn open_accounts(&self, count: usize) -> Vec<AccountId> {
        open_accounts(&self.log, count).await
    }
}

/// An origin that listens for leaves, and where.
fn start_origin(folder: &Path) -> (Server, u16) {
    let leaves = free_port();
    fs::create_dir_all(folder).unwrap();
    let keys = Minted::new(folder);
    let with_leaves =
        format!("include \"server.conf\"\nleafnodes {{ listen: \"127.0.0.1:{leaves}\" }}\n");
    fs::write(folder.join("origin.conf"), with_leaves).unwrap();
    (Server::start(folder, "origin.conf", free_port(), &keys, &[]), leaves)
}

/// A server elsewhere that dials the origin's leaf port, and proves who it is with a key.
fn start_copy(folder: &Path, port: u16, leaves: u16, keys: &Minted) -> Server {
    let more = [
        ("DARKROOM_NATS_ORIGIN", format!("nats://127.0.0.1:{leaves}")),
        ("DARKROOM_OFFSITE_SEED", keys.seed("offsite").expose().to_owned()),
    ];
    Server::start(folder, "offsite.conf", port, keys, &more)
}

fn rings(folder: &Path) -> vault::Settings {
    vault::Settings {
        master_key_file: folder.join("master.key"),
        credentials_key_file: folder.join("credentials.key"),
        credentials_public_file: folder.join("credentials.pub"),
        ..vault::Settings::default()
    }
}

async fn open_accounts(log: &Log, count: usize) -> Vec<AccountId> {
    let mut opened = Vec::new();
    for _ in 0..count {
        let id = AccountId::from_uuid(Uuid::new_v4());
        let open = |state: &account::State| account::open(state, None);
        log.transact::<Accounts, _>(&id, SystemClock.now(), open).await.unwrap();
        opened.push(id);
    }
    opened
}

/// Every event of a stream: its place, subject, hash, and when it was stored.
async fn all(log: &Log) -> Vec<(u64, String, String, Option<String>)> {
    let raws = log.replay(topology::ACCOUNTS, Span::default());
    let raws: Vec<Raw> = raws.try_collect().await.unwrap();
    let stored_at = |raw: &Raw| raw.headers.get("Nats-Time-Stamp").map(ToOwned::to_owned);
    let of = |raw: &Raw| (raw.seq, raw.subject.clone(), raw.hash().to_string(), stored_at(raw));
    raws.iter().map(of).collect()
}

async fn caught_up(origin: &Log, copy: &Log) {
    eventually("the copy has caught up", PATIENCE, || async {
        let there = copy.last_sequence(topology::ACCOUNTS).await;
        there.is_ok_and(|there| there > 0)
            && origin.last_sequence(topology::ACCOUNTS).await.unwrap()
                == copy.last_sequence(topology::ACCOUNTS).await.unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_elsewhere_holds_what_was_acknowledged_and_can_take_the_origin_s_place() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (folder.path().join("origin"), folder.path().join("copy"));
    let (origin, leaves) = start_origin(&here);
    let copy = start_copy(&there, free_port(), leaves, &origin.keys);
    let (log, mirrored) = (origin.log().await, copy.log().await);
    topology::apply(&log, 1).await.unwrap();
    let new = folder.path().join("new");
    fs::create_dir_all(&new).unwrap();
    let vault = Vault::open(&rings(&new), Role::Opens, Arc::new(Keys::new(&log))).await.unwrap();
    let mut opened = open_accounts(&log, 100).await;
    vault.create_account_key(&opened[0].to_string()).await.unwrap();

    topology::apply_mirrors(&mirrored, 1).await.unwrap();
    topology::apply_mirrors(&mirrored, 1).await.unwrap();
    caught_up(&log, &mirrored).await;
    assert_eq!(all(&log).await, all(&mirrored).await, "sequences, hashes and times");
    assert_eq!(mirrored.holds(topology::KEYS).await.unwrap(), None, "keys are not mirrored");
    check_what_a_leaf_may_do(&origin).await;

    // It is cut off for a while.
    let port = copy.port;
    drop(copy);
    opened.extend(open_accounts(&log, 50).await);
    let copy = start_copy(&there, port, leaves, &origin.keys);
    opened.extend(open_accounts(&log, 50).await);
    caught_up(&log, &mirrored).await;
    let keys = folder.path().join("keys");
    let keys = backup(&origin, folder.path(), &keys);

    // The origin is lost.
    drop(origin);
    let acknowledged: Vec<String> =
        opened.iter().map(|id| format!("darkroom.account.{id}.opened")).collect();
    let kept: Vec<String> =
        all(&mirrored).await.into_iter().map(|(_, subject, ..)| subject).collect();
    assert_eq!(kept, acknowledged);
    let taken = backup(&copy, folder.path(), &folder.path().join("taken"));
    let restored = up::bare(folder.path())
        .args(["restore", &taken, "--keys", &keys, "--nothing-erased-since", "--data"])
        .arg(&new)
        .finish();
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    let listed = up::bare(folder.path()).args(["account", "list", "--data"]).arg(&new).finish();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(opened.iter().all(|id| listed.contains(&id.to_string())), "{listed}");
    let differences = up::bare(folder.path()).args(["nats", "diff", "--data"]).arg(&new).finish();
    let differences = String::from_utf8(differences.stdout).unwrap();
    assert!(!differences.contains("stream "), "it is an origin like any other: {differences}");
}

/// Backs a server up, and gives the folder.
pub(crate) fn backup(server: &Server, folder: &Path, to: &Path) -> String {
    let settings = server.settings("operator");
    let set = [format!("nats.url={}", settings.url), "nats.user=operator".to_owned()];
    let output = up::bare(folder)
        .args(["backup", to.to_str().unwrap()])
        .args(set.iter().flat_map(|set| ["--set", set]))
        .args(["--set", &format!("nats.password={}", settings.password.expose())])
        .finish();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn check_what_a_leaf_may_do(origin: &Server) {
    let refused = Log::connect(&origin.settings("offsite"), "offsite").await;
    assert!(matches!(refused, Err(ConnectError::Forbidden { .. })), "it is for leaves alone");
    let log = until_some("the origin answers", PATIENCE, || async {
        Log::connect(&origin.settings("operator"), "operator").await.ok()
    })
    .await;
    assert!(log.last_sequence(topology::ACCOUNTS).await.unwrap() > 0);
}
