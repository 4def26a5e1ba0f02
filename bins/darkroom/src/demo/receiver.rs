//! A webhook receiver for the length of a demo.

use std::{convert::Infallible, io};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::{JoinHandle, JoinSet},
};

/// The largest webhook that is taken.
const BODY_BYTES: usize = 4 << 20;
/// Webhooks that wait to be looked at.
const WAITING: usize = 4;

/// What came.
pub(super) struct Webhook {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Listens on loopback while it lives.
pub(super) struct Receiver {
    port: u16,
    webhooks: mpsc::Receiver<Webhook>,
    task: JoinHandle<()>,
}

#[derive(Debug, thiserror::Error)]
#[error("receive webhooks on port {port}")]
pub(super) struct ListenError {
    port: u16,
    #[source]
    source: io::Error,
}

impl Receiver {
    /// Takes the port.
    pub(super) async fn start(port: u16) -> Result<Self, ListenError> {
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .map_err(|source| ListenError { port, source })?;
        let (sender, webhooks) = mpsc::channel(WAITING);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let sender = sender.clone();
                let service = service_fn(move |request| answer(request, sender.clone()));
                connections.spawn(
                    http1::Builder::new()
                        .timer(TokioTimer::new())
                        .serve_connection(TokioIo::new(stream), service),
                );
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { port, webhooks, task })
    }

    /// Where it listens.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/demo", self.port)
    }

    /// The next webhook.
    pub(super) async fn next(&mut self) -> Option<Webhook> {
        self.webhooks.recv().await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    request: Request<Incoming>,
    sender: mpsc::Sender<Webhook>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let mut response = Response::new(Empty::new());
    match Limited::new(body, BODY_BYTES).collect().await {
        Ok(body) => {
            let webhook = Webhook { headers: head.headers, body: body.to_bytes() };
            // A demo that has seen enough still takes what comes.
            let _seen = sender.try_send(webhook).is_ok();
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        Err(_) => *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE,
    }
    Ok(response)
}
