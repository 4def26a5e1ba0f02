//! What may happen to an upload: one function a verb, each pure.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    event::{Checksum, Event, RejectedBecause, RemovedBecause, Started},
    state::{Phase, State, Upload},
};
use crate::id::JobId;

/// The most jobs that may read one upload.
pub const MAX_CLAIMS: usize = 1_000;

/// Why a verb does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such upload.
    #[error("there is no such upload")]
    Unknown,
    /// It has been completed.
    #[error("the upload has been completed")]
    Completed,
    /// It has expired, was rejected, or the file has been removed.
    #[error("the upload has expired, was rejected, or the file has been removed")]
    Gone,
    /// It has not been completed.
    #[error("the upload has not been completed")]
    Open,
    /// Another checksum was announced.
    #[error("another checksum was announced when the upload was started")]
    OtherChecksum,
    /// Enough jobs have read it.
    #[error("at most {MAX_CLAIMS} jobs can read one upload")]
    TooManyJobs,
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

/// Asks that what the parts make be held against `checksum`; nothing to do when that was asked.
///
/// # Errors
/// [`Refusal::Unknown`], [`Refusal::Gone`] also when its time is over, [`Refusal::OtherChecksum`].
pub fn request_completion(state: &State, checksum: &Checksum, now: Timestamp) -> Decision {
    let upload = present(state)?;
    let announced = match &upload.phase {
        Phase::Open if now >= upload.started.expires_at => return Err(Refusal::Gone),
        Phase::Open => upload.started.checksum.as_ref(),
        Phase::Verifying { checksum, .. } | Phase::Uploaded { checksum, .. } => Some(checksum),
        Phase::Rejected { .. } | Phase::Expired { .. } | Phase::Removed { .. } => {
            return Err(Refusal::Gone);
        }
    };
    if announced.is_some_and(|announced| announced != checksum) {
        return Err(Refusal::OtherChecksum);
    }
    Ok(match upload.phase {
        Phase::Open => vec![Event::CompletionRequested { checksum: checksum.clone() }],
        _ => vec![],
    })
}

/// Records that the whole file is there and is what was announced.
///
/// # Errors
/// [`Refusal::Unknown`], [`Refusal::Open`], [`Refusal::Gone`].
pub fn confirm(state: &State) -> Decision {
    let upload = present(state)?;
    match &upload.phase {
        Phase::Verifying { checksum, .. } => Ok(vec![Event::SourceUploaded {
            size_bytes: upload.started.size_bytes,
            checksum: checksum.clone(),
        }]),
        Phase::Uploaded { .. } => Ok(vec![]),
        Phase::Open => Err(Refusal::Open),
        Phase::Rejected { .. } | Phase::Expired { .. } | Phase::Removed { .. } => {
            Err(Refusal::Gone)
        }
    }
}

/// Records that it is not what was announced.
///
/// # Errors
/// [`Refusal::Unknown`], [`Refusal::Open`], [`Refusal::Completed`].
pub fn reject(state: &State, because: RejectedBecause) -> Decision {
    match present(state)?.phase {
        Phase::Verifying { .. } => Ok(vec![Event::Rejected { because }]),
        Phase::Rejected { .. } | Phase::Expired { .. } | Phase::Removed { .. } => Ok(vec![]),
        Phase::Open => Err(Refusal::Open),
        Phase::Uploaded { .. } => Err(Refusal::Completed),
    }
}

/// Keeps the file until a job has ended.
///
/// # Errors
/// [`Refusal::Unknown`], [`Refusal::Open`], [`Refusal::Gone`], [`Refusal::TooManyJobs`].
pub fn claim(state: &State, job: JobId) -> Decision {
    let upload = present(state)?;
    match upload.phase {
        Phase::Uploaded { .. } if upload.claims.contains_key(&job) => Ok(vec![]),
        Phase::Uploaded { .. } if upload.claims.len() >= MAX_CLAIMS => Err(Refusal::TooManyJobs),
        Phase::Uploaded { .. } => Ok(vec![Event::Claimed { job }]),
        Phase::Open | Phase::Verifying { .. } => Err(Refusal::Open),
        Phase::Rejected { .. } | Phase::Expired { .. } | Phase::Removed { .. } => {
            Err(Refusal::Gone)
        }
    }
}

/// Records that its parts go, because it was not completed in time or was given up.
///
/// # Errors
/// [`Refusal::Unknown`], [`Refusal::Completed`].
pub fn expire(state: &State) -> Decision {
    match present(state)?.phase {
        Phase::Open => Ok(vec![Event::Expired {}]),
        Phase::Rejected { .. } | Phase::Expired { .. } | Phase::Removed { .. } => Ok(vec![]),
        Phase::Verifying { .. } | Phase::Uploaded { .. } => Err(Refusal::Completed),
    }
}

/// Records that the file can be read no more.
///
/// # Errors
/// [`Refusal::Unknown`], [`Refusal::Open`].
pub fn remove(state: &State, because: RemovedBecause) -> Decision {
    match present(state)?.phase {
        Phase::Uploaded { .. } => Ok(vec![Event::Removed { because }]),
        Phase::Rejected { .. } | Phase::Expired { .. } | Phase::Removed { .. } => Ok(vec![]),
        Phase::Open | Phase::Verifying { .. } => Err(Refusal::Open),
    }
}

/// Removes the file if it stays for no job but those that are over; otherwise nothing to do yet.
///
/// # Errors
/// As [`remove`].
pub fn release(state: &State, over: &BTreeSet<JobId>) -> Decision {
    let upload = present(state)?;
    if !upload.claims.keys().all(|job| over.contains(job)) {
        return Ok(vec![]);
    }
    let unused = upload.claims.is_empty();
    remove(state, if unused { RemovedBecause::Unused } else { RemovedBecause::JobsEnded })
}

fn present(state: &State) -> Result<&Upload, Refusal> {
    state.upload().ok_or(Refusal::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Aggregate, Sealed, upload::Uploads};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn checksum(digit: &str) -> Checksum {
        Checksum::crc32c(&digit.repeat(8)).unwrap()
    }

    fn job(number: u128) -> JobId {
        JobId::from_uuid(uuid::Uuid::from_u128(number))
    }

    fn given(events: &[Event]) -> State {
        events.iter().fold(State::default(), |state, event| Uploads::evolve(state, event, at(0)))
    }

    fn started(announced: Option<Checksum>) -> Event {
        Event::Started(Started {
            application: None,
            file_name: None,
            size_bytes: 7,
            part_bytes: 7,
            multipart: Sealed::from_envelope("m".to_owned()),
            key: "uploads/a/b".to_owned(),
            checksum: announced,
            expires_at: at(100),
        })
    }

    fn asked() -> Event {
        Event::CompletionRequested { checksum: checksum("a") }
    }

    fn uploaded() -> Event {
        Event::SourceUploaded { size_bytes: 7, checksum: checksum("a") }
    }

    #[test]
    fn an_upload_is_completed_in_time_with_the_checksum_announced_and_once() {
        let open = given(&[started(None)]);
        assert_eq!(request_completion(&open, &checksum("a"), at(99)), Ok(vec![asked()]));
        assert_eq!(request_completion(&open, &checksum("a"), at(100)), Err(Refusal::Gone));
        let announced = given(&[started(Some(checksum("b")))]);
        let other = request_completion(&announced, &checksum("a"), at(0));
        assert_eq!(other, Err(Refusal::OtherChecksum));
        let verifying = given(&[started(None), asked()]);
        assert_eq!(request_completion(&verifying, &checksum("a"), at(200)), Ok(vec![]));
        let other = request_completion(&verifying, &checksum("b"), at(0));
        assert_eq!(other, Err(Refusal::OtherChecksum));
        assert_eq!(confirm(&verifying), Ok(vec![uploaded()]));
        assert_eq!(confirm(&open), Err(Refusal::Open));
        assert_eq!(expire(&verifying), Err(Refusal::Completed));
        assert_eq!(confirm(&given(&[started(None), asked(), uploaded()])), Ok(vec![]));
        assert_eq!(confirm(&State::Absent), Err(Refusal::Unknown));
    }

    #[test]
    fn what_was_rejected_or_has_expired_can_do_nothing_more() {
        let rejected = Event::Rejected { because: RejectedBecause::Checksum };
        for over in [
            given(&[started(None), asked(), rejected]),
            given(&[started(None), Event::Expired {}]),
            given(&[started(None), Event::Removed { because: RemovedBecause::Asked }]),
        ] {
            assert!(over.upload().is_some_and(|upload| upload.phase.is_over()));
            assert_eq!(request_completion(&over, &checksum("a"), at(0)), Err(Refusal::Gone));
            assert_eq!(confirm(&over), Err(Refusal::Gone));
            assert_eq!(claim(&over, job(1)), Err(Refusal::Gone));
            assert_eq!(remove(&over, RemovedBecause::Asked), Ok(vec![]));
            assert_eq!(expire(&over), Ok(vec![]));
        }
    }

    #[test]
    fn a_file_stays_until_every_job_that_claimed_it_is_over() {
        let before = given(&[started(None), asked()]);
        assert_eq!(claim(&before, job(1)), Err(Refusal::Open));
        let one = given(&[started(None), asked(), uploaded(), Event::Claimed { job: job(1) }]);
        assert_eq!(claim(&one, job(1)), Ok(vec![]));
        assert_eq!(claim(&one, job(2)), Ok(vec![Event::Claimed { job: job(2) }]));
        let two = Uploads::evolve(one.clone(), &Event::Claimed { job: job(2) }, at(1));
        let over = BTreeSet::from([job(1)]);
        let ended = Event::Removed { because: RemovedBecause::JobsEnded };
        assert_eq!(release(&one, &over), Ok(vec![ended.clone()]));
        assert_eq!(release(&two, &over), Ok(vec![]));
        assert_eq!(release(&two, &BTreeSet::from([job(1), job(2)])), Ok(vec![ended]));
        let unused = given(&[started(None), asked(), uploaded()]);
        let removed = Event::Removed { because: RemovedBecause::Unused };
        assert_eq!(release(&unused, &BTreeSet::new()), Ok(vec![removed]));
    }

    #[test]
    fn a_checksum_is_so_many_digits_in_either_case() {
        assert_eq!(Checksum::crc32c("E3069283"), Some(Checksum::Crc32c("e3069283".to_owned())));
        for wrong in ["", "e306928", "e30692833", "g3069283", "e306928+"] {
            assert_eq!(Checksum::crc32c(wrong), None, "{wrong}");
        }
        assert!(Checksum::sha256(&"0F".repeat(32)).is_some());
        assert_eq!(Checksum::sha256("e3069283"), None);
    }
}
