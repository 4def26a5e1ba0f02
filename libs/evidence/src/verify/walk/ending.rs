//! What is known at the end of a walk: what is missing, what nothing explains, and how much is covered.

use jiff::{SignedDuration, Timestamp};

use super::{Walk, altered};
use crate::verify::{
    finding::{Finding, Kind},
    report::Stream,
    retention::Retention,
    statement::Source,
};

/// How long an event may wait for its checkpoint before that is told.
const OVERDUE: SignedDuration = SignedDuration::from_hours(1);

impl Walk {
    /// Says what is known at the end.
    pub(in crate::verify) fn finish(mut self, now: Timestamp, witnessed: bool) -> Stream {
        self.begin();
        self.drain();
        let (covered, stated) = (self.covered(), self.statements.last().map_or(0, |it| it.size));
        self.unresolved(covered);
        if stated > self.next {
            self.gone.add(self.next + 1, stated);
            if self.first.is_none() {
                self.lost.get_or_insert(self.next);
            }
        }
        let gone = std::mem::take(&mut self.gone);
        match self.first {
            None => self.purged = gone,
            Some(_) if gone.count > 0 => {
                let says = self.cut_off(gone.to);
                let mut finding = Finding::new(Kind::CutOff, says).at(gone.from).to(gone.to);
                finding.count = gone.count;
                self.tell(finding);
            }
            Some(_) => {}
        }
        if self.purged.count > 0
            && let Some(finding) =
                Retention::of(&self.stream).removed(self.purged.to, &self.statements, now)
        {
            self.tell(finding);
        }
        if let Some(lost) = self.lost.filter(|lost| stated > *lost) {
            let says = format!(
                "nothing says any more what event {} was: neither it nor its leaf is there, so no \
                 checkpoint over it can be checked",
                lost + 1
            );
            self.tell(Finding::new(Kind::LeavesMissing, says).at(lost + 1));
        }
        self.overdue(now);
        let (by_witnesses, size) = self.witnessed();
        if witnessed && covered > 0 && by_witnesses == 0 {
            let says = "no checkpoint is signed by any of the witnesses that were named";
            self.tell(Finding::new(Kind::NotSigned, says));
        }
        self.report(covered, by_witnesses, size)
    }

    fn covered(&self) -> u64 {
        let held = self.held.iter().filter_map(|at| self.statements.get(*at));
        held.map(|statement| statement.size).max().unwrap_or_default()
    }

    /// How many witnesses signed the largest checkpoint that any of them signed, and its size.
    fn witnessed(&self) -> (u64, u64) {
        let held = self.held.iter().filter_map(|at| self.statements.get(*at));
        let signed = held.filter(|statement| statement.witnesses > 0);
        let last = signed.max_by_key(|statement| statement.size);
        last.map_or((0, 0), |statement| (statement.witnesses as u64, statement.size))
    }

    /// What no later statement explains.
    fn unresolved(&mut self, covered: u64) {
        if let Some(place) = self.differing.first.take() {
            let mut finding = Finding::new(Kind::Altered, altered(place.seq, "its recorded leaf"));
            finding.count = self.differing.count;
            self.tell(finding.event(&place));
        }
        let failed = std::mem::take(&mut self.failed);
        let Some(statement) = failed.first().and_then(|at| self.statements.get(*at)) else {
            return;
        };
        let says = format!(
            "{} does not hold: somewhere from event {} to event {} something was altered",
            statement.name(),
            covered + 1,
            statement.size
        );
        let mut finding = Finding::new(Kind::TreeDiffers, says).at(covered + 1).to(statement.size);
        finding.count = failed.len() as u64;
        self.tell(finding);
    }

    fn cut_off(&self, end: u64) -> String {
        let mut by = self.statements.iter().filter(|it| it.size > self.last);
        let kept = by.clone().find(|it| it.is_kept());
        let witness = kept.or_else(|| by.next_back()).map_or_else(
            || "the recorded leaves speak of".to_owned(),
            |it| match &it.source {
                Source::Log => "a signed checkpoint speaks of".to_owned(),
                Source::Kept(file) => format!("the checkpoint in {file} speaks of"),
            },
        );
        format!(
            "the log ends with event {}, and {witness} {end}: its end was cut off, or all of it set back",
            self.last
        )
    }

    fn overdue(&mut self, now: Timestamp) {
        let Some((seq, Some(time))) = self.uncovered else { return };
        if now.duration_since(time) > OVERDUE {
            let says = format!(
                "event {seq} was decided at {time} and no checkpoint that counts covers it since: the \
                 notary does not run, or its checkpoints are gone"
            );
            let mut finding = Finding::new(Kind::Unsigned, says).at(seq).to(self.last);
            finding.count = self.uncovered_events;
            self.tell(finding);
        }
    }

    fn report(self, covered: u64, witnesses: u64, witnessed: u64) -> Stream {
        let newest = self.held.iter().filter_map(|at| self.statements.get(*at)).next_back();
        let (erased_histories, erased_events) = self.chains.erased();
        Stream {
            events: self.events,
            first_seq: self.first,
            last_seq: self.last,
            histories: self.chains.histories(),
            begun_midway: self.chains.begun_midway,
            erased_histories,
            erased_events,
            purged: self.purged.count,
            unseen: self.unseen,
            checkpoints: self.held.len() as u64,
            covered,
            covered_at: newest.and_then(|statement| statement.time),
            witnesses,
            witnessed,
            uncovered: self.uncovered_events,
            unchecked: self.chains.unchecked,
            findings: self.findings.sorted(),
            stream: self.stream,
        }
    }
}
