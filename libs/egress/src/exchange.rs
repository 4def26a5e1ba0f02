//! Posting to a partner whose answer counts as it is: one attempt, one deadline, no redirects.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::client::{Client, request};
use crate::error::{Error, Phase};
use crate::fetch::is_encoded;
use crate::url::HookUrl;

/// What a partner answered, with whatever status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// What it says its body is.
    pub content_type: Option<String>,
    /// The body, all of it.
    pub body: Bytes,
}

impl Client {
    /// Posts `body` to `url` and reads an answer of at most `max_bytes`. `timeout` covers everything
    /// from resolving the name to the answer's last byte.
    pub async fn exchange(
        &self,
        url: &HookUrl,
        headers: HeaderMap,
        body: Bytes,
        max_bytes: usize,
        timeout: Duration,
    ) -> Result<Answer, Error> {
        let request = request(Method::POST, url.uri(), headers, body);
        let attempt = async {
            let response = self.http.request(request).await.map_err(Error::from_client)?;
            if is_encoded(response.headers()) {
                return Err(Error::Encoded);
            }
            let status = response.status().as_u16();
            let content_type = response.headers().get(CONTENT_TYPE);
            let content_type = content_type.and_then(|it| it.to_str().ok()).map(str::to_owned);
            let body = Limited::new(response.into_body(), max_bytes).collect().await;
            let body = body.map_err(|source| {
                if source.is::<LengthLimitError>() {
                    Error::TooLarge { limit_bytes: max_bytes as u64 }
                } else {
                    Error::Unreachable(source)
                }
            })?;
            Ok(Answer { status, content_type, body: body.to_bytes() })
        };
        match tokio::time::timeout(timeout, attempt).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(Error::Timeout(Phase::Total)),
        }
    }
}
