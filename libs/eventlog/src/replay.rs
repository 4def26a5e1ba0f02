//! Reading stretches of the log again, with nothing but the right to read.
//!
//! Everything is read by direct gets, several of them under way. A consumer is less work for the
//! server, but whoever may have one made also chooses where the server publishes to, and could so
//! write what they may only read. Operators may write anyhow: a long stretch is read through one for
//! them.

use std::collections::VecDeque;

use futures::{Stream, StreamExt as _, stream, stream::BoxStream};
use jiff::{SignedDuration, Timestamp};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    backend::Page,
    envelope::Raw,
    error::{Cause, Unavailable},
    log::Log,
    sweep::Sweep,
    topology,
};

/// How many messages one read asks for.
const PAGE: u64 = 500;
/// Reads under way at once, where it is known in advance what each of them has to bring.
const LANES: usize = 4;

/// Of fewer sequences than that nobody has a consumer made.
const SHORT: u64 = PAGE * LANES as u64;

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
    fn covers(&self, raw: &Raw) -> bool {
        let any_time = self.since.is_none() && self.until.is_none();
        any_time
            || raw.time().is_none_or(|at| {
                self.since.is_none_or(|since| at >= since)
                    && self.until.is_none_or(|until| at <= until)
            })
    }

    /// Whether a message was stored so late that none behind it is covered.
    fn is_past(&self, raw: &Raw) -> bool {
        let last = self.until.and_then(|until| until.checked_add(SKEW + SKEW).ok());
        last.is_some_and(|last| raw.time().is_some_and(|at| at > last))
    }

    fn is_behind(&self, seq: u64) -> bool {
        self.to_seq.is_some_and(|last| seq > last)
    }
}

impl Log {
    /// The messages of `stream` within `span`, oldest first, up to what is stored when the end is
    /// reached. In a cluster whoever answers may be a moment behind the newest. Ends after an error.
    pub fn replay(
        &self,
        stream: &str,
        span: Span,
    ) -> impl Stream<Item = Result<Raw, Unavailable>> + Send + use<> {
        self.replay_pages(stream, span).flat_map(|page| match page {
            Ok(raws) => stream::iter(raws).map(Ok).left_stream(),
            Err(error) => stream::iter([Err(error)]).right_stream(),
        })
    }

    /// The same, as many messages at a time as came together.
    pub fn replay_pages(
        &self,
        stream: &str,
        span: Span,
    ) -> BoxStream<'static, Result<Vec<Raw>, Unavailable>> {
        let filter = span.filter.clone().unwrap_or_else(|| ">".to_owned());
        let reader = Reader {
            whole: filter == ">" || filter == topology::ingest(stream),
            log: self.clone(),
            stream: stream.to_owned(),
            filter,
            next: Some(span.from_seq.unwrap_or(1).max(1)),
            span,
            lanes: VecDeque::new(),
            consumer: if self.backend.sweeps() { Consumer::Untried } else { Consumer::None },
            started: false,
        };
        stream::unfold(reader, |mut reader| async move {
            let page = reader.advance().await.transpose()?;
            if page.is_err() {
                reader.end();
            }
            Some((page, reader))
        })
        .boxed()
    }

    /// The messages of several stretches in the order of the times at which they were decided, each
    /// stretch in its own order.
    pub fn replay_merged(
        &self,
        sources: Vec<(String, Span)>,
    ) -> impl Stream<Item = Result<Raw, Unavailable>> + Send + use<> {
        let source = |(stream, span): (String, Span)| Source {
            pages: self.replay_pages(&stream, span),
            page: VecDeque::new(),
            time: None,
            over: false,
        };
        let sources: Vec<Source> = sources.into_iter().map(source).collect();
        stream::unfold(Some(sources), |sources| async move {
            let mut sources = sources?;
            match earliest(&mut sources).await {
                Ok(raw) => Some((Ok(raw?), Some(sources))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}

/// One of several stretches.
struct Source {
    pages: BoxStream<'static, Result<Vec<Raw>, Unavailable>>,
    page: VecDeque<Raw>,
    /// When its next message was decided, once somebody wanted to know.
    time: Option<Option<Timestamp>>,
    over: bool,
}

/// The message that comes first of all.
async fn earliest(sources: &mut [Source]) -> Result<Option<Raw>, Unavailable> {
    for source in &mut *sources {
        while source.page.is_empty() && !source.over {
            match source.pages.next().await.transpose()? {
                Some(page) => source.page = page.into(),
                None => source.over = true,
            }
        }
    }
    let mut left = sources.iter_mut().filter(|source| !source.page.is_empty());
    let Some(mut first) = left.next() else { return Ok(None) };
    for other in left {
        if other.time() < first.time() {
            first = other;
        }
    }
    first.time = None;
    Ok(first.page.pop_front())
}

impl Source {
    fn time(&mut self) -> Option<Timestamp> {
        let front = self.page.front();
        *self.time.get_or_insert_with(|| front.and_then(Raw::time))
    }
}

/// A read under way.
struct Lane {
    /// What is here or behind it is brought by the next one.
    end: Option<u64>,
    page: AbortOnDropHandle<Result<Page, Unavailable>>,
}

struct Reader {
    log: Log,
    stream: String,
    span: Span,
    filter: String,
    /// Whether no message of the stream is left out, so that a read brings as many sequences as it
    /// asks for.
    whole: bool,
    /// The first sequence that no lane brings.
    next: Option<u64>,
    lanes: VecDeque<Lane>,
    consumer: Consumer,
    started: bool,
}

/// Whether a consumer is read from.
enum Consumer {
    /// A first page will tell whether it is worth one.
    Untried,
    Reads(Sweep),
    /// There is none to be had, or none any more.
    None,
}

impl Reader {
    /// The next messages; never an empty page.
    async fn advance(&mut self) -> Result<Option<Vec<Raw>>, Unavailable> {
        if !std::mem::replace(&mut self.started, true)
            && let Some(since) = self.span.since
        {
            let stored = since.saturating_sub(SKEW).unwrap_or(since);
            let found = self.log.backend.since(&self.stream, &self.filter, stored).await?;
            let first = found.map(|first| first.max(self.next.unwrap_or(1)));
            self.next = first;
        }
        loop {
            if let Some(raws) = self.swept().await {
                if !raws.is_empty() {
                    return Ok(Some(raws));
                }
                continue;
            }
            self.fill();
            let Some(lane) = self.lanes.pop_front() else { return Ok(None) };
            let page = lane.page.await.map_err(|source| failed(source.into()))??;
            let raws = self.take(page, lane.end);
            if !raws.is_empty() {
                return Ok(Some(raws));
            }
        }
    }

    /// What a consumer brings, while there is one.
    async fn swept(&mut self) -> Option<Vec<Raw>> {
        let Consumer::Reads(sweep) = &mut self.consumer else { return None };
        match sweep.next().await {
            Some(Ok(raws)) => {
                self.next = raws.last().map(|raw| raw.seq + 1);
                Some(self.within(raws))
            }
            Some(Err(error)) => {
                let (error, stream) = (crate::error::chain(&error), &self.stream);
                tracing::warn!(%error, stream, self.next, "reading on without a consumer");
                self.consumer = Consumer::None;
                None
            }
            None => {
                self.end();
                None
            }
        }
    }

    /// Has a consumer made for what lies behind `last`, where that is long and may be done.
    fn sweep(&mut self, last: u64) {
        let Consumer::Untried = self.consumer else { return };
        self.consumer = Consumer::None;
        if self.span.to_seq.is_some_and(|to| to.saturating_sub(last) < SHORT) {
            return;
        }
        let filter = (!self.whole).then_some(self.filter.as_str());
        if let Some(sweep) = self.log.backend.sweep(&self.stream, filter, last + 1) {
            self.lanes.clear();
            self.next = Some(last + 1);
            self.consumer = Consumer::Reads(sweep);
        }
    }

    /// Sets out as many reads as may be under way.
    fn fill(&mut self) {
        let untried = matches!(self.consumer, Consumer::Untried);
        let lanes = if self.whole && !untried { LANES } else { 1 };
        while self.lanes.len() < lanes {
            let Some(from) = self.next.filter(|next| !self.span.is_behind(*next)) else { return };
            let end = self.whole.then(|| from.saturating_add(PAGE));
            self.next = end;
            self.lanes.push_back(self.lane(from, end));
        }
    }

    fn lane(&self, from: u64, end: Option<u64>) -> Lane {
        let (log, stream, filter) = (self.log.clone(), self.stream.clone(), self.filter.clone());
        let limit = usize::try_from(PAGE).unwrap_or(usize::MAX);
        // In a task of its own: what is read is taken apart while what came before is used.
        let page =
            tokio::spawn(async move { log.backend.page(&stream, &filter, from, limit).await });
        Lane { end, page: AbortOnDropHandle::new(page) }
    }

    /// What of a page is asked for; and decides where to read on.
    fn take(&mut self, page: Page, end: Option<u64>) -> Vec<Raw> {
        let Page { messages: mut raws, left } = page;
        let (first, last) = (raws.first().map(|raw| raw.seq), raws.last().map(|raw| raw.seq));
        match (end, first.zip(last)) {
            (_, None) => self.end(),
            (_, Some(_)) if left == 0 => self.end(),
            // Nothing is left of the sequences that were asked for, nor perhaps of those behind.
            (Some(end), Some((first, last))) if first >= end => {
                self.lanes.clear();
                self.next = Some(last + 1);
            }
            // The page was full of bytes before it was full of messages.
            (Some(end), Some((_, last))) if last + 1 < end => {
                let rest = self.lane(last + 1, Some(end));
                self.lanes.push_front(rest);
            }
            (Some(end), Some(_)) => raws.retain(|raw| raw.seq < end),
            (None, Some((_, last))) => self.next = Some(last + 1),
        }
        let last = raws.last().map(|raw| raw.seq);
        let raws = self.within(raws);
        if let (Some(_), Some(last)) = (self.next, last) {
            self.sweep(last);
        }
        raws
    }

    /// What of these messages is asked for; ends behind the last that is.
    fn within(&mut self, mut raws: Vec<Raw>) -> Vec<Raw> {
        let past = |raw: &Raw| self.span.is_behind(raw.seq) || self.span.is_past(raw);
        if let Some(past) = raws.iter().position(past) {
            raws.truncate(past);
            self.end();
        }
        raws.retain(|raw| self.span.covers(raw));
        raws
    }

    fn end(&mut self) {
        self.next = None;
        self.lanes.clear();
        self.consumer = Consumer::None;
    }
}

fn failed(source: Cause) -> Unavailable {
    Unavailable::new("read a stream", source)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::TryStreamExt as _;

    use super::*;
    use crate::{backend::Backend, headers::Headers};

    /// A log of so many messages, decided one second apart, every third of another account.
    fn log(messages: u64) -> Log {
        let log = Log::memory();
        let Backend::Memory(memory) = &*log.backend else { panic!("a log in memory") };
        for number in 0..messages {
            let account = if number % 3 == 0 { "a" } else { "b" };
            let subject = format!("darkroom.job.{account}.{number}.requested");
            let headers = Headers::from_iter([("ce-time", at(number).to_string())]);
            let body = Bytes::from_static(b"{}");
            memory.append(topology::JOBS, &subject, &headers, &body, None).unwrap();
        }
        log
    }

    fn at(second: u64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + i64::try_from(second).unwrap()).unwrap()
    }

    async fn read(log: &Log, span: Span) -> Vec<u64> {
        log.replay(topology::JOBS, span).map_ok(|raw| raw.seq).try_collect().await.unwrap()
    }

    #[tokio::test]
    async fn every_message_of_a_stretch_comes_once_and_in_order() {
        let all = PAGE * 7 + 3;
        let log = log(all);
        assert_eq!(read(&log, Span::default()).await, (1..=all).collect::<Vec<_>>());
        let span = Span { from_seq: Some(5), to_seq: Some(PAGE * 3), ..Span::default() };
        assert_eq!(read(&log, span).await, (5..=PAGE * 3).collect::<Vec<_>>());
        let span = Span { filter: Some("darkroom.job.a.>".to_owned()), ..Span::default() };
        assert_eq!(read(&log, span).await, (1..=all).step_by(3).collect::<Vec<_>>());
        let span = Span { since: Some(at(9)), until: Some(at(20)), ..Span::default() };
        assert_eq!(read(&log, span).await, (10..=21).collect::<Vec<_>>());
        let behind = Span { from_seq: Some(all + 1), ..Span::default() };
        assert!(read(&log, behind).await.is_empty());
    }

    #[tokio::test]
    async fn what_retention_took_away_is_passed_over() {
        let all = PAGE * 9;
        let log = log(all);
        let Backend::Memory(memory) = &*log.backend else { panic!("a log in memory") };
        let gone = |seq: u64| seq <= PAGE * 6 + 7 || (PAGE * 7..PAGE * 8).contains(&seq);
        (1..=all).filter(|seq| gone(*seq)).for_each(|seq| memory.erase(topology::JOBS, seq));
        let left: Vec<u64> = (1..=all).filter(|seq| !gone(*seq)).collect();
        assert_eq!(read(&log, Span::default()).await, left);
    }

    #[tokio::test]
    async fn several_stretches_are_merged_by_time() {
        let log = log(40);
        let of = |account: &str| Span {
            filter: Some(format!("darkroom.job.{account}.>")),
            ..Span::default()
        };
        let sources = ["b", "a"].map(|account| (topology::JOBS.to_owned(), of(account)));
        let merged = log.replay_merged(sources.to_vec()).map_ok(|raw| raw.seq);
        assert_eq!(merged.try_collect::<Vec<_>>().await.unwrap(), (1..=40).collect::<Vec<_>>());
    }
}
