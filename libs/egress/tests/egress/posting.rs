//! Posting: what a receiver gets, what is kept of its answer, and receivers that misbehave (W-5, W-6, W-7).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use egress::{
    Client, Error, HookUrl, Phase, Plaintext, PostError, Posted, RESPONSE_BYTES_KEPT,
    RESPONSE_BYTES_READ, UrlError,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::servers::{LOOPBACK, Names, Server, Wire, answer, client, redirect, settings};

const PATIENCE: Duration = Duration::from_secs(20);

fn hook(text: &str) -> HookUrl {
    HookUrl::parse(text, Plaintext::Accepted).unwrap()
}

async fn post_within(server: &Server, timeout: Duration) -> Result<Posted, PostError> {
    post(&client(&settings(&[server])), server, timeout).await
}

async fn post(client: &Client, server: &Server, timeout: Duration) -> Result<Posted, PostError> {
    client
        .post(&hook(&server.url("/hook")), HeaderMap::new(), Bytes::from_static(b"{}"), timeout)
        .await
}

/// Answers every request on a connection with 204, and keeps it.
async fn keep(mut wire: Wire, _head: String) {
    loop {
        if wire.write_all(b"HTTP/1.1 204 X\r\n\r\n").await.is_err() {
            return;
        }
        // What comes next ends with an empty line; the two bytes behind it are the body.
        let mut end = [0; 4];
        while end != *b"\r\n{}" {
            let mut byte = [0];
            match wire.read(&mut byte).await {
                Ok(1) => end = [end[1], end[2], end[3], byte[0]],
                _ => return,
            }
        }
    }
}

#[tokio::test]
async fn an_attempt_goes_where_its_name_leads_now_whatever_is_connected() {
    let old = Server::wired(LOOPBACK, None, keep).await;
    let elsewhere = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), old.port()));
    let new = Server::at(elsewhere, None, keep).await;
    let allowed = settings(&[&old, &new]);
    let (here, there) = (IpAddr::from(LOOPBACK), elsewhere.ip());
    let forbidden = IpAddr::from([10, 0, 0, 1]);
    // What the name leads to at each attempt.
    let leads =
        [vec![here], vec![here], vec![there], vec![there], vec![forbidden], vec![here, there]];
    let answers = leads.clone();
    let names = Names::of(move |_, query| answers[query].clone());
    let client = Client::with_resolver(&allowed, names.clone()).unwrap();
    let url = hook(&format!("http://moving.test:{}/hook", old.port()));
    for addresses in leads {
        for _ in 0..100 {
            // What was answered goes back to where it is kept.
            tokio::task::yield_now().await;
        }
        let body = Bytes::from_static(b"{}");
        match client.post(&url, HeaderMap::new(), body, PATIENCE).await {
            Ok(posted) => assert!(addresses.contains(&posted.address.unwrap()), "{addresses:?}"),
            Err(failed) => {
                assert!(matches!(failed.error, Error::Forbidden(_)), "{failed:?}");
                assert_eq!(addresses, [forbidden]);
            }
        }
    }
    assert_eq!(names.queries(), 6, "each attempt asks exactly once");
    assert_eq!(old.connections() + new.connections(), 3, "the second and the fourth reuse one");
}

#[tokio::test]
async fn a_receiver_gets_exactly_what_was_signed() {
    const BODY: &[u8] = b"{\"a\": \"\xc3\xa4\"}";
    let (tell, mut told) = mpsc::unbounded_channel();
    let server = Server::wired(LOOPBACK, None, move |mut wire, _| {
        let tell = tell.clone();
        async move {
            let mut body = vec![0; BODY.len()];
            wire.read_exact(&mut body).await.unwrap();
            tell.send(body).unwrap();
            let answer = answer(202, "Retry-After: 120\r\n", "th\x1b[31manks");
            wire.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("webhook-id", "msg_1"),
        ("content-type", "application/json"),
        ("host", "evil.test"),
        ("content-length", "1"),
        ("transfer-encoding", "chunked"),
        ("connection", "upgrade"),
        ("user-agent", "other"),
        ("accept-encoding", "gzip"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let client = client(&settings(&[&server]));
    let posted = client
        .post(&hook(&server.url("/h?x=1")), headers, Bytes::from_static(BODY), PATIENCE)
        .await
        .unwrap();
    let told = testkit::within("the body arrives", PATIENCE, told.recv());
    assert_eq!(told.await.unwrap(), BODY);
    assert_eq!((posted.status, posted.retry_after.as_deref()), (202, Some("120")));
    assert_eq!(posted.address, Some(LOOPBACK.into()));
    assert_eq!(posted.excerpt, "th\\u{1b}[31manks");
    assert!(posted.latency > Duration::ZERO && posted.latency < PATIENCE);
    let head = server.heads().remove(0).to_lowercase();
    assert!(
        head.starts_with("post /h?x=1 http/1.1\r\n") && head.contains("webhook-id: msg_1\r\n"),
        "{head}"
    );
    assert!(head.contains(&format!("host: {}\r\n", server.address)), "{head}");
    assert!(head.contains(&format!("content-length: {}\r\n", BODY.len())), "{head}");
    assert!(
        head.contains("user-agent: darkroom/") && head.contains("accept-encoding: identity\r\n"),
        "{head}"
    );
    assert!(
        !head.contains("evil") && !head.contains("upgrade") && !head.contains("chunked"),
        "{head}"
    );
}

#[tokio::test]
async fn every_status_is_an_answer_and_no_redirect_is_followed() {
    let elsewhere = Server::forbidden().await;
    let location = elsewhere.url("/");
    let server = Server::answering(move |_| redirect(307, &location)).await;
    let allowed = settings(&[&server, &elsewhere]);
    assert_eq!(post(&client(&allowed), &server, PATIENCE).await.unwrap().status, 307);
    assert_eq!(elsewhere.connections(), 0);
    for status in [200, 204, 300, 301, 302, 303, 308, 400, 404, 410, 429, 500, 503] {
        let server = Server::answering(move |_| answer(status, "Location: /loop\r\n", "")).await;
        assert_eq!(post_within(&server, PATIENCE).await.unwrap().status, status);
        assert_eq!(server.connections(), 1, "{status}");
    }
}

#[tokio::test]
async fn one_deadline_covers_everything() {
    let silent = |head: &'static str| {
        Server::wired(LOOPBACK, None, move |mut wire, _| async move {
            let _ = wire.write_all(head.as_bytes()).await;
            std::future::pending::<()>().await;
        })
    };
    let limit = Duration::from_millis(300);
    for head in ["", "HTTP/1.1 200 OK\r\nA: ", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"] {
        let server = silent(head).await;
        let error = post_within(&server, limit).await.unwrap_err();
        assert!(matches!(error.error, Error::Timeout(Phase::Total)), "{head:?}: {error:?}");
        assert!(error.latency >= limit && error.latency < PATIENCE, "{:?}", error.latency);
        assert_eq!(
            error.address,
            Some(LOOPBACK.into()),
            "{head:?}: the address called is known all the same"
        );
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_off_and_its_connection_dropped() {
    let sent = Arc::new(AtomicUsize::new(0));
    let (gone, mut is_gone) = mpsc::unbounded_channel();
    let counting = Arc::clone(&sent);
    let server = Server::wired(LOOPBACK, None, move |mut wire, _| {
        let (counting, gone) = (Arc::clone(&counting), gone.clone());
        async move {
            let _ = wire.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
            let chunk = format!("1000\r\n{}\r\n", "ä".repeat(0x800));
            while wire.write_all(chunk.as_bytes()).await.is_ok() {
                counting.fetch_add(chunk.len(), Ordering::SeqCst);
            }
            let _ = gone.send(());
        }
    })
    .await;
    let client = client(&settings(&[&server]));
    let posted = post(&client, &server, PATIENCE).await.unwrap();
    assert_eq!(posted.status, 200);
    assert_eq!(posted.excerpt.len(), RESPONSE_BYTES_KEPT);
    tokio::time::timeout(PATIENCE, is_gone.recv()).await.unwrap().unwrap();
    let sent = sent.load(Ordering::SeqCst);
    assert!(
        (RESPONSE_BYTES_READ..16 * 1024 * 1024).contains(&sent),
        "what buffers between us hold: {sent}"
    );
}

#[tokio::test]
async fn hostile_heads_and_encoded_bodies_do_no_harm() {
    let huge =
        Server::answering(|_| format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "b".repeat(1_000_000)))
            .await;
    assert!(matches!(post_within(&huge, PATIENCE).await.unwrap_err().error, Error::Protocol(_)));
    let many =
        Server::answering(|_| format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(100_000)))
            .await;
    assert!(post_within(&many, PATIENCE).await.is_err());
    let bomb =
        Server::answering(|_| answer(200, "Content-Encoding: gzip\r\n", "\x1f\u{8b}bomb")).await;
    let posted = post_within(&bomb, PATIENCE).await.unwrap();
    assert_eq!((posted.status, posted.excerpt.as_str()), (200, ""));
    let broken = Server::wired(LOOPBACK, None, |mut wire, _| async move {
        let _ = wire.write_all(b"HTTP/1.1 201 OK\r\nContent-Length: 100\r\n\r\npart").await;
    })
    .await;
    let posted = post_within(&broken, PATIENCE).await.unwrap();
    assert_eq!((posted.status, posted.excerpt.as_str()), (201, "part"), "the status decides");
    let long_wish =
        Server::answering(|_| answer(429, &format!("Retry-After: {}\r\n", "9".repeat(1_000)), ""))
            .await;
    assert_eq!(post_within(&long_wish, PATIENCE).await.unwrap().retry_after, None);
    let hangs_up = Server::wired(LOOPBACK, None, |_, _| async {}).await;
    assert!(matches!(
        post_within(&hangs_up, PATIENCE).await.unwrap_err().error,
        Error::Unreachable(_)
    ));
}

#[test]
fn a_hook_is_https_and_holds_no_credentials() {
    let parse = |text| HookUrl::parse(text, Plaintext::Refused);
    assert_eq!(parse("https://example.test/a b").unwrap().expose(), "https://example.test/a%20b");
    assert_eq!(parse("http://example.test/"), Err(UrlError::HttpsRequired));
    assert_eq!(parse("https://user@example.test/"), Err(UrlError::Userinfo));
    assert_eq!(parse("https://:pw@example.test/"), Err(UrlError::Userinfo));
    assert_eq!(parse("ftp://example.test/"), Err(UrlError::Scheme));
    assert!(HookUrl::parse("http://example.test/", Plaintext::Accepted).is_ok());
    assert_eq!(
        format!("{:?}", parse("https://example.test/secret?x").unwrap()),
        "HookUrl(https://example.test/…)"
    );
}
