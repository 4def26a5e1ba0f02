//! `as_of`: how things stood, at any event and at any time.

use domain::{
    FailureCode,
    id::WorkerId,
    job::{self, Event, Fetched, Jobs},
};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{Answer, Running, Tenant, World};

fn fetched() -> Event {
    Event::Fetched(Fetched {
        file_name: None,
        size_bytes: 700,
        media_type: "image/png".into(),
        encoding: "binary".into(),
        sha256: "aa".into(),
        md5: "bb".into(),
        crc32c: String::new(),
        mismatch: Default::default(),
    })
}

/// A job that was tried and given up.
async fn fail(world: &World, id: job::Id) {
    let worker = WorkerId::from_uuid(Uuid::new_v4());
    for event in [
        Event::Started { attempt: 1, worker },
        fetched(),
        Event::Wiped { bytes: 0 },
        Event::Failed { attempts: 1, code: FailureCode::Corrupt, capability: None, detail: None },
    ] {
        world.happen(id, event).await;
    }
}

async fn get(api: &Running, tenant: &Tenant, path: &str) -> Answer {
    api.get(path).by(tenant).send().await
}

async fn well(api: &Running, tenant: &Tenant, path: &str) -> Value {
    let answer = get(api, tenant, path).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
    answer.body
}

#[tokio::test]
async fn a_job_is_shown_as_it_stood_at_each_of_its_events() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    // So that sequences of others lie before, between and behind.
    let other = world.tenant().await;
    api.submit(&other).await;
    let id = tenant.id(&api.submit(&tenant).await);
    api.submit(&other).await;
    fail(&world, id).await;
    api.submit(&other).await;
    let path = format!("/v1/jobs/{}", id.job);
    let history = world.log.history::<Jobs>(&id).await.unwrap();
    let expected = ["queued", "running", "running", "running", "failed"];
    assert_eq!(history.len(), expected.len());
    for (place, recorded) in history.iter().enumerate() {
        let then = well(&api, &tenant, &format!("{path}?as_of={}", recorded.seq)).await;
        assert_eq!(then["status"], expected[place], "{then}");
        assert_eq!(then["seq"], recorded.seq);
        assert_eq!(then["updated_at"], json!(recorded.time));
        assert_eq!(then["source"].is_null(), place < 2);
        let at = well(&api, &tenant, &format!("{path}?as_of={}", recorded.time)).await;
        let last_of_then = history.iter().rev().find(|other| other.time <= recorded.time).unwrap();
        assert_eq!(at["seq"], last_of_then.seq);
    }
    // A sequence of somebody else's event is a moment like any other.
    let between = well(&api, &tenant, &format!("{path}?as_of={}", history[0].seq + 1)).await;
    assert_eq!(between["status"], "queued");
    let before = get(&api, &tenant, &format!("{path}?as_of={}", history[0].seq - 1)).await;
    assert_eq!(before.status, StatusCode::NOT_FOUND, "{}", before.body);
    let now = well(&api, &tenant, &path).await;
    let last = well(&api, &tenant, &format!("{path}?as_of={}", history[4].seq)).await;
    assert_eq!(now, last);
    let stranger = get(&api, &other, &format!("{path}?as_of={}", history[4].seq)).await;
    assert_eq!(stranger.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn lists_and_usage_are_those_of_then() {
    let world = World::memory().await;
    let (api, tenant, other) = (world.api("a").await, world.tenant().await, world.tenant().await);
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(tenant.id(&api.submit(&tenant).await));
        api.submit(&other).await;
    }
    let accepted = world.log.history::<Jobs>(&made[2]).await.unwrap()[0].seq;
    fail(&world, made[0]).await;
    let ids = |list: &Value| -> Vec<String> {
        let jobs = list["jobs"].as_array().unwrap().iter();
        jobs.map(|job| job["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = well(&api, &tenant, "/v1/jobs").await;
    let then = well(&api, &tenant, &format!("/v1/jobs?as_of={accepted}")).await;
    assert_eq!((ids(&then), ids(&then).len()), (ids(&all), 3));
    let list = format!("/v1/jobs?as_of={accepted}&status=queued&limit=2");
    let page = well(&api, &tenant, &list).await;
    let rest = format!("{list}&cursor={}", page["next"].as_str().unwrap());
    let rest = well(&api, &tenant, &rest).await;
    assert_eq!((ids(&page).len(), ids(&rest).len(), &rest["next"]), (2, 1, &Value::Null));
    let failed = well(&api, &tenant, "/v1/jobs?status=failed").await;
    assert_eq!(ids(&failed), [made[0].job.to_string()]);
    let first = world.log.history::<Jobs>(&made[0]).await.unwrap()[0].seq;
    let only = well(&api, &tenant, &format!("/v1/jobs?as_of={first}")).await;
    assert_eq!(ids(&only), [made[0].job.to_string()]);

    let usage = async |query: &str| well(&api, &tenant, &format!("/v1/usage{query}")).await;
    let now = usage("").await["total"].clone();
    assert_eq!((&now["jobs_accepted"], &now["jobs_failed"]), (&json!(3), &json!(1)));
    assert_eq!(now["source_bytes"], 700);
    let then = usage(&format!("?as_of={accepted}")).await["total"].clone();
    assert_eq!((&then["jobs_accepted"], &then["jobs_failed"]), (&json!(3), &json!(0)));
    let then = usage(&format!("?as_of={first}")).await["total"].clone();
    assert_eq!(then["jobs_accepted"], 1);
    let before = usage("?as_of=2020-01-01T00:00:00Z").await;
    assert_eq!(before["days"], json!([]));
}

#[tokio::test]
async fn an_account_is_shown_as_it_was() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let id = tenant.id(&api.submit(&tenant).await);
    let call = api.request(Method::PATCH, "/v1/account").by(&tenant);
    let changed = call.body(r#"{"label": "another", "keep_media": true}"#).send().await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.body);
    fail(&world, id).await;
    let now = well(&api, &tenant, "/v1/account").await;
    assert_eq!((&now["label"], &now["keeps_media"]), (&json!("another"), &json!(true)));
    assert_eq!(now["quotas"]["jobs_in_flight"]["used"], 0);
    // Opened, and given a key pair.
    let then = well(&api, &tenant, "/v1/account?as_of=2").await;
    assert_eq!((&then["label"], &then["keeps_media"]), (&json!("a tenant"), &json!(false)));
    assert_eq!(then["applications"], 1);
    let opened = well(&api, &tenant, "/v1/account?as_of=1").await;
    assert_eq!(opened["applications"], 0);
    let requested = world.log.history::<Jobs>(&id).await.unwrap()[0].time;
    let busy = well(&api, &tenant, &format!("/v1/account?as_of={requested}")).await;
    assert_eq!(busy["quotas"]["jobs_in_flight"]["used"], 1);
    let early = get(&api, &tenant, "/v1/account?as_of=2020-01-01T00:00:00Z").await;
    assert_eq!(early.status, StatusCode::BAD_REQUEST);
    assert!(early.body["detail"].as_str().unwrap().contains("use a later time"));
}

#[tokio::test]
async fn a_moment_that_is_none_is_answered_with_what_to_use() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let id = tenant.id(&api.submit(&tenant).await);
    for path in [
        format!("/v1/jobs/{}", id.job),
        "/v1/jobs".into(),
        "/v1/account".into(),
        "/v1/usage".into(),
    ] {
        for wrong in
            ["0", "-1", "yesterday", "", "2999-01-01T00:00:00Z", "999999", "1.5", "2026-11-22"]
        {
            let answer = get(&api, &tenant, &format!("{path}?as_of={wrong}")).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path} {wrong}: {}", answer.body);
            assert_eq!(answer.body["param"], "as_of", "{path} {wrong}");
            let detail = answer.body["detail"].as_str().unwrap();
            assert!(detail.contains("use "), "{detail}");
        }
    }
}
