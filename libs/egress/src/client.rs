//! The client: one pool of judged connections that fetching and posting share, and for posting to names
//! a pool for each set of addresses that a name had.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;

use crate::connect::{Connector, Tcp, port};
use crate::error::{Error, Phase, SetupError};
use crate::gate::{Gate, GateError, literal};
use crate::guard::Guard;
use crate::own::OwnAddresses;
use crate::resolve::{Resolve, SystemResolver};
use crate::settings::Settings;
use crate::tls;

const AGENT: &str = concat!("Darkroom/", env!("CARGO_PKG_VERSION"));

/// Idle connections kept per host, and for how long.
const IDLE_PER_HOST: usize = 512;
const IDLE_FOR: Duration = Duration::from_secs(30);
/// Most names whose connections are kept apart; beyond, all are let go that are not in use.
const NAMES_MAX: usize = 4_096;
/// Largest head of an answer.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const HEAD_FIELDS_MAX: usize = 128;
/// How far an HTTP/2 peer may run ahead of us.
const H2_STREAM_WINDOW: u32 = 1024 * 1024;
const H2_CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;

pub(crate) type Http = legacy::Client<Connector, Full<Bytes>>;

/// Fetches sources and posts webhooks. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Client {
    pub(crate) http: Http,
    pub(crate) settings: Arc<Settings>,
    gate: Gate,
    tls: ClientConfig,
    named: Arc<Mutex<HashMap<(String, u16), Named>>>,
}

/// Connections to the addresses that a name had when it was last asked for.
struct Named {
    addresses: Arc<[SocketAddr]>,
    http: Http,
}

impl Client {
    /// A client under `settings` that asks the system's name servers.
    pub fn new(settings: &Settings) -> Result<Self, SetupError> {
        Self::with_resolver(settings, Arc::new(SystemResolver::new()?))
    }

    /// A client under `settings` that asks `resolver`.
    pub fn with_resolver(
        settings: &Settings,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, SetupError> {
        let own = OwnAddresses::read().map_err(SetupError::Interfaces)?;
        let gate = Gate::new(Arc::new(Guard::watching(settings, own)), resolver);
        let tls = tls::client_config(settings.ca_file.as_deref())?;
        let http = connections(tls.clone(), Tcp::Through(gate.clone()), settings);
        let settings = Arc::new(settings.clone());
        Ok(Self { http, settings, gate, tls, named: Arc::default() })
    }

    /// The connections that a request to `uri` may go over: to addresses that its name has now, and
    /// that were judged now, so that no connection outlives what a name said when it was opened.
    pub(crate) async fn way_to(&self, uri: &Uri) -> Result<Http, Error> {
        let Some(host) = uri.host().filter(|host| literal(host).is_none()) else {
            return Ok(self.http.clone());
        };
        let port = port(uri);
        let admitted = tokio::time::timeout(self.settings.connect(), self.gate.admit(host, port));
        let mut addresses = match admitted.await {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(GateError::Refused(refusal))) => return Err(Error::Forbidden(refusal)),
            Ok(Err(error)) => return Err(Error::Unreachable(Box::new(error))),
            Err(_elapsed) => return Err(Error::Timeout(Phase::Connect)),
        };
        addresses.sort_unstable();
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (host.to_owned(), port);
        if let Some(known) = named.get(&name)
            && *known.addresses == *addresses
        {
            return Ok(known.http.clone());
        }
        if named.len() >= NAMES_MAX {
            named.clear();
        }
        let addresses: Arc<[SocketAddr]> = addresses.into();
        let way = Tcp::Pinned(Arc::clone(&addresses));
        let http = connections(self.tls.clone(), way, &self.settings);
        named.insert(name, Named { addresses, http: http.clone() });
        Ok(http)
    }

    /// The gate that its connections go through, for other protocols to strangers' addresses.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }
}

fn connections(tls: ClientConfig, way: Tcp, settings: &Settings) -> Http {
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(way);
    legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_FOR)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .http1_max_buf_size(HEAD_BYTES_MAX)
        .http1_max_headers(HEAD_FIELDS_MAX)
        .http2_max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .http2_initial_stream_window_size(H2_STREAM_WINDOW)
        .http2_initial_connection_window_size(H2_CONNECTION_WINDOW)
        .build(Connector::new(https, settings.connect()))
}

/// A request that says who we are and that we take the bytes as they are.
pub(crate) fn request(
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    let fields = request.headers_mut();
    for name in OURS {
        fields.remove(*name);
    }
    fields.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    fields.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    request
}

/// Fields that decide how a message is framed and routed: never a stranger's to set.
const OURS: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
