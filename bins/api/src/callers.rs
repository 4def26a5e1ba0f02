//! Callers who have shown their secret before, so that it is not checked anew for every request.
//!
//! Whatever happens to any account makes all of them forgotten, before anybody can know that it
//! happened: a key that was revoked is checked again, and fails.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{Timestamp, account::Application, id::AccountId};
use tokio::sync::watch;

/// Most callers remembered; beyond, all are forgotten.
const MAX_CALLERS: usize = 4_096;

/// Stands for the credentials that a caller showed.
pub(crate) type StandIn = [u8; 32];

/// Whose credentials they are.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) account: AccountId,
    pub(crate) application: Arc<Application>,
    /// When what is known ends by itself.
    pub(crate) until: Option<Timestamp>,
}

/// When credentials were looked at. What has been forgotten since is not remembered any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Era(u64);

/// Who has shown what.
#[derive(Default)]
pub(crate) struct Callers {
    book: Mutex<Book>,
    forgotten: watch::Sender<()>,
}

#[derive(Default)]
struct Book {
    era: u64,
    known: HashMap<StandIn, Known>,
}

impl Callers {
    /// Take it before an account is read, and give it to [`Callers::remember`].
    pub(crate) fn era(&self) -> Era {
        Era(self.book().era)
    }

    pub(crate) fn recall(&self, shown: &StandIn, now: Timestamp) -> Option<Known> {
        let known = self.book().known.get(shown).cloned();
        known.filter(|known| known.until.is_none_or(|until| now < until))
    }

    /// Remembers a caller, unless something happened to an account since `era`.
    pub(crate) fn remember(&self, era: Era, shown: StandIn, caller: Known) {
        let mut book = self.book();
        if book.era != era.0 {
            return;
        }
        if book.known.len() >= MAX_CALLERS {
            book.known.clear();
        }
        book.known.insert(shown, caller);
    }

    /// Something happened to an account.
    pub(crate) fn forget(&self) {
        let mut book = self.book();
        book.era += 1;
        book.known.clear();
        drop(book);
        self.forgotten.send_replace(());
    }

    /// Something happened to a session: no key pair is another, but whoever is still being answered
    /// is to be asked again who they are.
    pub(crate) fn stir(&self) {
        self.forgotten.send_replace(());
    }

    /// Tells when something has happened to an account or a session, so that whoever is still being answered can
    /// be asked again who they are.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.forgotten.subscribe()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use domain::{account::Terms, id::ApplicationId};
    use uuid::Uuid;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn someone() -> Known {
        Known {
            account: AccountId::from_uuid(Uuid::from_u128(1)),
            application: Arc::new(Application {
                application: ApplicationId::from_uuid(Uuid::from_u128(2)),
                key: "dk_1".to_owned(),
                secret_digest: String::new(),
                terms: Terms::default(),
            }),
            until: None,
        }
    }

    #[test]
    fn whatever_happens_to_an_account_makes_every_caller_forgotten() {
        let callers = Callers::default();
        callers.remember(callers.era(), [1; 32], someone());
        assert!(callers.recall(&[1; 32], NOW).is_some());
        assert!(callers.recall(&[2; 32], NOW).is_none());
        callers.forget();
        assert!(callers.recall(&[1; 32], NOW).is_none());
    }

    #[test]
    fn what_is_known_of_a_caller_ends_when_it_says() {
        let callers = Callers::default();
        callers.remember(callers.era(), [1; 32], Known { until: Some(NOW), ..someone() });
        assert!(callers.recall(&[1; 32], NOW).is_none());
    }

    #[test]
    fn a_caller_looked_up_before_an_account_changed_is_not_remembered() {
        let callers = Callers::default();
        let before = callers.era();
        callers.forget();
        callers.remember(before, [1; 32], someone());
        assert!(callers.recall(&[1; 32], NOW).is_none());
    }

    #[test]
    fn no_more_callers_are_remembered_than_there_is_room_for() {
        let callers = Callers::default();
        for number in 0..=MAX_CALLERS {
            let mut shown = [0; 32];
            shown[..8].copy_from_slice(&number.to_be_bytes());
            callers.remember(callers.era(), shown, someone());
        }
        assert!(callers.book().known.len() <= MAX_CALLERS);
    }
}
