//! What becomes of a request that fails: the right kind, in time, and without a secret in it.

use std::{
    error::Error as _,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use storage::{Bucket, Destination, Error, Network, Patience, Resolve};
use tokio::net::TcpListener;

use crate::world::{BUCKET, Canned, HASTE, World, admin, destination, keys, put};

#[tokio::test]
async fn wrong_credentials_are_told_from_a_policy_that_denies() {
    let world = World::start().await;
    for credentials in [keys("ADMINKEY", "wrong"), keys("NOBODY", "admin-secret-5f1c")] {
        let refused = put(&world.bucket(credentials).await, "a", b"1").await;
        assert!(matches!(refused, Err(Error::Credentials(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn a_missing_bucket_is_missing_and_is_not_made() {
    let world = World::start().await;
    let elsewhere =
        Destination { bucket: "elsewhere".to_owned(), ..destination(&world.endpoint, admin()) };
    let bucket = Bucket::open(elsewhere, &world.network).await.unwrap();
    let missing = put(&bucket, "a", b"1").await;
    assert!(matches!(missing, Err(Error::MissingBucket(_))), "{missing:?}");
    assert!(!world.data.path().join("elsewhere").exists());
    assert!(world.data.path().join(BUCKET).exists());
}

#[tokio::test]
async fn answers_are_told_apart_through_the_client_itself() {
    macro_rules! answers {
        ($($status:literal $code:literal => $kind:pat),+ $(,)?) => {$({
            let canned = Canned::start(|_| {
                let body = format!(
                    "<?xml version=\"1.0\"?><Error><Code>{}</Code><Message>ADMINKEY admin-secret-5f1c</Message></Error>",
                    $code
                );
                ($status, body)
            })
            .await;
            let failed = put(&canned.bucket().await, "a", b"1").await.unwrap_err();
            assert!(matches!(failed, $kind), "{} {}: {failed:?}", $status, $code);
            assert_silent(&failed);
        })+};
    }
    answers! {
        403 "AccessDenied" => Error::Denied(_),
        403 "SignatureDoesNotMatch" => Error::Credentials(_),
        403 "InvalidAccessKeyId" => Error::Credentials(_),
        404 "NoSuchBucket" => Error::MissingBucket(_),
        403 "QuotaExceeded" => Error::Full(_),
        507 "XMinioStorageFull" => Error::Full(_),
        503 "SlowDown" => Error::Unavailable(_),
        500 "InternalError" => Error::Unavailable(_),
        400 "InvalidArgument" => Error::Invalid(_),
        301 "PermanentRedirect" => Error::Invalid(_),
        403 "RequestTimeTooSkewed" => Error::ClockSkew(_),
    }
    let garbage = Canned::start(|_| (502, "<html>Bad Gateway</html>".to_owned())).await;
    let failed = put(&garbage.bucket().await, "a", b"1").await;
    assert!(matches!(failed, Err(Error::Unavailable(_))), "{failed:?}");
}

/// No part of an error, however printed, may quote credentials, even ones that the server echoed.
fn assert_silent(error: &Error) {
    let mut texts = vec![format!("{error:?} {error}")];
    let mut next = error.source();
    while let Some(source) = next {
        texts.push(format!("{source:?} {source}"));
        next = source.source();
    }
    for text in texts {
        assert!(!text.contains("admin-secret-5f1c") && !text.contains("ADMINKEY"), "{text}");
    }
}

#[tokio::test]
async fn a_dead_endpoint_is_found_unreachable_or_slow_in_time() {
    let refusing = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    // Connections are taken by the system, and nobody ever answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_endpoint = format!("http://{}", silent.local_addr().unwrap());
    let network = Network::direct(HASTE);
    for (endpoint, slow) in [(refusing, false), (silent_endpoint, true)] {
        let bucket = Bucket::open(destination(&endpoint, admin()), &network).await.unwrap();
        let started = Instant::now();
        let failed = put(&bucket, "a", b"1").await.unwrap_err();
        match (&failed, slow) {
            (Error::Slow { .. }, true) => {}
            (Error::Unreachable { .. }, false) => assert!(failed.source().is_some()),
            _ => panic!("{failed:?}"),
        }
        assert_silent(&failed);
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }
}

/// Answers every name with the same address, or refuses all.
#[derive(Debug)]
struct Guard(Option<IpAddr>);

impl Resolve for Guard {
    fn resolve<'a>(
        &'a self,
        _host: &'a str,
    ) -> BoxFuture<'a, Result<Vec<IpAddr>, Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(async move { self.0.map(|address| vec![address]).ok_or("refused".into()) })
    }
}

#[tokio::test]
async fn a_guarded_network_reaches_only_what_its_resolver_answers() {
    let world = World::start().await;
    let port = world.endpoint.rsplit(':').next().unwrap();
    let by_name = destination(&format!("http://localhost:{port}"), admin());
    let by_address = destination(&world.endpoint, admin());
    let guarded = |address: Option<&str>| {
        let guard = Guard(address.map(|address| address.parse().unwrap()));
        Network::through(Arc::new(guard), Patience { attempts: 1, ..HASTE })
    };

    let open = guarded(Some("127.0.0.1"));
    for destination in [&by_name, &by_address] {
        let bucket = Bucket::open(destination.clone(), &open).await.unwrap();
        put(&bucket, "a", b"1").await.unwrap();
    }

    let shut = guarded(None);
    let bucket = Bucket::open(by_name, &shut).await.unwrap();
    let refused = put(&bucket, "a", b"1").await;
    assert!(matches!(refused, Err(Error::Unreachable { .. })), "{refused:?}");
    for network in [shut, guarded(Some("127.0.0.2"))] {
        let refused = Bucket::open(by_address.clone(), &network).await;
        assert!(matches!(refused, Err(Error::Forbidden(_))), "{refused:?}");
    }
}
