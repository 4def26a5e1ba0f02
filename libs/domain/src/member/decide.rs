//! What may happen to a member: one function a verb, each pure.

use jiff::{SignedDuration, Timestamp};

use super::{
    event::{Event, LoginFailure},
    state::{Offer, State},
};
use crate::{
    Sealed,
    id::{MemberId, SessionId},
    scope::Role,
};

/// How often the use of a session is noted at most.
pub const SEEN_EVERY: SignedDuration = SignedDuration::from_mins(10);

/// Why a verb does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such member.
    #[error("there is no such member")]
    Unknown,
    /// Somebody with this address is one already.
    #[error("somebody with this address is a member already")]
    Joined,
    /// They have not joined yet.
    #[error("the member has not joined yet")]
    NotJoined,
    /// The token is another one, has been used, or is too old.
    #[error("the token is not, or no longer, valid")]
    Token,
    /// Somebody who is an owner cannot just go.
    #[error("an owner is removed by making them something else first")]
    Owner,
    /// It is not yet time to try again.
    #[error("too many log-ins failed of late")]
    Delayed,
    /// What was shown is not what holds by now, or was used before.
    #[error("what was shown does not open anything")]
    Shown,
}

type Decision = Result<Vec<Event>, Refusal>;

/// An invitation, all but who is meant.
#[derive(Debug, Clone)]
pub struct Invitation {
    /// The address.
    pub email: Sealed,
    /// Keyed digest of the address in lower case, in hex.
    pub email_digest: String,
    /// What they will be.
    pub role: Role,
    /// The token that joins.
    pub offer: Offer,
    /// Which member invites; absent: an operator, or a key pair.
    pub by: Option<MemberId>,
}

/// What somebody showed who logs in, and was found right against this.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The sealed hash that the password was compared with.
    pub password: Sealed,
    /// The sealed secret that the one-time code was compared with, and the step it is of.
    pub totp: Option<(Sealed, u64)>,
}

/// A session about to begin.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// Which.
    pub session: SessionId,
    /// Keyed digest of its token, in hex.
    pub token_digest: String,
    /// When it ends, whatever happens.
    pub expires_at: Timestamp,
}

/// Lets somebody join; who was invited before and has not joined, anew.
///
/// # Errors
/// [`Refusal::Joined`].
pub fn invite(state: &State, invitation: &Invitation) -> Decision {
    if state.joined_as().is_some() {
        return Err(Refusal::Joined);
    }
    let Invitation { email, email_digest, role, offer, by } = invitation.clone();
    let Offer { token_digest, expires_at } = offer;
    Ok(vec![Event::Invited { email, email_digest, role, token_digest, expires_at, by }])
}

/// Joins by the token of an invitation.
///
/// # Errors
/// [`Refusal::Token`].
pub fn join(state: &State, token_digest: &str, password: &Sealed, now: Timestamp) -> Decision {
    valid(state.invitation.as_ref(), token_digest, now)?;
    Ok(vec![Event::Joined { password: password.clone() }])
}

/// Makes a member something else; nothing to do when they are. Their sessions end before, so that no
/// token that was good for one role is ever good for another.
///
/// # Errors
/// [`Refusal::Unknown`].
pub fn set_role(state: &State, role: Role, by: Option<MemberId>) -> Decision {
    let known = state.role.ok_or(Refusal::Unknown)?;
    if known == role {
        return Ok(vec![]);
    }
    let ended = state.sessions.keys().map(|session| Event::LoggedOut { session: *session });
    Ok(ended.chain([Event::RoleSet { role, by }]).collect())
}

/// Lets a member choose a new password by a token; without their one-time codes, if they lost what
/// makes them.
///
/// # Errors
/// [`Refusal::Unknown`], [`Refusal::NotJoined`].
pub fn offer_reset(state: &State, offer: Offer, totp: Totp, by: Option<MemberId>) -> Decision {
    joined(state)?;
    let Offer { token_digest, expires_at } = offer;
    let mut events = vec![Event::ResetOffered { token_digest, expires_at, by }];
    if totp == Totp::Cleared && state.totp.is_some() {
        events.push(Event::TotpCleared {});
    }
    Ok(events)
}

/// What a reset leaves of one-time codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Totp {
    /// Logging in needs them as before.
    Kept,
    /// Logging in needs them no more.
    Cleared,
}

/// Chooses a new password by the token of a reset. Every session ends.
///
/// # Errors
/// [`Refusal::Token`].
pub fn reset_password(
    state: &State,
    token_digest: &str,
    password: &Sealed,
    now: Timestamp,
) -> Decision {
    valid(state.reset.as_ref(), token_digest, now)?;
    Ok(vec![Event::PasswordSet { password: password.clone() }])
}

/// Chooses a new password by the old one, which was compared with `known`. Every session ends.
///
/// # Errors
/// [`Refusal::Shown`] when the old one is not `known` by now; [`Refusal::Unknown`],
/// [`Refusal::NotJoined`].
pub fn change_password(state: &State, known: &Sealed, password: &Sealed) -> Decision {
    joined(state)?;
    same(state.password.as_ref(), known)?;
    Ok(vec![Event::PasswordSet { password: password.clone() }])
}

/// Asks for one-time codes from now on. The one of `step` has shown that the member can make them.
///
/// # Errors
/// [`Refusal::Unknown`], [`Refusal::NotJoined`].
pub fn set_totp(state: &State, secret: &Sealed, step: u64) -> Decision {
    joined(state)?;
    Ok(vec![Event::TotpSet { secret: secret.clone(), step: Some(step) }])
}

/// Asks for one-time codes no more; nothing to do when none are asked for.
///
/// # Errors
/// [`Refusal::Unknown`], [`Refusal::NotJoined`].
pub fn clear_totp(state: &State) -> Decision {
    joined(state)?;
    Ok(if state.totp.is_some() { vec![Event::TotpCleared {}] } else { vec![] })
}

/// Lets a member in who showed the right things.
///
/// # Errors
/// [`Refusal::Delayed`]; [`Refusal::Shown`] when what they were compared with does not hold by now,
/// or the one-time code was used before; [`Refusal::Unknown`], [`Refusal::NotJoined`].
pub fn log_in(state: &State, shown: &Shown, beginning: &Beginning, now: Timestamp) -> Decision {
    joined(state)?;
    if state.is_delayed(now) {
        return Err(Refusal::Delayed);
    }
    same(state.password.as_ref(), &shown.password)?;
    let totp_step = match (&state.totp, &shown.totp) {
        (None, _) => None,
        (Some(_), None) => return Err(Refusal::Shown),
        (Some(known), Some((secret, step))) => {
            same(Some(known), secret)?;
            if state.totp_step.is_some_and(|used| *step <= used) {
                return Err(Refusal::Shown);
            }
            Some(*step)
        }
    };
    let Beginning { session, token_digest, expires_at } = beginning.clone();
    Ok(vec![Event::LoggedIn { session, token_digest, expires_at, totp_step }])
}

/// Notes that somebody tried to be the member. While log-ins are delayed, nothing is noted, so that
/// nobody makes a history long.
///
/// # Errors
/// [`Refusal::Unknown`], [`Refusal::NotJoined`].
pub fn fail_login(state: &State, reason: LoginFailure, now: Timestamp) -> Decision {
    joined(state)?;
    let noted = !state.is_delayed(now);
    Ok(if noted { vec![Event::LoginFailed { reason }] } else { vec![] })
}

/// Notes that a session is in use; nothing to do when that was noted of late, or it has ended.
///
/// # Errors
/// [`Refusal::Unknown`], [`Refusal::NotJoined`].
pub fn see(state: &State, session: SessionId, now: Timestamp) -> Decision {
    joined(state)?;
    let known = state.sessions.get(&session);
    let news = known.is_some_and(|known| now.duration_since(known.seen_at) >= SEEN_EVERY);
    Ok(if news { vec![Event::Seen { session }] } else { vec![] })
}

/// Ends a session; nothing to do when it has ended.
///
/// # Errors
/// [`Refusal::Unknown`], [`Refusal::NotJoined`].
pub fn log_out(state: &State, session: SessionId) -> Decision {
    joined(state)?;
    let there = state.sessions.contains_key(&session);
    Ok(if there { vec![Event::LoggedOut { session }] } else { vec![] })
}

/// Ends every session; nothing to do when there is none.
///
/// # Errors
/// [`Refusal::Unknown`], [`Refusal::NotJoined`].
pub fn log_out_everywhere(state: &State) -> Decision {
    joined(state)?;
    Ok(state.sessions.keys().map(|session| Event::LoggedOut { session: *session }).collect())
}

/// Takes a member, or an invitation, out of the account.
///
/// # Errors
/// [`Refusal::Unknown`]; [`Refusal::Owner`] for an owner who has joined.
pub fn remove(state: &State, by: Option<MemberId>) -> Decision {
    state.role.ok_or(Refusal::Unknown)?;
    if state.joined_as() == Some(Role::Owner) {
        return Err(Refusal::Owner);
    }
    Ok(vec![Event::Removed { by }])
}

fn joined(state: &State) -> Result<(), Refusal> {
    state.role.ok_or(Refusal::Unknown)?;
    state.joined_as().map(drop).ok_or(Refusal::NotJoined)
}

fn valid(offer: Option<&Offer>, token_digest: &str, now: Timestamp) -> Result<(), Refusal> {
    let holds = offer.is_some_and(|offer| offer.opens(token_digest, now));
    if holds { Ok(()) } else { Err(Refusal::Token) }
}

fn same(known: Option<&Sealed>, compared: &Sealed) -> Result<(), Refusal> {
    if known == Some(compared) { Ok(()) } else { Err(Refusal::Shown) }
}
