//! A small HTTP/1.1 server whose answers a test decides.

use std::{convert::Infallible, future::Future, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Limited, combinators::BoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinSet};

/// The largest body that is kept; nothing that tests send comes near.
const BODY_BYTES: usize = 64 << 20;

pub(crate) type Answer = Response<BoxBody<Bytes, Broken>>;

/// The answer breaks off here, or there is none at all.
#[derive(Debug, thiserror::Error)]
#[error("the connection is broken off on purpose")]
pub(crate) struct Broken;

impl From<Infallible> for Broken {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// Serves while it lives; connections end with it.
pub(crate) struct Server {
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Listens on loopback; port 0 takes any free one.
    pub(crate) async fn start<H, F>(port: u16, handler: H) -> Self
    where
        H: Fn(Request<Bytes>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Answer, Broken>> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let handler = Arc::new(handler);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let handler = Arc::clone(&handler);
                let service = service_fn(move |request| {
                    let handler = Arc::clone(&handler);
                    async move { handler(collect(request).await?).await }
                });
                connections.spawn(async move {
                    // A connection that breaks is the other side's affair, or on purpose.
                    let _ =
                        http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, task }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn collect(request: Request<Incoming>) -> Result<Request<Bytes>, Broken> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_BYTES).collect().await.map_err(|_cut_off| Broken)?;
    Ok(Request::from_parts(head, body.to_bytes()))
}
