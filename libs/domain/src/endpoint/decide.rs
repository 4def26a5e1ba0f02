//! What may happen to an endpoint: one function a verb, each pure. Saying again what holds yields
//! no event.

use jiff::Timestamp;

use super::{
    event::{DisabledBecause, Event, Letter, Signing},
    replay::Replay,
    state::{Circuit, Endpoint, RunningReplay, State},
};
use crate::id::ReplayId;

/// The most secrets that deliveries are signed with at once.
pub const MAX_SECRETS: usize = 10;

/// Why a verb does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such endpoint.
    #[error("there is no such endpoint")]
    Unknown,
    /// It tells past events again already.
    #[error("a replay to this endpoint is under way")]
    Replaying,
}

type Decision = Result<Vec<Event>, Refusal>;

/// Adds an endpoint; nothing to do when it is there.
///
/// # Errors
/// [`Refusal::Unknown`] when it was removed.
pub fn add(state: &State, letter: Letter, signing: Signing) -> Decision {
    match state {
        State::Absent => Ok(vec![Event::Added { letter, signing }]),
        State::Present(_) => Ok(vec![]),
        State::Removed => Err(Refusal::Unknown),
    }
}

/// Tells it elsewhere, or otherwise.
///
/// # Errors
/// [`Refusal::Unknown`], as for every verb.
pub fn change(state: &State, letter: Letter) -> Decision {
    let same = present(state)?.letter == letter;
    Ok(if same { vec![] } else { vec![Event::Changed { letter }] })
}

/// Signs with something else, and until `previous_until` with what was before as well.
///
/// # Errors
/// As every verb.
pub fn rotate(state: &State, signing: Signing, previous_until: Timestamp) -> Decision {
    present(state)?;
    Ok(vec![Event::SecretRotated { signing, previous_until }])
}

/// Tells it nothing until it is enabled again.
///
/// # Errors
/// As every verb.
pub fn disable(state: &State, because: DisabledBecause) -> Decision {
    let disabled = present(state)?.disabled.is_some();
    Ok(if disabled { vec![] } else { vec![Event::Disabled { because }] })
}

/// Tells it again.
///
/// # Errors
/// As every verb.
pub fn enable(state: &State) -> Decision {
    let disabled = present(state)?.disabled.is_some();
    Ok(if disabled { vec![Event::Enabled {}] } else { vec![] })
}

/// Leaves it alone until then.
///
/// # Errors
/// As every verb.
pub fn open_circuit(state: &State, failing_since: Timestamp, until: Timestamp) -> Decision {
    let open = Circuit::Open { failing_since, until };
    let same = present(state)?.circuit == open;
    Ok(if same { vec![] } else { vec![Event::CircuitOpened { failing_since, until }] })
}

/// Leaves it alone no more.
///
/// # Errors
/// As every verb.
pub fn close_circuit(state: &State) -> Decision {
    let closed = present(state)?.circuit == Circuit::Closed;
    Ok(if closed { vec![] } else { vec![Event::CircuitClosed {}] })
}

/// Tells past events again.
///
/// # Errors
/// [`Refusal::Replaying`], or as every verb.
pub fn request_replay(state: &State, replay: ReplayId, of: Replay) -> Decision {
    match &present(state)?.replay {
        None => Ok(vec![Event::ReplayRequested { replay, of }]),
        Some(running) if running.replay == replay => Ok(vec![]),
        Some(_) => Err(Refusal::Replaying),
    }
}

/// Records how far a replay has come.
///
/// # Errors
/// As every verb.
pub fn progress_replay(
    state: &State,
    replay: ReplayId,
    through_seq: u64,
    deliveries: u64,
) -> Decision {
    let further = running(state, replay)?.is_some_and(|it| it.through_seq < through_seq);
    let event = Event::ReplayProgressed { replay, through_seq, deliveries };
    Ok(if further { vec![event] } else { vec![] })
}

/// Records that a replay has come to its end.
///
/// # Errors
/// As every verb.
pub fn end_replay(state: &State, replay: ReplayId, deliveries: u64) -> Decision {
    let known = running(state, replay)?.is_some();
    Ok(if known { vec![Event::ReplayEnded { replay, deliveries }] } else { vec![] })
}

/// Tells it nothing any more.
///
/// # Errors
/// As every verb.
pub fn remove(state: &State) -> Decision {
    present(state)?;
    Ok(vec![Event::Removed {}])
}

fn present(state: &State) -> Result<&Endpoint, Refusal> {
    state.endpoint().ok_or(Refusal::Unknown)
}

fn running(state: &State, replay: ReplayId) -> Result<Option<&RunningReplay>, Refusal> {
    Ok(present(state)?.replay.as_ref().filter(|running| running.replay == replay))
}
