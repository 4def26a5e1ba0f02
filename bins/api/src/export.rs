//! Everything that is held about an account, opened as far as it can be: its events, line by line,
//! and what they amount to in use, day by day.
//!
//! Credentials are left out, and so is whatever only stands for one: nobody may get them back.

use std::sync::{Arc, Mutex, PoisonError};

use custody::{Custody, event::Stored};
use domain::id::AccountId;
use eventlog::{Log, Raw, Span, Unavailable, topology};
use futures::{Stream, StreamExt as _, stream};
use readmodel::{Stream as From, Tally};
use serde_json::{Value, json};

use crate::projection;

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
/// then what it used, by day. A line before them says what they are, and without the one after them
/// they are not whole.
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
    let tally = Arc::new(Mutex::new(Tally::default()));
    let counted = Arc::clone(&tally);
    let events = events.then(move |raw| {
        let custody = Arc::clone(&custody);
        if let Ok(raw) = &raw {
            count(&counted, raw);
        }
        async move { line(&custody, &raw?).await }
    });
    let days = stream::once(async move {
        let tally = std::mem::take(&mut *tally.lock().unwrap_or_else(PoisonError::into_inner));
        let days = tally.into_days();
        stream::iter(days.map(|(_, date, used)| Ok(json!({ "day": date, "used": used }))))
    });
    let first = json!({ "export": FORMAT, "account": account });
    let last = json!({ "end": true });
    stream::iter([Ok(first)]).chain(events).chain(days.flatten()).chain(stream::iter([Ok(last)]))
}

/// Counts what passes by.
fn count(tally: &Mutex<Tally>, raw: &Raw) {
    let of = match raw.stream.as_str() {
        topology::JOBS => From::Jobs,
        topology::UPLOADS => From::Uploads,
        _ => return,
    };
    tally.lock().unwrap_or_else(PoisonError::into_inner).take(&projection::entry(of, raw));
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
