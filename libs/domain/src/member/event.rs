//! What can happen to a member, as stored. Fields are only ever added, with a default.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Sealed,
    id::{MemberId, SessionId},
    scope::Role,
};

/// A fact in a member's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Somebody with this address may join.
    Invited {
        /// The address, as it was given.
        email: Sealed,
        /// Keyed digest of the address in lower case, in hex.
        email_digest: String,
        /// What they will be.
        role: Role,
        /// Keyed digest of the token that joins, in hex.
        token_digest: String,
        /// Until when it does.
        expires_at: Timestamp,
        /// Which member invited; absent: an operator, or a key pair.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<MemberId>,
    },
    /// They did, and chose a password.
    Joined {
        /// Its bcrypt hash.
        password: Sealed,
    },
    /// They are something else from now on.
    RoleSet {
        /// What.
        role: Role,
        /// By which member; absent: an operator, or a key pair.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<MemberId>,
    },
    /// They may choose a new password without the old one.
    ResetOffered {
        /// Keyed digest of the token that does it, in hex.
        token_digest: String,
        /// Until when it does.
        expires_at: Timestamp,
        /// By which member; absent: an operator, or a key pair.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<MemberId>,
    },
    /// They chose a new password. Every session ends.
    PasswordSet {
        /// Its bcrypt hash.
        password: Sealed,
    },
    /// Logging in needs a one-time code from now on (RFC 6238).
    TotpSet {
        /// What codes are made of.
        secret: Sealed,
        /// The step of the code that confirmed it, which opens nothing again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<u64>,
    },
    /// Logging in needs no one-time code from now on.
    TotpCleared {},
    /// They logged in.
    LoggedIn {
        /// The session.
        session: SessionId,
        /// Keyed digest of its token, in hex.
        token_digest: String,
        /// When it ends, whatever happens.
        expires_at: Timestamp,
        /// The step of the one-time code that was used, which opens nothing again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        totp_step: Option<u64>,
    },
    /// Somebody tried to be them.
    LoginFailed {
        /// Why they were not let in.
        reason: LoginFailure,
    },
    /// A session is in use; said now and then.
    Seen {
        /// Which.
        session: SessionId,
    },
    /// A session ended.
    LoggedOut {
        /// Which.
        session: SessionId,
    },
    /// They are not of the account any more.
    Removed {
        /// By which member; absent: an operator, or a key pair.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<MemberId>,
    },
}

/// Why somebody was not let in. Append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoginFailure {
    /// Another password.
    Password,
    /// No, or another, one-time code.
    Totp,
}

impl Event {
    /// The last token of its subject.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Invited { .. } => "invited",
            Self::Joined { .. } => "joined",
            Self::RoleSet { .. } => "role_set",
            Self::ResetOffered { .. } => "reset_offered",
            Self::PasswordSet { .. } => "password_set",
            Self::TotpSet { .. } => "totp_set",
            Self::TotpCleared {} => "totp_cleared",
            Self::LoggedIn { .. } => "logged_in",
            Self::LoginFailed { .. } => "login_failed",
            Self::Seen { .. } => "seen",
            Self::LoggedOut { .. } => "logged_out",
            Self::Removed { .. } => "removed",
        }
    }
}
