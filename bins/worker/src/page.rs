//! What a web page wants while its picture is taken: through the same gate as every source.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use domain::limits::Limits;
use egress::SourceUrl;
use enclave::hosted::{Fetch, FetchError, FetchRequest, Fetched};
use tokio::{sync::Mutex, time::Instant};

use crate::source::{Opened, Source};

/// Longest wait for one part of a page.
const PART_TIME: Duration = Duration::from_secs(15);

/// Fetches the parts of one page. The page itself has been fetched already.
pub(crate) struct Fetcher {
    client: egress::Client,
    until: Instant,
    page: Mutex<Option<Opened>>,
}

impl Fetcher {
    pub(crate) fn new(client: &egress::Client, limits: &Limits, page: Opened) -> Arc<Self> {
        Arc::new(Self {
            client: client.clone(),
            until: Instant::now() + Duration::from_millis(limits.hosted_wall_ms),
            page: Mutex::new(Some(page)),
        })
    }

    /// The page as it was sniffed, so that nobody can show another one to the browser.
    async fn document(&self, max_bytes: u64) -> Result<Option<Fetched>, FetchError> {
        let Some(page) = self.page.lock().await.take() else { return Ok(None) };
        let size_bytes = page.source.size_bytes();
        if size_bytes > max_bytes {
            return Err(FetchError::TooLarge);
        }
        let body = read(page.source, size_bytes).await.ok_or(FetchError::Unreachable)?;
        let url = page.url.expose().to_owned();
        Ok(Some(Fetched { status: 200, url, content_type: html(page.content_type), body }))
    }

    async fn part(&self, request: &FetchRequest) -> Result<Fetched, FetchError> {
        let url = SourceUrl::parse(&request.url).map_err(|_refused| FetchError::Refused)?;
        let deadline = self.until.min(Instant::now() + PART_TIME);
        let fetched = self.client.fetch(&url, request.max_bytes, deadline).await;
        let fetched = fetched.map_err(|error| failure(&error))?;
        let (status, url) = (fetched.status, fetched.final_url.expose().to_owned());
        let content_type = fetched.content_type;
        let body = fetched.body.collect().await.map_err(|error| failure(&error))?;
        Ok(Fetched { status, url, content_type, body })
    }
}

#[async_trait]
impl Fetch for Fetcher {
    async fn get(&self, request: FetchRequest) -> Result<Fetched, FetchError> {
        if request.document
            && let Some(page) = self.document(request.max_bytes).await?
        {
            return Ok(page);
        }
        self.part(&request).await
    }
}

async fn read(source: Source, size_bytes: u64) -> Option<Bytes> {
    let mut bytes = vec![0; usize::try_from(size_bytes).ok()?];
    let read = tokio::task::spawn_blocking(move || {
        let count = source.ranges().read_at(0, &mut bytes).ok()?;
        bytes.truncate(count);
        Some(Bytes::from(bytes))
    });
    read.await.ok().flatten()
}

/// It was sniffed as HTML, whatever its server calls it; but the server may know its encoding.
fn html(content_type: Option<String>) -> Option<String> {
    let named = content_type.filter(|text| {
        let media_type = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        matches!(media_type.as_str(), "text/html" | "application/xhtml+xml")
    });
    named.or_else(|| Some("text/html".to_owned()))
}

const fn failure(error: &egress::Error) -> FetchError {
    match error {
        egress::Error::Forbidden(_) | egress::Error::InvalidUrl(_) | egress::Error::Redirect(_) => {
            FetchError::Refused
        }
        egress::Error::TooLarge { .. } => FetchError::TooLarge,
        _ => FetchError::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_html_in_the_encoding_that_its_server_names() {
        let html = |text: &str| html(Some(text.to_owned())).unwrap();
        assert_eq!(html("text/html; charset=koi8-r"), "text/html; charset=koi8-r");
        assert_eq!(html("application/octet-stream"), "text/html");
    }
}
