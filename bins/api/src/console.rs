//! The console: the pages on which members see and steer their account, served from this executable.
//!
//! They are plain files, and no part of the API: a page asks what it shows from `/v1` like any
//! other client, with the cookie of a session. All files but the one page lie below a folder that
//! is named after what is in them, so a browser keeps them for ever and asks again for the page
//! alone.

mod assets;
mod policy;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use sha2::{Digest as _, Sha256};
use url::Url;
use warp::reply::{Reply as _, Response};

use self::assets::{ASSETS, Asset, PAGE, PAGES};
use crate::problem::{Problem, Spelling};

/// Where the console lives.
const ROOT: &str = "/console";
/// How much of a hash is enough to tell two versions apart, in bytes.
const HASH_BYTES: usize = 12;
/// What the one page says in place of the folder of all other files.
const FOLDER_MARK: &str = "{{folder}}";
/// What is kept for ever: its name says what is in it.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// What is kept, and asked for again each time.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");
/// What pages do not need of a browser.
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const NO_PERMISSIONS: HeaderValue = HeaderValue::from_static(
    "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
);
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");

/// Marks an answer that says itself how long it may be kept and what it may load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnPolicy;

/// The console, ready to be served.
pub(crate) struct Console {
    /// Path of all files but the page, as it is asked for here, with a slash at the end.
    folder: String,
    files: HeaderValue,
    page: Bytes,
    page_tag: HeaderValue,
    policy: HeaderValue,
}

impl Console {
    /// For links that begin with `public_url`; pictures come from, and files go to, `origins`.
    pub(crate) fn new(public_url: &str, origins: &[String]) -> Self {
        let mut all = Sha256::new();
        for asset in ASSETS {
            all.update(asset.name.as_bytes());
            all.update(u64::try_from(asset.bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            all.update(asset.bytes);
        }
        let hash = short(&all.finalize());
        let folder = format!("{ROOT}/{hash}/");
        let page = PAGE.replace(FOLDER_MARK, &format!("{}{folder}", base(public_url)));
        Self {
            files: tag(&hash),
            page_tag: tag(&short(&Sha256::digest(page.as_bytes()))),
            page: page.into(),
            policy: policy::of(origins),
            folder,
        }
    }

    /// Answers what is asked below the console's path; nothing where that is not meant.
    pub(crate) fn answer(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Option<Response> {
        let rest =
            path.strip_prefix(ROOT).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
        if method != Method::GET && method != Method::HEAD {
            let problem = Problem::MethodNotAllowed { allow: "GET, HEAD".to_owned() };
            return Some(problem.into_response(Spelling::Details));
        }
        let found = match path.strip_prefix(&self.folder) {
            Some(name) => ASSETS
                .iter()
                .find(|asset| asset.name == name)
                .map(|asset| self.file(asset, headers)),
            None => is_page(rest).then(|| self.page(headers)),
        };
        Some(found.unwrap_or_else(|| Problem::NoSuchPath.into_response(Spelling::Details)))
    }

    fn file(&self, asset: &Asset, headers: &HeaderMap) -> Response {
        let body = Bytes::from_static(asset.bytes);
        self.kept(body, asset.media_type, (&self.files, FOR_EVER), headers)
    }

    fn page(&self, headers: &HeaderMap) -> Response {
        let kept = (&self.page_tag, ASK_AGAIN);
        self.kept(self.page.clone(), "text/html; charset=utf-8", kept, headers)
    }

    /// The body, or that it has not changed.
    fn kept(
        &self,
        body: Bytes,
        media_type: &'static str,
        (tag, how_long): (&HeaderValue, HeaderValue),
        headers: &HeaderMap,
    ) -> Response {
        let known = headers.get_all(header::IF_NONE_MATCH).iter().any(|value| names(value, tag));
        let mut response = if known {
            let mut response = http::Response::new(Bytes::new()).into_response();
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            http::Response::new(body).into_response()
        };
        let said = response.headers_mut();
        for (name, value) in [
            (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
            (header::CACHE_CONTROL, how_long),
            (header::ETAG, tag.clone()),
            (header::CONTENT_SECURITY_POLICY, self.policy.clone()),
            (PERMISSIONS_POLICY, NO_PERMISSIONS),
            (OPENER_POLICY, SAME_ORIGIN),
            (RESOURCE_POLICY, SAME_ORIGIN),
        ] {
            said.insert(name, value);
        }
        response.extensions_mut().insert(OwnPolicy);
        response
    }
}

/// Where the console is, as a browser is told that has this base of links: a path alone, so that it
/// stays with whatever host it came by.
pub(crate) fn location(public_url: &str) -> String {
    format!("{}{ROOT}/", base(public_url))
}

/// The path before all of ours, where a proxy puts us below one.
fn base(public_url: &str) -> String {
    Url::parse(public_url)
        .map_or_else(|_| String::new(), |url| url.path().trim_end_matches('/').to_owned())
}

/// Whether this is the address of a page: `/`, `/jobs` or `/jobs/ID`. Which one it shows, the page
/// itself finds out.
fn is_page(rest: &str) -> bool {
    let mut parts = rest.trim_matches('/').split('/');
    let first = parts.next().unwrap_or_default();
    let (_thing, more) = (parts.next(), parts.next());
    more.is_none() && (first.is_empty() || PAGES.contains(&first))
}

fn short(hash: &[u8]) -> String {
    hash.iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

fn tag(hash: &str) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{hash}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Whether an `If-None-Match` names this tag (RFC 9110, section 13.1.2).
pub(crate) fn names(value: &HeaderValue, tag: &HeaderValue) -> bool {
    let Ok(value) = value.to_str() else { return false };
    let mut named = value.split(',').map(str::trim);
    named.any(|named| named == "*" || named.strip_prefix("W/").unwrap_or(named) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_console_below_a_path_of_a_proxy_names_its_files_there() {
        let console = Console::new("https://example.com/darkroom", &[]);
        let page = String::from_utf8(console.page.to_vec()).unwrap();
        assert!(page.contains(&format!("\"/darkroom{}main.js\"", console.folder)), "{page}");
        assert!(!page.contains(FOLDER_MARK));
        assert_eq!(location("https://example.com/darkroom"), "/darkroom/console/");
        assert_eq!(location("http://127.0.0.1:1"), "/console/");
    }

    #[test]
    fn pages_are_told_from_everything_else() {
        for page in ["", "/", "/jobs", "/jobs/", "/jobs/7", "/join"] {
            assert!(is_page(page), "{page}");
        }
        for other in ["/main.js", "/jobs/7/8", "/0011/main.js", "/job", "/%2e%2e/jobs"] {
            assert!(!is_page(other), "{other}");
        }
        let console = Console::new("http://127.0.0.1:1", &[]);
        assert!(console.answer(&Method::GET, "/consoles", &HeaderMap::new()).is_none());
        assert!(console.answer(&Method::GET, "/v1/jobs", &HeaderMap::new()).is_none());
    }

    #[test]
    fn every_failure_of_a_job_has_a_remedy() {
        let remedies = ASSETS.iter().find(|asset| asset.name == "remedies.js").unwrap();
        let text = std::str::from_utf8(remedies.bytes).unwrap();
        for code in domain::FailureCode::ALL {
            assert!(text.contains(&format!("\n  {}: ", code.name())), "{}", code.name());
        }
    }

    #[test]
    fn every_file_is_named_by_the_page_or_another_file_and_none_is_missing() {
        let names: Vec<&str> = ASSETS.iter().map(|asset| asset.name).collect();
        let texts = ASSETS.iter().filter_map(|asset| std::str::from_utf8(asset.bytes).ok());
        let texts: Vec<&str> = texts.chain([PAGE]).collect();
        for name in &names {
            let named = |text: &&str| {
                text.contains(&format!("./{name}"))
                    || text.contains(&format!("{FOLDER_MARK}{name}"))
            };
            assert!(texts.iter().any(named), "{name} is never loaded");
        }
        for text in texts {
            for import in text.split("from './").skip(1) {
                let name = import.split('\'').next().unwrap();
                assert!(names.contains(&name), "{name} is not served");
            }
            let elsewhere = ["from 'http", "import('", "url(", "src=\"http", "href=\"http"];
            let markup =
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("];
            for banned in
                elsewhere.into_iter().chain(markup).chain(["style=\"", "setAttribute('style"])
            {
                assert!(!text.contains(banned), "{banned} in {}", text.get(..80).unwrap_or(text));
            }
        }
    }
}
