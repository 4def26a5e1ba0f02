//! The table of `job::decide`, line by line.

use domain::{
    Aggregate, Capability, FailureCode,
    job::{self, Event, Jobs, Refusal, State},
    retry::Backoff,
};

use crate::make::{
    artifact, at, attempt, completed, every_event, fetched, requested, sealed, worker,
};

fn given(events: &[Event]) -> State {
    domain::aggregate::fold::<Jobs>(events.iter().map(|event| (event, at(0))))
}

fn queued() -> Vec<Event> {
    vec![Event::Requested(requested("f"))]
}

fn running() -> Vec<Event> {
    [queued(), vec![Event::Started { attempt: 1, worker: worker(1) }]].concat()
}

fn read() -> Vec<Event> {
    [running(), vec![Event::Fetched(fetched())]].concat()
}

fn wiped() -> Vec<Event> {
    [read(), vec![Event::Wiped { bytes: 1 }]].concat()
}

fn cancelling() -> Vec<Event> {
    [running(), vec![Event::CancelRequested {}]].concat()
}

fn done() -> Vec<Event> {
    [wiped(), vec![Event::Completed(completed())]].concat()
}

fn retrying(code: FailureCode) -> Vec<Event> {
    let failed = Event::AttemptFailed { attempt: 1, code, retry_at: at(60), detail: None };
    [running(), vec![Event::Wiped { bytes: 1 }, failed]].concat()
}

fn names(decision: Result<Vec<Event>, Refusal>) -> Result<Vec<&'static str>, Refusal> {
    decision.map(|events| events.iter().map(Jobs::event_name).collect())
}

fn fail(events: &[Event], number: u32, code: FailureCode) -> Result<Vec<&'static str>, Refusal> {
    let attempt = attempt(1, number);
    names(job::fail_attempt(
        &given(events),
        attempt,
        code.into(),
        &Backoff::default(),
        (at(1), 0.0),
    ))
}

#[test]
fn a_request_is_accepted_once_and_repeated_without_effect() {
    assert_eq!(names(job::request(&given(&[]), requested("f"))), Ok(vec!["requested"]));
    assert_eq!(names(job::request(&given(&queued()), requested("f"))), Ok(vec![]));
    assert_eq!(names(job::request(&given(&done()), requested("f"))), Ok(vec![]));
    assert_eq!(
        names(job::request(&given(&queued()), requested("other"))),
        Err(Refusal::OtherRequest)
    );
}

#[test]
fn a_worker_starts_what_is_due() {
    let start = |events: &[Event], second| {
        names(job::start(&given(events), worker(2), &Backoff::default(), at(second)))
    };
    assert_eq!(start(&[], 0), Err(Refusal::Unknown));
    assert_eq!(start(&queued(), 0), Ok(vec!["started"]));
    assert_eq!(start(&running(), 0), Ok(vec!["started"]), "the lease passes on");
    let passing = retrying(FailureCode::SourceTimeout);
    assert_eq!(start(&passing, 59), Err(Refusal::NotDue { at: at(60) }));
    assert_eq!(start(&passing, 60), Ok(vec!["started"]));
    assert_eq!(start(&done(), 0), Err(Refusal::Ended));
    assert_eq!(start(&cancelling(), 0), Ok(vec!["started", "wiped", "cancelled"]));
}

#[test]
fn a_job_that_loses_every_worker_fails() {
    let mut events = queued();
    for number in 1..=5 {
        let next = job::start(&given(&events), worker(1), &Backoff::default(), at(0)).unwrap();
        assert_eq!(next, [Event::Started { attempt: number, worker: worker(1) }]);
        events.extend(next);
    }
    let last = job::start(&given(&events), worker(2), &Backoff::default(), at(0));
    assert_eq!(names(last), Ok(vec!["wiped", "failed"]));
}

#[test]
fn only_the_lease_holder_acts() {
    for (events, who, expected) in [
        (vec![], attempt(1, 1), Err(Refusal::Unknown)),
        (queued(), attempt(1, 1), Err(Refusal::LeaseLost)),
        (running(), attempt(1, 1), Ok(1)),
        (running(), attempt(2, 1), Err(Refusal::LeaseLost)),
        (running(), attempt(1, 2), Err(Refusal::LeaseLost)),
        (cancelling(), attempt(1, 1), Err(Refusal::Cancelling)),
        (retrying(FailureCode::Internal), attempt(1, 1), Err(Refusal::LeaseLost)),
        (done(), attempt(1, 1), Err(Refusal::Ended)),
    ] {
        let state = given(&events);
        let count = |decision: Result<Vec<Event>, Refusal>| decision.map(|events| events.len());
        assert_eq!(count(job::fetched(&state, who, fetched())), expected, "{events:?}");
        assert_eq!(count(job::stored(&state, who, artifact(1, 0))), expected, "{events:?}");
        assert_eq!(count(job::complete(&state, who, completed())), expected, "{events:?}");
    }
}

#[test]
fn nothing_ends_before_intermediates_are_wiped() {
    let who = attempt(1, 1);
    assert_eq!(job::complete(&given(&read()), who, completed()), Err(Refusal::NotWiped));
    assert_eq!(names(job::complete(&given(&wiped()), who, completed())), Ok(vec!["completed"]));
    assert_eq!(fail(&running(), 1, FailureCode::Corrupt), Err(Refusal::NotWiped));
    assert_eq!(job::give_up(&given(&cancelling()), who), Err(Refusal::NotWiped));
    assert_eq!(names(job::wipe(&given(&cancelling()), who, 9)), Ok(vec!["wiped"]));
    assert_eq!(names(job::wipe(&given(&wiped()), who, 9)), Ok(vec![]));
}

#[test]
fn failures_are_retried_when_that_can_help() {
    assert_eq!(fail(&wiped(), 1, FailureCode::SourceTimeout), Ok(vec!["attempt_failed"]));
    assert_eq!(fail(&wiped(), 1, FailureCode::SourceNotFound), Ok(vec!["failed"]));
    assert_eq!(fail(&wiped(), 1, FailureCode::RendererCrashed), Ok(vec!["attempt_failed"]));
    let again = |code| {
        let second = Event::Started { attempt: 2, worker: worker(1) };
        [retrying(code), vec![second, Event::Wiped { bytes: 1 }]].concat()
    };
    assert_eq!(
        job::fail_attempt(
            &given(&again(FailureCode::RendererCrashed)),
            attempt(1, 2),
            FailureCode::RendererTimeout.into(),
            &Backoff::default(),
            (at(1), 0.0)
        ),
        Ok(vec![Event::Failed {
            attempts: 2,
            code: FailureCode::Quarantined,
            capability: None,
            detail: None
        }])
    );
    let once = again(FailureCode::SourceTimeout);
    assert_eq!(fail(&once, 2, FailureCode::RendererCrashed), Ok(vec!["attempt_failed"]));
}

#[test]
fn a_job_that_lacks_a_part_of_the_installation_fails_with_its_name() {
    let code = FailureCode::CapabilityMissing;
    let failure =
        job::Failure { code, capability: Some(Capability::Browser), detail: Some(sealed("why")) };
    assert_eq!(
        job::fail_attempt(
            &given(&wiped()),
            attempt(1, 1),
            failure.clone(),
            &Backoff::default(),
            (at(1), 0.0)
        ),
        Ok(vec![Event::Failed {
            attempts: 1,
            code,
            capability: failure.capability,
            detail: failure.detail
        }])
    );
}

#[test]
fn a_caller_cancels_what_has_not_ended() {
    let cancel = |events: &[Event]| names(job::cancel(&given(events)));
    assert_eq!(cancel(&[]), Err(Refusal::Unknown));
    assert_eq!(cancel(&queued()), Ok(vec!["cancelled"]));
    assert_eq!(cancel(&retrying(FailureCode::Internal)), Ok(vec!["cancelled"]));
    assert_eq!(cancel(&running()), Ok(vec!["cancel_requested"]));
    assert_eq!(cancel(&cancelling()), Ok(vec![]));
    assert_eq!(cancel(&done()), Err(Refusal::Ended));
    let wiped = [cancelling(), vec![Event::Wiped { bytes: 1 }]].concat();
    assert_eq!(names(job::give_up(&given(&wiped), attempt(1, 1))), Ok(vec!["cancelled"]));
    assert_eq!(fail(&wiped, 1, FailureCode::Corrupt), Ok(vec!["cancelled"]));
}

#[test]
fn only_what_has_ended_expires_or_is_erased_and_once() {
    for decide in [job::expire as fn(&State) -> _, |state| job::erase(state, 0)] {
        assert_eq!(decide(&given(&[])), Err(Refusal::Unknown));
        assert_eq!(decide(&given(&running())), Err(Refusal::NotEnded));
        let once = decide(&given(&done())).unwrap();
        assert_eq!(once.len(), 1);
        assert_eq!(decide(&given(&[done(), once].concat())), Ok(vec![]));
    }
}

#[test]
fn evolve_is_total() {
    for first in every_event() {
        for second in every_event() {
            for third in every_event() {
                given(&[first.clone(), second.clone(), third]);
            }
        }
    }
}
