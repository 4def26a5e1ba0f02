//! Where accounts' results go, and which accounts demand a destination proven write-only: jobs of those
//! are refused here as early as can be. A worker looks again before it stores anything.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use domain::{
    id::AccountId,
    job::{Job, Phase},
};

use crate::{app::App, callers::Era, problem::Problem};

/// Most accounts of which it is remembered; beyond, all are forgotten.
const MAX_ACCOUNTS: usize = 16_384;

/// Where an account's results go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Storing {
    /// Only to a destination that is proven write-only.
    demanding: bool,
    /// To development storage: there is no destination.
    in_development: bool,
}

/// Where accounts' results go, so that their rows are not read anew for every job.
#[derive(Default)]
pub(crate) struct Demands(Mutex<HashMap<AccountId, (Era, Storing)>>);

impl Demands {
    fn recall(&self, account: AccountId, era: Era) -> Option<Storing> {
        let known = self.book().get(&account).copied();
        known.filter(|(since, _)| *since == era).map(|(_, storing)| storing)
    }

    fn remember(&self, account: AccountId, era: Era, storing: Storing) {
        let mut book = self.book();
        if book.len() >= MAX_ACCOUNTS {
            book.clear();
        }
        book.insert(account, (era, storing));
    }

    fn book(&self) -> std::sync::MutexGuard<'_, HashMap<AccountId, (Era, Storing)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// Refuses a job whose results its account does not want to be stored where they would go.
    pub(crate) fn may_store(&self, account: AccountId) -> Result<(), Problem> {
        // Whom the read model does not know yet is known to the worker.
        if self.storing(account)?.is_none_or(|storing| !storing.demanding) {
            return Ok(());
        }
        let Some(row) = self.store.account(account)? else { return Ok(()) };
        row.state.may_store(self.clock.now()).map_err(|reason| Problem::Conflict {
            code: "destination_not_write_only",
            message: format!(
                "This account takes jobs only while its destination is proven write-only, and {reason}. GET /v1/destination shows what its credentials may do and the policy that they need; POST /v1/destination/proof asks again."
            ),
        })
    }

    /// Whether the results of a job lie in development storage, or will as things stand.
    pub(crate) fn is_in_development(&self, account: AccountId, job: &Job) -> Result<bool, Problem> {
        if matches!(job.phase, Phase::Ended(_)) {
            return Ok(self.custody.expires_at(job).is_some());
        }
        self.stores_in_development(account)
    }

    /// Whether results of an account go to development storage.
    pub(crate) fn stores_in_development(&self, account: AccountId) -> Result<bool, Problem> {
        Ok(self.storing(account)?.is_some_and(|storing| storing.in_development))
    }

    fn storing(&self, account: AccountId) -> Result<Option<Storing>, Problem> {
        let era = self.callers.era();
        if let Some(known) = self.demands.recall(account, era) {
            return Ok(Some(known));
        }
        let Some(row) = self.store.account(account)? else { return Ok(None) };
        let storing = Storing {
            demanding: row.state.write_only_demanded,
            in_development: row.state.destination.is_none(),
        };
        self.demands.remember(account, era, storing);
        Ok(Some(storing))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::callers::Callers;

    const STORING: Storing = Storing { demanding: false, in_development: true };

    #[test]
    fn what_is_remembered_ends_when_anything_happens_to_an_account() {
        let (demands, callers) = (Demands::default(), Callers::default());
        let account = AccountId::from_uuid(Uuid::from_u128(1));
        let era = callers.era();
        assert_eq!(demands.recall(account, era), None);
        demands.remember(account, era, STORING);
        assert_eq!(demands.recall(account, era), Some(STORING));
        callers.forget();
        assert_eq!(demands.recall(account, callers.era()), None);
    }

    #[test]
    fn no_more_accounts_are_remembered_than_there_is_room_for() {
        let (demands, era) = (Demands::default(), Callers::default().era());
        for number in 0..=MAX_ACCOUNTS as u128 {
            demands.remember(AccountId::from_uuid(Uuid::from_u128(number)), era, STORING);
        }
        assert!(demands.book().len() <= MAX_ACCOUNTS);
    }
}
