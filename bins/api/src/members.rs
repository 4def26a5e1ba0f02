//! What the endpoints about members share: finding them, deciding about them, and how they are shown.

use std::pin::pin;

use domain::{
    Aggregate as _, Timestamp,
    id::{AccountId, MemberId},
    member::{self, Members, Refusal, State},
    scope::{Role, Scope},
    sealed::field,
};
use eventlog::{Committed, Head, Loaded, Moment, Span, TransactError};
use futures::StreamExt as _;
use readmodel::{MemberRow, Stream};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    app::App,
    auth::Caller,
    call::Call,
    fields::Fields,
    problem::Problem,
    sessions::{Wait, log_in::too_many},
};

/// The longest address (RFC 5321, section 4.5.3.1.3).
const MAX_ADDRESS_BYTES: usize = 254;

/// Why something is not done about a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum No {
    /// The business says no.
    Refused(Refusal),
    /// Only an owner may make or unmake owners, or reset one.
    OwnersOnly,
    /// Nobody gives what they do not have.
    Scope(Scope),
    /// The account would have no owner.
    LastOwner,
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Who acts on a member.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Actor<'a> {
    pub(crate) member: Option<MemberId>,
    is_owner: bool,
    caller: &'a Caller,
}

impl<'a> Actor<'a> {
    pub(crate) fn of(caller: &'a Caller) -> Self {
        let member = caller.member();
        Self {
            member: member.map(|member| member.member),
            is_owner: member.is_some_and(|member| member.role == Role::Owner),
            caller,
        }
    }

    /// Whether they may do something to somebody of this role, or make somebody that: owners alone
    /// touch owners, and nobody gives, or takes over, what they may not do themselves.
    pub(crate) fn may_touch(self, role: Option<Role>) -> Result<(), No> {
        let Some(role) = role.filter(|_| !self.is_owner) else { return Ok(()) };
        if role == Role::Owner {
            return Err(No::OwnersOnly);
        }
        let more = Scope::ALL.iter().find(|scope| role.may(**scope) && !self.caller.may(**scope));
        more.map_or(Ok(()), |scope| Err(No::Scope(*scope)))
    }
}

/// A member as they are shown.
#[derive(Serialize)]
pub(crate) struct MemberView {
    pub(crate) id: String,
    pub(crate) email: Option<String>,
    role: Option<&'static str>,
    status: &'static str,
    invited_at: Option<String>,
    joined_at: Option<String>,
    logged_in_at: Option<String>,
    totp: bool,
}

impl MemberView {
    /// With the address opened; what was shredded is not known any more.
    pub(crate) async fn open(app: &App, id: &member::Id, state: &State) -> Result<Self, Problem> {
        let email = match &state.email {
            None => None,
            Some(sealed) => match app.custody.open_email(id, sealed).await {
                Err(custody::Error::Erased) => None,
                opened => Some(opened?),
            },
        };
        Ok(Self {
            id: id.member.to_string(),
            email,
            role: state.role.map(Role::name),
            status: if state.joined_at.is_some() { "joined" } else { "invited" },
            invited_at: state.invited_at.map(|at| at.to_string()),
            joined_at: state.joined_at.map(|at| at.to_string()),
            logged_in_at: state.logged_in_at.map(|at| at.to_string()),
            totp: state.totp.is_some(),
        })
    }
}

/// A token that does something once, shown once.
#[derive(Serialize)]
pub(crate) struct OfferView {
    pub(crate) token: String,
    pub(crate) expires_at: String,
}

impl OfferView {
    pub(crate) fn of(token: &Zeroizing<String>, expires_at: Timestamp) -> Self {
        Self { token: token.to_string(), expires_at: expires_at.to_string() }
    }
}

/// The names of what a role may do.
pub(crate) fn scopes(role: Role) -> Vec<&'static str> {
    Scope::ALL.iter().filter(|scope| role.may(**scope)).map(|scope| scope.name()).collect()
}

/// The member that a call is about, in the caller's account.
pub(crate) async fn meant(app: &App, call: &Call) -> Result<MemberRow, Problem> {
    let account = call.caller()?.account;
    let unknown = || Problem::NotFound { what: "member", id: call.quoted_id() };
    let member = call.id.parse::<MemberId>().map_err(|_odd| unknown())?;
    app.catch_up(Stream::Members).await;
    app.store.member(member::Id { account, member })?.ok_or_else(unknown)
}

/// The member who calls.
pub(crate) async fn own(app: &App, call: &Call) -> Result<MemberRow, Problem> {
    let caller = call.caller()?;
    let member = caller.member().ok_or(Problem::NoCredentials)?.member;
    app.catch_up(Stream::Members).await;
    let row = app.store.member(member::Id { account: caller.account, member })?;
    row.ok_or(Problem::SessionEnded)
}

/// A member's history as the rows know it, to decide on. A history may be long; this reads its last
/// event alone.
pub(crate) async fn known(app: &App, id: &member::Id) -> Result<Loaded<Members>, Problem> {
    let Some(row) = app.store.member(*id)? else { return Ok(Loaded::default()) };
    let span = Span {
        filter: Some(format!("{}.>", Members::prefix(id))),
        from_seq: Some(row.seq),
        to_seq: Some(row.seq),
        ..Span::default()
    };
    let mut last = pin!(app.log.replay(Members::STREAM, span));
    match last.next().await.transpose()? {
        Some(raw) if raw.seq == row.seq => {
            let last = Some(Head { seq: raw.seq, hash: raw.hash() });
            Ok(Loaded { state: row.state, last, events: 0 })
        }
        _ => Ok(app.log.load::<Members>(id).await?),
    }
}

/// Decides about a member and records what was decided.
pub(crate) async fn decide(
    app: &App,
    call: &Call,
    id: &member::Id,
    mut step: impl FnMut(&State) -> Result<Vec<member::Event>, No>,
) -> Result<State, Problem> {
    let moment = Moment { now: app.clock.now(), traceparent: call.traceparent() };
    let known = known(app, id).await?;
    let done = app.log.transact_from::<Members, No>(id, known, moment, &mut step);
    match Box::pin(done).await {
        Ok(Committed { loaded, .. }) => {
            // Whoever is out is out for the next request already.
            app.catch_up(Stream::Members).await;
            Ok(loaded.state)
        }
        Err(TransactError::Refused(No::OwnersOnly)) => Err(Problem::OwnersOnly),
        Err(TransactError::Refused(No::Scope(scope))) => Err(Problem::ScopeMissing(scope)),
        Err(TransactError::Refused(No::LastOwner)) => Err(last_owner()),
        Err(TransactError::Refused(No::Refused(refusal))) => Err(said(refusal, call)),
        Err(error) => Err(refused(error)),
    }
}

/// What whoever would leave an account without an owner is told.
pub(crate) fn last_owner() -> Problem {
    let message = "An account keeps at least one owner: make somebody else one first.".to_owned();
    Problem::Conflict { code: "last_owner", message }
}

fn said(refusal: Refusal, call: &Call) -> Problem {
    let conflict = |code| Problem::Conflict { code, message: format!("{}.", capital(&refusal)) };
    match refusal {
        Refusal::Unknown => Problem::NotFound { what: "member", id: call.quoted_id() },
        Refusal::Joined => conflict("member_exists"),
        Refusal::NotJoined => conflict("member_not_joined"),
        Refusal::Owner => conflict("member_is_owner"),
        Refusal::Token => not_valid(),
        Refusal::Delayed => Problem::TooManyAttempts { retry_after_s: 1 },
        Refusal::Shown => Problem::LoginFailed,
    }
}

/// What everybody is told whose token does nothing.
fn not_valid() -> Problem {
    let message = "This token is not, or no longer, valid: ask for another.".to_owned();
    Problem::FieldInvalid { field: "token", message }
}

fn capital(refusal: &Refusal) -> String {
    let text = refusal.to_string();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// What a client is told when nothing could be recorded.
pub(crate) fn refused<R>(error: TransactError<R>) -> Problem
where
    TransactError<R>: std::error::Error + 'static,
{
    tracing::warn!(error = %service::Chain(&error), "nothing could be recorded about a member");
    match error {
        TransactError::Read(error) => error.into(),
        TransactError::Unavailable(_)
        | TransactError::Contended { .. }
        | TransactError::Rejected { .. } => Problem::Unavailable,
        TransactError::Refused(_) | TransactError::Encode(_) => Problem::Internal,
    }
}

/// Whom a token of an invitation or a reset is for, in an account that is open.
async fn offered(app: &App, token: &str) -> Result<MemberRow, Problem> {
    let id = custody::member::offered_to(token).ok_or_else(not_valid)?;
    app.catch_up(Stream::Members).await;
    let row = app.store.member(id)?.ok_or_else(not_valid)?;
    if is_open(app, id.account).await? { Ok(row) } else { Err(not_valid()) }
}

/// Decides upon a password that is chosen by a token of this digest.
type Verb = fn(&State, &str, &domain::Sealed, Timestamp) -> Result<Vec<member::Event>, Refusal>;

/// What a token lets do: which of a member's offers it must open, and what is then decided.
pub(crate) struct Offered {
    pub(crate) offer: fn(&State) -> Option<&member::Offer>,
    pub(crate) verb: Verb,
}

/// Chooses a password by the token that `call` brings.
pub(crate) async fn choose_password(
    app: &App,
    call: &Call,
    offered: Offered,
) -> Result<(member::Id, State), Problem> {
    let now = app.clock.now();
    app.sessions.admit(call, now)?;
    let mut fields = Fields::read(&call.body, &["token", "password"])?;
    let (token, password) = (fields.text("token")?, fields.text("password")?);
    let row = self::offered(app, &token).await?;
    let (id, digest) = (row.id, app.custody.token_digest(&token));
    // Nobody is made to hash a password who has no right to set one.
    if !(offered.offer)(&row.state).is_some_and(|offer| offer.opens(&digest, now)) {
        return Err(not_valid());
    }
    let hash = hash(app, &id, &row.state, password).await?;
    let step = |state: &State| Ok((offered.verb)(state, &digest, &hash, now)?);
    Ok((id, decide(app, call, &id, step).await?))
}

/// Whether the account is there and stays. One that is not known here may have been opened a moment
/// ago.
pub(crate) async fn is_open(app: &App, account: AccountId) -> Result<bool, Problem> {
    let look = || app.store.account(account);
    let known = match look()? {
        None => {
            app.catch_up(Stream::Accounts).await;
            look()?
        }
        known => known,
    };
    Ok(known.is_some_and(|account| account.state.is_open()))
}

/// Whether anybody else than `but` owns the account.
pub(crate) fn has_other_owner(
    app: &App,
    account: AccountId,
    but: MemberId,
) -> Result<bool, Problem> {
    let rows = app.store.members(account)?;
    let owns = |row: &MemberRow| row.state.joined_as() == Some(Role::Owner);
    Ok(rows.iter().any(|row| row.id.member != but && owns(row)))
}

/// An address that can be written to: something, an `@`, and the name of a host.
pub(crate) fn address(text: &str) -> Result<&str, Problem> {
    let text = text.trim();
    let fine = text.len() <= MAX_ADDRESS_BYTES
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
        && text.rsplit_once('@').is_some_and(|(who, host)| {
            !who.is_empty() && host.contains('.') && !host.starts_with('.') && !host.ends_with('.')
        });
    if fine {
        return Ok(text);
    }
    let message = "This is no address such as alice@example.com.".to_owned();
    Err(Problem::FieldInvalid { field: "email", message })
}

/// Takes a password or says why not, and hashes it.
pub(crate) async fn hash(
    app: &App,
    id: &member::Id,
    state: &State,
    password: Zeroizing<String>,
) -> Result<domain::Sealed, Problem> {
    let mut context = Vec::new();
    if let Some(email) = &state.email {
        context.push(app.custody.open_email(id, email).await?);
    }
    let account = app.store.account(id.account)?;
    if let Some(label) = account.and_then(|account| account.state.label) {
        context.push(app.custody.open_for_account(id.account, field::LABEL, &label).await?);
    }
    let context: Vec<&str> = context.iter().map(String::as_str).collect();
    if let Err(weakness) = app.sessions.policy.check(&password, &context) {
        let message = format!("This password is not taken: {weakness}.");
        return Err(Problem::FieldInvalid { field: "password", message });
    }
    let hash = app.sessions.hashing.run(move |hasher| hasher.hash(&password)).await?;
    Ok(app.custody.seal_password_hash(id, &hash).await?)
}

/// Shows that the caller knows their own password. What fails counts as a log-in that failed.
pub(crate) async fn confirm(
    app: &App,
    call: &Call,
    row: &MemberRow,
    password: Zeroizing<String>,
) -> Result<domain::Sealed, Problem> {
    let now = app.clock.now();
    app.sessions.admit(call, now)?;
    let attempt = app.sessions.attempts.begin(&row.state.email_digest, now);
    let attempt = attempt.map_err(|wait| too_many(now, wait))?;
    if let Some(until) = row.state.delayed_until().filter(|until| now < *until) {
        return Err(too_many(now, Wait::Until(until)));
    }
    let sealed = row.state.password.clone().ok_or(Problem::SessionEnded)?;
    let hash = app.custody.open_password_hash(&row.id, &sealed).await?;
    if app.sessions.hashing.run(move |hasher| hasher.verify(&password, &hash)).await? {
        return Ok(sealed);
    }
    attempt.failed(now);
    let reason = member::LoginFailure::Password;
    decide(app, call, &row.id, |state| Ok(member::fail_login(state, reason, now)?)).await?;
    Err(Problem::LoginFailed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_little_prejudice() {
        for fine in ["a@b.c", "  Alice+x@example.com ", "ü@bücher.example", "\"a@b\"@c.example"] {
            assert!(address(fine).is_ok(), "{fine}");
        }
        let long = format!("{}@example.com", "x".repeat(250));
        for odd in ["", "a", "@b.c", "a@", "a@b", "a b@c.d", "a@.c", "a@b.", "a@b.c\n\rx", &long] {
            assert!(address(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn only_owners_touch_owners_and_nobody_gives_what_they_do_not_have() {
        let id = uuid::Uuid::from_u128(1);
        let account = AccountId::from_uuid(id);
        let caller = |role| Caller {
            account,
            by: crate::auth::By::Session(crate::auth::Member {
                member: MemberId::from_uuid(id),
                session: domain::id::SessionId::from_uuid(id),
                role,
            }),
        };
        let (owner, admin, member) =
            (caller(Role::Owner), caller(Role::Admin), caller(Role::Member));
        for role in Role::ALL {
            assert!(Actor::of(&owner).may_touch(Some(role)).is_ok());
            assert_eq!(Actor::of(&admin).may_touch(Some(role)).is_ok(), role != Role::Owner);
        }
        assert_eq!(Actor::of(&admin).may_touch(Some(Role::Owner)), Err(No::OwnersOnly));
        assert!(Actor::of(&admin).may_touch(None).is_ok());
        let more = Actor::of(&member).may_touch(Some(Role::Auditor));
        assert_eq!(more, Err(No::Scope(Scope::Audit)));
    }
}
