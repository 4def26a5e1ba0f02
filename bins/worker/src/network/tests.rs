//! The way to customers' buckets, in an internet where every address answers (N-1 to N-4, D-8).

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use testkit::{Call, Internet, Question, Record, spellings};

use super::*;

const PUBLIC: Ipv4Addr = Ipv4Addr::new(93, 184, 215, 14);
/// Names that mean something different with every question are asked for so often.
const FLIPS: usize = 300;

fn place(endpoint: &str) -> Place {
    Place {
        endpoint: Some(endpoint.to_owned()),
        region: "us-east-1".to_owned(),
        bucket: "results".to_owned(),
        prefix: String::new(),
        path_style: true,
        bucket_owner: None,
        access_key_hint: String::new(),
    }
}

fn networks(allow: &str) -> Networks {
    let settings: egress::Settings = toml::from_str(&format!("allow = \"{allow}\"")).unwrap();
    let client = egress::Client::new(&settings).unwrap();
    Networks::new(client.gate().clone(), Patience { attempts: 1, ..Patience::default() })
}

async fn open(networks: &Networks, endpoint: &str) -> Result<storage::Bucket, storage::Error> {
    let own = place(endpoint);
    let target = storage::Destination {
        endpoint: own.endpoint.clone(),
        region: own.region.clone(),
        bucket: own.bucket.clone(),
        prefix: own.prefix.clone(),
        path_style: own.path_style,
        credentials: storage::Credentials {
            access_key: "key".to_owned(),
            secret_key: storage::Secret::from("secret".to_owned()),
            session_token: None,
            role: None,
        },
        encryption: storage::Encryption::None,
        bucket_owner: None,
    };
    storage::Bucket::open(target, &networks.to(&own)).await
}

async fn store(networks: &Networks, endpoint: &str) -> Result<(), storage::Error> {
    let object = storage::Object {
        key: "preview.jpg".to_owned(),
        content_type: "image/jpeg".to_owned(),
        headers: storage::ObjectHeaders::default(),
        body: bytes::Bytes::from_static(b"bytes").into(),
    };
    open(networks, endpoint).await?.put(object).await.map(drop)
}

fn zone(question: &Question<'_>) -> Option<Vec<Record>> {
    let addresses = |all: &[IpAddr]| Some(all.iter().copied().map(Record::Address).collect());
    match question.name {
        "public.test" => addresses(&[PUBLIC.into()]),
        "rebind.test" if question.before.is_multiple_of(3) => addresses(&[PUBLIC.into()]),
        "rebind.test" => addresses(&[Ipv4Addr::new(10, 0, 0, 1).into()]),
        name => {
            let row = name.strip_suffix(".forbidden.test")?.parse::<usize>().ok()?;
            addresses(spellings::answers(PUBLIC.into()).get(row)?)
        }
    }
}

/// Every bucket is elsewhere.
fn answers(call: &Call) -> Vec<u8> {
    let status = if call.to.port() == 8080 { 307 } else { 301 };
    format!(
        "HTTP/1.1 {status} Elsewhere\r\nLocation: http://169.254.169.254/latest/\r\n\
         x-amz-bucket-region: eu-west-1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    .into_bytes()
}

#[tokio::test]
async fn a_destination_is_judged_like_every_other_address() {
    let networks = networks("127.0.0.1/32:9000");
    for (endpoint, admitted) in [
        ("http://127.0.0.1:9000", true),
        ("http://127.0.0.1:9001", false),
        ("https://169.254.169.254", false),
        ("https://10.0.0.1", false),
        ("https://[::ffff:127.0.0.1]:443", false),
    ] {
        assert_eq!(open(&networks, endpoint).await.is_ok(), admitted, "{endpoint}");
    }
}

#[tokio::test]
async fn no_bucket_is_looked_for_at_a_forbidden_address_however_it_is_written_or_named() {
    const NAME: &str = "network::tests::no_bucket_is_looked_for_at_a_forbidden_address_however_it_is_written_or_named";
    let Some(internet) = Internet::enter(NAME, &[], zone, answers).await else { return };
    let networks = networks("");
    let mut hosts = spellings::forbidden();
    let names = 0..spellings::answers(PUBLIC.into()).len();
    hosts.extend(names.map(|row| format!("{row}.forbidden.test")));
    assert!(hosts.len() >= 1_500, "{}", hosts.len());
    for host in &hosts {
        // Without TLS only loopback is an endpoint at all.
        for scheme in ["https", "http"] {
            let error = store(&networks, &format!("{scheme}://{host}")).await.expect_err(host);
            assert_eq!(internet.opened(), 0, "{scheme}://{host}: {error:?}");
        }
    }
    for confusing in spellings::confusing("public.test", Ipv4Addr::new(10, 0, 0, 1)) {
        store(&networks, &format!("https:{confusing}")).await.expect_err(&confusing);
    }
    let reached = internet.settled().await;
    assert!(reached.iter().all(|to| to.ip() == PUBLIC), "{reached:?}");
}

#[tokio::test]
async fn every_spelling_of_a_public_address_leads_to_its_bucket() {
    const NAME: &str = "network::tests::every_spelling_of_a_public_address_leads_to_its_bucket";
    let Some(internet) = Internet::enter(NAME, &[], zone, answers).await else { return };
    let networks = networks("");
    let mut hosts = spellings::of(PUBLIC);
    hosts.push("public.test".to_owned());
    for host in &hosts {
        // Nobody speaks TLS there; that somebody was asked is what counts.
        store(&networks, &format!("https://{host}")).await.expect_err(host);
    }
    let reached = internet.settled().await;
    // All but the IPv4-mapped ones, which are refused here: what was judged is not how they are written.
    assert!(reached.len() >= 37, "{}", reached.len());
    let nat64: IpAddr = format!("64:ff9b::{PUBLIC}").parse().unwrap();
    let expected = [PUBLIC.into(), nat64].map(|ip: IpAddr| SocketAddr::new(ip, 443));
    assert_eq!(reached.into_iter().collect::<BTreeSet<_>>(), expected.into());
}

#[tokio::test]
async fn a_bucket_whose_name_flips_is_only_looked_for_where_it_was_judged() {
    const NAME: &str =
        "network::tests::a_bucket_whose_name_flips_is_only_looked_for_where_it_was_judged";
    let Some(internet) = Internet::enter(NAME, &[], zone, answers).await else { return };
    let networks = networks("");
    for turn in 0..FLIPS {
        let before = internet.opened();
        store(&networks, "https://rebind.test").await.expect_err("nobody speaks TLS there");
        assert_eq!(internet.opened() - before, u64::from(turn % 3 == 0), "{turn}");
    }
    let reached = internet.settled().await;
    assert!(reached.iter().all(|to| to.ip() == PUBLIC), "{reached:?}");
}

#[tokio::test]
async fn a_bucket_that_is_elsewhere_is_not_followed() {
    const NAME: &str = "network::tests::a_bucket_that_is_elsewhere_is_not_followed";
    let Some(internet) = Internet::enter(NAME, &[], zone, answers).await else { return };
    // Two S3 servers on loopback that the operator admits.
    let admitted = ["127.0.0.1:8080", "127.0.0.1:8443"];
    let networks = networks("127.0.0.1/32:8080,127.0.0.1/32:8443");
    for address in admitted {
        store(&networks, &format!("http://{address}")).await.expect_err("it is elsewhere");
    }
    let expected = admitted.map(|address| address.parse::<SocketAddr>().unwrap());
    assert_eq!(internet.settled().await, expected);
}
