//! What an account may use together, and what it has used.

use api::{Api, Served};
use domain::{
    account::{self, Accounts},
    id::WorkerId,
    job::{self, Completed, Durations, Event},
    limits::{QuotaOverrides, Quotas},
};
use futures::future::join_all;
use http::{Method, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use service::{Clock as _, SystemClock};
use uuid::Uuid;

use crate::stage::{Answer, PATIENCE, Running, Tenant, World, eventually};

const BODY: &str = r#"{"url": "https://example.com/a.jpg"}"#;

/// Quotas of its own for an account.
async fn set(world: &World, tenant: &Tenant, quotas: QuotaOverrides) {
    let log = world.connect("operator").await;
    let step = |state: &account::State| account::set_quotas(state, quotas);
    log.transact::<Accounts, account::Refusal>(&tenant.account, SystemClock.now(), step)
        .await
        .unwrap();
}

/// Waits until the API knows of them.
async fn known(api: &Running, tenant: &Tenant, quota: &str, value: u64) {
    eventually("the quota is known", PATIENCE, || async {
        let seen = api.get("/v1/account").by(tenant).send().await.body;
        seen["quotas"][quota]["value"] == value
    })
    .await;
}

fn refused_for(answer: &Answer, quota: &str) -> u64 {
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{}", answer.body);
    let error = &answer.body["error"];
    assert_eq!((&error["code"], &error["quota"]), (&json!("quota_exceeded"), &json!(quota)));
    assert!(error["message"].as_str().unwrap().contains(quota));
    answer.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap()
}

/// What a worker appends to a job that goes well.
fn life(artifact_bytes: u64) -> Vec<Event> {
    let worker = WorkerId::from_uuid(Uuid::new_v4());
    let artifact: job::Artifact = serde_json::from_value(json!({
        "name": "page-1_original.jpg", "location": "sealed", "stored_in": "development",
        "page": 1, "size_index": 0, "requested_size": "original", "width": 1, "height": 1,
        "original_width": 1, "original_height": 1, "resized": false,
        "media_type": "image/jpeg", "size_bytes": artifact_bytes, "sha256": "aa",
    }))
    .unwrap();
    vec![
        Event::Started { attempt: 1, worker },
        serde_json::from_value(json!({
            "event": "fetched", "size_bytes": 1_000, "media_type": "image/jpeg",
            "encoding": "binary",
        }))
        .unwrap(),
        Event::Stored { artifact: Box::new(artifact) },
        Event::Wiped { bytes: 0 },
        Event::Completed(Completed {
            total_pages: 1,
            metadata: None,
            engines: std::collections::BTreeMap::new(),
            durations: Durations { render_ms: 42, ..Durations::default() },
            receipt: None,
        }),
    ]
}

async fn done(world: &World, tenant: &Tenant, body: &Value, artifact_bytes: u64) {
    for event in life(artifact_bytes) {
        world.happen(tenant.id(body), event).await;
    }
}

#[tokio::test]
async fn as_many_jobs_are_under_way_as_the_quota_says_and_room_is_made_when_one_ends() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    set(&world, &tenant, QuotaOverrides { jobs_in_flight: Some(3), ..Default::default() }).await;
    known(&api, &tenant, "jobs_in_flight", 3).await;
    let mut jobs = Vec::new();
    for _ in 0..3 {
        jobs.push(api.submit(&tenant).await);
    }
    assert!(refused_for(&api.post(&tenant, BODY).send().await, "jobs_in_flight") > 0);
    // Others are not concerned, nor is whoever repeats what was accepted, nor any read.
    api.submit(&world.tenant().await).await;
    let path = format!("/v2/previews/{}", jobs[0]["id"].as_str().unwrap());
    assert_eq!(api.get(&path).by(&tenant).send().await.status, StatusCode::OK);
    let end = format!("/v1/jobs/{}", jobs[0]["id"].as_str().unwrap());
    api.request(Method::DELETE, &end).by(&tenant).send().await;
    eventually("there is room", PATIENCE, || async {
        api.post(&tenant, BODY).send().await.status == StatusCode::CREATED
    })
    .await;
    refused_for(&api.post(&tenant, BODY).send().await, "jobs_in_flight");
}

#[tokio::test]
async fn what_was_accepted_under_a_key_is_answered_again_whatever_the_quota() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    set(&world, &tenant, QuotaOverrides { jobs_per_minute: Some(1), ..Default::default() }).await;
    known(&api, &tenant, "jobs_per_minute", 1).await;
    let post = || api.post(&tenant, BODY).header("idempotency-key", "once");
    let first = post().send().await;
    let again = post().send().await;
    assert_eq!((again.status, &again.body["id"]), (StatusCode::CREATED, &first.body["id"]));
    let wait_s = refused_for(&api.post(&tenant, BODY).send().await, "jobs_per_minute");
    assert!((1..=60).contains(&wait_s), "{wait_s}");
}

#[tokio::test]
async fn jobs_in_a_minute_are_those_of_all_replicas_together() {
    let world = World::real().await;
    let tenant = world.tenant().await;
    set(&world, &tenant, QuotaOverrides { jobs_per_minute: Some(10), ..Default::default() }).await;
    let first = world.api("a").await;
    let second = world.api_with(world.settings("b"), &world.connect("api").await).await;
    for api in [&first, &second] {
        known(api, &tenant, "jobs_per_minute", 10).await;
    }
    // One after the other, now here, now there; each hears of the other's before it is asked.
    let mut accepted = 0;
    for round in 0..24 {
        let api = if round % 2 == 0 { &first } else { &second };
        match api.post(&tenant, BODY).send().await.status {
            StatusCode::CREATED => accepted += 1,
            StatusCode::TOO_MANY_REQUESTS => break,
            other => panic!("{other}"),
        }
        for api in [&first, &second] {
            eventually("it is heard of", PATIENCE, || async {
                let jobs = api.get("/v1/jobs").by(&tenant).send().await.body;
                jobs["jobs"].as_array().unwrap().len() == accepted
            })
            .await;
        }
    }
    assert_eq!(accepted, 10);
    for api in [&first, &second] {
        refused_for(&api.post(&tenant, BODY).send().await, "jobs_per_minute");
    }
}

#[tokio::test]
async fn a_burst_passes_no_quota_of_one_replica() {
    let world = World::real().await;
    let quotas = Quotas { jobs_per_minute: 20, ..Quotas::default() };
    let served = Served { quotas, ..Served::from(world.settings("a")) };
    let api = world.api_served(served, &world.log).await;
    let tenant = world.tenant().await;
    let asked = (0..60).map(|_| api.post(&tenant, BODY).send());
    let answers = join_all(asked).await;
    let accepted = answers.iter().filter(|answer| answer.status == StatusCode::CREATED).count();
    let refused = answers.iter().filter(|answer| answer.status == StatusCode::TOO_MANY_REQUESTS);
    assert_eq!((accepted, refused.count()), (20, 40));
}

#[tokio::test]
async fn bytes_of_sources_and_results_are_held_to_their_quotas_as_they_become_known() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    for (quota, own) in [
        (
            "source_bytes_per_day",
            QuotaOverrides { source_bytes_per_day: Some(1_000), ..Default::default() },
        ),
        ("development_bytes", QuotaOverrides { development_bytes: Some(50), ..Default::default() }),
    ] {
        set(&world, &tenant, own).await;
        let value = own.source_bytes_per_day.or(own.development_bytes).unwrap();
        known(&api, &tenant, quota, value).await;
        let room = api.post(&tenant, BODY).send().await;
        if room.status == StatusCode::CREATED {
            done(&world, &tenant, &room.body, 50).await;
        }
        eventually("it is used up", PATIENCE, || async {
            let seen = api.get("/v1/account").by(&tenant).send().await.body;
            seen["quotas"][quota]["used"].as_u64().unwrap() >= value
        })
        .await;
        assert!(refused_for(&api.post(&tenant, BODY).send().await, quota) > 0);
    }
}

#[tokio::test]
async fn what_was_used_is_told_by_day_as_json_and_csv() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let (one, two) = (api.submit(&tenant).await, api.submit(&tenant).await);
    done(&world, &tenant, &one, 50).await;
    let end = format!("/v1/jobs/{}", two["id"].as_str().unwrap());
    api.request(Method::DELETE, &end).by(&tenant).send().await;
    let used = api.get("/v1/usage").by(&tenant).send().await;
    assert_eq!(used.status, StatusCode::OK, "{}", used.body);
    let expected = json!({
        "jobs_accepted": 2, "jobs_completed": 1, "jobs_failed": 0, "jobs_cancelled": 1,
        "source_bytes": 1_000, "artifacts": 1, "artifact_bytes": 50, "pages": 1, "engine_ms": 42,
        "uploads": 0, "upload_bytes": 0,
    });
    assert_eq!(used.body["total"], expected);
    let today = SystemClock.now().to_string()[..10].to_owned();
    assert_eq!(used.body["days"][0]["date"], today);

    for ask in [
        api.get("/v1/usage").header("accept", "text/csv"),
        api.get(&format!("/v1/usage?format=csv&from={today}&to={today}")),
    ] {
        let answer = ask.by(&tenant).open().await;
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/csv; charset=utf-8");
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(text.to_vec()).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("date,jobs_accepted,jobs_completed,"), "{text}");
        assert_eq!(lines[1..], [format!("{today},2,1,0,1,1000,1,50,1,42,0,0")]);
    }
    let other = api.get("/v1/usage").by(&world.tenant().await).send().await;
    assert_eq!(other.body["days"], json!([]));
    let odd = api.get("/v1/usage?from=2026-13-01").by(&tenant).send().await;
    assert_eq!((odd.status, &odd.body["param"]), (StatusCode::BAD_REQUEST, &json!("from")));
}

#[tokio::test]
async fn every_quota_in_the_settings_is_known_to_an_account() {
    let world = World::memory().await;
    let quotas = Quotas { uploads_in_flight: 7, ..Quotas::default() };
    let served = Served { quotas, ..Served::from(Api { ..world.settings("a") }) };
    let api = world.api_served(served, &world.log).await;
    let seen = api.get("/v1/account").by(&world.tenant().await).send().await.body;
    let names: Vec<_> = seen["quotas"].as_object().unwrap().keys().cloned().collect();
    let mut expected = Quotas::NAMES.to_vec();
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert_eq!(seen["quotas"]["uploads_in_flight"]["value"], 7);
}
