//! How much happened in the last minute, to the second.

/// Seconds in a minute.
const SECONDS: i64 = 60;

/// Counts by second, for as long as they lie in the last minute.
#[derive(Debug, Clone)]
pub(super) struct Minute {
    /// The newest second counted, since 1970.
    newest: i64,
    counts: [u32; SECONDS as usize],
}

impl Default for Minute {
    fn default() -> Self {
        Self { newest: i64::MIN, counts: [0; SECONDS as usize] }
    }
}

impl Minute {
    /// Counts one in `second`, as far as `now` that is within the last minute. Clocks differ: what
    /// is said to lie ahead happened now.
    pub(super) fn count(&mut self, second: i64, now: i64) {
        let second = second.min(now);
        if now - second >= SECONDS {
            return;
        }
        self.advance(now);
        if let Some(count) = self.counts.get_mut(slot(second)) {
            *count = count.saturating_add(1);
        }
    }

    /// How many were counted in the minute that ends with `now`.
    pub(super) fn sum(&mut self, now: i64) -> u64 {
        self.advance(now);
        self.counts.iter().copied().map(u64::from).sum()
    }

    /// In how many seconds after `now` the sum is below `limit`, if nothing is added; at least 1.
    pub(super) fn below(&mut self, limit: u64, now: i64) -> u64 {
        let mut sum = self.sum(now);
        for wait in 1..SECONDS {
            let leaving = self.counts.get(slot(now + wait)).copied().unwrap_or_default();
            sum -= u64::from(leaving);
            if sum < limit {
                return wait.unsigned_abs();
            }
        }
        SECONDS.unsigned_abs()
    }

    /// Forgets what lies further back than a minute before `now`.
    fn advance(&mut self, now: i64) {
        let passed = now.saturating_sub(self.newest).min(SECONDS);
        for back in 0..passed {
            if let Some(count) = self.counts.get_mut(slot(now - back)) {
                *count = 0;
            }
        }
        self.newest = self.newest.max(now);
    }
}

fn slot(second: i64) -> usize {
    usize::try_from(second.rem_euclid(SECONDS)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_further_back_than_a_minute_does_not_count() {
        let mut minute = Minute::default();
        for second in [100, 100, 130, 159] {
            minute.count(second, second);
        }
        for (now, sum) in [(159, 4), (160, 2), (189, 2), (190, 1), (219, 0), (100_000, 0)] {
            assert_eq!(minute.sum(now), sum, "{now}");
        }
        minute.count(1, 100_000);
        assert_eq!(minute.sum(100_000), 0);
    }

    #[test]
    fn a_clock_ahead_or_behind_changes_little() {
        let mut minute = Minute::default();
        minute.count(500, 100);
        assert_eq!(minute.sum(100), 1);
        // Our own clock was set back: what was counted stays.
        assert_eq!(minute.sum(90), 1);
        minute.count(95, 100);
        assert_eq!(minute.sum(154), 2);
        assert_eq!(minute.sum(155), 1);
    }

    #[test]
    fn it_is_known_when_there_is_room_again() {
        let mut minute = Minute::default();
        for second in [100, 110, 110, 120] {
            minute.count(second, second);
        }
        assert_eq!(minute.below(4, 120), 40);
        assert_eq!(minute.below(3, 120), 50);
        assert_eq!(minute.below(2, 120), 50);
        assert_eq!(minute.below(1, 120), 60);
    }
}
