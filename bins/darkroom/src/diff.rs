//! `darkroom diff`: what became of a job or an account between two moments.
//!
//! Both states are folded from the log into memory and compared row by row, so whatever the read
//! model tells of a thing is what can be seen to change.

use std::{
    collections::BTreeMap,
    io::{Write as _, stdout},
};

use api::projection;
use clap::Args;
use domain::{
    Timestamp,
    id::{AccountId, JobId},
};
use eventlog::{Log, Raw, Span};
use futures::StreamExt as _;
use readmodel::{Store, Stream};
use serde::Serialize;
use serde_json::Value;
use service::{Clock, Failure, OrTry};

use crate::{
    connection::Where,
    exit::Exit,
    replay::{hide, moment},
};

/// The most events that are folded.
const MAX_EVENTS: usize = 2_000_000;
/// Longest value that is shown to people.
const VALUE_CHARS: usize = 100;

/// Show what changed between two moments
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom diff 0190a5c4-9d2e-7c3b-8f1a-2b6d5e4f3a21 --from 17 --to 23
  darkroom diff --account ACCOUNT --from 2d --to 1d
  darkroom diff --account ACCOUNT --from 2026-07-01T12:00:00Z --json

A moment is a time, a duration before now, or for a job the sequence of an event in JOBS.
Personal fields stay sealed: that one changed can be seen, what it says cannot.")]
pub(crate) struct Arguments {
    /// One job
    #[arg(value_name = "JOB", required_unless_present = "account", conflicts_with = "account")]
    job: Option<JobId>,
    /// One account, with everything in it
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<AccountId>,
    /// As it was then: 2d, a time, or a sequence; from before its beginning if absent
    #[arg(long, value_name = "MOMENT")]
    from: Option<String>,
    /// As it was then; as it is now if absent
    #[arg(long, value_name = "MOMENT")]
    to: Option<String>,
    /// One JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, thiserror::Error)]
enum DiffError {
    #[error("--to lies before --from")]
    Backwards,
    #[error("each stream of an account counts for itself, so `{0}` says nothing")]
    Sequence(String),
    #[error("nothing is known of that")]
    Nothing,
    #[error("more than {MAX_EVENTS} events have happened by then")]
    TooMany,
}

/// A moment in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// Before anything.
    Beginning,
    Sequence(u64),
    Time(Timestamp),
    /// After everything.
    End,
}

/// What is compared.
struct Subject {
    /// Streams and the filter for each.
    sources: Vec<(Stream, String)>,
}

/// What changed.
#[derive(Debug, Serialize)]
struct Report {
    /// How many events of which name happened, by stream.
    events: BTreeMap<String, u64>,
    rows: Vec<RowChange>,
}

#[derive(Debug, Serialize)]
struct RowChange {
    /// What it is, and which.
    row: String,
    change: Kind,
    fields: Vec<Change>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Came,
    Went,
    Changed,
}

/// A field that is not what it was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Change {
    /// Where, as a JSON pointer; empty for the whole.
    pub(crate) place: String,
    /// What it was; none where it was not there.
    pub(crate) from: Option<Value>,
    /// What it is.
    pub(crate) to: Option<Value>,
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments, clock: &dyn Clock) -> Result<Exit, Failure> {
    let connection = arguments.place.connection()?;
    let subject = Subject::of(&arguments);
    let now = clock.now();
    let read = |text: &Option<String>, absent: Moment| match text {
        Some(text) => Moment::read(text, arguments.job.is_some(), now),
        None => Ok(absent),
    };
    let (from, to) = (read(&arguments.from, Moment::Beginning)?, read(&arguments.to, Moment::End)?);
    if from.is_after(to) {
        return Err(DiffError::Backwards).or_try("the earlier moment as --from");
    }
    let log = Log::connect(&connection.nats()?, "auditor").await?;
    let report = report(&log, &subject, from, to).await?;
    let mut out = stdout();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        write!(out, "{}", report.text())?;
    }
    Ok(Exit::Well)
}

async fn report(log: &Log, subject: &Subject, from: Moment, to: Moment) -> Result<Report, Failure> {
    let (before, after) = (Store::memory(), Store::memory());
    let mut events: BTreeMap<String, u64> = BTreeMap::new();
    let (mut read, mut any) = (0, false);
    for (stream, filter) in &subject.sources {
        let span = Span { filter: Some(filter.clone()), ..to.until() };
        let mut pages = log.replay_pages(projection::name(*stream), span);
        while let Some(raws) = pages.next().await.transpose()? {
            read += raws.len();
            if read > MAX_EVENTS {
                return Err(DiffError::TooMany).or_try("one job of it, or an earlier --to");
            }
            any = true;
            let (old, new): (Vec<&Raw>, Vec<&Raw>) = raws.iter().partition(|raw| from.covers(raw));
            for raw in new {
                let noun = projection::noun(*stream);
                *events.entry(format!("{noun}.{}", raw.event_name())).or_default() += 1;
            }
            let entries: Vec<_> = raws.iter().map(|raw| projection::entry(*stream, raw)).collect();
            let old: Vec<_> = old.iter().map(|raw| projection::entry(*stream, raw)).collect();
            before.apply(&old)?;
            after.apply(&entries)?;
        }
    }
    if !any {
        return Err(DiffError::Nothing).or_try("`darkroom replay --since 1h` shows what there is");
    }
    let told = |store: &Store| -> Result<BTreeMap<String, Value>, Failure> {
        Ok(store.told()?.iter().map(|row| (row.name(), row.value())).collect())
    };
    Ok(Report { events, rows: rows(&told(&before)?, &told(&after)?) })
}

fn rows(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> Vec<RowChange> {
    let went = before.iter().filter(|(name, _)| !after.contains_key(*name));
    let went = went.map(|(name, value)| RowChange {
        row: name.clone(),
        change: Kind::Went,
        fields: told(changes(value, &Value::Null)),
    });
    let others = after.iter().filter_map(|(name, value)| {
        let (change, known) = match before.get(name) {
            None => (Kind::Came, &Value::Null),
            Some(known) if known == value => return None,
            Some(known) => (Kind::Changed, known),
        };
        Some(RowChange { row: name.clone(), change, fields: told(changes(known, value)) })
    });
    let mut rows: Vec<_> = went.chain(others).collect();
    rows.sort_by(|a, b| a.row.cmp(&b.row));
    rows
}

/// What is sealed is known to have changed, and not shown.
fn told(mut changes: Vec<Change>) -> Vec<Change> {
    for Change { place, from, to } in &mut changes {
        let name = place.rsplit('/').next().unwrap_or_default();
        from.iter_mut().chain(to).for_each(|value| hide(name, value));
    }
    changes
}

/// Every field in which two values differ, deepest first where both are objects or lists.
pub(crate) fn changes(from: &Value, to: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare("", Some(from), Some(to), &mut found);
    found
}

fn compare(place: &str, from: Option<&Value>, to: Option<&Value>, found: &mut Vec<Change>) {
    match (from, to) {
        (from, to) if from == to => {}
        (Some(Value::Object(from)), Some(Value::Object(to))) => {
            let names: std::collections::BTreeSet<_> = from.keys().chain(to.keys()).collect();
            for name in names {
                let inner = format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
                compare(&inner, from.get(name), to.get(name), found);
            }
        }
        (Some(Value::Array(from)), Some(Value::Array(to))) => {
            for index in 0..from.len().max(to.len()) {
                compare(&format!("{place}/{index}"), from.get(index), to.get(index), found);
            }
        }
        (from, to) => {
            found.push(Change { place: place.to_owned(), from: from.cloned(), to: to.cloned() });
        }
    }
}

impl Moment {
    fn read(text: &str, of_job: bool, now: Timestamp) -> Result<Self, Failure> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits {
            return moment(text, now).map(Self::Time);
        }
        match text.parse() {
            Ok(seq) if of_job => Ok(Self::Sequence(seq)),
            _ => {
                Err(DiffError::Sequence(text.to_owned())).or_try("a time, or a duration such as 2d")
            }
        }
    }

    fn is_after(self, other: Self) -> bool {
        match (self, other) {
            (Self::Sequence(a), Self::Sequence(b)) => a > b,
            (Self::Time(a), Self::Time(b)) => a > b,
            _ => false,
        }
    }

    fn until(self) -> Span {
        match self {
            Self::Beginning | Self::End => Span::default(),
            Self::Sequence(to_seq) => Span { to_seq: Some(to_seq), ..Span::default() },
            Self::Time(until) => Span { until: Some(until), ..Span::default() },
        }
    }

    /// Whether an event had happened by then.
    fn covers(self, raw: &Raw) -> bool {
        match self {
            Self::Beginning => false,
            Self::End => true,
            Self::Sequence(seq) => raw.seq <= seq,
            Self::Time(time) => raw.time().is_none_or(|at| at <= time),
        }
    }
}

impl Subject {
    fn of(arguments: &Arguments) -> Self {
        let sources = match (arguments.job, arguments.account) {
            (Some(job), _) => vec![(Stream::Jobs, format!("darkroom.job.*.{job}.>"))],
            (None, Some(account)) => {
                let of =
                    |stream| (stream, format!("darkroom.{}.{account}.>", projection::noun(stream)));
                Stream::ALL.map(of).into()
            }
            // clap asks for one of the two.
            (None, None) => Vec::new(),
        };
        Self { sources }
    }
}

impl Report {
    fn text(&self) -> String {
        let mut lines = Vec::new();
        for RowChange { row, change, fields } in &self.rows {
            let mark = match change {
                Kind::Came => '+',
                Kind::Went => '-',
                Kind::Changed => '~',
            };
            lines.push(format!("{mark} {row}"));
            for Change { place, from, to } in fields {
                let place = if place.is_empty() { "/" } else { place };
                lines.push(match (from, to) {
                    (Some(from), Some(to)) if *change == Kind::Changed => {
                        format!("    {place}: {} -> {}", short(from), short(to))
                    }
                    (_, Some(to)) if *change == Kind::Came => format!("    {}", short(to)),
                    (None, Some(to)) => format!("    {place}: + {}", short(to)),
                    (Some(from), _) => format!("    {place}: - {}", short(from)),
                    (None, None) => continue,
                });
            }
        }
        let events: Vec<String> =
            self.events.iter().map(|(name, count)| format!("{count} {name}")).collect();
        let events = if events.is_empty() { "no events".to_owned() } else { events.join(", ") };
        lines.push(format!("{} rows; {events}", self.rows.len()));
        lines.join("\n") + "\n"
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    // What was stored is not trusted with the terminal.
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut kept: String = text.chars().take(VALUE_CHARS).map(clean).collect();
    if kept.len() < text.len() {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_field_that_differs_is_named_by_its_place() {
        let from = json!({"a": 1, "b": {"c": [1, 2]}, "gone": true, "x/y": 0});
        let to = json!({"a": 2, "b": {"c": [1, 3, 4]}, "new": null, "x/y": 0});
        let found = changes(&from, &to);
        let places: Vec<_> = found.iter().map(|change| change.place.as_str()).collect();
        assert_eq!(places, ["/a", "/b/c/1", "/b/c/2", "/gone", "/new"]);
        assert_eq!(
            found[0],
            Change { place: "/a".into(), from: Some(1.into()), to: Some(2.into()) }
        );
        assert_eq!((&found[3].to, &found[4].from), (&None, &None));
        assert!(changes(&from, &from).is_empty());
    }

    #[test]
    fn a_moment_is_a_time_or_for_a_job_a_sequence() {
        let now: Timestamp = "2026-07-02T12:00:00Z".parse().unwrap();
        assert_eq!(Moment::read("17", true, now).unwrap(), Moment::Sequence(17));
        let hour = Moment::Time("2026-07-02T11:00:00Z".parse().unwrap());
        assert_eq!(Moment::read("1h", false, now).unwrap(), hour);
        let said = Moment::read("17", false, now).unwrap_err().to_string();
        assert!(said.contains("a time"), "{said}");
        assert!(Moment::read("soon", true, now).is_err());
        assert!(Moment::Sequence(3).is_after(Moment::Sequence(2)));
    }

    #[test]
    fn what_is_sealed_is_seen_to_change_and_not_shown() {
        let of =
            |text: &str| BTreeMap::from([("a".to_owned(), json!({"job": {"file_name": text}}))]);
        for (before, after) in [(of("Y2lwaGVy"), of("dGV4dA==")), (BTreeMap::new(), of("Y2lwaGVy"))]
        {
            let rows = rows(&before, &after);
            let report = Report { events: BTreeMap::new(), rows };
            let told = report.text() + &serde_json::to_string(&report).unwrap();
            assert!(told.contains("sealed") && !told.contains("Y2lwaGVy"), "{told}");
        }
    }

    #[test]
    fn rows_that_came_went_and_changed_are_told_apart() {
        let before =
            BTreeMap::from([("a".to_owned(), json!(1)), ("b".to_owned(), json!({"x": 1}))]);
        let after = BTreeMap::from([("b".to_owned(), json!({"x": 2})), ("c".to_owned(), json!(3))]);
        let report = Report { events: BTreeMap::new(), rows: rows(&before, &after) };
        let text = report.text();
        assert!(text.contains("- a\n") && text.contains("~ b\n    /x: 1 -> 2\n"), "{text}");
        assert!(text.contains("+ c\n") && text.ends_with("3 rows; no events\n"), "{text}");
    }
}
