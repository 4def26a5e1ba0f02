//! A member: a person who logs in to an account.
//!
//! ```text
//! invited ─► joined ─► logged_in ─► logged_out
//!    │          │  └► login_failed, password_set, totp_set, role_set, reset_offered ...
//!    └──────────┴────► removed
//! ```

mod decide;
mod event;
mod state;
#[cfg(test)]
mod tests;

use std::fmt;

use jiff::Timestamp;
use uuid::Uuid;

pub use decide::*;
pub use event::{Event, LoginFailure};
pub use state::{Offer, Session, State, delay};

use crate::{
    Aggregate,
    id::{AccountId, MemberId},
};

/// Names a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    /// Whose.
    pub account: AccountId,
    /// Who.
    pub member: MemberId,
}

impl Id {
    /// The member of an account with the address that has this keyed digest: always the same, so
    /// that an address is one member of an account at most.
    #[must_use]
    pub fn of_address(account: AccountId, email_digest: &str) -> Self {
        let namespace: Uuid = account.as_uuid();
        Self { account, member: MemberId::derived(namespace, email_digest.as_bytes()) }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.member)
    }
}

/// The aggregate `member`.
#[derive(Debug, Clone, Copy)]
pub enum Members {}

impl Aggregate for Members {
    type Id = Id;
    type Event = Event;
    type State = State;

    const STREAM: &'static str = "MEMBERS";
    const NOUN: &'static str = "member";

    fn prefix(id: &Id) -> String {
        format!("darkroom.member.{}.{}", id.account, id.member)
    }

    fn parse_prefix(prefix: &str) -> Option<Id> {
        let (account, member) = prefix.strip_prefix("darkroom.member.")?.split_once('.')?;
        Some(Id { account: account.parse().ok()?, member: member.parse().ok()? })
    }

    fn event_name(event: &Event) -> &'static str {
        event.name()
    }

    fn evolve(state: State, event: &Event, at: Timestamp) -> State {
        state.evolve(event, at)
    }
}
