//! What is read of a server's answer, for those who fuzz it.

use http::{HeaderMap, HeaderValue};

use crate::url::SourceUrl;
use crate::{fetch, name, post};

/// An answer, as its headers were understood.
pub struct Read {
    /// Where it leads, if it were a redirect.
    pub redirected: Option<SourceUrl>,
    /// Bytes to come.
    pub content_length: Option<u64>,
    /// The first byte of a range.
    pub range_from: Option<u64>,
    /// What the file is called.
    pub file_name: Option<String>,
    /// The version that later ranges are asked of.
    pub validator: Option<HeaderValue>,
    /// Whether bytes other than those meant are sent.
    pub is_encoded: bool,
}

/// Reads the headers of an answer to a request for `from`.
#[must_use]
pub fn answer(from: &SourceUrl, headers: &HeaderMap) -> Read {
    let range = fetch::text(headers, &http::header::CONTENT_RANGE);
    Read {
        redirected: fetch::redirected(from, headers).ok(),
        content_length: fetch::content_length(headers),
        range_from: range.and_then(fetch::parse_content_range).map(|range| range.first),
        file_name: name::of(headers, from.last_segment()),
        validator: fetch::validator(headers),
        is_encoded: fetch::is_encoded(headers),
    }
}

/// What is kept of the body of an endpoint's answer.
#[must_use]
pub fn excerpt(body: &[u8]) -> String {
    post::clean(body)
}
