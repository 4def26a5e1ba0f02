//! Sending parts: several at once, each again and again until the bucket has it.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use domain::upload::Plan;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::{Method, Request, StatusCode, header};
use http_body_util::StreamBody;
use hyper::body::Frame;
use serde::Deserialize;
use serde_json::json;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use super::{
    UploadError,
    journal::{Journal, Sent},
};
use crate::{
    client::{Client, ClientError},
    http::{self as transport, HttpError},
};

/// How often one part is sent before giving up.
const MAX_TRIES: u32 = 12;
/// The first pause after a failure; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// Links asked for at once.
const LINKS: usize = 50;
/// How much of the file is in memory for each part on its way, in bytes.
const CHUNK_BYTES: u64 = 256 << 10;
/// How long an answer may take, besides the time that its bytes may take.
const ANSWER: Duration = Duration::from_secs(60);
/// The slowest sending that is waited for, in bytes a second.
const SLOWEST_BYTES_PER_S: u64 = 32 << 10;

/// A link to send a part with.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Link {
    number: u64,
    url: String,
    headers: BTreeMap<String, String>,
}

/// Parts on their way.
pub(crate) struct Parts<'a> {
    pub(crate) client: &'a Client,
    pub(crate) id: &'a str,
    pub(crate) file: Arc<File>,
    pub(crate) plan: Plan,
    /// Bytes that have left, for whoever watches.
    pub(crate) gone: Arc<AtomicU64>,
    pub(crate) journal: &'a Mutex<Journal>,
    /// Links at hand, and parts that still need one.
    links: Mutex<(BTreeMap<u64, Link>, VecDeque<u64>)>,
}

/// Why one try failed.
#[derive(Debug, thiserror::Error)]
enum Try {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Api(#[from] ClientError),
    #[error("the bucket answered {0}")]
    Status(StatusCode),
    #[error("the link cannot be used")]
    Link(#[source] http::Error),
}

impl<'a> Parts<'a> {
    pub(crate) fn new(
        client: &'a Client,
        id: &'a str,
        file: Arc<File>,
        plan: Plan,
        journal: &'a Mutex<Journal>,
        pending: &[u64],
        links: Vec<Link>,
    ) -> Self {
        let links = links.into_iter().map(|link| (link.number, link)).collect();
        let links = Mutex::new((links, pending.iter().copied().collect()));
        Self { client, id, file, plan, gone: Arc::default(), journal, links }
    }

    /// Sends these parts, so many at once.
    pub(crate) async fn send(&self, pending: Vec<u64>, at_once: usize) -> Result<(), UploadError> {
        stream::iter(pending.into_iter().map(|number| self.part(number)))
            .buffer_unordered(at_once)
            .try_collect::<()>()
            .await
    }

    async fn part(&self, number: u64) -> Result<(), UploadError> {
        let mut pause = FIRST_PAUSE;
        for tries in 1.. {
            match self.once(number).await {
                Ok(sent) => return Ok(self.journal.lock().await.note(sent)?),
                Err(error) => {
                    let error: Box<dyn std::error::Error + Send + Sync> = match error {
                        // The upload is over, or its owner may not: trying again changes nothing.
                        Try::Api(ClientError::Refused { status, .. })
                            if status.is_client_error()
                                && status != StatusCode::TOO_MANY_REQUESTS =>
                        {
                            return Err(error_of(number, tries, Box::new(error)));
                        }
                        error => Box::new(error),
                    };
                    tracing::debug!(number, tries, %error, "a part is sent again");
                    if tries >= MAX_TRIES {
                        return Err(error_of(number, tries, error));
                    }
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Ok(())
    }

    async fn once(&self, number: u64) -> Result<Sent, Try> {
        let link = self.link(number).await?;
        let (offset, size_bytes) = self.plan.part(number).unwrap_or_default();
        let crc = Arc::new(AtomicU32::new(0));
        let counted = Arc::new(Counted { gone: Arc::clone(&self.gone), bytes: AtomicU64::new(0) });
        let body = body(Arc::clone(&self.file), (offset, size_bytes), &crc, &counted);
        let mut request = Request::builder()
            .method(Method::PUT)
            .uri(&link.url)
            .header(header::CONTENT_LENGTH, size_bytes);
        for (name, value) in &link.headers {
            request = request.header(name, value);
        }
        let request = request.body(StreamBody::new(body)).map_err(Try::Link)?;
        let limit = ANSWER + Duration::from_secs(size_bytes / SLOWEST_BYTES_PER_S);
        let answer = transport::send_within(request, limit).await?;
        let status = answer.status();
        if !status.is_success() {
            if status.is_client_error() {
                // It may have expired.
                self.links.lock().await.0.remove(&number);
            }
            return Err(Try::Status(status));
        }
        let etag = answer.headers().get(header::ETAG).and_then(|etag| etag.to_str().ok());
        let etag = etag.unwrap_or_default().trim_matches('"').to_owned();
        counted.keep();
        Ok(Sent { number, etag, crc32c: crc.load(Ordering::Acquire) })
    }

    /// The link for a part; with it come links for parts that follow.
    async fn link(&self, number: u64) -> Result<Link, Try> {
        let mut links = self.links.lock().await;
        let (at_hand, pending) = &mut *links;
        if let Some(link) = at_hand.get(&number) {
            return Ok(link.clone());
        }
        pending.retain(|next| *next > number && !at_hand.contains_key(next));
        let following = pending.iter().copied().take(LINKS - 1);
        let numbers: Vec<u64> = std::iter::once(number).chain(following).collect();
        let path = format!("/v1/uploads/{}/parts", self.id);
        let answer =
            self.client.json(Method::POST, &path, Some(&json!({ "numbers": numbers }))).await?;
        // What lies far behind is not needed again.
        at_hand.retain(|known, _| *known > number.saturating_sub(LINKS as u64));
        at_hand.extend(links_of(&answer)?.into_iter().map(|link| (link.number, link)));
        let missing = || serde::de::Error::missing_field("parts");
        at_hand.get(&number).cloned().ok_or_else(|| ClientError::Answer(missing()).into())
    }
}

fn error_of(
    number: u64,
    tries: u32,
    source: Box<dyn std::error::Error + Send + Sync>,
) -> UploadError {
    UploadError::Part { number, tries, source }
}

/// The links in an answer.
pub(crate) fn links_of(answer: &serde_json::Value) -> Result<Vec<Link>, ClientError> {
    let parts = answer.get("parts").cloned().unwrap_or_else(|| json!([]));
    serde_json::from_value(parts).map_err(ClientError::Answer)
}

/// Counts what has left; what did not arrive is taken back.
struct Counted {
    gone: Arc<AtomicU64>,
    bytes: AtomicU64,
}

impl Counted {
    fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.gone.fetch_add(bytes, Ordering::Relaxed);
    }

    fn keep(&self) {
        self.bytes.store(0, Ordering::Relaxed);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.gone.fetch_sub(self.bytes.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// A stretch of the file as a body; its CRC-32C is reckoned on the way.
fn body(
    file: Arc<File>,
    (offset, size_bytes): (u64, u64),
    crc: &Arc<AtomicU32>,
    counted: &Arc<Counted>,
) -> impl futures::Stream<Item = io::Result<Frame<Bytes>>> + Send + use<> {
    let (crc, counted) = (Arc::clone(crc), Arc::clone(counted));
    stream::unfold(Some((offset, file)), move |reading| {
        let (crc, counted) = (Arc::clone(&crc), Arc::clone(&counted));
        async move {
            let (at, file) = reading?;
            let length = (offset + size_bytes - at).min(CHUNK_BYTES);
            if length == 0 {
                return None;
            }
            let read = tokio::task::spawn_blocking(move || {
                let mut chunk = vec![0; usize::try_from(length).map_err(io::Error::other)?];
                file.read_exact_at(&mut chunk, at)?;
                Ok((Bytes::from(chunk), file))
            });
            let read: io::Result<_> = read.await.unwrap_or_else(|lost| Err(io::Error::other(lost)));
            match read {
                Ok((chunk, file)) => {
                    let so_far = crc.load(Ordering::Acquire);
                    crc.store(crc32c::crc32c_append(so_far, &chunk), Ordering::Release);
                    counted.add(length);
                    Some((Ok(Frame::data(chunk)), Some((at + length, file))))
                }
                Err(error) => Some((Err(error), None)),
            }
        }
    })
}

/// Asks again for a while where the API cannot be reached or is busy.
pub(crate) async fn patiently<T, F>(mut ask: impl FnMut() -> F) -> Result<T, ClientError>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let (mut pause, until) = (FIRST_PAUSE, Instant::now() + Duration::from_secs(120));
    loop {
        let passing = |error: &ClientError| match error {
            ClientError::Refused { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            ClientError::Http(_) => true,
            _ => false,
        };
        match ask().await {
            Err(error) if passing(&error) && Instant::now() < until => {
                tracing::debug!(%error, "asked again");
            }
            answered => return answered,
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
