//! Verdicts and what becomes of them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use eventlog::{
    Loaded, Log,
    follow::{self, Queue, Verdict},
    subject, topology,
};
use futures::TryStreamExt as _;
use tokio::{sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::support::{Event, Id, No, Seen, Server, Toy, fresh_id, now, request, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verdicts_hold_in_memory() {
    let log = Log::memory();
    verdicts(&log, &log).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verdicts_hold_on_a_server() {
    let server = Server::start().await;
    verdicts(&server.log("operator").await, &server.log("worker").await).await;
    server.embedded.stop().await;
}

fn workers(slots: usize) -> Queue {
    let slots = Arc::new(Semaphore::new(slots));
    Queue::new(topology::WORK, topology::worker_consumers(), slots)
}

/// Starts a follower whose handler is told the job and how often it came.
fn follow_work<F>(
    log: &Log,
    queue: Queue,
    handler: impl Fn(Loaded<Toy>, Id, u64) -> F + Clone + Send + Sync + 'static,
) -> (CancellationToken, JoinHandle<()>)
where
    F: Future<Output = Verdict> + Send + 'static,
{
    let (log, shutdown) = (log.clone(), CancellationToken::new());
    let stop = shutdown.clone();
    let task = tokio::spawn(async move {
        let handler = move |delivered: follow::Delivered| {
            let handler = handler.clone();
            async move {
                let (id, loaded) = Loaded::<Toy>::starting_with(&delivered.raw).unwrap();
                handler(loaded, id, delivered.deliveries).await
            }
        };
        follow::queue(&log, queue, handler, stop).await;
    });
    (shutdown, task)
}

async fn verdicts(log: &Log, worker: &Log) {
    a_worker_starts_from_the_message_alone(log, worker).await;
    again_park_and_panic_do_what_they_say(log, worker).await;
    only_so_many_are_handled_at_once(log, worker).await;
}

async fn a_worker_starts_from_the_message_alone(log: &Log, worker: &Log) {
    let mut jobs = Vec::new();
    for _ in 0..40 {
        let id = fresh_id();
        log.transact::<Toy, No>(&id, now(), request).await.unwrap();
        jobs.push(id);
    }
    let handler = worker.clone();
    let (shutdown, task) = follow_work(worker, workers(8), move |loaded, id, _| {
        let log = handler.clone();
        async move {
            let decide =
                |_: &_| Ok::<_, No>(vec![Event::Started { worker: 1 }, Event::Completed {}]);
            let committed = log.transact_from::<Toy, No>(&id, loaded, now(), decide).await.unwrap();
            // No race was lost: what the message said was where the history stood.
            assert_eq!(committed.loaded.events, 3);
            Verdict::Done
        }
    });
    for id in &jobs {
        until("the job is completed", async || {
            log.load::<Toy>(id).await.unwrap().state.completed_at.is_some()
        })
        .await;
    }
    shutdown.cancel();
    task.await.unwrap();
}

async fn again_park_and_panic_do_what_they_say(log: &Log, worker: &Log) {
    let (again, park, panic) = (fresh_id(), fresh_id(), fresh_id());
    for id in [&again, &park, &panic] {
        log.transact::<Toy, No>(id, now(), request).await.unwrap();
    }
    let seen: Seen<(Id, u64, Instant)> = Arc::default();
    let note = Arc::clone(&seen);
    let (parked, panics) = (park.clone(), panic.clone());
    let (shutdown, task) = follow_work(worker, workers(4), move |_, id, deliveries| {
        note.lock().unwrap().push((id.clone(), deliveries, Instant::now()));
        let (parked, panics) = (parked.clone(), panics.clone());
        async move {
            if id == parked {
                return Verdict::Park("cannot be\nread".into());
            }
            assert!(id != panics || deliveries > 1, "a handler that fails once");
            if deliveries > 1 { Verdict::Done } else { Verdict::Again(Duration::from_millis(700)) }
        }
    });
    until("all came back that should", async || {
        let seen = seen.lock().unwrap();
        let times = |id: &Id| seen.iter().filter(|(of, ..)| of == id).count();
        times(&again) == 2 && times(&panic) == 2 && times(&park) == 1
    })
    .await;
    let times: HashMap<(Id, u64), Instant> =
        seen.lock().unwrap().iter().map(|(id, count, at)| ((id.clone(), *count), *at)).collect();
    let waited = times[&(again.clone(), 2)] - times[&(again.clone(), 1)];
    assert!(waited >= Duration::from_millis(690), "{waited:?}");

    let filter = "darkroom.parked.WORK.*";
    let mut found = None;
    until("it is parked", async || {
        found = log.last(topology::PARKED, filter).await.unwrap();
        found.is_some()
    })
    .await;
    let found = found.unwrap();
    assert_eq!(found.headers.get("darkroom-parked-reason"), Some("cannot be read"));
    let original = &log.messages::<Toy>(&park).await.unwrap()[0];
    assert_eq!(found.headers.get("darkroom-parked-subject"), Some(original.subject.as_str()));
    assert_eq!(found.headers.get("darkroom-parked-seq"), Some(&*original.seq.to_string()));
    assert_eq!(found.body, original.body);
    shutdown.cancel();
    task.await.unwrap();
    let copies: Vec<_> =
        log.replay(topology::PARKED, Default::default()).try_collect().await.unwrap();
    assert_eq!(copies.len(), 1);
    assert!(subject::matches(filter, &copies[0].subject));
}

async fn only_so_many_are_handled_at_once(log: &Log, worker: &Log) {
    let mut jobs = Vec::new();
    for _ in 0..20 {
        let id = fresh_id();
        log.transact::<Toy, No>(&id, now(), request).await.unwrap();
        jobs.push(id);
    }
    let (busy, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let done: Seen<Id> = Arc::default();
    let (count, peak, note) = (Arc::clone(&busy), Arc::clone(&most), Arc::clone(&done));
    let (shutdown, task) = follow_work(worker, workers(2), move |_, id, _| {
        let (count, peak, note) = (Arc::clone(&count), Arc::clone(&peak), Arc::clone(&note));
        async move {
            peak.fetch_max(count.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            count.fetch_sub(1, Ordering::SeqCst);
            note.lock().unwrap().push(id);
            Verdict::Done
        }
    });
    until("all are handled", async || {
        let done = done.lock().unwrap();
        jobs.iter().all(|job| done.contains(job))
    })
    .await;
    shutdown.cancel();
    task.await.unwrap();
    assert!((1..=2).contains(&most.load(Ordering::SeqCst)), "{most:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_may_work_longer_than_the_server_waits() {
    let server = Server::start().await;
    let log = server.log("operator").await;
    // A consumer that waits a second for its acknowledgement.
    let mut config: serde_json::Value =
        serde_json::from_str(include_str!("../../../../nats/consumers/JOBS.dispatcher.json"))
            .unwrap();
    config["ack_wait"] = 1_000_000_000_u64.into();
    let query = serde_json::json!({ "stream_name": "JOBS", "action": "update", "config": config });
    let bare = server.bare("operator").await;
    let answer = bare
        .request("$JS.API.CONSUMER.CREATE.JOBS.dispatcher", query.to_string().into())
        .await
        .unwrap();
    assert!(!String::from_utf8_lossy(&answer.payload).contains("error"));

    let id = fresh_id();
    let decide = |_: &_| Ok::<_, No>(vec![Event::Completed {}]);
    log.transact::<Toy, No>(&id, now(), decide).await.unwrap();
    let deliveries = Arc::new(Mutex::new(Vec::new()));
    let (note, shutdown) = (Arc::clone(&deliveries), CancellationToken::new());
    let mut queue =
        Queue::new(topology::JOBS, vec![topology::DISPATCHER.into()], Arc::new(Semaphore::new(4)));
    queue.pulse = Duration::from_millis(300);
    let (follower, stop) = (log.clone(), shutdown.clone());
    let task = tokio::spawn(async move {
        let handler = move |delivered: follow::Delivered| {
            let note = Arc::clone(&note);
            async move {
                note.lock().unwrap().push(delivered.deliveries);
                tokio::time::sleep(Duration::from_millis(2_500)).await;
                Verdict::Done
            }
        };
        follow::queue(&follower, queue, handler, stop).await;
    });
    until("nothing is left to acknowledge", async || {
        let info = bare.request("$JS.API.CONSUMER.INFO.JOBS.dispatcher", "".into()).await.unwrap();
        let info: serde_json::Value = serde_json::from_slice(&info.payload).unwrap();
        info["ack_floor"]["consumer_seq"] == 1 && info["num_ack_pending"] == 0
    })
    .await;
    assert_eq!(*deliveries.lock().unwrap(), [1]);
    shutdown.cancel();
    task.await.unwrap();
}
