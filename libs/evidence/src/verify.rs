//! Whether a log is still the one that was written: chains, leaves, checkpoints and signatures.
//!
//! A [`Verifier`] is handed the lines of an export one by one, whether they come from a file or from
//! a server as it is, and says at the end what holds, and with which event the first thing is wrong.
//! It keeps the last hash of each history and a few tiles, however long the log is.

mod chains;
mod finding;
mod record;
mod report;
mod retention;
mod statement;
mod trust;
mod walk;

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod single_byte;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

pub(crate) use self::{chains::Chains, finding::Findings, finding::Place, statement::Statement};
pub use self::{
    finding::{Finding, Kind},
    record::{Closing, Halt, Leaves, Line, Opening, Signed, Stored, VERSION},
    report::{Report, Stream},
    trust::Trust,
};
use self::{statement::Source, walk::Walk};
use crate::STREAMS;

/// By how much the clocks of who writes an export and of who reads it may differ.
const SKEW: SignedDuration = SignedDuration::from_hours(1);

/// Finds out whether a log is still the one that was written.
pub struct Verifier {
    trust: Option<Trust>,
    now: Timestamp,
    walks: BTreeMap<String, Walk>,
    /// What was kept elsewhere, by stream, for walks that have not begun.
    kept: BTreeMap<String, Vec<Statement>>,
    kept_notes: Vec<(String, String)>,
    seen: Closing,
    findings: Findings,
    opened: bool,
    closed: bool,
}

impl Verifier {
    /// Signatures are held against these keys; without any, against those that the log says are
    /// its own. `kept` are checkpoints that were kept elsewhere: the name of each and its note.
    /// What a stream's rule would have let go of is reckoned from `now`; of a file, from when it
    /// was written.
    #[must_use]
    pub fn new(trust: Option<Trust>, kept: Vec<(String, String)>, now: Timestamp) -> Self {
        let mut verifier = Self {
            trust,
            now,
            walks: BTreeMap::new(),
            kept: BTreeMap::new(),
            kept_notes: kept,
            seen: Closing::default(),
            findings: Findings::default(),
            opened: false,
            closed: false,
        };
        verifier.sort_kept();
        verifier
    }

    /// Takes in the next line.
    pub fn take(&mut self, line: &Line) {
        if self.closed {
            self.findings.add(Finding::new(Kind::Unreadable, "there are lines behind the last"));
            return;
        }
        match line {
            Line::Export(opening) => self.open(opening),
            _ if !self.opened => {
                let says = "the first line does not say what follows";
                self.findings.add(Finding::new(Kind::Unreadable, says));
                self.opened = true;
            }
            Line::Checkpoint(signed) => self.checkpoint(signed),
            Line::Tile(leaves) => {
                if let Some(walk) = self.walk(&leaves.stream) {
                    walk.leaves(leaves);
                }
            }
            Line::Halted(halt) => {
                if let Some(walk) = self.walk(&halt.stream) {
                    walk.halted(halt);
                }
            }
            Line::Event(event) => {
                if let Some(walk) = self.walk(&event.stream) {
                    walk.event(event);
                }
            }
            Line::End(closing) => self.close(*closing),
        }
        self.seen.count(line);
    }

    /// A line that is none.
    pub fn unreadable(&mut self, number: u64, why: &dyn std::fmt::Display) {
        let says = format!("line {number} cannot be read: {why}");
        self.findings.add(Finding::new(Kind::Unreadable, says));
    }

    /// Says what holds, and what does not.
    #[must_use]
    pub fn finish(mut self) -> Report {
        if !self.closed {
            let says = "it ends before its end: what comes last is missing";
            self.findings.add(Finding::new(Kind::Incomplete, says));
        }
        let trust = self.trust.take().unwrap_or_else(|| Trust::of_itself(&[]));
        // A stream that was kept elsewhere and is not there at all.
        let kept: Vec<String> = self.kept.keys().cloned().collect();
        for stream in kept {
            self.walk(&stream);
        }
        let rank = |stream: &str| STREAMS.iter().position(|name| *name == stream);
        let mut walks: Vec<(String, Walk)> = self.walks.into_iter().collect();
        walks.sort_by_key(|(stream, _)| rank(stream));
        let witnessed = trust.names_witnesses();
        let streams: Vec<Stream> =
            walks.into_iter().map(|(_, walk)| walk.finish(self.now, witnessed)).collect();
        let findings = self.findings.sorted();
        let first_bad = streams.iter().find_map(|stream| {
            stream.findings.iter().find(|finding| finding.seq.is_some()).cloned()
        });
        Report {
            holds: findings.is_empty() && streams.iter().all(|it| it.findings.is_empty()),
            as_of: self.now,
            keys: trust.names(),
            keys_taken_from_the_log: trust.is_own(),
            first_bad,
            findings,
            streams,
        }
    }

    fn open(&mut self, opening: &Opening) {
        if self.opened {
            let says = "there is a second line that says what follows";
            self.findings.add(Finding::new(Kind::Unreadable, says));
            return;
        }
        self.opened = true;
        if opening.version != VERSION {
            let says =
                format!("lines of version {} are not known to this release", opening.version);
            self.findings.add(Finding::new(Kind::Unreadable, says));
        }
        if opening.exported_at.duration_since(self.now) > SKEW {
            let at = opening.exported_at;
            let says = format!("it says that it was written at {at}, which is yet to come");
            self.findings.add(Finding::new(Kind::Unreadable, says));
        }
        self.now = opening.exported_at.min(self.now);
        if self.trust.is_none() {
            self.trust = Some(Trust::of_itself(&opening.keys));
            self.sort_kept();
        }
        for stream in STREAMS {
            if opening.streams.iter().any(|name| name == stream) {
                self.walk(stream);
            } else {
                let says = format!("nothing is said of {stream}");
                self.findings.add(Finding::new(Kind::Incomplete, says));
            }
        }
    }

    /// Reads what was kept elsewhere, as soon as it is known which keys count.
    fn sort_kept(&mut self) {
        let Some(trust) = &self.trust else { return };
        for (name, note) in std::mem::take(&mut self.kept_notes) {
            match trust.open(&note, Source::Kept(name)) {
                Ok((stream, statement)) => self.kept.entry(stream).or_default().push(statement),
                Err(finding) => self.findings.add(*finding),
            }
        }
    }

    fn checkpoint(&mut self, signed: &Signed) {
        let Some(trust) = &self.trust else { return };
        let read = trust.read(signed);
        let Some(walk) = self.walk(&signed.stream) else { return };
        match read {
            Ok(statement) => walk.state(statement),
            Err(finding) => walk.findings.add(finding.of(&signed.stream)),
        }
    }

    fn close(&mut self, closing: Closing) {
        self.closed = true;
        if closing != self.seen {
            let says = format!(
                "the last line speaks of {} events, {} tiles and {} checkpoints, and there were {}, {} \
                 and {}",
                closing.events,
                closing.tiles,
                closing.checkpoints,
                self.seen.events,
                self.seen.tiles,
                self.seen.checkpoints
            );
            self.findings.add(Finding::new(Kind::Incomplete, says));
        }
    }

    fn walk(&mut self, stream: &str) -> Option<&mut Walk> {
        if !STREAMS.contains(&stream) {
            let says =
                format!("there is no stream {}", stream.chars().take(64).collect::<String>());
            self.findings.add(Finding::new(Kind::Unreadable, says));
            return None;
        }
        let kept = &mut self.kept;
        Some(self.walks.entry(stream.to_owned()).or_insert_with(|| {
            let mut walk = Walk::new(stream);
            for statement in kept.remove(stream).unwrap_or_default() {
                walk.state(statement);
            }
            walk
        }))
    }
}
