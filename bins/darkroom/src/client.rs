//! The API as commands use it: hand in, follow, fetch.

use std::{net::IpAddr, path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::Value;
use service::{Failure, OrTry};
use tokio::{fs, io::AsyncWriteExt as _, time::timeout};
use url::{Host, Url};

use crate::{
    connection::Connection,
    http::{self as transport, HttpError},
    sse,
};

/// How often a broken event stream is taken up again before giving up.
const RESUMES_MAX: u32 = 30;
/// How long to wait before that.
const RESUME_PAUSE: Duration = Duration::from_millis(500);
/// A stream says at least this often that it lives.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// How long a download may be silent.
const STALL_MAX: Duration = Duration::from_secs(60);

/// The API did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The key would be sent in the clear.
    #[error("DARKROOM_URL is {0}, plaintext beyond loopback: use https")]
    Plaintext(Url),
    /// The address makes no sense.
    #[error("DARKROOM_URL is not a URL")]
    Url(#[from] url::ParseError),
    /// The key makes no sense.
    #[error("DARKROOM_KEY or DARKROOM_SECRET cannot be sent")]
    Credentials(#[source] http::header::InvalidHeaderValue),
    /// A request cannot be made of it.
    #[error("make a request")]
    Request(#[from] http::Error),
    /// No answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// An answer that says no.
    #[error("{status}: {message}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// What the server says about it.
        message: String,
    },
    /// An answer that says nothing.
    #[error("the answer is not what the API answers; is DARKROOM_URL right?")]
    Answer(#[source] serde_json::Error),
    /// Events stopped coming.
    #[error("the event stream broke off {RESUMES_MAX} times; the job goes on without us")]
    Lost,
    /// A download broke off.
    #[error("download: the answer broke off")]
    Download,
    /// A file could not be written.
    #[error("write {path}")]
    Write {
        /// The file.
        path: String,
        #[source]
        source: std::io::Error,
    },
}

/// One event of a job, as the API tells it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Told {
    /// Its place in the stream.
    pub(crate) seq: u64,
    /// Its name.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// What it says.
    pub(crate) data: Value,
}

impl Told {
    /// Whether the job is over with it.
    pub(crate) fn is_outcome(&self) -> bool {
        matches!(self.kind.as_str(), "completed" | "failed" | "cancelled")
    }
}

/// What is heard of a job.
pub(crate) enum Heard {
    /// Something happened.
    Event(Told),
    /// How far it has come. Not stored anywhere.
    Progress(Value),
}

/// Speaks with an API as one application.
#[derive(Clone)]
pub(crate) struct Client {
    base: Url,
    authorization: HeaderValue,
}

impl Client {
    /// As the connection says.
    pub(crate) fn new(connection: &Connection) -> Result<Self, Failure> {
        let base: Url = connection.get("DARKROOM_URL")?.parse().map_err(ClientError::Url)?;
        let local = match base.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
            Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        if base.scheme() != "https" && !local {
            return Err(ClientError::Plaintext(base).into());
        }
        let (key, secret) = (connection.get("DARKROOM_KEY")?, connection.get("DARKROOM_SECRET")?);
        let basic = format!("Basic {}", STANDARD.encode(format!("{key}:{secret}")));
        let mut authorization = HeaderValue::try_from(basic).map_err(ClientError::Credentials)?;
        authorization.set_sensitive(true);
        Ok(Self { base, authorization })
    }

    /// Hands a wish in and gives the body that it is answered with.
    pub(crate) async fn submit(&self, wish: &Value) -> Result<Value, Failure> {
        let body = Bytes::from(wish.to_string());
        let json = [(header::CONTENT_TYPE, "application/json".to_owned())];
        let answer = match self.ask(Method::POST, "/v2/previews/", &json, body).await {
            Err(error @ ClientError::Http(_)) => Err(error).or_try("darkroom doctor")?,
            answer => answer?,
        };
        let body = transport::whole(answer.into_body()).await.map_err(ClientError::Http)?;
        Ok(serde_json::from_slice(&body).map_err(ClientError::Answer)?)
    }

    /// Asks for something in JSON and gives what is answered.
    pub(crate) async fn json(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ClientError> {
        let headers = [(header::CONTENT_TYPE, "application/json".to_owned())];
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let answer = self.ask(method, path, &headers, body).await?;
        let body = transport::whole(answer.into_body()).await?;
        serde_json::from_slice(&body).map_err(ClientError::Answer)
    }

    /// The body of a preview, as it is and as it reads.
    pub(crate) async fn preview(&self, id: &str) -> Result<(Bytes, Value), ClientError> {
        let path = format!("/v2/previews/{id}/");
        let answer = self.ask(Method::GET, &path, &[], Bytes::new()).await?;
        let body = transport::whole(answer.into_body()).await?;
        let value = serde_json::from_slice(&body).map_err(ClientError::Answer)?;
        Ok((body, value))
    }

    /// Hears of a job until it is over.
    pub(crate) async fn follow(
        &self,
        id: &str,
        mut hear: impl FnMut(&Heard),
    ) -> Result<Told, ClientError> {
        let mut last = 0;
        for _ in 0..RESUMES_MAX {
            match self.listen(id, &mut last, &mut hear).await {
                Ok(Some(outcome)) => return Ok(outcome),
                Err(error @ ClientError::Refused { status, .. }) if status.is_client_error() => {
                    return Err(error);
                }
                Ok(None) => {}
                Err(error) => tracing::debug!(error = %service::Chain(&error), "listening again"),
            }
            tokio::time::sleep(RESUME_PAUSE).await;
        }
        Err(ClientError::Lost)
    }

    async fn listen(
        &self,
        id: &str,
        last: &mut u64,
        hear: &mut impl FnMut(&Heard),
    ) -> Result<Option<Told>, ClientError> {
        let headers = [
            (header::ACCEPT, "text/event-stream".to_owned()),
            (HeaderName::from_static("last-event-id"), last.to_string()),
        ];
        let path = format!("/v1/jobs/{id}/events");
        let answer = self.ask(Method::GET, &path, &headers, Bytes::new()).await?;
        let mut reader = sse::Reader::default();
        let mut body = answer.into_body();
        while let Ok(Some(Ok(frame))) = timeout(SILENCE_MAX, body.frame()).await {
            let Ok(data) = frame.into_data() else { continue };
            for event in reader.read(&data) {
                if event.kind == "progress" {
                    if let Ok(step) = serde_json::from_str(&event.data) {
                        hear(&Heard::Progress(step));
                    }
                    continue;
                }
                let told: Told = serde_json::from_str(&event.data).map_err(ClientError::Answer)?;
                *last = told.seq;
                let outcome = told.is_outcome().then(|| told.clone());
                hear(&Heard::Event(told));
                if outcome.is_some() {
                    return Ok(outcome);
                }
            }
        }
        Ok(None)
    }

    /// Downloads what a signed link leads to.
    pub(crate) async fn download(&self, link: &str, to: &Path) -> Result<u64, ClientError> {
        let answer =
            succeeded(transport::send(Request::get(link).body(Full::default())?).await?).await?;
        let failed = |source| ClientError::Write { path: to.display().to_string(), source };
        let mut file = fs::File::create(to).await.map_err(failed)?;
        let (mut body, mut size_bytes) = (answer.into_body(), 0);
        while let Some(frame) =
            timeout(STALL_MAX, body.frame()).await.map_err(|_elapsed| ClientError::Download)?
        {
            let Ok(frame) = frame else { return Err(ClientError::Download) };
            if let Ok(data) = frame.into_data() {
                size_bytes += data.len() as u64;
                file.write_all(&data).await.map_err(failed)?;
            }
        }
        file.flush().await.map_err(failed)?;
        Ok(size_bytes)
    }

    /// Asks for something, and hands back an answer that says yes.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, String)],
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        let url = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .header(header::AUTHORIZATION, &self.authorization);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        succeeded(transport::send(request.body(Full::new(body))?).await?).await
    }
}

/// The answer, or what it says no with.
async fn succeeded(answer: Response<Incoming>) -> Result<Response<Incoming>, ClientError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let body = transport::whole(answer.into_body()).await.unwrap_or_default();
    Err(ClientError::Refused { status, message: message(&body) })
}

/// What an error's body says, in either of the API's spellings.
fn message(body: &[u8]) -> String {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |pointer| value.pointer(pointer).and_then(Value::as_str);
    let said = text("/error/message").or_else(|| text("/detail")).or_else(|| text("/title"));
    let said = said.unwrap_or("no explanation was given");
    match text("/error/param").or_else(|| text("/param")) {
        Some(param) => format!("{param}: {said}"),
        None => said.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_an_error_are_read() {
        let envelope = br#"{"error": {"param": "url", "message": "This field is required."}}"#;
        assert_eq!(message(envelope), "url: This field is required.");
        assert_eq!(message(br#"{"title": "Gone", "detail": "It is gone."}"#), "It is gone.");
        assert_eq!(message(b"<html>"), "no explanation was given");
    }
}
