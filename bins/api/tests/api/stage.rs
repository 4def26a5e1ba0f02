//! What the tests stand on: an API over a log, with an account in it, and a client.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use api::{Api, Served, Server};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use custody::Custody;
use domain::{
    account::{self, Accounts, Application},
    id::{AccountId, ApplicationId},
    job::{self, Jobs},
};
use eventlog::{
    Durability, Keys, Log,
    callout::Gate,
    server::{Binary, Embedded, Options},
    topology,
};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use jiff::tz::TimeZone;
use serde_json::Value;
use service::{Clock as _, SystemClock};
use storage::{Network, Patience};
use tempfile::TempDir;
use tokio::{net::TcpStream, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use vault::{CredentialKeys, MasterKeys, Vault, secrets};

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A log, its keys, and folders for read models.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) log: Log,
    pub(crate) custody: Custody,
    server: Option<Embedded>,
}

impl World {
    /// Over a log in memory.
    pub(crate) async fn memory() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::over(folder, Log::memory(), None).await
    }

    /// Over a nats-server that runs.
    pub(crate) async fn real() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/bin");
        let server = Embedded::start(Options {
            data: folder.path().join("nats"),
            binary: Binary::find(None, &[&tools]).unwrap(),
            port: None,
            durability: Durability::Relaxed,
        })
        .await
        .unwrap();
        let operator = Log::connect(&server.settings("operator"), "operator").await.unwrap();
        topology::apply(&operator, 1).await.unwrap();
        let log = Log::connect(&server.settings("api"), "api").await.unwrap();
        Self::over(folder, log, Some(server)).await
    }

    async fn over(folder: TempDir, log: Log, server: Option<Embedded>) -> Self {
        let master = MasterKeys::open_or_create(&folder.path().join("master.key")).unwrap();
        let (private, public) = ("credentials.key", "credentials.pub");
        let (private, public) = (folder.path().join(private), folder.path().join(public));
        CredentialKeys::open_or_create(&private, &public).unwrap();
        let vault = Vault::new(master, Arc::new(Keys::new(&log)))
            .with_credentials(CredentialKeys::sealing(&public).unwrap());
        let storage = storage::Settings {
            endpoint: Some("http://127.0.0.1:1".to_owned()),
            access_key: "AKTEST".to_owned(),
            secret_key: storage::Secret::from("secret"),
            ..storage::Settings::default()
        };
        let network = Network::direct(Patience::default());
        let custody = Custody::new(Arc::new(vault), &storage, &network).await.unwrap();
        Self { folder, log, custody, server }
    }

    /// Settings of an API on a free port with a data folder of its own.
    pub(crate) fn settings(&self, name: &str) -> Api {
        Api {
            listen: ([127, 0, 0, 1], 0).into(),
            data: self.folder.path().join(name),
            ..Api::default()
        }
    }

    /// An API that is ready.
    pub(crate) async fn api(&self, name: &str) -> Running {
        self.api_with(self.settings(name), &self.log).await
    }

    /// An API with these settings, over a connection of its own.
    pub(crate) async fn api_with(&self, settings: Api, log: &Log) -> Running {
        self.api_served(settings.into(), log).await
    }

    /// The same with limits and quotas as well.
    pub(crate) async fn api_served(&self, served: Served, log: &Log) -> Running {
        self.api_run(served, log, None).await
    }

    /// An API that lets customers' own NATS clients in through `gate`.
    pub(crate) async fn api_with_gate(&self, name: &str, gate: Gate) -> Running {
        self.api_run(self.settings(name).into(), &self.log, Some(gate)).await
    }

    /// Where customers' clients connect, and what lets them in; the log must have a server.
    pub(crate) fn gate(&self) -> (eventlog::Settings, eventlog::callout::Settings) {
        let server = self.server.as_ref().unwrap();
        (server.settings("gate"), server.callout())
    }

    /// How `role` connects to the log's server.
    pub(crate) fn settings_of(&self, role: &str) -> eventlog::Settings {
        self.server.as_ref().unwrap().settings(role)
    }

    async fn api_run(&self, served: Served, log: &Log, gate: Option<Gate>) -> Running {
        let shutdown = CancellationToken::new();
        let mut server = Server::assemble(
            served,
            log.clone(),
            self.custody.clone(),
            Arc::new(SystemClock),
            shutdown.clone(),
        )
        .await
        .unwrap();
        if let Some(gate) = gate {
            server = server.with_gate(gate);
        }
        let address = server.address();
        let task = tokio::spawn(server.serve());
        let running = Running { address, shutdown, task };
        eventually("the API is ready", PATIENCE, || async {
            running.get("/readyz").send().await.status == StatusCode::OK
        })
        .await;
        running
    }

    /// An account with one application.
    pub(crate) async fn tenant(&self) -> Tenant {
        self.tenant_with(|_| {}).await
    }

    /// The same, with an application made to measure. That it is used is noted already, or the
    /// note would come among the events that tests look at, whenever the API came to it.
    pub(crate) async fn tenant_with(&self, change: impl FnOnce(&mut Application)) -> Tenant {
        let account = AccountId::from_uuid(Uuid::new_v4());
        let token = |prefix| secrets::token(prefix).expose().to_owned();
        let (key, secret) = (token("dk_test_"), token("ds_test_"));
        let mut application = Application {
            application: ApplicationId::from_uuid(Uuid::new_v4()),
            key: key.clone(),
            secret_digest: self.custody.secret_digest(&secret),
            terms: domain::account::Terms::default(),
        };
        change(&mut application);
        let open = self.custody.seal_for_account(account, "label", "a tenant").await.unwrap();
        self.change(account, |state| account::open(state, Some(open.clone()))).await;
        let id = application.application;
        self.add(account, application).await;
        let tomorrow = SystemClock.now().to_zoned(TimeZone::UTC).date().tomorrow().unwrap();
        self.change(account, |state| account::use_application(state, id, tomorrow)).await;
        Tenant { account, application: id, key, secret }
    }

    pub(crate) async fn add(&self, account: AccountId, application: Application) {
        self.change(account, |state| account::add_application(state, application.clone())).await;
    }

    pub(crate) async fn revoke(&self, tenant: &Tenant) {
        let decide =
            |state: &account::State| account::revoke_application(state, tenant.application);
        self.change(tenant.account, decide).await;
    }

    async fn change(
        &self,
        account: AccountId,
        decide: impl Fn(&account::State) -> Result<Vec<account::Event>, account::Refusal>,
    ) {
        let log = self.as_operator().await;
        log.transact::<Accounts, account::Refusal>(&account, SystemClock.now(), decide)
            .await
            .unwrap();
    }

    /// Accounts are the operator's to change.
    async fn as_operator(&self) -> Log {
        self.connect("operator").await
    }

    /// Jobs are a worker's to do.
    pub(crate) async fn as_worker(&self) -> Log {
        self.connect("worker").await
    }

    /// A connection of this role; the log in memory knows no roles.
    pub(crate) async fn connect(&self, role: &str) -> Log {
        match &self.server {
            None => self.log.clone(),
            Some(server) => Log::connect(&server.settings(role), role).await.unwrap(),
        }
    }

    /// The real server goes away; the log must have one.
    pub(crate) async fn stop_server(&mut self) {
        self.server.take().unwrap().stop().await;
    }

    /// Appends one event to a job as a worker would, asking nobody.
    pub(crate) async fn happen(&self, id: job::Id, event: job::Event) {
        self.as_worker()
            .await
            .transact::<Jobs, job::Refusal>(&id, SystemClock.now(), |_| Ok(vec![event.clone()]))
            .await
            .unwrap();
    }
}

/// Who may ask.
#[derive(Clone)]
pub(crate) struct Tenant {
    pub(crate) account: AccountId,
    pub(crate) application: ApplicationId,
    pub(crate) key: String,
    pub(crate) secret: String,
}

impl Tenant {
    pub(crate) fn id(&self, body: &Value) -> job::Id {
        job::Id { account: self.account, job: body["id"].as_str().unwrap().parse().unwrap() }
    }

    pub(crate) fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.key, self.secret)))
    }

    /// How browsers' clients spell a key without its secret.
    pub(crate) fn bare(&self) -> String {
        format!("Basic {}:", STANDARD.encode(&self.key))
    }
}

/// An API that runs.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) task: JoinHandle<Result<(), api::Error>>,
}

impl Running {
    pub(crate) fn request(&self, method: Method, path: &str) -> Ask {
        Ask {
            address: self.address,
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    pub(crate) fn get(&self, path: &str) -> Ask {
        self.request(Method::GET, path)
    }

    pub(crate) fn post(&self, tenant: &Tenant, body: impl Into<Bytes>) -> Ask {
        self.request(Method::POST, "/v2/previews").by(tenant).body(body)
    }

    /// Asks for a preview and returns the answer's body.
    pub(crate) async fn submit(&self, tenant: &Tenant) -> Value {
        let answer = self.post(tenant, r#"{"url": "https://example.com/a.jpg"}"#).send().await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        answer.body
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap().unwrap();
    }
}

/// A request in the making.
pub(crate) struct Ask {
    address: SocketAddr,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Ask {
    pub(crate) fn by(self, tenant: &Tenant) -> Self {
        let value = tenant.basic();
        self.header("authorization", &value)
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(name, value.parse().unwrap());
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn path(mut self, path: &str) -> Self {
        self.path = path.to_owned();
        self
    }

    /// Sends it on a connection of its own. Every answer there is has a JSON body.
    pub(crate) async fn send(self) -> Answer {
        let (what, head) = (format!("{} {}", self.method, self.path), self.method == Method::HEAD);
        let response = self.open().await;
        let (parts, body) = response.into_parts();
        let bytes =
            tokio::time::timeout(PATIENCE, body.collect()).await.unwrap().unwrap().to_bytes();
        let body = if head {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).unwrap_or_else(|_| panic!("{what}: {bytes:?}"))
        };
        for always in [
            "x-content-type-options",
            "content-security-policy",
            "strict-transport-security",
            "referrer-policy",
        ] {
            assert!(parts.headers.contains_key(always), "{what}: {always}");
        }
        assert_eq!(parts.headers["cache-control"], "no-store");
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Sends it and leaves the body to be read as it comes.
    pub(crate) async fn open(self) -> http::Response<Incoming> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder().method(self.method).uri(self.path);
        request.headers_mut().unwrap().extend(self.headers);
        request.headers_mut().unwrap().insert("host", "localhost".parse().unwrap());
        let request = request.body(Full::new(self.body)).unwrap();
        tokio::time::timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap()
    }
}

/// Waits until `condition` holds.
pub(crate) async fn eventually<F, Fut>(what: &str, limit: Duration, mut condition: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    until_some(what, limit, || {
        let holds = condition();
        async move { holds.await.then_some(()) }
    })
    .await;
}

/// Waits until `look` finds something.
pub(crate) async fn until_some<T, F, Fut>(what: &str, limit: Duration, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let waited = tokio::time::timeout(limit, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("not within {limit:?}: {what}"))
}
