//! `POST /v1/endpoints/{id}/replays`: which sequences a replay is of.

use domain::{
    delivery::{self, Answer, Deliveries, Event, FailureCode, Told},
    endpoint,
    id::EventId,
};
use eventlog::topology;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use service::{Clock as _, SystemClock};
use uuid::Uuid;

use crate::{
    shapes,
    stage::{Answer as Said, Running, Tenant, World},
};

/// An endpoint of a tenant's.
async fn endpoint(api: &Running, tenant: &Tenant) -> String {
    let endpoint = json!({ "url": "https://hooks.example.com/" }).to_string();
    let added = api.request(Method::POST, "/v1/endpoints").by(tenant).body(endpoint).send().await;
    added.body["id"].as_str().unwrap().to_owned()
}

async fn replay(api: &Running, tenant: &Tenant, endpoint: &str, wish: &Value) -> Said {
    let path = format!("/v1/endpoints/{endpoint}/replays");
    api.request(Method::POST, &path).by(tenant).body(wish.to_string()).send().await
}

/// The sequences of a replay to a new endpoint. What it says is held against the document.
async fn stretch(api: &Running, tenant: &Tenant, wish: Value) -> (u64, u64) {
    let said = replay(api, tenant, &endpoint(api, tenant).await, &wish).await;
    assert_eq!(said.status, StatusCode::ACCEPTED, "{wish}: {}", said.body);
    let document = api.get("/openapi.json").send().await.body;
    let path = "/v1/endpoints/{id}/replays";
    assert_eq!(shapes::departures(&document, path, "post", &said.body), Vec::<String>::new());
    (said.body["from_seq"].as_u64().unwrap(), said.body["to_seq"].as_u64().unwrap())
}

#[tokio::test]
async fn times_become_sequences_and_of_two_bounds_the_narrower_holds() {
    let world = World::memory().await;
    let (api, tenant, other) = (world.api("a").await, world.tenant().await, world.tenant().await);
    for _ in 0..3 {
        api.submit(&tenant).await;
        api.submit(&other).await;
    }
    let events = api.get("/v1/audit/events?stream=jobs").by(&tenant).send().await.body;
    let events = events["events"].as_array().unwrap();
    let seq = |number: usize| events[number]["seq"].as_u64().unwrap();
    let time = |number: usize| events[number]["time"].as_str().unwrap();
    let last = world.log.last_sequence(topology::JOBS).await.unwrap();
    assert_eq!((seq(0), seq(2), last), (1, 5, 6));

    // Up to before the tenant's next.
    let second = json!({ "since": time(1), "until": time(1) });
    assert_eq!(stretch(&api, &tenant, second).await, (seq(1), seq(2) - 1));
    let narrower = json!({ "since": time(0), "from_seq": 2, "until": time(2), "to_seq": 4 });
    assert_eq!(stretch(&api, &tenant, narrower).await, (2, 4));
    let wider = json!({ "since": time(1), "from_seq": 1, "until": time(1), "to_seq": 1_000 });
    assert_eq!(stretch(&api, &tenant, wider).await, (seq(1), seq(2) - 1));
    let all = json!({ "from_seq": 1, "until": "2999-01-01T00:00:00Z", "to_seq": null });
    assert_eq!(stretch(&api, &tenant, all).await, (1, last));
    let nothing = json!({ "since": "2999-01-01T00:00:00Z" });
    assert_eq!(stretch(&api, &tenant, nothing).await, (last + 1, last));
}

#[tokio::test]
async fn what_was_given_up_is_found_by_the_time_of_giving_up() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let id = endpoint(&api, &tenant).await;
    let to = endpoint::Id { account: tenant.account, endpoint: id.parse().unwrap() };
    let mut given_up = Vec::new();
    for seq in 1..=3 {
        let event_id = EventId::from_uuid(Uuid::new_v4());
        let (event_type, time) = ("job.failed".to_owned(), Some(SystemClock.now()));
        let stream = topology::JOBS.to_owned();
        let told = Told { event_id, event_type, job: None, time, stream, seq };
        let (code, answer) = (FailureCode::Unreachable, Answer::default());
        let exhausted = Event::Exhausted { attempts: 1, code, status: None, latency_ms: 1, answer };
        let delivery = delivery::Id::of(to, event_id);
        for event in [Event::Due { told }, exhausted] {
            let decide = |_: &delivery::State| Ok::<_, delivery::Refusal>(vec![event.clone()]);
            given_up.push(SystemClock.now());
            world
                .log
                .transact::<Deliveries, _>(&delivery, given_up[given_up.len() - 1], decide)
                .await
                .unwrap();
        }
    }
    let wish = json!({ "only": "exhausted", "since": given_up[2], "until": given_up[3] });
    let said = replay(&api, &tenant, &id, &wish).await;
    let found = json!({
        "replay": said.body["replay"], "from_seq": 4, "to_seq": 5, "only": "exhausted", "stream": "DELIVERIES",
    });
    assert_eq!((said.status, said.body), (StatusCode::ACCEPTED, found));
}

#[tokio::test]
async fn bounds_that_make_no_stretch_are_refused() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let id = endpoint(&api, &tenant).await;
    for (wish, code, param) in [
        (json!({ "until": "2026-11-22T10:00:00Z" }), "field_missing", "from_seq"),
        (json!({ "from_seq": 3, "to_seq": 2 }), "field_invalid", "to_seq"),
        (
            json!({ "since": "2026-11-22T10:00:01Z", "until": "2026-11-22T10:00:00Z" }),
            "field_invalid",
            "until",
        ),
    ] {
        let said = replay(&api, &tenant, &id, &wish).await;
        let refused = (said.status, said.body["code"].as_str(), said.body["param"].as_str());
        assert_eq!(refused, (StatusCode::BAD_REQUEST, Some(code), Some(param)), "{}", said.body);
    }
    let after = api.get(&format!("/v1/endpoints/{id}")).by(&tenant).send().await;
    assert_eq!(after.body["replay"], Value::Null);
}
