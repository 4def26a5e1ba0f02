//! A Darkroom whose parts are processes apart, each of which can be killed and started again.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use custody::Custody;
use domain::{
    account::{self, Accounts, Application, Terms},
    id::{AccountId, ApplicationId},
    sealed::field,
};
use eventlog::Keys;
use service::{Clock as _, SystemClock};
use storage::{Network, Patience};
use tempfile::TempDir;
use uuid::Uuid;
use vault::{Role, Vault, secrets};

use crate::{Caller, Nats, S3, ends_within, eventually};

/// How long a part may take until it answers.
const READY: Duration = Duration::from_secs(60);

/// A process of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// One of the API processes.
    Api(usize),
    /// The worker.
    Worker,
    /// The dispatcher.
    Dispatcher,
}

/// nats-server, S3, and Darkroom's executables from the folder that the test was built into.
pub struct Stack {
    /// The log's server.
    pub nats: Nats,
    /// The bucket's server.
    pub s3: S3,
    /// The account that [`Stack::caller`] asks for.
    pub account: AccountId,
    /// What its webhooks are signed with.
    pub webhook_secret: String,
    key: String,
    secret: String,
    apis: Vec<u16>,
    allow: String,
    extra: Vec<(String, String)>,
    running: BTreeMap<Part, Child>,
    data: TempDir,
}

impl Stack {
    /// Starts everything with so many API processes; sources and webhooks may use these ports of
    /// loopback. `extra` are settings such as `("DARKROOM__WORKER__SLOTS", "2")`.
    ///
    /// # Panics
    /// When anything does not start.
    pub async fn start(apis: usize, ports: &[u16], extra: &[(&str, &str)]) -> Self {
        let (nats, s3) = (Nats::start().await, S3::start().await);
        let data = tempfile::tempdir().unwrap();
        let allow: Vec<String> =
            ports.iter().chain([&s3.port()]).map(|port| format!("127.0.0.1/32:{port}")).collect();
        let mut stack = Self {
            account: AccountId::from_uuid(Uuid::new_v4()),
            webhook_secret: secrets::webhook_secret().expose().to_owned(),
            key: secrets::token("dk_test_").expose().to_owned(),
            secret: secrets::token("ds_test_").expose().to_owned(),
            apis: (0..apis).map(|_| free_port()).collect(),
            allow: allow.join(","),
            extra: extra.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            running: BTreeMap::new(),
            nats,
            s3,
            data,
        };
        stack.open_account().await;
        for part in (0..apis).map(Part::Api).chain([Part::Worker, Part::Dispatcher]) {
            stack.start_part(part);
        }
        for api in 0..apis {
            stack.ready(api).await;
        }
        stack
    }

    /// Asks one of the API processes.
    #[must_use]
    pub fn caller(&self, api: usize) -> Caller {
        Caller::new(self.url(api), &self.key, &self.secret)
    }

    /// What commands of users read from their environment, for one of the API processes.
    #[must_use]
    pub fn environment(&self, api: usize) -> [(&'static str, String); 3] {
        [
            ("DARKROOM_URL", self.url(api)),
            ("DARKROOM_KEY", self.key.clone()),
            ("DARKROOM_SECRET", self.secret.clone()),
        ]
    }

    /// The URL of one of the API processes. The first one's is the public one.
    ///
    /// # Panics
    /// When there is none of that number.
    #[must_use]
    pub fn url(&self, api: usize) -> String {
        format!("http://127.0.0.1:{}", self.apis.get(api).unwrap())
    }

    /// Everything but the log and the bucket lies here.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Ends a part as a power cut would: SIGKILL, and no goodbye.
    ///
    /// # Panics
    /// When it was not started.
    pub fn kill(&mut self, part: Part) {
        let mut child = self.running.remove(&part).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Ends a part as a fault in it would, and says how it ended.
    ///
    /// # Panics
    /// When it was not started.
    pub fn abort(&mut self, part: Part) -> ExitStatus {
        let mut child = self.running.remove(&part).unwrap();
        crate::processes::abort(child.id());
        ends_within(&mut child, READY).unwrap()
    }

    /// Has parts that start from now on run with this setting, such as `DARKROOM__WORKER__SLOTS`.
    pub fn set(&mut self, name: &str, value: &str) {
        self.extra.push((name.to_owned(), value.to_owned()));
    }

    /// Starts a part that does not run.
    pub fn start_part(&mut self, part: Part) {
        let child = self.command(part).spawn();
        self.running.insert(part, child.unwrap());
    }

    /// The process id of a part.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn pid(&self, part: Part) -> u32 {
        self.running.get(&part).unwrap().id()
    }

    /// Starts every part again that has ended by itself, as a supervisor would, and names them.
    ///
    /// # Panics
    /// When one cannot be started.
    pub fn tend(&mut self) -> Vec<Part> {
        let ended = |child: &mut Child| child.try_wait().unwrap().is_some();
        let ended: Vec<Part> = self
            .running
            .iter_mut()
            .filter_map(|(part, child)| ended(child).then_some(*part))
            .collect();
        for part in &ended {
            self.start_part(*part);
        }
        ended
    }

    /// Waits until an API process says that it is ready.
    pub async fn ready(&self, api: usize) {
        let caller = self.caller(api);
        eventually(&format!("API {api} is ready; {}", self.last_words()), READY, || async {
            caller.is_ok("/readyz").await
        })
        .await;
    }

    /// The end of every part's log.
    #[must_use]
    pub fn last_words(&self) -> String {
        let mut words = String::new();
        for entry in fs::read_dir(self.data.path().join("logs")).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<&str> = text.lines().rev().take(15).collect();
            words += &format!("\n--- {}\n", path.display());
            words.extend(lines.iter().rev().map(|line| format!("{line}\n")));
        }
        words
    }

    fn command(&self, part: Part) -> Command {
        let (name, label) = match part {
            Part::Api(number) => ("api", format!("api-{number}")),
            Part::Worker => ("worker", "worker".to_owned()),
            Part::Dispatcher => ("dispatcher", "dispatcher".to_owned()),
        };
        let logs = self.data.path().join("logs");
        fs::create_dir_all(&logs).unwrap();
        let log = File::options().create(true).append(true).open(logs.join(&label)).unwrap();
        let mut command = Command::new(executable(&format!("darkroom-{name}")));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.shared_settings(name))
            .envs(self.private_ring(part))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .current_dir(self.data.path());
        match part {
            Part::Api(number) => command
                .env("DARKROOM__API__LISTEN", format!("127.0.0.1:{}", self.apis[number]))
                .env("DARKROOM__API__PUBLIC_URL", self.url(0))
                .env("DARKROOM__API__DATA", self.data.path().join(label)),
            Part::Worker => command
                .env("DARKROOM__WORKER__SPOOL", self.data.path().join("spool"))
                .env("DARKROOM__DISPATCHER__ATTEMPTS", self.data.path().join("attempts"))
                .env("DARKROOM__WORKER__PUBLIC_URL", self.url(0)),
            Part::Dispatcher => command.env("DARKROOM__DISPATCHER__PUBLIC_URL", self.url(0)),
        };
        command.envs(self.extra.iter().map(|(name, value)| (name, value)));
        command
    }

    fn shared_settings(&self, role: &str) -> Vec<(&'static str, String)> {
        let (nats, storage) = (self.nats.settings(role), self.s3.settings());
        vec![
            ("DARKROOM__NATS__URL", nats.url.clone()),
            ("DARKROOM__NATS__USER", nats.user.clone()),
            ("DARKROOM__NATS__PASSWORD", nats.password.expose().to_owned()),
            ("DARKROOM__NATS__SYSTEM_USER", nats.system_user.clone()),
            ("DARKROOM__NATS__SYSTEM_PASSWORD", nats.system_password.expose().to_owned()),
            ("DARKROOM__VAULT__MASTER_KEY_FILE", self.ring("master.key")),
            ("DARKROOM__VAULT__CREDENTIALS_PUBLIC_FILE", self.ring("credentials.pub")),
            ("DARKROOM__STORAGE__ENDPOINT", storage.endpoint.unwrap_or_default()),
            ("DARKROOM__STORAGE__ACCESS_KEY", storage.access_key),
            ("DARKROOM__STORAGE__SECRET_KEY", storage.secret_key.expose().to_owned()),
            ("DARKROOM__EGRESS__ALLOW", self.allow.clone()),
        ]
    }

    /// An API process is not told where the private half of the credentials ring lies.
    fn private_ring(&self, part: Part) -> Option<(&'static str, String)> {
        let acts = matches!(part, Part::Worker | Part::Dispatcher);
        acts.then(|| {
            ("DARKROOM__VAULT__CREDENTIALS_KEY_FILE", self.ring("private/credentials.key"))
        })
    }

    /// Where the key rings of all parts lie.
    #[must_use]
    pub fn vault(&self) -> vault::Settings {
        vault::Settings {
            master_key_file: self.ring("master.key").into(),
            credentials_key_file: self.ring("private/credentials.key").into(),
            credentials_public_file: self.ring("credentials.pub").into(),
            ..vault::Settings::default()
        }
    }

    fn ring(&self, name: &str) -> String {
        self.data.path().join(name).display().to_string()
    }

    async fn open_account(&self) {
        let operator = self.nats.log("operator").await;
        let keys = Arc::new(Keys::new(&operator));
        fs::create_dir(self.data.path().join("private")).unwrap();
        let vault = Vault::open(&self.vault(), Role::Opens, keys).await.unwrap();
        let network = Network::direct(Patience::default());
        let custody = Custody::new(Arc::new(vault), &self.s3.settings(), &network).await.unwrap();
        let (id, now) = (self.account, SystemClock.now());
        let secret = custody.seal_credential(id, field::WEBHOOK_SECRET, &self.webhook_secret);
        let secret = secret.await.unwrap();
        let application = Application {
            application: ApplicationId::from_uuid(Uuid::new_v4()),
            key: self.key.clone(),
            secret_digest: custody.secret_digest(&self.secret),
            terms: Terms::default(),
        };
        let open = |state: &account::State| account::open(state, None);
        operator.transact::<Accounts, _>(&id, now, open).await.unwrap();
        let equip = |state: &account::State| {
            let mut events = account::add_application(state, application.clone())?;
            events.extend(account::set_webhook_secret(state, secret.clone())?);
            Ok::<_, account::Refusal>(events)
        };
        operator.transact::<Accounts, _>(&id, now, equip).await.unwrap();
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            // Shown with the failed test.
            #[allow(clippy::print_stderr, reason = "belongs to the output of a failed test")]
            {
                eprintln!("{}", self.last_words());
            }
        }
    }
}

/// An executable of ours beside the running test.
///
/// # Panics
/// When it was not built: `cargo build --workspace --bins` builds it.
#[must_use]
pub fn executable(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    let path = folder.join(name);
    assert!(path.is_file(), "{}: run `cargo build --workspace --bins` first", path.display());
    path
}

/// A port of loopback that nobody listens on now.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
