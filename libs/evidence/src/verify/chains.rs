//! The chain of every history in one stream: whether each event states the hash of the one before.

use std::collections::HashMap;

use eventlog::{Hash, Raw};
use sha2::{Digest as _, Sha256};

use super::record::Stored;

/// The most histories of one stream that are held against their chains.
const HISTORIES_MAX: usize = 20_000_000;

/// The last event of one history.
struct Head {
    hash: Hash,
    seq: u64,
    events: u64,
    erased: bool,
}

/// Every history of one stream so far.
#[derive(Default)]
pub(crate) struct Chains {
    heads: HashMap<[u8; 16], Head>,
    /// Histories whose first events were not there.
    pub(crate) begun_midway: u64,
    /// Events of histories that were too many.
    pub(crate) unchecked: u64,
}

/// An event that does not continue its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Break {
    /// The last event before it; none where its history has no earlier one here.
    pub(crate) before: Option<u64>,
}

impl Chains {
    /// Takes one more event. `midway` says that events before the first one here are gone.
    pub(crate) fn take(
        &mut self,
        event: &Stored,
        raw: &Raw,
        hash: Hash,
        midway: bool,
    ) -> Result<(), Break> {
        let history = name(event.history());
        let (stated, seq) = (raw.prev(), event.seq);
        let erased = raw.event_name() == "erased";
        if let Some(head) = self.heads.get_mut(&history) {
            let holds = stated == Some(head.hash);
            let before = Some(head.seq);
            (head.hash, head.seq) = (hash, seq);
            head.events += 1;
            head.erased |= erased;
            return if holds { Ok(()) } else { Err(Break { before }) };
        }
        if self.heads.len() >= HISTORIES_MAX {
            self.unchecked += 1;
            return Ok(());
        }
        self.heads.insert(history, Head { hash, seq, events: 1, erased });
        let first = stated == Some(Hash::default());
        self.begun_midway += u64::from(!first && midway);
        if first || (midway && stated.is_some()) { Ok(()) } else { Err(Break { before: None }) }
    }

    /// How many histories there are.
    pub(crate) fn histories(&self) -> u64 {
        self.heads.len() as u64
    }

    /// How many of them are erased, and how many events those have.
    pub(crate) fn erased(&self) -> (u64, u64) {
        let erased = self.heads.values().filter(|head| head.erased);
        erased.fold((0, 0), |(histories, events), head| (histories + 1, events + head.events))
    }
}

/// Half a SHA-256 stands for a history's name: millions of them fit in memory.
fn name(history: &str) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest(history.as_bytes()).into();
    let mut name = [0; 16];
    for (to, from) in name.iter_mut().zip(digest) {
        *to = from;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(history: &str, name: &str, seq: u64, prev: Hash) -> (Stored, Raw) {
        let stored = Stored {
            stream: "JOBS".into(),
            seq,
            subject: format!("{history}.{name}"),
            stored_at: None,
            headers: vec![("darkroom-prev".into(), prev.to_string())],
            body: seq.to_string().into(),
        };
        let raw = stored.raw();
        (stored, raw)
    }

    #[test]
    fn an_event_that_does_not_continue_its_history_is_told_with_the_one_before() {
        let mut chains = Chains::default();
        let take = |chains: &mut Chains, (event, raw): &(Stored, Raw)| {
            chains.take(event, raw, raw.hash(), false)
        };
        let first = event("a", "requested", 1, Hash::default());
        let other = event("b", "requested", 2, Hash::default());
        let second = event("a", "erased", 3, first.1.hash());
        let foreign = event("b", "started", 4, first.1.hash());
        let headless = event("c", "started", 5, first.1.hash());
        for fine in [&first, &other, &second] {
            assert_eq!(take(&mut chains, fine), Ok(()));
        }
        assert_eq!(take(&mut chains, &foreign), Err(Break { before: Some(2) }));
        assert_eq!(take(&mut chains, &headless), Err(Break { before: None }));
        assert_eq!((chains.histories(), chains.erased()), (3, (1, 2)));
    }

    #[test]
    fn a_missing_beginning_is_no_break_where_events_were_purged() {
        let mut chains = Chains::default();
        let (stored, raw) =
            event("a", "started", 9, event("a", "requested", 1, Hash::default()).1.hash());
        assert_eq!(chains.take(&stored, &raw, raw.hash(), true), Ok(()));
        assert_eq!(chains.begun_midway, 1);
    }
}
