//! Who may ask for what.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::stage::{Tenant, World};

const ORIGIN: &str = "https://app.example";

fn message(body: &Value) -> &str {
    let text = body["error"]["message"].as_str().or_else(|| body["detail"].as_str());
    text.unwrap_or_else(|| panic!("{body}"))
}

#[tokio::test]
async fn who_asks_in_vain_is_told_so_in_the_contracts_words() {
    let world = World::memory().await;
    let api = world.api("a").await;
    let nobody = api.get("/v2/previews/7").send().await;
    assert_eq!(message(&nobody.body), "Authentication credentials were not provided.");
    assert!(nobody.body["error"].get("param").is_none());
    let unknown = Tenant { key: "dk_unknown".into(), ..world.tenant().await };
    let refused = api.get("/v2/previews/7").by(&unknown).send().await;
    assert_eq!(message(&refused.body), "Invalid API Key provided.");
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
        key: vault::secrets::token("dk_test_").expose().to_owned(),
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
