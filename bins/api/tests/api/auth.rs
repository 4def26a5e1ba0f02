//! Who may ask for what.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::stage::{Running, Tenant, World};

const ORIGIN: &str = "https://app.example";

/// Every endpoint that wants to know who asks, from the document, with `id` in its place.
async fn guarded(api: &Running, id: &str) -> Vec<(Method, String)> {
    let document = api.get("/openapi.json").send().await.body;
    let mut guarded = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (verb, operation) in item.as_object().unwrap() {
            if operation.get("security").is_some() {
                let method = verb.to_uppercase().parse().unwrap();
                guarded.push((method, path.replace("{id}", id)));
            }
        }
    }
    assert!(guarded.len() >= 7, "{guarded:?}");
    guarded
}

fn message(body: &Value) -> &str {
    let text = body["error"]["message"].as_str().or_else(|| body["detail"].as_str());
    text.unwrap_or_else(|| panic!("{body}"))
}

#[tokio::test]
async fn every_endpoint_tells_owners_strangers_and_nobody_apart() {
    let world = World::memory().await;
    let api = world.api("a").await;
    let (owner, stranger, revoked) =
        (world.tenant().await, world.tenant().await, world.tenant().await);
    let id = api.submit(&owner).await["id"].as_str().unwrap().to_owned();
    api.submit(&revoked).await;
    world.revoke(&revoked).await;
    crate::stage::eventually("the key is revoked", crate::stage::PATIENCE, || async {
        api.get("/v1/counts").by(&revoked).send().await.status == StatusCode::UNAUTHORIZED
    })
    .await;

    for (method, path) in guarded(&api, &id).await {
        let ask = || api.request(method.clone(), &path);
        let nobody = ask().send().await;
        assert_eq!(nobody.status, StatusCode::UNAUTHORIZED, "{method} {path}");
        assert_eq!(message(&nobody.body), "Authentication credentials were not provided.");
        assert!(nobody.body["error"].get("param").is_none());
        let wrong_secret = Tenant { secret: stranger.secret.clone(), ..owner.clone() };
        let unknown = Tenant { key: "dk_unknown".into(), ..owner.clone() };
        for tenant in [&wrong_secret, &unknown, &revoked] {
            let answer = ask().by(tenant).send().await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
            assert_eq!(message(&answer.body), "Invalid API Key provided.");
        }
        if path.contains(&id) {
            // Another's id and one that never was read the same.
            let theirs = ask().by(&stranger).send().await;
            assert_eq!(theirs.status, StatusCode::NOT_FOUND, "{method} {path}");
            let never = path.replace(&id, "0190a5c4-9d2e-7c3b-8f1a-2b6d5e4f3a21");
            let never = api.request(method.clone(), &never).by(&stranger).send().await;
            assert_eq!(never.status, StatusCode::NOT_FOUND);
            let text = message(&theirs.body).replace(&id, "0190a5c4-9d2e-7c3b-8f1a-2b6d5e4f3a21");
            assert_eq!(message(&never.body), text);
        }
    }
    // None of it did anything.
    let job = api.get(&format!("/v1/jobs/{id}")).by(&owner).send().await;
    assert_eq!(job.body["status"], "queued");
    let list = api.get("/v1/jobs").by(&stranger).send().await;
    assert_eq!(list.body, json!({ "jobs": [], "next": null }));
}

#[tokio::test]
async fn an_unknown_preview_is_named_in_the_contracts_words() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    for id in ["7", "nothing", "0190a5c4-9d2e-7c3b-8f1a-2b6d5e4f3a21"] {
        let answer = api.get(&format!("/v2/previews/{id}/")).by(&tenant).send().await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        let expected = json!({"error": {"type": "invalid_request_error", "param": "task_id", "message": format!("There is no preview with ID {id}.")}});
        assert_eq!(answer.body, expected);
    }
}

#[tokio::test]
async fn a_page_uses_a_key_without_its_secret_from_its_own_origin_alone() {
    let world = World::memory().await;
    let api = world.api("a").await;
    let tenant =
        world.tenant_with(|application| application.terms.origins = vec![ORIGIN.into()]).await;
    let body = r#"{"url": "https://example.com/a.jpg"}"#;
    let post = |origin: Option<&str>| {
        let ask =
            api.request(Method::POST, "/v2/previews/").header("authorization", &tenant.bare());
        let ask = match origin {
            Some(origin) => ask.header("origin", origin),
            None => ask,
        };
        ask.body(body)
    };
    let made = post(Some(ORIGIN)).send().await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_eq!(made.headers["access-control-allow-origin"], ORIGIN);
    assert_eq!(made.headers["vary"], "origin");
    for (origin, expected) in [
        (None, StatusCode::UNAUTHORIZED),
        (Some("https://evil.example"), StatusCode::FORBIDDEN),
        (Some("null"), StatusCode::FORBIDDEN),
        (Some("https://app.example.evil.example"), StatusCode::FORBIDDEN),
    ] {
        let answer = post(origin).send().await;
        assert_eq!(answer.status, expected, "{origin:?}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }

    // It reads what was asked for with this key, and nothing else.
    let own = format!("/v2/previews/{}", made.body["id"].as_str().unwrap());
    let by_page =
        |path: &str| api.get(path).header("authorization", &tenant.bare()).header("origin", ORIGIN);
    assert_eq!(by_page(&own).send().await.status, StatusCode::OK);
    let mut second = world.tenant().await;
    let other_key = domain::account::Application {
        application: second.application,
        key: format!("{}-2", second.key),
        secret_digest: world.custody.secret_digest(&second.secret),
        terms: domain::account::Terms::default(),
    };
    second.key.clone_from(&other_key.key);
    world.add(tenant.account, other_key).await;
    second.account = tenant.account;
    let other = api.submit(&second).await;
    let other = format!("/v2/previews/{}", other["id"].as_str().unwrap());
    assert_eq!(api.get(&other).by(&tenant).send().await.status, StatusCode::OK);
    assert_eq!(by_page(&other).send().await.status, StatusCode::NOT_FOUND);
    // And never the account's own API.
    assert_eq!(by_page("/v1/jobs").send().await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_preflight_is_answered_without_a_key() {
    let world = World::memory().await;
    let api = world.api("a").await;
    let answer = api
        .request(Method::OPTIONS, "/v2/previews/")
        .header("origin", ORIGIN)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization, content-type, accept")
        .send()
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["access-control-allow-origin"], ORIGIN);
    assert!(answer.headers["access-control-allow-methods"].to_str().unwrap().contains("POST"));
    let allowed = answer.headers["access-control-allow-headers"].to_str().unwrap().to_lowercase();
    for header in ["authorization", "content-type", "accept"] {
        assert!(allowed.contains(header), "{header}");
    }
}

#[tokio::test]
async fn a_key_opens_the_moment_it_is_made() {
    let world = World::memory().await;
    let api = world.api("a").await;
    for _ in 0..20 {
        let tenant = world.tenant().await;
        assert_eq!(api.get("/v1/jobs").by(&tenant).send().await.status, StatusCode::OK);
    }
}
