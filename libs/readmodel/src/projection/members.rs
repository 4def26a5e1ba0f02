//! Members: each by account and id, by the digest of their address, and by their sessions.

use domain::{
    id::SessionId,
    member::{self, Event, State},
};
use serde::{Deserialize, Serialize};

use super::Row;
use crate::{
    entry::Entry,
    key::{self, Key},
};

/// A member as they stand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberRow {
    /// Whose and who.
    #[serde(with = "named")]
    pub id: member::Id,
    /// Sequence in the stream of the last event that is part of it.
    pub seq: u64,
    /// The member.
    pub state: State,
}

/// Whose a session is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionOf {
    /// Who logged in.
    #[serde(with = "named")]
    pub member: member::Id,
    /// Which session it is.
    pub session: SessionId,
}

impl Row for MemberRow {
    fn key(&self) -> Key {
        key::member(self.id)
    }

    fn indexes(&self) -> Vec<(Key, Vec<u8>)> {
        let address = (key::address(&self.state.email_digest, self.id), Vec::new());
        let sessions = self.state.sessions.iter().filter_map(|(session, known)| {
            let of = SessionOf { member: self.id, session: *session };
            // Ids always have a JSON form.
            Some((key::session(&known.token_digest), serde_json::to_vec(&of).ok()?))
        });
        std::iter::once(address).chain(sessions).collect()
    }

    fn counts(&self) -> Vec<(Key, u64)> {
        Vec::new()
    }
}

/// The row after one more event. Somebody who was removed has none.
pub(crate) fn evolve(
    row: Option<MemberRow>,
    id: member::Id,
    event: &Event,
    entry: &Entry,
) -> Option<MemberRow> {
    use domain::{Aggregate as _, member::Members};
    let state = row.map(|row| row.state).unwrap_or_default();
    let state = Members::evolve(state, event, entry.at);
    state.role.is_some().then_some(MemberRow { id, seq: entry.seq, state })
}

/// A member's name as a pair of ids.
mod named {
    use domain::{
        id::{AccountId, MemberId},
        member::Id,
    };
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(id: &Id, to: S) -> Result<S::Ok, S::Error> {
        (id.account, id.member).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Id, D::Error> {
        let (account, member) = <(AccountId, MemberId)>::deserialize(from)?;
        Ok(Id { account, member })
    }
}
