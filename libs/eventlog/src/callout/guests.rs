//! How many clients each account has connected, as far as this process knows.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use domain::id::AccountId;

/// Most clients of one account. It may be exceeded by those that other processes let in since they
/// were last counted.
const MAX_GUESTS: usize = 64;

/// Counted anew by every review, and in between by who is let in here.
#[derive(Default)]
pub(super) struct Guests(Mutex<HashMap<AccountId, usize>>);

impl Guests {
    pub(super) fn came(&self, account: AccountId) {
        *self.book().entry(account).or_default() += 1;
    }

    pub(super) fn count(&self, counted: HashMap<AccountId, usize>) {
        *self.book() = counted;
    }

    pub(super) fn is_full(&self, account: AccountId) -> bool {
        self.book().get(&account).is_some_and(|count| *count >= MAX_GUESTS)
    }

    fn book(&self) -> MutexGuard<'_, HashMap<AccountId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_account_has_so_many_clients_and_no_more() {
        let (guests, account) = (Guests::default(), AccountId::from_uuid(Uuid::from_u128(1)));
        for _ in 0..MAX_GUESTS {
            assert!(!guests.is_full(account));
            guests.came(account);
        }
        assert!(guests.is_full(account));
        guests.count(HashMap::from([(account, MAX_GUESTS - 1)]));
        assert!(!guests.is_full(account));
    }
}
