//! Servers that refuse, lie, dawdle or never end, and what is taken of their answers (N-5).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use egress::{Error, Phase, Settings};
use http::HeaderValue;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::{LIMIT, fetch, open, source, writing};
use crate::servers::{LOOPBACK, Server, Wire, answer, client, ok, settings, soon};

#[tokio::test]
async fn only_a_success_is_a_source() {
    let server = Server::answering(|head| {
        let status = head.split(['/', ' ']).find_map(|part| part.parse().ok()).unwrap();
        answer(status, "", "<html>error page</html>")
    })
    .await;
    let client = client(&settings(&[&server]));
    for status in [206, 304, 400, 401, 403, 404, 410, 416, 429, 451, 500, 502, 503, 504, 599, 999] {
        let got = fetch(&client, &server.url(&format!("/{status}"))).await;
        assert!(matches!(got, Err(Error::Status(got)) if got == status), "{status}: {got:?}");
    }
    for status in [200, 201, 202, 203] {
        assert!(fetch(&client, &server.url(&format!("/{status}"))).await.is_ok(), "{status}");
    }
}

#[tokio::test]
async fn an_encoding_that_nobody_asked_for_is_refused() {
    for field in [
        "Content-Encoding: gzip",
        "Content-Encoding: br",
        "Content-Encoding: identity, gzip",
        "Content-Encoding: \u{e9}",
        "Content-Encoding: identity\r\nContent-Encoding: gzip",
        "content-encoding: GZIP",
    ] {
        let server =
            Server::answering(move |_| answer(200, &format!("{field}\r\n"), "\x1f\u{8b}")).await;
        let got = fetch(&client(&settings(&[&server])), &server.url("/")).await;
        assert!(matches!(got, Err(Error::Encoded)), "{field}: {got:?}");
    }
    let twice =
        writing("HTTP/1.1 200 X\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")
            .await;
    assert!(matches!(
        fetch(&client(&settings(&[&twice])), &twice.url("/")).await,
        Err(Error::Encoded)
    ));
    let identity =
        Server::answering(|_| answer(200, "Content-Encoding: Identity\r\n", "fine")).await;
    assert_eq!(fetch(&client(&settings(&[&identity])), &identity.url("/")).await.unwrap(), "fine");
}

#[tokio::test]
async fn nothing_larger_than_the_limit_is_read() {
    let announced = writing("HTTP/1.1 200 X\r\nContent-Length: 10001\r\n\r\n").await;
    let got = open(&client(&settings(&[&announced])), &announced.url("/")).await;
    assert!(matches!(got, Err(Error::TooLarge { limit_bytes: LIMIT })), "before a byte has come");

    let sent = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&sent);
    let endless = Server::wired(LOOPBACK, None, move |mut wire: Wire, _| {
        let counting = Arc::clone(&counting);
        async move {
            let _ = wire.write_all(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n").await;
            let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
            while wire.write_all(chunk.as_bytes()).await.is_ok() {
                counting.fetch_add(chunk.len(), Ordering::SeqCst);
            }
        }
    })
    .await;
    let got = fetch(&client(&settings(&[&endless])), &endless.url("/")).await;
    assert!(matches!(got, Err(Error::TooLarge { .. })), "{got:?}");
    let sent = sent.load(Ordering::SeqCst);
    assert!(sent < 16 * 1024 * 1024, "the connection was dropped: {sent}");

    let exact = Server::answering(|_| ok(&"x".repeat(10_000))).await;
    assert_eq!(fetch(&client(&settings(&[&exact])), &exact.url("/")).await.unwrap().len(), 10_000);
}

#[tokio::test]
async fn a_server_that_lies_about_the_length_is_not_believed() {
    let short = Server::wired(LOOPBACK, None, |mut wire, _| async move {
        let _ = wire.write_all(b"HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\nfew").await;
    })
    .await;
    let got = fetch(&client(&settings(&[&short])), &short.url("/")).await;
    assert!(matches!(got, Err(Error::Unreachable(_))), "{got:?}");
    let cut = Server::wired(LOOPBACK, None, |mut wire, _| async move {
        let _ =
            wire.write_all(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab").await;
    })
    .await;
    assert!(fetch(&client(&settings(&[&cut])), &cut.url("/")).await.is_err());
    let long =
        writing("HTTP/1.1 200 X\r\nContent-Length: 3\r\n\r\nfewHTTP/1.1 200 X\r\n\r\nmore").await;
    assert_eq!(fetch(&client(&settings(&[&long])), &long.url("/")).await.unwrap(), "few");
    let until_close = Server::wired(LOOPBACK, None, |mut wire, _| async move {
        let _ = wire.write_all(b"HTTP/1.0 200 X\r\n\r\nall of it").await;
    })
    .await;
    assert_eq!(
        fetch(&client(&settings(&[&until_close])), &until_close.url("/")).await.unwrap(),
        "all of it"
    );
}

#[tokio::test]
async fn what_is_not_http_is_a_protocol_error() {
    let heads = [
        "SSH-2.0-OpenSSH_9.2\r\n".to_owned(),
        "HTTP/1.1 banana\r\n\r\n".to_owned(),
        "HTTP/1.1 200 X\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx".to_owned(),
        "HTTP/1.1 200 X\r\nContent-Length: -1\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 X\r\n{}\r\n", "A: b\r\n".repeat(10_000)),
        format!("HTTP/1.1 200 X\r\nA: {}\r\n\r\n", "b".repeat(1_000_000)),
        "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_owned(),
    ];
    for head in heads {
        let server = writing(head.clone()).await;
        let got = fetch(&client(&settings(&[&server])), &server.url("/")).await;
        assert!(matches!(got, Err(Error::Protocol(_))), "{}: {got:?}", &head[..head.len().min(60)]);
    }
}

/// Sends a byte of `drip` every few milliseconds, for ever.
async fn dripping(head: &'static str, drip: &'static [u8]) -> Server {
    Server::wired(LOOPBACK, None, move |mut wire, _| async move {
        let _ = wire.write_all(head.as_bytes()).await;
        let mut pause = tokio::time::interval(Duration::from_millis(5));
        for byte in drip.iter().cycle() {
            pause.tick().await;
            if wire.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
    })
    .await
}

#[tokio::test]
async fn each_way_of_being_slow_meets_its_own_limit() {
    const CHUNKED: &str = "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n";
    let phase = async |server: Server| {
        let impatient = Settings {
            connect_ms: 1_000,
            first_byte_ms: 1_000,
            min_rate_bytes_per_s: 10_000,
            min_rate_window_ms: 300,
            ..settings(&[&server])
        };
        let got = fetch(&client(&impatient), &server.url("/")).await;
        let Err(Error::Timeout(phase)) = got else { panic!("{got:?}") };
        phase
    };
    let (no_answer, endless_head, endless_continue, no_body, slow_body, stalled_body) = tokio::join!(
        phase(writing("").await),
        phase(dripping("HTTP/1.1 200 X\r\nA: ", b"b").await),
        phase(dripping("", b"HTTP/1.1 100 Continue\r\n\r\n").await),
        phase(writing(CHUNKED).await),
        phase(dripping(CHUNKED, b"1\r\nx\r\n").await),
        phase(writing("HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\nx").await),
    );
    assert_eq!([no_answer, endless_head, endless_continue, no_body], [Phase::FirstByte; 4]);
    assert_eq!([slow_body, stalled_body], [Phase::Rate; 2]);
    let server = dripping(CHUNKED, b"1\r\nx\r\n").await;
    let client = client(&settings(&[&server]));
    let deadline = Instant::now() + Duration::from_secs(1);
    let fetched = client.fetch(&source(&server.url("/")), LIMIT, deadline).await.unwrap();
    assert!(matches!(fetched.body.collect().await, Err(Error::Timeout(Phase::Total))));
    assert!(matches!(
        client.fetch(&source(&server.url("/")), LIMIT, deadline).await,
        Err(Error::Timeout(Phase::Total))
    ));
}

#[tokio::test]
async fn a_slow_reader_is_not_held_against_the_server() {
    let server = writing(ok(&"x".repeat(5_000))).await;
    let quick = Settings {
        min_rate_bytes_per_s: 1_000_000,
        min_rate_window_ms: 100,
        ..settings(&[&server])
    };
    let mut body = open(&client(&quick), &server.url("/")).await.unwrap().body;
    let mut pause = tokio::time::interval(Duration::from_millis(400));
    pause.tick().await;
    let mut read = 0;
    while let Some(chunk) = body.chunk().await {
        read += chunk.unwrap().len();
        pause.tick().await;
    }
    assert_eq!((read, body.bytes_read()), (5_000, 5_000));
}

#[tokio::test]
async fn ranges_are_served_whole_or_not_at_all() {
    const WHOLE: &str = "0123456789";
    let server = Server::answering(|head| {
        let range =
            head.lines().find_map(|line| line.strip_prefix("range: bytes=")).unwrap_or_default();
        let (first, last) = range.split_once('-').unwrap();
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
        let stale = head.contains("if-range: \"old\"");
        match head.split(' ').nth(1).unwrap() {
            "/ranges" if first >= WHOLE.len() => answer(416, "", ""),
            "/ranges" if !stale => {
                let part = &WHOLE[first..=last.min(WHOLE.len() - 1)];
                answer(
                    206,
                    &format!("Content-Range: bytes {first}-{last}/10\r\nETag: \"v\"\r\n"),
                    part,
                )
            }
            "/liar" => answer(206, "Content-Range: bytes 0-3/10\r\n", "0123"),
            "/generous" => {
                answer(206, &format!("Content-Range: bytes {first}-9/10\r\n"), &WHOLE[first..])
            }
            _ => ok(WHOLE),
        }
    })
    .await;
    let client = client(&settings(&[&server]));
    let range = async |path: &str, from, len, validator: Option<&'static str>| {
        let validator = validator.map(HeaderValue::from_static);
        let fetched = client
            .fetch_range(&source(&server.url(path)), from, len, validator.as_ref(), soon())
            .await?;
        let total = fetched.total_length;
        Ok::<_, Error>((fetched.body.collect().await?, total))
    };
    assert_eq!(range("/ranges", 3, 4, None).await.unwrap(), ("3456".into(), Some(10)));
    assert_eq!(range("/ranges", 8, 100, Some("\"v\"")).await.unwrap(), ("89".into(), Some(10)));
    assert!(matches!(range("/ranges", 50, 1, None).await, Err(Error::Status(416))));
    assert!(matches!(range("/ranges", 0, 4, Some("\"old\"")).await, Err(Error::NoRanges)));
    assert!(matches!(range("/whole", 3, 4, None).await, Err(Error::NoRanges)));
    assert!(matches!(range("/liar", 3, 4, None).await, Err(Error::NoRanges)));
    assert!(matches!(
        range("/generous", 3, 2, None).await,
        Err(Error::TooLarge { limit_bytes: 2 })
    ));
}
