//! A server in front of a real S3 server: it remembers what was asked, and spoils answers on demand.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy, rt::TokioExecutor};

use crate::http_server::{Answer, Broken, Server};

type Http = legacy::Client<legacy::connect::HttpConnector, Full<Bytes>>;

/// What becomes of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// They are answered with this status and S3 error code, and go no further.
    Answers(u16, &'static str),
    /// They are never answered.
    Stalls,
    /// The connection breaks off.
    Resets,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its method.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// Its headers.
    pub headers: HeaderMap,
}

impl Asked {
    /// What S3 calls it; empty where it is none of the requests that store or try a probe.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let object = path.trim_matches('/').contains('/');
        let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
        match (self.method.as_str(), object) {
            ("PUT", true) if has("uploadId") => "UploadPart",
            ("PUT", true) => "PutObject",
            ("POST", true) if has("uploads") => "CreateMultipartUpload",
            ("POST", true) if has("uploadId") => "CompleteMultipartUpload",
            ("DELETE", true) if has("uploadId") => "AbortMultipartUpload",
            ("DELETE", true) => "DeleteObject",
            ("GET", true) => "GetObject",
            ("HEAD", true) => "HeadObject",
            ("GET", false) if has("list-type") => "ListObjectsV2",
            _ => "",
        }
    }

    /// A header's text; nothing where it has none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

#[derive(Default)]
struct Book {
    asked: Vec<Asked>,
    /// What is spoiled: requests of an operation, or all; so many times, or always.
    fault: Option<(Fault, &'static str, usize)>,
}

/// Stands in front of a server while it lives.
pub struct Front {
    server: Server,
    book: Arc<Mutex<Book>>,
}

impl Front {
    /// In front of the server at this endpoint.
    pub async fn before(endpoint: impl Into<String>) -> Self {
        let (endpoint, book) = (Arc::new(endpoint.into()), Arc::<Mutex<Book>>::default());
        let keeper = Arc::clone(&book);
        let http = legacy::Client::builder(TokioExecutor::new()).build_http();
        let server = Server::start(0, move |request| {
            pass(http.clone(), Arc::clone(&endpoint), Arc::clone(&keeper), request)
        })
        .await;
        Self { server, book }
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.server.address().port()
    }

    /// Its endpoint.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Spoils every request from now on, or none.
    ///
    /// # Panics
    /// When a request panicked.
    pub fn spoil(&self, fault: Option<Fault>) {
        self.book.lock().unwrap().fault = fault.map(|fault| (fault, "", usize::MAX));
    }

    /// Spoils so many requests of this operation from now on.
    ///
    /// # Panics
    /// When a request panicked.
    pub fn spoil_some(&self, fault: Fault, operation: &'static str, times: usize) {
        self.book.lock().unwrap().fault = Some((fault, operation, times));
    }

    /// Everything that was asked so far.
    ///
    /// # Panics
    /// When a request panicked.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.book.lock().unwrap().asked.clone()
    }
}

impl Book {
    /// What becomes of this request.
    fn fate(&mut self, asked: &Asked) -> Option<Fault> {
        let (fault, operation, times) = self.fault.as_mut()?;
        if *times == 0 || !(operation.is_empty() || *operation == asked.operation()) {
            return None;
        }
        *times -= 1;
        Some(*fault)
    }
}

async fn pass(
    http: Http,
    endpoint: Arc<String>,
    book: Arc<Mutex<Book>>,
    request: Request<Bytes>,
) -> Result<Answer, Broken> {
    let (mut head, body) = request.into_parts();
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let asked = Asked { method: head.method.clone(), target, headers: head.headers.clone() };
    let fate = {
        let mut book = book.lock().unwrap();
        let fate = book.fate(&asked);
        book.asked.push(asked.clone());
        fate
    };
    match fate {
        Some(Fault::Stalls) => std::future::pending().await,
        Some(Fault::Resets) => return Err(Broken),
        Some(Fault::Answers(status, code)) => {
            let text = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>");
            let body = Full::from(text).map_err(Into::into).boxed();
            return Ok(Response::builder().status(status).body(body).unwrap());
        }
        None => {}
    }
    // The host was signed, and stays as it was named.
    head.uri = format!("{endpoint}{}", asked.target).parse::<Uri>().unwrap();
    head.headers.remove(header::CONNECTION);
    let answer = http.request(Request::from_parts(head, Full::from(body))).await;
    let (head, body) = answer.map_err(|_gone| Broken)?.into_parts();
    let body = body.collect().await.map_err(|_cut_off| Broken)?.to_bytes();
    Ok(Response::from_parts(head, Full::from(body).map_err(Into::into).boxed()))
}
