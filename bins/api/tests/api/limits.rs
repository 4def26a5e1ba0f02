//! Clients that are slow, large or many, and a listener that is encrypted.

use std::{sync::Arc, time::Duration};

use api::Api;
use bytes::Bytes;
use http::{Method, StatusCode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, pki_types::ServerName},
};

use crate::stage::{PATIENCE, Running, World};

/// What comes back until the peer hangs up.
async fn read_all(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    // A reset is an end as well.
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    assert!(read.is_ok(), "the connection stays open");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_slow_client_is_timed_out() {
    let world = World::memory().await;
    let tenant = world.tenant().await;
    let settings = Api { header_read_ms: 300, body_read_ms: 300, ..world.settings("a") };
    let api = world.api_with(settings, &world.log).await;

    // Nothing at all, and a head that never ends.
    for head in ["", "GET /healthz HTTP/1.1\r\nHost: h\r\n"] {
        let began = Instant::now();
        let mut stream = TcpStream::connect(api.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        read_all(&mut stream).await;
        assert!(began.elapsed() < PATIENCE);
    }
    // A body that never comes.
    let mut stream = TcpStream::connect(api.address).await.unwrap();
    let head = format!(
        "POST /v2/previews HTTP/1.1\r\nHost: h\r\nAuthorization: {}\r\nContent-Length: 50\r\n\r\n{{",
        tenant.basic()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"error\":{"), "{answer}");
    api.submit(&tenant).await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_in_words() {
    let world = World::memory().await;
    let tenant = world.tenant().await;
    let settings = Api { body_bytes: 1_000, ..world.settings("a") };
    let api = world.api_with(settings, &world.log).await;
    let large = api.post(&tenant, Bytes::from(vec![b' '; 1_001])).send().await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(large.headers["connection"], "close");
    assert!(large.body["error"]["message"].as_str().unwrap().contains("1000"));

    let long = "x".repeat(20_000);
    let head = api.get("/healthz").header("x-long", &long).send().await;
    assert_eq!(head.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    let path = api.get(&format!("/v2/{long}")).send().await;
    assert_eq!(path.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert!(path.body["error"].is_object());
    api.submit(&tenant).await;
}

#[tokio::test]
async fn too_many_requests_at_once_are_told_to_come_back() {
    let world = World::memory().await;
    let tenant = world.tenant().await;
    let settings = Api { max_in_flight: 1, ..world.settings("a") };
    let api = world.api_with(settings, &world.log).await;
    // One request that holds the only place while its body is on its way.
    let mut holder = TcpStream::connect(api.address).await.unwrap();
    let body = r#"{"url": "https://example.com/a.jpg"}"#;
    let head = format!(
        "POST /v2/previews HTTP/1.1\r\nHost: h\r\nAuthorization: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        tenant.basic(),
        body.len()
    );
    holder.write_all(head.as_bytes()).await.unwrap();
    for (path, v2) in [("/v2/previews/7", true), ("/v1/jobs", false)] {
        let turned = crate::stage::until_some("the place is taken", PATIENCE, || async {
            let answer = api.get(path).by(&tenant).send().await;
            (answer.status == StatusCode::SERVICE_UNAVAILABLE).then_some(answer)
        })
        .await;
        assert_eq!(turned.headers["retry-after"], "1");
        assert_eq!(turned.body.get("error").is_some(), v2);
    }
    holder.write_all(body.as_bytes()).await.unwrap();
    assert!(read_all(&mut holder).await.starts_with("HTTP/1.1 201 "));
    api.submit(&tenant).await;
}

/// A connection that has been served and stays open.
async fn hold(api: &Running) -> TcpStream {
    crate::stage::until_some("a place", PATIENCE, || async {
        let mut stream = TcpStream::connect(api.address).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        let mut status = [0; 13];
        stream.read_exact(&mut status).await.unwrap();
        (&status == b"HTTP/1.1 200 ").then_some(stream)
    })
    .await
}

#[tokio::test]
async fn too_many_connections_are_answered_and_never_dropped() {
    let world = World::memory().await;
    let tenant = world.tenant().await;
    let settings = Api { max_connections: 2, ..world.settings("a") };
    let api = world.api_with(settings, &world.log).await;
    let held = [hold(&api).await, hold(&api).await];
    let turned = crate::stage::until_some("the places are taken", PATIENCE, || async {
        let answer = api.get("/v2/previews/7").by(&tenant).send().await;
        (answer.status == StatusCode::SERVICE_UNAVAILABLE).then_some(answer)
    })
    .await;
    assert_eq!(turned.headers["retry-after"], "1");
    assert_eq!(turned.headers["connection"], "close");
    assert!(turned.body["error"]["message"].is_string());
    drop(held);
    crate::stage::eventually("places are free again", PATIENCE, || async {
        api.get("/v1/jobs").by(&tenant).send().await.status == StatusCode::OK
    })
    .await;
}

#[tokio::test]
async fn a_stop_lets_a_request_finish_that_is_under_way() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let body = r#"{"url": "https://example.com/a.jpg"}"#;
    let mut stream = TcpStream::connect(api.address).await.unwrap();
    let head = format!(
        "POST /v2/previews HTTP/1.1\r\nHost: h\r\nAuthorization: {}\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        tenant.basic(),
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // Being asked for the body says that the request is at work.
    let mut asked = [0; 25];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut asked)).await.unwrap().unwrap();
    assert!(asked.starts_with(b"HTTP/1.1 100 "));
    api.shutdown.cancel();
    stream.write_all(body.as_bytes()).await.unwrap();
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    tokio::time::timeout(PATIENCE, api.task).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_certificate_is_served_over_tls_alone() {
    let world = World::memory().await;
    let issued = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) =
        (world.folder.path().join("tls.crt"), world.folder.path().join("tls.key"));
    std::fs::write(&certificate, issued.cert.pem()).unwrap();
    std::fs::write(&key, issued.signing_key.serialize_pem()).unwrap();
    let settings = Api {
        tls_certificate: Some(certificate.clone()),
        tls_key: Some(key),
        header_read_ms: 500,
        ..world.settings("a")
    };
    let shutdown = tokio_util::sync::CancellationToken::new();
    let server = api::Server::assemble(
        settings.clone(),
        world.log.clone(),
        world.custody.clone(),
        Arc::new(service::SystemClock),
        shutdown.clone(),
    )
    .await
    .unwrap();
    let address = server.address();
    assert!(server.public_url().starts_with("https://"));
    let serving = tokio::spawn(server.serve());

    let mut roots = RootCertStore::empty();
    roots.add(issued.cert.der().clone()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tls = TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = tls.connect(name, stream).await.unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(read_all(&mut stream).await.starts_with("HTTP/1.1 200 "));

    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    assert!(!read_all(&mut plain).await.contains("HTTP/1.1 200"));
    shutdown.cancel();
    tokio::time::timeout(PATIENCE, serving).await.unwrap().unwrap().unwrap();

    std::fs::write(&certificate, "nothing").unwrap();
    let refused = api::Server::assemble(
        settings,
        world.log.clone(),
        world.custody.clone(),
        Arc::new(service::SystemClock),
        shutdown,
    )
    .await;
    let error = refused.err().unwrap().to_string();
    assert!(error.contains("api.tls_certificate"), "{error}");
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_the_end() {
    let world = World::memory().await;
    let settings = Api { header_read_ms: 300, ..world.settings("a") };
    let api = world.api_with(settings, &world.log).await;
    let mut stream = TcpStream::connect(api.address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    let began = Instant::now();
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 "));
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!(api.request(Method::GET, "/healthz").send().await.status, StatusCode::OK);
}
