//! API key pairs: made, changed, rotated and revoked over HTTP, on every replica at once.

use std::time::{Duration, Instant};

use domain::scope::Scope;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::stage::{Answer, PATIENCE, Running, Tenant, World, eventually, until_some};

/// How long a revoked key may go on opening anything anywhere.
const REVOKED_WITHIN: Duration = Duration::from_secs(1);

async fn ask(api: &Running, by: &Tenant, method: Method, path: &str, body: Value) -> Answer {
    api.request(method, path).by(by).body(body.to_string()).send().await
}

/// Makes a key pair and answers it as somebody who can ask.
async fn made(api: &Running, by: &Tenant, terms: Value) -> (Tenant, Value) {
    let answer = ask(api, by, Method::POST, "/v1/applications", terms).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    (holder(by, &answer.body), answer.body)
}

fn holder(by: &Tenant, body: &Value) -> Tenant {
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    Tenant {
        account: by.account,
        application: text("id").parse().unwrap(),
        key: text("key"),
        secret: text("secret"),
    }
}

fn path(tenant: &Tenant) -> String {
    format!("/v1/applications/{}", tenant.application)
}

#[tokio::test]
async fn a_key_pair_is_made_shown_without_its_secret_changed_and_revoked() {
    let world = World::memory().await;
    let (api, owner) = (world.api("a").await, world.tenant().await);
    let terms = json!({
        "label": "the shop",
        "scopes": ["jobs:read", "account:read"],
        "origins": ["https://shop.example"],
        "expires_at": "2999-01-01T00:00:00Z",
        "failure_word": "error",
        "mode": "live",
    });
    let (shop, body) = made(&api, &owner, terms).await;
    assert!(vault::secrets::is_token("dk_live_", &shop.key), "{}", shop.key);
    assert!(vault::secrets::is_token("ds_live_", &shop.secret));
    assert_eq!((&body["label"], &body["status"]), (&json!("the shop"), &json!("active")));
    assert_eq!(api.get("/v1/counts").by(&shop).send().await.status, StatusCode::OK);
    assert_eq!(api.post(&shop, "{}").send().await.status, StatusCode::FORBIDDEN);

    // It is seen by whoever may, and never with its secret.
    for seen in [
        api.get(&path(&shop)).by(&owner).send().await.body,
        api.get("/v1/applications").by(&shop).send().await.body["applications"][1].clone(),
    ] {
        assert_eq!(seen["key"], shop.key);
        assert_eq!(seen["scopes"], json!(["jobs:read", "account:read"]));
        assert!(seen.get("secret").is_none());
        assert!(!seen.to_string().contains(&shop.secret));
    }
    let change = json!({ "label": null, "scopes": ["jobs:read"], "origins": null });
    let changed = ask(&api, &owner, Method::PATCH, &path(&shop), change).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.body);
    assert_eq!(changed.body["expires_at"], "2999-01-01T00:00:00Z", "what is left out stays");
    assert_eq!((&changed.body["label"], &changed.body["origins"]), (&Value::Null, &json!([])));
    // The very next request knows.
    assert_eq!(api.get(&path(&shop)).by(&shop).send().await.status, StatusCode::FORBIDDEN);

    let gone = ask(&api, &owner, Method::DELETE, &path(&shop), Value::Null).await;
    assert_eq!((gone.status, &gone.body["status"]), (StatusCode::OK, &json!("revoked")));
    assert_eq!(api.get("/v1/counts").by(&shop).send().await.status, StatusCode::UNAUTHORIZED);
    let again = ask(&api, &owner, Method::DELETE, &path(&shop), Value::Null).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn nobody_hands_on_what_they_do_not_have_nor_takes_over_what_can_do_more() {
    let world = World::memory().await;
    let (api, owner) = (world.api("a").await, world.tenant().await);
    let narrow = json!({ "scopes": ["jobs:read", "account:read", "account:write"] });
    let (clerk, _) = made(&api, &owner, narrow).await;
    let wide =
        ask(&api, &clerk, Method::POST, "/v1/applications", json!({ "scopes": ["jobs:write"] }))
            .await;
    assert_eq!((wide.status, &wide.body["code"]), (StatusCode::FORBIDDEN, &json!("scope_missing")));
    let all = json!({ "scopes": null });
    let all = ask(&api, &clerk, Method::POST, "/v1/applications", all).await;
    assert_eq!(all.status, StatusCode::FORBIDDEN);
    // Unless told otherwise it makes its like.
    let (like, body) = made(&api, &clerk, json!({})).await;
    assert_eq!(body["scopes"], json!(["jobs:read", "account:read", "account:write"]));
    assert!(like.key.starts_with("dk_test_"), "as the key that asks is");

    // The owner's key can do more: no new secret for it, no page that may use it, no change at all.
    for (method, path, body) in [
        (Method::POST, format!("{}/rotate", path(&owner)), json!({})),
        (Method::PATCH, path(&owner), json!({ "origins": ["https://evil.example"] })),
        (Method::PATCH, path(&owner), json!({ "scopes": ["jobs:read"] })),
        (Method::PATCH, path(&clerk), json!({ "scopes": null })),
    ] {
        let answer = ask(&api, &clerk, method, &path, body).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {}", answer.body);
    }
    // A key that ends makes none that goes on, itself included.
    let brief = json!({ "expires_at": "2998-01-01T00:00:00Z" });
    let (guest, _) = made(&api, &owner, brief).await;
    for (method, path, body) in [
        (Method::POST, "/v1/applications".to_owned(), json!({ "expires_at": null })),
        (Method::PATCH, path(&guest), json!({ "expires_at": "2998-06-01T00:00:00Z" })),
        (Method::POST, format!("{}/rotate", path(&owner)), json!({})),
    ] {
        let answer = ask(&api, &guest, method, &path, body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path} {}", answer.body);
        assert_eq!(answer.body["param"], "expires_at");
    }
    let (_, child) = made(&api, &guest, json!({})).await;
    assert_eq!(child["expires_at"], "2998-01-01T00:00:00Z");
}

#[tokio::test]
async fn the_secret_before_goes_on_for_as_long_as_it_was_given() {
    let world = World::memory().await;
    let (api, owner) = (world.api("a").await, world.tenant().await);
    let rotate = format!("{}/rotate", path(&owner));
    let counts = |by: &Tenant| api.get("/v1/counts").by(by).send();
    let rotated = ask(&api, &owner, Method::POST, &rotate, json!({ "overlap_s": 3_600 })).await;
    assert_eq!(rotated.status, StatusCode::OK, "{}", rotated.body);
    let second = holder(&owner, &rotated.body);
    assert_eq!(second.key, owner.key);
    assert!(rotated.body["previous_secret_until"].is_string());
    for by in [&owner, &second, &owner] {
        assert_eq!(counts(by).await.status, StatusCode::OK);
    }
    // Rotated again, the one before that opens nothing; and with no overlap the last one neither.
    let rotated = ask(&api, &second, Method::POST, &rotate, json!({ "overlap_s": 1 })).await;
    let third = holder(&owner, &rotated.body);
    assert_eq!(counts(&owner).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(counts(&second).await.status, StatusCode::OK, "which is kept in mind now");
    eventually("the overlap ends", PATIENCE, || async {
        counts(&second).await.status == StatusCode::UNAUTHORIZED
    })
    .await;
    let rotated = ask(&api, &third, Method::POST, &rotate, json!({ "overlap_s": 0 })).await;
    assert_eq!(counts(&third).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(counts(&holder(&owner, &rotated.body)).await.status, StatusCode::OK);
    let odd = ask(&api, &owner, Method::POST, &rotate, json!({ "overlap_s": -1 })).await;
    assert_eq!(odd.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_revoked_key_opens_nothing_on_any_replica_within_a_second_and_its_streams_end() {
    let world = World::real().await;
    let owner = world.tenant().await;
    let first = world.api("a").await;
    let second = world.api_with(world.settings("b"), &world.connect("api").await).await;
    let (used, _) = made(&first, &owner, json!({})).await;
    let id = first.submit(&owner).await["id"].as_str().unwrap().to_owned();
    let job = format!("/v1/jobs/{id}");
    let mut streams = Vec::new();
    for api in [&first, &second] {
        // Both know it by heart.
        for _ in 0..2 {
            assert_eq!(api.get(&job).by(&used).send().await.status, StatusCode::OK);
        }
        let open =
            api.get(&format!("{job}/events")).by(&used).header("accept", "text/event-stream");
        let stream = open.open().await;
        assert_eq!(stream.status(), StatusCode::OK);
        streams.push(stream.into_body());
    }
    let loops = [&first, &second].map(|api| async {
        until_some("the key is refused", PATIENCE, || async {
            let asked_at = Instant::now();
            let status = api.get(&job).by(&used).send().await.status;
            (status == StatusCode::UNAUTHORIZED).then_some(asked_at)
        })
        .await
    });
    let revoke = async {
        let gone = ask(&first, &owner, Method::DELETE, &path(&used), Value::Null).await;
        assert_eq!(gone.status, StatusCode::OK);
        Instant::now()
    };
    let [in_first, in_second] = loops;
    let (revoked_at, first_refused, second_refused) = tokio::join!(revoke, in_first, in_second);
    for refused_at in [first_refused, second_refused] {
        let late = refused_at.saturating_duration_since(revoked_at);
        assert!(late < REVOKED_WITHIN, "{late:?}");
    }
    for api in [&first, &second] {
        assert_eq!(api.get(&job).by(&used).send().await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(api.get(&job).by(&owner).send().await.status, StatusCode::OK);
    }
    for mut stream in streams {
        let ended = async { while stream.frame().await.is_some() {} };
        let left = REVOKED_WITHIN.saturating_sub(revoked_at.elapsed()).max(REVOKED_WITHIN / 2);
        tokio::time::timeout(left, ended).await.expect("the stream ends");
    }
}

#[tokio::test]
async fn the_day_of_a_key_s_last_use_is_noted_once() {
    let world = World::memory().await;
    let (api, owner) = (world.api("a").await, world.tenant().await);
    let (used, body) = made(&api, &owner, json!({})).await;
    assert_eq!(body["last_used_on"], Value::Null);
    for _ in 0..5 {
        assert_eq!(api.get("/v1/counts").by(&used).send().await.status, StatusCode::OK);
    }
    let today = service::Clock::now(&service::SystemClock).to_string()[..10].to_owned();
    let seen = until_some("its use is noted", PATIENCE, || async {
        let seen = api.get(&path(&used)).by(&owner).send().await.body;
        seen["last_used_on"].as_str().map(ToOwned::to_owned)
    })
    .await;
    assert_eq!(seen, today);
    let history = world.log.history::<domain::account::Accounts>(&owner.account).await.unwrap();
    let uses = history.iter().filter(|one| match &one.event {
        domain::account::Event::ApplicationUsed { application, .. } => {
            *application == used.application
        }
        _ => false,
    });
    assert_eq!(uses.count(), 1);
}

#[tokio::test]
async fn an_account_is_shown_and_changed_and_its_webhook_secret_is_shown_once() {
    let world = World::memory().await;
    let (api, owner) = (world.api("a").await, world.tenant().await);
    let seen = api.get("/v1/account").by(&owner).send().await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
    assert_eq!(seen.body["id"], owner.account.to_string());
    assert_eq!(seen.body["label"], "a tenant");
    assert_eq!(seen.body["destination"]["stored_in"], "development");
    assert_eq!(
        seen.body["quotas"]["jobs_in_flight"],
        json!({ "value": 100_000, "own": false, "used": 0 })
    );
    assert_eq!(seen.body["limits"]["pages"], json!({ "value": 1_000, "own": false }));
    assert_eq!(seen.body["signs_webhooks"], false);

    let change =
        json!({ "label": "Ümlaut & Co", "keep_media": true, "rotate_webhook_secret": true });
    let changed = ask(&api, &owner, Method::PATCH, "/v1/account", change).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.body);
    assert_eq!(changed.body["label"], "Ümlaut & Co");
    assert_eq!(changed.body["keeps_media"], true);
    let secret = changed.body["webhook_secret"].as_str().unwrap();
    assert!(vault::secrets::webhook_key(secret).is_some());
    let seen = api.get("/v1/account").by(&owner).send().await.body;
    assert_eq!((&seen["label"], &seen["signs_webhooks"]), (&json!("Ümlaut & Co"), &json!(true)));
    assert!(!seen.to_string().contains("whsec_"));
    let history = world.log.messages::<domain::account::Accounts>(&owner.account).await.unwrap();
    for raw in history {
        let body = String::from_utf8(raw.body.to_vec()).unwrap();
        assert!(!body.contains("mlaut") && !body.contains(secret), "{body}");
    }
    let odd = ask(&api, &owner, Method::PATCH, "/v1/account", json!({ "label": 7 })).await;
    assert_eq!((odd.status, &odd.body["param"]), (StatusCode::BAD_REQUEST, &json!("label")));
}

#[tokio::test]
async fn a_caller_of_whom_only_the_account_is_hidden_sees_jobs_and_no_keys() {
    let world = World::memory().await;
    let api = world.api("a").await;
    let blind = world
        .tenant_with(|application| application.terms.scopes = Some([Scope::JobsRead].into()))
        .await;
    assert_eq!(api.get("/v1/jobs").by(&blind).send().await.status, StatusCode::OK);
    for path in ["/v1/account", "/v1/applications", "/v1/usage"] {
        let refused = api.get(path).by(&blind).send().await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert!(refused.body["detail"].as_str().unwrap().contains("account:read"));
    }
}
