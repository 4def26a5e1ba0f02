//! Logging in: one answer, after the same work, for whoever is not let in.

use domain::{
    Timestamp,
    id::{AccountId, SessionId},
    member::{self, Beginning, LoginFailure, Members, Refusal, Shown, State},
};
use eventlog::{Loaded, Moment, TransactError};
use passwords::totp;
use readmodel::{MemberRow, Stream};
use tokio::time::Instant;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Attempt, Wait, settings::later};
use crate::{app::App, call::Call, fields::Fields, members, problem::Problem};

/// The longest one-time code that is looked at.
const MAX_CODE_CHARS: usize = 16;
/// Longer than anybody has to wait.
const MAX_WAIT_MS: i128 = 3_600_000;

/// What somebody shows who wants to log in.
pub(crate) struct Request {
    email: Zeroizing<String>,
    password: Zeroizing<String>,
    code: Option<Zeroizing<String>>,
    account: Option<String>,
}

/// A session that has begun.
pub(crate) struct Begun {
    pub(crate) id: member::Id,
    pub(crate) session: SessionId,
    pub(crate) state: State,
    pub(crate) token: Zeroizing<String>,
    pub(crate) expires_at: Timestamp,
}

/// Why somebody is not let in.
enum Closed {
    /// They are nobody, or did not show the right things.
    Wrong,
    /// They have to wait first.
    Delayed(Timestamp),
    /// It could not be found out.
    Problem(Problem),
}

impl Request {
    pub(crate) fn read(body: &[u8]) -> Result<Self, Problem> {
        let mut fields = Fields::read(body, &["email", "password", "totp", "account"])?;
        Ok(Self {
            email: fields.text("email")?,
            password: fields.text("password")?,
            code: fields.optional_text("totp")?.filter(|code| !code.is_empty()),
            account: fields.optional_text("account")?.map(|account| account.to_string()),
        })
    }
}

/// Lets somebody in, or tells everybody else the same.
pub(crate) async fn log_in(app: &App, call: &Call, request: Request) -> Result<Begun, Problem> {
    let began = Instant::now();
    let now = app.clock.now();
    app.sessions.admit(call, now)?;
    let place = app.sessions.places.clone().try_acquire_owned();
    let _place = place.map_err(|_full| Problem::Overloaded)?;
    let address = app.custody.address_digest(&request.email);
    let attempt = app.sessions.attempts.begin(&address, now);
    let attempt = attempt.map_err(|wait| too_many(now, wait))?;
    let moment = Moment { now, traceparent: call.traceparent() };
    match attempted(app, moment, &address, request).await {
        Ok(begun) => {
            app.sessions.attempts.forgive(&address);
            Ok(begun)
        }
        Err(Closed::Wrong) => Err(wrong(app, began, &attempt).await),
        Err(Closed::Delayed(until)) => Err(too_many(now, Wait::Until(until))),
        Err(Closed::Problem(problem)) => Err(problem),
    }
}

/// The one answer, given when nothing can be told from how long it took.
async fn wrong(app: &App, began: Instant, attempt: &Attempt) -> Problem {
    attempt.failed(app.clock.now());
    let period = app.sessions.settings.failed_login();
    let periods = began.elapsed().as_millis() / period.as_millis().max(1) + 1;
    let periods = u32::try_from(periods).unwrap_or(u32::MAX);
    tokio::time::sleep_until(began + period.saturating_mul(periods)).await;
    Problem::LoginFailed
}

/// What whoever has to wait is told.
pub(crate) fn too_many(now: Timestamp, wait: Wait) -> Problem {
    let millis = match wait {
        Wait::Busy => 1_000,
        Wait::Until(until) => until.duration_since(now).as_millis().clamp(1, MAX_WAIT_MS),
    };
    let seconds = u64::try_from(millis).unwrap_or(1).div_ceil(1_000);
    Problem::TooManyAttempts { retry_after_s: seconds }
}

async fn attempted(
    app: &App,
    moment: Moment,
    address: &str,
    request: Request,
) -> Result<Begun, Closed> {
    app.catch_up(Stream::Members).await;
    let rows = app.store.members_with_address(address).map_err(Problem::from)?;
    let row = match meant(rows, request.account.as_deref()) {
        Some(row) if members::is_open(app, row.id.account).await? => Some(row),
        _ => None,
    };
    let Some(row) = row else {
        let password = request.password;
        app.sessions.hashing.run(move |hasher| hasher.verify_nobody(&password)).await?;
        return Err(Closed::Wrong);
    };
    let known = members::known(app, &row.id).await?;
    if let Some(until) = known.state.delayed_until().filter(|until| moment.now < *until) {
        return Err(Closed::Delayed(until));
    }
    match shown(app, &row.id, &known.state, moment.now, request).await? {
        Ok(shown) => begin(app, &row.id, known, moment, &shown).await,
        Err(reason) => {
            fail(app, &row.id, known, moment, reason).await?;
            Err(Closed::Wrong)
        }
    }
}

/// The one member who is meant: of the account that is named, or of the only one there is.
fn meant(rows: Vec<MemberRow>, account: Option<&str>) -> Option<MemberRow> {
    let account = account.map(str::parse::<AccountId>);
    let mut rows = rows
        .into_iter()
        .filter(|row| row.state.joined_as().is_some())
        .filter(|row| account.as_ref().is_none_or(|account| *account == Ok(row.id.account)));
    let row = rows.next()?;
    rows.next().is_none().then_some(row)
}

/// Compares what was shown with what is kept, as long as it takes.
async fn shown(
    app: &App,
    id: &member::Id,
    state: &State,
    now: Timestamp,
    request: Request,
) -> Result<Result<Shown, LoginFailure>, Closed> {
    let Some(password) = state.password.clone() else { return Ok(Err(LoginFailure::Password)) };
    let hash = app.custody.open_password_hash(id, &password).await.map_err(Problem::from)?;
    let given = request.password;
    if !app.sessions.hashing.run(move |hasher| hasher.verify(&given, &hash)).await? {
        return Ok(Err(LoginFailure::Password));
    }
    let totp = match &state.totp {
        None => None,
        Some(sealed) => {
            let secret = app.custody.open_totp_secret(id, sealed).await.map_err(Problem::from)?;
            let step = request.code.and_then(|code| step(&secret, &code, now));
            let Some(step) = step else { return Ok(Err(LoginFailure::Totp)) };
            Some((sealed.clone(), step))
        }
    };
    Ok(Ok(Shown { password, totp }))
}

/// The step that a one-time code is of, if it is right at `now`.
pub(crate) fn step(secret: &[u8], code: &str, now: Timestamp) -> Option<u64> {
    let seconds = u64::try_from(now.as_second()).ok()?;
    let short = code.chars().count() <= MAX_CODE_CHARS;
    short.then(|| totp::matching_step(secret, code, seconds)).flatten()
}

async fn begin(
    app: &App,
    id: &member::Id,
    known: Loaded<Members>,
    moment: Moment,
    shown: &Shown,
) -> Result<Begun, Closed> {
    let token = custody::member::session_token().map_err(Problem::from)?;
    let expires_at = later(moment.now, app.sessions.settings.absolute());
    let session = SessionId::from_uuid(Uuid::now_v7());
    let token_digest = app.custody.token_digest(&token);
    let beginning = Beginning { session, token_digest, expires_at };
    let now = moment.now;
    let step = |state: &State| member::log_in(state, shown, &beginning, now);
    let done = app.log.transact_from::<Members, Refusal>(id, known.clone(), moment.clone(), step);
    match Box::pin(done).await {
        Ok(done) => Ok(Begun { id: *id, session, state: done.loaded.state, token, expires_at }),
        Err(TransactError::Refused(Refusal::Shown)) => {
            // The code was used before, or the password was changed a moment ago.
            fail(app, id, known, moment, LoginFailure::Totp).await?;
            Err(Closed::Wrong)
        }
        Err(TransactError::Refused(Refusal::Delayed)) => {
            Err(Closed::Delayed(later(now, jiff::SignedDuration::from_secs(1))))
        }
        Err(TransactError::Refused(_)) => Err(Closed::Wrong),
        Err(error) => Err(Closed::Problem(members::refused(error))),
    }
}

async fn fail(
    app: &App,
    id: &member::Id,
    known: Loaded<Members>,
    moment: Moment,
    reason: LoginFailure,
) -> Result<(), Closed> {
    let now = moment.now;
    let step = |state: &State| member::fail_login(state, reason, now);
    match Box::pin(app.log.transact_from::<Members, Refusal>(id, known, moment, step)).await {
        Ok(_) | Err(TransactError::Refused(_)) => Ok(()),
        Err(error) => Err(Closed::Problem(members::refused(error))),
    }
}

impl From<Problem> for Closed {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}
