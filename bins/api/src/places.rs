//! Places of answers that last: event streams and exports. So many in all, and so many for each account.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::id::AccountId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;

/// After how many seconds somebody whose account has no place left may try again.
const RETRY_AFTER_S: u64 = 5;

/// Places that are free and taken.
pub(crate) struct Places {
    all: Arc<Semaphore>,
    taken: Taken,
    per_account: usize,
}

type Taken = Arc<Mutex<HashMap<AccountId, usize>>>;

/// A place, for as long as it is held.
pub(crate) struct Place {
    account: AccountId,
    taken: Taken,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub(crate) fn new(all: usize, per_account: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), taken: Taken::default(), per_account }
    }

    /// Takes a place for `account`.
    pub(crate) fn take(&self, account: AccountId) -> Result<Place, Problem> {
        let permit = self.all.clone().try_acquire_owned().map_err(|_none| Problem::Overloaded)?;
        let mut taken = lock(&self.taken);
        let own = taken.entry(account).or_default();
        if *own >= self.per_account {
            return Err(Problem::QuotaExceeded {
                quota: "event_streams",
                message: format!(
                    "The account has {} event streams and exports open, as many as it may; end one first.",
                    self.per_account
                ),
                retry_after_s: RETRY_AFTER_S,
            });
        }
        *own += 1;
        Ok(Place { account, taken: Arc::clone(&self.taken), _permit: permit })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        if let Some(own) = taken.get_mut(&self.account) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.account);
            }
        }
    }
}

fn lock(taken: &Taken) -> MutexGuard<'_, HashMap<AccountId, usize>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn one_account_leaves_places_to_others_and_gives_its_own_back() {
        let account = |n| AccountId::from_uuid(Uuid::from_u128(n));
        let places = Places::new(3, 2);
        let (one, two) = (places.take(account(1)).unwrap(), places.take(account(1)).unwrap());
        assert!(matches!(places.take(account(1)), Err(Problem::QuotaExceeded { .. })));
        let other = places.take(account(2)).unwrap();
        assert_eq!(places.take(account(3)).err(), Some(Problem::Overloaded));
        drop((one, other));
        drop(places.take(account(1)).unwrap());
        drop(two);
        assert!(lock(&places.taken).is_empty());
    }
}
