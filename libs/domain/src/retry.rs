//! When to try again: exponential backoff with jitter upward, as a pure function.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
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

/// A schedule of given waits, for deliveries: the first attempt is at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Schedule {
    waits_s: Vec<u64>,
}

impl Default for Schedule {
    /// The one that Standard Webhooks suggests: ten attempts over 75 h 35 min.
    fn default() -> Self {
        Self { waits_s: vec![5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400] }
    }
}

impl Schedule {
    /// A schedule with these waits between attempts, in seconds.
    #[must_use]
    pub const fn new(waits_s: Vec<u64>) -> Self {
        Self { waits_s }
    }

    /// When to try again after attempt number `attempt` (from 1) failed at `now`; `None` when that
    /// was the last. `jitter` in `0.0..=1.0` lengthens the wait by up to a tenth.
    #[must_use]
    pub fn after(&self, attempt: u32, now: Timestamp, jitter: f64) -> Option<Timestamp> {
        let index = usize::try_from(attempt.checked_sub(1)?).ok()?;
        let wait_s = i64::try_from(*self.waits_s.get(index)?).unwrap_or(i64::MAX / 1_000);
        let wait = SignedDuration::from_secs(wait_s);
        let wait = wait + wait.mul_f64(jitter.clamp(0.0, 1.0) / 10.0);
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
    fn deliveries_are_tried_ten_times_over_75_hours_and_35_minutes() {
        let schedule = Schedule::default();
        let mut now = Timestamp::UNIX_EPOCH;
        let mut attempts = 1;
        while let Some(next) = schedule.after(attempts, now, 0.0) {
            now = next;
            attempts += 1;
        }
        assert_eq!((attempts, now.as_second()), (10, (75 * 60 + 35) * 60 + 5));
    }

    #[test]
    fn deliveries_wait_up_to_a_tenth_longer_than_scheduled_and_never_less() {
        let schedule = Schedule::default();
        for (attempt, wait_s) in
            (1..).zip([5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400])
        {
            for (jitter, percent) in [(-1.0, 100), (0.0, 100), (0.5, 105), (1.0, 110), (9.0, 110)] {
                let next = schedule.after(attempt, Timestamp::UNIX_EPOCH, jitter).unwrap();
                assert_eq!(next.as_millisecond(), wait_s * 10 * percent, "{attempt} {jitter}");
            }
        }
    }

    #[test]
    fn jitter_only_lengthens() {
        let at = |jitter| Backoff::default().after(1, Timestamp::UNIX_EPOCH, jitter);
        assert_eq!(at(1.0).map(Timestamp::as_millisecond), Some(2_500));
        assert!(at(0.0) <= at(0.5));
    }
}
