//! What is known of a destination's credentials, and what follows for jobs and for the next try.

use jiff::{SignedDuration, Timestamp};

use super::state::{Knowledge, State};
use crate::{
    FailureCode,
    failure::Persistence,
    proof::{Proof, Standing},
};

/// How long a proof holds where an account demands one.
pub const PROOF_HOLDS: SignedDuration = SignedDuration::from_hours(48);
/// How long after a try the next one is due by itself, and how often a try that keeps failing is
/// recorded.
pub const PROVEN_EVERY: SignedDuration = SignedDuration::from_hours(24);
/// The same, where a try failed and may soon succeed.
pub const TRIED_AGAIN_EVERY: SignedDuration = SignedDuration::from_mins(30);

/// What the last try found out, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// What the credentials may do.
    Proof(Proof, Timestamp),
    /// Nothing: it could not be tried.
    Failure(FailureCode, Timestamp),
}

/// Why a destination does not count as proven write-only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotProven {
    /// Results go to development storage.
    #[error("the account has no destination of its own")]
    NoDestination,
    /// Nobody has tried yet.
    #[error("its destination has not been tried yet")]
    NotTried,
    /// It could never be tried.
    #[error("its destination could not be tried: {0}")]
    Failed(FailureCode),
    /// More is allowed than storing.
    #[error("its destination's credentials allow more than storing: {}", .0.join(", "))]
    Readable(Vec<&'static str>),
    /// Storing is not allowed.
    #[error("its destination's credentials do not allow storing")]
    Closed,
    /// An answer neither allowed nor refused.
    #[error("whether its destination's credentials allow more than storing is unclear")]
    Unclear,
    /// It was proven too long ago.
    #[error("its destination was last proven write-only at {0}, more than {hours} hours ago", hours = PROOF_HOLDS.as_hours())]
    Old(Timestamp),
}

impl Knowledge {
    /// What the last try found out, if there was one.
    #[must_use]
    pub fn finding(&self) -> Option<Finding> {
        let proof = self.proven.map(|(proof, at)| Finding::Proof(proof, at));
        self.failed.map(|(code, at)| Finding::Failure(code, at)).or(proof)
    }

    /// When the credentials are to be tried next; `None`: now, because somebody asked.
    #[must_use]
    pub fn next_try(&self) -> Option<Timestamp> {
        let (at, wait) = match self.finding() {
            _ if self.requested_at.is_some() => return None,
            None => return None,
            Some(Finding::Failure(code, at)) if code.persistence() != Persistence::Lasting => {
                (at, TRIED_AGAIN_EVERY)
            }
            Some(Finding::Failure(_, at) | Finding::Proof(_, at)) => (at, PROVEN_EVERY),
        };
        Some(at.saturating_add(wait).unwrap_or(Timestamp::MAX))
    }

    /// Whether a try that failed at `now` is news. One that keeps failing is said once a day.
    #[must_use]
    pub fn failure_is_news(&self, now: Timestamp) -> bool {
        let old = |at: Timestamp| now.duration_since(at) >= PROVEN_EVERY;
        self.requested_at.is_some() || self.failed.is_none_or(|(_, at)| old(at))
    }
}

/// How long after an answer the next question can be asked, once so many were.
const fn between_questions(asked: u32) -> SignedDuration {
    match asked {
        0..500 => SignedDuration::ZERO,
        500..1_500 => SignedDuration::from_hours(1),
        1_500.. => SignedDuration::from_hours(24),
    }
}

impl State {
    /// When it can be asked again what the destination's credentials may do, if that was answered.
    pub(super) fn next_question(&self) -> Option<Timestamp> {
        let (Finding::Proof(_, at) | Finding::Failure(_, at)) = self.knowledge.finding()?;
        Some(at.saturating_add(between_questions(self.proofs_requested)).unwrap_or(Timestamp::MAX))
    }

    /// Whether jobs may store, as far as the account demands a proof of its destination.
    ///
    /// # Errors
    /// [`NotProven`] where it demands one that is not there.
    pub fn may_store(&self, now: Timestamp) -> Result<(), NotProven> {
        if self.write_only_demanded { self.proven_write_only(now) } else { Ok(()) }
    }

    fn proven_write_only(&self, now: Timestamp) -> Result<(), NotProven> {
        if self.destination.is_none() {
            return Err(NotProven::NoDestination);
        }
        let Some((proof, at)) = self.knowledge.proven else {
            let failed = self.knowledge.failed;
            return Err(failed.map_or(NotProven::NotTried, |(code, _)| NotProven::Failed(code)));
        };
        match proof.standing() {
            Standing::WriteOnly if now.duration_since(at) <= PROOF_HOLDS => Ok(()),
            Standing::WriteOnly => Err(NotProven::Old(at)),
            Standing::Readable => Err(NotProven::Readable(proof.excess())),
            Standing::Closed => Err(NotProven::Closed),
            Standing::Unclear => Err(NotProven::Unclear),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Sealed,
        account::{
            Accounts, Destination, Encryption, Event, Place, Refusal, request_proof,
            set_destination,
        },
        aggregate::fold,
        id::DestinationId,
        proof::Access,
    };

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn id() -> DestinationId {
        DestinationId::from_uuid(uuid::Uuid::from_u128(7))
    }

    fn set() -> Event {
        Event::DestinationSet(Destination {
            destination: id(),
            place: Place {
                endpoint: None,
                region: "eu-west-1".to_owned(),
                bucket: "results".to_owned(),
                prefix: String::new(),
                path_style: false,
                bucket_owner: None,
                access_key_hint: String::new(),
            },
            credentials: Sealed::from_envelope("credentials".to_owned()),
            role: None,
            encryption: Encryption::None,
            headers: None,
            fingerprint: "f".to_owned(),
        })
    }

    fn proven(list: Access, put: Access) -> Event {
        let denied = Access::Denied;
        let proof = Proof { put, get: denied, head: denied, list, delete: denied };
        Event::DestinationProven { destination: id(), proof }
    }

    fn failed(code: FailureCode) -> Event {
        Event::DestinationProofFailed { destination: id(), code, detail: None }
    }

    fn after(events: &[Event]) -> State {
        let demanded = [Event::Opened { label: None }, Event::WriteOnlyDemanded { demanded: true }];
        fold::<Accounts>(demanded.iter().chain(events).map(|event| (event, NOW)))
    }

    fn hours(hours: i64) -> Timestamp {
        NOW + SignedDuration::from_hours(hours)
    }

    #[test]
    fn a_demanded_proof_must_be_there_be_good_and_be_young() {
        use Access::{Allowed, Denied, Unclear};
        let fine = proven(Denied, Allowed);
        for (events, expected) in [
            (vec![], Err(NotProven::NoDestination)),
            (vec![set()], Err(NotProven::NotTried)),
            (
                vec![set(), failed(FailureCode::DestinationMissing)],
                Err(NotProven::Failed(FailureCode::DestinationMissing)),
            ),
            (vec![set(), fine.clone()], Ok(())),
            (vec![set(), fine.clone(), failed(FailureCode::DestinationUnavailable)], Ok(())),
            (vec![set(), proven(Allowed, Allowed)], Err(NotProven::Readable(vec!["LIST"]))),
            (vec![set(), proven(Denied, Denied)], Err(NotProven::Closed)),
            (vec![set(), proven(Unclear, Allowed)], Err(NotProven::Unclear)),
            (vec![set(), fine.clone(), set()], Err(NotProven::NotTried)),
            (
                vec![set(), fine.clone(), Event::DestinationCleared {}],
                Err(NotProven::NoDestination),
            ),
        ] {
            assert_eq!(after(&events).may_store(NOW), expected, "{events:?}");
        }
        let state = after(&[set(), fine]);
        assert_eq!(state.may_store(hours(48)), Ok(()));
        assert_eq!(state.may_store(hours(49)), Err(NotProven::Old(NOW)));
        let carefree = State { write_only_demanded: false, ..state };
        assert_eq!(carefree.may_store(hours(49)), Ok(()));
    }

    #[test]
    fn credentials_are_tried_at_once_when_asked_daily_and_sooner_after_trouble() {
        let fine = proven(Access::Denied, Access::Allowed);
        for (events, expected) in [
            (vec![set()], None),
            (vec![set(), fine.clone()], Some(hours(24))),
            (vec![set(), fine.clone(), Event::ProofRequested { destination: id() }], None),
            (vec![set(), failed(FailureCode::DestinationDenied)], Some(hours(24))),
            (
                vec![set(), fine, failed(FailureCode::DestinationUnavailable)],
                Some(NOW + TRIED_AGAIN_EVERY),
            ),
        ] {
            assert_eq!(after(&events).knowledge.next_try(), expected, "{events:?}");
        }
    }

    #[test]
    fn what_is_asked_very_often_is_answered_more_rarely() {
        let asked = || Event::ProofRequested { destination: id() };
        let fine = || proven(Access::Denied, Access::Allowed);
        let often = |times| {
            let rounds = (0..times).flat_map(|_| [asked(), fine()]);
            after(&[set(), fine()].into_iter().chain(rounds).collect::<Vec<_>>())
        };
        for (times, wait) in [(499, 0), (500, 1), (1_499, 1), (1_500, 24)] {
            let state = often(times);
            assert_eq!(request_proof(&state, hours(wait)), Ok(vec![asked()]), "{times}");
            if wait > 0 {
                let refused = request_proof(&state, hours(wait - 1));
                assert_eq!(refused, Err(Refusal::AskedOften { at: hours(wait) }), "{times}");
            }
        }
    }

    #[test]
    fn setting_the_same_destination_again_is_no_event() {
        let Event::DestinationSet(same) = set() else { unreachable!() };
        let state = after(&[set()]);
        assert_eq!(set_destination(&state, same.clone()), Ok(vec![]));
        let other = Destination { fingerprint: "g".to_owned(), ..same.clone() };
        assert_eq!(set_destination(&state, other).map(|events| events.len()), Ok(1));
        let unknown = Destination { fingerprint: String::new(), ..same };
        assert_eq!(set_destination(&state, unknown).map(|events| events.len()), Ok(1));
    }

    #[test]
    fn what_keeps_failing_is_news_once_a_day_or_when_asked() {
        let trouble = failed(FailureCode::DestinationUnavailable);
        let asked = Event::ProofRequested { destination: id() };
        assert!(after(&[set()]).knowledge.failure_is_news(NOW));
        let state = after(&[set(), trouble.clone()]);
        assert!(!state.knowledge.failure_is_news(hours(23)));
        assert!(state.knowledge.failure_is_news(hours(24)));
        assert!(after(&[set(), trouble, asked]).knowledge.failure_is_news(NOW));
    }
}
