//! Everything that is held about an account, opened as far as it can be: its events, line by line.
//!
//! Credentials are left out, and so is whatever only stands for one: nobody may get them back.

use std::sync::Arc;

use custody::{Custody, event::Stored};
use domain::id::AccountId;
use eventlog::{Log, Raw, Span, Unavailable, topology};
use futures::{Stream, StreamExt as _, stream};
use serde_json::{Value, json};

/// The shape of the lines.
const FORMAT: u32 = 1;

/// Why an export breaks off.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The log does not answer.
    #[error("read the log")]
    Log(#[from] Unavailable),
    /// A personal field cannot be opened.
    #[error("open a personal field")]
    Custody(#[from] custody::Error),
}

/// Every event of the account, oldest first in each stream, each with what is personal in it opened;
/// a line before them that says what they are, and one after them without which they are not whole.
pub fn lines(
    log: &Log,
    custody: &Custody,
    account: AccountId,
) -> impl Stream<Item = Result<Value, ExportError>> + Send + use<> {
    let sources = [
        (topology::ACCOUNTS, format!("darkroom.account.{account}.>")),
        (topology::MEMBERS, format!("darkroom.member.{account}.>")),
        (topology::UPLOADS, format!("darkroom.upload.{account}.>")),
        (topology::JOBS, format!("darkroom.job.{account}.>")),
        (topology::ENDPOINTS, format!("darkroom.endpoint.{account}.>")),
        (topology::DELIVERIES, format!("darkroom.delivery.{account}.>")),
    ];
    let log = log.clone();
    let custody = Arc::new(custody.clone());
    let events = stream::iter(sources).flat_map(move |(stream, filter)| {
        log.replay(stream, Span { filter: Some(filter), ..Span::default() }).boxed()
    });
    let events = events.then(move |raw| {
        let custody = Arc::clone(&custody);
        async move { line(&custody, &raw?).await }
    });
    let first = json!({ "export": FORMAT, "account": account });
    let last = json!({ "end": true });
    stream::iter([Ok(first)]).chain(events).chain(stream::iter([Ok(last)]))
}

async fn line(custody: &Custody, raw: &Raw) -> Result<Value, ExportError> {
    let opened = custody.open_event(&stored(raw)).await?;
    let prefix = raw.subject.rsplit_once('.').map_or("", |(prefix, _)| prefix);
    let noun = raw.subject.split('.').nth(1).unwrap_or_default();
    Ok(json!({
        "event": format!("{noun}.{}", raw.event_name()),
        "id": prefix.rsplit('.').next(),
        "at": raw.time(),
        "seq": raw.seq,
        "data": opened.data,
    }))
}

/// A message of the log, as custody opens it.
pub(crate) fn stored(raw: &Raw) -> Stored<'_> {
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
