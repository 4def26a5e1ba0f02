//! Links: they work over plain HTTP, are the same for the same start, and cannot be bent.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use storage::{Bucket, Destination, Error, Network, Patience};
use url::Url;

use crate::world::{World, admin, destination, now, put, send};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_signed_get_serves_length_type_and_ranges() {
    let world = World::start().await;
    let bucket = world.bucket(admin()).await;
    put(&bucket, "job/a b+ü.jpg", b"0123456789").await.unwrap();
    let url = bucket.presign_get("job/a b+ü.jpg", now(), MINUTE).await.unwrap();
    let whole = send(Method::GET, &url, &[], b"").await;
    assert_eq!((whole.status.as_u16(), whole.text().as_str()), (200, "0123456789"));
    assert_eq!(whole.header("content-length"), "10");
    assert_eq!(whole.header("content-type"), "image/jpeg");
    for (range, status, body, content_range) in [
        ("bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("bytes=7-", 206, "789", "bytes 7-9/10"),
        ("bytes=-2", 206, "89", "bytes 8-9/10"),
    ] {
        let part = send(Method::GET, &url, &[("range".to_owned(), range.to_owned())], b"").await;
        assert_eq!((part.status.as_u16(), part.text().as_str()), (status, body), "{range}");
        assert_eq!(part.header("content-range"), content_range, "{range}");
    }
    let beyond = [("range".to_owned(), "bytes=10-".to_owned())];
    assert_eq!(send(Method::GET, &url, &beyond, b"").await.status, 416);
}

#[tokio::test]
async fn a_signed_put_stores_what_it_names_and_nothing_else() {
    let world = World::start().await;
    let bucket = world.bucket(admin()).await;
    let link = bucket.presign_put("in/a.jpg", "image/jpeg", 7, now(), MINUTE).await.unwrap();
    let stored = send(Method::PUT, &link.url, &link.headers, b"picture").await;
    assert_eq!(stored.status, 200, "{}", stored.text());
    let found = world.reader(admin()).await.get("in/a.jpg", 99).await.unwrap();
    assert_eq!((found.bytes, found.content_type.as_str()), (Bytes::from("picture"), "image/jpeg"));

    let other_type = [("content-type".to_owned(), "text/html".to_owned())];
    let other_key = replaced(&link.url, "a.jpg", "b.jpg");
    for (case, url, headers) in [
        ("another type", &link.url, other_type.as_slice()),
        ("another key", &other_key, link.headers.as_slice()),
    ] {
        assert_eq!(send(Method::PUT, url, headers, b"another").await.status, 403, "{case}");
    }
    let signed = |name: &String| name != "content-length";
    let longer: Vec<_> = link.headers.iter().filter(|(name, _)| signed(name)).cloned().collect();
    assert_ne!(longer, link.headers, "the size is signed");
    assert_eq!(send(Method::PUT, &link.url, &longer, b"pictures").await.status, 403);
    assert_eq!(send(Method::GET, &link.url, &link.headers, b"").await.status, 403);

    let mut wrong_sum = link.headers.clone();
    wrong_sum.push(("x-amz-checksum-sha256".to_owned(), format!("{}=", "A".repeat(43))));
    let refused = send(Method::PUT, &link.url, &wrong_sum, b"picture").await;
    assert!(refused.status == 400 && refused.text().contains("BadDigest"), "{}", refused.text());
}

fn replaced(url: &Url, from: &str, to: &str) -> Url {
    let text = url.as_str().replacen(from, to, 1);
    assert_ne!(text, url.as_str(), "{from}");
    text.parse().unwrap()
}

#[tokio::test]
async fn forged_and_expired_links_are_refused() {
    let world = World::start().await;
    let bucket = world.bucket(admin()).await;
    put(&bucket, "a.jpg", b"picture").await.unwrap();
    put(&bucket, "b.jpg", b"another").await.unwrap();
    let url = bucket.presign_get("a.jpg", now(), MINUTE).await.unwrap();
    let mut unsigned = url.clone();
    unsigned.set_query(None);
    let old = now() - SignedDuration::from_secs(120);
    let mut forger = destination(&world.endpoint, admin());
    forger.credentials.secret_key = "guessed".into();
    let forger = Bucket::open(forger, &world.network).await.unwrap();
    for (case, url) in [
        ("another key", replaced(&url, "a.jpg", "b.jpg")),
        ("a longer life", replaced(&url, "X-Amz-Expires=60", "X-Amz-Expires=600")),
        ("another access key", replaced(&url, "ADMINKEY", "WRITERKEY")),
        ("a wrong secret", forger.presign_get("a.jpg", now(), MINUTE).await.unwrap()),
        ("expired", bucket.presign_get("a.jpg", old, MINUTE).await.unwrap()),
        ("not signed", unsigned),
        ("not signed", bucket.object_url("a.jpg").unwrap()),
    ] {
        let refused = send(Method::GET, &url, &[], b"").await;
        assert_eq!(refused.status, 403, "{case}: {}", refused.text());
        assert!(!refused.text().contains("picture") && !refused.text().contains("another"));
    }
    assert_eq!(send(Method::PUT, &url, &[], b"x").await.status, 403);
    assert_eq!(send(Method::DELETE, &url, &[], b"").await.status, 403);
    assert_eq!(send(Method::GET, &url, &[], b"").await.text(), "picture");
}

#[tokio::test]
async fn the_same_start_gives_the_same_link_on_the_objects_own_url() {
    let network = Network::direct(Patience::default());
    let start: Timestamp = "2026-01-02T03:04:05.678Z".parse().unwrap();
    let aws = Destination {
        endpoint: None,
        region: "eu-west-1".to_owned(),
        path_style: false,
        ..destination("http://127.0.0.1:9", admin())
    };
    let dotted = Destination { bucket: "a.b.c".to_owned(), ..aws.clone() };
    let path = Destination { path_style: true, ..aws.clone() };
    let own = destination("http://127.0.0.1:9", admin());
    let named = Destination { path_style: false, ..destination("https://s3.example.com", admin()) };
    for given in [aws, dotted, path, own, named] {
        let bucket = Bucket::open(given, &network).await.unwrap();
        let first = bucket.presign_get("a/ü +~.jpg", start, MINUTE).await.unwrap();
        let again = bucket.presign_get("a/ü +~.jpg", start, MINUTE).await.unwrap();
        assert_eq!(first, again);
        assert!(first.as_str().contains("X-Amz-Date=20260102T030405Z"), "{first}");
        assert!(!first.as_str().contains("admin-secret"), "{first}");
        let later = start + SignedDuration::from_secs(1);
        assert_ne!(first, bucket.presign_get("a/ü +~.jpg", later, MINUTE).await.unwrap());
        let mut plain = first;
        plain.set_query(None);
        assert_eq!(plain, bucket.object_url("a/ü +~.jpg").unwrap());
    }
}

#[tokio::test]
async fn a_link_works_for_a_second_to_seven_days() {
    let network = Network::direct(Patience::default());
    let bucket = Bucket::open(destination("http://127.0.0.1:9", admin()), &network).await.unwrap();
    let week = Duration::from_secs(7 * 24 * 3_600);
    for expires in [Duration::ZERO, Duration::from_millis(999), week + Duration::from_secs(1)] {
        let refused = bucket.presign_get("a", now(), expires).await;
        assert!(matches!(refused, Err(Error::Expiry)), "{expires:?}");
    }
    assert!(bucket.presign_get("a", now(), week).await.is_ok());
    assert!(matches!(bucket.presign_get("../a", now(), MINUTE).await, Err(Error::Key(_))));
}
