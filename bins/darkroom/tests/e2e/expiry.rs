//! Development storage: results go after their time, and everybody is told when.

use std::{fs, path::Path, time::Duration};

use domain::Timestamp;
use serde_json::Value;
use storage::{Expiry, Network, Platform};
use testkit::{Caller, Moto, Source, SourceServer, Stack, eventually, pictures};

use crate::jobs;

/// Seconds that results stay in these tests.
const EXPIRES: &str = "8";
const PATIENCE: Duration = Duration::from_secs(60);
/// Under which a request is made twice.
const KEY: &str = "the-same-again";

/// Files below a folder.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found
}

/// Files of a job in the platform bucket.
pub(crate) fn objects(stack: &Stack, job: &str) -> Vec<String> {
    let mut all = files(stack.s3.data());
    all.retain(|path| path.contains(&format!("/results/{}/", stack.account)));
    all.retain(|path| path.contains(&format!("/{job}/")));
    all
}

async fn job(caller: &Caller, id: &str) -> Value {
    let answer = caller.get(&format!("/v1/jobs/{id}")).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn results_in_development_storage_go_after_their_time_and_say_so_before() {
    let sources = SourceServer::start().await;
    let settings = [("DARKROOM__STORAGE__EXPIRES_SECONDS", EXPIRES)];
    let stack = Stack::start(1, &[sources.port()], &settings).await;
    let caller = stack.caller(0);
    let source = sources.put("/a.jpg", Source::bytes(pictures::PHOTOGRAPH));
    let wish = serde_json::json!({"url": source, "sizes": ["40x40"]});
    let made =
        caller.ask("POST", "/v2/previews/", &[("idempotency-key", KEY)], wish.to_string()).await;
    let id = jobs::id(&made.json());
    assert_eq!(made.headers["darkroom-storage"], "development", "before there is anything");
    let path = format!("/v2/previews/{id}");
    let (mut answer, mut body) = (caller.get(&path).await, Value::Null);
    eventually("the job ends", jobs::PATIENCE, || async {
        caller.get(&path).await.json()["status"] == "success"
    })
    .await;
    // Twice: what was answered before is answered again with the same headers.
    for _ in 0..2 {
        answer = caller.get(&path).await;
        body = answer.json();
    }
    let said: Timestamp = answer.headers["darkroom-expires-at"].to_str().unwrap().parse().unwrap();
    let shown = job(&caller, &id).await;
    assert_eq!(shown["expires_at"], said.to_string());
    assert_eq!(shown["storage"], "development");
    let name = body["preview"]["url"].as_str().unwrap().split('?').next().unwrap();
    let name = name.rsplit('/').next().unwrap();
    let again = caller.ask("POST", "/v2/previews/", &[("idempotency-key", KEY)], wish.to_string());
    let redirect = caller.get(&format!("/v1/artifacts/{id}/{name}")).await;
    // Whoever is led to results is told where they lie, and until when.
    for (answer, status) in [(&answer, 200), (&again.await, 201), (&redirect, 302)] {
        assert_eq!(answer.status, status, "{}", answer.json());
        assert_eq!(answer.headers["darkroom-storage"], "development");
        assert_eq!(answer.headers["darkroom-expires-at"], said.to_string());
    }
    let listed = caller.get("/v1/jobs").await.json();
    assert_eq!(listed["jobs"][0]["expires_at"], said.to_string());
    assert_eq!(listed["jobs"][0]["storage"], "development");
    assert!(shown["expired_at"].is_null());
    let requested: Timestamp = shown["requested_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(said.duration_since(requested).as_secs(), 8);
    assert_eq!(objects(&stack, &id).len(), 3, "a rendition, its receipt and metadata.json");
    let link = body["preview"]["url"].as_str().unwrap().to_owned();

    eventually("its results are removed", PATIENCE, || async {
        !job(&caller, &id).await["expired_at"].is_null()
    })
    .await;
    assert_eq!(objects(&stack, &id), Vec::<String>::new());
    assert_eq!(jobs::history(&caller, &id).await.last().unwrap(), "expired");
    let after = caller.get(&path).await;
    assert!(!after.headers.contains_key("darkroom-expires-at"));
    assert!(!after.headers.contains_key("darkroom-storage"));
    let after = after.json();
    assert_eq!(after["status"], "success");
    assert_eq!(after["preview"]["url"], "", "no link is handed out: {after}");
    let shown = job(&caller, &id).await;
    assert!(shown["expires_at"].is_null() && shown["artifacts"][0].get("url").is_none(), "{shown}");
    assert!(caller.get(&link).await.status >= 400, "the old link works no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_failed_job_left_goes_too_and_nothing_is_said_where_nothing_was() {
    let sources = SourceServer::start().await;
    let settings = [("DARKROOM__STORAGE__EXPIRES_SECONDS", "1")];
    let stack = Stack::start(1, &[sources.port()], &settings).await;
    let caller = stack.caller(0);
    let gone = sources.url("/gone.jpg");
    let wish = |url: &str| serde_json::json!({"url": url, "sizes": ["40x40"]});
    let failed = jobs::wish(&caller, &wish(&gone)).await;
    assert_eq!(jobs::ended(&caller, &failed).await["status"], "failure");
    // As a worker leaves it that was killed between storing and saying so.
    let folder = stack.s3.data().join("darkroom/results").join(stack.account.to_string());
    let orphan = folder.join(&failed).join("page-1_40x40.jpg");
    fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    fs::write(&orphan, b"left").unwrap();
    eventually("the orphan goes", PATIENCE, || async { !orphan.exists() }).await;
    eventually("that is recorded", PATIENCE, || async {
        jobs::history(&caller, &failed).await.last().unwrap() == "expired"
    })
    .await;
    let other = jobs::wish(&caller, &wish(&gone)).await;
    jobs::ended(&caller, &other).await;
    let source = sources.put("/a.jpg", Source::bytes(pictures::PHOTOGRAPH));
    let last = jobs::wish(&caller, &wish(&source)).await;
    eventually("a later job has expired", PATIENCE, || async {
        jobs::history(&caller, &last).await.last().unwrap() == "expired"
    })
    .await;
    assert_eq!(jobs::history(&caller, &other).await.last().unwrap(), "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_knows_rules_is_given_one_and_can_be_cleared() {
    let moto = Moto::start().await;
    let everything = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
    });
    let credentials = moto.user("platform", Some(&everything)).await;
    let settings = storage::Settings {
        endpoint: Some(moto.endpoint()),
        bucket: Moto::BUCKET.to_owned(),
        access_key: credentials.access_key,
        secret_key: credentials.secret_key,
        ..storage::Settings::default()
    };
    let network = Network::direct(storage::Patience::default());
    let platform = Platform::open(settings.destination().unwrap(), &network).await.unwrap();
    assert_eq!(platform.expiry().await, Expiry::Never);
    for hours in [24, 24, 48] {
        let expires = Duration::from_secs(hours * 3_600);
        let days = u32::try_from(hours / 24 + 1).unwrap();
        assert_eq!(platform.expire(expires).await.unwrap(), Expiry::AfterDays(days));
        assert_eq!(platform.expiry().await, Expiry::AfterDays(days));
    }
    assert!(!platform.keeps_versions().await);
    for number in 0..30 {
        let folder = if number % 3 == 0 { "kept" } else { "gone" };
        platform.note(&format!("{folder}/{number}"), "{}".into()).await.unwrap();
    }
    assert_eq!(platform.clear("gone/").await.unwrap(), 20);
    assert_eq!(platform.clear("gone/").await.unwrap(), 0);
    assert_eq!(platform.keys("kept/").await.unwrap().len(), 10);
    assert_eq!(platform.clear_where("kept/", |key| key.ends_with("/3")).await.unwrap(), 1);
    assert_eq!(platform.keys("").await.unwrap().len(), 9);
}
