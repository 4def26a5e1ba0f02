//! What one endpoint may do to others and to the dispatcher: nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use domain::{
    delivery::{self, Deliveries, Told},
    endpoint::{self, Endpoints},
    id::{EndpointId, EventId, JobId},
    job::{self, Jobs},
};
use eventlog::{Log, Span, topology};
use futures::{StreamExt as _, TryStreamExt as _, future::join_all, stream};
use rand::Rng as _;
use serde_json::{Value, json};
use service::{Clock as _, SystemClock};
use testkit::{Part, eventually, until_some};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use uuid::Uuid;

use crate::{
    deliveries_receiver::{Given, Receiver},
    endpoints::{Scene, text},
    jobs::PATIENCE,
};

/// The longest attempt.
const TIMEOUT_MS: u32 = 15_000;
/// Events written at once while a scene is set.
const AT_ONCE: usize = 256;
/// What a dispatcher may grow by while an endpoint does its worst, in KiB.
const GROWTH_KIB: u64 = 64 << 10;

/// Makes so many deliveries due that say no more than that something failed.
async fn make_due(log: &Log, endpoint: endpoint::Id, count: usize) {
    let one = |number: u64| async move {
        let event_id = EventId::from_uuid(Uuid::new_v4());
        let told = Told {
            event_id,
            event_type: "job.failed".to_owned(),
            job: None,
            time: Some(SystemClock.now()),
            stream: topology::JOBS.to_owned(),
            seq: number + 1,
        };
        let id = delivery::Id::of(endpoint, event_id);
        let due = |state: &delivery::State| delivery::due(state, told.clone());
        log.transact::<Deliveries, _>(&id, SystemClock.now(), due).await.unwrap();
    };
    stream::iter(0..count as u64).for_each_concurrent(AT_ONCE, one).await;
}

fn id_of(scene: &Scene, endpoint: &serde_json::Value) -> endpoint::Id {
    let endpoint: EndpointId = text(endpoint, "id").parse().unwrap();
    endpoint::Id { account: scene.stack.account, endpoint }
}

/// Resident memory of a process.
fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

async fn silence_one_and_tell_the_others(others: usize, jobs: usize, due: usize) {
    let hooks = Receiver::start(|_| Given::Status(204)).await;
    let hole = Receiver::start(|_| Given::Silence).await;
    let scene = Scene::beside(&[hooks.port(), hole.port()], TIMEOUT_MS).await;
    let silent = json!({"url": hole.url("/"), "payload": "thin", "timeout_ms": TIMEOUT_MS});
    let silent = scene.caller.post("/v1/endpoints", &silent).await.json();
    let others = join_all((0..others).map(|number| {
        let url = hooks.url(&format!("/{number}"));
        let scene = &scene;
        async move { scene.add(&json!({"url": url, "payload": "thin"})).await }
    }))
    .await;
    make_due(&scene.stack.nats.log("api").await, id_of(&scene, &silent), due).await;
    for number in 0..jobs {
        scene.job(&format!("gone-{number}.jpg"), false).await;
    }
    eventually("all others are told everything", PATIENCE, || async {
        hooks.count(|line| line.json()["type"] == "job.failed") >= others.len() * jobs
    })
    .await;
    let mut told: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in hooks.lines() {
        *told.entry((line.path, line.webhook_id)).or_default() += 1;
    }
    assert!(told.values().all(|times| *times == 1), "nobody is told twice");
    let waiting = format!("endpoint={}&status=delivered", text(&silent, "id"));
    assert_eq!(scene.deliveries(&waiting).await.len(), 0);
    // No more than may be at once; the break begins with the first that fail.
    assert!(hole.lines().len() <= 32, "{} tried the silent one", hole.lines().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn ninety_nine_endpoints_are_told_while_the_hundredth_holds_its_own() {
    silence_one_and_tell_the_others(99, 4, 500).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: ./justw drill-webhooks"]
async fn an_endpoint_is_told_while_ten_thousand_wait_for_one_that_is_silent() {
    silence_one_and_tell_the_others(1, 50, 10_000).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: ./justw drill-webhooks"]
async fn a_dispatcher_holds_a_hundred_thousand_that_wait_as_it_holds_ten_thousand() {
    let hole = Receiver::start(|_| Given::Silence).await;
    let scene = Scene::beside(&[hole.port()], TIMEOUT_MS).await;
    let silent = json!({"url": hole.url("/"), "payload": "thin"});
    let silent = scene.caller.post("/v1/endpoints", &silent).await.json();
    let log = scene.stack.nats.log("api").await;
    let pid = scene.stack.pid(Part::Dispatcher);
    let mut held = Vec::new();
    for more in [10_000, 90_000] {
        make_due(&log, id_of(&scene, &silent), more).await;
        // What was just written is looked at once.
        tokio::time::sleep(Duration::from_secs(20)).await;
        held.push(resident_kib(pid));
    }
    println!("resident KiB with 10,000 and 100,000 due: {held:?}");
    assert!(held[1] <= held[0] + held[0] / 4, "{held:?}");
}

/// What a hostile receiver does after it has read the beginning of a request.
type Trick = fn(TcpStream) -> futures::future::BoxFuture<'static, ()>;

/// Sends this over and over, until the other side has had enough.
async fn pour(mut wire: TcpStream, head: &str, again: Vec<u8>, pause: Duration) {
    let _ = wire.write_all(head.as_bytes()).await;
    while wire.write_all(&again).await.is_ok() {
        tokio::time::sleep(pause).await;
    }
}

const AT_ONCE_BYTES: usize = 64 << 10;

/// Each trick, the status that is recorded of it, if any, and the code, if it failed.
const ZOO: [(&str, Trick, Option<u16>, Option<&str>); 8] = [
    (
        "never-ending",
        |wire| {
            let chunk = [
                format!("{AT_ONCE_BYTES:x}\r\n").into_bytes(),
                vec![b'x'; AT_ONCE_BYTES],
                b"\r\n".to_vec(),
            ];
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            Box::pin(pour(wire, head, chunk.concat(), Duration::ZERO))
        },
        Some(200),
        None,
    ),
    (
        "huge",
        |wire| {
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n";
            Box::pin(pour(wire, head, vec![b'x'; AT_ONCE_BYTES], Duration::ZERO))
        },
        Some(200),
        None,
    ),
    (
        "dripping",
        |wire| {
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
            Box::pin(pour(wire, head, b"x".to_vec(), Duration::from_millis(100)))
        },
        None,
        Some("timeout"),
    ),
    (
        "dripping-head",
        |wire| {
            Box::pin(pour(
                wire,
                "HTTP/1.1 200 OK\r\nA: ",
                b"x".to_vec(),
                Duration::from_millis(100),
            ))
        },
        None,
        Some("timeout"),
    ),
    (
        "headers",
        |wire| {
            let fields = "A: b\r\n".repeat(10_000).into_bytes();
            Box::pin(pour(wire, "HTTP/1.1 200 OK\r\n", fields, Duration::ZERO))
        },
        None,
        Some("unreachable"),
    ),
    (
        "bomb",
        |wire| {
            // A kilobyte of it is a megabyte of zeros.
            let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1099511627776\r\n\r\n";
            let mut body = b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec();
            body.resize(AT_ONCE_BYTES, 0);
            Box::pin(pour(wire, head, body, Duration::ZERO))
        },
        Some(200),
        None,
    ),
    (
        "loop",
        |mut wire| {
            Box::pin(async move {
                let _ = wire
                    .write_all(
                        b"HTTP/1.1 307 Around\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n",
                    )
                    .await;
            })
        },
        Some(307),
        Some("status"),
    ),
    (
        "garbage",
        |wire| Box::pin(pour(wire, "\x16\x03\x01", vec![0xff; AT_ONCE_BYTES], Duration::ZERO)),
        None,
        Some("unreachable"),
    ),
];

/// Plays the trick that a request's path names.
async fn zoo() -> (u16, Arc<Mutex<BTreeSet<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let visited = Arc::<Mutex<BTreeSet<String>>>::default();
    let visits = Arc::clone(&visited);
    tokio::spawn(async move {
        while let Ok((mut wire, _)) = listener.accept().await {
            let visits = Arc::clone(&visits);
            tokio::spawn(async move {
                let mut head = vec![0; 16 << 10];
                let read = wire.read(&mut head).await.unwrap_or(0);
                let head = String::from_utf8_lossy(&head[..read]).into_owned();
                let name = head.split(['/', ' ']).nth(2).unwrap_or_default().to_owned();
                if let Some((_, trick, ..)) = ZOO.iter().find(|(known, ..)| *known == name) {
                    visits.lock().unwrap().insert(name);
                    trick(wire).await;
                }
            });
        }
    });
    (port, visited)
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_receivers_cost_their_own_deliveries_and_no_memory() {
    let (port, visited) = zoo().await;
    let scene = Scene::beside(&[port], 2_000).await;
    let before = resident_kib(scene.stack.pid(Part::Dispatcher));
    let log = scene.stack.nats.log("api").await;
    let endpoints = join_all(ZOO.iter().map(|(name, _, status, code)| {
        let (scene, log) = (&scene, &log);
        let url = format!("http://127.0.0.1:{port}/{name}");
        async move {
            let asked =
                json!({"url": url, "payload": "thin", "keep_answers": true, "retry_after_s": []});
            let added = scene.add(&asked).await;
            make_due(log, id_of(scene, &added), 6).await;
            (added, name, status, code)
        }
    }))
    .await;
    for (endpoint, name, status, code) in &endpoints {
        let query = format!("endpoint={}", text(endpoint, "id"));
        let all = scene.deliveries(&query).await;
        let first = all.last().unwrap();
        assert_eq!(first["last"]["status"].as_u64(), status.map(u64::from), "{name}: {first}");
        assert_eq!(first["last"]["code"].as_str(), **code, "{name}: {first}");
    }
    // What it takes anything from it takes everything from, be it one after the other.
    eventually("whatever can be over is", PATIENCE, || async {
        let mut over = true;
        for (endpoint, _, _, code) in &endpoints {
            let query = format!("endpoint={}&status=delivered", text(endpoint, "id"));
            over &= code.is_some() || scene.deliveries(&query).await.len() == 7;
        }
        over
    })
    .await;
    assert_eq!(visited.lock().unwrap().len(), ZOO.len());
    let after = resident_kib(scene.stack.pid(Part::Dispatcher));
    assert!(after < before + GROWTH_KIB, "from {before} to {after} KiB");
}

/// Events of the past, told again to an endpoint that is added afterwards, while the dispatcher is
/// killed so many times.
async fn replay(events: usize, kills: usize) {
    let hooks = Receiver::start(|_| Given::Status(204)).await;
    let scene = Scene::beside(&[hooks.port()], TIMEOUT_MS).await;
    let worker = scene.stack.nats.log("worker").await;
    let account = scene.stack.account;
    let end = |_| async {
        let id = job::Id { account, job: JobId::from_uuid(Uuid::new_v4()) };
        let cancelled = |_: &job::State| Ok::<_, job::Refusal>(vec![job::Event::Cancelled {}]);
        worker.transact::<Jobs, _>(&id, SystemClock.now(), cancelled).await.unwrap();
    };
    stream::iter(0..events).for_each_concurrent(AT_ONCE, end).await;
    let asked = json!({"url": hooks.url("/"), "payload": "thin", "topics": ["job.cancelled"]});
    let added = scene.add(&asked).await;
    let path = format!("/v1/endpoints/{}/replays", text(&added, "id"));
    let asked = scene.caller.post(&path, &json!({"from_seq": 1})).await;
    assert_eq!(asked.status, 202, "{}", asked.json());

    let mut stack = scene.stack;
    // Each line is looked at once: there are many, and others need the processor.
    let told = Mutex::new((0, BTreeSet::new()));
    let told = || {
        let (seen, ids) = &mut *told.lock().unwrap();
        let lines = hooks.lines_after(*seen);
        *seen += lines.len();
        let again = lines.into_iter().filter(|line| line.json()["type"] == "job.cancelled");
        ids.extend(again.map(|line| line.webhook_id));
        ids.len()
    };
    for kill in 1..=kills {
        let enough = events * kill / (kills + 1);
        eventually("a part is told", PATIENCE * 20, || async { told() >= enough }).await;
        tokio::time::sleep(Duration::from_millis(rand::rng().random_range(0..50))).await;
        stack.kill(Part::Dispatcher);
        stack.start_part(Part::Dispatcher);
    }
    eventually("everything is told", PATIENCE * 20, || async { told() == events }).await;
    let operator = stack.nats.log("operator").await;
    let id = endpoint::Id { account, endpoint: text(&added, "id").parse().unwrap() };
    eventually("the replay ends", PATIENCE * 4, || async {
        let known = operator.load::<Endpoints>(&id).await.unwrap();
        known.state.endpoint().unwrap().replay.is_none()
    })
    .await;
    let history = operator.history::<Endpoints>(&id).await.unwrap();
    let names: Vec<&str> = history.iter().map(|recorded| recorded.event.name()).collect();
    assert_eq!(
        (names[1], names[names.len() - 1]),
        ("replay_requested", "replay_ended"),
        "{names:?}"
    );
    let ended = &history.last().unwrap().event;
    let counted = matches!(
        ended,
        endpoint::Event::ReplayEnded { deliveries, .. } if *deliveries == events as u64
    );
    assert!(counted, "{ended:?}");
    let deliveries = operator.replay(topology::DELIVERIES, Span::default());
    let deliveries: Vec<_> = deliveries.try_collect().await.unwrap();
    let delivered = deliveries.iter().filter(|raw| raw.event_name() == "delivered").count();
    println!("{events} events again, {} requests, {kills} kills", hooks.lines().len());
    assert_eq!(delivered, events + 1, "each once, and the greeting");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_goes_on_where_it_was_killed_and_tells_everything() {
    replay(1_500, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: ./justw drill-webhooks"]
async fn a_replay_of_a_hundred_thousand_events_outlives_ten_kills() {
    replay(100_000, 10).await;
}

/// Waits until deliveries of this topic stand like this at an endpoint, so many of them; and gives
/// them, newest first.
async fn standing(scene: &Scene, endpoint: &str, like: (&str, &str), count: usize) -> Vec<Value> {
    let (topic, status) = like;
    until_some("deliveries stand like this", PATIENCE, || async {
        let query = format!("endpoint={endpoint}&status={status}");
        let mut all = scene.deliveries(&query).await;
        all.retain(|one| one["topic"] == topic && one["attempts"] != 0);
        (all.len() == count).then_some(all)
    })
    .await
}

/// Has a replay made to an endpoint; how many deliveries it made due.
async fn replay_of(scene: &Scene, endpoint: &str, wish: &Value) -> u64 {
    let asked = scene.caller.post(&format!("/v1/endpoints/{endpoint}/replays"), wish).await;
    assert_eq!(asked.status, 202, "{}", asked.json());
    let replay = asked.json()["replay"].clone();
    let operator = scene.stack.nats.log("operator").await;
    let id = endpoint::Id { account: scene.stack.account, endpoint: endpoint.parse().unwrap() };
    until_some("the replay ends", PATIENCE, || async {
        let history = operator.history::<Endpoints>(&id).await.unwrap();
        history.iter().find_map(|recorded| match &recorded.event {
            endpoint::Event::ReplayEnded { replay: ended, deliveries }
                if json!(ended) == replay =>
            {
                Some(*deliveries)
            }
            _ => None,
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_tells_what_was_given_up_within_its_times_and_no_more_than_its_sequences() {
    let down = Arc::new(AtomicBool::new(false));
    let is_down = Arc::clone(&down);
    let hooks = Receiver::start(move |_| {
        Given::Status(if is_down.load(Ordering::SeqCst) { 400 } else { 204 })
    })
    .await;
    let scene = Scene::beside(&[hooks.port()], TIMEOUT_MS).await;
    let asked = json!({
        "url": hooks.url("/"), "payload": "thin", "retry_after_s": [3],
        "topics": ["job.failed", "account.application_added"],
    });
    let added = scene.add(&asked).await;
    let id = text(&added, "id");
    let (of_jobs, of_account) = ("job.failed", "account.application_added");

    down.store(true, Ordering::SeqCst);
    scene.job("early.jpg", false).await;
    standing(&scene, id, (of_jobs, "exhausted"), 1).await;
    scene.job("older.jpg", false).await;
    standing(&scene, id, (of_jobs, "waiting"), 1).await;
    // What the next one tells happened before this, and is given up after it.
    let since = SystemClock.now();
    standing(&scene, id, (of_jobs, "exhausted"), 2).await;
    let application = scene.caller.post("/v1/applications", &json!({})).await;
    assert_eq!(application.status, 201, "{}", application.json());
    standing(&scene, id, (of_account, "exhausted"), 1).await;
    let until = SystemClock.now();
    scene.job("late.jpg", false).await;
    let all = standing(&scene, id, (of_jobs, "exhausted"), 3).await;
    let [late, older, early] = &all[..] else { panic!("{all:?}") };

    down.store(false, Ordering::SeqCst);
    let wish = json!({ "only": "exhausted", "since": since, "until": until });
    assert_eq!(replay_of(&scene, id, &wish).await, 2);
    standing(&scene, id, (of_account, "delivered"), 1).await;
    let told = standing(&scene, id, (of_jobs, "delivered"), 1).await;
    assert_eq!(told[0]["webhook_id"], older["webhook_id"]);
    standing(&scene, id, (of_jobs, "exhausted"), 2).await;

    // Everything from the first to the second, be it told or given up.
    let wish = json!({ "from_seq": early["sequence"], "to_seq": older["sequence"] });
    assert_eq!(replay_of(&scene, id, &wish).await, 2);
    let left = standing(&scene, id, (of_jobs, "exhausted"), 1).await;
    assert_eq!(left[0]["webhook_id"], late["webhook_id"]);
    let again = || hooks.count(|line| line.is_taken() && line.json()["type"] == of_jobs);
    eventually("both are told", PATIENCE, || async { again() == 3 }).await;
    let ids: BTreeSet<String> = hooks.lines().into_iter().map(|line| line.webhook_id).collect();
    assert_eq!(ids.len(), 5, "the greeting, three jobs and a key pair, each under one id");
}
