//! What was found out about a log, for programs and in plain words.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::finding::Finding;

/// What was found out about a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether nothing speaks against it.
    pub holds: bool,
    /// When it was looked at; a file, when it was written.
    pub as_of: Timestamp,
    /// The keys that signatures were held against.
    pub keys: Vec<String>,
    /// Whether these keys came with what they are to prove.
    pub keys_taken_from_the_log: bool,
    /// The first event with which something is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_bad: Option<Finding>,
    /// What is wrong with no stream in particular.
    pub findings: Vec<Finding>,
    /// What was found out about each stream.
    pub streams: Vec<Stream>,
}

/// What was found out about one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stream {
    /// Its name.
    pub stream: String,
    /// Events that are there.
    pub events: u64,
    /// The first of them.
    pub first_seq: Option<u64>,
    /// The last of them.
    pub last_seq: u64,
    /// Histories that they make up.
    pub histories: u64,
    /// Histories whose first events were let go of by the stream's rule.
    pub begun_midway: u64,
    /// Histories of which everything personal was erased: their keys are shredded, their events stay.
    pub erased_histories: u64,
    /// The events of those.
    pub erased_events: u64,
    /// Events before the first, which the stream's rule let go of. Their leaves are still covered.
    pub purged: u64,
    /// Sequences whose events were gone before the notary first saw the stream, as its tree says.
    pub unseen: u64,
    /// Checkpoints that hold.
    pub checkpoints: u64,
    /// How many events the largest of them covers, counted from the stream's beginning.
    pub covered: u64,
    /// When it was signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub covered_at: Option<Timestamp>,
    /// How many witnesses signed the largest checkpoint that any of those signed whose keys are known.
    pub witnesses: u64,
    /// How many events that one covers.
    pub witnessed: u64,
    /// Events after that: chained, and under no checkpoint yet.
    pub uncovered: u64,
    /// Events whose chain was not followed, as there were too many histories.
    pub unchecked: u64,
    /// What does not hold, the earliest event first.
    pub findings: Vec<Finding>,
}

impl Report {
    /// How a person reads it.
    fn verdict(&self) -> String {
        let events: u64 = self.streams.iter().map(|stream| stream.events).sum();
        match (&self.first_bad, self.holds) {
            (_, true) => format!("the log holds: {}, as of {:.0}", events_of(events), self.as_of),
            (Some(bad), false) => {
                let stream = bad.stream.as_deref().unwrap_or_default();
                let seq = bad.seq.unwrap_or_default();
                let subject = bad.subject.as_ref().map(|it| format!(" ({it})")).unwrap_or_default();
                let job = bad.job.as_ref().map(|it| format!(", job {it}")).unwrap_or_default();
                format!("THE LOG DOES NOT HOLD. First bad event: {stream} {seq}{subject}{job}")
            }
            (None, false) => "THE LOG DOES NOT HOLD".to_owned(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for stream in &self.streams {
            write!(f, "{stream}")?;
        }
        for finding in &self.findings {
            writeln!(f, "  ! {}", Shown(finding))?;
        }
        let whose = if self.keys_taken_from_the_log {
            "the log's own; compare it with what you were given, or name it with --key"
        } else {
            "as given"
        };
        for key in &self.keys {
            writeln!(f, "key {key} ({whose})")?;
        }
        writeln!(f, "{}", clean(&self.verdict()))
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.findings.is_empty() { "holds" } else { "DOES NOT HOLD" };
        write!(f, "{:<11} {verdict}: {}", self.stream, events_of(self.events))?;
        if let Some(first) = self.first_seq {
            write!(f, " ({first} to {})", self.last_seq)?;
        }
        match (self.covered, self.covered_at) {
            (0, _) => write!(f, ", under no checkpoint")?,
            (covered, Some(at)) => write!(f, ", checkpoint over {covered} signed {at:.0}")?,
            (covered, None) => write!(f, ", checkpoint over {covered}")?,
        }
        if self.witnesses > 0 {
            let witnesses = if self.witnesses == 1 {
                "1 witness"
            } else {
                &format!("{} witnesses", self.witnesses)
            };
            write!(f, ", {witnesses} up to {}", self.witnessed)?;
        }
        writeln!(f)?;
        let notes = [
            (self.uncovered, "chained, not yet under a checkpoint"),
            (self.purged, "gone by the stream's own rule; their leaves are still covered"),
            (self.unseen, "gone before the notary first saw this stream"),
            (
                self.erased_events,
                "of erased histories: as stored, and nobody can read what was personal",
            ),
            (self.begun_midway, "histories whose beginnings are gone by that rule"),
            (self.unchecked, "not held against their chains: too many histories"),
        ];
        for (count, what) in notes.into_iter().filter(|(count, _)| *count > 0) {
            writeln!(f, "  {count} {what}")?;
        }
        self.findings.iter().try_for_each(|finding| writeln!(f, "  ! {}", Shown(finding)))
    }
}

fn events_of(count: u64) -> String {
    if count == 1 { "1 event".to_owned() } else { format!("{count} events") }
}

/// One finding as a line.
struct Shown<'a>(&'a Finding);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { says, subject, count, .. } = self.0;
        f.write_str(&clean(says))?;
        if let Some(subject) = subject {
            write!(f, " ({})", clean(subject))?;
        }
        if *count > 1 { write!(f, "; {count} in all") } else { Ok(()) }
    }
}

/// What was stored is not trusted with a terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
