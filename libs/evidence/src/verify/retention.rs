//! Which events a stream was to let go of, so that those are told from ones that somebody removed.

use eventlog::topology;
use jiff::{SignedDuration, Timestamp};

use super::{
    finding::{Finding, Kind},
    statement::Statement,
};

/// By how much the notary may lag behind the log, and clocks behind each other.
const SLACK: SignedDuration = SignedDuration::from_hours(1);

/// How long a stream keeps its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retention {
    /// For good.
    Forever,
    /// So long, oldest first.
    For(SignedDuration),
}

impl Retention {
    /// As this release has its streams.
    pub(crate) fn of(stream: &str) -> Self {
        let config = topology::config(stream, 1).unwrap_or_default();
        let nanos = config.get("max_age").and_then(serde_json::Value::as_i64).unwrap_or_default();
        if nanos > 0 { Self::For(SignedDuration::from_nanos(nanos)) } else { Self::Forever }
    }

    /// Whether the first `purged` events were removed by somebody rather than by this rule, which
    /// lets nothing go that a checkpoint within its time does not speak of yet.
    pub(crate) fn removed(
        self,
        purged: u64,
        statements: &[Statement],
        now: Timestamp,
    ) -> Option<Finding> {
        if purged == 0 {
            return None;
        }
        let Self::For(age) = self else {
            let says =
                format!("this stream is kept for good, and its first {purged} events are gone");
            return Some(finding(says, 1, purged));
        };
        let kept_since = now.checked_sub(age).ok()?.checked_add(SLACK).ok()?;
        let young = statements.iter().filter(|it| it.time.is_some_and(|time| time > kept_since));
        let first = young.map(|statement| statement.size).min()? + 1;
        (first <= purged).then(|| {
            let days = age.as_hours() / 24;
            let says = format!(
                "events {first} to {purged} are gone, and they are younger than the {days} days that \
                 this stream keeps: the checkpoint over {} events was signed after that",
                first - 1
            );
            finding(says, first, purged)
        })
    }
}

fn finding(says: String, from: u64, to: u64) -> Finding {
    let mut finding = Finding::new(Kind::RemovedEarly, says).at(from).to(to);
    finding.count = to - from + 1;
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Hash, verify::statement::Source};

    const NOW: &str = "2026-12-01T00:00:00Z";

    fn statement(size: u64, time: &str) -> Statement {
        let time = Some(time.parse().unwrap());
        Statement { size, root: Hash::from_bytes([0; 32]), time, source: Source::Log, witnesses: 0 }
    }

    #[test]
    fn a_stream_lets_go_of_what_was_there_before_its_time_began() {
        let now = NOW.parse().unwrap();
        let ninety = Retention::For(SignedDuration::from_hours(90 * 24));
        let statements = [
            statement(100, "2026-08-01T00:00:00Z"),
            statement(200, "2026-09-03T00:00:00Z"),
            statement(300, "2026-11-01T00:00:00Z"),
        ];
        for (purged, expected) in
            [(0, None), (100, None), (200, None), (201, Some(201)), (300, Some(201))]
        {
            let found = ninety.removed(purged, &statements, now);
            assert_eq!(found.and_then(|it| it.seq), expected, "{purged}");
        }
        assert_eq!(ninety.removed(500, &statements[..1], now), None, "all of it was long ago");
        let found = Retention::Forever.removed(1, &statements, now).unwrap();
        assert_eq!((found.seq, found.to_seq), (Some(1), Some(1)));
    }

    #[test]
    fn the_rule_is_the_one_that_streams_are_made_with() {
        assert_eq!(Retention::of("ACCOUNTS"), Retention::Forever);
        assert_eq!(
            Retention::of("DELIVERIES"),
            Retention::For(SignedDuration::from_hours(90 * 24))
        );
    }
}
