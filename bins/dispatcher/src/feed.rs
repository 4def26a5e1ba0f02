//! What happens to jobs, told on NATS with their personal fields opened, to accounts that want that.
//!
//! Nothing of it is stored: whoever is not listening has missed it, and erasure meets no copy. Of
//! several dispatchers one tells each event.

use std::time::Duration;

use custody::{Custody, event::Stored};
use domain::{
    Aggregate,
    job::{self, Jobs},
};
use eventlog::{Headers, Log, Raw};
use futures::{StreamExt as _, future};
use tokio_util::sync::CancellationToken;

use crate::book::Book;

/// Everything that happens to any job.
const EVENTS: &str = "darkroom.job.*.*.*";
/// What all dispatchers share.
const GROUP: &str = "feed";
/// Events that are opened at once. They are told in the order in which they came.
const AT_ONCE: usize = 32;
/// How long to wait before listening again when that failed.
const PAUSE: Duration = Duration::from_secs(2);
/// The media type of what is told.
const CLOUD_EVENT: &str = "application/cloudevents+json";

/// Tells what happens for as long as any account wants to know, until `shutdown`.
pub(crate) async fn keep(log: &Log, custody: &Custody, book: &Book, shutdown: &CancellationToken) {
    let mut news = book.account_news();
    while !shutdown.is_cancelled() {
        if book.has_feeds() {
            let until = shutdown.child_token();
            tokio::select! {
                told = tell(log, custody, book, &until) => {
                    if let Err(error) = told {
                        tracing::warn!(error = %service::Chain(&error), "feeds are silent");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
                () = nobody(book) => {}
            }
        } else {
            tokio::select! {
                () = shutdown.cancelled() => {}
                _changed = news.changed() => {}
            }
        }
    }
}

/// Waits until no account wants to know.
async fn nobody(book: &Book) {
    let mut news = book.account_news();
    while news.changed().await.is_ok() && book.has_feeds() {}
}

async fn tell(
    log: &Log,
    custody: &Custody,
    book: &Book,
    until: &CancellationToken,
) -> Result<(), eventlog::Unavailable> {
    let events = log.live_among(EVENTS, GROUP).await?;
    let wanted = events.filter_map(|raw| {
        let id = whose(&raw).filter(|id| book.has_feed(id.account));
        future::ready(id.map(|id| (id, raw)))
    });
    let opened = wanted
        .map(|(id, raw)| async move {
            let told = custody.tell_event(&stored(&raw)).await;
            (id, raw, told)
        })
        .buffered(AT_ONCE);
    let mut opened = std::pin::pin!(opened.take_until(until.cancelled()));
    while let Some((id, raw, told)) = opened.next().await {
        let body = match told.map(|told| serde_json::to_vec(&told)) {
            Ok(Ok(body)) => body,
            Ok(Err(error)) => {
                tracing::error!(%error, "an event has no JSON form");
                continue;
            }
            Err(error) => {
                let error = service::Chain(&error);
                tracing::warn!(%error, stream.seq = raw.seq, "an event cannot be opened to be told");
                continue;
            }
        };
        let mut headers = Headers::from_iter([
            ("Content-Type", CLOUD_EVENT.to_owned()),
            ("Nats-Sequence", raw.seq.to_string()),
        ]);
        if let Some(trace) = raw.traceparent() {
            headers.push("traceparent", trace);
        }
        log.feed(id.account, id.job, raw.event_name(), headers, body.into()).await?;
    }
    Ok(())
}

fn whose(raw: &Raw) -> Option<job::Id> {
    raw.subject.rsplit_once('.').and_then(|(prefix, _)| Jobs::parse_prefix(prefix))
}

fn stored(raw: &Raw) -> Stored<'_> {
    Stored {
        stream: &raw.stream,
        seq: raw.seq,
        subject: &raw.subject,
        kind: raw.headers.get("ce-type").unwrap_or_default(),
        id: raw.event_id(),
        time: raw.time(),
        body: &raw.body,
    }
}
