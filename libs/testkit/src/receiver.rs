//! A webhook receiver that remembers what came and answers as told.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::sync::Notify;

use crate::http_server::{Answer, Broken, Server};

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Received {
    /// Path and query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Received {
    /// A header as text, empty where there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What the receiver does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Answers with this status and an empty body.
    Status(u16),
    /// Answers with this status, headers and body.
    With(u16, Vec<(&'static str, String)>, Bytes),
    /// Takes the request and never answers.
    Hang,
    /// Takes the request and breaks the connection.
    BreakOff,
}

/// Records every request; answers 204 unless scripted otherwise.
pub struct WebhookReceiver {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    received: Mutex<Vec<Received>>,
    script: Mutex<VecDeque<Reply>>,
    arrived: Notify,
}

impl WebhookReceiver {
    /// Starts on a free port of loopback.
    pub async fn start() -> Self {
        Self::start_on(0).await
    }

    /// Starts on a port of loopback.
    ///
    /// # Panics
    /// When the port is taken.
    pub async fn start_on(port: u16) -> Self {
        let shared = Arc::<Shared>::default();
        let keeper = Arc::clone(&shared);
        let server = Server::start(port, move |request| answer(Arc::clone(&keeper), request)).await;
        Self { server, shared }
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.address().port()
    }

    /// A URL of it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    /// The next requests are answered like this, in order.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.shared.script.lock().unwrap().extend(replies);
    }

    /// Everything that came so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// Waits until at least `count` requests came, and gives them all.
    ///
    /// # Panics
    /// When fewer came within `limit`.
    pub async fn wait_for(&self, count: usize, limit: Duration) -> Vec<Received> {
        self.wait_until(limit, |all| all.len() >= count).await
    }

    /// Waits until what came satisfies `enough`, and gives it all.
    ///
    /// # Panics
    /// When it does not within `limit`.
    pub async fn wait_until(
        &self,
        limit: Duration,
        enough: impl Fn(&[Received]) -> bool,
    ) -> Vec<Received> {
        let waiting = async {
            loop {
                let next = self.shared.arrived.notified();
                let all = self.received();
                if enough(&all) {
                    return all;
                }
                next.await;
            }
        };
        match tokio::time::timeout(limit, waiting).await {
            Ok(all) => all,
            Err(_elapsed) => {
                panic!(
                    "not the webhooks waited for within {limit:?}, but {}",
                    self.received().len()
                )
            }
        }
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Bytes>) -> Result<Answer, Broken> {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let reply = {
        // Of requests at the same time, the replies are in the order of what is kept of them.
        let mut script = shared.script.lock().unwrap();
        shared.received.lock().unwrap().push(Received { path, headers: head.headers, body });
        script.pop_front().unwrap_or(Reply::Status(204))
    };
    shared.arrived.notify_waiters();
    let (status, headers, body) = match reply {
        Reply::Status(status) => (status, Vec::new(), Bytes::new()),
        Reply::With(status, headers, body) => (status, headers, body),
        Reply::Hang => std::future::pending().await,
        Reply::BreakOff => return Err(Broken),
    };
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(body).map_err(Into::into).boxed()).unwrap())
}
