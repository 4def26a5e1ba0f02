//! Who waits for whom, as far as this process has seen: whoever waits is called when it is its turn,
//! and need not ask the log again and again.
//!
//! All of it is hints. Each delivery that waits has a message of its own, which comes back whatever is
//! forgotten here or happens in another process.

use std::{
    collections::HashSet,
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
};

use domain::{delivery, id::EndpointId};
use lru::LruCache;
use tokio::sync::mpsc;

/// Most deliveries of which it is remembered what they come after, and most that are known to be over;
/// beyond, those are forgotten that nobody asked about for longest.
const MOST_NOTED: NonZeroUsize = NonZeroUsize::new(32_768).unwrap();
/// Most deliveries that are noted as waiting for room in one lane; beyond, none is.
const MOST_IN_A_CROWD: usize = 16_384;
/// Most of them in all lanes together; beyond, those are forgotten whose lane was crowded longest ago, such
/// as that of an endpoint which was disabled meanwhile.
const MOST_CROWDED: usize = 65_536;
/// Most calls that wait to be answered; beyond, nobody is called.
const MOST_CALLS: usize = 1_024;

/// What is known of turns.
pub(crate) struct Turns {
    notes: Mutex<Notes>,
    calls: mpsc::Sender<delivery::Id>,
}

struct Notes {
    /// What a delivery comes after.
    before: LruCache<delivery::Id, delivery::Id>,
    /// What comes after a delivery.
    after: LruCache<delivery::Id, delivery::Id>,
    over: LruCache<delivery::Id, ()>,
    /// Who found no room in a lane, the longest waiting first.
    crowds: LruCache<EndpointId, LruCache<delivery::Id, ()>>,
    crowded: usize,
    pursued: HashSet<delivery::Id>,
}

/// What is known of a delivery's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing.
    Unknown,
    /// It comes after this one, which was not over when last heard of.
    After(delivery::Id),
    /// What came before it is over.
    Come,
}

/// The right to pursue one delivery, for as long as this lives.
pub(crate) struct Pursuit<'a>(&'a Turns, delivery::Id);

impl Drop for Pursuit<'_> {
    fn drop(&mut self) {
        self.0.notes().pursued.remove(&self.1);
    }
}

impl Turns {
    /// Nothing is known yet; and who is called.
    pub(crate) fn new() -> (Self, mpsc::Receiver<delivery::Id>) {
        let (calls, called) = mpsc::channel(MOST_CALLS);
        let notes = Mutex::new(Notes {
            before: LruCache::new(MOST_NOTED),
            after: LruCache::new(MOST_NOTED),
            over: LruCache::new(MOST_NOTED),
            crowds: LruCache::unbounded(),
            crowded: 0,
            pursued: HashSet::new(),
        });
        (Self { notes, calls }, called)
    }

    /// Begins to pursue a delivery, unless that is being done here.
    pub(crate) fn pursue(&self, id: delivery::Id) -> Option<Pursuit<'_>> {
        let is_first = self.notes().pursued.insert(id);
        // Not made before it is known: what is made of it ends with it.
        is_first.then(|| Pursuit(self, id))
    }

    /// Whose turn it is.
    pub(crate) fn of(&self, id: &delivery::Id) -> Turn {
        let mut notes = self.notes();
        match notes.before.get(id).copied() {
            None => Turn::Unknown,
            Some(before) if notes.over.contains(&before) => Turn::Come,
            Some(before) => Turn::After(before),
        }
    }

    /// Whether a delivery is known to be over.
    pub(crate) fn is_over(&self, id: &delivery::Id) -> bool {
        self.notes().over.contains(id)
    }

    /// Notes that `id` comes after `before` and is to be called when that is over; false if it is by now.
    pub(crate) fn wait_for(&self, before: delivery::Id, id: delivery::Id) -> bool {
        let mut notes = self.notes();
        notes.before.put(id, before);
        if notes.over.contains(&before) {
            return false;
        }
        notes.after.put(before, id);
        true
    }

    /// Notes that a delivery is over, and calls who comes after it.
    pub(crate) fn end(&self, id: &delivery::Id) {
        let mut notes = self.notes();
        notes.before.pop(id);
        notes.over.put(*id, ());
        let after = notes.after.pop(id);
        drop(notes);
        if let Some(after) = after {
            self.call(after);
        }
    }

    /// Notes that a delivery found no room in a lane, and is to be called when there is some.
    pub(crate) fn wait_for_room(&self, lane: EndpointId, id: delivery::Id) {
        let mut notes = self.notes();
        let crowd = notes.crowds.get_or_insert_mut(lane, LruCache::unbounded);
        if crowd.contains(&id) || crowd.len() >= MOST_IN_A_CROWD {
            return;
        }
        crowd.put(id, ());
        notes.crowded += 1;
        while notes.crowded > MOST_CROWDED
            && let Some((_, forgotten)) = notes.crowds.pop_lru()
        {
            notes.crowded -= forgotten.len();
        }
    }

    /// Whether anybody waits for room in a lane.
    pub(crate) fn is_crowded(&self, lane: EndpointId) -> bool {
        self.notes().crowds.contains(&lane)
    }

    /// Calls so many of those that wait for room in a lane.
    pub(crate) fn make_room(&self, lane: EndpointId, count: u32) {
        for _ in 0..count {
            let mut notes = self.notes();
            let Some(crowd) = notes.crowds.get_mut(&lane) else { return };
            let first = crowd.pop_lru();
            if crowd.is_empty() {
                notes.crowds.pop(&lane);
            }
            let Some((first, ())) = first else { return };
            notes.crowded -= 1;
            drop(notes);
            self.call(first);
        }
    }

    fn call(&self, id: delivery::Id) {
        // Whoever is not called comes by itself.
        self.calls.try_send(id).ok();
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use domain::{endpoint, id::AccountId, id::EventId};
    use uuid::Uuid;

    use super::*;

    fn id(number: usize) -> delivery::Id {
        let account = AccountId::from_uuid(Uuid::from_u128(1));
        let endpoint = EndpointId::from_uuid(Uuid::from_u128(2));
        let event = EventId::from_uuid(Uuid::from_u128(number as u128));
        delivery::Id::of(endpoint::Id { account, endpoint }, event)
    }

    #[test]
    fn whoever_asks_too_late_to_be_called_is_told_so() {
        let (turns, mut called) = Turns::new();
        assert_eq!(turns.of(&id(1)), Turn::Unknown);
        assert!(turns.wait_for(id(0), id(1)));
        assert_eq!(turns.of(&id(1)), Turn::After(id(0)));
        turns.end(&id(0));
        assert_eq!(called.try_recv().unwrap(), id(1));
        assert_eq!(turns.of(&id(1)), Turn::Come);
        assert!(!turns.wait_for(id(0), id(2)));
        assert_eq!(turns.of(&id(2)), Turn::Come);
        turns.end(&id(0));
        assert!(called.try_recv().is_err(), "nobody is called twice");
    }

    #[test]
    fn what_is_too_much_is_forgotten_and_nobody_waits_for_whoever_answers() {
        let (turns, mut called) = Turns::new();
        let most = MOST_NOTED.get();
        for number in 0..=most {
            turns.wait_for(id(number), id(number + 1_000_000));
        }
        assert_eq!(turns.of(&id(1_000_000)), Turn::Unknown);
        assert_eq!(turns.of(&id(1_000_001)), Turn::After(id(1)));
        for number in 0..=most {
            turns.end(&id(number));
        }
        let mut calls = 0;
        while called.try_recv().is_ok() {
            calls += 1;
        }
        assert_eq!(calls, MOST_CALLS);
        assert!(!turns.is_over(&id(0)) && turns.is_over(&id(most)));
    }

    #[test]
    fn those_without_room_are_called_in_the_order_they_came_once_each() {
        let (turns, mut called) = Turns::new();
        let lane = EndpointId::from_uuid(Uuid::from_u128(2));
        for number in [3, 1, 2, 1, 3] {
            turns.wait_for_room(lane, id(number));
        }
        turns.make_room(lane, 2);
        assert_eq!([called.try_recv().unwrap(), called.try_recv().unwrap()], [id(3), id(1)]);
        assert!(called.try_recv().is_err() && turns.is_crowded(lane));
        turns.make_room(lane, 5);
        assert_eq!(called.try_recv().unwrap(), id(2));
        assert!(called.try_recv().is_err() && !turns.is_crowded(lane));
    }

    #[test]
    fn one_crowd_is_bounded_and_of_too_many_the_oldest_is_forgotten() {
        let (turns, _called) = Turns::new();
        let lane = |number: usize| EndpointId::from_uuid(Uuid::from_u128(number as u128));
        let crowds = MOST_CROWDED / MOST_IN_A_CROWD;
        for number in 0..=crowds {
            for waiting in 0..=MOST_IN_A_CROWD {
                turns.wait_for_room(lane(number), id(waiting));
            }
            assert!(turns.is_crowded(lane(number)));
        }
        assert!(!turns.is_crowded(lane(0)) && turns.is_crowded(lane(1)));
        assert_eq!(turns.notes().crowded, MOST_CROWDED);
    }

    #[test]
    fn a_delivery_is_pursued_once_at_a_time() {
        let (turns, _called) = Turns::new();
        let pursuit = turns.pursue(id(1));
        assert!(pursuit.is_some() && turns.pursue(id(1)).is_none());
        drop(pursuit);
        assert!(turns.pursue(id(1)).is_some());
    }
}
