//! A receiver that keeps a ledger: what came, in which order, and how each was answered.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

/// How a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    /// With this status.
    Status(u16),
    /// Not at all: the connection breaks.
    Nothing,
    /// Never.
    Silence,
}

/// A request, and how it was answered.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) path: String,
    pub(crate) webhook_id: String,
    pub(crate) body: Bytes,
    pub(crate) given: Given,
}

impl Line {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn is_taken(&self) -> bool {
        matches!(self.given, Given::Status(200..=299))
    }
}

type Ledger = Arc<Mutex<Vec<Line>>>;

/// Listens on a free port of loopback until the runtime ends.
pub(crate) struct Receiver {
    address: SocketAddr,
    ledger: Ledger,
}

impl Receiver {
    /// Answers each request as `answer` says, which is asked with its path.
    pub(crate) async fn start(answer: impl Fn(&str) -> Given + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ledger = Ledger::default();
        let (keeper, answer) = (Arc::clone(&ledger), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (keeper, answer) = (Arc::clone(&keeper), Arc::clone(&answer));
                let service = service_fn(move |request| {
                    take(Arc::clone(&keeper), Arc::clone(&answer), request)
                });
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Self { address, ledger }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Everything that came so far.
    pub(crate) fn lines(&self) -> Vec<Line> {
        self.ledger.lock().unwrap().clone()
    }

    /// What came after the first `seen` lines.
    pub(crate) fn lines_after(&self, seen: usize) -> Vec<Line> {
        self.ledger.lock().unwrap()[seen..].to_vec()
    }

    /// How many of what came so far satisfy this.
    pub(crate) fn count(&self, wanted: impl Fn(&Line) -> bool) -> usize {
        self.ledger.lock().unwrap().iter().filter(|line| wanted(line)).count()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the connection is broken off on purpose")]
struct Broken;

async fn take<F: Fn(&str) -> Given>(
    ledger: Ledger,
    answer: Arc<F>,
    request: Request<Incoming>,
) -> Result<Response<Empty<Bytes>>, Broken> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_cut_off| Broken)?.to_bytes();
    let path = head.uri.path().to_owned();
    let webhook_id =
        head.headers.get("webhook-id").map_or("", |id| id.to_str().unwrap()).to_owned();
    let given = answer(&path);
    ledger.lock().unwrap().push(Line { path, webhook_id, body, given });
    match given {
        Given::Status(status) => Ok(Response::builder().status(status).body(Empty::new()).unwrap()),
        Given::Nothing => Err(Broken),
        Given::Silence => {
            std::future::pending::<Infallible>().await;
            Err(Broken)
        }
    }
}
