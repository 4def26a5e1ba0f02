//! The time, as an argument: the only place that reads the system's clock.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

/// Longest single sleep of [`SystemClock`], so that a clock that was set is noticed soon.
const SLEEP_MAX: Duration = Duration::from_secs(10);

/// Tells the time and waits for it. Share it as `Arc<dyn Clock>`.
pub trait Clock: Send + Sync {
    /// The time now. It may jump, in either direction.
    fn now(&self) -> Timestamp;

    /// Waits until [`Clock::now`] is `at` or later. Safe to drop.
    fn wait_until(&self, at: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the system's clock"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn wait_until(&self, at: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            loop {
                let now = self.now();
                if now >= at {
                    return;
                }
                tokio::time::sleep(at.duration_since(now).unsigned_abs().min(SLEEP_MAX)).await;
            }
        })
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock {
    time: watch::Sender<Timestamp>,
}

impl ManualClock {
    /// A clock that shows `at`.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self { time: watch::Sender::new(at) }
    }

    /// Moves on and wakes who waited for it. Stops at the end of time.
    pub fn advance(&self, by: Duration) {
        self.time.send_modify(|time| *time = time.checked_add(by).unwrap_or(Timestamp::MAX));
    }

    /// Jumps, forwards or backwards.
    pub fn set(&self, at: Timestamp) {
        self.time.send_replace(at);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.time.borrow()
    }

    fn wait_until(&self, at: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let mut time = self.time.subscribe();
        Box::pin(async move {
            // The sender lives in `self`, which is borrowed: the channel cannot close.
            let _open = time.wait_for(|now| *now >= at).await.is_ok();
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_waiter_is_woken_when_the_hand_moved_clock_reaches_its_time() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let clock = Arc::new(ManualClock::new(start));
        let due = start.checked_add(Duration::from_secs(60)).unwrap();
        let waiter = tokio::spawn({
            let clock = Arc::clone(&clock);
            async move { clock.wait_until(due).await }
        });
        clock.advance(Duration::from_secs(59));
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());
        clock.advance(Duration::from_secs(1));
        tokio::time::timeout(Duration::from_secs(5), waiter).await.unwrap().unwrap();
        assert_eq!(clock.now(), due);
    }

    #[tokio::test]
    async fn a_time_in_the_past_is_no_wait() {
        let clock = SystemClock;
        let past = clock.now().checked_sub(Duration::from_secs(1)).unwrap();
        tokio::time::timeout(Duration::from_secs(5), clock.wait_until(past)).await.unwrap();
    }

    #[tokio::test]
    async fn the_system_clock_waits_until_the_time_has_come() {
        let clock = SystemClock;
        let due = clock.now().checked_add(Duration::from_millis(20)).unwrap();
        tokio::time::timeout(Duration::from_secs(5), clock.wait_until(due)).await.unwrap();
        assert!(clock.now() >= due);
    }

    #[test]
    fn the_hand_moved_clock_stops_at_the_end_of_time() {
        let clock = ManualClock::new(Timestamp::MAX);
        clock.advance(Duration::from_secs(1));
        assert_eq!(clock.now(), Timestamp::MAX);
    }
}
