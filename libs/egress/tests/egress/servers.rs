//! Servers on loopback that record what reaches them, resolvers that say what they are told, and clients for both.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use egress::{Client, Resolve, ResolveError, Settings};
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}
pub(crate) type Wire = Box<dyn Duplex>;

/// Takes connections until dropped; a handler sees each with the head of its first request.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Answers each request with what `answer` makes of its head, then closes.
    pub(crate) async fn answering(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::wired(LOOPBACK, None, move |mut wire, head| {
            let answer = answer(&head);
            async move {
                let _ = wire.write_all(answer.as_bytes()).await;
                let _ = wire.shutdown().await;
            }
        })
        .await
    }

    /// Gives `handler` the connection after the head of the first request.
    pub(crate) async fn wired<F>(
        ip: Ipv4Addr,
        tls: Option<TlsAcceptor>,
        handler: impl Fn(Wire, String) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::at(SocketAddr::from((ip, 0)), tls, handler).await
    }

    pub(crate) async fn at<F>(
        address: SocketAddr,
        tls: Option<TlsAcceptor>,
        handler: impl Fn(Wire, String) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let heads = Arc::new(Mutex::new(Vec::new()));
        let handler = Arc::new(handler);
        let (counted, kept) = (Arc::clone(&connections), Arc::clone(&heads));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                let (tls, kept, handler) = (tls.clone(), Arc::clone(&kept), Arc::clone(&handler));
                tokio::spawn(async move {
                    let mut wire: Wire = match tls {
                        None => Box::new(stream),
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => Box::new(stream),
                            Err(_) => return,
                        },
                    };
                    if let Some(head) = read_head(&mut wire).await {
                        kept.lock().unwrap().push(head.clone());
                        handler(wire, head).await;
                    }
                });
            }
        });
        Self { address, connections, heads, task }
    }

    /// One that nobody should reach.
    pub(crate) async fn forbidden() -> Self {
        Self::answering(|_| ok("secret")).await
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

pub(crate) const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

async fn read_head(wire: &mut Wire) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if wire.read(&mut byte).await.ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

pub(crate) fn ok(body: &str) -> String {
    answer(200, "", body)
}

/// An answer with `fields`, each ended by CRLF, that closes the connection.
pub(crate) fn answer(status: u16, fields: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n{fields}\r\n{body}",
        body.len()
    )
}

pub(crate) fn redirect(status: u16, location: &str) -> String {
    answer(status, &format!("Location: {location}\r\n"), "moved")
}

/// Admits 127.0.0.1 at the ports of `servers` only; quick to lose patience.
pub(crate) fn settings(servers: &[&Server]) -> Settings {
    let allow: Vec<String> = servers
        .iter()
        .map(|server| format!("{}/32:{}", server.address.ip(), server.port()))
        .collect();
    Settings {
        allow: allow.join(",").parse().unwrap(),
        connect_ms: 5_000,
        first_byte_ms: 5_000,
        ..Settings::default()
    }
}

pub(crate) fn trusting(ca_file: &Path, servers: &[&Server]) -> Settings {
    Settings { ca_file: Some(ca_file.to_owned()), ..settings(servers) }
}

pub(crate) fn client(settings: &Settings) -> Client {
    Client::with_resolver(settings, Names::of(|_, _| vec![LOOPBACK.into()])).unwrap()
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

type Answers = dyn Fn(&str, usize) -> Vec<IpAddr> + Send + Sync;

/// A resolver that answers from a function of the name and the number of queries before.
pub(crate) struct Names {
    answers: Box<Answers>,
    queries: AtomicUsize,
}

impl Names {
    pub(crate) fn of(
        answers: impl Fn(&str, usize) -> Vec<IpAddr> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { answers: Box::new(answers), queries: AtomicUsize::new(0) })
    }

    pub(crate) fn queries(&self) -> usize {
        self.queries.load(Ordering::SeqCst)
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, ResolveError>> {
        let query = self.queries.fetch_add(1, Ordering::SeqCst);
        let answers = (self.answers)(host, query);
        Box::pin(async move { Ok(answers) })
    }
}

/// A resolver that never answers.
pub(crate) struct Silence;

impl Resolve for Silence {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, ResolveError>> {
        Box::pin(std::future::pending())
    }
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}
