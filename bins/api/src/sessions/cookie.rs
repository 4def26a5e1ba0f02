//! The cookie of a session, and whether a request that carries it comes from a page of ours.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use url::Url;

use crate::{auth::SESSION_COOKIE, problem::Problem};

/// Where a browser says that a request comes from. Pages cannot set it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// How long a token of a session is.
const TOKEN_CHARS: usize = 43;

/// The token that a request carries; none if it carries several.
pub(crate) fn token(headers: &HeaderMap) -> Option<&str> {
    let mut tokens = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == SESSION_COOKIE)
        .map(|(_, token)| token);
    let token = tokens.next()?;
    let alone = tokens.next().is_none();
    (alone && token.len() == TOKEN_CHARS).then_some(token)
}

/// What makes a browser carry the token for so many seconds, in requests to us alone, and show it
/// to no script.
pub(crate) fn set(token: &str, seconds: i64) -> Option<HeaderValue> {
    let text = format!(
        "{SESSION_COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}"
    );
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What makes a browser forget it.
pub(crate) fn clear() -> Option<HeaderValue> {
    set("", 0)
}

/// A request that changes something and is trusted for its cookie alone must say that it comes from
/// a page of ours.
pub(crate) fn is_ours(headers: &HeaderMap, public_url: &str) -> Result<(), Problem> {
    let said = headers.contains_key(SEC_FETCH_SITE) || headers.contains_key(header::ORIGIN);
    if said { is_not_foreign(headers, public_url) } else { Err(Problem::ForeignOrigin) }
}

/// A request that changes something for whoever sends it must not come from a page of others.
pub(crate) fn is_not_foreign(headers: &HeaderMap, public_url: &str) -> Result<(), Problem> {
    let site_is_ours = headers.get(SEC_FETCH_SITE).is_none_or(|site| site == "same-origin");
    let origin_is_ours = match headers.get(header::ORIGIN) {
        None => true,
        Some(origin) => {
            let origin = origin.to_str().ok();
            origin.is_some_and(|origin| is_our_origin(origin, headers, public_url))
        }
    };
    if site_is_ours && origin_is_ours { Ok(()) } else { Err(Problem::ForeignOrigin) }
}

/// That of the links that we make; or the host that the request was sent to, for whoever reaches us
/// by another name.
fn is_our_origin(origin: &str, headers: &HeaderMap, public_url: &str) -> bool {
    let ours = Url::parse(public_url).is_ok_and(|url| url.origin().ascii_serialization() == origin);
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    ours || (host.is_some() && host == authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789012345678901234567890123456789012";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        });
        let mut headers = HeaderMap::new();
        pairs.for_each(|(name, value)| {
            headers.append(name, value);
        });
        headers
    }

    #[test]
    fn a_token_is_read_where_there_is_exactly_one() {
        let name = SESSION_COOKIE;
        for (cookies, read) in [
            (vec![format!("{name}={TOKEN}")], true),
            (vec![format!("a=b; {name}={TOKEN};c=d")], true),
            (vec!["a=b".to_owned(), format!("{name}={TOKEN}")], true),
            (vec![format!("{name}={TOKEN}"), format!("{name}={TOKEN}")], false),
            (vec![format!("{name}={TOKEN}; {name}=x")], false),
            (vec![format!("darkroom_session={TOKEN}")], false),
            (vec![format!("{name}={TOKEN}0")], false),
            (vec![format!("{name}=")], false),
            (vec![], false),
        ] {
            let pairs: Vec<_> = cookies.iter().map(|cookie| ("cookie", cookie.as_str())).collect();
            assert_eq!(token(&headers(&pairs)), read.then_some(TOKEN), "{cookies:?}");
        }
    }

    #[test]
    fn the_cookie_is_bound_to_the_host_and_hidden_from_scripts() {
        let set = set(TOKEN, 60).unwrap();
        assert!(set.is_sensitive());
        let expected = format!(
            "__Host-darkroom_session={TOKEN}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60"
        );
        assert_eq!(set.to_str().unwrap(), expected);
        assert!(clear().unwrap().to_str().unwrap().ends_with("Max-Age=0"));
    }

    #[test]
    fn a_request_is_ours_when_a_browser_says_so() {
        let public = "https://darkroom.example";
        for (pairs, ours, foreign) in [
            (vec![], false, false),
            (vec![("origin", public)], true, false),
            (vec![("sec-fetch-site", "same-origin")], true, false),
            (vec![("origin", public), ("sec-fetch-site", "same-origin")], true, false),
            (vec![("origin", "https://evil.example")], false, true),
            (vec![("origin", "null")], false, true),
            (vec![("origin", "http://darkroom.example")], false, true),
            (vec![("origin", "https://darkroom.example.evil.example")], false, true),
            (vec![("sec-fetch-site", "cross-site")], false, true),
            (vec![("sec-fetch-site", "same-site")], false, true),
            (vec![("sec-fetch-site", "none")], false, true),
            (vec![("origin", public), ("sec-fetch-site", "cross-site")], false, true),
            (vec![("host", "localhost:1"), ("origin", "http://localhost:1")], true, false),
            (vec![("host", "localhost:1"), ("origin", "http://localhost:2")], false, true),
        ] {
            let headers = headers(&pairs);
            assert_eq!(is_ours(&headers, public).is_ok(), ours, "{pairs:?}");
            assert_eq!(is_not_foreign(&headers, public).is_err(), foreign, "{pairs:?}");
        }
    }
}
