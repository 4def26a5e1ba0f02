//! How S3 servers are reached: one pool of connections a process, its patience, and who resolves.

use std::{error::Error as StdError, fmt, net::IpAddr, sync::Arc, time::Duration};

use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    dns::{DnsFuture, ResolveDns, ResolveDnsError},
    http::{HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn},
};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use futures::future::BoxFuture;
use url::Url;

use crate::{Error, destination::literal_address, role::Taken};

/// The most idle connections kept to one server.
const IDLE_PER_HOST: usize = 16;

/// Decides which addresses a host may be reached at; the seam for an egress guard.
///
/// The connection goes to one of the addresses answered here, so what was judged is what is used.
/// An endpoint that is an address already is put before it too, as its text, when a bucket is opened.
pub trait Resolve: fmt::Debug + Send + Sync + 'static {
    /// The addresses of `host` that may be connected to, or why none may.
    fn resolve<'a>(
        &'a self,
        host: &'a str,
    ) -> BoxFuture<'a, Result<Vec<IpAddr>, Box<dyn StdError + Send + Sync>>>;
}

/// How long, and how often, a server is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For one attempt at a request, before its body is counted.
    pub attempt: Duration,
    /// Slowest upload that is waited for, in bytes a second: lengthens an attempt by its body.
    pub slowest_bytes_per_s: u64,
    /// Most attempts at one request, the first included.
    pub attempts: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            attempt: Duration::from_secs(20),
            slowest_bytes_per_s: 256 << 10,
            attempts: 3,
        }
    }
}

impl Patience {
    pub(crate) fn timeouts(&self, body_bytes: u64) -> TimeoutConfig {
        let attempt =
            self.attempt + Duration::from_secs(body_bytes / self.slowest_bytes_per_s.max(1));
        // Room for the waits between attempts, which double from about a second.
        let operation = (attempt + self.attempt / 2).saturating_mul(self.attempts);
        TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .operation_attempt_timeout(attempt)
            .operation_timeout(operation)
            .build()
    }

    pub(crate) fn retries(&self) -> RetryConfig {
        RetryConfig::standard().with_max_attempts(self.attempts.max(1))
    }
}

/// The connections of a process to S3 servers. Cheap to clone; clones share their pool.
#[derive(Debug, Clone)]
pub struct Network {
    pub(crate) client: SharedHttpClient,
    pub(crate) patience: Patience,
    pub(crate) resolver: Option<Arc<dyn Resolve>>,
    /// Keys of roles that were taken on over it.
    pub(crate) taken: Arc<Taken>,
}

impl Network {
    /// Straight to whatever the system's resolver answers: for endpoints that the operator chose.
    #[must_use]
    pub fn direct(patience: Patience) -> Self {
        Self { client: client(patience, None), patience, resolver: None, taken: Arc::default() }
    }

    /// Only to addresses that `resolver` answers: for endpoints that customers chose.
    #[must_use]
    pub fn through(resolver: Arc<dyn Resolve>, patience: Patience) -> Self {
        let client = client(patience, Some(Seam(resolver.clone())));
        Self { client, patience, resolver: Some(resolver), taken: Arc::default() }
    }

    /// Refuses an endpoint whose address may not be reached: one that is no name is never resolved.
    pub(crate) async fn judge(&self, endpoint: Option<&Url>) -> Result<(), Error> {
        let address = endpoint.and_then(literal_address);
        let (Some(resolver), Some(address)) = (&self.resolver, address) else { return Ok(()) };
        let allowed = resolver.resolve(&address.to_string()).await.map_err(Error::Forbidden)?;
        if allowed.contains(&address) {
            return Ok(());
        }
        Err(Error::Forbidden("another address was answered for it".into()))
    }
}

fn client(patience: Patience, seam: Option<Seam>) -> SharedHttpClient {
    let settings = HttpConnectorSettings::builder().connect_timeout(patience.connect).build();
    // No proxy is configured, and this connector, unlike others, does not look for one by itself.
    let builder = Connector::builder()
        .connector_settings(settings)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .tls_provider(Provider::Rustls(CryptoMode::Ring));
    let connector = SharedHttpConnector::new(match seam {
        Some(seam) => builder.build_with_resolver(seam),
        None => builder.build(),
    });
    // Made once here: the builder's own client would load the root certificates for every bucket.
    http_client_fn(move |_, _| connector.clone())
}

#[derive(Debug, Clone)]
struct Seam(Arc<dyn Resolve>);

impl ResolveDns for Seam {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move { self.0.resolve(name).await.map_err(ResolveDnsError::new) })
    }
}
