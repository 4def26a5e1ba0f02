//! Accounts: each by its id, and each of its applications by its public key.

use domain::{
    Aggregate,
    account::{Accounts, Event, KeyPair, State},
    id::AccountId,
};
use serde::{Deserialize, Serialize};

use super::Row;
use crate::{
    entry::Entry,
    key::{self, Key},
};

/// An account as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountRow {
    /// Which it is.
    pub id: AccountId,
    /// Sequence in the stream of the last event that is part of it.
    pub seq: u64,
    /// The account.
    pub state: State,
}

/// Whom an API key names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Holder {
    /// Whose key it is.
    pub account: AccountId,
    /// The key pair.
    pub pair: KeyPair,
}

impl Row for AccountRow {
    fn key(&self) -> Key {
        key::account(self.id)
    }

    fn indexes(&self) -> Vec<(Key, Vec<u8>)> {
        // Keys of an account that goes, or is gone, open nothing.
        let open = self.state.is_open();
        self.state
            .applications
            .values()
            .filter(|_| open)
            .filter_map(|pair| {
                let holder = Holder { account: self.id, pair: pair.clone() };
                // Plain strings and ids always have a JSON form.
                let value = serde_json::to_vec(&holder).ok()?;
                Some((key::application(&pair.application.key), value))
            })
            .collect()
    }

    fn counts(&self) -> Vec<(Key, u64)> {
        Vec::new()
    }
}

/// The row after one more event.
pub(crate) fn evolve(
    row: Option<AccountRow>,
    id: AccountId,
    event: &Event,
    entry: &Entry,
) -> AccountRow {
    let state = row.map(|row| row.state).unwrap_or_default();
    AccountRow { id, seq: entry.seq, state: Accounts::evolve(state, event, entry.at) }
}
