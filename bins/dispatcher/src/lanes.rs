//! A lane for each endpoint: how many deliveries at once, how many a second, and whether it is left
//! alone for a while. What one endpoint does delays no other.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::{
    Timestamp,
    endpoint::{Circuit, Endpoint},
    id::EndpointId,
};
use jiff::SignedDuration;
use tokio::{sync::Notify, time::Instant};

/// Most lanes; beyond, those that are empty and whose endpoint does well are forgotten.
const MAX_LANES: usize = 65_536;
/// Most deliveries at once to an endpoint whose last one failed.
const AT_ONCE_IN_DOUBT: u32 = 1;
/// Failures in a row after which an endpoint is left alone for a while.
const FAILURES: u32 = 5;
/// So many refusals in a row count as one failure: the endpoint answers, and it may be this one delivery
/// that it does not like.
const REFUSALS: u32 = 10;
/// How long it is left alone the first time; twice as long each time after.
const FIRST_BREAK: Duration = Duration::from_secs(15);
/// The longest that it is left alone.
const LONGEST_BREAK: Duration = Duration::from_secs(900);
/// How long a delivery waits here while nothing moves in its lane, before it is noted as due.
const A_MOMENT: Duration = Duration::from_secs(1);
/// How long it waits here at most.
const LONGEST_MOMENT: Duration = Duration::from_secs(10);
/// The shortest wait of a delivery that finds no room.
const SHORTEST_WAIT: Duration = Duration::from_millis(200);
/// How far apart those come back that wait for an endpoint which does not do well: looking at each of
/// thousands costs those of others.
const SLOW_TURN: Duration = Duration::from_millis(100);
/// Over how long those that found no room come back at most, beyond what they have to wait anyway.
const LONGEST_TURN: Duration = LONGEST_BREAK;
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

/// How an endpoint does, as far as the log knows: what other dispatchers found, and what its owner did.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Standing {
    /// Whether it is left alone for a while.
    circuit: Circuit,
    /// When it was last found to do well again, or enabled.
    well_at: Option<Timestamp>,
}

impl Standing {
    /// How this endpoint does.
    pub(crate) const fn of(endpoint: &Endpoint) -> Self {
        Self { circuit: endpoint.circuit, well_at: endpoint.well_at }
    }
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
    /// Deliveries that wait here for room.
    waiting: u32,
    /// Deliveries that ended in the second that is under way, and in the one before.
    ended: (u32, u32),
    /// When that second began.
    second: Option<Instant>,
    /// When a delivery last began or ended.
    moved: Option<Instant>,
    /// Failures in a row, each counted as so many refusals.
    failures: u32,
    failing_since: Option<Timestamp>,
    first_failures: Option<(Timestamp, Timestamp)>,
    breaks: u32,
    /// Left alone until then; afterwards one delivery tries it.
    closed_until: Option<Timestamp>,
    /// The end of the last break that was heard of, be it from the log.
    last_break: Option<Timestamp>,
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

    /// Notes that others found it well meanwhile: what failed does not count.
    pub(crate) fn forgive(&self) {
        self.0.book().forgive();
    }

    /// Notes that it answered, and refused the delivery.
    pub(crate) fn refused(&self, now: Timestamp) -> Consequence {
        self.0.refused(now)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut book = self.0.book();
        book.under_way = book.under_way.saturating_sub(1);
        book.note_end(Instant::now());
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
    /// It did nothing but fail for days, as far as is known here.
    Disable {
        /// Since when.
        failing_since: Timestamp,
    },
}

impl Lanes {
    /// The lane of an endpoint, brought up to what the log knows of it.
    pub(crate) fn of(&self, endpoint: EndpointId, standing: Standing) -> Arc<Lane> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lanes.len() >= MAX_LANES && !lanes.contains_key(&endpoint) {
            lanes.retain(|_, lane| Arc::strong_count(lane) > 1 || lane.book().failures > 0);
        }
        let lane = Arc::clone(lanes.entry(endpoint).or_default());
        drop(lanes);
        lane.book().learn(standing);
        lane
    }
}

impl Lane {
    /// Asks to begin a delivery, and waits a moment for room where the endpoint does well.
    pub(crate) async fn enter_soon(
        self: &Arc<Self>,
        width: Width,
        now: impl Fn() -> Timestamp,
    ) -> Entry {
        let began = Instant::now();
        let _waiter = {
            let mut book = self.book();
            // Who has been waiting goes first.
            if book.waiting == 0 && book.admit(width, now()).is_ok() {
                return Entry::Go(Pass(Arc::clone(self)));
            }
            if book.is_crowded(width) || book.patience(width, began).is_none() {
                return Entry::Wait(book.turn_away(width, now()));
            }
            book.waiting += 1;
            Waiter(self)
        };
        loop {
            let mut room = pin!(self.room.notified());
            room.as_mut().enable();
            let until = {
                let mut book = self.book();
                if book.admit(width, now()).is_ok() {
                    return Entry::Go(Pass(Arc::clone(self)));
                }
                match book.patience(width, began) {
                    Some(until) => until,
                    None => return Entry::Wait(book.turn_away(width, now())),
                }
            };
            // Too late or not: what holds now decides.
            drop(tokio::time::timeout_at(until, room).await);
        }
    }

    /// Asks to begin a delivery.
    pub(crate) fn enter(self: &Arc<Self>, width: Width, now: Timestamp) -> Entry {
        let mut book = self.book();
        match book.admit(width, now) {
            Ok(()) => Entry::Go(Pass(Arc::clone(self))),
            Err(NoRoom) => Entry::Wait(book.turn_away(width, now)),
        }
    }

    /// How long whoever asks now would be told to wait, if there is no room; counts as asking then.
    pub(crate) fn turns_away(&self, width: Width, now: Timestamp) -> Option<Duration> {
        let mut book = self.book();
        (!book.has_room(width, now)).then(|| book.turn_away(width, now))
    }

    /// How many more may begin at once, where nobody waits who asked first.
    pub(crate) fn to_spare(&self, width: Width, now: Timestamp) -> u32 {
        let book = self.book();
        if book.waiting > 0 || !book.has_room(width, now) {
            return 0;
        }
        book.at_once(width).saturating_sub(book.under_way)
    }

    fn succeeded(&self) -> Consequence {
        let mut book = self.book();
        let was_closed = book.closed_until.is_some();
        book.forgive();
        if was_closed { Consequence::Close } else { Consequence::None }
    }

    fn failed(&self, now: Timestamp) -> Consequence {
        self.book().fail(REFUSALS, now)
    }

    fn refused(&self, now: Timestamp) -> Consequence {
        self.book().fail(1, now)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// There is none.
struct NoRoom;

/// One who waits for room.
struct Waiter<'a>(&'a Lane);

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut book = self.0.book();
        book.waiting = book.waiting.saturating_sub(1);
    }
}

impl Book {
    /// Takes over what others found. What was known before changes nothing.
    fn learn(&mut self, standing: Standing) {
        if self.failing_since.is_some_and(|since| standing.well_at.is_some_and(|at| since < at)) {
            self.forgive();
        }
        if let Circuit::Open { failing_since, until } = standing.circuit
            && self.last_break.is_none_or(|known| known < until)
        {
            self.failures = self.failures.max(FAILURES * REFUSALS);
            let since = self.failing_since.map_or(failing_since, |known| known.min(failing_since));
            self.failing_since = Some(since);
            self.first_failures.get_or_insert((since, since));
            self.breaks = self.breaks.saturating_add(1);
            self.closed_until = Some(until);
            self.last_break = Some(until);
        }
    }

    /// What failed does not count any more.
    fn forgive(&mut self) {
        self.failures = 0;
        self.breaks = 0;
        self.failing_since = None;
        self.first_failures = None;
        self.closed_until = None;
    }

    fn has_room(&self, width: Width, now: Timestamp) -> bool {
        if let Some(until) = self.closed_until
            && (now < until || self.under_way > 0)
        {
            return false;
        }
        self.under_way < self.at_once(width)
    }

    const fn at_once(&self, width: Width) -> u32 {
        if self.is_in_doubt() { AT_ONCE_IN_DOUBT } else { width.at_once }
    }

    fn admit(&mut self, width: Width, now: Timestamp) -> Result<(), NoRoom> {
        if !self.has_room(width, now) || !self.take_token(width, now) {
            return Err(NoRoom);
        }
        self.under_way += 1;
        self.turned_away = 0;
        self.moved = Some(Instant::now());
        Ok(())
    }

    fn fail(&mut self, weight: u32, now: Timestamp) -> Consequence {
        self.failures = self.failures.saturating_add(weight);
        let failing_since = *self.failing_since.get_or_insert(now);
        let (first, _) = self.first_failures.unwrap_or((now, now));
        self.first_failures = Some((first, now));
        let apart = now.duration_since(first);
        if now.duration_since(failing_since) >= GIVEN_UP_AFTER && apart >= FAILURES_APART {
            return Consequence::Disable { failing_since };
        }
        // What was under way when the break began does not lengthen it.
        let on_a_break = self.closed_until.is_some_and(|until| now < until);
        if self.failures < FAILURES * REFUSALS || on_a_break {
            return Consequence::None;
        }
        let doubled =
            FIRST_BREAK.saturating_mul(1_u32.checked_shl(self.breaks).unwrap_or(u32::MAX));
        let length = SignedDuration::try_from(doubled.min(LONGEST_BREAK)).unwrap_or_default();
        let until = now.saturating_add(length).unwrap_or(Timestamp::MAX);
        self.breaks = self.breaks.saturating_add(1);
        self.closed_until = Some(until);
        self.last_break = Some(until);
        Consequence::Open { failing_since, until }
    }

    /// Whether as many wait as are over in a second.
    fn is_crowded(&mut self, width: Width) -> bool {
        self.turn_second(Instant::now());
        self.waiting >= self.ended.0.max(self.ended.1).max(width.at_once)
    }

    /// Until when it makes sense to wait here for room: as long as the endpoint does well and its
    /// lane moves.
    fn patience(&self, width: Width, began: Instant) -> Option<Instant> {
        let moved = self.moved.unwrap_or(began);
        let until = (moved + A_MOMENT).min(began + LONGEST_MOMENT);
        let worth_it = self.does_well() && width.per_second.is_none() && Instant::now() < until;
        worth_it.then_some(until)
    }

    const fn is_in_doubt(&self) -> bool {
        self.failures >= REFUSALS
    }

    const fn does_well(&self) -> bool {
        !self.is_in_doubt() && self.closed_until.is_none()
    }

    /// Whether a delivery began or ended just now.
    fn moves(&self) -> bool {
        self.moved.is_some_and(|moved| moved.elapsed() < A_MOMENT)
    }

    fn note_end(&mut self, now: Instant) {
        self.turn_second(now);
        self.ended.0 = self.ended.0.saturating_add(1);
        self.moved = Some(now);
    }

    fn turn_second(&mut self, now: Instant) {
        let passed = now.duration_since(*self.second.get_or_insert(now));
        if passed >= A_MOMENT {
            self.ended = (0, if passed < A_MOMENT * 2 { self.ended.0 } else { 0 });
            self.second = Some(now);
        }
    }

    /// Those who wait come back one after the other rather than all at once.
    fn turn_away(&mut self, width: Width, now: Timestamp) -> Duration {
        self.turned_away = self.turned_away.saturating_add(1);
        let each = match width.per_second {
            Some(rate) => Duration::from_secs(1) / rate.max(1),
            None if self.does_well() && self.moves() => SHORTEST_WAIT / width.at_once.max(1),
            None => SLOW_TURN,
        };
        let round = LONGEST_TURN.as_micros() / each.as_micros().max(1);
        let place = u128::from(self.turned_away) % round.max(1);
        let turn = each.saturating_mul(u32::try_from(place).unwrap_or(u32::MAX));
        let left = self.closed_until.map(|until| until.duration_since(now));
        let left = left.and_then(|left| Duration::try_from(left).ok()).unwrap_or_default();
        left.min(LONGEST_BREAK) + turn.max(SHORTEST_WAIT)
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
mod tests;
