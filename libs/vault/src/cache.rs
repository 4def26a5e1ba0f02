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

#[derive(Default)]
struct Entries {
    by_name: HashMap<String, (Arc<DataKey>, Instant)>,
    oldest_first: VecDeque<(String, Instant)>,
}

impl KeyCache {
    pub(crate) fn new(capacity: usize, lifetime: Duration) -> Self {
        Self { capacity, lifetime, entries: Mutex::default() }
    }

    pub(crate) fn get(&self, name: &str, now: Instant) -> Option<Arc<DataKey>> {
        let mut entries = self.lock();
        self.drop_expired(&mut entries, now);
        entries.by_name.get(name).map(|(key, _)| Arc::clone(key))
    }

    pub(crate) fn insert(&self, name: &str, key: &Arc<DataKey>, now: Instant) {
        let mut entries = self.lock();
        self.drop_expired(&mut entries, now);
        while entries.oldest_first.len() >= self.capacity {
            entries.drop_oldest();
        }
        entries.by_name.insert(name.to_owned(), (Arc::clone(key), now));
        entries.oldest_first.push_back((name.to_owned(), now));
    }

    pub(crate) fn remove(&self, name: &str) {
        self.lock().by_name.remove(name);
    }

    pub(crate) fn clear(&self) {
        *self.lock() = Entries::default();
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
        cache.insert("a", &key(), start);
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
            cache.insert(name, &key(), start + Duration::from_millis(index as u64));
        }
        assert!(cache.get("a", start).is_none());
        assert!(cache.get("d", start).is_some());
        for index in 4..100 {
            cache.insert("d", &key(), start + Duration::from_millis(index));
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
        cache.insert("a", &key(), start);
        cache.insert("a", &again, start + Duration::from_secs(5));
        let found = cache.get("a", start + Duration::from_secs(12)).unwrap();
        assert_eq!(found.id(), again.id());
    }
}
