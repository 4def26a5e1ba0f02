//! The chain of every history that is read: whether each event continues the one before it.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    hash::{BuildHasher as _, BuildHasherDefault, Hasher, RandomState},
};

use eventlog::{Hash, Raw};

use super::selection::Reach;

/// The most histories that are remembered at once. Of more, those that have ended are set aside.
const HISTORIES_MAX: usize = 500_000;

/// Events after which little happens to a history.
const ENDS: [&str; 9] = [
    "completed",
    "failed",
    "cancelled",
    "expired",
    "erased",
    "delivered",
    "exhausted",
    "rejected",
    "removed",
];

/// Where a history has come to.
struct Head {
    hash: Hash,
    ended: bool,
}

/// What is a keyed hash already needs no other.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Some of a hash is one.
        self.0 = bytes.first_chunk().map_or(0, |some| u64::from_ne_bytes(*some));
    }
}

/// Every history read so far, as far as there is room.
pub(super) struct Chains {
    reach: Reach,
    /// By a keyed hash of the history's name, so that all take the same room.
    heads: HashMap<u128, Head, BuildHasherDefault<Hashed>>,
    ended: VecDeque<u128>,
    keys: [RandomState; 2],
    room: usize,
    count: u64,
    /// Histories whose beginning was not read.
    begun_midway: u64,
    /// Histories that were set aside, or never remembered.
    forgotten: u64,
    /// Events of such.
    not_held: u64,
    broken: Option<String>,
}

impl Chains {
    /// For histories that are read as far as that.
    pub(super) fn new(reach: Reach) -> Self {
        Self::with_room(reach, HISTORIES_MAX)
    }

    fn with_room(reach: Reach, room: usize) -> Self {
        Self {
            reach,
            heads: HashMap::default(),
            ended: VecDeque::new(),
            keys: [RandomState::new(), RandomState::new()],
            room,
            count: 0,
            begun_midway: 0,
            forgotten: 0,
            not_held: 0,
            broken: None,
        }
    }

    /// Takes one more event, and says whether it continues its history.
    pub(super) fn take(&mut self, raw: &Raw, hash: Hash) -> bool {
        self.count += 1;
        if self.reach == Reach::Parts {
            return true;
        }
        let history = raw.subject.rsplit_once('.').map_or("", |(history, _)| history);
        let key = self.key(history);
        let prev = raw.prev();
        let first = prev == Some(Hash::default());
        let holds = match self.heads.get(&key) {
            Some(head) => prev == Some(head.hash),
            None if first => true,
            None if prev.is_none() => false,
            None if self.forgotten > 0 => {
                self.not_held += 1;
                true
            }
            None if self.reach == Reach::Later => {
                self.begun_midway += 1;
                true
            }
            None => false,
        };
        if !holds && self.broken.is_none() {
            self.broken = Some(format!("event {} of {} ({})", raw.seq, raw.stream, raw.subject));
        }
        self.remember(key, hash, ENDS.contains(&raw.event_name()));
        holds
    }

    fn remember(&mut self, key: u128, hash: Hash, ended: bool) {
        if self.heads.len() >= self.room && !self.heads.contains_key(&key) {
            self.forgotten += 1;
            // One that went on after its end is in the queue twice: the second time it is gone.
            match self.ended.pop_front() {
                Some(oldest) => drop(self.heads.remove(&oldest)),
                None => return,
            }
        }
        match self.heads.entry(key) {
            Entry::Occupied(mut slot) => {
                let head = slot.get_mut();
                head.hash = hash;
                if ended && !std::mem::replace(&mut head.ended, true) {
                    self.ended.push_back(key);
                }
            }
            Entry::Vacant(slot) => {
                slot.insert(Head { hash, ended });
                if ended {
                    self.ended.push_back(key);
                }
            }
        }
    }

    fn key(&self, history: &str) -> u128 {
        let [high, low] = &self.keys;
        u128::from(high.hash_one(history)) << 64 | u128::from(low.hash_one(history))
    }

    /// Whether any of them does not hold.
    pub(super) const fn broken(&self) -> bool {
        self.broken.is_some()
    }

    /// The last line.
    pub(super) fn verdict(&self) -> String {
        let count = self.count;
        match (&self.broken, self.begun_midway, self.not_held) {
            _ if self.reach == Reach::Parts => {
                format!("chain: not checked, the filter leaves events out; {count} events")
            }
            (Some(first), _, _) => format!("chain: BROKEN at {first}; {count} events read"),
            (None, 0, 0) => format!("chain: ok, {count} events"),
            (None, midway, 0) => format!(
                "chain: ok, {count} events; the beginnings of {midway} histories lie before them"
            ),
            (None, _, not_held) => format!(
                "chain: ok, {count} events; {not_held} of them were not held against those before, of more than {HISTORIES_MAX} histories"
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
        named(history, "started", seq, prev)
    }

    fn named(history: &str, name: &str, seq: u64, prev: Hash) -> Raw {
        Raw {
            stream: "JOBS".into(),
            subject: format!("{history}.{name}"),
            seq,
            headers: Headers::from_iter([("darkroom-prev", prev.to_string())]),
            body: Bytes::from(seq.to_string()),
        }
    }

    fn take(chains: &mut Chains, raw: &Raw) -> bool {
        chains.take(raw, raw.hash())
    }

    #[test]
    fn each_history_has_a_chain_of_its_own() {
        let mut chains = Chains::new(Reach::Whole);
        let first = event("a", 1, Hash::default());
        let other = event("b", 2, Hash::default());
        let second = event("a", 3, first.hash());
        assert!([&first, &other, &second].into_iter().all(|raw| take(&mut chains, raw)));
        assert_eq!(chains.verdict(), "chain: ok, 3 events");
    }

    #[test]
    fn the_first_event_that_does_not_fit_is_named() {
        let mut chains = Chains::new(Reach::Whole);
        let first = event("a", 1, Hash::default());
        assert!(take(&mut chains, &first));
        let altered = Raw { body: Bytes::from_static(b"other"), ..first };
        assert!(!take(&mut chains, &event("a", 2, altered.hash())));
        assert!(chains.broken());
        assert!(chains.verdict().contains("BROKEN at event 2 of JOBS"), "{}", chains.verdict());
    }

    #[test]
    fn a_missing_beginning_is_a_break_only_where_it_should_have_been_read() {
        let later = event("a", 9, event("a", 8, Hash::default()).hash());
        assert!(!take(&mut Chains::new(Reach::Whole), &later));
        let mut midway = Chains::new(Reach::Later);
        assert!(take(&mut midway, &later));
        assert!(midway.verdict().contains("beginnings of 1 histories"));
        let mut parts = Chains::new(Reach::Parts);
        assert!(take(&mut parts, &later) && !parts.broken());
    }

    #[test]
    fn more_histories_than_there_is_room_for_are_set_aside_once_they_ended_and_no_break_is_made_up()
    {
        let mut chains = Chains::with_room(Reach::Whole, 4);
        let mut seq = 0;
        for number in 0..50 {
            let history = format!("job-{number}");
            let mut prev = Hash::default();
            for name in ["requested", "started", "completed"] {
                seq += 1;
                let raw = named(&history, name, seq, prev);
                assert!(take(&mut chains, &raw), "{history} {name}");
                prev = raw.hash();
            }
            assert!(chains.heads.len() <= 4 && chains.ended.len() <= 5);
        }
        assert_eq!(chains.verdict(), "chain: ok, 150 events");
        // Long after its end something happens to the first; and the last is tampered with.
        let late = named("job-0", "expired", 200, event("x", 1, Hash::default()).hash());
        assert!(take(&mut chains, &late));
        assert!(chains.verdict().contains("1 of them were not held"), "{}", chains.verdict());
        assert!(!take(&mut chains, &named("job-49", "expired", 201, Hash::default())));
    }

    #[test]
    fn histories_that_never_end_do_not_take_more_room_either() {
        let mut chains = Chains::with_room(Reach::Whole, 4);
        for number in 0..50 {
            assert!(take(&mut chains, &event(&number.to_string(), number, Hash::default())));
        }
        assert_eq!(chains.heads.len(), 4);
        let second = event("40", 99, event("40", 40, Hash::default()).hash());
        assert!(take(&mut chains, &second) && !chains.broken());
    }
}
