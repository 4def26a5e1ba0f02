//! HTTP to places that the user named: one connection a request, answers as a stream.
//!
//! `egress` guards against addresses that strangers chose and is made for whole files; here the user
//! chose the address, and event streams stay open for as long as a job takes.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    body::{Body, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// How long connecting may take, TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the head of an answer may take.
const HEAD: Duration = Duration::from_secs(30);
/// The largest answer that is taken as a whole.
const WHOLE_BYTES: usize = 8 << 20;

/// There was no answer, or not a whole one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// Not a URL that can be asked.
    #[error("`{0}` is not an http or https URL")]
    Url(String),
    /// Nobody answers there.
    #[error("connect to {host}")]
    Connect {
        /// Host and port.
        host: String,
        #[source]
        source: io::Error,
    },
    /// Too slow.
    #[error("{host} did not {what} within {} s", limit.as_secs())]
    Slow {
        /// Host and port.
        host: String,
        /// What it did not do.
        what: &'static str,
        /// How long it had.
        limit: Duration,
    },
    /// The exchange broke off.
    #[error("exchange with {host}")]
    Exchange {
        /// Host and port.
        host: String,
        #[source]
        source: hyper::Error,
    },
    /// The body broke off or is too large.
    #[error("read an answer of at most {WHOLE_BYTES} bytes")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Sends a request to where its URI points.
pub(crate) async fn send(request: Request<Full<Bytes>>) -> Result<Response<Incoming>, HttpError> {
    send_within(request, HEAD).await
}

/// The same for any body, the answer to which begins within this time, the sending included.
pub(crate) async fn send_within<B>(
    mut request: Request<B>,
    limit: Duration,
) -> Result<Response<Incoming>, HttpError>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let place = Place::of(request.uri())?;
    let host = place.host.clone();
    let slow = |what, limit| HttpError::Slow { host: host.clone(), what, limit };
    let stream = tokio::time::timeout(CONNECT, place.connect())
        .await
        .map_err(|_elapsed| slow("let us in", CONNECT))?
        .map_err(|source| HttpError::Connect { host: host.clone(), source })?;
    let failed = |source| HttpError::Exchange { host: host.clone(), source };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    // Ends with the answer, or when nobody wants it any more.
    tokio::spawn(connection);
    place.address(&mut request)?;
    tokio::time::timeout(limit, sender.send_request(request))
        .await
        .map_err(|_elapsed| slow("answer", limit))?
        .map_err(failed)
}

/// The whole body of an answer that should be small.
pub(crate) async fn whole(body: Incoming) -> Result<Bytes, HttpError> {
    let collected = Limited::new(body, WHOLE_BYTES).collect().await.map_err(HttpError::Body)?;
    Ok(collected.to_bytes())
}

/// Whether a GET is answered with a success.
pub(crate) async fn is_ok(url: &str) -> bool {
    let Ok(request) = Request::get(url).body(Full::default()) else { return false };
    matches!(send(request).await, Ok(answer) if answer.status().is_success())
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A host, and how to speak with it.
struct Place {
    host: String,
    name: String,
    port: u16,
    encrypted: bool,
}

impl Place {
    fn of(uri: &Uri) -> Result<Self, HttpError> {
        let unusable = || HttpError::Url(uri.to_string());
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(unusable()),
        };
        let authority = uri.authority().ok_or_else(unusable)?;
        let name = authority.host().trim_matches(['[', ']']).to_owned();
        let port = authority.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        let host = match authority.port() {
            Some(port) => format!("{}:{port}", authority.host()),
            None => authority.host().to_owned(),
        };
        Ok(Self { host, name, port, encrypted })
    }

    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect((self.name.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        if !self.encrypted {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from(self.name.clone()).map_err(io::Error::other)?;
        Ok(Box::new(TlsConnector::from(Arc::new(tls()?)).connect(name, stream).await?))
    }

    /// Puts into the request what a server wants to see: a path, and the host apart.
    fn address<B>(&self, request: &mut Request<B>) -> Result<(), HttpError> {
        let unusable = || HttpError::Url(self.host.clone());
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = path.parse().or(Err(unusable()))?;
        let host = HeaderValue::from_str(&self.host).or(Err(unusable()))?;
        request.headers_mut().insert(header::HOST, host);
        Ok(())
    }
}

fn tls() -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    // A certificate of the system that cannot be read vouches for nobody.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_from_a_url() {
        for (url, host, port, encrypted) in [
            ("http://127.0.0.1:7780/v2/", "127.0.0.1:7780", 7780, false),
            ("https://darkroom.example/x?y", "darkroom.example", 443, true),
            ("http://[::1]:1/", "[::1]:1", 1, false),
        ] {
            let place = Place::of(&url.parse().unwrap()).unwrap();
            assert_eq!((place.host.as_str(), place.port, place.encrypted), (host, port, encrypted));
        }
        assert!(Place::of(&"ftp://h/".parse().unwrap()).is_err());
        assert!(Place::of(&"/path".parse().unwrap()).is_err());
    }
}
