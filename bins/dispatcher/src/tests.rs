//! Deliveries over a log in memory, a clock that is moved by hand and real receivers.

mod answers;
mod clockwork;
mod order;
mod replay;

use std::sync::Arc;

use custody::Custody;
use domain::{
    Timestamp,
    delivery::{self, Deliveries, Told},
    endpoint::{self, Endpoints, Letter, Payload, Scheme, Signing, Terms},
    id::{AccountId, EndpointId, EventId},
    retry::Schedule,
    sealed::field,
};
use eventlog::{Keys, Loaded, Log, Recorded, topology};
use service::ManualClock;
use tempfile::TempDir;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;
use vault::{Role, Vault};

use crate::{
    book::Book, deliver::Deliverer, journal::Journal, lanes::Lanes, settings::Dispatcher,
    target::Opener, told::Happening, turns::Turns,
};

pub(crate) const BEGINNING: &str = "2026-11-22T00:00:00Z";
pub(crate) const FIRST_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(crate) const SECOND_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// A log, a vault and a clock, on which dispatchers come and go.
pub(crate) struct Stage {
    pub(crate) log: Log,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) custody: Custody,
    pub(crate) account: AccountId,
    /// Where dispatchers note their attempts.
    pub(crate) attempts: TempDir,
    _rings: TempDir,
}

/// A dispatcher that ends when this is dropped.
pub(crate) struct Dispatching {
    pub(crate) deliverer: Arc<Deliverer>,
    /// Whose turn it seems to be; nobody answers here but the test.
    pub(crate) called: mpsc::Receiver<delivery::Id>,
    _stop: DropGuard,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let (log, rings) = (Log::memory(), tempfile::tempdir().unwrap());
        let settings = vault::Settings {
            master_key_file: rings.path().join("master.key"),
            credentials_key_file: rings.path().join("credentials.key"),
            credentials_public_file: rings.path().join("credentials.pub"),
            ..vault::Settings::default()
        };
        let vault = Vault::open(&settings, Role::Opens, Arc::new(Keys::new(&log))).await.unwrap();
        let storage = storage::Settings {
            // Nothing is stored.
            endpoint: Some("http://127.0.0.1:9".to_owned()),
            access_key: "none".to_owned(),
            secret_key: storage::Secret::from("none"),
            ..storage::Settings::default()
        };
        let network = storage::Network::direct(storage::Patience::default());
        Self {
            custody: Custody::new(Arc::new(vault), &storage, &network).await.unwrap(),
            log,
            clock: Arc::new(ManualClock::new(BEGINNING.parse().unwrap())),
            account: AccountId::from_uuid(Uuid::new_v4()),
            attempts: tempfile::tempdir().unwrap(),
            _rings: rings,
        }
    }

    /// A dispatcher that knows nothing but the log, and may post to this port of loopback.
    pub(crate) fn dispatcher(&self, port: u16) -> Dispatching {
        let stop = CancellationToken::new();
        let settings = Dispatcher {
            slots: 64,
            at_once: 16,
            timeout_ms: 15_000,
            retry_after_s: Schedule::default(),
            longest_retry_after_s: 86_400,
            attempts: self.attempts.path().to_owned(),
            public_url: "http://127.0.0.1:1".to_owned(),
        };
        let egress = egress::Settings {
            allow: format!("127.0.0.1/32:{port}").parse().unwrap(),
            ..egress::Settings::default()
        };
        let (turns, called) = Turns::new();
        let deliverer = Deliverer {
            log: self.log.clone(),
            clock: self.clock.clone(),
            custody: self.custody.clone(),
            egress: egress::Client::new(&egress).unwrap(),
            journal: Journal::open(&settings.attempts).unwrap(),
            begun: Arc::new(Semaphore::new(crate::deliver::MOST_BEGUN)),
            calls: Semaphore::new(settings.slots),
            reads: Semaphore::new(crate::deliver::MOST_READ),
            settings,
            book: Book::keep(&self.log, &stop),
            lanes: Lanes::default(),
            turns,
            opener: Opener::new(self.custody.clone()),
        };
        Dispatching { deliverer: Arc::new(deliverer), called, _stop: stop.drop_guard() }
    }

    pub(crate) async fn signing(&self, id: endpoint::Id, secret: &str) -> Signing {
        let name = custody::endpoint_field(field::ENDPOINT_SECRET, id.endpoint);
        let secret = self.custody.seal_credential(id.account, &name, secret).await.unwrap();
        Signing { scheme: Scheme::HmacSha256, secret, public_key: None }
    }

    /// Adds an endpoint that keeps answers and sends a header of its own.
    pub(crate) async fn add(&self, url: &str, header: (&str, &str)) -> endpoint::Id {
        let endpoint = EndpointId::from_uuid(Uuid::new_v4());
        let id = endpoint::Id { account: self.account, endpoint };
        let name = custody::endpoint_field(field::ENDPOINT_URL, endpoint);
        let url = self.custody.seal_for_account(self.account, &name, url).await.unwrap();
        let name = custody::endpoint_field(field::ENDPOINT_HEADERS, endpoint);
        let headers = serde_json::json!({ header.0: header.1 }).to_string();
        let headers = self.custody.seal_credential(self.account, &name, &headers).await.unwrap();
        let terms = Terms {
            topics: vec!["account.*".parse().unwrap()],
            applications: None,
            payload: Payload::Thin,
            ordered: false,
            timeout_ms: None,
            per_second: None,
            at_once: None,
            retry_after_s: None,
            keeps_answers: true,
        };
        let letter = Letter { url, description: None, headers: Some(headers), terms };
        let signing = self.signing(id, FIRST_SECRET).await;
        let add = |state: &endpoint::State| endpoint::add(state, letter.clone(), signing.clone());
        self.log.transact::<Endpoints, _>(&id, self.now(), add).await.unwrap();
        id
    }

    /// Something that happens now, of which endpoints are told.
    pub(crate) fn happening(&self) -> Happening {
        let told = Told {
            event_id: EventId::from_uuid(Uuid::new_v4()),
            event_type: "account.application_added".to_owned(),
            job: None,
            time: Some(self.now()),
            stream: topology::ACCOUNTS.to_owned(),
            seq: 1,
        };
        Happening { account: self.account, told, time: self.now() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        service::Clock::now(&*self.clock)
    }

    pub(crate) async fn load(&self, id: delivery::Id) -> Loaded<Deliveries> {
        self.log.load::<Deliveries>(&id).await.unwrap()
    }

    pub(crate) async fn history(&self, id: delivery::Id) -> Vec<Recorded<Deliveries>> {
        self.log.history::<Deliveries>(&id).await.unwrap()
    }

    pub(crate) async fn endpoint(&self, id: endpoint::Id) -> endpoint::Endpoint {
        let known = self.log.load::<Endpoints>(&id).await.unwrap();
        known.state.endpoint().unwrap().clone()
    }
}
