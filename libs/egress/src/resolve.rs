//! From a host name to all of its addresses, once.

use std::net::IpAddr;
use std::time::Duration;

use futures::future::BoxFuture;
use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{Resolver, TokioResolver};

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
        let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|error| {
            tracing::warn!(%error, "no name server configuration; only names in /etc/hosts resolve");
            Resolver::builder_with_config(ResolverConfig::default(), TokioRuntimeProvider::default())
        });
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
