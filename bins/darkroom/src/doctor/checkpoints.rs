//! Whether the notary signs what happens.

use std::time::Duration;

use domain::Timestamp;
use eventlog::{Log, Statement};
use evidence::{STREAMS, checkpoint::Checkpoint, claim::Halted, note::Note, shelf::Shelf};
use jiff::SignedDuration;
use notary::settings::Notary;
use service::{Clock as _, Failure, SystemClock};

use super::Finding;
use crate::connection::Connection;

/// How long an event may wait beyond the notary's own pace.
const GRACE: Duration = Duration::from_secs(60);

/// Looks at the last checkpoint of each log, and at what it does not cover.
pub(super) async fn look(connection: &Connection, settings: &Notary) -> Result<Finding, Failure> {
    let log = Log::connect(&connection.nats()?, "auditor").await?;
    let shelf = Shelf::new(&log);
    let now = SystemClock.now();
    let patience = SignedDuration::try_from(Duration::from_millis(settings.every_ms) + GRACE)?;
    let (mut newest, mut amiss): (Option<Checkpoint>, Vec<String>) = (None, Vec::new());
    for stream in STREAMS {
        if let Some(raw) = shelf.last(stream, Statement::Halted).await? {
            let halted: Halted = serde_json::from_slice(&raw.body)?;
            if let Some(reason) = halted.reason {
                amiss.push(format!("{stream}: nothing is signed since {}: {reason}", halted.time));
                continue;
            }
        }
        let checkpoint = match shelf.last(stream, Statement::Signed).await? {
            Some(raw) => Some(read(&raw.body)?),
            None => None,
        };
        let size = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
        if let Some(last) = log.last(stream, ">").await?
            && last.seq > size
            && last.time().is_none_or(|time| now.duration_since(time) > patience)
        {
            let uncovered = last.seq - size;
            amiss.push(format!(
                "{stream}: {uncovered} events wait to be signed: does the notary run?"
            ));
        }
        newest = [newest, checkpoint].into_iter().flatten().max_by_key(signed_at);
    }
    if !amiss.is_empty() {
        return Ok(Finding::Amiss(amiss.join("\n")));
    }
    Ok(match newest {
        None => Finding::Absent("none yet: nothing has happened that could be signed".to_owned()),
        Some(newest) => {
            let name = newest.origin.rsplit_once('/').map_or("", |(name, _)| name);
            let time = newest.time().unwrap_or("a time that it does not say");
            Finding::Well(format!("every stream is signed as {name}, last at {time}"))
        }
    })
}

fn read(body: &[u8]) -> Result<Checkpoint, Failure> {
    Ok(Note::parse(&String::from_utf8_lossy(body))?.text.parse()?)
}

fn signed_at(checkpoint: &Checkpoint) -> Option<Timestamp> {
    checkpoint.time()?.parse().ok()
}
