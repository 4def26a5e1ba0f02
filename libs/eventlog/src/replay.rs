//! Reading a stretch of the log again, with nothing but the right to read.

use futures::{Stream, stream};
use jiff::{SignedDuration, Timestamp};

use crate::{envelope::Raw, error::Unavailable, log::Log};

/// How many messages one read asks for.
const PAGE: usize = 500;

/// By how much the clocks of those who decide and those who store may differ.
const SKEW: SignedDuration = SignedDuration::from_mins(1);

/// Which stretch of a stream.
#[derive(Debug, Clone, Default)]
pub struct Span {
    /// Only what was published under this filter; everything if absent.
    pub filter: Option<String>,
    /// The first sequence.
    pub from_seq: Option<u64>,
    /// The last sequence.
    pub to_seq: Option<u64>,
    /// Nothing decided before this time.
    pub since: Option<Timestamp>,
    /// Nothing decided after this time.
    pub until: Option<Timestamp>,
}

impl Span {
    /// Messages without a readable time are left to whoever decodes them.
    fn covers(&self, time: Option<Timestamp>) -> bool {
        time.is_none_or(|at| {
            self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at <= until)
        })
    }
}

struct Cursor {
    log: Log,
    stream: String,
    span: Span,
    filter: String,
    next: Option<u64>,
    page: std::vec::IntoIter<Raw>,
    started: bool,
}

impl Log {
    /// The messages of `stream` within `span`, oldest first, up to what is stored when the end is
    /// reached. In a cluster whoever answers may be a moment behind the newest. Ends after an error.
    pub fn replay(
        &self,
        stream: &str,
        span: Span,
    ) -> impl Stream<Item = Result<Raw, Unavailable>> + Send + use<> {
        let cursor = Cursor {
            log: self.clone(),
            stream: stream.to_owned(),
            filter: span.filter.clone().unwrap_or_else(|| ">".to_owned()),
            next: Some(span.from_seq.unwrap_or(1)),
            span,
            page: Vec::new().into_iter(),
            started: false,
        };
        stream::unfold(cursor, |mut cursor| async move {
            let item = cursor.advance().await.transpose()?;
            if item.is_err() {
                cursor.next = None;
                cursor.page = Vec::new().into_iter();
            }
            Some((item, cursor))
        })
    }
}

impl Cursor {
    async fn advance(&mut self) -> Result<Option<Raw>, Unavailable> {
        loop {
            for raw in self.page.by_ref() {
                if self.span.to_seq.is_some_and(|last| raw.seq > last) {
                    self.next = None;
                    return Ok(None);
                }
                if self.span.covers(raw.time()) {
                    return Ok(Some(raw));
                }
            }
            let Some(mut from) = self.next else { return Ok(None) };
            if !std::mem::replace(&mut self.started, true)
                && let Some(since) = self.span.since
            {
                let stored = since.saturating_sub(SKEW).unwrap_or(since);
                let found = self.log.backend.since(&self.stream, &self.filter, stored).await?;
                let Some(first) = found else { return Ok(None) };
                from = from.max(first);
            }
            let page = self.log.backend.page(&self.stream, &self.filter, from, PAGE).await?;
            self.next = page.messages.last().filter(|_| page.more).map(|last| last.seq + 1);
            self.page = page.messages.into_iter();
        }
    }
}
