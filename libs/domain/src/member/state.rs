//! What a member's history amounts to.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::Event;
use crate::{Sealed, id::SessionId, scope::Role};

/// The most sessions of a member; beyond, the oldest ends.
pub(super) const MAX_SESSIONS: usize = 20;
/// How many log-ins may fail before the next one has to wait.
const FREE_FAILURES: u32 = 3;
/// The longest that a log-in has to wait, whatever happened before: nobody is kept out for good.
const MAX_DELAY: SignedDuration = SignedDuration::from_mins(15);

/// How long after the last of so many failed log-ins the next one is let try: a second, and twice
/// as long each time.
#[must_use]
pub fn delay(failures: u32) -> SignedDuration {
    let Some(doublings) = failures.checked_sub(FREE_FAILURES) else {
        return SignedDuration::ZERO;
    };
    let seconds = 1_i64.checked_shl(doublings.min(32)).unwrap_or(i64::MAX);
    SignedDuration::from_secs(seconds).min(MAX_DELAY)
}

/// A member as they stand. `role` is `None`: there is no such member, or none any more.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// What they are, or will be once they join.
    pub role: Option<Role>,
    /// Their address.
    pub email: Option<Sealed>,
    /// Keyed digest of their address in lower case, in hex.
    pub email_digest: String,
    /// When they were first invited.
    pub invited_at: Option<Timestamp>,
    /// When they joined.
    pub joined_at: Option<Timestamp>,
    /// The token that joins.
    pub invitation: Option<Offer>,
    /// The token that resets the password.
    pub reset: Option<Offer>,
    /// The password's hash.
    pub password: Option<Sealed>,
    /// What one-time codes are made of.
    pub totp: Option<Sealed>,
    /// The latest step whose one-time code was used.
    pub totp_step: Option<u64>,
    /// Sessions that have not ended by themselves.
    pub sessions: BTreeMap<SessionId, Session>,
    /// Failed log-ins since the last one that succeeded.
    pub failures: u32,
    /// When the last of them was.
    pub failed_at: Option<Timestamp>,
    /// When they last logged in.
    pub logged_in_at: Option<Timestamp>,
}

/// A token that does something once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Keyed digest, in hex.
    pub token_digest: String,
    /// Until when it does.
    pub expires_at: Timestamp,
}

/// One log-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Keyed digest of its token, in hex.
    pub token_digest: String,
    /// When it began.
    pub since: Timestamp,
    /// When it was last known to be in use.
    pub seen_at: Timestamp,
    /// When it ends, whatever happens.
    pub expires_at: Timestamp,
}

impl Offer {
    /// Whether the token with this digest does it at `now`.
    #[must_use]
    pub fn opens(&self, token_digest: &str, now: Timestamp) -> bool {
        now < self.expires_at && self.token_digest == token_digest
    }
}

impl Session {
    /// Whether it goes on at `now`, if it ends once it was not in use for `idle`.
    #[must_use]
    pub fn goes_on(&self, now: Timestamp, idle: SignedDuration) -> bool {
        now < self.expires_at && now.duration_since(self.seen_at) < idle
    }
}

impl State {
    /// Until when log-ins have to wait, if the last one failed.
    #[must_use]
    pub fn delayed_until(&self) -> Option<Timestamp> {
        self.failed_at?.checked_add(delay(self.failures)).ok()
    }

    pub(super) fn is_delayed(&self, now: Timestamp) -> bool {
        self.delayed_until().is_some_and(|until| now < until)
    }

    /// What they are, if they have joined and not been removed.
    #[must_use]
    pub fn joined_as(&self) -> Option<Role> {
        self.role.filter(|_| self.joined_at.is_some())
    }

    pub(super) fn evolve(mut self, event: &Event, at: Timestamp) -> Self {
        match event {
            Event::Invited { email, email_digest, role, token_digest, expires_at, .. } => {
                let token_digest = token_digest.clone();
                return Self {
                    role: Some(*role),
                    email: Some(email.clone()),
                    email_digest: email_digest.clone(),
                    invited_at: Some(at),
                    invitation: Some(Offer { token_digest, expires_at: *expires_at }),
                    ..Self::default()
                };
            }
            Event::Joined { password } => {
                self.joined_at = Some(at);
                self.invitation = None;
                self.password = Some(password.clone());
            }
            Event::RoleSet { role, .. } => self.role = Some(*role),
            Event::ResetOffered { token_digest, expires_at, .. } => {
                let token_digest = token_digest.clone();
                self.reset = Some(Offer { token_digest, expires_at: *expires_at });
            }
            Event::PasswordSet { password } => {
                self.password = Some(password.clone());
                self.reset = None;
                self.sessions.clear();
                self.failures = 0;
            }
            Event::TotpSet { secret, step } => {
                self.totp = Some(secret.clone());
                self.totp_step = *step;
            }
            Event::TotpCleared {} => self.totp = None,
            Event::LoggedIn { session, token_digest, expires_at, totp_step } => {
                let began = Session {
                    token_digest: token_digest.clone(),
                    since: at,
                    seen_at: at,
                    expires_at: *expires_at,
                };
                self.begin(*session, began);
                self.totp_step = totp_step.or(self.totp_step);
                self.failures = 0;
                self.logged_in_at = Some(at);
            }
            Event::LoginFailed { .. } => {
                self.failures = self.failures.saturating_add(1);
                self.failed_at = Some(at);
            }
            Event::Seen { session } => {
                if let Some(session) = self.sessions.get_mut(session) {
                    session.seen_at = at;
                }
            }
            Event::LoggedOut { session } => drop(self.sessions.remove(session)),
            Event::Removed { .. } => return Self::default(),
        }
        self
    }

    fn begin(&mut self, id: SessionId, session: Session) {
        self.sessions.retain(|_, known| known.expires_at > session.since);
        while self.sessions.len() >= MAX_SESSIONS {
            let oldest = self.sessions.iter().min_by_key(|(_, known)| known.since);
            let Some((oldest, _)) = oldest else { break };
            let oldest = *oldest;
            self.sessions.remove(&oldest);
        }
        self.sessions.insert(id, session);
    }
}
