//! URLs as strangers write them, parsed once; what was parsed is what is used.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use url::Url;

/// Longest URL, in bytes after encoding.
const URL_BYTES_MAX: usize = 8 * 1024;
/// Longest host name, without a final dot.
const HOST_BYTES_MAX: usize = 253;

/// Why a text is not a URL that can be used; quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a URL at all.
    #[error("not an absolute URL")]
    Malformed(#[source] Option<url::ParseError>),
    /// Neither http nor https.
    #[error("the scheme is neither http nor https")]
    Scheme,
    /// Plain http where https is required.
    #[error("https is required")]
    HttpsRequired,
    /// User name or password where none is accepted.
    #[error("user names and passwords in the URL are not accepted")]
    Userinfo,
    /// The host is longer than names can be.
    #[error("the host name is longer than 253 bytes")]
    HostTooLong,
    /// The whole is too long.
    #[error("the URL is longer than 8 KiB")]
    TooLong,
    /// Port 0.
    #[error("the port is not usable")]
    Port,
    /// A character that HTTP cannot carry.
    #[error("the URL cannot be sent over HTTP")]
    Unsendable,
}

/// Whether an endpoint may be called without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plaintext {
    /// https only.
    Refused,
    /// http too: the endpoint's owner chose so.
    Accepted,
}

/// The URL of a source: http or https, perhaps with credentials, which are kept beside it as headers.
#[derive(Clone, PartialEq, Eq)]
pub struct SourceUrl {
    target: Target,
    /// Sent to this origin only.
    headers: HeaderMap,
}

impl SourceUrl {
    /// Reads `text` by the WHATWG rules. Spaces and non-ASCII text are encoded, the fragment is dropped, and
    /// `user:password@` becomes an `Authorization` header.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let (target, userinfo) = Target::parse(parse(text)?)?;
        let mut headers = HeaderMap::new();
        if let Some(authorization) = userinfo {
            headers.insert(AUTHORIZATION, authorization);
        }
        Ok(Self { target, headers })
    }

    /// Adds a header that is sent to this origin, and not to another that it redirects to.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        self.headers.insert(name, value);
        self
    }

    /// The URL without credentials. It may still hold secrets in its path or query: not for logs.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.target.url.as_str()
    }

    /// The last segment of its path, decoded as far as it is UTF-8; `None` if empty.
    pub(crate) fn last_segment(&self) -> Option<&str> {
        self.target.url.path_segments()?.next_back().filter(|segment| !segment.is_empty())
    }

    pub(crate) fn uri(&self) -> Uri {
        self.target.uri.clone()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(crate) fn is_https(&self) -> bool {
        self.target.url.scheme() == "https"
    }

    /// Where a `Location` of its answer leads. Credentials stay with the origin they were given for.
    pub(crate) fn follow(&self, location: &str) -> Result<Self, UrlError> {
        let url =
            self.target.url.join(location).map_err(|error| UrlError::Malformed(Some(error)))?;
        let (target, userinfo) = Target::parse(url)?;
        if userinfo.is_some() {
            return Err(UrlError::Userinfo);
        }
        let same_origin = target.url.origin() == self.target.url.origin();
        let headers = if same_origin { self.headers.clone() } else { HeaderMap::new() };
        Ok(Self { target, headers })
    }
}

/// The URL of a webhook's receiver: https, without credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct HookUrl {
    target: Target,
}

impl HookUrl {
    /// Reads `text` by the WHATWG rules.
    pub fn parse(text: &str, plaintext: Plaintext) -> Result<Self, UrlError> {
        let (target, userinfo) = Target::parse(parse(text)?)?;
        if userinfo.is_some() {
            return Err(UrlError::Userinfo);
        }
        if plaintext == Plaintext::Refused && target.url.scheme() != "https" {
            return Err(UrlError::HttpsRequired);
        }
        Ok(Self { target })
    }

    /// The URL. It may hold secrets in its path or query: not for logs.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.target.url.as_str()
    }

    pub(crate) fn uri(&self) -> Uri {
        self.target.uri.clone()
    }
}

/// A URL without userinfo and fragment, in the two forms needed, which agree.
#[derive(Clone, PartialEq, Eq)]
struct Target {
    url: Url,
    uri: Uri,
}

impl Target {
    /// Takes the userinfo out, as the value of an `Authorization` header.
    fn parse(mut url: Url) -> Result<(Self, Option<HeaderValue>), UrlError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(UrlError::Scheme);
        }
        if url.port() == Some(0) {
            return Err(UrlError::Port);
        }
        let userinfo = take_userinfo(&mut url)?;
        url.set_fragment(None);
        let host = url.host_str().ok_or(UrlError::Malformed(None))?;
        if host.trim_end_matches('.').len() > HOST_BYTES_MAX {
            return Err(UrlError::HostTooLong);
        }
        if url.as_str().len() > URL_BYTES_MAX {
            return Err(UrlError::TooLong);
        }
        let uri: Uri = url.as_str().parse().or(Err(UrlError::Unsendable))?;
        let agree = uri.host() == Some(host)
            && uri.port_u16() == url.port()
            && uri.scheme_str() == Some(url.scheme());
        if !agree {
            return Err(UrlError::Unsendable);
        }
        Ok((Self { url, uri }, userinfo))
    }
}

fn parse(text: &str) -> Result<Url, UrlError> {
    if text.len() > URL_BYTES_MAX {
        return Err(UrlError::TooLong);
    }
    Url::parse(text).map_err(|error| UrlError::Malformed(Some(error)))
}

fn take_userinfo(url: &mut Url) -> Result<Option<HeaderValue>, UrlError> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let mut credentials = percent_decoded(url.username());
    credentials.push(b':');
    credentials.extend(percent_decoded(url.password().unwrap_or_default()));
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(credentials)))
        .or(Err(UrlError::Userinfo))?;
    value.set_sensitive(true);
    url.set_username("").or(Err(UrlError::Userinfo))?;
    url.set_password(None).or(Err(UrlError::Userinfo))?;
    Ok(Some(value))
}

/// `%41` becomes `A`; a `%` without two digits stays.
pub(crate) fn percent_decoded(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let digits =
            tail.split_at_checked(2).filter(|_| byte == b'%').and_then(|(digits, after)| {
                let text =
                    std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?;
                Some((u8::from_str_radix(text, 16).ok()?, after))
            });
        let (byte, after) = digits.unwrap_or((byte, tail));
        decoded.push(byte);
        rest = after;
    }
    decoded
}

/// Only the origin: paths and queries may be secrets.
macro_rules! show_origin {
    ($type:ty) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.target.url.origin().ascii_serialization())
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({}/…)"), self)
            }
        }
    };
}

show_origin!(SourceUrl);
show_origin!(HookUrl);
