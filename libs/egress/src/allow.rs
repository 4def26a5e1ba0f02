//! The operator's lists of networks: `127.0.0.1/32:8099,10.1.0.0/16`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::registry::{v4_within, v6_within};

/// How many entries a list may hold; each connection looks at all of them.
const ENTRIES_MAX: usize = 1_000;

/// An entry that could not be read; names it and the rule that it breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{entry}\": {rule} (expected a network such as 10.1.0.0/16, or with a port 127.0.0.1/32:8099)"
)]
pub struct BadEntry {
    entry: String,
    rule: &'static str,
}

/// A block of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether `ip` lies in it.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.base, ip) {
            (IpAddr::V4(base), IpAddr::V4(ip)) => v4_within(ip, base, self.bits),
            (IpAddr::V6(base), IpAddr::V6(ip)) => v6_within(ip, base, self.bits),
            _ => false,
        }
    }

    /// Whether every address in it is a loopback address, so that it cannot have meant anything else.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.base {
            IpAddr::V4(base) => self.bits >= 8 && base.is_loopback(),
            IpAddr::V6(base) => self.bits == 128 && base == Ipv6Addr::LOCALHOST,
        }
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base, Some(bits)),
            None => (text, None),
        };
        let base: IpAddr = unbracketed(base).parse().or(Err("not an IP address"))?;
        if base != base.to_canonical() {
            return Err("an IPv4-mapped address; write the IPv4 address");
        }
        let width = if base.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => width,
            Some(bits) => parse_digits::<u8>(bits)
                .filter(|bits| *bits <= width)
                .ok_or("not a prefix length")?,
        };
        let network = Self { base, bits };
        if network.first() != base {
            return Err("has bits set beyond its prefix length");
        }
        Ok(network)
    }

    fn first(&self) -> IpAddr {
        let drop = |width: u8| u32::from(width.saturating_sub(self.bits));
        match self.base {
            IpAddr::V4(base) => {
                let mask = u32::MAX.checked_shl(drop(32)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(base.to_bits() & mask))
            }
            IpAddr::V6(base) => {
                let mask = u128::MAX.checked_shl(drop(128)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(base.to_bits() & mask))
            }
        }
    }
}

/// A network, and the one port it is meant for, if it names one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    network: Network,
    port: Option<u16>,
}

impl Entry {
    /// The network it names.
    #[must_use]
    pub fn network(&self) -> Network {
        self.network
    }

    /// The port it names.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether its network holds `ip`.
    #[must_use]
    pub fn covers(&self, ip: IpAddr) -> bool {
        self.network.contains(ip)
    }
}

impl FromStr for Entry {
    type Err = BadEntry;

    fn from_str(text: &str) -> Result<Self, BadEntry> {
        let bad = |rule| BadEntry { entry: text.to_owned(), rule };
        let (network, port) = split_port(text);
        let port = match port {
            None => None,
            Some(port) => Some(
                parse_digits::<u16>(port)
                    .filter(|port| *port != 0)
                    .ok_or_else(|| bad("not a port"))?,
            ),
        };
        Ok(Self { network: Network::parse(network).map_err(bad)?, port })
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network.base, self.network.bits)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Splits `network:port`. Colons before a `/` or within brackets belong to an IPv6 address.
fn split_port(text: &str) -> (&str, Option<&str>) {
    if text.parse::<Ipv6Addr>().is_ok() {
        return (text, None);
    }
    let from = text.find(['/', ']']).unwrap_or(0);
    let colon = text.get(from..).and_then(|rest| rest.find(':')).map(|at| from + at);
    match colon.and_then(|at| text.split_at_checked(at)) {
        Some((network, port)) => (network, port.strip_prefix(':')),
        None => (text, None),
    }
}

fn unbracketed(text: &str) -> &str {
    text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text)
}

/// Digits only: `+1`, which `parse` would take, is not a number that anybody meant.
fn parse_digits<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A list of [`Entry`]s; reads from a comma-separated string or a list of strings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList(Vec<Entry>);

impl AllowList {
    /// Its entries, as written.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    fn parse<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Self, BadEntry> {
        let mut entries = Vec::new();
        for text in texts.map(str::trim).filter(|text| !text.is_empty()) {
            if entries.len() == ENTRIES_MAX {
                return Err(BadEntry {
                    entry: text.to_owned(),
                    rule: "the list holds 1000 entries already",
                });
            }
            entries.push(text.parse()?);
        }
        Ok(Self(entries))
    }
}

impl FromStr for AllowList {
    type Err = BadEntry;

    fn from_str(text: &str) -> Result<Self, BadEntry> {
        Self::parse(text.split(','))
    }
}

impl Serialize for AllowList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(ToString::to_string))
    }
}

impl<'de> Deserialize<'de> for AllowList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor)
    }
}

struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = AllowList;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("networks such as \"127.0.0.1/32:8099,10.1.0.0/16\", or a list of them")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<AllowList, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<AllowList, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = items.next_element::<String>()? {
            if texts.len() == ENTRIES_MAX {
                return Err(A::Error::custom("more than 1000 entries"));
            }
            texts.push(text);
        }
        AllowList::parse(texts.iter().map(String::as_str)).map_err(A::Error::custom)
    }
}
