//! `GET /v1/audit/events`: the account's log, as it is stored and not more than may be handed out.

use domain::{id::WorkerId, job::Event};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{PATIENCE, Running, Tenant, World};

/// Two tenants who did something in turn.
async fn scene() -> (World, Running, Tenant, Tenant) {
    let world = World::memory().await;
    let (api, tenant, other) = (world.api("a").await, world.tenant().await, world.tenant().await);
    for _ in 0..4 {
        let id = tenant.id(&api.submit(&tenant).await);
        let worker = WorkerId::from_uuid(Uuid::new_v4());
        world.happen(id, Event::Started { attempt: 1, worker }).await;
        api.submit(&other).await;
    }
    (world, api, tenant, other)
}

async fn page(api: &Running, tenant: &Tenant, query: &str) -> Value {
    let answer = api.get(&format!("/v1/audit/events{query}")).by(tenant).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{query}: {}", answer.body);
    answer.body
}

async fn lines(api: &Running, tenant: &Tenant, accept: &str) -> (HeaderMap, String) {
    let ask = api.get("/v1/audit/events").by(tenant).header("accept", accept);
    let (parts, body) = ask.open().await.into_parts();
    let body = tokio::time::timeout(PATIENCE, body.collect()).await.unwrap().unwrap();
    (parts.headers, String::from_utf8(body.to_bytes().to_vec()).unwrap())
}

fn events(page: &Value) -> Vec<Value> {
    page["events"].as_array().unwrap().clone()
}

#[tokio::test]
async fn all_of_an_accounts_events_come_once_page_by_page_or_as_lines() {
    let (_world, api, tenant, _other) = scene().await;
    let all = events(&page(&api, &tenant, "").await);
    // Opened, a key pair, and two of each job; perhaps that the key pair was used.
    let jobs = all.iter().filter(|event| event["stream"] == "JOBS").count();
    let accounts = all.iter().filter(|event| event["stream"] == "ACCOUNTS").count();
    assert!((jobs, accounts >= 2) == (8, true), "{all:?}");
    let account = tenant.account.to_string();
    assert!(all.iter().all(|event| event["subject"].as_str().unwrap().contains(&account)));
    let times: Vec<_> = all.iter().map(|event| event["time"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");

    let (mut paged, mut query) = (Vec::new(), "?limit=3".to_owned());
    loop {
        let page = page(&api, &tenant, &query).await;
        paged.extend(events(&page));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=3&after={next}");
    }
    assert_eq!(paged, all);

    let (headers, text) = lines(&api, &tenant, "application/x-ndjson").await;
    assert_eq!(headers["content-type"], "application/x-ndjson");
    let read: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read, all);
    let (headers, text) = lines(&api, &tenant, "text/csv").await;
    assert_eq!(headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(text.matches("\r\n").count(), all.len() + 1);
    assert!(text.starts_with("stream,seq,time,"), "{text}");
}

#[tokio::test]
async fn a_history_is_chained_and_parts_of_the_log_can_be_asked_for() {
    let (_world, api, tenant, other) = scene().await;
    let all = events(&page(&api, &tenant, "?stream=jobs").await);
    let job = all[2]["subject"].as_str().unwrap().split('.').nth(3).unwrap().to_owned();
    let of_job = events(&page(&api, &tenant, &format!("?job={job}")).await);
    let kinds: Vec<_> = of_job.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["requested", "started"]);
    assert_eq!(of_job[1]["prev"], of_job[0]["hash"]);
    let started = events(&page(&api, &tenant, "?event=started").await);
    assert_eq!(started.len(), 4);
    let (from, to) = (all[2]["seq"].as_u64().unwrap(), all[5]["seq"].as_u64().unwrap());
    let some = page(&api, &tenant, &format!("?stream=jobs&from_seq={from}&to_seq={to}")).await;
    assert_eq!(events(&some), all[2..=5]);
    let since = all[6]["time"].as_str().unwrap();
    let late = events(&page(&api, &tenant, &format!("?stream=jobs&since={since}")).await);
    assert_eq!(late, all[6..]);
    let theirs = page(&api, &other, &format!("?job={job}")).await;
    assert_eq!(theirs, json!({ "events": [], "next": null }));
    let wrong = api.get("/v1/audit/events?from_seq=2").by(&tenant).send().await;
    assert_eq!((wrong.status, &wrong.body["param"]), (StatusCode::BAD_REQUEST, &json!("from_seq")));
}

#[tokio::test]
async fn what_is_sealed_stays_sealed_and_what_stands_for_a_credential_is_left_out() {
    let (_world, api, tenant, _other) = scene().await;
    let accounts = events(&page(&api, &tenant, "?stream=accounts").await);
    let added = accounts.iter().find(|event| event["type"] == "application_added").unwrap();
    assert_eq!(added["data"]["secret_digest"], "[not exported]", "{added}");
    assert_eq!(added["data"]["key"], tenant.key);
    let opened = accounts.iter().find(|event| event["type"] == "opened").unwrap();
    assert_ne!(opened["data"]["label"], "a tenant");
    let requested = &events(&page(&api, &tenant, "?event=requested").await)[0];
    assert!(!requested.to_string().contains("example.com"), "{requested}");
    assert_eq!(requested["data"]["fingerprint"], "[not exported]");
}
