//! `kill -9` of the dispatcher and of the log's server at random points while endpoints flap: every
//! event is delivered, in order where that is asked for, and the log says how.
//!
//! The seed is printed; a constant in its place repeats the same kills.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use domain::{
    delivery::{self, Deliveries, Event, FailureCode},
    endpoint,
    id::EndpointId,
    job::Jobs,
};
use eventlog::{Log, Raw, Span, topology, verify_chain};
use futures::TryStreamExt as _;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use serde_json::json;
use testkit::{Part, eventually};

use crate::{
    deliveries_receiver::{Given, Line, Receiver},
    endpoints::{Scene, text},
};

/// Longest time between two kills, in milliseconds.
const LONGEST_CALM_MS: u64 = 600;
/// How long all may take in the end: whoever held a message may be dead, and the queue waits half a
/// minute before it believes so; an endpoint that failed is left alone for a quarter, and more.
const PATIENCE: Duration = Duration::from_secs(600);

/// How long it may take after all is delivered until the last attempt is in the log.
const RECORDED_WITHIN: Duration = Duration::from_secs(120);

/// How much of everything.
struct Size {
    jobs: usize,
    /// Endpoints that are told outcomes.
    plain: usize,
    /// Endpoints that are told every step, in order.
    ordered: usize,
    kills: usize,
    restarts: usize,
}

const SMALL: Size = Size { jobs: 12, plain: 4, ordered: 2, kills: 5, restarts: 1 };
/// 10 outcomes and 10 times four steps of 200 jobs.
const FULL: Size = Size { jobs: 200, plain: 10, ordered: 10, kills: 100, restarts: 10 };

/// Most answers are good; others are not, and are not counted as taken.
fn flapping(_path: &str) -> Given {
    match rand::random_range(0..100) {
        0..6 => Given::Status(500),
        6..10 => Given::Status(429),
        10..14 => Given::Nothing,
        14..16 => Given::Silence,
        _ => Given::Status(200),
    }
}

/// Longest attempt.
const TIMEOUT_MS: u32 = 1_500;

struct Watch {
    scene: Scene,
    receiver: Receiver,
    /// Each endpoint, and whether it wants order.
    endpoints: BTreeMap<EndpointId, bool>,
}

impl Watch {
    async fn set(size: &Size) -> Self {
        let receiver = Receiver::start(flapping).await;
        let scene = Scene::beside(&[receiver.port()], TIMEOUT_MS).await;
        let mut endpoints = BTreeMap::new();
        for number in 0..size.plain + size.ordered {
            let ordered = number >= size.plain;
            let mut asked = json!({
                "url": receiver.url(&format!("/{number}")), "payload": "thin", "ordered": ordered,
            });
            if ordered {
                asked["topics"] = json!(["job.*"]);
            }
            let added = scene.add(&asked).await;
            endpoints.insert(text(&added, "id").parse().unwrap(), ordered);
        }
        Self { scene, receiver, endpoints }
    }

    /// Hands in jobs, a few before each kill.
    async fn storm(&mut self, size: &Size, random: &mut StdRng) {
        let mut kills = vec![true; size.kills];
        kills.extend(vec![false; size.restarts]);
        kills.shuffle(random);
        let (rounds, mut number) = (kills.len().max(1), 0);
        for (round, dispatcher) in kills.into_iter().enumerate() {
            while number < size.jobs * (round + 1) / rounds {
                self.hand_in(number).await;
                number += 1;
            }
            let calm_ms = random.random_range(0..LONGEST_CALM_MS);
            tokio::time::sleep(Duration::from_millis(calm_ms)).await;
            if dispatcher {
                self.scene.stack.kill(Part::Dispatcher);
                self.scene.stack.start_part(Part::Dispatcher);
            } else {
                self.scene.stack.nats.kill().await;
            }
            self.scene.stack.tend();
        }
        for number in number..size.jobs {
            self.hand_in(number).await;
        }
    }

    async fn hand_in(&self, number: usize) {
        let url = self.scene.sources.url(&format!("/gone-{number}.jpg"));
        let (wish, key) = (json!({"url": url, "sizes": ["40x40"]}), format!("order-{number}"));
        eventually("a job is accepted", PATIENCE, || async {
            let answer = self.scene.caller.try_post("/v2/previews", &wish, Some(&key)).await;
            answer.is_some_and(|answer| [200, 201].contains(&answer.status))
        })
        .await;
    }

    /// Waits until so many jobs have ended and all that is owed is delivered, and gives every delivery
    /// that is owed with its history.
    async fn settle(&mut self, jobs: usize) -> BTreeMap<delivery::Id, Vec<Raw>> {
        let began = Instant::now();
        let outcomes = self.endpoints.values().filter(|ordered| !**ordered).count() * jobs;
        let log = self.scene.stack.nats.log("auditor").await;
        let (mut events, mut deliveries) =
            (Reader::of(&log, topology::JOBS), Reader::of(&log, topology::DELIVERIES));
        let (mut owed, mut histories) = (BTreeSet::new(), BTreeMap::<_, Vec<Raw>>::new());
        loop {
            for raw in events.read().await {
                owed.extend(self.owed(&raw));
            }
            for raw in deliveries.read().await {
                let id = raw.decode::<Deliveries>().unwrap().id;
                histories.entry(id).or_default().push(raw);
            }
            let over = |id: &delivery::Id| histories.get(id).is_some_and(|all| is_over(all));
            let left: Vec<_> = owed.iter().filter(|id| !over(id)).collect();
            if left.is_empty() && owed.len() >= outcomes {
                histories.retain(|id, _| owed.contains(id));
                return histories;
            }
            let (count, first) = (left.len(), left.first());
            let words = self.scene.stack.last_words();
            assert!(began.elapsed() < PATIENCE, "{count} are left, such as {first:?}; {words}");
            self.scene.stack.tend();
            tokio::time::sleep(Duration::from_millis(1_000)).await;
        }
    }

    /// The deliveries that there must be of an event.
    fn owed(&self, raw: &Raw) -> Vec<delivery::Id> {
        let recorded = raw.decode::<Jobs>().unwrap();
        let is_outcome = recorded.event.is_outcome();
        let told = self.endpoints.iter().filter(|(_, wants_all)| **wants_all || is_outcome);
        told.map(|(endpoint, _)| {
            let endpoint = endpoint::Id { account: recorded.id.account, endpoint: *endpoint };
            delivery::Id::of(endpoint, recorded.event_id)
        })
        .collect()
    }
}

/// Reads on in a stream.
struct Reader<'a> {
    log: &'a Log,
    stream: &'static str,
    next: u64,
}

impl<'a> Reader<'a> {
    const fn of(log: &'a Log, stream: &'static str) -> Self {
        Self { log, stream, next: 1 }
    }

    /// What was stored since it was last asked for.
    async fn read(&mut self) -> Vec<Raw> {
        let span = Span { from_seq: Some(self.next), ..Span::default() };
        let raws: Vec<Raw> = self.log.replay(self.stream, span).try_collect().await.unwrap();
        self.next = raws.last().map_or(self.next, |raw| raw.seq + 1);
        raws
    }
}

/// Of two attempts at the same time one may have ended after the other was taken.
fn is_over(history: &[Raw]) -> bool {
    history.iter().any(|raw| ["delivered", "exhausted"].contains(&raw.event_name()))
}

/// What the log says of a delivery.
struct Said {
    attempts: usize,
    /// Those of them that were cut off: the endpoint was asked, or was about to be.
    interrupted: usize,
}

/// Whether the log has as many attempts of each delivery as there came requests.
fn is_all_recorded(histories: &BTreeMap<delivery::Id, Vec<Raw>>, lines: &[Line]) -> bool {
    let mut came: BTreeMap<&str, usize> = BTreeMap::new();
    for line in lines {
        *came.entry(&line.webhook_id).or_default() += 1;
    }
    histories.iter().all(|(id, history)| {
        let made = ["attempt_failed", "delivered", "exhausted"];
        let recorded = history.iter().filter(|raw| made.contains(&raw.event_name())).count();
        came.get(webhook_id(id).as_str()).is_none_or(|came| *came <= recorded)
    })
}

fn webhook_id(id: &delivery::Id) -> String {
    format!("msg_{}", id.delivery.as_uuid().simple())
}

/// The chain holds, attempts are counted without a gap, and one of them was taken; what the log says
/// was answered was.
fn check_history(id: &delivery::Id, history: &[Raw], came: &[&Line]) -> Said {
    verify_chain(history).unwrap();
    let (mut attempts, mut interrupted, mut taken) = (0, 0, 0);
    let mut answered = BTreeMap::<u16, usize>::new();
    for raw in history {
        let status = match raw.decode::<Deliveries>().unwrap().event {
            Event::Due { .. } => continue,
            Event::AttemptFailed { attempt, status, code, .. } => {
                assert_eq!(attempt, attempts + 1, "{id}");
                interrupted += usize::from(code == FailureCode::Interrupted);
                taken += usize::from(code.may_have_arrived());
                status
            }
            Event::Delivered { attempt, status, .. } => {
                assert_eq!(attempt, attempts + 1, "{id}");
                taken += 1;
                Some(status)
            }
            other => panic!("{id}: {other:?}"),
        };
        attempts += 1;
        if let Some(status) = status {
            *answered.entry(status).or_default() += 1;
        }
    }
    assert!(history.iter().any(|raw| raw.event_name() == "delivered"), "{id}");
    for (status, count) in &answered {
        let given = came.iter().filter(|line| line.given == Given::Status(*status)).count();
        assert!(given >= *count, "{id}: {count} times {status} are recorded, {given} were given");
    }
    let took = came.iter().filter(|line| line.is_taken()).count();
    assert!(took <= taken, "{id}: taken {took} times, of which the log counts {taken}");
    Said { attempts: attempts as usize, interrupted }
}

/// Whoever wants order takes a job's events in order, and nothing again after what followed it.
fn check_order(path: &str, lines: &[Line]) {
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.path == path) {
        let body = line.json();
        let Some(job) = body["data"]["job"].as_str() else { continue };
        let seq = body["data"]["sequence"].as_u64().unwrap();
        let before = last.insert(job.to_owned(), seq);
        assert!(before.is_none_or(|before| before <= seq), "{path}: {seq} of {job} came too late");
    }
}

async fn survive(size: Size) {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut watch = Watch::set(&size).await;
    watch.storm(&size, &mut random).await;
    let began = Instant::now();
    let (histories, lines) = loop {
        let histories = watch.settle(size.jobs).await;
        let lines = watch.receiver.lines();
        // What could not be recorded when it was over is, soon after.
        if is_all_recorded(&histories, &lines) || began.elapsed() > RECORDED_WITHIN {
            break (histories, lines);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    let mut came: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
    for line in &lines {
        let all = came.entry(&line.webhook_id).or_default();
        all.push(line);
        assert_eq!(line.body, all[0].body, "the same id says the same");
    }
    let (mut requests, mut attempts, mut interrupted) = (0, 0, 0);
    for (id, history) in &histories {
        let came = came.get(webhook_id(id).as_str()).map(Vec::as_slice).unwrap_or_default();
        assert!(came.iter().any(|line| line.is_taken()), "{id} never came");
        let recorded = check_history(id, history, came);
        assert!(came.len() <= recorded.attempts, "{id}: an attempt is not in the log");
        requests += came.len();
        attempts += recorded.attempts;
        interrupted += recorded.interrupted;
    }
    for number in size.plain..size.plain + size.ordered {
        check_order(&format!("/{number}"), &lines);
    }
    let (kills, restarts) = (size.kills, size.restarts);
    println!(
        "{} deliveries, {requests} requests, {attempts} attempts in the log; {kills} kills and {restarts} restarts interrupted {interrupted}",
        histories.len()
    );
    if kills + restarts == 0 {
        assert_eq!((attempts, interrupted), (requests, 0), "what came is what is in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attempt_at_endpoints_that_flap_is_in_the_log() {
    survive(Size { kills: 0, restarts: 0, ..SMALL }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_kills_and_restarts_everything_was_delivered_in_order_and_the_log_says_how() {
    survive(SMALL).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: ./justw drill-webhooks"]
async fn ten_thousand_deliveries_outlive_a_hundred_kills_and_ten_restarts() {
    survive(FULL).await;
}
