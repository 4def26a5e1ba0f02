//! Requests that make no sense: each gets a clear answer, and the next one is served.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::shapes;
use crate::stage::{PATIENCE, World};

#[tokio::test]
async fn each_malformed_request_gets_a_clear_error_and_harms_nobody() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let with = |field: &str, value: Value| {
        let mut body = json!({ "url": "https://example.com/a.jpg" });
        body[field] = value;
        body.to_string()
    };
    let deep = format!("{{\"url\": {}1{}}}", "[".repeat(500), "]".repeat(500));
    let bodies: Vec<(String, Option<&str>)> = vec![
        ("{".into(), None),
        ("}".into(), None),
        ("url=https://example.com/a.jpg".into(), None),
        ("<xml/>".into(), None),
        ("[]".into(), None),
        ("\"text\"".into(), None),
        ("null".into(), None),
        ("{\"url\": \"\\ud800\"}".into(), None),
        ("{\"url\": \"http://h/\",}".into(), None),
        ("{\"url\": \"http://h/\"} x".into(), None),
        (deep, None),
        ("{\"url\": 1e999}".into(), None),
        (with("url", json!(["http://h/"])), Some("url")),
        (with("url", json!("example.com/a.jpg")), Some("url")),
        (with("url", json!("javascript:alert(1)")), Some("url")),
        (with("url", json!("file:///etc/passwd")), Some("url")),
        (with("url", json!("http://[::1")), Some("url")),
        (with("url", json!("http://h:99999/")), Some("url")),
        (with("url", json!("   ")), Some("url")),
        (with("url", json!(format!("http://h/{}", "a".repeat(9_000)))), Some("url")),
        (with("sizes", json!("300")), Some("sizes")),
        (with("sizes", json!(300)), Some("sizes")),
        (with("sizes", json!(["300x400<"])), Some("sizes")),
        (with("sizes", json!([-1])), Some("sizes")),
        (with("sizes", json!([{}])), Some("sizes")),
        (with("sizes", json!(vec![1; 1_000])), Some("sizes")),
        (with("format", json!("exe")), Some("format")),
        (with("format", json!(1)), Some("format")),
        (with("metadata", json!(["all", "everything"])), Some("metadata")),
        (with("metadata", json!({})), Some("metadata")),
        (with("pages", json!("1-99999")), Some("pages")),
        (with("pages", json!({})), Some("pages")),
        (with("data", json!([])), Some("data")),
        (with("data", json!("text")), Some("data")),
        (with("uploader", json!([])), Some("uploader")),
        (with("uploader", json!({"destination": "a/../../b"})), Some("uploader.destination")),
        (with("uploader", json!({"headers": {"Authorization": "x"}})), Some("uploader.headers")),
        (
            with("uploader", json!({"headers": {"Cache-Control": "a\r\nb: c"}})),
            Some("uploader.headers"),
        ),
        (with("callback_url", json!("ws://h/")), Some("callback_url")),
    ];
    assert!(bodies.len() >= 30);
    for (body, param) in bodies {
        let shown: String = body.chars().take(80).collect();
        let answer = api.post(&tenant, body).send().await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{shown}");
        let error = &answer.body["error"];
        assert_eq!(error["type"], "invalid_request_error", "{shown}");
        assert_eq!(error.get("param").and_then(Value::as_str), param, "{shown}");
        assert!(error["message"].as_str().unwrap().len() > 10, "{shown}");
    }
    assert_eq!(api.get("/v1/jobs").by(&tenant).send().await.body["jobs"], json!([]));
    api.submit(&tenant).await;
}

#[tokio::test]
async fn wrong_paths_and_methods_are_answered_in_json() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    for (method, path, status, allow) in [
        (Method::GET, "/v2/previews", StatusCode::METHOD_NOT_ALLOWED, Some("POST, OPTIONS")),
        (Method::PUT, "/v2/previews/", StatusCode::METHOD_NOT_ALLOWED, Some("POST, OPTIONS")),
        (Method::DELETE, "/v2/previews/7", StatusCode::METHOD_NOT_ALLOWED, Some("GET, OPTIONS")),
        (Method::PATCH, "/v1/jobs/7", StatusCode::METHOD_NOT_ALLOWED, Some("GET, DELETE, OPTIONS")),
        (Method::POST, "/healthz", StatusCode::METHOD_NOT_ALLOWED, Some("GET, OPTIONS")),
        (Method::GET, "/v2/", StatusCode::NOT_FOUND, None),
        (Method::GET, "/v2/previews/7/8", StatusCode::NOT_FOUND, None),
        (Method::GET, "/v3/previews", StatusCode::NOT_FOUND, None),
        (Method::GET, "/v1/jobs/../../etc/passwd", StatusCode::NOT_FOUND, None),
        (Method::GET, "//", StatusCode::NOT_FOUND, None),
    ] {
        let answer = api.request(method.clone(), path).by(&tenant).send().await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.headers.get("allow").map(|v| v.to_str().unwrap()), allow);
        let v2 = path.starts_with("/v2/");
        assert_eq!(answer.body.get("error").is_some(), v2, "{path}");
        let media_type = if v2 { "application/json" } else { "application/problem+json" };
        assert_eq!(answer.headers["content-type"], media_type);
    }
}

#[tokio::test]
async fn the_open_paths_answer_anybody() {
    let world = World::memory().await;
    let api = world.api("a").await;
    let landing = api.get("/").send().await;
    assert_eq!((landing.status, &landing.body["name"]), (StatusCode::OK, &json!("Darkroom")));
    assert_eq!(api.get("/healthz").send().await.body, json!({ "status": "alive" }));
    assert_eq!(api.get("/readyz/").send().await.body["status"], "ready");
    let document = api.get("/openapi.json").send().await.body;
    assert_eq!(document["servers"][0]["url"], format!("http://{}", api.address));
}

#[tokio::test]
async fn answers_about_jobs_have_the_shape_that_the_document_promises() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let document = api.get("/openapi.json").send().await.body;
    let preview = api.submit(&tenant).await;
    let id = preview["id"].as_str().unwrap();
    let mut checked = vec![("/v2/previews".to_owned(), "post", preview.clone())];
    for path in [
        "/",
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/v1/jobs",
        "/v1/counts",
        "/v1/jobs/{id}",
        "/v1/jobs/{id}/events",
        "/v2/previews/{id}",
    ] {
        let body = api.get(&path.replace("{id}", id)).by(&tenant).send().await.body;
        checked.push((path.to_owned(), "get", body));
    }
    let cancelled = api.request(Method::DELETE, &format!("/v1/jobs/{id}")).by(&tenant).send().await;
    assert_eq!(cancelled.status, StatusCode::ACCEPTED);
    checked.push(("/v1/jobs/{id}".to_owned(), "delete", cancelled.body));
    for (path, verb, body) in checked {
        let departures = shapes::departures(&document, &path, verb, &body);
        assert!(departures.is_empty(), "{departures:#?}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_http_end_their_connection_and_no_other() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        b"POST /v2/previews HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
        b"GET / HTTP/9.9\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(api.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // The peer may hang up before everything is read.
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "{}", bytes.escape_ascii());
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", answer.escape_ascii());
    }
    api.submit(&tenant).await;
}
