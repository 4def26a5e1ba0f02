//! What a member's history amounts to.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::Event;
use crate::{Sealed, id::SessionId, scope::Role};

/// The most sessions of a member; beyond, the oldest ends.
pub(super) const MAX_SESSIONS: usize = 20;

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

impl State {
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
            Event::TotpSet { secret } => {
                self.totp = Some(secret.clone());
                self.totp_step = None;
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
