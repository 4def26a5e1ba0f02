//! `kill -9` of everything at random points while jobs come in: nothing is lost, nothing is left.
//!
//! The seed is printed; a constant in its place repeats the same kills.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use api::{ops, projection};
use bytes::Bytes;
use eventlog::Log;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use readmodel::{Positions, Store};
use serde_json::{Value, json};
use testkit::{
    Caller, Part, Received, Reply, Source, SourceServer, Stack, WebhookReceiver, eventually, files,
    pictures, processes, until_some,
};
use tokio::{sync::Mutex, task::JoinSet};

use crate::jobs;

const JOBS: usize = 200;
const KILLS_OF_EACH: usize = 4;
/// Every so many jobs one has no source.
const GONE_EVERY: usize = 10;
/// So many webhooks are answered well before one is not, three times.
const CALM_WEBHOOKS: usize = 20;
/// The longest time between two kills.
const LONGEST_CALM_MS: u64 = 700;
/// How long an accepted job may take until its webhook arrives: whoever held its message may be
/// dead, and the queue waits half a minute before it believes so.
const PATIENCE: Duration = Duration::from_secs(150);

#[derive(Debug, Clone, Copy)]
enum Victim {
    Part(Part),
    Nats,
}

const VICTIMS: [Victim; 5] = [
    Victim::Part(Part::Worker),
    Victim::Part(Part::Dispatcher),
    Victim::Part(Part::Api(0)),
    Victim::Part(Part::Api(1)),
    Victim::Nats,
];

/// Hands a source in until it is accepted, by whichever process answers, and gives the job's id.
async fn insist(callers: Vec<Caller>, number: usize, wish: Value) -> String {
    let (wish, key) = (&wish, format!("order-{number}"));
    let mut turns = callers.iter().cycle().skip(number % callers.len());
    until_some("the job is accepted", PATIENCE, || {
        let (caller, key) = (turns.next().unwrap(), key.as_str());
        async move {
            let answer = caller.try_post("/v2/previews", wish, Some(key)).await?;
            match answer.status {
                200 | 201 => Some(jobs::id(&answer.json())),
                // Whoever says so promises to have accepted nothing.
                429 | 503 => None,
                other => panic!("job {number}: {other} {}", answer.json()),
            }
        }
    })
    .await
}

struct Scene {
    stack: Stack,
    sources: SourceServer,
    hooks: WebhookReceiver,
    /// In every source, and in nothing else.
    marker: String,
    /// In every request, to be found nowhere as it stands.
    secret_word: String,
    began: SystemTime,
}

impl Scene {
    async fn set(seed: u64) -> Self {
        let (sources, hooks) = (SourceServer::start().await, WebhookReceiver::start().await);
        let settings = [
            ("DARKROOM__RETRY__ATTEMPTS", "40"),
            ("DARKROOM__RETRY__FIRST_MS", "100"),
            ("DARKROOM__RETRY__LONGEST_MS", "1000"),
            ("DARKROOM__DISPATCHER__RETRY_AFTER_S", "[1, 1, 1, 1, 1, 1, 1, 1]"),
            ("DARKROOM__DISPATCHER__TIMEOUT_MS", "1000"),
            // Every other source has to leave memory.
            ("DARKROOM__WORKER__SPOOL_MEMORY_BYTES", "20000"),
        ];
        // Some are taken in, and yet the dispatcher cannot know.
        let well = std::iter::repeat_n(Reply::Status(204), CALM_WEBHOOKS);
        for trouble in [Reply::BreakOff, Reply::Hang, Reply::Status(500)] {
            hooks.script(well.clone().chain([trouble]));
        }
        let began = fs::metadata(tempfile::NamedTempFile::new().unwrap()).unwrap().modified();
        let stack = Stack::start(2, &[sources.port(), hooks.port()], &settings).await;
        let marker = format!("negative-{seed:016x}-");
        let secret_word = format!("whisper-{seed:016x}");
        Self { stack, sources, hooks, marker, secret_word, began: began.unwrap() }
    }

    fn callers(&self) -> Vec<Caller> {
        vec![self.stack.caller(0), self.stack.caller(1)]
    }

    fn wish(&self, number: usize) -> Value {
        let path = format!("/{}-{number}.jpg", self.secret_word);
        let source = if number.is_multiple_of(GONE_EVERY) {
            self.sources.url(&path)
        } else {
            let marker = format!("{}{number:06}", self.marker);
            let mut file = pictures::marked_photograph(marker.as_bytes());
            if number.is_multiple_of(2) {
                file.extend(marker.repeat(1_000).as_bytes());
            }
            self.sources.put(&path, Source::bytes(file))
        };
        json!({
            "url": source,
            "sizes": ["32x32"],
            "data": {"note": self.secret_word, "number": number},
            "callback_url": self.hooks.url(&format!("/{}", self.secret_word)),
        })
    }

    async fn kill(&mut self, victim: Victim) {
        match victim {
            Victim::Nats => self.stack.nats.kill().await,
            Victim::Part(part) => {
                self.stack.kill(part);
                self.stack.start_part(part);
            }
        }
    }

    /// Starts what gave up, as a supervisor would, until every webhook has come.
    async fn settle(&mut self, accepted: &BTreeSet<String>) -> Vec<Received> {
        let (hooks, stack) = (&self.hooks, &mut self.stack);
        let missing = || {
            let told: BTreeSet<String> =
                hooks.received().iter().map(|one| jobs::id(&one.json())).collect();
            accepted.difference(&told).count()
        };
        let began = std::time::Instant::now();
        while missing() > 0 && began.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let ended = stack.tend();
            if !ended.is_empty() {
                println!("ended by themselves, started again: {ended:?}");
            }
        }
        assert_eq!(missing(), 0, "webhooks that did not come within {PATIENCE:?}");
        hooks.received()
    }

    /// The files that hold `text`, below the folders in use and, since the test began, the system's
    /// own for what is temporary.
    fn holding(&self, text: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for folder in [self.stack.data(), self.stack.nats.data(), self.stack.s3.data()] {
            found.extend(files::holding(folder, &[text]));
        }
        for folder in [std::env::temp_dir(), PathBuf::from("/dev/shm")] {
            found.extend(files::holding_since(&folder, &[text], self.began));
        }
        found.sort();
        found.dedup();
        found
    }
}

/// Hands all jobs in, a few before each kill.
async fn storm(scene: &mut Scene, random: &mut StdRng) -> Vec<String> {
    let mut kills: Vec<Victim> = VICTIMS.iter().copied().cycle().take(5 * KILLS_OF_EACH).collect();
    kills.shuffle(random);
    let mut posts = JoinSet::new();
    let mut number = 0;
    for (round, victim) in kills.iter().enumerate() {
        while number < JOBS * (round + 1) / kills.len() {
            let (callers, wish) = (scene.callers(), scene.wish(number));
            posts.spawn(async move { (number, insist(callers, number, wish).await) });
            number += 1;
        }
        let calm_ms = random.random_range(0..LONGEST_CALM_MS);
        tokio::time::sleep(Duration::from_millis(calm_ms)).await;
        println!("kill {round}: {victim:?} after {calm_ms} ms");
        scene.kill(*victim).await;
        scene.stack.tend();
    }
    let mut accepted = BTreeMap::new();
    while let Some(post) = posts.join_next().await {
        let (number, id) = post.unwrap();
        accepted.insert(number, id);
        scene.stack.tend();
    }
    accepted.into_values().collect()
}

/// One outcome each, in a legal order, as the source deserves.
async fn check_histories(caller: &Caller, ids: &[String]) {
    for (number, id) in ids.iter().enumerate() {
        let history = jobs::history(caller, id).await;
        let outcomes: Vec<&str> = history
            .iter()
            .map(String::as_str)
            .filter(|name| matches!(*name, "completed" | "failed" | "cancelled"))
            .collect();
        let expected = if number.is_multiple_of(GONE_EVERY) { "failed" } else { "completed" };
        assert_eq!(outcomes, [expected], "job {number}: {history:?}");
        let end = &history[history.len() - 2..];
        assert_eq!(end, ["wiped", expected], "job {number}: {history:?}");
        assert_eq!(history[0], "requested", "job {number}: {history:?}");
    }
}

/// Every job was told of; what was told twice was told under the same id, in the same words.
fn check_webhooks(told: &[Received], ids: &[String]) {
    let mut seen = BTreeMap::new();
    for one in told {
        let first = seen.entry(jobs::id(&one.json())).or_insert(one);
        assert_eq!(one.header("webhook-id"), first.header("webhook-id"));
        assert_eq!(one.body, first.body);
    }
    assert_eq!(seen.keys().collect::<BTreeSet<_>>(), ids.iter().collect());
    let again = told.len() - seen.len();
    println!("{} webhooks, {again} of them again", told.len());
    assert!(again > 0, "those that the receiver did not answer come again");
}

/// Both live read models are, to the byte, the one that is made anew from the log. The log may go on: what
/// was told before a kill and not recorded is told again when its message comes back.
pub(crate) async fn check_read_models(stack: &Stack, name: &str) {
    let operator = stack.nats.log("operator").await;
    let made_anew = Mutex::new(None);
    eventually("both live read models are the one made anew", jobs::PATIENCE, || async {
        let ends = projection::ends(&operator).await.unwrap();
        let mut made_anew = made_anew.lock().await;
        if made_anew.as_ref().is_none_or(|(reached, _)| *reached != ends) {
            *made_anew = Some(make_anew(&operator, ends, &stack.data().join(name)).await);
        }
        let (_, hash) = made_anew.as_ref().unwrap();
        let wait = Duration::from_secs(5);
        let answers = operator.ask(ops::READ_MODEL, Bytes::new(), 2, wait).await;
        let reports: Vec<ops::Report> = answers
            .unwrap_or_default()
            .iter()
            .map(|answer| serde_json::from_slice(answer).unwrap())
            .collect();
        for report in reports.iter().filter(|report| report.positions == ends) {
            assert_eq!(report.hash, *hash, "{}", report.replica);
        }
        reports.len() == 2 && reports.iter().all(|report| report.positions == ends)
    })
    .await;
}

/// A read model made anew from the log up to there, and its hash.
async fn make_anew(operator: &Log, ends: Positions, path: &Path) -> (Positions, String) {
    if path.exists() {
        fs::remove_dir_all(path).unwrap();
    }
    let store = Arc::new(Store::open(path).unwrap().0);
    let reached = projection::rebuild(operator, Arc::clone(&store), ends, |_| {}).await.unwrap();
    assert_eq!(reached, ends);
    assert_eq!(store.unreadable().unwrap(), 0);
    store.hash().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_kills_at_random_points_every_accepted_job_has_ended_once_and_nothing_is_left() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut scene = Scene::set(seed).await;
    let ids = storm(&mut scene, &mut random).await;
    let distinct: BTreeSet<String> = ids.iter().cloned().collect();
    assert_eq!((ids.len(), distinct.len()), (JOBS, JOBS));
    let told = scene.settle(&distinct).await;
    for api in 0..2 {
        scene.stack.ready(api).await;
    }
    check_webhooks(&told, &ids);
    check_histories(&scene.stack.caller(1), &ids).await;
    for number in (0..JOBS).step_by(7) {
        let again = insist(scene.callers(), number, scene.wish(number)).await;
        assert_eq!(again, ids[number], "asking again makes no second job");
    }

    let counts = scene.stack.caller(0).get("/v1/counts").await.json();
    let expected = (json!(JOBS - JOBS / GONE_EVERY), json!(JOBS / GONE_EVERY));
    assert_eq!((counts["completed"].clone(), counts["failed"].clone()), expected, "{counts}");

    check_read_models(&scene.stack, "anew-1").await;
    for api in [Part::Api(0), Part::Api(1)] {
        scene.kill(Victim::Part(api)).await;
    }
    for api in 0..2 {
        scene.stack.ready(api).await;
    }
    check_read_models(&scene.stack, "anew-2").await;

    let none: [PathBuf; 0] = [];
    assert_eq!(scene.holding(&scene.marker), none, "bytes of sources");
    let mut plain = scene.holding(&scene.secret_word);
    // The bucket is the caller's: there the answer lies as it was given.
    plain.retain(|path| !path.starts_with(scene.stack.s3.data()));
    assert_eq!(plain, none, "what callers said, in the clear");
    let worker = scene.stack.pid(Part::Worker);
    let mut held = processes::open_files(worker);
    // The fonts that it lends to renderers are nobody's secret.
    held.retain(|file| !file.contains("memfd:fonts"));
    held.retain(|file| file.contains("memfd:") || file.contains("(deleted)"));
    assert!(held.is_empty(), "the worker still holds {held:?}");
}
