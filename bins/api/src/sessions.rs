//! Members who log in: what lets them in, the sessions that follow, and the cookie that stands for those.

mod attempts;
pub(crate) mod cookie;
mod hashing;
pub(crate) mod log_in;
pub(crate) mod peer;
pub(crate) mod settings;
mod throttle;

use std::{net::IpAddr, sync::Arc, time::Duration};

use domain::{
    Timestamp,
    id::SessionId,
    member::{self, Members, SEEN_EVERY, Session},
    scope::Role,
};
use eventlog::TransactError;
use http::HeaderMap;
use passwords::{Hasher, Policy};
use readmodel::Stream;
use tokio::sync::Semaphore;

pub(crate) use self::{
    attempts::{Attempt, Attempts, Wait},
    hashing::Hashing,
    throttle::Throttle,
};
use crate::{
    app::App,
    auth::{By, Caller, Member},
    call::Call,
    error::Error,
    members,
    problem::Problem,
    routes::Verb,
};

/// How long a request waits for the note that its session is in use.
const NOTE_PATIENCE: Duration = Duration::from_secs(2);

/// What log-ins and sessions need beside the log.
pub(crate) struct Sessions {
    pub(crate) settings: settings::Sessions,
    pub(crate) hashing: Hashing,
    pub(crate) policy: Policy,
    pub(crate) attempts: Arc<Attempts>,
    pub(crate) throttle: Throttle,
    /// One permit for each log-in at work.
    pub(crate) places: Arc<Semaphore>,
}

impl Sessions {
    pub(crate) fn new(
        settings: settings::Sessions,
        custody: &custody::Custody,
    ) -> Result<Self, Error> {
        let hasher = Hasher::new(custody.password_key().as_slice(), settings.bcrypt_cost)?;
        Ok(Self {
            hashing: Hashing::new(hasher, settings.hashing_threads, settings.hashing_queue),
            policy: Policy::default(),
            attempts: Arc::default(),
            throttle: Throttle::new(
                settings.logins_per_address,
                settings.logins_per_address_per_minute,
            ),
            places: Arc::new(Semaphore::new(settings.max_logins)),
            settings,
        })
    }

    /// Lets a peer try what anybody may try, if it has not tried too often.
    pub(crate) fn admit(&self, call: &Call, now: Timestamp) -> Result<(), Problem> {
        let nobody = IpAddr::from([0, 0, 0, 0]);
        let peer = call.peer.unwrap_or(nobody);
        let client = peer::client(peer, &call.headers, &self.settings.trusted_proxies);
        let taken = self.throttle.take(client, now);
        taken.map_err(|retry_after_s| Problem::TooManyAttempts { retry_after_s })
    }
}

/// Finds out who asks by the cookie of a session, which is in use with that.
pub(crate) async fn by_cookie(app: &App, headers: &HeaderMap) -> Result<Caller, Problem> {
    let found = goes_on(app, headers).await?;
    let now = app.clock.now();
    if now.duration_since(found.known.seen_at) >= SEEN_EVERY {
        Box::pin(note(app, found.id, found.session, now)).await;
    }
    Ok(found.caller())
}

/// The same for somebody who is still being answered: to listen is no use, so who only listens has
/// left their session idle.
pub(crate) async fn by_cookie_again(app: &App, headers: &HeaderMap) -> Result<Caller, Problem> {
    Ok(goes_on(app, headers).await?.caller())
}

/// The session of a cookie, if it goes on.
async fn goes_on(app: &App, headers: &HeaderMap) -> Result<Found, Problem> {
    let token = cookie::token(headers).ok_or(Problem::NoCredentials)?;
    let digest = app.custody.token_digest(token);
    let mut found = find(app, &digest)?;
    if found.is_none() {
        // It may have begun a moment ago.
        app.catch_up(Stream::Members).await;
        found = find(app, &digest)?;
    }
    let now = app.clock.now();
    let found = found.filter(|found| found.known.goes_on(now, app.sessions.settings.idle()));
    let found = found.ok_or(Problem::SessionEnded)?;
    if members::is_open(app, found.id.account).await? {
        Ok(found)
    } else {
        Err(Problem::SessionEnded)
    }
}

/// A request that changes something and is trusted for its cookie must come from a page of ours.
pub(crate) fn guard(app: &App, call: &Call, verb: Verb) -> Result<(), Problem> {
    let by_cookie = call.caller.as_ref().is_some_and(|caller| caller.member().is_some());
    if by_cookie && verb != Verb::Get {
        cookie::is_ours(&call.headers, &app.public_url)
    } else {
        Ok(())
    }
}

struct Found {
    id: member::Id,
    session: SessionId,
    role: Role,
    known: Session,
}

impl Found {
    const fn caller(&self) -> Caller {
        let member = Member { member: self.id.member, session: self.session, role: self.role };
        Caller { account: self.id.account, by: By::Session(member) }
    }
}

fn find(app: &App, token_digest: &str) -> Result<Option<Found>, Problem> {
    let Some(of) = app.store.session(token_digest)? else { return Ok(None) };
    let row = app.store.member(of.member)?;
    // The two rows are read one after the other: the session may have ended in between.
    Ok(row.and_then(|row| {
        let role = row.state.joined_as()?;
        let known = row.state.sessions.get(&of.session)?;
        let same = known.token_digest == token_digest;
        same.then(|| Found { id: of.member, session: of.session, role, known: known.clone() })
    }))
}

/// Notes that a session is in use. A note that cannot be made in time is left to the next request.
async fn note(app: &App, id: member::Id, session: SessionId, now: Timestamp) {
    let noted = async {
        let known = members::known(app, &id).await?;
        let step = |state: &member::State| member::see(state, session, now);
        match app.log.transact_from::<Members, member::Refusal>(&id, known, now, step).await {
            Ok(_) | Err(TransactError::Refused(_)) => Ok(()),
            Err(error) => Err(members::refused(error)),
        }
    };
    match tokio::time::timeout(NOTE_PATIENCE, noted).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) | Err(_) => tracing::warn!("it could not be noted that a session is in use"),
    }
}
