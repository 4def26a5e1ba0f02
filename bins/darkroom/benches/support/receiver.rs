//! A webhook receiver that takes its time, and notes when each request came.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use domain::Timestamp;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use service::{Clock as _, SystemClock};
use tokio::net::TcpListener;

use super::{Trouble, figures::Latencies};

/// How long it takes over each request.
const TAKES: Duration = Duration::from_millis(5);

/// A receiver on a free port of loopback.
pub struct Receiver {
    pub address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    count: AtomicUsize,
    /// Whether it takes requests and answers none.
    silent: AtomicBool,
    /// From what a body says of when it happened until it came.
    delays: Mutex<Vec<Duration>>,
}

impl Receiver {
    pub async fn start() -> Result<Self, Trouble> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let seen = Arc::<Seen>::default();
        let keeper = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Without it, answers wait for acknowledgements.
                if stream.set_nodelay(true).is_err() {
                    continue;
                }
                let keeper = Arc::clone(&keeper);
                let service = service_fn(move |request| take(Arc::clone(&keeper), request));
                tokio::spawn(async move {
                    // A connection that breaks off is its client's affair.
                    let _ended =
                        http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(Self { address, seen })
    }

    /// Requests that came so far.
    pub fn count(&self) -> usize {
        self.seen.count.load(Ordering::Relaxed)
    }

    /// From now on it takes requests and never answers.
    pub fn fall_silent(&self) {
        self.seen.silent.store(true, Ordering::Relaxed);
    }

    /// How long after they happened they came, since this was last asked.
    pub fn delays(&self) -> Latencies {
        let mut delays = self.seen.delays.lock().unwrap_or_else(PoisonError::into_inner);
        delays.drain(..).collect()
    }
}

async fn take(
    seen: Arc<Seen>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let came = SystemClock.now();
    if let Ok(body) = request.into_body().collect().await
        && let Some(happened) = happened(&body.to_bytes())
    {
        let delay = Duration::try_from(came.duration_since(happened)).unwrap_or_default();
        seen.delays.lock().unwrap_or_else(PoisonError::into_inner).push(delay);
    }
    if seen.silent.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(TAKES).await;
    seen.count.fetch_add(1, Ordering::Relaxed);
    let mut response = Response::new(Full::default());
    *response.status_mut() = http::StatusCode::NO_CONTENT;
    Ok(response)
}

fn happened(body: &[u8]) -> Option<Timestamp> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    body.get("timestamp")?.as_str()?.parse().ok()
}
