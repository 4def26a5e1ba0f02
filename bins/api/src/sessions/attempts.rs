//! Log-ins that failed, by the digest of the address that was tried, whether or not anybody has it.
//!
//! A member's failures are in the log. An address that nobody has must be delayed just the same, or
//! the delay would tell; but strangers must not be able to fill the log with addresses. So every
//! process also counts in memory, and no more than so many addresses.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{Timestamp, member};
use jiff::SignedDuration;

use super::settings::later;

/// Most addresses whose failures are remembered; beyond, those whose delay is over are forgotten,
/// and then any.
const MAX_ADDRESSES: usize = 20_000;
/// How long failures are remembered after the last of them.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);

/// Why a log-in cannot be tried now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Another one for the same address is under way.
    Busy,
    /// Too many failed.
    Until(Timestamp),
}

/// Who has tried what.
#[derive(Default)]
pub(crate) struct Attempts(Mutex<Book>);

#[derive(Default)]
struct Book {
    busy: HashSet<String>,
    failed: HashMap<String, Failed>,
}

#[derive(Debug, Clone, Copy)]
struct Failed {
    failures: u32,
    at: Timestamp,
}

/// A log-in under way: no other is tried for the same address until it is dropped, so that nobody
/// tries many passwords before the first is known to be wrong.
pub(crate) struct Attempt {
    attempts: Arc<Attempts>,
    address: String,
}

impl Attempts {
    /// Begins a log-in, unless it has to wait.
    pub(crate) fn begin(
        self: &Arc<Self>,
        address_digest: &str,
        now: Timestamp,
    ) -> Result<Attempt, Wait> {
        let mut book = self.book();
        if let Some(failed) = book.failed.get(address_digest) {
            let until = failed.until();
            if now < until {
                return Err(Wait::Until(until));
            }
        }
        if !book.busy.insert(address_digest.to_owned()) {
            return Err(Wait::Busy);
        }
        Ok(Attempt { attempts: Arc::clone(self), address: address_digest.to_owned() })
    }

    /// Whoever has this address has shown who they are, or may choose a new password.
    pub(crate) fn forgive(&self, address_digest: &str) {
        self.book().failed.remove(address_digest);
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt {
    /// It failed.
    pub(crate) fn failed(&self, now: Timestamp) {
        self.attempts.book().note(&self.address, now);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.attempts.book().busy.remove(&self.address);
    }
}

impl Failed {
    fn until(self) -> Timestamp {
        later(self.at, member::delay(self.failures))
    }
}

impl Book {
    fn note(&mut self, address: &str, now: Timestamp) {
        if self.failed.len() >= MAX_ADDRESSES && !self.failed.contains_key(address) {
            self.failed.retain(|_, failed| now < failed.until());
            if self.failed.len() >= MAX_ADDRESSES {
                let any = self.failed.keys().next().cloned();
                any.and_then(|any| self.failed.remove(&any));
            }
        }
        let failed =
            self.failed.entry(address.to_owned()).or_insert(Failed { failures: 0, at: now });
        if now.duration_since(failed.at) > REMEMBERED {
            failed.failures = 0;
        }
        failed.failures = failed.failures.saturating_add(1);
        failed.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + seconds).unwrap()
    }

    fn fail(attempts: &Arc<Attempts>, times: u32, now: Timestamp) {
        for _ in 0..times {
            attempts.book().note("a", now);
        }
    }

    #[test]
    fn an_address_is_tried_by_one_at_a_time() {
        let attempts = Arc::new(Attempts::default());
        let first = attempts.begin("a", at(0));
        assert!(first.is_ok());
        assert_eq!(attempts.begin("a", at(0)).err(), Some(Wait::Busy));
        assert!(attempts.begin("b", at(0)).is_ok());
        drop(first);
        assert!(attempts.begin("a", at(0)).is_ok());
    }

    #[test]
    fn an_address_nobody_has_is_delayed_as_a_member_is() {
        let attempts = Arc::new(Attempts::default());
        fail(&attempts, 2, at(0));
        assert!(attempts.begin("a", at(0)).is_ok());
        fail(&attempts, 1, at(0));
        assert_eq!(attempts.begin("a", at(0)).err(), Some(Wait::Until(at(1))));
        assert!(attempts.begin("a", at(1)).is_ok());
        fail(&attempts, 30, at(1));
        assert_eq!(attempts.begin("a", at(2)).err(), Some(Wait::Until(at(901))));
        attempts.forgive("a");
        assert!(attempts.begin("a", at(2)).is_ok());
    }

    #[test]
    fn no_more_addresses_are_remembered_than_there_is_room_for() {
        let attempts = Arc::new(Attempts::default());
        for n in 0..=MAX_ADDRESSES {
            for _ in 0..4 {
                attempts.book().note(&n.to_string(), at(0));
            }
        }
        assert!(attempts.book().failed.len() <= MAX_ADDRESSES);
    }
}
