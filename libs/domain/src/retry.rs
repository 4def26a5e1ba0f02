//! When to try again: exponential backoff with jitter upward, as a pure function.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A backoff schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Backoff {
    /// Most attempts, the first included.
    pub attempts: u32,
    /// Wait after the first failure, in milliseconds.
    pub first_ms: u64,
    /// Longest wait, in milliseconds.
    pub longest_ms: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { attempts: 5, first_ms: 2_000, longest_ms: 300_000 }
    }
}

impl Backoff {
    /// When to try again after attempt number `attempt` (from 1) failed at `now`; `None` when that
    /// was the last. `jitter` in `0.0..=1.0` lengthens the wait by up to a quarter.
    #[must_use]
    pub fn after(&self, attempt: u32, now: Timestamp, jitter: f64) -> Option<Timestamp> {
        if attempt >= self.attempts {
            return None;
        }
        let doubled = 1_u64.checked_shl(attempt.saturating_sub(1)).unwrap_or(u64::MAX);
        let wait_ms = self.first_ms.saturating_mul(doubled).min(self.longest_ms);
        let wait = SignedDuration::from_millis(i64::try_from(wait_ms).unwrap_or(i64::MAX));
        let wait = wait + wait.mul_f64(jitter.clamp(0.0, 1.0) / 4.0);
        Some(now.saturating_add(wait).unwrap_or(Timestamp::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end() {
        let backoff = Backoff { attempts: 5, first_ms: 1_000, longest_ms: 3_000 };
        let waits: Vec<Option<i64>> = (1..=5)
            .map(|n| backoff.after(n, Timestamp::UNIX_EPOCH, 0.0).map(Timestamp::as_millisecond))
            .collect();
        assert_eq!(waits, [Some(1_000), Some(2_000), Some(3_000), Some(3_000), None]);
    }

    #[test]
    fn jitter_only_lengthens() {
        let at = |jitter| Backoff::default().after(1, Timestamp::UNIX_EPOCH, jitter);
        assert_eq!(at(1.0).map(Timestamp::as_millisecond), Some(2_500));
        assert!(at(0.0) <= at(0.5));
    }
}
