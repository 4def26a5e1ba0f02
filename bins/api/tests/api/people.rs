//! Members for tests: invited, joined, logged in, and what they send.

use std::{sync::Arc, time::Duration};

use api::{Api, Server, Sessions};
use domain::{
    Timestamp,
    id::MemberId,
    member::{self, Event, Invitation, Members, Offer},
    scope::Role,
};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use service::{Clock as _, ManualClock, SystemClock};
use tokio_util::sync::CancellationToken;

use crate::stage::{Answer, Ask, PATIENCE, Running, Tenant, World, eventually};

/// A password that is taken.
pub(crate) const PASSWORD: &str = "correct horse battery";
/// Where requests of a page of ours come from.
pub(crate) const OURS: &str = "http://localhost";

/// Settings under which tests do not wait.
pub(crate) fn quick() -> Sessions {
    Sessions {
        bcrypt_cost: 4,
        failed_login_ms: 5,
        logins_per_address: 100_000,
        logins_per_address_per_minute: 100_000,
        ..Sessions::default()
    }
}

/// An API, a tenant, and a clock that stands still until it is moved.
pub(crate) struct Home {
    pub(crate) world: World,
    pub(crate) api: Running,
    pub(crate) tenant: Tenant,
    pub(crate) clock: Arc<ManualClock>,
}

/// Somebody who has joined.
pub(crate) struct Person {
    pub(crate) id: member::Id,
    pub(crate) email: String,
    pub(crate) cookie: String,
}

impl Home {
    pub(crate) async fn new() -> Self {
        Self::with(World::memory().await, quick()).await
    }

    pub(crate) async fn with(world: World, sessions: Sessions) -> Self {
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        let settings = Api { sessions, ..world.settings("a") };
        let api = start(&world, settings, Arc::clone(&clock)).await;
        let tenant = world.tenant().await;
        Self { world, api, tenant, clock }
    }

    /// What an operator does: invites somebody, and has the token.
    pub(crate) async fn invite(&self, tenant: &Tenant, email: &str, role: Role) -> String {
        let custody = &self.world.custody;
        let email_digest = custody.address_digest(email);
        let id = member::Id::of_address(tenant.account, &email_digest);
        let token = custody::member::offer_token(&id).unwrap();
        let expires_at = self.clock.now().checked_add(Duration::from_secs(3_600)).unwrap();
        let invitation = Invitation {
            email: custody.seal_email(&id, email).await.unwrap(),
            email_digest,
            role,
            offer: Offer { token_digest: custody.token_digest(&token), expires_at },
            by: None,
        };
        self.world
            .connect("operator")
            .await
            .transact::<Members, member::Refusal>(&id, self.clock.now(), |state| {
                member::invite(state, &invitation)
            })
            .await
            .unwrap();
        token.to_string()
    }

    pub(crate) async fn join(&self, token: &str, password: &str) -> Answer {
        let body = json!({ "token": token, "password": password }).to_string();
        self.api.request(Method::POST, "/v1/joins").body(body).send().await
    }

    /// Somebody of the tenant who has joined and logged in.
    pub(crate) async fn person(&self, email: &str, role: Role) -> Person {
        let token = self.invite(&self.tenant, email, role).await;
        let joined = self.join(&token, PASSWORD).await;
        assert_eq!(joined.status, StatusCode::CREATED, "{}", joined.body);
        let member: MemberId = joined.body["member"]["id"].as_str().unwrap().parse().unwrap();
        let id = member::Id { account: self.tenant.account, member };
        let cookie = cookie(&self.log_in(email, PASSWORD).await);
        Person { id, email: email.to_owned(), cookie }
    }

    pub(crate) async fn log_in(&self, email: &str, password: &str) -> Answer {
        self.log_in_with(&json!({ "email": email, "password": password })).await
    }

    pub(crate) async fn log_in_with(&self, body: &Value) -> Answer {
        self.api.request(Method::POST, "/v1/sessions").body(body.to_string()).send().await
    }

    /// A request with somebody's cookie, from a page of ours.
    pub(crate) fn by(&self, person: &Person, method: Method, path: &str) -> Ask {
        let ask = self.api.request(method, path);
        ask.header("cookie", &person.cookie).header("origin", OURS)
    }

    pub(crate) async fn get(&self, person: &Person, path: &str) -> Answer {
        self.by(person, Method::GET, path).send().await
    }

    pub(crate) async fn send(
        &self,
        person: &Person,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Answer {
        self.by(person, method, path).body(body.to_string()).send().await
    }

    /// What has happened to a member.
    pub(crate) async fn history(&self, id: member::Id) -> Vec<Event> {
        let history = self.world.log.history::<Members>(&id).await.unwrap();
        history.into_iter().map(|recorded| recorded.event).collect()
    }

    pub(crate) fn pass(&self, minutes: u64) {
        self.clock.advance(Duration::from_secs(60 * minutes));
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// An API that is ready, under a clock.
pub(crate) async fn start(world: &World, settings: Api, clock: Arc<ManualClock>) -> Running {
    let shutdown = CancellationToken::new();
    let server = Server::assemble(
        settings,
        world.log.clone(),
        world.custody.clone(),
        clock,
        shutdown.clone(),
    )
    .await
    .unwrap();
    let address = server.address();
    let running = Running { address, shutdown, task: tokio::spawn(server.serve()) };
    eventually("the API is ready", PATIENCE, || async {
        running.get("/readyz").send().await.status == StatusCode::OK
    })
    .await;
    running
}

/// The cookie that an answer sets, as it is sent back.
pub(crate) fn cookie(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    let set = answer.headers["set-cookie"].to_str().unwrap();
    set.split(';').next().unwrap().to_owned()
}

/// What one-time codes are made of, as an enrolment carries it.
pub(crate) fn secret(enrolment: &str) -> Vec<u8> {
    let secret = enrolment.split('.').next().unwrap();
    base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, secret).unwrap()
}

/// The code of a problem.
pub(crate) fn code(answer: &Answer) -> &str {
    answer.body["code"].as_str().unwrap_or_else(|| panic!("{} {}", answer.status, answer.body))
}

/// Holds an answer to what the document says of it.
pub(crate) fn shaped(document: &Value, verb: &str, path: &str, answer: &Answer) {
    let responses = document["paths"][path][verb]["responses"].as_object().unwrap();
    let response = &responses[answer.status.as_str()];
    let schema = &response["content"]["application/json"]["schema"];
    hold(document, schema, &answer.body, &format!("{verb} {path}"));
}

fn hold(document: &Value, schema: &Value, value: &Value, what: &str) {
    let schema = match schema["$ref"].as_str() {
        Some(name) => &document["components"]["schemas"][name.rsplit('/').next().unwrap()],
        None => schema,
    };
    if let Some(items) = value.as_array() {
        for item in items {
            hold(document, &schema["items"], item, what);
        }
    }
    let Some(fields) = value.as_object() else { return };
    for required in schema["required"].as_array().unwrap() {
        assert!(fields.contains_key(required.as_str().unwrap()), "{what}: {required} in {value}");
    }
    for (name, value) in fields {
        let known = &schema["properties"][name];
        assert!(known.is_object(), "{what}: {name} is not described");
        hold(document, known, value, what);
    }
}
