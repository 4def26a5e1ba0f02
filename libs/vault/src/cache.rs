//! A small cache of unwrapped keys: bounded in number and in time, wiping what it drops.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::DataKey;

/// Keys by name. Every key lives equally long, so the oldest is also the first to expire.
pub(crate) struct KeyCache {
    capacity: usize,
    lifetime: Duration,
    entries: Mutex<Entries>,
}

/// When a key was looked for. A key that was removed since must not be remembered any more.
#[derive(Clone, Copy)]
pub(crate) struct Epoch(u64);

#[derive(Default)]
struct Entries {
    removals: u64,
    by_name: HashMap<String, (Arc<DataKey>, Instant)>,
    oldest_first: VecDeque<(String, Instant)>,
}

impl KeyCache {
    pub(crate) fn new(capacity: usize, lifetime: Duration) -> Self {
        Self { capacity, lifetime, entries: Mutex::default() }
    }

    /// Take it before a key is read from the store, and give it to `insert`.
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.lock().removals)
    }

    pub(crate) fn get(&self, name: &str, now: Instant) -> Option<Arc<DataKey>> {
        let mut entries = self.lock();
        self.drop_expired(&mut entries, now);
        entries.by_name.get(name).map(|(key, _)| Arc::clone(key))
    }

    /// Remembers a key, unless some key was removed while this one was being read.
    pub(crate) fn insert(&self, name: &str, key: &Arc<DataKey>, epoch: Epoch, now: Instant) {
        let mut entries = self.lock();
        if entries.removals != epoch.0 {
            return;
        }
        self.drop_expired(&mut entries, now);
        while entries.oldest_first.len() >= self.capacity {
            entries.drop_oldest();
        }
        entries.by_name.insert(name.to_owned(), (Arc::clone(key), now));
        entries.oldest_first.push_back((name.to_owned(), now));
    }

    pub(crate) fn remove(&self, name: &str) {
        let mut entries = self.lock();
        entries.removals += 1;
        entries.by_name.remove(name);
    }

    pub(crate) fn clear(&self) {
        let mut entries = self.lock();
        let removals = entries.removals + 1;
        *entries = Entries { removals, ..Entries::default() };
    }

    fn drop_expired(&self, entries: &mut Entries, now: Instant) {
        while entries
            .oldest_first
            .front()
            .is_some_and(|(_, since)| now.saturating_duration_since(*since) >= self.lifetime)
        {
            entries.drop_oldest();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn drop_oldest(&mut self) {
        if let Some((name, since)) = self.oldest_first.pop_front() {
            // A later insert of the same name has its own place in the queue.
            if self.by_name.get(&name).is_some_and(|(_, inserted)| *inserted == since) {
                self.by_name.remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Arc<DataKey> {
        Arc::new(DataKey::generate())
    }

    #[test]
    fn a_key_is_forgotten_when_its_time_is_over() {
        let cache = KeyCache::new(8, Duration::from_secs(10));
        let start = Instant::now();
        cache.insert("a", &key(), cache.epoch(), start);
        assert!(cache.get("a", start + Duration::from_secs(9)).is_some());
        assert!(cache.get("a", start + Duration::from_secs(10)).is_none());
        assert_eq!(cache.lock().by_name.len(), 0);
        assert_eq!(cache.lock().oldest_first.len(), 0);
    }

    #[test]
    fn the_oldest_makes_room_and_nothing_grows_beyond_the_capacity() {
        let cache = KeyCache::new(3, Duration::from_secs(10));
        let start = Instant::now();
        for (index, name) in ["a", "b", "c", "d"].iter().enumerate() {
            cache.insert(name, &key(), cache.epoch(), start + Duration::from_millis(index as u64));
        }
        assert!(cache.get("a", start).is_none());
        assert!(cache.get("d", start).is_some());
        for index in 4..100 {
            cache.insert("d", &key(), cache.epoch(), start + Duration::from_millis(index));
            cache.remove("d");
        }
        assert!(cache.lock().oldest_first.len() <= 3);
        assert!(cache.lock().by_name.len() <= 3);
    }

    #[test]
    fn a_key_inserted_again_outlives_its_first_place() {
        let cache = KeyCache::new(3, Duration::from_secs(10));
        let start = Instant::now();
        let again = key();
        cache.insert("a", &key(), cache.epoch(), start);
        cache.insert("a", &again, cache.epoch(), start + Duration::from_secs(5));
        let found = cache.get("a", start + Duration::from_secs(12)).unwrap();
        assert_eq!(found.id(), again.id());
    }
    #[test]
    fn a_key_that_was_read_before_a_removal_is_not_remembered() {
        let cache = KeyCache::new(3, Duration::from_secs(10));
        let now = Instant::now();
        for remove in [|cache: &KeyCache| cache.remove("a"), KeyCache::clear] {
            let before = cache.epoch();
            remove(&cache);
            cache.insert("a", &key(), before, now);
            assert!(cache.get("a", now).is_none());
        }
        cache.insert("a", &key(), cache.epoch(), now);
        assert!(cache.get("a", now).is_some());
    }
}
