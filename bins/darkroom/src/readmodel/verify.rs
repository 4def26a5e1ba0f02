//! `darkroom readmodel verify`: every live read model held against the log, run of rows by run of rows.
//!
//! A live one goes on while it is looked at. So each answer says how far its rows reached, and the
//! rebuilt ones are brought to the same place before the two are held against each other. Nothing is
//! held back at a replica for longer than one run takes.

use std::{sync::Arc, time::Duration};

use api::ops::{Presence, Question, Rows};
use bytes::Bytes;
use eventlog::Log;
use readmodel::{MAX_STRETCH_ROWS, Positions, RowBytes, RowKey, Run, Store, Stream, Stretch};
use serde::de::DeserializeOwned;
use serde_json::Value;
use service::{Failure, OrTry};

use super::{
    REPLICAS_MAX, ask,
    build::{Scratch, fill},
    say, spelled,
};
use crate::{diff::changes, exit::Exit, operator::Operator, replay::hide};

/// How many times smaller each next run is, once one differs.
const NARROWER: usize = 20;
/// Of how few rows the values are looked at.
const FEW_ROWS: usize = 20;
/// How often a replica is asked again that is behind, or silent.
const LOOKS: usize = 60;
/// How long between two of these.
const PAUSE: Duration = Duration::from_millis(500);
/// The most fields of a row that are shown.
const FIELDS_MAX: usize = 12;

#[derive(Debug, thiserror::Error)]
enum VerifyError {
    #[error("no API answers, so there is no live read model")]
    Nobody,
    #[error("{0} does not answer any more")]
    Silent(String),
    #[error("{replica} stays behind {reached}")]
    Behind { replica: String, reached: String },
}

/// How a replica's rows relate to the log.
enum Verdict {
    Same {
        rows: usize,
    },
    Differs(Box<Difference>),
    /// They did, and did not when they were looked at more closely.
    Passing {
        at: String,
    },
}

/// The first row in which they differ.
struct Difference {
    positions: Positions,
    name: String,
    live: Option<Value>,
    rebuilt: Option<Value>,
}

pub(super) async fn run(log: &Log, operator: &Operator) -> Result<Exit, Failure> {
    let question = encode(&Question::Presence)?;
    let mut live: Vec<Presence> = ask(log, question, REPLICAS_MAX).await;
    live.sort_by(|a, b| a.replica.cmp(&b.replica));
    let least = live.iter().map(|presence| presence.positions).reduce(least_of);
    let Some(least) = least else {
        return Err(VerifyError::Nobody).or_try("start one, or `darkroom readmodel rebuild`");
    };
    let scratch = Scratch::new(operator, None)?;
    let store = scratch.store().await?;
    fill(log, &store, least).await?;
    let mut exit = Exit::Well;
    for Presence { replica, .. } in live {
        let mut examination = Examination { log, store: &store, replica: &replica };
        let verdict = examination.run().await?;
        let at = spelled(&store.positions());
        match verdict {
            Verdict::Same { rows } => say(&format!("{replica}: same, {rows} rows up to {at}"))?,
            Verdict::Passing { at } => {
                exit = Exit::Differs;
                say(&format!("{replica}: DIFFERENT, but only for a moment, at {at}"))?;
            }
            Verdict::Differs(difference) => {
                exit = Exit::Differs;
                say(&format!("{replica}: DIFFERENT, first at {}", difference.name))?;
                say(&format!("  up to {}", spelled(&difference.positions)))?;
                for line in difference.lines() {
                    say(&format!("  {line}"))?;
                }
            }
        }
    }
    Ok(exit)
}

/// One replica, looked at.
struct Examination<'a> {
    log: &'a Log,
    store: &'a Arc<Store>,
    replica: &'a str,
}

impl Examination<'_> {
    async fn run(&mut self) -> Result<Verdict, Failure> {
        let (mut after, mut limit, mut rows) = (RowKey::default(), MAX_STRETCH_ROWS, 0);
        let mut narrowed: Option<String> = None;
        // Runs alike since the limit was last changed.
        let mut alike = 0;
        loop {
            let run = Run { after: after.clone(), until: None, limit };
            let replica = self.replica.to_owned();
            let question = Question::Digest { replica, run: run.clone() };
            let theirs: Stretch =
                self.answer(&question, |theirs: &Stretch| theirs.positions).await?;
            let own = self.own(Run { until: theirs.last.clone(), ..run }).await?;
            let ends_alike = theirs.last.is_some() || own.last.is_none();
            if (&own.digest, own.rows) == (&theirs.digest, theirs.rows) && ends_alike {
                rows += theirs.rows;
                alike += 1;
                if alike > NARROWER && limit < MAX_STRETCH_ROWS {
                    // What differed does not any more.
                    (limit, alike) = ((limit * NARROWER).min(MAX_STRETCH_ROWS), 0);
                }
                match theirs.last {
                    Some(last) => after = last,
                    None => {
                        return Ok(match narrowed {
                            Some(at) => Verdict::Passing { at },
                            None => Verdict::Same { rows },
                        });
                    }
                }
            } else if limit > FEW_ROWS {
                (limit, alike) = ((limit / NARROWER).max(FEW_ROWS), 0);
                narrowed = Some(spelled(&theirs.positions));
            } else if let Some(difference) = self.look(after.clone(), limit).await? {
                return Ok(Verdict::Differs(Box::new(difference)));
            } else {
                // It lies behind what fits an answer.
                (limit, alike) = ((limit / 2).max(1), 0);
            }
        }
    }

    /// Looks at a few rows one by one.
    async fn look(&self, after: RowKey, limit: usize) -> Result<Option<Difference>, Failure> {
        let run = Run { after, until: None, limit };
        let replica = self.replica.to_owned();
        let question = Question::Rows { replica, run: run.clone() };
        let theirs: Rows = self.answer(&question, |theirs: &Rows| theirs.positions).await?;
        let own = Arc::clone(self.store);
        let (_, own) = tokio::task::spawn_blocking(move || own.rows_of(&run)).await??;
        Ok(first_difference(&theirs.rows, &own).map(|(name, live, rebuilt)| Difference {
            positions: theirs.positions,
            name,
            live,
            rebuilt,
        }))
    }

    /// What the rebuilt rows say, where they stand.
    async fn own(&self, run: Run) -> Result<Stretch, Failure> {
        let store = Arc::clone(self.store);
        Ok(tokio::task::spawn_blocking(move || store.stretch(&run)).await??)
    }

    /// Asks the replica, until what it says is of a place that the rebuilt rows can be brought to;
    /// and brings them there.
    async fn answer<T: DeserializeOwned>(
        &self,
        question: &Question,
        positions: impl Fn(&T) -> Positions,
    ) -> Result<T, Failure> {
        let mut silent = false;
        for _ in 0..LOOKS {
            let found: Option<T> = ask(self.log, encode(question)?, 1).await.pop();
            silent = found.is_none();
            if let Some(found) = found
                && positions(&found).cover(&self.store.positions())
            {
                fill(self.log, self.store, positions(&found)).await?;
                return Ok(found);
            }
            tokio::time::sleep(PAUSE).await;
        }
        let replica = self.replica.to_owned();
        if silent {
            return Err(VerifyError::Silent(replica)).or_try("`darkroom readmodel verify` again");
        }
        let reached = spelled(&self.store.positions());
        Err(VerifyError::Behind { replica, reached }).or_try("look at its log: it does not follow")
    }
}

impl Difference {
    fn lines(&self) -> Vec<String> {
        match (&self.live, &self.rebuilt) {
            (None, Some(rebuilt)) => {
                vec![
                    "live     has no such row".to_owned(),
                    format!("rebuilt  {}", told("", rebuilt)),
                ]
            }
            (Some(live), None) => {
                vec![format!("live     {}", told("", live)), "rebuilt  has no such row".to_owned()]
            }
            (live, rebuilt) => {
                let none = Value::Null;
                let (live, rebuilt) =
                    (live.as_ref().unwrap_or(&none), rebuilt.as_ref().unwrap_or(&none));
                let found = changes(live, rebuilt);
                let shown = found.iter().take(FIELDS_MAX).map(|change| {
                    let name = change.place.rsplit('/').next().unwrap_or_default();
                    let said = |value: &Option<Value>| {
                        value
                            .as_ref()
                            .map_or_else(|| "absent".to_owned(), |value| told(name, value))
                    };
                    let place = if change.place.is_empty() { "value" } else { &change.place };
                    format!("{place}: live {}, rebuilt {}", said(&change.from), said(&change.to))
                });
                shown.collect()
            }
        }
    }
}

/// A value for people, without what is sealed in it.
fn told(name: &str, value: &Value) -> String {
    let mut value = value.clone();
    hide(name, &mut value);
    value.to_string()
}

/// The first of these rows that one of the two does not have, or has otherwise.
fn first_difference(
    live: &[RowBytes],
    own: &[RowBytes],
) -> Option<(String, Option<Value>, Option<Value>)> {
    let place = live.iter().zip(own).position(|(live, own)| live != own);
    let place = place.or_else(|| (live.len() != own.len()).then(|| live.len().min(own.len())))?;
    let first = match (live.get(place), own.get(place)) {
        (Some(live), Some(own)) if live.key == own.key => (Some(live), Some(own)),
        (Some(live), Some(own)) if live.key < own.key => (Some(live), None),
        (Some(_), Some(own)) => (None, Some(own)),
        (live, own) => (live, own),
    };
    let name = first.0.or(first.1)?.name();
    Some((name, first.0.map(RowBytes::value), first.1.map(RowBytes::value)))
}

/// As far as both reach, in each stream.
fn least_of(a: Positions, b: Positions) -> Positions {
    let of = |stream| a.of(stream).min(b.of(stream));
    Positions {
        accounts: of(Stream::Accounts),
        jobs: of(Stream::Jobs),
        members: of(Stream::Members),
        uploads: of(Stream::Uploads),
        endpoints: of(Stream::Endpoints),
        deliveries: of(Stream::Deliveries),
    }
}

fn encode(question: &Question) -> Result<Bytes, Failure> {
    Ok(serde_json::to_vec(question)?.into())
}
