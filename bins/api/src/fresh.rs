//! Ids of jobs yet to be asked for, whose keys have been made ahead.
//!
//! A job's key must be stored before anything is sealed under it, and its event after that: two
//! waits for the disk, one after the other. Where an account asks for job after job, keys are made
//! for as many ids as it took of late, so that a request waits for its event alone. An id is given
//! out once. One that is not used in time is dropped; its key protects nothing.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use domain::{
    id::{AccountId, JobId},
    job,
};
use futures::{StreamExt as _, stream};
use uuid::Uuid;

use crate::app::App;

/// Most ids ready for one account.
const MAX_READY: usize = 128;
/// Most accounts that ids are ready for; beyond, all are dropped.
const MAX_ACCOUNTS: usize = 1_024;
/// How far back requests are counted: half of it at least, all of it at most.
const OF_LATE: Duration = Duration::from_millis(500);
/// How long an id stays ready: the vault remembers its key a little longer.
const LIFETIME: Duration = Duration::from_secs(8);

/// Ids by account.
#[derive(Default)]
pub(crate) struct Fresh(Mutex<HashMap<AccountId, Ready>>);

struct Ready {
    ids: VecDeque<(JobId, Instant)>,
    /// How many are being made.
    coming: usize,
    /// When counting began anew.
    since: Instant,
    /// How many were asked for since, and in the half before.
    asked: [usize; 2],
}

impl Ready {
    fn new(now: Instant) -> Self {
        Self { ids: VecDeque::new(), coming: 0, since: now, asked: [0, 0] }
    }

    fn count(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.since);
        if age >= OF_LATE / 2 {
            let [latest, _] = self.asked;
            self.asked = if age >= OF_LATE { [0, 0] } else { [0, latest] };
            self.since = now;
        }
        let [latest, _] = &mut self.asked;
        *latest += 1;
    }

    /// How many to make now: none while half of what is wanted is there or under way.
    fn wanted(&self) -> usize {
        let asked: usize = self.asked.iter().sum();
        // A single request is no habit.
        let wanted = if asked > 1 { asked.min(MAX_READY) } else { 0 };
        let there = self.ids.len() + self.coming;
        if there * 2 < wanted { wanted - there } else { 0 }
    }
}

impl Fresh {
    /// An id that is ready, if there is one; and how many more are to be made for the account,
    /// which the caller must then see to.
    fn take(&self, account: AccountId, now: Instant) -> (Option<JobId>, usize) {
        let mut book = self.book();
        if book.len() >= MAX_ACCOUNTS && !book.contains_key(&account) {
            book.clear();
        }
        let ready = book.entry(account).or_insert_with(|| Ready::new(now));
        ready.count(now);
        let usable = |made: &Instant| now.saturating_duration_since(*made) < LIFETIME;
        while ready.ids.front().is_some_and(|(_, made)| !usable(made)) {
            ready.ids.pop_front();
        }
        let id = ready.ids.pop_front().map(|(id, _)| id);
        let more = ready.wanted();
        ready.coming += more;
        (id, more)
    }

    /// Takes in what came of making one.
    fn made(&self, account: AccountId, id: Option<JobId>, now: Instant) {
        if let Some(ready) = self.book().get_mut(&account) {
            ready.coming = ready.coming.saturating_sub(1);
            if ready.ids.len() < MAX_READY {
                ready.ids.extend(id.map(|id| (id, now)));
            }
        }
    }

    fn book(&self) -> MutexGuard<'_, HashMap<AccountId, Ready>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// The id of a new job of `account`: one whose key is there already, if possible.
    pub(crate) fn fresh_job(self: &Arc<Self>, account: AccountId) -> JobId {
        let (ready, more) = self.fresh.take(account, Instant::now());
        if more > 0 {
            tokio::spawn(Arc::clone(self).make_ready(account, more));
        }
        ready.unwrap_or_else(|| self.new_job())
    }

    /// All at once: so they share what there is to wait for.
    async fn make_ready(self: Arc<Self>, account: AccountId, count: usize) {
        let ids = stream::iter(0..count).map(|_| async {
            let job = self.new_job();
            let made = self.custody.prepare(&job::Id { account, job }).await;
            if let Err(error) = &made {
                tracing::debug!(error = %service::Chain(error), "no key ahead");
            }
            self.fresh.made(account, made.is_ok().then_some(job), Instant::now());
        });
        ids.buffer_unordered(MAX_READY).for_each(|()| async {}).await;
    }

    fn new_job(&self) -> JobId {
        let now = self.clock.now();
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or_default();
        let stamp = uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos);
        JobId::from_uuid(Uuid::new_v7(stamp))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn account(number: u128) -> AccountId {
        AccountId::from_uuid(Uuid::from_u128(number))
    }

    fn job() -> JobId {
        JobId::from_uuid(Uuid::new_v4())
    }

    #[test]
    fn a_single_request_makes_nothing_ahead() {
        let (fresh, mut now) = (Fresh::default(), Instant::now());
        for _ in 0..5 {
            assert_eq!(fresh.take(account(1), now), (None, 0));
            now += OF_LATE;
        }
    }

    #[test]
    fn as_many_are_made_ahead_as_were_asked_for_of_late_and_each_is_given_out_once() {
        let (fresh, now) = (Fresh::default(), Instant::now());
        let (mut given, mut due) = (HashSet::new(), 0);
        for _ in 0..1_000 {
            let (id, more) = fresh.take(account(1), now);
            assert!(id.is_none_or(|id| given.insert(id)), "given out twice");
            due += more;
            assert!(due <= MAX_READY);
            // Some are made at once, some take their time.
            while due > 3 {
                fresh.made(account(1), Some(job()), now);
                due -= 1;
            }
        }
        assert!(given.len() > 900, "{}", given.len());
        assert_eq!(fresh.take(account(2), now).0, None);
    }

    #[test]
    fn what_is_old_or_was_never_made_is_not_given_out() {
        let (fresh, now) = (Fresh::default(), Instant::now());
        let more: usize = (0..2).map(|_| fresh.take(account(1), now).1).sum();
        assert!(more > 0);
        fresh.made(account(1), None, now);
        assert_eq!(fresh.take(account(1), now).0, None);
        fresh.made(account(1), Some(job()), now);
        assert_eq!(fresh.take(account(1), now + LIFETIME).0, None);
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let (fresh, now) = (Fresh::default(), Instant::now());
        for number in 0..=MAX_ACCOUNTS as u128 {
            fresh.take(account(number), now);
        }
        assert!(fresh.book().len() <= MAX_ACCOUNTS);
        for _ in 0..2 * MAX_READY {
            fresh.made(account(MAX_ACCOUNTS as u128), Some(job()), now);
        }
        assert!(fresh.book().values().all(|ready| ready.ids.len() <= MAX_READY));
    }
}
