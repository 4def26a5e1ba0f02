//! Far sources: what is asked for, and that it is what lies there.

use std::time::Duration;

use egress::SourceUrl;
use testkit::{Source, SourceServer};

use super::*;

const MIB: usize = 1 << 20;

/// Bytes that tell their place.
fn told(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn client(server: &SourceServer) -> egress::Client {
    let settings = format!(r#"allow = "127.0.0.1/32:{}""#, server.port());
    egress::Client::new(&toml::from_str(&settings).unwrap()).unwrap()
}

/// Opens a source as the worker does.
async fn far(server: &SourceServer, url: &str) -> Arc<Far> {
    let (client, url) = (client(server), SourceUrl::parse(url).unwrap());
    let deadline = Instant::now() + Duration::from_secs(60);
    let opened = client.fetch_start(&url, 256 << 10, 4 << 30, deadline).await.unwrap();
    assert!(opened.is_part());
    let size_bytes = opened.total_length.unwrap();
    let validator = opened.validator.unwrap();
    let origin = Origin::Web { client: client.into(), url: opened.final_url.into(), validator };
    let place = Place { origin, size_bytes, deadline };
    let file = tempfile::tempfile().unwrap();
    let start = (Coming::Web(opened.body), opened.content_length.unwrap());
    Arc::new(Far::new(place, file, start, CancellationToken::new()))
}

async fn read(far: &Arc<Far>, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let far = Arc::clone(far);
    let read = tokio::task::spawn_blocking(move || {
        let mut buffer = vec![0; length];
        let count = far.read_at(offset, &mut buffer)?;
        buffer.truncate(count);
        Ok(buffer)
    });
    read.await.unwrap()
}

fn tagged(bytes: Vec<u8>, tag: &str) -> Source {
    Source::bytes(bytes).header("etag", format!("\"{tag}\""))
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_at_both_ends_of_two_gibibytes_reads_a_thousandth_of_them() {
    let server = SourceServer::start().await;
    // Pages that nobody touches cost nothing.
    let mut bytes = vec![0; 2 << 30];
    let tail = told(MIB);
    let start = bytes.len() - MIB;
    bytes[start..].copy_from_slice(&tail);
    let url = server.put("/film.mp4", tagged(bytes, "a"));
    let far = far(&server, &url).await;
    assert_eq!(read(&far, 0, 64 << 10).await.unwrap(), vec![0; 64 << 10]);
    let mut seen = Vec::new();
    for part in 0..32 {
        let offset = start as u64 + part * (32 << 10);
        seen.extend(read(&far, offset, 32 << 10).await.unwrap());
    }
    assert!(seen == tail);
    for jump in 1..=4 {
        read(&far, jump * (400 << 20), 200 << 10).await.unwrap();
    }
    // At the end there is nothing more.
    assert_eq!(read(&far, 2 << 30, 10).await.unwrap(), b"");
    assert_eq!(read(&far, (2 << 30) - 3, 10).await.unwrap().len(), 3);
    let fetched = far.fetched_bytes().await.load(Ordering::Relaxed);
    assert!(fetched < 3 * MIB as u64, "{fetched}");
    let sent = server.sent_bytes("/film.mp4");
    assert!(sent < (2 << 30) / 500, "{sent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_on_asks_seldom_and_never_twice() {
    let server = SourceServer::start().await;
    let bytes = told(40 * MIB + 7);
    let url = server.put("/a", tagged(bytes.clone(), "a"));
    let far = far(&server, &url).await;
    for (part, expected) in bytes.chunks(MIB).enumerate() {
        let read = read(&far, (part * MIB) as u64, MIB).await.unwrap();
        assert!(read == expected, "{part}");
    }
    let hits = server.hits("/a");
    assert!(hits <= 12, "{hits} requests");
    assert!(far.whole().await.unwrap().metadata().unwrap().len() == bytes.len() as u64);
    assert_eq!(server.hits("/a"), hits, "what is here is not asked for again");
    assert_eq!(far.fetched_bytes().await.load(Ordering::Relaxed), bytes.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_read_in_whatever_order_is_what_lies_there() {
    let server = SourceServer::start().await;
    let bytes = told(6 * MIB);
    let url = server.put("/a", tagged(bytes.clone(), "a"));
    let far = far(&server, &url).await;
    let mut seed = 3_u64;
    for _ in 0..60 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let from = (seed >> 20) as usize % bytes.len();
        let length = (seed >> 45) as usize % (300 << 10);
        let to = (from + length).min(bytes.len());
        assert!(
            read(&far, from as u64, length).await.unwrap() == bytes[from..to],
            "{from}+{length}"
        );
    }
    let whole = far.whole().await.unwrap();
    let mut all = vec![0; bytes.len()];
    whole.read_exact_at(&mut all, 0).unwrap();
    assert!(all == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_changes_meanwhile_is_told_from_what_it_was() {
    let server = SourceServer::start().await;
    for (path, next) in [
        ("/other", tagged(vec![2; 20 * MIB], "b")),
        ("/careless", tagged(vec![2; 20 * MIB], "b").heedless_of_versions()),
        ("/longer", tagged(vec![2; 21 * MIB], "a")),
        ("/gone", Source::status(404)),
        ("/rangeless", tagged(vec![2; 20 * MIB], "b").without_ranges()),
    ] {
        let url = server.put(path, tagged(vec![1; 20 * MIB], "a"));
        let far = far(&server, &url).await;
        assert_eq!(read(&far, 0, 10).await.unwrap(), [1; 10]);
        server.put(path, next);
        let error = read(&far, 10 << 20, 10).await.expect_err(path);
        let error = error.get_ref().and_then(|inner| inner.downcast_ref::<FarError>());
        assert!(matches!(error, Some(FarError::Read(ReadError::Changed))), "{path}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_breaks_off_is_asked_for_anew_where_it_broke() {
    let server = SourceServer::start().await;
    let bytes = told(12 * MIB);
    let broken = tagged(bytes.clone(), "a").cut_after(900_000);
    let url = server.put("/a", tagged(bytes.clone(), "a").then(broken));
    let far = far(&server, &url).await;
    for (part, expected) in bytes.chunks(MIB).take(8).enumerate() {
        assert!(read(&far, (part * MIB) as u64, MIB).await.unwrap() == expected, "{part}");
    }
    server.put("/a", tagged(bytes.clone(), "a").cut_after(0));
    let error = read(&far, 11 << 20, 10).await.expect_err("no byte ever comes");
    let error = error.get_ref().and_then(|inner| inner.downcast_ref::<FarError>());
    assert!(matches!(error, Some(FarError::Read(ReadError::Web(_)))), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_source_once_the_attempt_is_over() {
    let server = SourceServer::start().await;
    let url = server.put("/a", tagged(vec![1; 20 * MIB], "a"));
    let (client, url) = (client(&server), SourceUrl::parse(&url).unwrap());
    let deadline = Instant::now() + Duration::from_secs(60);
    let opened = client.fetch_start(&url, 256 << 10, 4 << 30, deadline).await.unwrap();
    let validator = opened.validator.unwrap();
    let origin = Origin::Web { client: client.into(), url: Box::new(url), validator };
    let place = Place { origin, size_bytes: 20 * MIB as u64, deadline };
    let over = CancellationToken::new();
    let file = tempfile::tempfile().unwrap();
    let far = Arc::new(Far::new(place, file, (Coming::Web(opened.body), 256 << 10), over.clone()));
    server.put("/a", Source::hanging());
    let waiting = tokio::spawn({
        let far = Arc::clone(&far);
        async move { read(&far, 10 << 20, 10).await }
    });
    over.cancel();
    assert!(waiting.await.unwrap().is_err());
}

#[tokio::test]
async fn a_server_without_ranges_sends_all_and_an_empty_source_is_empty() {
    let server = SourceServer::start().await;
    let client = client(&server);
    let deadline = Instant::now() + Duration::from_secs(60);
    for (source, expected) in [
        (tagged(vec![1; 2 * MIB], "a").without_ranges(), 2 * MIB),
        (tagged(vec![1; 1_000], "a"), 1_000),
        (tagged(Vec::new(), "a"), 0),
    ] {
        let url = SourceUrl::parse(&server.put("/a", source)).unwrap();
        let opened = client.fetch_start(&url, 256 << 10, 4 << 20, deadline).await.unwrap();
        assert!(!opened.is_part());
        assert_eq!(opened.body.collect().await.unwrap().len(), expected);
    }
    let url = SourceUrl::parse(&server.put("/a", tagged(vec![1; 5 * MIB], "a"))).unwrap();
    let refused = client.fetch_start(&url, 256 << 10, 4 << 20, deadline).await;
    assert!(matches!(refused, Err(egress::Error::TooLarge { .. })));
}
