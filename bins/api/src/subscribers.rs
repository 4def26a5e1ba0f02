//! Customers' own NATS clients: who is let in with which key, and who has to go.
//!
//! Whoever shows a key and its secret is let in as long as that secret opens, with the rights of the
//! key. Whatever happens to any account makes this process look at every connection again, at once
//! and a little later: an answer may have been under way. Every replica does so, whoever let them in.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use domain::{
    account::{KeyPair, Terms},
    id::AccountId,
    scope::Scope,
};
use eventlog::{
    Unavailable,
    callout::{Admission, Claim, Gate, Sees},
};
use readmodel::Stream;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{app::App, auth, reads::Reach};

/// How often every connection is looked at when nothing happens.
const SWEEP: Duration = Duration::from_secs(30);
/// How long after something happened connections are looked at a second time.
const AGAIN: Duration = Duration::from_millis(400);
/// How long between two looks, at least.
const PAUSE: Duration = Duration::from_millis(50);
/// A look that takes long makes the next one wait so many times as long; no longer than `AGAIN`.
const REST: u32 = 5;
/// How often an account that has all its places is counted again.
const RECOUNT: Duration = Duration::from_millis(100);
/// How often to look whether this process knows the accounts.
const LOOK: Duration = Duration::from_millis(20);
/// How often a question is answered anew because an account changed meanwhile.
const TRIES: u32 = 4;
/// Of a secret's digest, as much as tells it from the key's other secret.
const DIGEST: usize = 16;

/// The gate, and when everybody behind it was last looked at.
pub(crate) struct Subscribers {
    app: Arc<App>,
    gate: Gate,
    looked: Mutex<Option<Instant>>,
}

/// Answers the servers and customers until `shutdown`, once this process knows the accounts.
///
/// # Errors
/// [`Unavailable`] when the connection is gone. Calling again is what helps.
pub(crate) async fn keep(
    app: Arc<App>,
    gate: Gate,
    shutdown: CancellationToken,
) -> Result<(), Unavailable> {
    while app.currency.as_of(Stream::Accounts).is_none() {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    let parts = shutdown.child_token();
    // Whichever ends first ends the others.
    let _ends_all = parts.clone().drop_guard();
    let subscribers = Arc::new(Subscribers { app, gate, looked: Mutex::default() });
    let desk = Arc::clone(&subscribers);
    let admit = move |claim| {
        let desk = Arc::clone(&desk);
        async move { desk.admit(claim).await }
    };
    tokio::try_join!(
        subscribers.gate.admit(admit, &parts),
        subscribers.gate.serve(&parts),
        subscribers.watch(&parts),
    )?;
    Ok(())
}

impl Subscribers {
    /// Who it is that shows this, if anybody.
    async fn admit(&self, claim: Claim) -> Option<Admission> {
        for _ in 0..TRIES {
            let era = self.app.callers.era();
            let admission = self.identify(&claim).await;
            // An account that changed meanwhile may have done away with the key.
            if era == self.app.callers.era() {
                return self.with_room(admission?).await;
            }
        }
        None
    }

    async fn identify(&self, claim: &Claim) -> Option<Admission> {
        // Nobody is let in by what may have been revoked since.
        if self.app.reach(Stream::Accounts).await != Reach::There {
            return None;
        }
        let now = self.app.clock.now();
        let holder = auth::holder(&self.app, &claim.key).await.ok()?;
        let digests = holder.as_ref().map_or(vec![], |holder| holder.pair.digests(now));
        // An unknown key, one that has expired and a wrong secret cost the same.
        let mut shown = None;
        for place in 0..2 {
            let digest = digests.get(place).copied().unwrap_or_default();
            if self.app.custody.secret_matches(claim.secret.expose(), digest) {
                shown = Some(digest.to_owned());
            }
        }
        let (holder, shown) = (holder?, shown?);
        let application = &holder.pair.application;
        let sees = sees(&application.terms);
        if !sees.anything() {
            return None;
        }
        self.app.uses.note(holder.account, application.application, now);
        Some(Admission {
            account: holder.account,
            guest: guest(&claim.key, &shown, sees),
            until: until(&holder.pair, &shown),
            sees,
        })
    }

    /// Nobody where the account has as many clients as it may have.
    async fn with_room(&self, admission: Admission) -> Option<Admission> {
        if self.gate.is_full(admission.account) {
            let mut looked = self.looked.lock().await;
            if looked.is_none_or(|at| at.elapsed() >= RECOUNT) {
                self.review().await;
                *looked = Some(Instant::now());
            }
        }
        let full = self.gate.is_full(admission.account);
        if full {
            tracing::info!(account.id = %admission.account, "has as many NATS clients as it may have");
        }
        (!full).then_some(admission)
    }

    /// Looks at every connection whenever something happens to an account, and now and then.
    async fn watch(&self, shutdown: &CancellationToken) -> Result<(), Unavailable> {
        let mut changes = self.app.callers.changes();
        let mut seen = self.app.callers.era();
        let mut wait = PAUSE;
        loop {
            let took = {
                let mut looked = self.looked.lock().await;
                let began = Instant::now();
                self.review().await;
                *looked = Some(Instant::now());
                began.elapsed()
            };
            let rest = (took * REST).clamp(PAUSE, AGAIN);
            let next = tokio::time::sleep(if wait == SWEEP { SWEEP } else { rest.max(wait) });
            tokio::pin!(next);
            loop {
                tokio::select! {
                    () = shutdown.cancelled() => return Ok(()),
                    () = &mut next => { wait = SWEEP; break }
                    changed = changes.changed() => {
                        if changed.is_err() { return Ok(()) }
                        let era = self.app.callers.era();
                        // Sessions come and go as well.
                        if era != seen {
                            seen = era;
                            wait = AGAIN;
                            tokio::time::sleep(rest).await;
                            break;
                        }
                    }
                }
            }
        }
    }

    async fn review(&self) {
        if self.app.reach(Stream::Accounts).await != Reach::There {
            // Whoever is not known here may be known to the log.
            return;
        }
        let app = Arc::clone(&self.app);
        match self.gate.review(move |guest| stays(&app, guest)).await {
            Ok(reviewed) if reviewed.ended > 0 => {
                tracing::info!(
                    ended = reviewed.ended,
                    kept = reviewed.kept,
                    "NATS clients cut off"
                );
            }
            Ok(_) => {}
            Err(error) => {
                let error = service::Chain(&error);
                tracing::warn!(%error, "who is connected to NATS could not be looked at");
            }
        }
    }
}

/// Whose client it is, unless what it showed does not open any more or may do something else.
fn stays(app: &App, guest: &str) -> Option<AccountId> {
    let mut parts = guest.split(':');
    let (key, digest, seen) = (parts.next()?, parts.next()?, parts.next()?);
    let holder = app.store.application(key).ok()??;
    let digests = holder.pair.digests(app.clock.now());
    let opens = digest.len() == DIGEST && digests.iter().any(|known| known.starts_with(digest));
    let same = code(sees(&holder.pair.application.terms)) == seen;
    (opens && same).then_some(holder.account)
}

/// What a connection is called by: the key, which of its secrets was shown, and what it may hear.
fn guest(key: &str, digest: &str, sees: Sees) -> String {
    let digest: String = digest.chars().take(DIGEST).collect();
    format!("{key}:{digest}:{}", code(sees))
}

fn code(sees: Sees) -> String {
    [(sees.jobs, 'j'), (sees.uploads, 'u'), (sees.deliveries, 'd')]
        .into_iter()
        .filter_map(|(seen, code)| seen.then_some(code))
        .collect()
}

/// The scopes that the same things need over HTTP.
fn sees(terms: &Terms) -> Sees {
    Sees {
        jobs: terms.may(Scope::JobsRead),
        uploads: terms.may(Scope::UploadsWrite),
        deliveries: terms.may(Scope::AccountRead),
    }
}

/// When this very secret ends by itself.
fn until(pair: &KeyPair, digest: &str) -> Option<domain::Timestamp> {
    let previous = pair.previous.as_ref();
    let replaced = previous.filter(|previous| previous.secret_digest == digest);
    let ends = [replaced.map(|previous| previous.until), pair.application.terms.expires_at];
    ends.into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use domain::{
        Timestamp,
        account::{Application, PreviousSecret},
        id::ApplicationId,
    };
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_secret_that_was_replaced_ends_before_the_one_that_replaced_it() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let application = Application {
            application: ApplicationId::from_uuid(Uuid::from_u128(2)),
            key: "dk_1".to_owned(),
            secret_digest: "new".to_owned(),
            terms: Terms::default(),
        };
        let mut pair = KeyPair {
            application,
            added_at: at(0),
            previous: Some(PreviousSecret { secret_digest: "old".to_owned(), until: at(50) }),
            used_on: None,
        };
        assert_eq!((until(&pair, "old"), until(&pair, "new")), (Some(at(50)), None));
        pair.application.terms.expires_at = Some(at(40));
        assert_eq!((until(&pair, "old"), until(&pair, "new")), (Some(at(40)), Some(at(40))));
    }

    #[test]
    fn a_guests_name_says_which_secret_was_shown_and_what_it_may_hear() {
        let sees = Sees { jobs: true, uploads: false, deliveries: true };
        assert_eq!(guest("dk_1", "0123456789abcdef0123", sees), "dk_1:0123456789abcdef:jd");
    }
}
