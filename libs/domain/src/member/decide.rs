//! What may happen to a member: one function a verb, each pure.

use super::{event::Event, state::State};

/// Why a verb does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such member.
    #[error("there is no such member")]
    Unknown,
}

type Decision = Result<Vec<Event>, Refusal>;

/// Ends a session; nothing to do when it has ended.
///
/// # Errors
/// [`Refusal::Unknown`].
pub fn log_out(state: &State, session: crate::id::SessionId) -> Decision {
    state.joined_as().ok_or(Refusal::Unknown)?;
    let there = state.sessions.contains_key(&session);
    Ok(if there { vec![Event::LoggedOut { session }] } else { vec![] })
}
