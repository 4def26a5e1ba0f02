//! What happened to a job: as a list, and as it happens.

use std::time::Duration;

use domain::{
    id::WorkerId,
    job::{self, Event, Jobs},
};
use http::StatusCode;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{PATIENCE, Running, Tenant, World};

/// A stream of events, read one by one.
struct Sse {
    body: Incoming,
    text: String,
}

/// One message of a stream.
#[derive(Debug, Clone, PartialEq, Default)]
struct Message {
    id: Option<u64>,
    event: String,
    data: Value,
}

impl Sse {
    async fn open(api: &Running, tenant: &Tenant, id: job::Id, after: Option<u64>) -> Self {
        let mut ask = api
            .get(&format!("/v1/jobs/{}/events", id.job))
            .by(tenant)
            .header("accept", "text/event-stream");
        if let Some(after) = after {
            ask = ask.header("last-event-id", &after.to_string());
        }
        let response = ask.open().await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), text: String::new() }
    }

    /// The next message; `None` when the stream has ended. Comments are passed over.
    async fn next(&mut self) -> Option<Message> {
        tokio::time::timeout(PATIENCE, self.next_in_time()).await.expect("a message in time")
    }

    async fn next_in_time(&mut self) -> Option<Message> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                if let Some(message) = read(&block) {
                    return Some(message);
                }
            }
            let frame = self.body.frame().await?;
            let data = frame.unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    async fn rest(mut self) -> Vec<Message> {
        let mut all = Vec::new();
        while let Some(message) = self.next().await {
            all.push(message);
        }
        all
    }
}

fn read(block: &str) -> Option<Message> {
    let mut message = Message::default();
    for line in block.lines() {
        let (name, value) = line.split_once(':').unwrap();
        match name {
            "id" => message.id = Some(value.trim().parse().unwrap()),
            "event" => message.event = value.trim().to_owned(),
            "data" => message.data = serde_json::from_str(value).unwrap(),
            _ => {}
        }
    }
    (!message.event.is_empty()).then_some(message)
}

fn life(worker: WorkerId) -> Vec<Event> {
    vec![
        Event::Started { attempt: 1, worker },
        Event::Wiped { bytes: 1 },
        Event::Failed {
            attempts: 1,
            code: domain::FailureCode::Corrupt,
            capability: None,
            detail: None,
        },
    ]
}

#[tokio::test]
async fn a_history_is_listed_as_it_was_stored() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let id = tenant.id(&api.submit(&tenant).await);
    for event in life(WorkerId::from_uuid(Uuid::new_v4())) {
        world.happen(id, event).await;
    }
    let list = api.get(&format!("/v1/jobs/{}/events", id.job)).by(&tenant).send().await.body;
    let events = list["events"].as_array().unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["requested", "started", "wiped", "failed"]);
    for (event, stored) in events.iter().zip(world.log.messages::<Jobs>(&id).await.unwrap()) {
        assert_eq!(event["seq"], stored.seq);
        assert_eq!(event["hash"], stored.hash().to_string());
        assert_eq!(event["prev"], stored.prev().unwrap().to_string());
        assert_eq!(event["data"], serde_json::from_slice::<Value>(&stored.body).unwrap());
        assert_eq!(event["id"], stored.event_id().unwrap().to_string());
    }
}

#[tokio::test]
async fn a_stream_tells_history_and_what_follows_up_to_the_outcome() {
    let world = World::real().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let id = tenant.id(&api.submit(&tenant).await);
    let events = life(WorkerId::from_uuid(Uuid::new_v4()));
    world.happen(id, events[0].clone()).await;
    let mut stream = Sse::open(&api, &tenant, id, None).await;
    assert_eq!(stream.next().await.unwrap().event, "requested");
    let started = stream.next().await.unwrap();
    assert_eq!(started.event, "started");

    let step = json!({ "step": "fetching", "percent": 50 });
    let worker = world.as_worker().await;
    worker.report_progress(id.account, id.job, &step).await.unwrap();
    let progress = stream.next().await.unwrap();
    assert_eq!((progress.event.as_str(), &progress.data, progress.id), ("progress", &step, None));

    for event in &events[1..] {
        world.happen(id, event.clone()).await;
    }
    let rest = stream.rest().await;
    assert_eq!(rest.iter().map(|m| m.event.as_str()).collect::<Vec<_>>(), ["wiped", "failed"]);

    // Whoever comes back gets what they missed, once; and an end, also when there is nothing.
    let missed = Sse::open(&api, &tenant, id, started.id).await.rest().await;
    assert_eq!(missed, rest);
    let nothing = Sse::open(&api, &tenant, id, rest[1].id).await.rest().await;
    assert_eq!(nothing, []);
    let path = format!("/v1/jobs/{}/events", id.job);
    let wrong = api.get(&path).by(&tenant).header("accept", "text/event-stream");
    let wrong = wrong.header("last-event-id", "x").send().await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn streams_opened_while_events_are_stored_have_neither_gap_nor_repetition() {
    let world = World::real().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let id = tenant.id(&api.submit(&tenant).await);
    let worker = world.as_worker().await;
    let storing = tokio::spawn(async move {
        let events = (0..60).map(|bytes| Event::Wiped { bytes }).chain([Event::Cancelled {}]);
        for event in events {
            worker
                .transact::<Jobs, job::Refusal>(
                    &id,
                    service::Clock::now(&service::SystemClock),
                    |_| Ok(vec![event.clone()]),
                )
                .await
                .unwrap();
        }
    });
    let mut open = Vec::new();
    for _ in 0..6 {
        let stream = Sse::open(&api, &tenant, id, None).await;
        open.push(tokio::spawn(stream.rest()));
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    storing.await.unwrap();
    let stored = world.log.messages::<Jobs>(&id).await.unwrap();
    let expected: Vec<_> = stored.iter().map(|raw| Some(raw.seq)).collect();
    for stream in open {
        let told: Vec<_> = stream.await.unwrap().iter().map(|message| message.id).collect();
        assert_eq!(told, expected);
    }
}

#[tokio::test]
async fn a_stop_ends_open_streams() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let id = tenant.id(&api.submit(&tenant).await);
    let mut stream = Sse::open(&api, &tenant, id, None).await;
    assert!(stream.next().await.is_some());
    api.stop().await;
    assert_eq!(stream.rest().await, []);
}
