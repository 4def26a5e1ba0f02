//! The guard: against an oracle that shares nothing with it, at every boundary, and by every reason (N-3, N-8).

use std::net::{IpAddr, Ipv6Addr};

use egress::{Guard, Reason, Settings, SourceUrl, Tier};

use crate::servers::{Names, Server, ip, soon};

/// Random addresses judged, of each family.
const RANDOM_ADDRESSES: u32 = 1_000_000;

fn guard(allow: &str) -> Guard {
    Guard::new(&Settings { allow: allow.parse().unwrap(), ..Settings::default() }, Vec::new())
}

/// What is not global, as masks over 128 bits with IPv4 at ::ffff:0:0/96, written down a second time.
const NOT_GLOBAL: &[(&str, u32)] = &[
    ("0.0.0.0", 8),
    ("10.0.0.0", 8),
    ("100.64.0.0", 10),
    ("127.0.0.0", 8),
    ("168.63.129.16", 32),
    ("169.254.0.0", 16),
    ("172.16.0.0", 12),
    ("192.0.0.0", 24),
    ("192.0.2.0", 24),
    ("192.31.196.0", 24),
    ("192.52.193.0", 24),
    ("192.88.99.0", 24),
    ("192.168.0.0", 16),
    ("192.175.48.0", 24),
    ("198.18.0.0", 15),
    ("198.51.100.0", 24),
    ("203.0.113.0", 24),
    ("224.0.0.0", 3),
    ("::", 3),
    ("2001::", 23),
    ("2001:db8::", 32),
    ("2002::", 16),
    ("2620:4f:8000::", 48),
    ("3fff::", 20),
    ("4000::", 2),
    ("8000::", 1),
];

struct Oracle(Vec<(u128, u128)>);

impl Oracle {
    fn new() -> Self {
        Self(
            NOT_GLOBAL
                .iter()
                .map(|(base, bits)| {
                    let (base, bits) = match ip(base) {
                        IpAddr::V4(four) => (mapped(four.to_bits()), bits + 96),
                        IpAddr::V6(six) => (six.to_bits(), *bits),
                    };
                    (base, mask(bits))
                })
                .collect(),
        )
    }

    fn is_global(&self, address: u128) -> bool {
        const MAPPED: u128 = 0xffff << 32;
        const NAT64: u128 = 0x0064_ff9b << 96;
        let low = address & 0xffff_ffff;
        if address ^ low == NAT64 {
            return self.is_global(MAPPED | low);
        }
        let isatap = (address >> 32) & 0xfcff_ffff == 0x5efe && address >> 125 == 1;
        let four = address ^ low == MAPPED;
        // The blocks of IPv6 do not hold the mapped addresses, which stand for IPv4.
        let listed = self.0.iter().any(|(base, mask)| {
            let lists_four = base ^ (base & 0xffff_ffff) == MAPPED && *mask >= mask_of_four();
            lists_four == four && address & mask == *base
        });
        !listed && !isatap
    }
}

fn mask(bits: u32) -> u128 {
    if bits == 0 { 0 } else { u128::MAX << (128 - bits) }
}

fn mask_of_four() -> u128 {
    mask(96)
}

fn mapped(four: u32) -> u128 {
    (0xffff << 32) | u128::from(four)
}

/// As its own family would have it: a mapped address as IPv6, too.
fn agrees(guard: &Guard, oracle: &Oracle, address: u128) {
    let six = Ipv6Addr::from_bits(address);
    let expected = oracle.is_global(address);
    assert_eq!(guard.judge(six.into(), 443).is_ok(), expected, "{six}");
    if let Some(four) = six.to_ipv4_mapped() {
        assert_eq!(guard.judge(four.into(), 443).is_ok(), expected, "{four}");
    }
}

/// SplitMix64: the same numbers on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn wide(&mut self) -> u128 {
        (u128::from(self.next()) << 64) | u128::from(self.next())
    }
}

#[test]
fn random_addresses_are_judged_as_the_oracle_judges_them() {
    let (guard, oracle, mut random) = (guard(""), Oracle::new(), Random(7));
    for round in 0..RANDOM_ADDRESSES {
        agrees(&guard, &oracle, mapped(random.next() as u32));
        let any = random.wide();
        agrees(
            &guard,
            &oracle,
            match round % 4 {
                // Anywhere; global unicast; within a listed block; NAT64 and ISATAP.
                0 => any,
                1 => (any >> 3) | (1 << 125),
                2 => {
                    let (base, mask) = oracle.0[random.next() as usize % oracle.0.len()];
                    base | (any & !mask)
                }
                _ if round % 8 == 3 => (0x0064_ff9b << 96) | (any & 0xffff_ffff),
                _ => (((any >> 3) | (1 << 125)) & !(0xfcff_ffff << 32)) | (0x5efe << 32),
            },
        );
    }
}

#[test]
fn every_boundary_of_every_block_is_judged_as_the_oracle_judges_it() {
    let (guard, oracle) = (guard(""), Oracle::new());
    let extra = [
        "64:ff9b::",
        "64:ff9b:1::",
        "fc00::",
        "fe80::",
        "fec0::",
        "ff00::",
        "100::",
        "2001:20::",
        "5f00::",
    ];
    let edges = oracle.0.iter().copied().chain(extra.iter().map(|base| {
        let IpAddr::V6(six) = ip(base) else { panic!("{base}") };
        (six.to_bits(), mask(96))
    }));
    for (base, mask) in edges {
        for edge in [base, base | !mask] {
            for address in [edge.wrapping_sub(1), edge, edge.wrapping_add(1)] {
                agrees(&guard, &oracle, address);
            }
        }
    }
}

#[test]
fn each_reason_is_the_right_one() {
    let table: &[(&str, Reason)] = &[
        ("127.0.0.1", Reason::Loopback),
        ("127.255.255.255", Reason::Loopback),
        ("::1", Reason::Loopback),
        ("::ffff:127.0.0.1", Reason::Loopback),
        ("64:ff9b::127.0.0.1", Reason::Loopback),
        ("169.254.0.1", Reason::LinkLocal),
        ("fe80::1", Reason::LinkLocal),
        ("fec0::1", Reason::LinkLocal),
        ("169.254.169.254", Reason::Metadata),
        ("::ffff:169.254.169.254", Reason::Metadata),
        ("64:ff9b::a9fe:a9fe", Reason::Metadata),
        ("fd00:ec2::254", Reason::Metadata),
        ("fd20:ce::254", Reason::Metadata),
        ("100.100.100.200", Reason::Metadata),
        ("168.63.129.16", Reason::Metadata),
        ("192.0.0.192", Reason::Metadata),
        ("0.0.0.0", Reason::Unspecified),
        ("::", Reason::Unspecified),
        ("224.0.0.1", Reason::Multicast),
        ("ff02::1", Reason::Multicast),
        ("255.255.255.255", Reason::Reserved),
        ("64:ff9b:1::1", Reason::Reserved),
        ("::127.0.0.1", Reason::Reserved),
        ("::ffff:0:127.0.0.1", Reason::Reserved),
        ("2001:db8::1", Reason::Reserved),
        ("4000::1", Reason::Reserved),
        ("2002:7f00:1::1", Reason::Embedding),
        ("2001:0:7f00:1::1", Reason::Embedding),
        ("2a00::5efe:7f00:1", Reason::Embedding),
        ("2a00::200:5efe:7f00:1", Reason::Embedding),
        ("10.0.0.1", Reason::Private),
        ("172.31.255.255", Reason::Private),
        ("192.168.0.1", Reason::Private),
        ("100.64.0.1", Reason::SharedSpace),
        ("fc00::1", Reason::UniqueLocal),
        ("fd12:3456::1", Reason::UniqueLocal),
    ];
    for (address, reason) in table {
        assert_eq!(guard("").judge(ip(address), 443), Err(*reason), "{address}");
    }
    for address in [
        "1.1.1.1",
        "8.8.8.8",
        "172.32.0.1",
        "2606:4700:4700::1111",
        "64:ff9b::8.8.8.8",
        "::ffff:1.1.1.1",
    ] {
        assert_eq!(guard("").judge(ip(address), 443), Ok(()), "{address}");
    }
}

#[test]
fn the_operator_admits_private_networks_by_any_entry_and_loopback_by_name_alone() {
    let table: &[(&str, &str, u16, Result<(), Reason>)] = &[
        ("", "1.1.1.1", 443, Ok(())),
        ("", "1.1.1.1", 22, Err(Reason::Port)),
        ("1.1.1.1:22", "1.1.1.1", 22, Ok(())),
        ("1.1.1.1:22", "1.1.1.1", 443, Ok(())),
        ("1.1.1.1:22", "1.1.1.2", 22, Err(Reason::Port)),
        ("10.1.0.0/16", "10.1.2.3", 443, Ok(())),
        ("10.1.0.0/16", "10.1.2.3", 9000, Err(Reason::Private)),
        ("10.1.0.0/16:9000", "10.1.2.3", 9000, Ok(())),
        ("10.1.0.0/16:9000", "10.1.2.3", 443, Err(Reason::Private)),
        ("10.1.0.0/16", "10.2.0.1", 443, Err(Reason::Private)),
        ("10.1.0.0/16", "::ffff:10.1.2.3", 443, Ok(())),
        ("0.0.0.0/0", "192.168.1.1", 443, Ok(())),
        ("0.0.0.0/0", "100.64.1.1", 443, Ok(())),
        ("0.0.0.0/0", "127.0.0.1", 443, Err(Reason::Loopback)),
        ("0.0.0.0/0", "169.254.169.254", 80, Err(Reason::Metadata)),
        ("0.0.0.0/0", "168.63.129.16", 80, Err(Reason::Metadata)),
        ("0.0.0.0/0", "198.18.0.1", 80, Err(Reason::Reserved)),
        ("169.254.0.0/16", "169.254.1.1", 80, Err(Reason::LinkLocal)),
        ("169.254.169.254/32:80", "169.254.169.254", 80, Err(Reason::Metadata)),
        ("100.64.0.0/10", "100.100.100.200", 80, Err(Reason::Metadata)),
        ("fd00::/8", "fd00:ec2::254", 80, Err(Reason::Metadata)),
        ("fd00::/8", "fd12::1", 80, Ok(())),
        ("fd00::/8:9000", "fd12::1", 9000, Ok(())),
        ("127.0.0.1/32:8099", "127.0.0.1", 8099, Ok(())),
        ("127.0.0.1/32:8099", "127.0.0.1", 8080, Err(Reason::Loopback)),
        ("127.0.0.1/32:8099", "127.0.0.2", 8099, Err(Reason::Loopback)),
        ("127.0.0.0/8", "127.9.9.9", 8080, Ok(())),
        ("126.0.0.0/7:8080", "127.0.0.1", 8080, Err(Reason::Loopback)),
        ("[::1]:8099", "::1", 8099, Ok(())),
        ("::1", "::1", 8080, Ok(())),
        ("::/0", "::1", 8080, Err(Reason::Loopback)),
    ];
    for (allow, address, port, expected) in table {
        assert_eq!(guard(allow).judge(ip(address), *port), *expected, "{allow:?} {address} {port}");
    }
}

#[test]
fn own_and_denied_addresses_are_refused_even_if_public() {
    let settings =
        Settings { deny: "9.9.9.0/24,8.8.4.4:443".parse().unwrap(), ..Settings::default() };
    let guard = Guard::new(&settings, vec![ip("1.2.3.4")]);
    assert_eq!(guard.judge(ip("1.2.3.4"), 443), Err(Reason::OwnAddress));
    assert_eq!(guard.judge(ip("::ffff:1.2.3.4"), 443), Err(Reason::OwnAddress));
    assert_eq!(guard.judge(ip("64:ff9b::1.2.3.4"), 443), Err(Reason::OwnAddress));
    assert_eq!(guard.judge(ip("9.9.9.9"), 443), Err(Reason::Denied));
    assert_eq!(guard.judge(ip("8.8.4.4"), 443), Err(Reason::Denied));
    assert_eq!(guard.judge(ip("8.8.4.4"), 80), Ok(()));
    let settings = Settings { allow: "1.2.3.4".parse().unwrap(), ..settings };
    assert_eq!(Guard::new(&settings, vec![ip("1.2.3.4")]).judge(ip("1.2.3.4"), 443), Ok(()));
    assert_eq!(Reason::OwnAddress.tier(), Tier::Private);
}

#[test]
fn a_list_reads_from_text_and_from_a_list_and_names_its_bad_entry() {
    let text: Settings =
        serde_json::from_str(r#"{"allow": " 127.0.0.1/32:8099, 10.1.0.0/16 ,fd00::/8:80"}"#)
            .unwrap();
    let list: Settings =
        serde_json::from_str(r#"{"allow": ["127.0.0.1/32:8099", "10.1.0.0/16", "fd00::/8:80"]}"#)
            .unwrap();
    assert_eq!(text, list);
    let written = serde_json::to_value(&text).unwrap();
    assert_eq!(
        written["allow"],
        serde_json::json!(["127.0.0.1/32:8099", "10.1.0.0/16", "fd00::/8:80"])
    );
    assert_eq!(serde_json::from_value::<Settings>(written).unwrap(), text);
    for (bad, rule) in [
        ("localhost:80", "not an IP address"),
        ("10.1.0.0/33", "not a prefix length"),
        ("10.1.0.0/+8", "not a prefix length"),
        ("10.1.0.0/", "not a prefix length"),
        ("10.1.0.5/16", "bits set beyond"),
        ("10.1.0.0/16:0", "not a port"),
        ("10.1.0.0/16:", "not a port"),
        ("10.1.0.0/16:65536", "not a port"),
        ("fd00::1/8", "bits set beyond"),
        ("::ffff:10.0.0.0/104", "IPv4-mapped"),
        ("010.0.0.1", "not an IP address"),
        ("*", "not an IP address"),
    ] {
        let error = serde_json::from_value::<Settings>(
            serde_json::json!({"allow": format!("10.0.0.0/8,{bad}")}),
        )
        .unwrap_err()
        .to_string();
        assert!(error.contains(&format!("\"{bad}\"")) && error.contains(rule), "{bad}: {error}");
    }
    assert!(serde_json::from_str::<Settings>(r#"{"alow": ""}"#).is_err());
}

#[tokio::test]
async fn forbidden_targets_cannot_be_told_apart_by_what_tenants_are_told() {
    let open = Server::forbidden().await;
    let client =
        egress::Client::with_resolver(&Settings::default(), Names::of(|_, _| vec![ip("10.0.0.1")]))
            .unwrap();
    let targets = [
        format!("http://127.0.0.1:{}/", open.port()),
        "http://127.0.0.1:8080/".to_owned(),
        "http://169.254.169.254/latest/".to_owned(),
        "http://1.1.1.1:22/".to_owned(),
        "http://intranet.test/".to_owned(),
        "http://[::1]/".to_owned(),
    ];
    for target in targets {
        let error =
            client.fetch(&SourceUrl::parse(&target).unwrap(), 1, soon()).await.err().unwrap();
        assert_eq!(error.to_string(), "the address is not one that may be contacted", "{target}");
        assert!(std::error::Error::source(&error).is_none(), "{target}");
        assert!(error.refusal().is_some(), "{target}");
    }
    assert_eq!(open.connections(), 0);
}
