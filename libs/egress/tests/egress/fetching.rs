//! Fetching: what is said of a source, where redirects lead, credentials and connections (N-1, N-4, N-7).

mod answers;

use std::process::Command;

use bytes::Bytes;
use egress::{Client, Error, Fetched, RedirectError, SourceUrl, UrlError};
use http::{HeaderName, HeaderValue};
use testkit::Finish as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::servers::{LOOPBACK, Names, Server, answer, client, ok, redirect, settings, soon};

const LIMIT: u64 = 10_000;

fn source(text: &str) -> SourceUrl {
    SourceUrl::parse(text).unwrap()
}

async fn open(client: &Client, url: &str) -> Result<Fetched, Error> {
    client.fetch(&source(url), LIMIT, soon()).await
}

async fn fetch(client: &Client, url: &str) -> Result<Bytes, Error> {
    open(client, url).await?.body.collect().await
}

/// A server that writes `bytes` after each request and then waits for the client to go.
async fn writing(bytes: impl Into<Vec<u8>>) -> Server {
    let bytes = bytes.into();
    Server::wired(LOOPBACK, None, move |mut wire, _| {
        let bytes = bytes.clone();
        async move {
            let _ = wire.write_all(&bytes).await;
            let _ = wire.read(&mut [0]).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_source_comes_whole_with_what_its_server_says_of_it() {
    let server = Server::answering(|_| {
        answer(
            200,
            "Content-Type: image/png\r\nAccept-Ranges: bytes\r\nETag: \"v1\"\r\nContent-Disposition: attachment; filename*=UTF-8''sn%C3%B6.png\r\n",
            "picture",
        )
    })
    .await;
    let client = client(&settings(&[&server]));
    let fetched = open(&client, &server.url("/a%20b.png?token=1#part")).await.unwrap();
    assert_eq!(
        (fetched.status, fetched.content_length, fetched.total_length),
        (200, Some(7), Some(7))
    );
    assert_eq!(fetched.content_type.as_deref(), Some("image/png"));
    assert_eq!(fetched.file_name.as_deref(), Some("snö.png"));
    assert!(fetched.accepts_ranges && fetched.validator.is_some());
    assert_eq!(fetched.final_url.expose(), server.url("/a%20b.png?token=1"));
    assert_eq!(fetched.body.collect().await.unwrap(), "picture");
    let head = server.heads().remove(0).to_lowercase();
    assert!(head.starts_with("get /a%20b.png?token=1 http/1.1\r\n"), "{head}");
    assert!(
        head.contains("accept-encoding: identity\r\n") && head.contains("user-agent: darkroom/"),
        "{head}"
    );
    assert!(
        head.contains(&format!("host: {}\r\n", server.address)) && !head.contains("authorization"),
        "{head}"
    );
}

#[tokio::test]
async fn urls_are_taken_as_people_write_them() {
    let server = Server::answering(|_| ok("")).await;
    let client = client(&settings(&[&server]));
    let table = [
        ("/my photo.jpg", "/my%20photo.jpg", Some("my photo.jpg")),
        ("/snö/ü.png?q=ä b", "/sn%C3%B6/%C3%BC.png?q=%C3%A4%20b", Some("ü.png")),
        ("/a/../b/./c.png", "/b/c.png", Some("c.png")),
        ("", "/", None),
        ("?q", "/?q", None),
        ("/{a}|`\"<>", "/%7Ba%7D|%60%22%3C%3E", Some("{a}|`\"<>")),
        ("/?{a}|`\"<>\\", "/?{a}|`%22%3C%3E\\", None),
    ];
    for (written, sent, name) in table {
        let fetched = open(&client, &server.url(written)).await.unwrap();
        assert_eq!(fetched.file_name.as_deref(), name, "{written}");
        let head = server.heads().pop().unwrap();
        assert_eq!(head.split(' ').nth(1), Some(sent), "{written}");
    }
    let long = format!("http://{}.test/", "a".repeat(253));
    let table = [
        ("", UrlError::Malformed(None)),
        ("no url", UrlError::Malformed(None)),
        ("/relative.png", UrlError::Malformed(None)),
        ("http://", UrlError::Malformed(None)),
        ("http://[::1", UrlError::Malformed(None)),
        ("http://256.256.256.256/", UrlError::Malformed(None)),
        ("file:///etc/passwd", UrlError::Scheme),
        ("ftp://example.test/", UrlError::Scheme),
        ("gopher://example.test/", UrlError::Scheme),
        ("data:text/plain,hi", UrlError::Scheme),
        ("s3://bucket/key", UrlError::Scheme),
        ("http://example.test:0/", UrlError::Port),
        (&long, UrlError::HostTooLong),
        (&format!("http://a.test/{}", "x".repeat(9_000)), UrlError::TooLong),
    ];
    for (text, expected) in table {
        let error = SourceUrl::parse(text).unwrap_err();
        assert_eq!(
            std::mem::discriminant(&error),
            std::mem::discriminant(&expected),
            "{text}: {error:?}"
        );
    }
}

#[tokio::test]
async fn what_a_parser_confusion_hides_is_not_where_the_request_goes() {
    let server = Server::answering(|_| ok("")).await;
    let secret = Server::forbidden().await;
    let client = client(&settings(&[&server]));
    let (good, bad) = (server.address, secret.address);
    for url in [
        format!("http://{good}\\@{bad}/"),
        format!("http://{good}#@{bad}/"),
        format!("http://{good}/?@{bad}/"),
        format!("http://{bad}@{good}/"),
        format!("http://{good}/@{bad}"),
        format!("http:\\\\{good}\\{bad}"),
        format!("http:///{good}/"),
        format!("ht\ntp://{good}/\t"),
    ] {
        assert_eq!(fetch(&client, &url).await.unwrap(), "", "{url:?}");
    }
    assert_eq!((server.connections(), secret.connections()), (8, 0));
}

#[tokio::test]
async fn redirects_are_followed_only_to_where_a_source_may_be() {
    enum Then {
        Follows,
        Status,
        Forbidden,
        Redirect(RedirectError),
    }
    let secret = Server::forbidden().await;
    let forbidden = secret.url("/");
    let table: Vec<(&str, Then)> = vec![
        ("/end", Then::Follows),
        ("end?x=1#y", Then::Follows),
        ("//HOST/end", Then::Follows),
        ("http://HOST/end", Then::Follows),
        (&forbidden, Then::Forbidden),
        ("http://169.254.169.254/latest/meta-data/", Then::Forbidden),
        ("http://[::ffff:169.254.169.254]/", Then::Forbidden),
        ("https://2130706433/", Then::Forbidden),
        ("http://HOST:22/", Then::Redirect(RedirectError::Url(UrlError::Malformed(None)))),
        ("http://1.1.1.1:22/", Then::Forbidden),
        ("file:///etc/passwd", Then::Redirect(RedirectError::Url(UrlError::Scheme))),
        ("ftp://HOST/", Then::Redirect(RedirectError::Url(UrlError::Scheme))),
        ("javascript:alert(1)", Then::Redirect(RedirectError::Url(UrlError::Scheme))),
        ("data:text/plain,hi", Then::Redirect(RedirectError::Url(UrlError::Scheme))),
        ("http://user:pw@HOST/end", Then::Redirect(RedirectError::Url(UrlError::Userinfo))),
        ("http://[/", Then::Redirect(RedirectError::Url(UrlError::Malformed(None)))),
    ];
    let locations: Vec<String> = table.iter().map(|(location, _)| (*location).to_owned()).collect();
    let server = Server::answering(move |head| {
        let path = head.split(' ').nth(1).unwrap();
        let Some((status, row)) = path.trim_start_matches('/').split_once('-') else {
            return ok("end");
        };
        let host = head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        redirect(
            status.parse().unwrap(),
            &locations[row.parse::<usize>().unwrap()].replace("HOST", host),
        )
    })
    .await;
    let client = client(&settings(&[&server]));
    for (status, row) in
        (300..=308).flat_map(|status| (0..table.len()).map(move |row| (status, row)))
    {
        let (location, then) = &table[row];
        let got = fetch(&client, &server.url(&format!("/{status}-{row}"))).await;
        let then = if [300, 304, 305, 306].contains(&status) { &Then::Status } else { then };
        let right = match (then, &got) {
            (Then::Follows, Ok(body)) => body == "end",
            (Then::Status, Err(Error::Status(got))) => *got == status,
            (Then::Forbidden, Err(Error::Forbidden(_))) => true,
            (
                Then::Redirect(RedirectError::Url(a)),
                Err(Error::Redirect(RedirectError::Url(b))),
            ) => std::mem::discriminant(a) == std::mem::discriminant(b),
            _ => false,
        };
        assert!(right, "{status} {location}: {got:?}");
    }
    assert_eq!(secret.connections(), 0);
    let nowhere = Server::answering(|_| answer(302, "", "")).await;
    let got = fetch(&crate::servers::client(&settings(&[&nowhere])), &nowhere.url("/")).await;
    assert!(matches!(got, Err(Error::Redirect(RedirectError::NoLocation))));
}

#[tokio::test]
async fn five_redirects_are_followed_and_six_are_not() {
    let server = Server::answering(|head| {
        let left: u32 = head.split(['/', ' ']).find_map(|part| part.parse().ok()).unwrap();
        if left == 0 { ok("end") } else { redirect(307, &format!("/{}", left - 1)) }
    })
    .await;
    let client = client(&settings(&[&server]));
    assert_eq!(fetch(&client, &server.url("/5")).await.unwrap(), "end");
    assert!(matches!(
        fetch(&client, &server.url("/6")).await,
        Err(Error::Redirect(RedirectError::TooMany))
    ));
}

#[tokio::test]
async fn credentials_go_to_their_origin_and_nowhere_else() {
    let other = Server::answering(|_| ok("other")).await;
    let elsewhere = other.url("/b");
    let server = Server::answering(move |head| match head.split(' ').nth(1).unwrap() {
        "/same" => redirect(302, "/a"),
        "/other" => redirect(302, &elsewhere),
        _ => ok("own"),
    })
    .await;
    let client = client(&settings(&[&server, &other]));
    let with = |path: &str| {
        source(&format!("http://us%20er:p%40ss%3A@{}{path}", server.address))
            .with_header(HeaderName::from_static("x-token"), HeaderValue::from_static("t0ken"))
    };
    for path in ["/a", "/same", "/other"] {
        client.fetch(&with(path), LIMIT, soon()).await.unwrap().body.collect().await.unwrap();
    }
    let basic = "authorization: Basic dXMgZXI6cEBzczo=\r\n";
    let (own, foreign) = (server.heads(), other.heads());
    assert_eq!((own.len(), foreign.len()), (4, 1));
    assert!(
        own.iter().all(|head| head.contains(basic) && head.contains("x-token: t0ken\r\n")),
        "{own:?}"
    );
    assert!(
        own.iter().chain(&foreign).all(|head| !head.contains("us%20er") && !head.contains('@'))
    );
    assert!(
        !foreign[0].contains("authorization") && !foreign[0].contains("x-token"),
        "{foreign:?}"
    );
    let opened = client.fetch(&with("/other"), LIMIT, soon()).await.unwrap();
    assert_eq!(
        opened.final_url,
        source(&other.url("/b")),
        "no credentials travel with the final URL"
    );
}

#[tokio::test]
async fn connections_are_kept_and_shared() {
    let server = Server::wired(LOOPBACK, None, |mut wire, _| async move {
        let mut seen = Vec::new();
        loop {
            if wire.write_all(b"HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\nok").await.is_err() {
                return;
            }
            seen.clear();
            while !seen.ends_with(b"\r\n\r\n") {
                match wire.read_u8().await {
                    Ok(byte) => seen.push(byte),
                    Err(_) => return,
                }
            }
        }
    })
    .await;
    let client = client(&settings(&[&server]));
    for _ in 0..20 {
        assert_eq!(fetch(&client.clone(), &server.url("/")).await.unwrap(), "ok");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn neither_errors_nor_urls_show_secrets_when_printed() {
    let secret = "CANARY";
    let closed = Server::forbidden().await;
    let text = format!("http://u{secret}:p{secret}@HOST/{secret}?q={secret}#{secret}");
    let urls = [
        text.replace("HOST", &closed.address.to_string()),
        text.replace("HOST", "127.0.0.1"),
        text.replace("HOST", "none.test"),
    ];
    let redirecting =
        Server::answering(|_| redirect(302, "http://u:CANARY@x.test/CANARY?CANARY")).await;
    let garbage = writing("CANARY").await;
    let client =
        Client::with_resolver(&settings(&[&redirecting, &garbage]), Names::of(|_, _| Vec::new()))
            .unwrap();
    let mut printed = String::new();
    for url in urls.iter().chain(&[redirecting.url("/?CANARY"), garbage.url("/CANARY?CANARY")]) {
        let url = source(url);
        let error = open(&client, url.expose()).await.err().unwrap();
        printed.push_str(&format!("{url} {url:?} {error} {error:?} "));
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = cause {
            printed.push_str(&format!("{error} {error:?} "));
            cause = error.source();
        }
    }
    printed.push_str(&format!("{:?}", SourceUrl::parse("http://u:CANARY@[/?CANARY")));
    assert!(!printed.contains(secret), "{printed}");
    assert!(printed.contains("SourceUrl(http://none.test/…)"), "{printed}");
}

/// The child of [`proxy_variables_of_the_environment_are_ignored`] is this test under those variables.
#[tokio::test]
async fn a_fetch_goes_straight_to_its_server() {
    let server = Server::answering(|_| ok("direct")).await;
    let client = Client::new(&settings(&[&server])).unwrap();
    assert_eq!(fetch(&client, &server.url("/")).await.unwrap(), "direct");
}

#[tokio::test]
async fn proxy_variables_of_the_environment_are_ignored() {
    let proxy = Server::answering(|_| ok("through the proxy")).await;
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "fetching::a_fetch_goes_straight_to_its_server"]);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        child.env(name, proxy.url("")).env(name.to_lowercase(), proxy.url(""));
    }
    let output = tokio::task::spawn_blocking(move || child.finish()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(proxy.connections(), 0);
}
