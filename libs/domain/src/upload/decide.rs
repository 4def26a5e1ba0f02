//! What may happen to an upload: one function a verb, each pure.

use super::{
    event::{Checksum, Event, RemovedBecause, Started},
    state::{Phase, State, Upload},
};

/// Why a verb does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such upload.
    #[error("there is no such upload")]
    Unknown,
    /// It has been completed.
    #[error("the upload has been completed")]
    Completed,
    /// It has expired, or the file has been removed.
    #[error("the upload has expired, or the file has been removed")]
    Gone,
    /// It has not been completed.
    #[error("the upload has not been completed")]
    Open,
}

type Decision = Result<Vec<Event>, Refusal>;

/// Lets parts be sent; nothing to do when it has begun.
///
/// # Errors
/// None; a `Result` as every decision.
pub fn start(state: &State, started: Started) -> Decision {
    Ok(match state {
        State::Absent => vec![Event::Started(started)],
        State::Present(_) => vec![],
    })
}

/// Records that the whole file is there; nothing to do when that is recorded.
///
/// # Errors
/// [`Refusal::Unknown`], [`Refusal::Gone`].
pub fn complete(state: &State, checksum: Checksum) -> Decision {
    let upload = present(state)?;
    match upload.phase {
        Phase::Open => {
            let size_bytes = upload.started.size_bytes;
            Ok(vec![Event::SourceUploaded { size_bytes, checksum }])
        }
        Phase::Uploaded { .. } => Ok(vec![]),
        Phase::Expired { .. } | Phase::Removed { .. } => Err(Refusal::Gone),
    }
}

/// Records that its parts are removed, because it was not completed in time or was given up.
///
/// # Errors
/// [`Refusal::Unknown`], [`Refusal::Completed`].
pub fn expire(state: &State) -> Decision {
    match present(state)?.phase {
        Phase::Open => Ok(vec![Event::Expired {}]),
        Phase::Expired { .. } => Ok(vec![]),
        Phase::Uploaded { .. } | Phase::Removed { .. } => Err(Refusal::Completed),
    }
}

/// Records that the file is removed.
///
/// # Errors
/// [`Refusal::Unknown`], [`Refusal::Open`].
pub fn remove(state: &State, because: RemovedBecause) -> Decision {
    match present(state)?.phase {
        Phase::Uploaded { .. } => Ok(vec![Event::Removed { because }]),
        Phase::Expired { .. } | Phase::Removed { .. } => Ok(vec![]),
        Phase::Open => Err(Refusal::Open),
    }
}

fn present(state: &State) -> Result<&Upload, Refusal> {
    state.upload().ok_or(Refusal::Unknown)
}
