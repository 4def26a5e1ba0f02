//! Fetching a source: every hop judged, every byte counted.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG,
    IF_RANGE, LAST_MODIFIED, LOCATION, RANGE, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::body::Body;
use crate::client::{Client, request};
use crate::error::{Error, Phase, RedirectError};
use crate::name;
use crate::url::SourceUrl;

/// An open source: what its server says of it, and its bytes.
pub struct Fetched {
    /// Where the bytes really come from, with the credentials that go there; ask for ranges here.
    pub final_url: SourceUrl,
    /// The status, always a success.
    pub status: u16,
    /// Bytes to come, if the server says so.
    pub content_length: Option<u64>,
    /// Bytes of the whole source, if the server says so; differs from `content_length` for a range.
    pub total_length: Option<u64>,
    /// The server's opinion. Not to be relied on.
    pub content_type: Option<String>,
    /// From `Content-Disposition`, else from the URL's path: one clean path segment, at most 255 bytes.
    pub file_name: Option<String>,
    /// Whether the server says that it serves byte ranges.
    pub accepts_ranges: bool,
    /// A strong validator, a tag or a date: ranges asked for with it are of the same version or
    /// refused.
    pub validator: Option<HeaderValue>,
    /// The bytes.
    pub body: Body,
}

impl Fetched {
    /// Whether these are only the first bytes of the source.
    #[must_use]
    pub fn is_part(&self) -> bool {
        self.status == StatusCode::PARTIAL_CONTENT.as_u16()
            && self.total_length != self.content_length
    }
}

impl Client {
    /// Opens the source at `url`: at most `max_bytes` of it, all of it before `deadline`.
    pub async fn fetch(
        &self,
        url: &SourceUrl,
        max_bytes: u64,
        deadline: Instant,
    ) -> Result<Fetched, Error> {
        let (response, final_url) = self.open(url, &HeaderMap::new(), deadline).await?;
        // Nobody asked for a part: taking it for the whole would lose the rest silently.
        if response.status() == StatusCode::PARTIAL_CONTENT {
            return Err(Error::Status(response.status().as_u16()));
        }
        let content_length = content_length(response.headers());
        if content_length.is_some_and(|length| length > max_bytes) {
            return Err(Error::TooLarge { limit_bytes: max_bytes });
        }
        Ok(self.fetched(response, final_url, max_bytes, content_length, deadline))
    }

    /// Opens the source at `url` with its first `len_bytes`, or as a whole of at most `max_bytes`
    /// where its server serves no ranges; [`Fetched::is_part`] tells which.
    pub async fn fetch_start(
        &self,
        url: &SourceUrl,
        len_bytes: u64,
        max_bytes: u64,
        deadline: Instant,
    ) -> Result<Fetched, Error> {
        let opened = self.open(url, &range_of(0, len_bytes, None)?, deadline).await;
        let (response, final_url) = match opened {
            // What has no bytes has no first ones either.
            Err(Error::Status(416)) => return self.fetch(url, max_bytes, deadline).await,
            opened => opened?,
        };
        let part = response.status() == StatusCode::PARTIAL_CONTENT;
        let range = text(response.headers(), &CONTENT_RANGE).and_then(parse_content_range);
        let (total, limit) = match range {
            Some(ContentRange { first: 0, total: Some(total) }) if part => (Some(total), len_bytes),
            // A part, but nobody knows of what.
            _ if part => return self.fetch(url, max_bytes, deadline).await,
            _ => (content_length(response.headers()), max_bytes),
        };
        if total.is_some_and(|total| total > max_bytes) {
            return Err(Error::TooLarge { limit_bytes: max_bytes });
        }
        Ok(self.fetched(response, final_url, limit, total, deadline))
    }

    /// Opens at most `len_bytes` (at least 1) of the source from byte `from`; servers may send fewer. With the `validator` of an earlier
    /// answer a source that has changed since is [`Error::NoRanges`], as is a server that ignores ranges.
    pub async fn fetch_range(
        &self,
        url: &SourceUrl,
        from: u64,
        len_bytes: u64,
        validator: Option<&HeaderValue>,
        deadline: Instant,
    ) -> Result<Fetched, Error> {
        let headers = range_of(from, len_bytes, validator)?;
        let (response, final_url) = self.open(url, &headers, deadline).await?;
        let range = text(response.headers(), &CONTENT_RANGE).and_then(parse_content_range);
        match range {
            Some(range)
                if response.status() == StatusCode::PARTIAL_CONTENT && range.first == from =>
            {
                Ok(self.fetched(response, final_url, len_bytes, range.total, deadline))
            }
            _ => Err(Error::NoRanges),
        }
    }

    fn fetched(
        &self,
        response: Response<Incoming>,
        final_url: SourceUrl,
        max_bytes: u64,
        total_length: Option<u64>,
        deadline: Instant,
    ) -> Fetched {
        let headers = response.headers();
        Fetched {
            status: response.status().as_u16(),
            content_length: content_length(headers),
            total_length,
            content_type: text(headers, &CONTENT_TYPE).map(str::to_owned),
            file_name: name::of(headers, final_url.last_segment()),
            accepts_ranges: text(headers, &ACCEPT_RANGES)
                .is_some_and(|units| units.trim().eq_ignore_ascii_case("bytes")),
            validator: validator(headers),
            final_url,
            body: Body::new(response.into_body(), &self.settings, max_bytes, deadline),
        }
    }

    /// Asks, and asks again where it is redirected to, until there is a success.
    async fn open(
        &self,
        url: &SourceUrl,
        extra: &HeaderMap,
        deadline: Instant,
    ) -> Result<(Response<Incoming>, SourceUrl), Error> {
        let mut at = url.clone();
        for _hop in 0..=self.settings.redirects {
            let response = self.ask(&at, extra, deadline).await?;
            let status = response.status();
            if is_redirect(status) {
                at = redirected(&at, response.headers())?;
            } else if !status.is_success() {
                return Err(Error::Status(status.as_u16()));
            } else if is_encoded(response.headers()) {
                return Err(Error::Encoded);
            } else {
                return Ok((response, at));
            }
        }
        Err(Error::Redirect(RedirectError::TooMany))
    }

    async fn ask(
        &self,
        at: &SourceUrl,
        extra: &HeaderMap,
        deadline: Instant,
    ) -> Result<Response<Incoming>, Error> {
        let mut headers = at.headers().clone();
        headers.extend(extra.clone());
        let patience = Instant::now() + self.settings.connect() + self.settings.first_byte();
        let asking = self.http.request(request(Method::GET, at.uri(), headers, Bytes::new()));
        match tokio::time::timeout_at(patience.min(deadline), asking).await {
            Ok(answered) => answered.map_err(Error::from_client),
            Err(_elapsed) if deadline <= patience => Err(Error::Timeout(Phase::Total)),
            Err(_elapsed) => Err(Error::Timeout(Phase::FirstByte)),
        }
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

pub(crate) fn redirected(from: &SourceUrl, headers: &HeaderMap) -> Result<SourceUrl, Error> {
    let location = headers
        .get(LOCATION)
        .and_then(|location| std::str::from_utf8(location.as_bytes()).ok())
        .ok_or(Error::Redirect(RedirectError::NoLocation))?;
    let to = from.follow(location).map_err(|error| Error::Redirect(RedirectError::Url(error)))?;
    if from.is_https() && !to.is_https() {
        return Err(Error::Redirect(RedirectError::Downgrade));
    }
    Ok(to)
}

/// Whether anything but chunking stands between the bytes sent and the bytes meant.
pub(crate) fn is_encoded(headers: &HeaderMap) -> bool {
    let foreign = |name: &HeaderName, known: &str| {
        headers.get_all(name).iter().any(|value| {
            value.to_str().map_or(true, |value| !value.trim().eq_ignore_ascii_case(known))
        })
    };
    foreign(&CONTENT_ENCODING, "identity") || foreign(&TRANSFER_ENCODING, "chunked")
}

pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    text(headers, &CONTENT_LENGTH)?.parse().ok()
}

fn range_of(
    from: u64,
    len_bytes: u64,
    validator: Option<&HeaderValue>,
) -> Result<HeaderMap, Error> {
    let last = from.saturating_add(len_bytes.saturating_sub(1));
    let mut headers = HeaderMap::new();
    let range = HeaderValue::try_from(format!("bytes={from}-{last}")).or(Err(Error::NoRanges))?;
    headers.insert(RANGE, range);
    if let Some(validator) = validator {
        headers.insert(IF_RANGE, validator.clone());
    }
    Ok(headers)
}

/// A tag that is not weak; else the date of the last change, if that was a while before the answer:
/// then a later change has a later date.
pub(crate) fn validator(headers: &HeaderMap) -> Option<HeaderValue> {
    const SETTLED: Duration = Duration::from_secs(60);
    let etag = headers.get(ETAG).filter(|etag| etag.as_bytes().starts_with(b"\""));
    let date = |name| httpdate::parse_http_date(text(headers, name)?).ok();
    let settled = || {
        let changed = date(&LAST_MODIFIED)?;
        let ago = date(&DATE)?.duration_since(changed).ok()?;
        headers.get(LAST_MODIFIED).filter(|_| ago >= SETTLED)
    };
    etag.or_else(settled).cloned()
}

pub(crate) struct ContentRange {
    pub(crate) first: u64,
    total: Option<u64>,
}

/// `bytes 0-99/1000`, the total perhaps `*`.
pub(crate) fn parse_content_range(text: &str) -> Option<ContentRange> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, _last) = range.split_once('-')?;
    Some(ContentRange { first: first.trim().parse().ok()?, total: total.trim().parse().ok() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_validator_is_a_strong_tag_or_a_settled_date() {
        const CHANGED: &str = "Sun, 06 Nov 1994 08:00:00 GMT";
        let of = |fields: &[(HeaderName, &'static str)]| {
            let value = |(name, text): &(HeaderName, &'static str)| {
                (name.clone(), HeaderValue::from_static(text))
            };
            validator(&fields.iter().map(value).collect())
        };
        let settled = (DATE, "Sun, 06 Nov 1994 08:01:00 GMT");
        let fresh = (DATE, "Sun, 06 Nov 1994 08:00:59 GMT");
        let changed = (LAST_MODIFIED, CHANGED);
        assert_eq!(of(&[(ETAG, "\"a\""), changed.clone()]).unwrap(), "\"a\"");
        assert_eq!(of(&[(ETAG, "W/\"a\""), changed.clone(), settled]).unwrap(), CHANGED);
        assert_eq!(of(&[changed.clone(), fresh]), None);
        assert_eq!(of(&[changed]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn a_content_range_is_read_with_and_without_its_total() {
        let range = parse_content_range("bytes 5-9/20").unwrap();
        assert_eq!((range.first, range.total), (5, Some(20)));
        assert_eq!(parse_content_range("bytes 5-9/*").unwrap().total, None);
        for wrong in ["", "bytes", "bytes */20", "items 0-1/2", "bytes -5/20", "bytes x-9/20"] {
            assert!(parse_content_range(wrong).is_none(), "{wrong}");
        }
    }
}
