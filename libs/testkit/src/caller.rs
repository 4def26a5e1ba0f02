//! A client of the API, for tests.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy, rt::TokioExecutor};
use serde_json::Value;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks one API process as one application. Cheap to clone.
#[derive(Clone)]
pub struct Caller {
    http: legacy::Client<legacy::connect::HttpConnector, Full<Bytes>>,
    base: String,
    authorization: String,
}

/// What was answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Caller {
    /// A caller with a key and its secret.
    #[must_use]
    pub fn new(base: impl Into<String>, key: &str, secret: &str) -> Self {
        let http = legacy::Client::builder(TokioExecutor::new()).build_http();
        let authorization = format!("Basic {}", STANDARD.encode(format!("{key}:{secret}")));
        Self { http, base: base.into(), authorization }
    }

    /// The same caller at another process.
    #[must_use]
    pub fn at(&self, base: impl Into<String>) -> Self {
        Self { base: base.into(), ..self.clone() }
    }

    /// GET.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, Bytes::new()).await.expect("an answer")
    }

    /// DELETE.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, Bytes::new()).await.expect("an answer")
    }

    /// POST of JSON.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.try_post(path, body, None).await.expect("an answer")
    }

    /// POST of JSON, perhaps under an idempotency key; nothing when no answer comes.
    pub async fn try_post(&self, path: &str, body: &Value, key: Option<&str>) -> Option<Answer> {
        let mut headers = vec![(header::CONTENT_TYPE.as_str(), "application/json")];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        self.send_with(Method::POST, path, &headers, body.to_string().into()).await
    }

    /// Any request, at a path of the API or at a whole URL, which is asked without credentials.
    ///
    /// # Panics
    /// When there is no answer, or the method is none.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let method = method.parse().unwrap();
        self.send_with(method, path, headers, body.into()).await.expect("an answer")
    }

    /// Whether a GET is answered with a success.
    pub async fn is_ok(&self, path: &str) -> bool {
        let answer = self.send(Method::GET, path, Bytes::new()).await;
        answer.is_some_and(|answer| (200..300).contains(&answer.status))
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Option<Answer> {
        self.send_with(method, path, &[], body).await
    }

    async fn send_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Option<Answer> {
        // A path may be a whole URL: that of a download, which carries its own signature.
        let (url, ours) = match path.starts_with("http") {
            true => (path.to_owned(), false),
            false => (format!("{}{path}", self.base), true),
        };
        let mut request = Request::builder().method(method).uri(url);
        if ours {
            request = request.header(header::AUTHORIZATION, &self.authorization);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).unwrap();
        let exchange = async {
            let answer = self.http.request(request).await.ok()?;
            let (head, body) = answer.into_parts();
            let body = body.collect().await.ok()?.to_bytes();
            Some(Answer { status: head.status.as_u16(), headers: head.headers, body })
        };
        tokio::time::timeout(PATIENCE, exchange).await.ok().flatten()
    }
}
