//! Two workers and a caller act on one job in any order, each on what it last saw: the log takes
//! an append only from who has seen its end, and then one history, legal, with one outcome results.

use domain::{
    FailureCode,
    job::{self, Attempt, Event, Jobs, Phase, Refusal, State},
    retry::Backoff,
};
use proptest::prelude::*;

use crate::make::{artifact, at, completed, fetched, requested, worker};

#[derive(Debug, Clone, Copy)]
enum Act {
    Look,
    Start,
    Fetched,
    Stored(u8),
    Wipe,
    Complete,
    Fail(usize),
    GiveUp,
    Cancel,
}

#[derive(Clone)]
struct Actor {
    number: u8,
    seen: usize,
    attempt: Option<Attempt>,
}

fn state(log: &[Event]) -> State {
    domain::aggregate::fold::<Jobs>(log.iter().map(|event| (event, at(0))))
}

fn act(actor: &mut Actor, act: Act, log: &mut Vec<Event>) {
    let seen = state(&log[..actor.seen]);
    let mine = actor.attempt.unwrap_or(Attempt { worker: worker(actor.number), number: 0 });
    let backoff = Backoff::default();
    let decision: Result<Vec<Event>, Refusal> = match act {
        Act::Look => {
            actor.seen = log.len();
            return;
        }
        Act::Start => job::start(&seen, worker(actor.number), &backoff, at(1_000_000)),
        Act::Fetched => job::fetched(&seen, mine, fetched()),
        Act::Stored(size) => job::stored(&seen, mine, artifact(1, u32::from(size))),
        Act::Wipe => job::wipe(&seen, mine, 1),
        Act::Complete => job::complete(&seen, mine, completed()),
        Act::Fail(code) => {
            let code = FailureCode::ALL[code % FailureCode::ALL.len()];
            job::fail_attempt(&seen, mine, code.into(), &backoff, (at(0), 0.0))
        }
        Act::GiveUp => job::give_up(&seen, mine),
        Act::Cancel => job::cancel(&seen),
    };
    for event in decision.unwrap_or_default() {
        if actor.seen != log.len() {
            return; // The sequence check refuses it.
        }
        if let Event::Started { attempt, worker } = event {
            actor.attempt = Some(Attempt { worker, number: attempt });
        }
        log.push(event);
        actor.seen = log.len();
        assert_legal(log);
    }
}

fn assert_legal(log: &[Event]) {
    let outcomes = log.iter().filter(|event| event.is_outcome()).count();
    assert!(outcomes <= 1, "two outcomes: {log:?}");
    let Some(last) = log.last() else { return };
    if outcomes == 1 {
        assert!(last.is_outcome(), "something after the outcome: {log:?}");
        let fetched = log.iter().rposition(|event| matches!(event, Event::Fetched(_)));
        let wiped = log.iter().rposition(|event| matches!(event, Event::Wiped { .. }));
        assert!(fetched <= wiped, "ended without wiping what was fetched: {log:?}");
    }
    let attempts: Vec<u32> = log
        .iter()
        .filter_map(|event| match event {
            Event::Started { attempt, .. } => Some(*attempt),
            _ => None,
        })
        .collect();
    let counted: Vec<u32> = (1..).take(attempts.len()).collect();
    assert_eq!(attempts, counted, "attempts count from 1");
}

fn acts() -> impl Strategy<Value = Vec<(usize, Act)>> {
    let act = prop_oneof![
        4 => Just(Act::Look),
        3 => Just(Act::Start),
        2 => Just(Act::Fetched),
        2 => (0_u8..3).prop_map(Act::Stored),
        3 => Just(Act::Wipe),
        2 => Just(Act::Complete),
        2 => (0_usize..64).prop_map(Act::Fail),
        1 => Just(Act::GiveUp),
        1 => Just(Act::Cancel),
    ];
    prop::collection::vec((0_usize..3, act), 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn any_interleaving_yields_one_legal_history_with_at_most_one_outcome(acts in acts()) {
        let mut log = vec![Event::Requested(requested("f"))];
        let mut actors: Vec<Actor> = (1..=3)
            .map(|number| Actor { number, seen: 1, attempt: None })
            .collect();
        for (who, what) in acts {
            act(&mut actors[who], what, &mut log);
        }
        // Whatever happened, one diligent worker can bring the job to its end.
        let mut last = Actor { number: 9, seen: log.len(), attempt: None };
        for what in [Act::Start, Act::Fetched, Act::Wipe, Act::GiveUp, Act::Complete] {
            act(&mut last, what, &mut log);
        }
        let state = state(&log);
        let ended = matches!(state.job().map(|job| &job.phase), Some(Phase::Ended(_)));
        prop_assert!(ended, "{log:?}");
    }
}
