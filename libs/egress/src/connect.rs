//! Connecting: through the gate, to a judged address, within a deadline that covers the TLS handshake too.

use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::gate::{Gate, GateError};

/// How many of a host's addresses are tried.
const ADDRESSES_TRIED: usize = 6;
/// How long one address is waited for before the next is tried beside it (RFC 8305).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

type BoxError = Box<dyn StdError + Send + Sync>;
type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error(transparent)]
    Gate(#[from] GateError),
    #[error("the URL names no host")]
    NoHost,
    #[error("no address of the host accepted a connection")]
    Tcp(#[source] io::Error),
    #[error("the TLS handshake failed")]
    Tls(#[source] BoxError),
    #[error("no connection within the limit")]
    Timeout,
}

/// The address that a request went to; travels with the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Opens plain connections to judged addresses only.
#[derive(Clone)]
pub(crate) enum Tcp {
    /// To those that the gate admits when a connection is opened.
    Through(Gate),
    /// To these, which it has admitted.
    Pinned(Arc<[SocketAddr]>),
}

impl Service<Uri> for Tcp {
    type Response = Stream;
    type Error = ConnectError;
    type Future = BoxFuture<Stream, ConnectError>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let way = self.clone();
        Box::pin(async move {
            let addresses = match way {
                Self::Through(gate) => {
                    let host = target.host().ok_or(ConnectError::NoHost)?;
                    gate.admit(host, port(&target)).await?.into()
                }
                Self::Pinned(addresses) => addresses,
            };
            connect_any(&addresses).await.map_err(ConnectError::Tcp)
        })
    }
}

/// The port that a URI names, or that its scheme has.
pub(crate) fn port(target: &Uri) -> u16 {
    let usual = if target.scheme_str() == Some("https") { 443 } else { 80 };
    target.port_u16().unwrap_or(usual)
}

/// The first of `addresses` that answers, IPv6 and IPv4 in turn, each given a head start over the next.
async fn connect_any(addresses: &[SocketAddr]) -> io::Result<Stream> {
    let mut waiting = in_turn(addresses).into_iter();
    let mut trying = FuturesUnordered::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    trying.extend(waiting.next().map(connect_one));
    loop {
        let head_start = tokio::time::sleep(NEXT_ADDRESS_AFTER);
        tokio::select! {
            tried = trying.next() => match tried {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => last = error,
                None => return Err(last),
            },
            () = head_start, if waiting.len() > 0 => {}
        }
        trying.extend(waiting.next().map(connect_one));
    }
}

async fn connect_one(address: SocketAddr) -> io::Result<Stream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(Stream { tcp: TokioIo::new(stream), peer: Peer(address) })
}

fn in_turn(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let (six, four): (Vec<SocketAddr>, Vec<SocketAddr>) =
        addresses.iter().partition(|address| address.is_ipv6());
    let longest = six.len().max(four.len());
    (0..longest)
        .flat_map(|i| [six.get(i), four.get(i)])
        .flatten()
        .copied()
        .take(ADDRESSES_TRIED)
        .collect()
}

/// Puts one deadline over resolving, connecting and the TLS handshake, and sorts their errors.
#[derive(Clone)]
pub(crate) struct Connector {
    https: HttpsConnector<Tcp>,
    limit: Duration,
}

impl Connector {
    pub(crate) fn new(https: HttpsConnector<Tcp>, limit: Duration) -> Self {
        Self { https, limit }
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<Stream>;
    type Error = ConnectError;
    type Future = BoxFuture<MaybeHttpsStream<Stream>, ConnectError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        self.https.poll_ready(cx).map_err(sort)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let connecting = self.https.call(target);
        let limit = self.limit;
        Box::pin(async move {
            match tokio::time::timeout(limit, connecting).await {
                Ok(connected) => connected.map_err(sort),
                Err(_elapsed) => Err(ConnectError::Timeout),
            }
        })
    }
}

/// What is not one of [`Tcp`]'s errors arose in the handshake.
fn sort(error: BoxError) -> ConnectError {
    match error.downcast::<ConnectError>() {
        Ok(ours) => *ours,
        Err(handshake) => ConnectError::Tls(handshake),
    }
}

/// A TCP stream that knows which judged address it leads to.
#[derive(Debug)]
pub(crate) struct Stream {
    tcp: TokioIo<TcpStream>,
    peer: Peer,
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new().extra(self.peer)
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs)
    }
}
