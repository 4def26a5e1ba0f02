//! The chain of every history that is read: whether each event continues the one before it.

use std::collections::HashMap;

use eventlog::{Hash, Raw};

/// The most histories that are held against their chains at once.
const HISTORIES_MAX: usize = 5_000_000;

/// How much of each history is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// All of it.
    Whole,
    /// All of it after some time.
    Later,
    /// Some events of it: nothing can be said.
    Parts,
}

/// Every history read so far.
pub(super) struct Chains {
    reach: Reach,
    heads: HashMap<String, Hash>,
    count: u64,
    /// Histories whose beginning was not read.
    begun_midway: u64,
    broken: Option<String>,
}

impl Chains {
    /// For histories that are read without gaps, perhaps from their first events on.
    pub(super) fn checked(from_the_start: bool) -> Self {
        Self::new(if from_the_start { Reach::Whole } else { Reach::Later })
    }

    /// For single events of histories.
    pub(super) fn unchecked() -> Self {
        Self::new(Reach::Parts)
    }

    fn new(reach: Reach) -> Self {
        Self { reach, heads: HashMap::new(), count: 0, begun_midway: 0, broken: None }
    }

    /// Takes one more event, and says whether it continues its history.
    pub(super) fn take(&mut self, raw: &Raw) -> bool {
        self.count += 1;
        if self.reach == Reach::Parts {
            return true;
        }
        let history = raw.subject.rsplit_once('.').map_or("", |(history, _)| history);
        let wanted = match self.heads.get(history) {
            Some(head) => Some(*head),
            None if self.reach == Reach::Whole => Some(Hash::default()),
            None => {
                self.begun_midway += u64::from(raw.prev() != Some(Hash::default()));
                raw.prev()
            }
        };
        let holds = wanted.is_some() && raw.prev() == wanted;
        if !holds && self.broken.is_none() {
            self.broken = Some(format!("event {} of {} ({})", raw.seq, raw.stream, raw.subject));
        }
        if self.heads.len() < HISTORIES_MAX || self.heads.contains_key(history) {
            self.heads.insert(history.to_owned(), raw.hash());
        }
        holds
    }

    /// Whether any of them does not hold.
    pub(super) const fn broken(&self) -> bool {
        self.broken.is_some()
    }

    /// The last line.
    pub(super) fn verdict(&self) -> String {
        let count = self.count;
        match (&self.broken, self.begun_midway) {
            _ if self.reach == Reach::Parts => {
                format!("chain: not checked, the filter leaves events out; {count} events")
            }
            (Some(first), _) => format!("chain: BROKEN at {first}; {count} events read"),
            (None, 0) => format!("chain: ok, {count} events"),
            (None, midway) => format!(
                "chain: ok, {count} events; the beginnings of {midway} histories lie before them"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use eventlog::Headers;

    use super::*;

    fn event(history: &str, seq: u64, prev: Hash) -> Raw {
        Raw {
            stream: "JOBS".into(),
            subject: format!("{history}.started"),
            seq,
            headers: Headers::from_iter([("darkroom-prev", prev.to_string())]),
            body: Bytes::from(seq.to_string()),
        }
    }

    #[test]
    fn each_history_has_a_chain_of_its_own() {
        let mut chains = Chains::checked(true);
        let first = event("a", 1, Hash::default());
        let other = event("b", 2, Hash::default());
        let second = event("a", 3, first.hash());
        assert!([&first, &other, &second].into_iter().all(|raw| chains.take(raw)));
        assert_eq!(chains.verdict(), "chain: ok, 3 events");
    }

    #[test]
    fn the_first_event_that_does_not_fit_is_named() {
        let mut chains = Chains::checked(true);
        let first = event("a", 1, Hash::default());
        assert!(chains.take(&first));
        let altered = Raw { body: Bytes::from_static(b"other"), ..first };
        assert!(!chains.take(&event("a", 2, altered.hash())));
        assert!(chains.broken());
        assert!(chains.verdict().contains("BROKEN at event 2 of JOBS"), "{}", chains.verdict());
    }

    #[test]
    fn a_missing_beginning_is_a_break_only_where_it_should_have_been_read() {
        let later = event("a", 9, event("a", 8, Hash::default()).hash());
        assert!(!Chains::checked(true).take(&later));
        let mut midway = Chains::checked(false);
        assert!(midway.take(&later));
        assert!(midway.verdict().contains("beginnings of 1 histories"));
        let mut parts = Chains::unchecked();
        assert!(parts.take(&later) && !parts.broken());
    }
}
