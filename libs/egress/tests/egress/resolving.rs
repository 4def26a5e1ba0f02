//! Names: one forbidden answer refuses them all, and what was judged is what is connected to (N-2).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use egress::{Client, Error, Phase, Refusal, Resolve, Settings, SourceUrl, SystemResolver};
use tokio::io::AsyncWriteExt;

use crate::servers::{LOOPBACK, Names, Server, Silence, ip, ok, settings, soon};

/// Times that a name changes its mind.
const FLIPS: usize = 1_000;
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

async fn fetch(client: &Client, url: &str) -> Result<bytes::Bytes, Error> {
    client.fetch(&SourceUrl::parse(url).unwrap(), 1_000, soon()).await?.body.collect().await
}

/// The allowed server, and one beside it at the same port of another address that must see nobody.
async fn neighbours() -> (Server, Server) {
    let good = Server::answering(|_| ok("public")).await;
    let bad =
        Server::at(SocketAddr::from((ELSEWHERE, good.port())), None, |mut wire, _| async move {
            let _ = wire.write_all(ok("secret").as_bytes()).await;
        })
        .await;
    (good, bad)
}

#[tokio::test]
async fn a_rebinding_name_never_leads_to_where_it_was_not_judged() {
    let (good, bad) = neighbours().await;
    let names = Names::of(|_, query| match query % 4 {
        0 => vec![LOOPBACK.into()],
        1 => vec![ELSEWHERE.into()],
        2 => vec![LOOPBACK.into(), ELSEWHERE.into()],
        _ => vec![ip("::ffff:127.0.0.2")],
    });
    let client = Client::with_resolver(&settings(&[&good]), names.clone()).unwrap();
    let mut fetched = 0;
    for flip in 0..FLIPS {
        match fetch(&client, &format!("http://rebind.test:{}/", good.port())).await {
            Ok(body) => {
                assert_eq!(body, "public");
                fetched += 1;
            }
            Err(error) => assert!(matches!(error, Error::Forbidden(_)), "{flip}: {error:?}"),
        }
    }
    assert_eq!(names.queries(), FLIPS, "each new connection asks exactly once");
    assert_eq!((fetched, good.connections(), bad.connections()), (FLIPS.div_ceil(4), fetched, 0));
}

#[tokio::test]
async fn one_forbidden_answer_among_many_refuses_the_name() {
    let (good, bad) = neighbours().await;
    for (forbidden, at) in [("10.0.0.1", 0), ("::1", 3), ("169.254.169.254", 9), ("fd00::1", 5)] {
        let names = Names::of(move |_, _| {
            let mut answers: Vec<IpAddr> = vec![LOOPBACK.into(); 10];
            answers[at] = ip(forbidden);
            answers
        });
        let client = Client::with_resolver(&settings(&[&good]), names).unwrap();
        let error =
            fetch(&client, &format!("http://mixed.test:{}/", good.port())).await.unwrap_err();
        let Some(Refusal::Address { address, .. }) = error.refusal() else { panic!("{error:?}") };
        assert_eq!(*address, ip(forbidden));
    }
    let flood = Names::of(|_, _| vec![LOOPBACK.into(); 1_001]);
    let client = Client::with_resolver(&settings(&[&good]), flood).unwrap();
    let error = fetch(&client, &format!("http://flood.test:{}/", good.port())).await.unwrap_err();
    assert_eq!(error.refusal(), Some(&Refusal::TooManyAddresses(1_001)));
    assert_eq!((good.connections(), bad.connections()), (0, 0));
}

#[tokio::test]
async fn a_dead_address_does_not_keep_from_the_next_one() {
    let good = Server::answering(|_| ok("public")).await;
    let names = Names::of(|_, _| vec![ip("127.0.0.3"), ip("127.0.0.4"), LOOPBACK.into()]);
    let allow = format!("127.0.0.0/8:{}", good.port()).parse().unwrap();
    let client = Client::with_resolver(&Settings { allow, ..settings(&[]) }, names).unwrap();
    assert_eq!(
        fetch(&client, &format!("http://multi.test:{}/", good.port())).await.unwrap(),
        "public"
    );
}

#[tokio::test]
async fn names_without_addresses_or_servers_are_unreachable_and_silence_times_out() {
    let empty = Client::with_resolver(&Settings::default(), Names::of(|_, _| Vec::new())).unwrap();
    assert!(matches!(fetch(&empty, "http://none.test/").await, Err(Error::Unreachable(_))));
    let quick = Settings { connect_ms: 50, ..Settings::default() };
    let silent = Client::with_resolver(&quick, Arc::new(Silence)).unwrap();
    assert!(matches!(
        fetch(&silent, "http://silent.test/").await,
        Err(Error::Timeout(Phase::Connect))
    ));
    let gone = Server::forbidden().await;
    let client =
        Client::with_resolver(&settings(&[&gone]), Names::of(|_, _| vec![LOOPBACK.into()]))
            .unwrap();
    let url = gone.url("/");
    drop(gone);
    // The listener closes when its task has been cancelled, which takes a moment.
    let deadline = soon();
    while !matches!(fetch(&client, &url).await, Err(Error::Unreachable(_))) {
        assert!(tokio::time::Instant::now() < deadline);
    }
}

#[tokio::test]
async fn the_port_is_judged_before_anybody_is_asked() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&asked);
    let names = Names::of(move |_, _| {
        counting.fetch_add(1, Ordering::SeqCst);
        vec![ip("1.1.1.1")]
    });
    let client = Client::with_resolver(&Settings::default(), names).unwrap();
    for port in [22, 25, 6379, 4222, 11211, 65535] {
        let error = fetch(&client, &format!("http://public.test:{port}/")).await.unwrap_err();
        assert_eq!(error.refusal(), Some(&Refusal::Port(port)));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_system_resolver_knows_localhost_as_loopback() {
    let resolver = SystemResolver::new().unwrap();
    for name in ["localhost", "localhost.", "LOCALHOST"] {
        let answers = resolver.resolve(name).await.unwrap();
        assert!(
            !answers.is_empty() && answers.iter().all(IpAddr::is_loopback),
            "{name}: {answers:?}"
        );
    }
    let client = Client::new(&Settings::default()).unwrap();
    assert!(matches!(fetch(&client, "http://localhost/").await, Err(Error::Forbidden(_))));
}
