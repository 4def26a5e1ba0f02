//! From a host name to all of its addresses, once.

use std::net::IpAddr;
use std::time::Duration;

use futures::future::BoxFuture;
use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{Resolver, ResolverBuilder, TokioResolver};

/// An answer is not believed for longer than this, whatever it says of itself.
const CACHED_AT_MOST: Duration = Duration::from_secs(30);

/// A name could not be resolved.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The query failed, or there is no such name.
    #[error("the host name could not be resolved")]
    Query(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The name exists and has no addresses.
    #[error("the host name has no addresses")]
    NoAddresses,
}

/// Something that knows the addresses of names. The callers judge them; an implementation need not.
pub trait Resolve: Send + Sync {
    /// All IPv4 and IPv6 addresses of `host`. Callers set the deadline.
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, ResolveError>>;
}

/// The name servers of the system's configuration, `/etc/hosts` and `localhost`.
pub struct SystemResolver(TokioResolver);

impl SystemResolver {
    /// Reads the system's configuration. Without one only `/etc/hosts` is known.
    pub fn new() -> Result<Self, ResolveError> {
        Self::built(TokioResolver::builder_tokio().unwrap_or_else(|error| {
            tracing::warn!(%error, "no name server configuration; only names in /etc/hosts resolve");
            Resolver::builder_with_config(ResolverConfig::default(), TokioRuntimeProvider::default())
        }))
    }

    fn built(mut builder: ResolverBuilder<TokioRuntimeProvider>) -> Result<Self, ResolveError> {
        let options = builder.options_mut();
        // Both families, always: a name is judged by all that it could mean.
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.positive_max_ttl = Some(CACHED_AT_MOST);
        options.negative_max_ttl = Some(CACHED_AT_MOST);
        Ok(Self(builder.build().map_err(query)?))
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, ResolveError>> {
        Box::pin(async move {
            let answers: Vec<IpAddr> =
                self.0.lookup_ip(host).await.map_err(query)?.iter().collect();
            if answers.is_empty() { Err(ResolveError::NoAddresses) } else { Ok(answers) }
        })
    }
}

fn query(error: NetError) -> ResolveError {
    ResolveError::Query(Box::new(error))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

    use hickory_resolver::config::{ConnectionConfig, NameServerConfig};
    use tokio::net::UdpSocket;
    use tokio::task::JoinHandle;

    use super::*;

    const PUBLIC: Ipv4Addr = Ipv4Addr::new(1, 1, 1, 1);
    const PRIVATE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const UNIQUE_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
    const A: u16 = 1;
    const CNAME: u16 = 5;
    const AAAA: u16 = 28;

    /// A resolver that asks one name server on loopback, which answers by the first label of the name.
    async fn asking() -> (SystemResolver, JoinHandle<()>) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let SocketAddr::V4(address) = socket.local_addr().unwrap() else { panic!("not IPv4") };
        let mut udp = ConnectionConfig::udp();
        udp.port = address.port();
        let mut config = ResolverConfig::default();
        config.name_servers =
            vec![NameServerConfig::new(IpAddr::V4(*address.ip()), true, vec![udp])];
        let builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
        let serving = tokio::spawn(async move {
            let mut query = [0; 512];
            for count in 0_u32.. {
                let (size, from) = socket.recv_from(&mut query).await.unwrap();
                socket.send_to(&reply(&query[..size], count), from).await.unwrap();
            }
        });
        (SystemResolver::built(builder).unwrap(), serving)
    }

    /// Header, the question as asked, and the records that its first label stands for.
    fn reply(query: &[u8], count: u32) -> Vec<u8> {
        let label = &query[13..13 + usize::from(query[12])];
        let name_ends = 12 + query[12..].iter().position(|byte| *byte == 0).unwrap() + 1;
        let asked = u16::from_be_bytes([query[name_ends], query[name_ends + 1]]);
        let (four, six) =
            (|ip: Ipv4Addr| (A, ip.octets().to_vec()), |ip: Ipv6Addr| (AAAA, ip.octets().to_vec()));
        let records = match label.to_ascii_lowercase().as_slice() {
            b"both" => vec![four(PUBLIC), six(UNIQUE_LOCAL)],
            b"mixed" => vec![four(PUBLIC), four(PRIVATE)],
            b"six" => vec![six(UNIQUE_LOCAL)],
            b"alias" => vec![(CNAME, b"\x05inner\x04test\x00".to_vec())],
            b"inner" => vec![four(PRIVATE)],
            // A and AAAA are asked for together: each pair of queries gets the next address.
            b"flip" => vec![four(if (count / 2).is_multiple_of(2) { PUBLIC } else { PRIVATE })],
            _ => Vec::new(),
        };
        let records: Vec<_> =
            records.into_iter().filter(|(kind, _)| *kind == asked || *kind == CNAME).collect();
        let mut reply = query[..2].to_vec();
        reply.extend([0x81, 0x80, 0, 1, 0, records.len() as u8, 0, 0, 0, 0]);
        reply.extend(&query[12..name_ends + 4]);
        for (kind, data) in records {
            reply.extend([0xc0, 0x0c]);
            reply.extend(kind.to_be_bytes());
            reply.extend([0, 1, 0, 0, 0, 0, 0, data.len() as u8]);
            reply.extend(data);
        }
        reply
    }

    async fn answers(resolver: &SystemResolver, name: &str) -> Vec<IpAddr> {
        let mut answers = resolver.resolve(name).await.unwrap();
        answers.sort_unstable();
        answers
    }

    #[tokio::test]
    async fn a_name_means_all_its_addresses_of_both_families_behind_all_its_aliases() {
        let (resolver, _serving) = asking().await;
        assert_eq!(
            answers(&resolver, "both.test.").await,
            [IpAddr::V4(PUBLIC), IpAddr::V6(UNIQUE_LOCAL)]
        );
        assert_eq!(
            answers(&resolver, "mixed.test.").await,
            [IpAddr::V4(PUBLIC), IpAddr::V4(PRIVATE)]
        );
        assert_eq!(answers(&resolver, "six.test.").await, [IpAddr::V6(UNIQUE_LOCAL)]);
        assert_eq!(answers(&resolver, "alias.test.").await, [IpAddr::V4(PRIVATE)]);
        assert!(resolver.resolve("nothing.test.").await.is_err());
    }

    #[tokio::test]
    async fn an_answer_that_may_not_be_kept_is_asked_for_again() {
        let (resolver, _serving) = asking().await;
        for flip in 0..50 {
            let expected = if flip % 2 == 0 { PUBLIC } else { PRIVATE };
            assert_eq!(answers(&resolver, "flip.test.").await, [IpAddr::V4(expected)], "{flip}");
        }
    }
}
