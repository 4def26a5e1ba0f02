//! Everything held about an account, and the keys of receipts.

use domain::{job, scope::Scope};
use evidence::receipt_key::SecretKey;
use http::StatusCode;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::{
    shapes,
    stage::{Ask, PATIENCE, Running, World},
};

async fn lines(ask: Ask) -> Vec<Value> {
    let response = ask.open().await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let body = tokio::time::timeout(PATIENCE, response.into_body().collect());
    let body = body.await.unwrap().unwrap().to_bytes();
    std::str::from_utf8(&body)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn document(api: &Running) -> Value {
    api.get("/openapi.json").send().await.body
}

#[tokio::test]
async fn an_export_holds_all_of_one_account_opened_and_nothing_that_opens_anything() {
    let world = World::memory().await;
    let api = world.api("a").await;
    let (tenant, other) = (world.tenant().await, world.tenant().await);
    let wish = json!({
        "url": "https://example.com/secret-name.jpg", "data": {"note": "a-personal-note"},
        "callback_url": "https://example.com/hook",
    });
    let made = api.post(&tenant, wish.to_string()).send().await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let theirs = api.submit(&other).await;

    let lines = lines(api.get("/v1/export").by(&tenant)).await;
    let first = lines.first().unwrap();
    assert_eq!(*first, json!({"export": 1, "account": tenant.account}));
    assert_eq!(*lines.last().unwrap(), json!({"end": true}));
    let event = |name: &str| {
        let found = lines.iter().find(|line| line["event"] == name);
        found.unwrap_or_else(|| panic!("{name} in {lines:?}"))
    };
    let requested = event("job.requested");
    assert_eq!(requested["id"], made.body["id"]);
    assert_eq!(requested["data"]["source_url"], wish["url"]);
    assert_eq!(requested["data"]["callback_url"], wish["callback_url"]);
    assert_eq!(requested["data"]["user_data"], wish["data"]);
    assert_eq!(event("account.opened")["data"]["label"], "a tenant");
    let days: Vec<&Value> = lines.iter().filter(|line| line.get("day").is_some()).collect();
    assert_eq!(days.len(), 1, "what was used, by day");
    assert_eq!(days[0]["used"]["jobs_accepted"], 1);

    let text = serde_json::to_string(&lines).unwrap();
    let digest = world.custody.secret_digest(&tenant.secret);
    for never in [&tenant.secret, &digest, &other.account.to_string(), &theirs["id"].to_string()] {
        assert!(!text.contains(never.as_str()), "{never}");
    }
    let document = document(&api).await;
    for line in &lines {
        assert_eq!(shapes::departures(&document, "/v1/export", "get", line), [""; 0]);
    }
}

#[tokio::test]
async fn what_was_shredded_is_null_and_who_may_not_audit_gets_no_export() {
    let world = World::memory().await;
    let api = world.api("a").await;
    let tenant = world.tenant().await;
    let made = api.post(&tenant, r#"{"url": "https://example.com/a.jpg", "data": {"a": 1}}"#);
    let id: job::Id = tenant.id(&made.send().await.body);
    world.custody.shred_job(&id).await.unwrap();
    let lines = lines(api.get("/v1/export").by(&tenant)).await;
    let requested = lines.iter().find(|line| line["event"] == "job.requested").unwrap();
    assert_eq!(requested["data"]["source_url"], Value::Null);
    assert_eq!(requested["data"]["user_data"], Value::Null);
    assert_eq!(*lines.last().unwrap(), json!({"end": true}), "all the same, it is whole");

    let clerk = world.tenant_with(|of| of.terms.scopes = Some([Scope::JobsRead].into())).await;
    let refused = api.get("/v1/export").by(&clerk).send().await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.body);
    assert_eq!(api.get("/v1/export").send().await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn anybody_is_told_the_keys_of_receipts_and_nobody_a_broken_list() {
    let world = World::memory().await;
    let file = world.folder.path().join("receipts.pub");
    let mut settings = world.settings("a");
    settings.receipt_keys_file.clone_from(&file);
    let api = world.api_with(settings, &world.log).await;
    let listed = || async { api.get("/v1/receipt-keys").send().await };
    assert_eq!(listed().await.body, json!({"keys": []}), "no worker has begun yet");

    let key = SecretKey::keep(&world.folder.path().join("receipts.key"), &file).unwrap();
    let told = listed().await;
    let expected = json!([{
        "id": key.public().id(), "algorithm": "ed25519", "pem": key.public().to_pem(),
    }]);
    assert_eq!((told.status, &told.body["keys"]), (StatusCode::OK, &expected));
    let document = document(&api).await;
    assert_eq!(shapes::departures(&document, "/v1/receipt-keys", "get", &told.body), [""; 0]);

    std::fs::write(&file, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n").unwrap();
    let broken = listed().await;
    assert_eq!(broken.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!broken.body.to_string().contains("receipts.pub"), "{}", broken.body);
}
