//! Posting a webhook: one attempt, one deadline, no redirects, and little patience for the answer.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Method, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use tokio::time::Instant;

use crate::client::{Client, request};
use crate::connect::Peer;
use crate::error::{Error, Phase};
use crate::fetch::is_encoded;
use crate::name::is_unsafe;
use crate::url::HookUrl;

/// How much of an answer is read before the connection is dropped.
pub const RESPONSE_BYTES_READ: usize = 64 * 1024;
/// How much of an answer is kept, in bytes after cleaning.
pub const RESPONSE_BYTES_KEPT: usize = 4 * 1024;
/// Longest `Retry-After` that is passed on.
const RETRY_AFTER_BYTES_MAX: usize = 64;

/// The receiver answered, with whatever status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// The status.
    pub status: u16,
    /// From before resolving the name until the answer was read.
    pub latency: Duration,
    /// The address that was called.
    pub address: Option<IpAddr>,
    /// The `Retry-After` field as sent.
    pub retry_after: Option<String>,
    /// The beginning of the answer: valid UTF-8, control characters escaped; empty if it was encoded.
    pub excerpt: String,
}

/// There was no answer, or none in time.
#[derive(Debug, thiserror::Error)]
#[error("the webhook was not answered")]
pub struct PostError {
    /// What went wrong.
    #[source]
    pub error: Error,
    /// How long it took to go wrong.
    pub latency: Duration,
    /// The address that was called, if it came to that.
    pub address: Option<IpAddr>,
}

impl Client {
    /// Posts `body` to `url`. The name is asked for anew, and a connection that is open already is only
    /// used if it leads to an address that the name still has. `timeout` covers everything from resolving
    /// the name to reading the answer.
    pub async fn post(
        &self,
        url: &HookUrl,
        headers: HeaderMap,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Posted, PostError> {
        let begun = Instant::now();
        let mut request = request(Method::POST, url.uri(), headers, body);
        let connection = capture_connection(&mut request);
        let attempt = async {
            let http = self.way_to(request.uri()).await?;
            let response = http.request(request).await.map_err(Error::from_client)?;
            Ok(read(response).await)
        };
        let outcome = match tokio::time::timeout(timeout, attempt).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(Error::Timeout(Phase::Total)),
        };
        let (latency, address) = (begun.elapsed(), peer(&connection));
        match outcome {
            Ok(answer) => Ok(Posted { latency, address, ..answer }),
            Err(error) => Err(PostError { error, latency, address }),
        }
    }
}

/// The status decides; a body that breaks off merely has a shorter excerpt.
async fn read(response: Response<Incoming>) -> Posted {
    let status = response.status().as_u16();
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .filter(|value| value.len() <= RETRY_AFTER_BYTES_MAX)
        .map(str::to_owned);
    let encoded = is_encoded(response.headers());
    let mut body = response.into_body();
    let mut kept = Vec::new();
    let mut bytes_read = 0;
    while bytes_read < RESPONSE_BYTES_READ {
        let Some(Ok(frame)) = body.frame().await else { break };
        let Some(data) = frame.data_ref() else { continue };
        bytes_read += data.len();
        kept.extend(data.iter().take(RESPONSE_BYTES_KEPT.saturating_sub(kept.len())));
    }
    let excerpt = if encoded { String::new() } else { clean(&kept) };
    Posted { status, latency: Duration::ZERO, address: None, retry_after, excerpt }
}

/// Valid UTF-8 in which nothing acts on a terminal or a log, at most [`RESPONSE_BYTES_KEPT`].
pub(crate) fn clean(bytes: &[u8]) -> String {
    let mut cleaned = String::new();
    for char in String::from_utf8_lossy(bytes).chars() {
        let before = cleaned.len();
        if is_unsafe(char) {
            cleaned.extend(char.escape_default());
        } else {
            cleaned.push(char);
        }
        if cleaned.len() > RESPONSE_BYTES_KEPT {
            cleaned.truncate(before);
            break;
        }
    }
    cleaned
}

fn peer(connection: &CaptureConnection) -> Option<IpAddr> {
    let mut extras = http::Extensions::new();
    connection.connection_metadata().as_ref()?.get_extras(&mut extras);
    extras.get::<Peer>().map(|Peer(address)| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_short_valid_and_without_controls() {
        assert_eq!(clean(b"ok\r\n\x1b[31mred\0"), "ok\\r\\n\\u{1b}[31mred\\u{0}");
        assert_eq!(clean(b"\xff\xfeabc"), "\u{fffd}\u{fffd}abc");
        let long = clean("ä\n".repeat(RESPONSE_BYTES_KEPT).as_bytes());
        assert!(long.len() <= RESPONSE_BYTES_KEPT && !long.contains(char::is_control));
    }
}
