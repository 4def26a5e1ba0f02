//! An account: a tenant, its applications, its buckets and what signs its webhooks.

mod decide;
mod event;
mod state;
#[cfg(test)]
mod tests;
mod write_only;

use jiff::Timestamp;

pub use decide::{
    MAX_APPLICATIONS, MAX_INPUTS, Refusal, add_application, change_application, clear_destination,
    days_between_uses, demand_write_only, erase, fail_proof, keep_media, label, open,
    prove_destination, remove_input, request_erasure, request_proof, revoke_application,
    rotate_application, set_destination, set_feed, set_input, set_limits, set_quotas,
    set_webhook_secret, use_application,
};
pub use event::{Application, Destination, Encryption, Event, FailureWord, Input, Place, Terms};
pub use state::{KeyPair, Knowledge, PreviousSecret, State};
pub use write_only::{Finding, NotProven, PROOF_HOLDS, PROVEN_EVERY, TRIED_AGAIN_EVERY};

use crate::{Aggregate, id::AccountId};

/// The aggregate `account`.
#[derive(Debug, Clone, Copy)]
pub enum Accounts {}

impl Aggregate for Accounts {
    type Id = AccountId;
    type Event = Event;
    type State = State;

    const STREAM: &'static str = "ACCOUNTS";
    const NOUN: &'static str = "account";

    fn prefix(id: &AccountId) -> String {
        format!("darkroom.account.{id}")
    }

    fn parse_prefix(prefix: &str) -> Option<AccountId> {
        prefix.strip_prefix("darkroom.account.")?.parse().ok()
    }

    fn event_name(event: &Event) -> &'static str {
        event.name()
    }

    fn evolve(state: State, event: &Event, at: Timestamp) -> State {
        state.evolve(event, at)
    }
}
