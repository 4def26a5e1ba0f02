//! Every answer that an endpoint can give, and what is kept of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use domain::{
    account,
    delivery::{self, Event, FailureCode},
    endpoint::{self, Circuit},
    sealed::field,
};
use eventlog::{Loaded, Recorded};
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::{Dispatching, Stage};
use crate::{
    lanes::{Entry, Lane, Width},
    matter::Matter,
    target::Target,
};

const OWN: (&str, &str) = ("authorization", "Bearer s3cr3t-of-theirs");

/// Answers each request with these bytes and hangs up, and counts them.
struct Raw {
    port: u16,
    answer: Arc<Mutex<Vec<u8>>>,
    requests: Arc<Mutex<usize>>,
}

impl Raw {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (answer, requests) = (Arc::<Mutex<Vec<u8>>>::default(), Arc::<Mutex<usize>>::default());
        let (says, counts) = (Arc::clone(&answer), Arc::clone(&requests));
        tokio::spawn(async move {
            while let Ok((mut wire, _)) = listener.accept().await {
                let (says, counts) = (Arc::clone(&says), Arc::clone(&counts));
                tokio::spawn(async move {
                    let mut read = vec![0; 16 << 10];
                    let _ = wire.read(&mut read).await;
                    *counts.lock().unwrap() += 1;
                    let answer = says.lock().unwrap().clone();
                    let _ = wire.write_all(&answer).await;
                    let _ = wire.shutdown().await;
                    // What it has not read yet must not become a reset.
                    while wire.read(&mut read).await.is_ok_and(|read| read > 0) {}
                });
            }
        });
        Self { port, answer, requests }
    }
}

struct Bench {
    raw: Raw,
    stage: Stage,
    dispatching: Dispatching,
    endpoint: endpoint::Id,
}

impl Bench {
    async fn set() -> Self {
        let (raw, stage) = (Raw::start().await, Stage::set().await);
        let url = format!("http://127.0.0.1:{}/hook?token=t0ken", raw.port);
        let endpoint = stage.add(&url, OWN).await;
        let dispatching = stage.dispatcher(raw.port);
        Self { raw, stage, dispatching, endpoint }
    }

    /// One attempt at an endpoint that answers with these bytes, and the event that comes of it.
    async fn attempt(&self, answer: Vec<u8>) -> Recorded<delivery::Deliveries> {
        // What was before does not hold this one back.
        let attempted = self.attempt_in(&Arc::new(Lane::default()), answer).await;
        attempted.expect("an empty lane has room")
    }

    /// The same in a lane that remembers what was before; nothing if the endpoint is left alone.
    async fn attempt_in(
        &self,
        lane: &Arc<Lane>,
        answer: Vec<u8>,
    ) -> Option<Recorded<delivery::Deliveries>> {
        *self.raw.answer.lock().unwrap() = answer;
        let happening = self.stage.happening();
        let id = delivery::Id::of(self.endpoint, happening.told.event_id);
        let known = Arc::new(self.stage.endpoint(self.endpoint).await);
        let target = Target::Endpoint { id, endpoint: known };
        let width = Width { at_once: 1, per_second: None };
        let Entry::Go(pass) = lane.enter(width, self.stage.now()) else { return None };
        let account = account::State::default();
        let matter = Matter::new(&happening.told, None, &account);
        let deliverer = &self.dispatching.deliverer;
        deliverer.attempt(&target, &matter, Loaded::default(), 1, pass).await.unwrap();
        self.stage.history(id).await.pop()
    }
}

fn answer(status: u16, fields: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: 0\r\n{fields}\r\n").into()
}

/// Seconds from an attempt to the next.
fn wait(recorded: &Recorded<delivery::Deliveries>) -> Option<i64> {
    match &recorded.event {
        Event::AttemptFailed { retry_at, .. } => {
            Some(retry_at.as_second() - recorded.time.as_second())
        }
        _ => None,
    }
}

#[tokio::test]
async fn only_a_2xx_is_taken_and_every_other_status_leads_where_it_should() {
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for hundred in 1..6_u16 {
        let bench = Bench::set().await;
        for status in hundred * 100..(hundred + 1) * 100 {
            let before = *bench.raw.requests.lock().unwrap();
            let recorded = bench.attempt(answer(status, "Location: /elsewhere\r\n")).await;
            let outcome = match &recorded.event {
                Event::Delivered { status: recorded, .. } => {
                    assert_eq!(*recorded, status);
                    "taken"
                }
                Event::AttemptFailed { code: FailureCode::Status, status: said, .. } => {
                    assert_eq!(*said, Some(status));
                    assert!((5..=6).contains(&wait(&recorded).unwrap()), "{status}");
                    "again"
                }
                // Informational: no answer follows.
                Event::AttemptFailed { code: FailureCode::Unreachable, status: None, .. } => "none",
                Event::Exhausted { code: FailureCode::Gone, status: recorded, .. } => {
                    assert_eq!(*recorded, Some(status));
                    "gone"
                }
                other => panic!("{status}: {other:?}"),
            };
            let expected = match status {
                101 => "again",
                100..=199 => "none",
                200..=299 => "taken",
                410 => "gone",
                _ => "again",
            };
            assert_eq!(outcome, expected, "{status}");
            assert_eq!(*bench.raw.requests.lock().unwrap(), before + 1, "{status} is followed");
            *seen.entry(outcome).or_default() += 1;
        }
        let disabled = bench.stage.endpoint(bench.endpoint).await.disabled.is_some();
        assert_eq!(disabled, hundred == 4, "410 disables, and nothing else");
    }
    assert_eq!(seen, BTreeMap::from([("again", 300), ("gone", 1), ("none", 99), ("taken", 100)]));
}

#[tokio::test]
async fn a_wish_to_be_left_alone_is_honoured_in_both_forms_and_within_bounds() {
    let bench = Bench::set().await;
    for status in [301, 400, 429, 500, 502, 503, 504, 599] {
        for (field, waits) in [
            ("Retry-After: 120\r\n", 120..=120),
            ("retry-after: 2\r\n", 5..=6),
            ("Retry-After: 0\r\n", 5..=6),
            ("Retry-After: 999999999\r\n", 86_400..=86_400),
            ("Retry-After: Sun, 22 Nov 2026 00:10:00 GMT\r\n", 600..=600),
            ("Retry-After: Sunday, 22-Nov-26 00:10:00 GMT\r\n", 600..=600),
            ("Retry-After: Sun Nov 22 00:10:00 2026\r\n", 600..=600),
            ("Retry-After: Fri, 22 Nov 2126 00:10:00 GMT\r\n", 86_400..=86_400),
            ("Retry-After: Sat, 21 Nov 2026 00:10:00 GMT\r\n", 5..=6),
            ("Retry-After: -120\r\n", 5..=6),
            ("Retry-After: soon\r\n", 5..=6),
            ("Retry-After: 120, 240\r\n", 5..=6),
            ("Retry-After: \r\n", 5..=6),
            ("", 5..=6),
        ] {
            let recorded = bench.attempt(answer(status, field)).await;
            let waited = wait(&recorded).unwrap();
            assert!(waits.contains(&waited), "{status} {field:?}: {waited} s");
        }
    }
    // One that took it, or is gone, is not asked when to come again.
    for status in [200, 410] {
        assert_eq!(wait(&bench.attempt(answer(status, "Retry-After: 120\r\n")).await), None);
    }
}

#[tokio::test]
async fn every_wait_is_as_scheduled_or_up_to_a_tenth_longer() {
    const SCHEDULED_MS: i64 = 5_000;
    let bench = Bench::set().await;
    let mut waits_ms = BTreeSet::new();
    for _ in 0..50 {
        let failed = bench.attempt(answer(500, "")).await;
        let Event::AttemptFailed { retry_at, .. } = failed.event else {
            panic!("{:?}", failed.event)
        };
        waits_ms.insert(retry_at.duration_since(failed.time).as_millis() as i64);
    }
    let (shortest, longest) = (waits_ms.first().unwrap(), waits_ms.last().unwrap());
    assert!(*shortest >= SCHEDULED_MS && *longest <= SCHEDULED_MS * 11 / 10, "{waits_ms:?}");
    assert!(longest - shortest > SCHEDULED_MS / 100, "{waits_ms:?}");
}

#[tokio::test]
async fn an_endpoint_is_left_alone_after_five_failures_in_a_row_or_fifty_refusals() {
    for (answers, statuses) in [
        (5, &[500, 502, 503, 504, 599][..]),
        (5, &[301]),
        (5, &[408, 425, 429]),
        (50, &[400, 401, 404, 409, 422, 499]),
        // Four failures and ten refusals.
        (14, &[500, 500, 500, 500, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404]),
    ] {
        let (bench, lane) = (Bench::set().await, Arc::new(Lane::default()));
        // One that is taken makes up for what was before.
        for status in [500, 500, 500, 500, 204] {
            assert!(bench.attempt_in(&lane, answer(status, "")).await.is_some());
        }
        let mut statuses_in_turn = statuses.iter().cycle();
        for number in 1..=answers {
            let known = bench.stage.endpoint(bench.endpoint).await;
            assert_eq!(known.circuit, Circuit::Closed, "before answer {number} of {statuses:?}");
            let status = *statuses_in_turn.next().unwrap();
            let attempted = bench.attempt_in(&lane, answer(status, "")).await;
            assert!(attempted.is_some(), "before answer {number} of {statuses:?}");
        }
        let known = bench.stage.endpoint(bench.endpoint).await;
        assert!(matches!(known.circuit, Circuit::Open { .. }), "after {answers} of {statuses:?}");
        assert!(bench.attempt_in(&lane, answer(204, "")).await.is_none(), "{statuses:?}");
    }
}

#[tokio::test]
async fn what_is_kept_of_an_answer_is_short_readable_and_without_secrets() {
    let bench = Bench::set().await;
    let part = prop_oneof![
        Just(OWN.1.as_bytes().to_vec()),
        Just(b"token=t0ken".to_vec()),
        Just(b"\x1b[2J\x07\r\n\0\x7f\xc2\x9b".to_vec()),
        Just("\u{202e}\u{2028}\u{feff}".as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..200),
        "[a-z ]{0,600}".prop_map(String::into_bytes),
    ];
    let bodies = prop::collection::vec(part, 0..40);
    let mut runner = TestRunner::deterministic();
    for number in 0..150 {
        let body = bodies.new_tree(&mut runner).unwrap().current().concat();
        let status = if number % 2 == 0 { 200 } else { 500 };
        let head = format!(
            "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let recorded = bench.attempt([head.into_bytes(), body.clone()].concat()).await;
        let (Event::Delivered { answer, .. } | Event::AttemptFailed { answer, .. }) =
            &recorded.event
        else {
            panic!("{:?}", recorded.event)
        };
        assert_eq!(answer.excerpt.is_none(), body.is_empty());
        let Some(sealed) = &answer.excerpt else { continue };
        let name = custody::endpoint_field(field::ENDPOINT_ANSWER, bench.endpoint.endpoint);
        let custody = &bench.stage.custody;
        let kept = custody.open_for_account(bench.stage.account, &name, sealed).await.unwrap();
        assert!(kept.len() <= egress::RESPONSE_BYTES_KEPT, "{}", kept.len());
        assert!(!kept.contains(char::is_control), "{kept:?}");
        assert!(!kept.contains(['\u{202e}', '\u{2028}', '\u{feff}']), "{kept:?}");
        for secret in [OWN.1, "token=t0ken"] {
            assert!(!kept.contains(secret), "{kept:?}");
        }
    }
}
