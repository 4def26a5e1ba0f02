//! When key pairs were last used: noted once a day, beside the requests that use them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::{
    Timestamp,
    account::{self, Accounts, Refusal},
    id::{AccountId, ApplicationId},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// Most key pairs of which it is kept in mind that they have been used today; beyond, none is.
const MAX_KNOWN: usize = 65_536;
/// Most uses that wait to be noted; further ones are noted when the key is next used.
const MAX_WAITING: usize = 4_096;
/// How long to wait between two notes, so that they leave the log to what is asked for.
const PAUSE: Duration = Duration::from_millis(5);
/// Seconds of a day.
const DAY_S: i64 = 24 * 3_600;

/// Who has been used, and what of it is still to be noted.
#[derive(Default)]
pub(crate) struct Uses {
    book: Mutex<Book>,
    wake: Notify,
}

#[derive(Default)]
struct Book {
    /// The last day on which each was used, in days since 1970.
    known: HashMap<ApplicationId, i64>,
    waiting: Vec<(AccountId, ApplicationId, Timestamp)>,
}

impl Uses {
    /// A key pair is used at `now`.
    pub(crate) fn note(&self, account: AccountId, application: ApplicationId, now: Timestamp) {
        let day = now.as_second().div_euclid(DAY_S);
        let mut book = self.book();
        if book.known.get(&application) == Some(&day) || book.waiting.len() >= MAX_WAITING {
            return;
        }
        if book.known.len() >= MAX_KNOWN {
            book.known.clear();
        }
        book.known.insert(application, day);
        book.waiting.push((account, application, now));
        drop(book);
        self.wake.notify_one();
    }

    fn take(&self) -> Vec<(AccountId, ApplicationId, Timestamp)> {
        std::mem::take(&mut self.book().waiting)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes uses in the log until the shutdown. What is lost is noted when the key is next used by a
/// process that does not know it.
pub(crate) async fn keep(app: Arc<App>, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = app.uses.wake.notified() => {}
        }
        for (account, application, at) in app.uses.take() {
            if shutdown.is_cancelled() {
                return;
            }
            note(&app, account, application, at).await;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn note(app: &App, account: AccountId, application: ApplicationId, at: Timestamp) {
    let on = at.to_zoned(jiff::tz::TimeZone::UTC).date();
    let decide = |state: &account::State| account::use_application(state, application, on);
    // Most often somebody has noted it already, and the rows say so.
    let known = app.store.account(account);
    if !known.is_ok_and(|row| row.is_none_or(|row| decide(&row.state) != Ok(vec![]))) {
        return;
    }
    match app.log.transact::<Accounts, Refusal>(&account, at, decide).await {
        Ok(_) | Err(eventlog::TransactError::Refused(_)) => {}
        Err(error) => {
            let error = service::Chain(&error);
            tracing::debug!(%error, account.id = %account, "a use was not noted");
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_key_pair_is_noted_once_a_day_and_no_more_wait_than_there_is_room_for() {
        let (uses, account) = (Uses::default(), AccountId::from_uuid(Uuid::from_u128(1)));
        let id = |number| ApplicationId::from_uuid(Uuid::from_u128(number));
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        for seconds in [0, 5, DAY_S - 1] {
            uses.note(account, id(1), at(seconds));
        }
        assert_eq!(uses.take().len(), 1);
        uses.note(account, id(1), at(DAY_S));
        assert_eq!(uses.take().len(), 1);
        for number in 0..=MAX_WAITING as u128 {
            uses.note(account, id(10 + number), at(DAY_S));
        }
        assert_eq!(uses.take().len(), MAX_WAITING);
        // It was not forgotten, only put off.
        uses.note(account, id(10 + MAX_WAITING as u128), at(DAY_S));
        assert_eq!(uses.take().len(), 1);
    }
}
