//! The client in an internet where every address answers, judged by who was called (N-1 to N-4, N-6, N-8).

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use egress::{Client, Error, Guard, HookUrl, Plaintext, PostError, Settings, SourceUrl, UrlError};
use http::HeaderMap;
use testkit::{Call, Internet, Question, Record, spellings};
use tokio::net::TcpStream;

use crate::servers::{answer, ip, ok, redirect, soon};

const PUBLIC: Ipv4Addr = Ipv4Addr::new(93, 184, 215, 14);
const PUBLIC_SIX: Ipv6Addr =
    Ipv6Addr::new(0x2606, 0x2800, 0x21f, 0xcb07, 0x6820, 0x80da, 0xaf6b, 0x8b2c);
/// Sends on to wherever its path says.
const REDIRECTING: Ipv4Addr = Ipv4Addr::new(151, 101, 1, 140);
const PERMITTED: [IpAddr; 3] =
    [IpAddr::V4(PUBLIC), IpAddr::V6(PUBLIC_SIX), IpAddr::V4(REDIRECTING)];
/// Times that a name changes its mind.
const FLIPS: usize = 1_000;

/// Why somebody was not called.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error(transparent)]
    Fetch(#[from] Error),
    #[error(transparent)]
    Post(#[from] PostError),
}

impl Failed {
    /// A URL that is none, a name that nobody has, or an address where nobody may be led.
    fn is_refusal(&self) -> bool {
        use Error::{Forbidden, InvalidUrl, Redirect, Unreachable};
        match self {
            Self::Url(_) => true,
            Self::Fetch(error) | Self::Post(PostError { error, .. }) => {
                matches!(error, Forbidden(_) | InvalidUrl(_) | Redirect(_) | Unreachable(_))
            }
        }
    }

    /// What a tenant is told of it.
    fn told(&self) -> String {
        match self {
            Self::Post(PostError { error, .. }) => error.to_string(),
            other => other.to_string(),
        }
    }
}

/// A way for a stranger to make us call an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Source,
    Redirect(u16),
    Webhook,
}

impl Entry {
    /// One of each; the status of the redirect goes round.
    fn all(round: usize) -> [Self; 3] {
        let status = [301, 302, 303, 307, 308][round % 5];
        [Self::Source, Self::Redirect(status), Self::Webhook]
    }

    /// Calls that happen although the target is refused.
    fn calls_on_the_way(self) -> u64 {
        u64::from(matches!(self, Self::Redirect(_)))
    }

    async fn take(self, client: &Client, url: &str) -> Result<(), Failed> {
        match self {
            Self::Source => fetch(client, url).await,
            Self::Redirect(status) => fetch(client, &redirecting(status, url)).await,
            Self::Webhook => {
                let hook = HookUrl::parse(url, Plaintext::Accepted)?;
                let body = Bytes::from_static(b"{}");
                client.post(&hook, HeaderMap::new(), body, Duration::from_secs(20)).await?;
                Ok(())
            }
        }
    }
}

async fn fetch(client: &Client, url: &str) -> Result<(), Failed> {
    let opened = client.fetch_start(&SourceUrl::parse(url)?, 1_000, 1_000, soon()).await?;
    opened.body.collect().await?;
    Ok(())
}

/// A URL that redirects to `url`.
fn redirecting(status: u16, url: &str) -> String {
    let mut coded = format!("http://{REDIRECTING}/to/{status}/");
    for byte in url.bytes() {
        write!(coded, "{byte:02x}").unwrap();
    }
    coded
}

fn answers(call: &Call) -> Vec<u8> {
    let mut parts = call.path().trim_start_matches('/').split('/');
    let answer = match (parts.next(), parts.next(), parts.next()) {
        (Some("to"), Some(status), Some(coded)) => {
            let byte = |at| u8::from_str_radix(&coded[at..at + 2], 16).unwrap();
            let location: Vec<u8> = (0..coded.len()).step_by(2).map(byte).collect();
            // A line break would end the header; parsers of URLs drop it anyway.
            let location = String::from_utf8(location).unwrap().replace('\n', "");
            redirect(status.parse().unwrap(), &location)
        }
        (Some("empty"), ..) => answer(204, "", ""),
        _ => ok("public"),
    };
    answer.into_bytes()
}

fn addresses(all: &[IpAddr]) -> Option<Vec<Record>> {
    Some(all.iter().copied().map(Record::Address).collect())
}

fn zone(question: &Question<'_>) -> Option<Vec<Record>> {
    match question.name {
        "public.test" => addresses(&[PUBLIC.into()]),
        "six.test" => addresses(&[PUBLIC_SIX.into()]),
        "both.test" => addresses(&[PUBLIC.into(), PUBLIC_SIX.into()]),
        "alias.test" => Some(vec![Record::Alias("public.test".to_owned())]),
        name => {
            let row = name.strip_suffix(".forbidden.test")?.parse::<usize>().ok()?;
            addresses(spellings::answers(PUBLIC.into()).get(row)?)
        }
    }
}

fn client() -> Client {
    Client::new(&Settings::default()).unwrap()
}

/// Takes every URL in by every way; none may lead to a connection but to who redirects.
async fn all_are_refused(internet: &Internet, urls: &[String]) -> usize {
    let client = client();
    let (mut cases, mut expected) = (0, Vec::new());
    for (round, url) in urls.iter().enumerate() {
        for entry in Entry::all(round) {
            let before = internet.opened();
            let failed = entry.take(&client, url).await.expect_err(url);
            let calls = internet.opened() - before;
            assert_eq!(calls, entry.calls_on_the_way(), "{entry:?} {url}: {failed:?}");
            assert!(failed.is_refusal(), "{entry:?} {url}: {failed:?}");
            expected.extend((calls == 1).then_some(SocketAddr::from((REDIRECTING, 80))));
            cases += 1;
        }
    }
    assert_eq!(internet.settled().await, expected);
    cases
}

#[tokio::test]
async fn no_spelling_of_a_forbidden_address_is_called() {
    const NAME: &str = "internet::no_spelling_of_a_forbidden_address_is_called";
    let Some(internet) = Internet::enter(NAME, &[], zone, answers).await else { return };
    let url = |(row, host)| format!("{}://{host}/", ["http", "https"][row % 2]);
    let urls: Vec<String> = spellings::forbidden().into_iter().enumerate().map(url).collect();
    let cases = all_are_refused(&internet, &urls).await;
    assert!(cases >= 3 * 1_300, "{cases}");
}

#[tokio::test]
async fn every_spelling_of_a_public_address_is_called_so_that_refusing_all_would_not_do() {
    const NAME: &str =
        "internet::every_spelling_of_a_public_address_is_called_so_that_refusing_all_would_not_do";
    let Some(internet) = Internet::enter(NAME, &[], zone, answers).await else { return };
    let client = client();
    let mut hosts = spellings::of(PUBLIC);
    hosts.extend(
        ["public.test", "six.test", "both.test", "alias.test", "PUBLIC.test."].map(str::to_owned),
    );
    hosts.push(format!("[{PUBLIC_SIX}]"));
    let mut called = Vec::new();
    for (round, host) in hosts.iter().enumerate() {
        for entry in Entry::all(round) {
            match entry.take(&client, &format!("http://{host}:8080/")).await {
                Ok(()) => called.push((entry, host.as_str())),
                Err(failed) => assert!(failed.is_refusal(), "{entry:?} {host}: {failed:?}"),
            }
        }
    }
    // Those that embed it in a tunnel's address are refused, those that are no number are no URL.
    let of = |way: Entry| called.iter().filter(|(entry, _)| *entry == way).count();
    let (sources, hooks) = (of(Entry::Source), of(Entry::Webhook));
    assert!(sources >= 45, "{called:?}");
    assert_eq!((hooks, called.len()), (sources, 3 * sources), "{called:?}");
    let reached: BTreeSet<IpAddr> = internet.settled().await.iter().map(SocketAddr::ip).collect();
    let nat64 = ip(&format!("64:ff9b::{PUBLIC}"));
    assert_eq!(reached, PERMITTED.into_iter().chain([nat64]).collect());
}

#[tokio::test]
async fn of_two_hosts_in_one_url_the_forbidden_one_is_never_called() {
    const NAME: &str = "internet::of_two_hosts_in_one_url_the_forbidden_one_is_never_called";
    let Some(internet) = Internet::enter(NAME, &[], zone, answers).await else { return };
    let client = client();
    let mut called = 0;
    for (round, four) in spellings::FORBIDDEN_V4.into_iter().enumerate() {
        for rest in spellings::confusing("public.test", four) {
            for scheme in ["http:", "HTTP:"] {
                for entry in Entry::all(round) {
                    called +=
                        usize::from(entry.take(&client, &format!("{scheme}{rest}")).await.is_ok());
                }
            }
        }
    }
    let reached = internet.settled().await;
    assert!(called > 20 && reached.len() > 20, "{called} of {}", reached.len());
    for to in reached {
        assert!(PERMITTED.contains(&to.ip()) && to.port() == 80, "{to}");
    }
}

#[tokio::test]
async fn a_name_is_refused_for_each_of_its_addresses() {
    const NAME: &str = "internet::a_name_is_refused_for_each_of_its_addresses";
    let Some(internet) = Internet::enter(NAME, &[], zone, answers).await else { return };
    let names = 0..spellings::answers(PUBLIC.into()).len();
    let urls: Vec<String> = names.map(|row| format!("http://{row}.forbidden.test/")).collect();
    let cases = all_are_refused(&internet, &urls).await;
    assert!(cases >= 3 * 400, "{cases}");
}

/// What a name means now, and whether it may be called while it means that.
fn flipped(turn: usize) -> (Vec<Record>, bool) {
    let address = |text| Record::Address(ip(text));
    let (four, six) = (Record::Address(PUBLIC.into()), Record::Address(PUBLIC_SIX.into()));
    match turn % 12 {
        0 | 11 => (vec![four], true),
        1 => (vec![address("10.0.0.1")], false),
        2 => (vec![four, address("10.0.0.1")], false),
        3 => (vec![address("169.254.169.254"), four], false),
        4 => (vec![four, address("::1")], false),
        5 => (vec![address("::ffff:169.254.169.254")], false),
        6 => (vec![address("64:ff9b::a00:1"), four], false),
        7 => (vec![four, six], true),
        8 => (vec![Record::Alias("inner.test".to_owned())], false),
        9 => (vec![Record::Alias("outer.test".to_owned())], true),
        _ => (vec![address("127.0.0.1")], false),
    }
}

#[tokio::test]
async fn a_name_that_flips_a_thousand_times_leads_only_to_where_it_was_judged() {
    const NAME: &str =
        "internet::a_name_that_flips_a_thousand_times_leads_only_to_where_it_was_judged";
    let zone = |question: &Question<'_>| match question.name {
        "rebind.test" => Some(flipped(question.before).0),
        "inner.test" => addresses(&[PUBLIC.into(), ip("192.168.0.1")]),
        "outer.test" => Some(vec![Record::Alias("public.test".to_owned())]),
        _ => zone(question),
    };
    let Some(internet) = Internet::enter(NAME, &[], zone, answers).await else { return };
    let client = client();
    let mut called = 0;
    for turn in 0..FLIPS {
        let before = internet.opened();
        let went = match turn % 2 {
            0 => Entry::Source.take(&client, "http://rebind.test/").await,
            _ => Entry::Webhook.take(&client, "http://rebind.test:8080/").await,
        };
        let (answer, permitted) = flipped(turn);
        assert_eq!(went.is_ok(), permitted, "{turn}: {answer:?}: {went:?}");
        assert_eq!(internet.opened() - before, u64::from(permitted), "{turn}: {answer:?}");
        called += usize::from(permitted);
    }
    assert_eq!(internet.asked("rebind.test"), 2 * FLIPS, "once per call and family");
    let reached = internet.settled().await;
    assert_eq!(reached.len(), called);
    assert!(reached.iter().all(|to| PERMITTED.contains(&to.ip())), "{reached:?}");
}

#[tokio::test]
async fn a_name_may_have_a_thousand_addresses_if_none_is_forbidden() {
    const NAME: &str = "internet::a_name_may_have_a_thousand_addresses_if_none_is_forbidden";
    let zone = |question: &Question<'_>| {
        let (count, forbidden) = match question.name {
            "thousand.test" => (1_000, None),
            "but-one.test" => (1_000, Some(777)),
            "more.test" => (1_001, None),
            _ => return None,
        };
        let address = |at: u32| match forbidden == Some(at) {
            true => Ipv4Addr::new(10, 1, 2, 3),
            false => Ipv4Addr::from_bits(PUBLIC.to_bits() - at % 6),
        };
        addresses(&(0..count).map(|at| address(at).into()).collect::<Vec<_>>())
    };
    let Some(internet) = Internet::enter(NAME, &[], zone, answers).await else { return };
    let client = client();
    for name in ["but-one.test", "more.test"] {
        for entry in [Entry::Source, Entry::Webhook] {
            let failed = entry.take(&client, &format!("http://{name}/")).await.unwrap_err();
            assert!(failed.is_refusal(), "{name}: {failed:?}");
        }
    }
    assert_eq!(internet.opened(), 0);
    Entry::Source.take(&client, "http://thousand.test/").await.unwrap();
    assert_eq!(internet.settled().await.len(), 1);
}

#[tokio::test]
async fn a_chain_of_redirects_ends_before_the_forbidden_hop() {
    const NAME: &str = "internet::a_chain_of_redirects_ends_before_the_forbidden_hop";
    let Some(internet) = Internet::enter(NAME, &[], zone, answers).await else { return };
    let client = client();
    let mut expected = 0;
    for status in [301, 302, 303, 307, 308] {
        for target in [
            "http://10.0.0.1/",
            "https://169.254.169.254/",
            "http://[::1]/",
            "http://0.forbidden.test/",
        ] {
            let mut url = target.to_owned();
            for hops in 1..=5 {
                url = redirecting(status, &url);
                let failed = fetch(&client, &url).await.unwrap_err();
                assert!(matches!(failed, Failed::Fetch(Error::Forbidden(_))), "{hops}: {failed:?}");
                expected += hops;
            }
        }
        let mut url = "http://public.test/".to_owned();
        for hops in 1..=6 {
            url = redirecting(status, &url);
            let went = fetch(&client, &url).await;
            assert_eq!(went.is_ok(), hops <= 5, "{status} {hops}: {went:?}");
            // The sixth redirect is told of, and not followed.
            expected += if hops <= 5 { hops + 1 } else { 6 };
        }
    }
    let reached = internet.settled().await;
    assert_eq!(reached.len(), expected);
    assert!(reached.iter().all(|to| PERMITTED.contains(&to.ip())));
}

#[tokio::test]
async fn a_source_that_moves_between_two_ranges_is_not_followed_to_a_private_network() {
    const NAME: &str =
        "internet::a_source_that_moves_between_two_ranges_is_not_followed_to_a_private_network";
    let zone = |question: &Question<'_>| match (question.name, question.before) {
        ("moving.test", 0) => addresses(&[PUBLIC.into()]),
        ("moving.test", _) => addresses(&[ip("10.0.0.1")]),
        _ => None,
    };
    let Some(internet) = Internet::enter(NAME, &[], zone, answers).await else { return };
    let client = client();
    let opened = client
        .fetch(&SourceUrl::parse("http://moving.test/film.mp4").unwrap(), 1_000, soon())
        .await
        .unwrap();
    let again = opened.final_url.clone();
    opened.body.collect().await.unwrap();
    let refused = client.fetch_range(&again, 3, 2, None, soon()).await.err().unwrap();
    assert!(matches!(refused, Error::Forbidden(_)), "{refused:?}");
    assert_eq!(internet.settled().await, [SocketAddr::from((PUBLIC, 80))]);
}

#[tokio::test]
async fn an_address_of_this_machine_is_refused_however_public_it_is() {
    const NAME: &str = "internet::an_address_of_this_machine_is_refused_however_public_it_is";
    let zone = |question: &Question<'_>| match question.name {
        "own.test" => addresses(&[ip("203.114.0.9")]),
        _ => zone(question),
    };
    let own = ["address add 203.114.0.9/32 dev lo"];
    let Some(internet) = Internet::enter(NAME, &own, zone, answers).await else { return };
    let mut urls = vec!["http://own.test/".to_owned()];
    // Those of the embedded forms that are called, and all else that means it.
    let own = spellings::of(Ipv4Addr::new(203, 114, 0, 9));
    urls.extend(own.iter().map(|host| format!("http://{host}/")));
    all_are_refused(&internet, &urls).await;
    fetch(&client(), "http://203.114.0.8/").await.unwrap();
}

#[tokio::test]
async fn open_closed_and_filtered_forbidden_targets_are_told_apart_by_nothing() {
    const NAME: &str =
        "internet::open_closed_and_filtered_forbidden_targets_are_told_apart_by_nothing";
    let filter = ["route add blackhole 10.66.0.0/16"];
    let Some(internet) = Internet::enter(NAME, &filter, zone, answers).await else { return };
    let client = client();
    let targets = [
        ("open", "http://10.0.0.1/"),
        ("open, by name", "http://0.forbidden.test/"),
        ("closed", "http://10.0.0.1:22/"),
        ("filtered", "http://10.66.0.1/"),
        ("metadata", "http://169.254.169.254/latest/meta-data/"),
        ("loopback", "https://localhost/"),
    ];
    let mut told = BTreeSet::new();
    for (_, url) in targets {
        for entry in [Entry::Source, Entry::Webhook] {
            told.insert(entry.take(&client, url).await.unwrap_err().told());
        }
    }
    assert_eq!(told.len(), 1, "{told:?}");
    // Nor by time: none was called, whatever is there.
    assert_eq!(internet.opened(), 0);
}

/// The routes that operators may put behind the guard.
const SECOND_LINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/egress.routes");

#[tokio::test]
async fn behind_the_second_line_whoever_does_not_ask_the_guard_gets_nowhere_either() {
    const NAME: &str =
        "internet::behind_the_second_line_whoever_does_not_ask_the_guard_gets_nowhere_either";
    let batch = format!("-batch {SECOND_LINE}");
    let Some(internet) = Internet::enter(NAME, &[&batch], zone, answers).await else { return };
    let guard = Guard::new(&Settings::default(), Vec::new());
    let routes = std::fs::read_to_string(SECOND_LINE).unwrap();
    let blocks = routes.lines().filter_map(|line| line.strip_prefix("route add blackhole "));
    let first = blocks.map(|block| ip(block.split('/').next().unwrap()));
    let forbidden: Vec<IpAddr> = spellings::FORBIDDEN_V4
        .into_iter()
        .map(IpAddr::V4)
        .chain(spellings::FORBIDDEN_V6.iter().map(|six| ip(six)))
        .chain(first)
        // Loopback leads to the namespace itself and nowhere else; so does an address of zeros.
        .filter(|address| !address.is_loopback() && !address.is_unspecified())
        .collect();
    assert!(forbidden.len() > 60, "{}", forbidden.len());
    for address in forbidden {
        assert!(guard.judge(address, 80).is_err(), "the guard admits {address}");
        let called = TcpStream::connect(SocketAddr::new(address, 80)).await;
        assert!(called.is_err(), "{address} is reached");
    }
    assert_eq!(internet.settled().await, []);
    for address in [IpAddr::V4(PUBLIC), IpAddr::V6(PUBLIC_SIX)] {
        TcpStream::connect(SocketAddr::new(address, 80)).await.unwrap();
    }
    let mut cases = BTreeSet::new();
    for answer in spellings::answers(PUBLIC.into()).concat() {
        // What IPv6 holds is judged by what it stands for; a packet goes by how it is written.
        let judged = guard.judge(answer, 80).is_ok();
        let routed = TcpStream::connect(SocketAddr::new(answer.to_canonical(), 80)).await.is_ok();
        cases.insert((judged, routed && !answer.to_canonical().is_loopback()));
    }
    assert!(!cases.contains(&(true, false)), "a route shuts out what the guard admits");
}
