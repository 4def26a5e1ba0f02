//! Answers that were made before: a job that nothing has happened to is answered with the same bytes.
//!
//! Reading a row, opening personal fields and signing links cost more than everything else about a
//! read. All of it follows from the job's events, so an answer holds until the next one: whoever
//! applies that to the rows has it forgotten here before saying so. A row that is being read
//! meanwhile may be the old one, so what is made of it is only kept if the place that was taken
//! before reading is still there.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use domain::{
    Timestamp,
    account::FailureWord,
    id::{AccountId, ApplicationId, JobId},
    job,
};

/// Most answers kept; beyond, all are forgotten.
const MAX_VIEWS: usize = 4_096;
/// Largest answer kept, in bytes.
const MAX_VIEW_BYTES: usize = 16 << 10;
/// How long an answer is kept: no longer than the vault would keep the job's key.
const LIFETIME: Duration = Duration::from_secs(10);

/// What was answered about jobs.
#[derive(Default)]
pub(crate) struct Views(Mutex<Shelf>);

#[derive(Default)]
struct Shelf {
    places_taken: u64,
    places: HashMap<JobId, Place>,
}

struct Place {
    number: u64,
    view: Option<(View, Instant)>,
}

/// An answer, and for whom it is.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) account: AccountId,
    /// Whose key asked for the job.
    pub(crate) application: ApplicationId,
    pub(crate) word: FailureWord,
    pub(crate) body: Bytes,
    /// Until when links in it work to results in development storage.
    pub(crate) expires_at: Option<Timestamp>,
    /// Whether the job has not ended, so that its results go where its account's go.
    pub(crate) goes_on: bool,
}

/// A place for an answer that is about to be made.
pub(crate) struct Taken {
    job: JobId,
    number: u64,
}

impl Views {
    /// The answer that was made before, if it holds.
    pub(crate) fn get(&self, id: &job::Id, word: FailureWord, now: Instant) -> Option<View> {
        let shelf = self.shelf();
        let (view, since) = shelf.places.get(&id.job)?.view.as_ref()?;
        let fits = view.account == id.account && view.word == word;
        let fresh = now.saturating_duration_since(*since) < LIFETIME;
        (fits && fresh).then(|| view.clone())
    }

    /// Takes a place for an answer; do it before the row is read.
    pub(crate) fn take(&self, job: JobId) -> Taken {
        let mut shelf = self.shelf();
        if shelf.places.len() >= MAX_VIEWS {
            shelf.places.clear();
        }
        shelf.places_taken += 1;
        let number = shelf.places_taken;
        shelf.places.insert(job, Place { number, view: None });
        Taken { job, number }
    }

    /// Keeps an answer in its place, if that is still there.
    pub(crate) fn put(&self, taken: &Taken, view: View, now: Instant) {
        if view.body.len() > MAX_VIEW_BYTES {
            return;
        }
        let mut shelf = self.shelf();
        if let Some(place) = shelf.places.get_mut(&taken.job)
            && place.number == taken.number
        {
            place.view = Some((view, now));
        }
    }

    /// Something happened to these jobs.
    pub(crate) fn forget(&self, jobs: impl IntoIterator<Item = JobId>) {
        let mut shelf = self.shelf();
        for job in jobs {
            shelf.places.remove(&job);
        }
    }

    /// Something may have happened to any job.
    pub(crate) fn forget_all(&self) {
        self.shelf().places.clear();
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn id(account: u128, job: u128) -> job::Id {
        job::Id {
            account: AccountId::from_uuid(Uuid::from_u128(account)),
            job: JobId::from_uuid(Uuid::from_u128(job)),
        }
    }

    fn view(id: &job::Id) -> View {
        View {
            account: id.account,
            application: ApplicationId::from_uuid(Uuid::from_u128(9)),
            word: FailureWord::Failure,
            body: Bytes::from_static(b"{}"),
            expires_at: None,
            goes_on: false,
        }
    }

    fn there(views: &Views, id: &job::Id, now: Instant) -> bool {
        views.get(id, FailureWord::Failure, now).is_some()
    }

    #[test]
    fn an_answer_is_kept_for_its_account_its_spelling_and_its_time() {
        let (views, id, now) = (Views::default(), id(1, 2), Instant::now());
        views.put(&views.take(id.job), view(&id), now);
        assert!(there(&views, &id, now));
        assert!(!there(&views, &self::id(3, 2), now));
        assert!(views.get(&id, FailureWord::Error, now).is_none());
        assert!(there(&views, &id, now + LIFETIME / 2));
        assert!(!there(&views, &id, now + LIFETIME));
    }

    #[test]
    fn an_answer_made_of_a_row_that_has_moved_on_is_not_kept() {
        let (views, id, now) = (Views::default(), id(1, 2), Instant::now());
        let taken = views.take(id.job);
        views.forget([id.job]);
        views.put(&taken, view(&id), now);
        assert!(!there(&views, &id, now));
        // Nor when somebody else has begun anew meanwhile.
        let early = views.take(id.job);
        views.forget([id.job]);
        let late = views.take(id.job);
        views.put(&early, view(&id), now);
        assert!(!there(&views, &id, now));
        views.put(&late, view(&id), now);
        assert!(there(&views, &id, now));
        views.forget([id.job]);
        assert!(!there(&views, &id, now));
    }

    #[test]
    fn no_more_answers_are_kept_than_there_is_room_for_and_no_large_ones() {
        let (views, now) = (Views::default(), Instant::now());
        for number in 0..=MAX_VIEWS as u128 {
            let id = id(1, number);
            views.put(&views.take(id.job), view(&id), now);
        }
        assert!(views.shelf().places.len() <= MAX_VIEWS);
        let (large, id) = (Bytes::from(vec![b'x'; MAX_VIEW_BYTES + 1]), id(1, 1));
        views.put(&views.take(id.job), View { body: large, ..view(&id) }, now);
        assert!(!there(&views, &id, now));
        views.put(&views.take(id.job), view(&id), now);
        views.forget_all();
        assert!(!there(&views, &id, now));
    }
}
