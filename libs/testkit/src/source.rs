//! A server of source files that can be slow, wrong or gone.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures::stream;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;

use crate::http_server::{Answer, Broken, Server};

/// A file, and how it is served.
#[derive(Debug, Clone)]
pub struct Source {
    status: u16,
    headers: Vec<(String, String)>,
    bytes: Bytes,
    ranges: bool,
    heedless: bool,
    next: Option<Box<Source>>,
    pace: Option<(usize, Duration)>,
    cut_after: Option<usize>,
    hangs: bool,
}

impl Source {
    /// Served with 200, and 206 for a range.
    #[must_use]
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            bytes: bytes.into(),
            ranges: true,
            heedless: false,
            next: None,
            pace: None,
            cut_after: None,
            hangs: false,
        }
    }

    /// An answer with this status and a little text.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status, ranges: false, ..Self::bytes(format!("status {status}")) }
    }

    /// A redirect.
    #[must_use]
    pub fn redirect(status: u16, to: impl Into<String>) -> Self {
        Self::status(status).header("location", to)
    }

    /// Takes the request and never answers.
    #[must_use]
    pub fn hanging() -> Self {
        Self { hangs: true, ..Self::status(200) }
    }

    /// With another status, whatever the bytes are; ranges are ignored.
    #[must_use]
    pub const fn answering(mut self, status: u16) -> Self {
        self.status = status;
        self.ranges = false;
        self
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// `Range` is ignored: always the whole file.
    #[must_use]
    pub const fn without_ranges(mut self) -> Self {
        self.ranges = false;
        self
    }

    /// `If-Range` is ignored: a range of whatever is there now.
    #[must_use]
    pub const fn heedless_of_versions(mut self) -> Self {
        self.heedless = true;
        self
    }

    /// From the second request on, another lies there instead.
    #[must_use]
    pub fn then(mut self, next: Self) -> Self {
        self.next = Some(Box::new(next));
        self
    }

    /// So many bytes, a pause, so many bytes, and so on; without a `Content-Length`.
    #[must_use]
    pub const fn slowly(mut self, bytes: usize, pause: Duration) -> Self {
        self.pace = Some((bytes, pause));
        self
    }

    /// The connection breaks after so many bytes of the body.
    #[must_use]
    pub const fn cut_after(mut self, bytes: usize) -> Self {
        self.cut_after = Some(bytes);
        self
    }
}

/// Serves files under their paths; everything else is 404.
pub struct SourceServer {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    files: Mutex<HashMap<String, Source>>,
    hits: Mutex<HashMap<String, usize>>,
    sent: Mutex<HashMap<String, u64>>,
}

impl SourceServer {
    /// Starts on a free port of loopback.
    pub async fn start() -> Self {
        let shared = Arc::<Shared>::default();
        let keeper = Arc::clone(&shared);
        let server = Server::start(0, move |request| answer(Arc::clone(&keeper), request)).await;
        Self { server, shared }
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.address().port()
    }

    /// The URL of a path, whether something is there or not.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    /// Puts a file under a path, replacing what was there, and gives its URL.
    pub fn put(&self, path: &str, source: Source) -> String {
        self.shared.files.lock().unwrap().insert(path.to_owned(), source);
        self.url(path)
    }

    /// How many requests a path had.
    #[must_use]
    pub fn hits(&self, path: &str) -> usize {
        self.shared.hits.lock().unwrap().get(path).copied().unwrap_or(0)
    }

    /// How many bytes of a path went out, counted before whoever asked may have hung up.
    #[must_use]
    pub fn sent_bytes(&self, path: &str) -> u64 {
        self.shared.sent.lock().unwrap().get(path).copied().unwrap_or(0)
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Bytes>) -> Result<Answer, Broken> {
    let path = request.uri().path().to_owned();
    *shared.hits.lock().unwrap().entry(path.clone()).or_default() += 1;
    let source = shared.files.lock().unwrap().get(&path).cloned();
    if let Some(next) = source.as_ref().and_then(|source| source.next.clone()) {
        shared.files.lock().unwrap().insert(path.clone(), *next);
    }
    let source = source.unwrap_or_else(|| Source::status(404));
    if source.hangs {
        return std::future::pending().await;
    }
    let field = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let total = source.bytes.len();
    let range = field(header::RANGE).filter(|_| source.ranges && source.is_meant(field));
    let range = range.and_then(|text| parse(text, total));
    let bytes =
        range.clone().map_or_else(|| source.bytes.clone(), |range| source.bytes.slice(range));
    *shared.sent.lock().unwrap().entry(path).or_default() += bytes.len() as u64;
    Ok(serve(source, range.as_ref(), bytes))
}

impl Source {
    /// Whether a request for a version of it means this one.
    fn is_meant<'a>(&self, field: impl Fn(header::HeaderName) -> Option<&'a str>) -> bool {
        let own = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("etag"));
        let meant = field(header::IF_RANGE);
        self.heedless || meant.is_none() || meant == own.map(|(_, value)| value.as_str())
    }
}

fn serve(source: Source, range: Option<&Range<usize>>, bytes: Bytes) -> Answer {
    let total = source.bytes.len();
    let status = if range.is_some() { 206 } else { source.status };
    let mut response = Response::builder().status(status);
    if let Some(Range { start, end }) = range {
        response = response.header(
            header::CONTENT_RANGE,
            format!("bytes {start}-{}/{total}", end.saturating_sub(1)),
        );
    }
    if source.ranges {
        response = response.header(header::ACCEPT_RANGES, "bytes");
    }
    for (name, value) in source.headers {
        response = response.header(name, value);
    }
    let body = match (source.pace, source.cut_after) {
        (None, None) => Full::new(bytes).map_err(Into::into).boxed(),
        (pace, cut_after) => {
            if pace.is_none() {
                response = response.header(header::CONTENT_LENGTH, bytes.len());
            }
            in_pieces(bytes, pace, cut_after)
        }
    };
    response.body(body).unwrap()
}

fn in_pieces(
    bytes: Bytes,
    pace: Option<(usize, Duration)>,
    cut_after: Option<usize>,
) -> http_body_util::combinators::BoxBody<Bytes, Broken> {
    let (size, pause) = pace.unwrap_or((4096, Duration::from_millis(1)));
    let size = size.max(1);
    let left = cut_after.unwrap_or(usize::MAX);
    let frames = stream::unfold((bytes, left), move |(mut bytes, left)| async move {
        if left == 0 {
            return Some((Err(Broken), (Bytes::new(), left)));
        }
        if bytes.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let piece = bytes.split_to(size.min(left).min(bytes.len()));
        let left = left - piece.len();
        Some((Ok(Frame::data(piece)), (bytes, left)))
    });
    BodyExt::boxed(StreamBody::new(frames))
}

/// `bytes=a-b`, `bytes=a-` and `bytes=-n`; anything else is no range.
fn parse(text: &str, total: usize) -> Option<Range<usize>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let range = match (first.parse(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => first..last.saturating_add(1).min(total),
        (Ok(first), Err(_)) if last.is_empty() => first..total,
        (Err(_), Ok(count)) if first.is_empty() => total.saturating_sub(count)..total,
        _ => return None,
    };
    (range.start < range.end).then_some(range)
}
