//! Accounts that demand a destination proven write-only: their jobs are refused here as early as
//! can be. A worker looks again before it stores anything.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use domain::id::AccountId;

use crate::{app::App, callers::Era, problem::Problem};

/// Most accounts of which it is remembered whether they demand one; beyond, all are forgotten.
const MAX_ACCOUNTS: usize = 16_384;

/// Which accounts demand nothing, so that their rows are not read anew for every job.
#[derive(Default)]
pub(crate) struct Demands(Mutex<HashMap<AccountId, Era>>);

impl Demands {
    fn carefree(&self, account: AccountId, era: Era) -> bool {
        self.book().get(&account) == Some(&era)
    }

    fn remember(&self, account: AccountId, era: Era) {
        let mut book = self.book();
        if book.len() >= MAX_ACCOUNTS {
            book.clear();
        }
        book.insert(account, era);
    }

    fn book(&self) -> std::sync::MutexGuard<'_, HashMap<AccountId, Era>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// Refuses a job whose results its account does not want to be stored where they would go.
    pub(crate) fn may_store(&self, account: AccountId) -> Result<(), Problem> {
        let era = self.callers.era();
        if self.demands.carefree(account, era) {
            return Ok(());
        }
        // Whom the read model does not know yet is known to the worker.
        let Some(row) = self.store.account(account)? else { return Ok(()) };
        if !row.state.write_only_demanded {
            self.demands.remember(account, era);
            return Ok(());
        }
        row.state.may_store(self.clock.now()).map_err(|reason| Problem::Conflict {
            code: "destination_not_write_only",
            message: format!(
                "This account takes jobs only while its destination is proven write-only, and {reason}. GET /v1/destination shows what its credentials may do and the policy that they need; POST /v1/destination/proof asks again."
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::callers::Callers;

    #[test]
    fn what_is_remembered_ends_when_anything_happens_to_an_account() {
        let (demands, callers) = (Demands::default(), Callers::default());
        let account = AccountId::from_uuid(Uuid::from_u128(1));
        let era = callers.era();
        assert!(!demands.carefree(account, era));
        demands.remember(account, era);
        assert!(demands.carefree(account, era));
        callers.forget();
        assert!(!demands.carefree(account, callers.era()));
    }

    #[test]
    fn no_more_accounts_are_remembered_than_there_is_room_for() {
        let (demands, era) = (Demands::default(), Callers::default().era());
        for number in 0..=MAX_ACCOUNTS as u128 {
            demands.remember(AccountId::from_uuid(Uuid::from_u128(number)), era);
        }
        assert!(demands.book().len() <= MAX_ACCOUNTS);
    }
}
