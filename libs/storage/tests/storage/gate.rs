//! The embedded server's gate: who may do what, which names it takes, and how it starts and stops.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::Method;
use storage::{
    Error,
    embedded::{Server, StartError},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::world::{BUCKET, World, admin, now, options, put, send, writer};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn the_writer_can_only_write() {
    let world = World::start().await;
    let bucket = world.bucket(writer()).await;
    let reader = world.reader(writer()).await;
    put(&bucket, "a.jpg", b"1").await.unwrap();
    assert!(matches!(reader.get("a.jpg", 9).await, Err(Error::Denied(_))));
    assert!(matches!(reader.get("none", 9).await, Err(Error::Denied(_))));
    assert!(matches!(reader.list("", 9).await, Err(Error::Denied(_))));
    assert!(matches!(reader.delete("a.jpg").await, Err(Error::Denied(_))));
    let url = bucket.presign_get("a.jpg", now(), MINUTE).await.unwrap();
    assert_eq!(send(Method::GET, &url, &[], b"").await.status, 403);
    assert_eq!(send(Method::HEAD, &url, &[], b"").await.status, 403);
    let link = bucket.presign_put("b.jpg", "image/png", 1, now(), MINUTE).await.unwrap();
    assert_eq!(send(Method::PUT, &link.url, &link.headers, b"2").await.status, 200);
    let all = world.reader(admin()).await;
    assert_eq!(all.list("", 9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn unsigned_requests_and_climbing_keys_are_refused() {
    let world = World::start().await;
    put(&world.bucket(admin()).await, "a.jpg", b"1").await.unwrap();
    for (method, path) in [
        (Method::GET, String::new()),
        (Method::GET, BUCKET.to_owned()),
        (Method::GET, format!("{BUCKET}/a.jpg")),
        (Method::PUT, format!("{BUCKET}/a.jpg")),
        (Method::DELETE, format!("{BUCKET}/a.jpg")),
        (Method::PUT, "new".to_owned()),
        (Method::GET, format!("{BUCKET}/%2e%2e/.lock")),
        (Method::PUT, format!("{BUCKET}/..%2F.lock")),
    ] {
        let url = format!("{}/{path}", world.endpoint).parse().unwrap();
        let reply = send(method.clone(), &url, &[], b"x").await;
        assert!(reply.status.is_client_error(), "{method} {path}: {}", reply.status);
    }
    assert_eq!(world.reader(admin()).await.get("a.jpg", 9).await.unwrap().bytes, "1");
}

#[tokio::test]
async fn a_key_too_long_for_its_files_is_refused_as_such() {
    let world = World::start().await;
    let bucket = world.bucket(admin()).await;
    let reader = world.reader(admin()).await;
    let mut longest = 0;
    for len in [100, 140, 150, 155, 160, 170, 200, 255, 256, 900] {
        let key = "k".repeat(len);
        match put(&bucket, &key, b"1").await {
            Ok(_) => {
                assert_eq!(reader.get(&key, 9).await.unwrap().bytes, "1", "{len}");
                longest = len;
            }
            Err(Error::Invalid(answer)) => assert_eq!(answer.code, "KeyTooLongError", "{len}"),
            Err(other) => panic!("{len}: {other:?}"),
        }
    }
    assert_eq!(longest, 160);
}

#[tokio::test]
async fn it_starts_only_where_it_is_safe() {
    let world = World::start().await;
    let mut beyond = options(&world.data);
    beyond.listen = "0.0.0.0:0".parse().unwrap();
    assert!(matches!(Server::bind(beyond).await, Err(StartError::NotLoopback(_))));
    let second = Server::bind(options(&world.data)).await;
    assert!(matches!(second, Err(StartError::InUse(_))));
    let mut climbing = options(&world.data);
    climbing.buckets.push("../out".to_owned());
    assert!(matches!(Server::bind(climbing).await, Err(StartError::Bucket { .. })));
    let mut same = options(&world.data);
    same.writer = Some(admin());
    assert!(matches!(Server::bind(same).await, Err(StartError::Credentials)));
}

#[tokio::test]
async fn a_stopped_server_starts_again_with_its_objects() {
    let world = World::start().await;
    put(&world.bucket(admin()).await, "a.jpg", b"1").await.unwrap();
    let idle = TcpStream::connect(world.endpoint.trim_start_matches("http://")).await.unwrap();
    let data = timeout(Duration::from_secs(10), world.stop()).await.expect("stops in time");
    drop(idle);
    let server = Server::bind(options(&data)).await.unwrap();
    drop(server);
    assert!(data.path().join(BUCKET).join("a.jpg").exists());
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_stop() {
    let world = World::start().await;
    let bucket = world.bucket(admin()).await;
    let link = bucket.presign_put("slow", "text/plain", 4, now(), MINUTE).await.unwrap();
    let mut stream = TcpStream::connect(link.url.authority()).await.unwrap();
    let target = &link.url[url::Position::BeforePath..url::Position::AfterQuery];
    let head = format!(
        "PUT {target} HTTP/1.1\r\nhost: {}\r\ncontent-type: text/plain\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n",
        link.url.authority()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut buffer = [0; 4_096];
    let read = stream.read(&mut buffer).await.unwrap();
    assert!(buffer[..read].starts_with(b"HTTP/1.1 100"), "the body is being waited for");
    let stopping = tokio::spawn(world.stop());
    stream.write_all(b"slow").await.unwrap();
    let read = stream.read(&mut buffer).await.unwrap();
    let answer = String::from_utf8_lossy(&buffer[..read]);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let data = stopping.await.unwrap();
    assert_eq!(std::fs::read(data.path().join(BUCKET).join("slow")).unwrap(), b"slow");
}

/// Where a test's log goes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_link_reaches_the_log_at_any_level() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // One thread runs client and server here, so this catches all that either says.
    let logging = tracing::subscriber::set_default(subscriber);
    let world = World::start().await;
    let quiet = tracing::subscriber::set_default(tracing::subscriber::NoSubscriber::new());
    let link =
        world.bucket(admin()).await.presign_put("a", "text/plain", 1, now(), MINUTE).await.unwrap();
    drop(quiet);
    tracing::info!("the log is on");
    assert_eq!(send(Method::PUT, &link.url, &link.headers, b"1").await.status, 200);
    drop(logging);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("the log is on"));
    for secret in ["X-Amz-Signature", "ADMINKEY", "admin-secret-5f1c"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}
