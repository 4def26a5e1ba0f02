//! Pictures of web pages: what a caller hands in, answers on the way, and gets back.

use std::fs::File;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value};

/// A page to be pictured.
#[derive(Debug)]
pub enum Page {
    /// At this address. The page itself is the first thing that is asked for.
    Url(String),
    /// These bytes, which lie nowhere: relative links in them lead nowhere either.
    Html(File),
}

/// Something the page wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchRequest {
    /// An http or https address, without fragment.
    pub url: String,
    /// Whether it is the page itself.
    pub document: bool,
    /// More than so many bytes will not be taken.
    pub max_bytes: u64,
}

/// What was had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// HTTP status.
    pub status: u16,
    /// Where it lies, redirects followed.
    pub url: String,
    /// As the server told it.
    pub content_type: Option<String>,
    /// All of it.
    pub body: Bytes,
}

/// Why something could not be had. The page is drawn without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// It lies where this service does not read.
    #[error("it lies where this service does not read")]
    Refused,
    /// Its server cannot be reached, or was too slow.
    #[error("it cannot be reached")]
    Unreachable,
    /// It is larger than allowed.
    #[error("it is too large")]
    TooLarge,
}

/// Gets what pages want. The browser has no network: this is its only way to anything.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// One GET without cookies or credentials. Redirects are to be followed, and every address
    /// judged, here. Called again before it has answered, up to a bound.
    async fn get(&self, request: FetchRequest) -> Result<Fetched, FetchError>;
}

/// A pictured page.
#[derive(Debug)]
pub struct Shot {
    /// PNG of the first screen, 1280 by 1024.
    pub viewport: File,
    /// PNG of the whole page, 1280 wide, no taller than allowed.
    pub full: File,
    /// Height of `full` in pixels.
    pub full_height: u32,
    /// The page's address, redirects followed; empty where it lies nowhere.
    pub url: String,
    /// What the page says about itself: `title`, `description`, `author`, `keywords`, `language`,
    /// `canonical`, `icons`, `feeds`, `images`, `open_graph`, `twitter`, `oembed`.
    /// The link of `oembed` whose provider was asked has its answer as `response`, without `html`.
    pub metadata: Map<String, Value>,
}
