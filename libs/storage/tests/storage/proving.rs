//! Whether a bucket is proven write-only, by real servers with real answers.

use domain::proof::{Access, Standing};
use http::Method;
use storage::{Destination, Error, Network, ObjectHeaders, PROBE_KEY, Patience, prove};

use crate::world::{Canned, World, admin, destination, keys, writer};

fn plain() -> ObjectHeaders {
    ObjectHeaders::default()
}

#[tokio::test]
async fn a_credential_that_may_only_write_is_proven_to() {
    let world = World::start().await;
    let proof =
        prove(destination(&world.endpoint, writer()), plain(), &world.network).await.unwrap();
    assert_eq!((proof.standing(), proof.put), (Standing::WriteOnly, Access::Allowed));
    let left = world.reader(admin()).await.get(PROBE_KEY, 4_096).await.unwrap();
    assert!(left.content_type.starts_with("text/plain"), "{left:?}");
    // Proven again, the probe is replaced and nothing piles up.
    let again =
        prove(destination(&world.endpoint, writer()), plain(), &world.network).await.unwrap();
    assert_eq!(again.standing(), Standing::WriteOnly);
    assert_eq!(world.reader(admin()).await.list("", 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_credential_that_may_more_is_found_out_and_the_probe_goes() {
    let world = World::start().await;
    let below = Destination { prefix: "a/".to_owned(), ..destination(&world.endpoint, admin()) };
    let proof = prove(below, plain(), &world.network).await.unwrap();
    assert_eq!(proof.standing(), Standing::Readable);
    assert_eq!(proof.excess(), ["GET", "HEAD", "LIST", "DELETE"]);
    assert!(world.reader(admin()).await.list("", 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_credential_that_nobody_knows_is_a_failure_and_no_proof() {
    let world = World::start().await;
    let stranger = destination(&world.endpoint, keys("NOBODY", "nothing"));
    let failed = prove(stranger, plain(), &world.network).await;
    assert!(matches!(failed, Err(Error::Credentials(_))), "{failed:?}");
}

#[tokio::test]
async fn listing_and_versions_are_tried_in_every_way_there_is() {
    // Reading is denied by key and allowed by version; the probe's version is told when it is put.
    let canned = Canned::telling(|request| {
        let query = request.head.uri.query().unwrap_or_default();
        let versioned = vec![("x-amz-version-id", "v1".to_owned())];
        match request.head.method {
            Method::PUT => (200, versioned),
            Method::GET if query.contains("versionId=v1") => (200, vec![]),
            _ => (403, vec![]),
        }
    })
    .await;
    let below = Destination { prefix: "a/".to_owned(), ..destination(&canned.endpoint, admin()) };
    let network = Network::direct(Patience::default());
    let proof = prove(below, plain(), &network).await.unwrap();
    assert_eq!(proof.excess(), ["GET"]);
    let lines: Vec<String> = canned.received().iter().map(|request| request.line()).collect();
    let has = |method: &str, parts: &[&str]| {
        let fits = |line: &&String| {
            line.starts_with(method) && parts.iter().all(|part| line.contains(part))
        };
        lines.iter().any(|line| fits(&line))
    };
    for (method, parts) in [
        ("HEAD /pictures/a/darkroom-probe.txt", vec![]),
        ("GET /pictures/", vec!["list-type=2", "prefix=a%2F"]),
        ("GET /pictures/", vec!["versions"]),
        ("DELETE /pictures/a/darkroom-probe.txt", vec!["versionId=v1"]),
    ] {
        assert!(has(method, &parts), "no {method} {parts:?} in {lines:?}");
    }
    let whole = lines.iter().any(|line| line.contains("list-type=2") && !line.contains("prefix"));
    assert!(whole, "the whole bucket was not listed: {lines:?}");
}
