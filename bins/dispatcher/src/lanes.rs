//! A lane for each endpoint: how many deliveries at once, how many a second, and whether it is left
//! alone for a while. What one endpoint does delays no other.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::{Timestamp, endpoint::Circuit, id::EndpointId};
use jiff::SignedDuration;
use tokio::{sync::Notify, time::Instant};

/// Most lanes; beyond, those that are empty and whose endpoint does well are forgotten.
const MAX_LANES: usize = 65_536;
/// Most deliveries at once to an endpoint whose last one failed.
const AT_ONCE_IN_DOUBT: u32 = 1;
/// Failures in a row after which an endpoint is left alone for a while.
const FAILURES: u32 = 5;
/// How long it is left alone the first time; twice as long each time after.
const FIRST_BREAK: Duration = Duration::from_secs(15);
/// The longest that it is left alone.
const LONGEST_BREAK: Duration = Duration::from_secs(900);
/// How long a delivery waits here for room at an endpoint that does well, before it is noted as due.
const A_MOMENT: Duration = Duration::from_secs(1);
/// The shortest wait of a delivery that finds no room.
const SHORTEST_WAIT: Duration = Duration::from_millis(200);
/// The longest wait of a delivery that finds no room.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// After how long of nothing but failures an endpoint is disabled.
const GIVEN_UP_AFTER: SignedDuration = SignedDuration::from_hours(5 * 24);
/// How far apart at least two of those failures must lie.
const FAILURES_APART: SignedDuration = SignedDuration::from_hours(12);

/// What a lane allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Width {
    /// Most deliveries at once.
    pub(crate) at_once: u32,
    /// Most deliveries in a second, if there is a limit.
    pub(crate) per_second: Option<u32>,
}

/// Every lane.
#[derive(Default)]
pub(crate) struct Lanes(Mutex<HashMap<EndpointId, Arc<Lane>>>);

/// The lane of one endpoint.
#[derive(Default)]
pub(crate) struct Lane {
    book: Mutex<Book>,
    /// Woken when a delivery is over.
    room: Notify,
}

#[derive(Default)]
struct Book {
    /// Deliveries under way.
    under_way: u32,
    /// Deliveries that found no room since one last did.
    turned_away: u32,
    /// Failures in a row.
    failures: u32,
    failing_since: Option<Timestamp>,
    first_failures: Option<(Timestamp, Timestamp)>,
    breaks: u32,
    /// Left alone until then; afterwards one delivery tries it.
    closed_until: Option<Timestamp>,
    /// Tokens of the bucket, and when they were counted.
    tokens: f64,
    counted_at: Option<Timestamp>,
}

/// What a delivery that wants to begin is told.
pub(crate) enum Entry {
    /// Go ahead.
    Go(Pass),
    /// Come back after this wait.
    Wait(Duration),
}

/// The right to one delivery; given back when dropped.
pub(crate) struct Pass(Arc<Lane>);

impl Pass {
    /// Notes that the endpoint took the delivery.
    pub(crate) fn succeeded(&self) -> Consequence {
        self.0.succeeded()
    }

    /// Notes that it did not.
    pub(crate) fn failed(&self, now: Timestamp) -> Consequence {
        self.0.failed(now)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut book = self.0.book();
        book.under_way = book.under_way.saturating_sub(1);
        drop(book);
        self.0.room.notify_one();
    }
}

/// What an endpoint's failure leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consequence {
    /// Nothing more.
    None,
    /// It is left alone for a while.
    Open {
        /// Since when it does nothing but fail.
        failing_since: Timestamp,
        /// Until when.
        until: Timestamp,
    },
    /// It is well again.
    Close,
    /// It did nothing but fail for days.
    Disable,
}

impl Lanes {
    /// The lane of an endpoint, which begins as the log knows it.
    pub(crate) fn of(&self, endpoint: EndpointId, circuit: Circuit) -> Arc<Lane> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lanes.len() >= MAX_LANES && !lanes.contains_key(&endpoint) {
            lanes.retain(|_, lane| Arc::strong_count(lane) > 1 || lane.book().failures > 0);
        }
        Arc::clone(lanes.entry(endpoint).or_insert_with(|| Arc::new(Lane::new(circuit))))
    }
}

impl Lane {
    fn new(circuit: Circuit) -> Self {
        let book = match circuit {
            Circuit::Closed => Book::default(),
            Circuit::Open { failing_since, until } => Book {
                failures: FAILURES,
                failing_since: Some(failing_since),
                first_failures: Some((failing_since, failing_since)),
                closed_until: Some(until),
                breaks: 1,
                ..Book::default()
            },
        };
        Self { book: Mutex::new(book), room: Notify::new() }
    }

    /// Asks to begin a delivery, and waits a moment for room where the endpoint does well.
    pub(crate) async fn enter_soon(
        self: &Arc<Self>,
        width: Width,
        now: impl Fn() -> Timestamp,
    ) -> Entry {
        let deadline = Instant::now() + A_MOMENT;
        loop {
            let room = self.room.notified();
            match self.enter(width, now()) {
                Entry::Wait(_) if self.does_well(width) => {
                    if tokio::time::timeout_at(deadline, room).await.is_err() {
                        return self.enter(width, now());
                    }
                }
                entry => return entry,
            }
        }
    }

    /// Whether room will come soon by itself.
    fn does_well(&self, width: Width) -> bool {
        let book = self.book();
        book.failures == 0 && book.closed_until.is_none() && width.per_second.is_none()
    }

    /// Asks to begin a delivery.
    pub(crate) fn enter(self: &Arc<Self>, width: Width, now: Timestamp) -> Entry {
        let mut book = self.book();
        if let Some(until) = book.closed_until {
            if now < until {
                let wait = Duration::try_from(until.duration_since(now)).unwrap_or_default();
                return Entry::Wait(wait.clamp(SHORTEST_WAIT, LONGEST_BREAK));
            }
            if book.under_way > 0 {
                return book.turn_away(width);
            }
        }
        let at_once = if book.failures > 0 { AT_ONCE_IN_DOUBT } else { width.at_once };
        if book.under_way >= at_once || !book.take_token(width, now) {
            return book.turn_away(width);
        }
        book.under_way += 1;
        book.turned_away = 0;
        Entry::Go(Pass(Arc::clone(self)))
    }

    fn succeeded(&self) -> Consequence {
        let mut book = self.book();
        let was_closed = book.closed_until.is_some();
        book.failures = 0;
        book.breaks = 0;
        book.failing_since = None;
        book.first_failures = None;
        book.closed_until = None;
        if was_closed { Consequence::Close } else { Consequence::None }
    }

    fn failed(&self, now: Timestamp) -> Consequence {
        let mut book = self.book();
        book.failures = book.failures.saturating_add(1);
        let failing_since = *book.failing_since.get_or_insert(now);
        let (first, _) = book.first_failures.unwrap_or((now, now));
        book.first_failures = Some((first, now));
        let apart = now.duration_since(first);
        if now.duration_since(failing_since) >= GIVEN_UP_AFTER && apart >= FAILURES_APART {
            return Consequence::Disable;
        }
        // What was under way when the break began does not lengthen it.
        let on_a_break = book.closed_until.is_some_and(|until| now < until);
        if book.failures < FAILURES || on_a_break {
            return Consequence::None;
        }
        let doubled =
            FIRST_BREAK.saturating_mul(1_u32.checked_shl(book.breaks).unwrap_or(u32::MAX));
        let length = SignedDuration::try_from(doubled.min(LONGEST_BREAK)).unwrap_or_default();
        let until = now.saturating_add(length).unwrap_or(Timestamp::MAX);
        book.breaks = book.breaks.saturating_add(1);
        book.closed_until = Some(until);
        Consequence::Open { failing_since, until }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// Those who wait come back one after the other rather than all at once.
    fn turn_away(&mut self, width: Width) -> Entry {
        self.turned_away = self.turned_away.saturating_add(1);
        let each = match width.per_second {
            Some(rate) => Duration::from_secs(1) / rate.max(1),
            None => SHORTEST_WAIT / width.at_once.max(1),
        };
        Entry::Wait(each.saturating_mul(self.turned_away).clamp(SHORTEST_WAIT, LONGEST_WAIT))
    }

    fn take_token(&mut self, width: Width, now: Timestamp) -> bool {
        let Some(rate) = width.per_second.map(f64::from) else { return true };
        let passed =
            self.counted_at.map_or(f64::INFINITY, |at| now.duration_since(at).as_secs_f64());
        self.tokens = (self.tokens + passed.max(0.0) * rate).min(rate.max(1.0));
        self.counted_at = Some(now);
        let there = self.tokens >= 1.0;
        if there {
            self.tokens -= 1.0;
        }
        there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Width = Width { at_once: 4, per_second: None };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn enter(lane: &Arc<Lane>, width: Width, second: i64) -> Option<Pass> {
        match lane.enter(width, at(second)) {
            Entry::Go(pass) => Some(pass),
            Entry::Wait(_) => None,
        }
    }

    #[test]
    fn no_more_are_under_way_than_the_lane_is_wide() {
        let lane = Arc::new(Lane::default());
        let passes: Vec<Pass> = (0..10).filter_map(|_| enter(&lane, WIDE, 0)).collect();
        assert_eq!(passes.len(), 4);
        drop(passes);
        assert!(enter(&lane, WIDE, 0).is_some());
    }

    #[test]
    fn an_endpoint_that_failed_gets_one_at_a_time() {
        let lane = Arc::new(Lane::default());
        lane.failed(at(0));
        let first = enter(&lane, WIDE, 0);
        assert!(first.is_some() && enter(&lane, WIDE, 0).is_none());
        lane.succeeded();
        assert!(enter(&lane, WIDE, 0).is_some());
    }

    #[test]
    fn after_failures_in_a_row_it_is_left_alone_and_then_tried_with_one() {
        let lane = Arc::new(Lane::default());
        for _ in 1..FAILURES {
            assert_eq!(lane.failed(at(0)), Consequence::None);
        }
        let open = lane.failed(at(1));
        assert_eq!(open, Consequence::Open { failing_since: at(0), until: at(16) });
        assert!(enter(&lane, WIDE, 15).is_none());
        assert_eq!(lane.failed(at(2)), Consequence::None);
        let probe = enter(&lane, WIDE, 16);
        assert!(probe.is_some() && enter(&lane, WIDE, 16).is_none());
        drop(probe);
        let again = lane.failed(at(17));
        assert_eq!(again, Consequence::Open { failing_since: at(0), until: at(47) });
        assert_eq!(lane.succeeded(), Consequence::Close);
        assert_eq!(lane.succeeded(), Consequence::None);
        assert!(enter(&lane, WIDE, 17).is_some());
    }

    #[test]
    fn breaks_are_known_after_a_restart() {
        let circuit = Circuit::Open { failing_since: at(0), until: at(60) };
        let lane = Lanes::default().of(EndpointId::from_uuid(uuid::Uuid::nil()), circuit);
        assert!(enter(&lane, WIDE, 59).is_none());
        assert!(enter(&lane, WIDE, 60).is_some());
    }

    #[test]
    fn five_days_of_failures_disable_and_a_single_long_gap_does_not() {
        let (lane, day) = (Lane::default(), 86_400);
        for hour in 0..119 {
            assert_ne!(lane.failed(at(hour * 3_600)), Consequence::Disable, "hour {hour}");
        }
        assert_eq!(lane.failed(at(5 * day)), Consequence::Disable);
        let lane = Lane::default();
        lane.failed(at(0));
        lane.succeeded();
        assert_ne!(lane.failed(at(6 * day)), Consequence::Disable);
    }

    #[test]
    fn a_second_takes_no_more_than_its_share_and_those_turned_away_come_back_in_turn() {
        let lane = Arc::new(Lane::default());
        let narrow = Width { at_once: 100, per_second: Some(10) };
        let went = (0..50).filter(|_| enter(&lane, narrow, 0).is_some()).count();
        assert_eq!(went, 10);
        let mut waits = Vec::new();
        for _ in 0..50 {
            if let Entry::Wait(wait) = lane.enter(narrow, at(0)) {
                waits.push(wait);
            }
        }
        assert!(waits.is_sorted() && waits.last() > waits.first());
        assert_eq!((0..50).filter(|_| enter(&lane, narrow, 1).is_some()).count(), 10);
    }
}
