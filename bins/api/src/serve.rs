//! Connections: taken in up to a limit, told to come back beyond it, timed out when slow, let finish at the end.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http::Request;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{
    edge::{self, MAX_HEAD_BYTES},
    settings::Api,
};

/// How many connections beyond the limit are told so at a time; further ones wait to be accepted.
const MAX_TURNED_AWAY: usize = 64;
/// How much of a request's head is read at most. What lies between this and the limit is answered
/// in words; beyond it, the connection is of no use.
const READ_BUFFER_BYTES: usize = 4 * MAX_HEAD_BYTES;
/// Most requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 100;
/// How long to wait after the system refused a connection, so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long a peer may leave what was sent to it unread before the connection is cut.
const UNREAD: Duration = Duration::from_secs(30);

/// A listening socket and the limits that hold on it.
pub(crate) struct Listener {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
    head_patience: Duration,
    drain: Duration,
    places: Arc<Semaphore>,
    overflow: Arc<Semaphore>,
}

/// A connection's place among those allowed.
struct Place {
    treatment: Treatment,
    _permit: OwnedSemaphorePermit,
}

/// What is done with a connection.
#[derive(Debug, Clone, Copy)]
enum Treatment {
    Serve,
    TurnAway,
}

impl Listener {
    pub(crate) async fn bind(api: &Api, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        Ok(Self {
            socket: TcpListener::bind(api.listen).await?,
            tls,
            head_patience: Duration::from_millis(api.header_read_ms),
            drain: Duration::from_millis(api.drain_ms),
            places: Arc::new(Semaphore::new(api.max_connections)),
            overflow: Arc::new(Semaphore::new(MAX_TURNED_AWAY)),
        })
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Answers requests until `stop`, then lets those under way end until the drain's deadline.
    pub(crate) async fn serve<F, R>(self, answer: F, stop: CancellationToken)
    where
        F: Fn(IpAddr, Request<Incoming>) -> R + Clone + Send + 'static,
        R: Future<Output = warp::reply::Response> + Send + 'static,
    {
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let taken = tokio::select! {
                () = stop.cancelled() => break,
                taken = self.accept() => taken,
            };
            let Some((stream, peer, place)) = taken else { continue };
            let connection = Connection {
                peer,
                head_patience: self.head_patience,
                stop: stop.clone(),
                answer: answer.clone(),
            };
            connections.spawn(connection.run(stream, self.tls.clone(), place));
        }
        drop(self.socket);
        let ended = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(self.drain, ended).await.is_err() {
            tracing::warn!(connections = connections.len(), "cut off at the drain's deadline");
            connections.shutdown().await;
        }
    }

    async fn accept(&self) -> Option<(TcpStream, IpAddr, Place)> {
        // Whoever would be over both limits waits in the system's own queue.
        let spare = self.overflow.clone().acquire_owned().await.ok()?;
        match self.socket.accept().await {
            Ok((stream, peer)) => {
                let place = match self.places.clone().try_acquire_owned() {
                    Ok(permit) => Place { treatment: Treatment::Serve, _permit: permit },
                    Err(_full) => Place { treatment: Treatment::TurnAway, _permit: spare },
                };
                tune(&stream);
                Some((stream, peer.ip(), place))
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }
}

fn tune(stream: &TcpStream) {
    let tuned = stream.set_nodelay(true).and_then(|()| {
        let unread_ms = u32::try_from(UNREAD.as_millis()).unwrap_or(u32::MAX);
        Ok(rustix::net::sockopt::set_tcp_user_timeout(stream, unread_ms)?)
    });
    if let Err(error) = tuned {
        tracing::debug!(%error, "a connection could not be tuned");
    }
}

struct Connection<F> {
    peer: IpAddr,
    head_patience: Duration,
    stop: CancellationToken,
    answer: F,
}

impl<F, R> Connection<F>
where
    F: Fn(IpAddr, Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = warp::reply::Response> + Send + 'static,
{
    async fn run(self, stream: TcpStream, tls: Option<TlsAcceptor>, place: Place) {
        let Some(tls) = tls else { return self.http1(stream, &place).await };
        let accepted = tokio::time::timeout(self.head_patience, tls.accept(stream)).await;
        match accepted {
            Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                self.http2(stream, &place).await;
            }
            Ok(Ok(stream)) => self.http1(stream, &place).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_elapsed) => tracing::debug!("a TLS handshake took too long"),
        }
    }

    async fn http1(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        place: &Place,
    ) {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.head_patience)
            .max_buf_size(READ_BUFFER_BYTES);
        let stream = TokioIo::new(stream);
        match place.treatment {
            Treatment::Serve => {
                let (answer, peer) = (self.answer, self.peer);
                let service = service_fn(move |request| infallible(answer(peer, request)));
                drive(http.serve_connection(stream, service), self.stop).await;
            }
            Treatment::TurnAway => {
                drive(http.serve_connection(stream, service_fn(turn_away)), self.stop).await;
            }
        }
    }

    async fn http2(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        place: &Place,
    ) {
        let mut http = http2::Builder::new(TokioExecutor::new());
        let head_bytes = u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX);
        http.timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(head_bytes)
            .keep_alive_interval(self.head_patience)
            .keep_alive_timeout(self.head_patience);
        let stream = TokioIo::new(stream);
        match place.treatment {
            Treatment::Serve => {
                let (answer, peer) = (self.answer, self.peer);
                let service = service_fn(move |request| infallible(answer(peer, request)));
                drive(http.serve_connection(stream, service), self.stop).await;
            }
            Treatment::TurnAway => {
                drive(http.serve_connection(stream, service_fn(turn_away)), self.stop).await;
            }
        }
    }
}

async fn infallible<T>(answer: impl Future<Output = T>) -> Result<T, Infallible> {
    Ok(answer.await)
}

async fn turn_away(request: Request<Incoming>) -> Result<warp::reply::Response, Infallible> {
    Ok(edge::busy(&request))
}

async fn drive<C>(connection: C, stop: CancellationToken)
where
    C: GracefulConnection<Error = hyper::Error>,
{
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}
