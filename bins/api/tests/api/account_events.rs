//! Everything that happens to an account: as lines up to now, and as it happens.

use std::{collections::BTreeSet, time::Duration};

use domain::{
    account::Accounts,
    id::WorkerId,
    job::{self, Event, Jobs},
    scope::{Role, Scope},
};
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};
use service::{Clock as _, SystemClock};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    people::{Home, PASSWORD},
    shapes,
    stage::{Ask, PATIENCE, Running, Tenant, World},
};

/// How long somebody who may not listen any more may go on hearing.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// What lines say.
async fn lines(ask: Ask) -> Vec<Value> {
    let response = ask.open().await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let body = tokio::time::timeout(PATIENCE, response.into_body().collect());
    let body = body.await.unwrap().unwrap().to_bytes();
    let text = std::str::from_utf8(&body).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn list(api: &Running, tenant: &Tenant, query: &str) -> Vec<Value> {
    lines(api.get(&format!("/v1/events?{query}")).by(tenant)).await
}

/// A stream of events, read one by one.
struct Listening {
    body: Incoming,
    text: String,
}

/// One message of a stream: an event, or with nothing but an id a sign of life.
#[derive(Debug, Clone, PartialEq, Default)]
struct Message {
    id: String,
    topic: String,
    event: Value,
}

impl Listening {
    async fn open(ask: Ask) -> Self {
        let response = ask.header("accept", "text/event-stream").open().await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), text: String::new() }
    }

    /// Whatever comes next; `None` when the stream has ended.
    async fn message(&mut self) -> Option<Message> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let mut message = Message::default();
                for line in block.lines() {
                    match line.split_once(':').unwrap() {
                        ("id", value) => message.id = value.to_owned(),
                        ("event", value) => message.topic = value.to_owned(),
                        ("data", value) => message.event = serde_json::from_str(value).unwrap(),
                        _ => {}
                    }
                }
                self.text = rest.to_owned();
                return Some(message);
            }
            let frame = self.body.frame().await?;
            let data = frame.unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    /// The next event.
    async fn next(&mut self) -> Message {
        let next = async {
            loop {
                let message = self.message().await.expect("the stream goes on");
                if !message.topic.is_empty() {
                    return message;
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("an event in time")
    }

    /// Waits for the end, and says how long it took.
    async fn ends(mut self) -> Duration {
        let begun = Instant::now();
        let end = async { while self.message().await.is_some() {} };
        tokio::time::timeout(PATIENCE, end).await.expect("the stream ends");
        begun.elapsed()
    }
}

fn field<'a>(event: &'a Value, name: &str) -> &'a str {
    event[name].as_str().unwrap_or_else(|| panic!("{name} of {event}"))
}

fn places(events: &[Value]) -> Vec<(String, String)> {
    let place =
        |event: &Value| (field(event, "stream").to_owned(), field(event, "sequence").to_owned());
    events.iter().map(place).collect()
}

fn failed() -> Event {
    Event::Failed {
        attempts: 1,
        code: domain::FailureCode::Corrupt,
        capability: None,
        detail: None,
    }
}

async fn add_endpoint(api: &Running, tenant: &Tenant) -> Value {
    let endpoint = json!({ "url": "https://hooks.example.com/secret-path" }).to_string();
    let added = api.request(Method::POST, "/v1/endpoints").by(tenant).body(endpoint).send().await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
    added.body
}

#[tokio::test]
async fn everything_is_listed_opened_and_can_be_gone_on_with_from_anywhere() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let id = tenant.id(&api.submit(&tenant).await);
    add_endpoint(&api, &tenant).await;
    world.happen(id, failed()).await;

    let all = list(&api, &tenant, "").await;
    let types: BTreeSet<&str> = all.iter().map(|event| field(event, "type")).collect();
    for kind in [
        "account.opened",
        "account.application_added",
        "job.requested",
        "endpoint.added",
        "job.failed",
    ] {
        assert!(types.contains(format!("darkroom.{kind}.v1").as_str()), "{kind}: {types:?}");
    }
    let document = api.get("/openapi.json").send().await.body;
    let mut times: Vec<&str> = Vec::new();
    for event in &all {
        let departures = shapes::departures(&document, "/v1/events", "get", event);
        assert_eq!(departures, Vec::<String>::new());
        assert_eq!(field(event, "source"), format!("/accounts/{}", tenant.account));
        times.push(field(event, "time"));
    }
    assert!(times.is_sorted(), "{times:?}");
    let requested = all.iter().find(|event| field(event, "type") == "darkroom.job.requested.v1");
    let requested = requested.unwrap();
    assert_eq!(requested["data"]["source_url"], "https://example.com/a.jpg");
    assert_eq!(requested["data"]["fingerprint"], "[not exported]");
    assert_eq!(field(requested, "subject"), id.job.to_string());
    let added = all.iter().find(|event| field(event, "type") == "darkroom.endpoint.added.v1");
    assert_eq!(added.unwrap()["data"]["url"], "https://hooks.example.com/secret-path");
    assert_eq!(added.unwrap()["data"]["signing"]["secret"], "[not exported]");

    for (index, event) in all.iter().enumerate() {
        let rest = list(&api, &tenant, &format!("after={}", field(event, "cursor"))).await;
        assert_eq!(places(&rest), places(&all[index + 1..]), "after {event}");
    }
    assert_eq!(list(&api, &tenant, "after=now").await, Vec::<Value>::new());
    let since = field(all.last().unwrap(), "time");
    let late = list(&api, &tenant, &format!("since={since}")).await;
    assert!(!late.is_empty() && late.len() < all.len(), "{late:?}");
}

#[tokio::test]
async fn filters_let_through_what_they_name() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let (one, two) = (tenant.id(&api.submit(&tenant).await), tenant.id(&api.submit(&tenant).await));
    add_endpoint(&api, &tenant).await;
    world.happen(one, failed()).await;
    world.happen(two, Event::Wiped { bytes: 7 }).await;
    let names = |events: Vec<Value>| -> Vec<String> {
        let short = |event: &Value| {
            field(event, "type").split('.').skip(1).take(2).collect::<Vec<_>>().join(".")
        };
        events.iter().map(short).collect()
    };
    for (query, expected) in [
        ("types=job.failed".to_owned(), vec!["job.failed"]),
        (
            "types=job.*".to_owned(),
            vec!["job.requested", "job.requested", "job.failed", "job.wiped"],
        ),
        ("types=job.failed,endpoint.*".to_owned(), vec!["endpoint.added", "job.failed"]),
        (format!("job={}", two.job), vec!["job.requested", "job.wiped"]),
        (format!("job={}&types=job.wiped", two.job), vec!["job.wiped"]),
        (format!("types=job.wiped&application={}", tenant.application), vec!["job.wiped"]),
        (format!("application={}", Uuid::new_v4()), vec![]),
        (format!("job={}", Uuid::new_v4()), vec![]),
    ] {
        assert_eq!(names(list(&api, &tenant, &query).await), expected, "{query}");
    }
    for (query, named) in [
        ("types=job", "types"),
        ("types=member", "types"),
        ("job=7", "job"),
        ("application=x", "application"),
        ("after=7", "after"),
        // Of another log, or of this one before it was restored.
        ("after=JOBS:1000", "after"),
        ("since=yesterday", "since"),
        ("follow=maybe", "follow"),
    ] {
        let answer = api.get(&format!("/v1/events?{query}")).by(&tenant).send().await;
        assert_eq!((answer.status, field(&answer.body, "param")), (StatusCode::BAD_REQUEST, named));
    }
    let odd = api.get("/v1/events").by(&tenant).header("last-event-id", "x").send().await;
    assert_eq!((odd.status, field(&odd.body, "param")), (StatusCode::BAD_REQUEST, "Last-Event-ID"));
}

#[tokio::test]
async fn streams_opened_while_much_is_stored_have_neither_gap_nor_repetition() {
    const EACH: usize = 40;
    let world = World::real().await;
    let (api, tenant, other) = (world.api("a").await, world.tenant().await, world.tenant().await);
    let id = tenant.id(&api.submit(&tenant).await);
    let theirs = other.id(&api.submit(&other).await);
    let (jobs, accounts) = (world.as_worker().await, world.connect("operator").await);
    let storing = tokio::spawn(async move {
        for bytes in 0..EACH as u64 {
            for id in [&id, &theirs] {
                let wiped = |_: &job::State| Ok::<_, job::Refusal>(vec![Event::Wiped { bytes }]);
                jobs.transact::<Jobs, _>(id, SystemClock.now(), wiped).await.unwrap();
            }
        }
    });
    let account = tenant.account;
    let changing = tokio::spawn(async move {
        for round in 0..EACH {
            let kept = |_: &domain::account::State| {
                let event = domain::account::Event::MediaKept { kept: round % 2 == 0 };
                Ok::<_, domain::account::Refusal>(vec![event])
            };
            accounts.transact::<Accounts, _>(&account, SystemClock.now(), kept).await.unwrap();
        }
    });
    let mut open = Vec::new();
    for _ in 0..6 {
        let ask = api.get("/v1/events?after=start&types=job.*,account.media_kept").by(&tenant);
        let mut stream = Listening::open(ask).await;
        open.push(tokio::spawn(async move {
            let mut told = Vec::new();
            for _ in 0..=2 * EACH {
                told.push(stream.next().await);
            }
            told
        }));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    storing.await.unwrap();
    changing.await.unwrap();
    let stored = list(&api, &tenant, "types=job.*,account.media_kept").await;
    assert_eq!(stored.len(), 2 * EACH + 1);
    let expected: BTreeSet<_> = places(&stored).into_iter().collect();
    for stream in open {
        let told: Vec<Value> =
            stream.await.unwrap().into_iter().map(|message| message.event).collect();
        assert_eq!(places(&told).into_iter().collect::<BTreeSet<_>>(), expected);
        // In each history the order is that in which things happened.
        for history in ["JOBS", "ACCOUNTS"] {
            let order: Vec<_> =
                places(&told).into_iter().filter(|(stream, _)| stream == history).collect();
            assert!(order.is_sorted(), "{order:?}");
        }
    }
}

#[tokio::test]
async fn a_stream_goes_on_where_the_one_before_ended() {
    let world = World::real().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let id = tenant.id(&api.submit(&tenant).await);
    let mut stream = Listening::open(api.get("/v1/events").by(&tenant)).await;
    // From now on, unless something else is asked for: what is there already is not told.
    let alive = stream.message().await.unwrap();
    assert!(alive.id.contains("JOBS:1") && alive.topic.is_empty(), "{alive:?}");
    world
        .happen(id, Event::Started { attempt: 1, worker: WorkerId::from_uuid(Uuid::new_v4()) })
        .await;
    let started = stream.next().await;
    assert_eq!(
        (started.topic.as_str(), &started.event["cursor"]),
        ("job.started", &json!(started.id))
    );
    drop(stream);

    world.happen(id, Event::Wiped { bytes: 1 }).await;
    world.happen(id, failed()).await;
    let again = api.get("/v1/events").by(&tenant).header("last-event-id", &started.id);
    let mut stream = Listening::open(again).await;
    assert_eq!(stream.next().await.topic, "job.wiped");
    let last = stream.next().await;
    assert_eq!(last.topic, "job.failed");
    add_endpoint(&api, &tenant).await;
    assert_eq!(stream.next().await.topic, "endpoint.added");

    // Lines can go on as well, and a stream can end.
    let query = format!("/v1/events?follow=false&after={}", last.id);
    let ended = Listening::open(api.get(&query).by(&tenant)).await;
    ended.ends().await;
    api.stop().await;
    stream.ends().await;
}

#[tokio::test]
async fn what_was_shredded_is_null_and_said_to_be() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let id = tenant.id(&api.submit(&tenant).await);
    world.custody.shred_job(&id).await.unwrap();
    let [requested] = &list(&api, &tenant, "types=job.requested").await[..] else { panic!() };
    assert_eq!(requested["data"]["source_url"], Value::Null);
    assert_eq!(requested["erased"], true);
    assert_eq!(requested["data"]["wish"]["pages"], "1");
}

#[tokio::test]
async fn nobody_hears_of_another_account_or_of_what_they_may_not_see() {
    let world = World::real().await;
    let (api, owner, stranger) = (world.api("a").await, world.tenant().await, world.tenant().await);
    let jobs = Scope::JobsRead;
    let narrow = world.tenant_with(|application| {
        application.terms.scopes = Some([jobs, Scope::JobsWrite].into());
    });
    let narrow = narrow.await;
    let mut streams = Vec::new();
    for tenant in [&stranger, &narrow] {
        let ask = api.get("/v1/events?after=start").by(tenant);
        streams.push(Listening::open(ask).await);
    }
    let theirs = owner.id(&api.submit(&owner).await);
    add_endpoint(&api, &owner).await;
    let own = [api.submit(&stranger).await, api.submit(&narrow).await];
    for (index, (stream, own)) in streams.iter_mut().zip(&own).enumerate() {
        let own = field(own, "id");
        let mut heard = String::new();
        loop {
            let message = stream.next().await;
            heard.push_str(&message.event.to_string());
            if message.event["subject"] == own {
                break;
            }
            let of_account = message.topic.starts_with("account.");
            assert!(of_account && index == 0, "a key for jobs hears {message:?}");
        }
        let hidden = [owner.account.to_string(), theirs.job.to_string(), "secret-path".to_owned()];
        assert!(!hidden.iter().any(|text| heard.contains(text)), "{heard}");
    }
    for (types, scope) in [
        ("member.*", "audit"),
        ("account.*", "account:read"),
        ("job.*,delivery.due", "account:read"),
    ] {
        let answer = api.get(&format!("/v1/events?types={types}")).by(&narrow).send().await;
        let detail = field(&answer.body, "detail");
        assert!(answer.status == StatusCode::FORBIDDEN && detail.contains(scope), "{detail}");
    }
}

#[tokio::test]
async fn only_those_who_read_the_whole_history_hear_of_members() {
    let home = Home::new().await;
    let auditor = home.person("audit@example.com", Role::Auditor).await;
    let member = home.person("member@example.com", Role::Member).await;
    let seen = lines(home.by(&auditor, Method::GET, "/v1/events?types=member.*")).await;
    let invited: Vec<_> =
        seen.iter().filter(|event| field(event, "type") == "darkroom.member.invited.v1").collect();
    assert_eq!(invited.len(), 2);
    assert_eq!(invited[0]["data"]["email"], "audit@example.com");
    assert_eq!(invited[0]["data"]["token_digest"], "[not exported]");
    let refused = home.get(&member, "/v1/events?types=member.*").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let all = lines(home.by(&member, Method::GET, "/v1/events")).await;
    assert!(!all.is_empty() && all.iter().all(|event| field(event, "stream") != "MEMBERS"));
}

#[tokio::test]
async fn streams_end_with_the_key_or_the_session_that_opened_them() {
    let home = Home::new().await;
    let id = home.tenant.id(&home.api.submit(&home.tenant).await);
    let paths = ["/v1/events".to_owned(), format!("/v1/jobs/{}/events", id.job)];
    let person = home.person("alice@example.com", Role::Owner).await;
    let (mut by_session, mut by_key) = (Vec::new(), Vec::new());
    for path in &paths {
        by_session.push(Listening::open(home.by(&person, Method::GET, path)).await);
        by_key.push(Listening::open(home.api.get(path).by(&home.tenant)).await);
    }
    let out = home.by(&person, Method::DELETE, "/v1/sessions/current").send().await;
    assert_eq!(out.status, StatusCode::OK, "{}", out.body);
    for (stream, path) in by_session.into_iter().zip(&paths) {
        let took = stream.ends().await;
        assert!(took < ENDS_WITHIN, "{path} went on for {took:?} after the session");
    }
    home.world.revoke(&home.tenant).await;
    for (stream, path) in by_key.into_iter().zip(&paths) {
        let took = stream.ends().await;
        assert!(took < ENDS_WITHIN, "{path} went on for {took:?} after the key");
    }
}

#[tokio::test]
async fn listening_does_not_keep_a_session_from_ending_when_it_is_left_idle() {
    let home = Home::new().await;
    let id = home.tenant.id(&home.api.submit(&home.tenant).await);
    let person = home.person("alice@example.com", Role::Owner).await;
    let mut open = Vec::new();
    for path in ["/v1/events".to_owned(), format!("/v1/jobs/{}/events", id.job)] {
        open.push(Listening::open(home.by(&person, Method::GET, &path)).await);
    }
    let other = home.person("bob@example.com", Role::Member).await;
    for _ in 0..3 {
        home.pass(25);
        // Whatever happens to a session has everybody who listens identified again.
        home.log_in(&other.email, PASSWORD).await;
    }
    for stream in open {
        let took = stream.ends().await;
        assert!(took < 2 * ENDS_WITHIN, "it went on for {took:?}");
    }
}

#[tokio::test]
async fn a_stream_ends_when_its_key_may_no_longer_see_what_it_tells() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let whole = Listening::open(api.get("/v1/events").by(&tenant)).await;
    let mut jobs = Listening::open(api.get("/v1/events?types=job.*").by(&tenant)).await;
    let path = format!("/v1/applications/{}", tenant.application);
    let narrower = json!({ "scopes": ["jobs:read", "jobs:write"] }).to_string();
    let changed = api.request(Method::PATCH, &path).by(&tenant).body(narrower).send().await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.body);
    whole.ends().await;
    api.submit(&tenant).await;
    assert_eq!(jobs.next().await.topic, "job.requested", "what it may still see goes on");
}

#[tokio::test]
async fn an_account_has_so_many_streams_and_leaves_room_for_others() {
    let world = World::memory().await;
    let settings = api::Api { max_streams_per_account: 2, ..world.settings("a") };
    let api = world.api_with(settings, &world.log).await;
    let (tenant, other) = (world.tenant().await, world.tenant().await);
    let mut open = Vec::new();
    for _ in 0..2 {
        open.push(Listening::open(api.get("/v1/events").by(&tenant)).await);
    }
    let third = api.get("/v1/events").by(&tenant).send().await;
    assert_eq!(third.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(third.body["quota"], "event_streams");
    Listening::open(api.get("/v1/events").by(&other)).await;
    open.pop();
    crate::stage::eventually("its place is free", PATIENCE, || async {
        api.get("/v1/events").by(&tenant).open().await.status() == StatusCode::OK
    })
    .await;
}
