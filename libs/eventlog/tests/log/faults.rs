//! Races, and servers that die in the middle of everything.

use std::{collections::HashSet, sync::Arc, time::Duration};

use eventlog::{
    Loaded, Log, TransactError,
    follow::{self, Queue, Verdict},
    topology,
};
use futures::{StreamExt as _, future::join_all};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::support::{
    Event, Id, No, Seen, Server, State, Three, Toy, fresh_id, kill, now, request, until,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_hundred_rounds_exactly_one_of_eight_racers_wins() {
    let server = Server::start().await;
    // Racers in different processes share no connection.
    let logs = join_all((0..8).map(|_| server.log("api"))).await;
    for round in 0..100 {
        let id = fresh_id();
        let racers = logs
            .iter()
            .map(|log| log.transact_from::<Toy, No>(&id, Loaded::default(), now(), request));
        let outcomes = join_all(racers).await;
        let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let refused = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Err(TransactError::Refused(No))))
            .count();
        assert_eq!((won, refused), (1, 7), "round {round}: {outcomes:?}");
        assert_eq!(logs[0].load::<Toy>(&id).await.unwrap().events, 1);
    }
    server.embedded.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_that_share_commits_keep_their_own_places_and_fences() {
    let server = Server::start().await;
    let log = server.log("operator").await;
    let taken = join_all((0..4).map(async |_| {
        let id = fresh_id();
        log.transact::<Toy, No>(&id, now(), request).await.unwrap();
        id
    }))
    .await;
    // Each of many jobs is asked for twice at once, and some had been asked for before.
    let ids: Vec<Id> = (0..300).map(|_| fresh_id()).chain(taken.clone()).collect();
    let appends = ids
        .iter()
        .chain(&ids)
        .map(|id| log.transact_from::<Toy, No>(id, Loaded::default(), now(), request));
    let outcomes = join_all(appends).await;
    for (number, id) in ids.iter().enumerate() {
        let mut won = Vec::new();
        for outcome in [&outcomes[number], &outcomes[number + ids.len()]] {
            match outcome {
                Ok(committed) => won.push(committed.recorded[0].clone()),
                Err(TransactError::Refused(No)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        let stored = log.history::<Toy>(id).await.unwrap();
        assert_eq!(stored.len(), 1);
        assert_eq!(won.len(), usize::from(!taken.contains(id)));
        for winner in won {
            assert_eq!((winner.seq, winner.event_id), (stored[0].seq, stored[0].event_id));
        }
    }
    let messages = log.messages::<Toy>(&ids[200]).await.unwrap();
    assert!(messages[0].headers.get("Nats-Batch-Id").is_some(), "commits were shared");
    server.embedded.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_nothing_and_everybody_goes_on_by_himself() {
    const WRITERS: usize = 6;
    const EACH: usize = 40;
    let server = Server::start().await;
    let (shutdown, shutdown_worker) = (CancellationToken::new(), CancellationToken::new());

    let (worker, handled) = complete_all(&server.log("worker").await, &shutdown_worker);
    let tailed: Seen<u64> = Arc::default();
    let projection = tokio::spawn({
        let log = server.log("api").await;
        let mut tail = follow::ordered(&log, topology::JOBS, 1, None, shutdown.clone());
        let note = Arc::clone(&tailed);
        async move {
            while let Some(batch) = tail.next().await {
                note.lock().unwrap().extend(batch.unwrap().iter().map(|raw| raw.seq));
            }
        }
    });

    let api = server.log("api").await;
    let accepted: Seen<(Id, u64)> = Arc::default();
    let writers = (0..WRITERS).map(|_| {
        let (log, note) = (api.clone(), Arc::clone(&accepted));
        tokio::spawn(async move {
            for _ in 0..EACH {
                let id = fresh_id();
                // What a client does with a 503: try the same again.
                loop {
                    match log.transact::<Toy, No>(&id, now(), request).await {
                        Ok(done) => {
                            note.lock().unwrap().push((id, done.loaded.last.unwrap().seq));
                            break;
                        }
                        Err(TransactError::Refused(No)) => break,
                        Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                    }
                }
            }
        })
    });
    let writers = join_all(writers);
    let killer = async {
        for part in 1..=3 {
            let enough = WRITERS * EACH * part / 4;
            until("enough is written", async || accepted.lock().unwrap().len() >= enough).await;
            server.kill().await;
        }
    };
    let (written, ()) = tokio::join!(writers, killer);
    assert!(written.into_iter().all(|writer| writer.is_ok()));

    let accepted = accepted.lock().unwrap().clone();
    for (id, seq) in &accepted {
        let history = api.history::<Toy>(id).await.unwrap();
        assert_eq!(history[0].seq, *seq);
    }
    let wanted: HashSet<Id> = accepted.into_iter().map(|(id, _)| id).collect();
    until("every job was handled", async || {
        let handled: HashSet<Id> = handled.lock().unwrap().iter().cloned().collect();
        wanted.is_subset(&handled)
    })
    .await;
    shutdown_worker.cancel();
    worker.await.unwrap();
    let last = api.last_sequence(topology::JOBS).await.unwrap();
    until("the projection has seen everything", async || {
        tailed.lock().unwrap().last() == Some(&last)
    })
    .await;
    assert_eq!(*tailed.lock().unwrap(), (1..=last).collect::<Vec<_>>());
    shutdown.cancel();
    projection.await.unwrap();
}

/// Starts and completes whatever is requested, unless somebody has, and notes what is completed.
fn complete_all(log: &Log, stop: &CancellationToken) -> (tokio::task::JoinHandle<()>, Seen<Id>) {
    let (log, stop, seen) = (log.clone(), stop.clone(), Seen::<Id>::default());
    let note = Arc::clone(&seen);
    let queue =
        Queue::new(topology::WORK, topology::worker_consumers(), Arc::new(Semaphore::new(8)));
    let task = tokio::spawn(async move {
        let worker = log.clone();
        let handler = move |delivered: follow::Delivered| {
            let (log, note) = (worker.clone(), Arc::clone(&note));
            async move {
                let (id, known) = Loaded::<Toy>::starting_with(&delivered.raw).unwrap();
                let decide = |state: &State| match state.completed_at {
                    None if state.worker.is_some() => Ok(vec![Event::Completed {}]),
                    None => Ok(vec![Event::Started { worker: 1 }, Event::Completed {}]),
                    Some(_) => Err(No),
                };
                match log.transact_from::<Toy, No>(&id, known, now(), decide).await {
                    Ok(_) | Err(TransactError::Refused(No)) => note.lock().unwrap().push(id),
                    Err(_) => return Verdict::Again(Duration::from_millis(100)),
                }
                Verdict::Done
            }
        };
        follow::queue(&log, queue, handler, stop).await;
    });
    (task, seen)
}

/// Requests `count` jobs, trying each until it is accepted.
async fn request_all(log: &Log, count: usize) -> Vec<Id> {
    join_all((0..count).map(async |_| {
        let id = fresh_id();
        loop {
            match log.transact::<Toy, No>(&id, now(), request).await {
                Ok(_) | Err(TransactError::Refused(No)) => return id,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }))
    .await
}

async fn each_is_completed_once(log: &Log, ids: &[Id]) {
    for id in ids {
        until("the job is completed", async || {
            let loaded = log.load::<Toy>(id).await;
            loaded.is_ok_and(|loaded| loaded.state.completed_at.is_some())
        })
        .await;
        let history = log.history::<Toy>(id).await.unwrap();
        assert_eq!(history.len(), 3, "{history:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_make_consumers_again_that_were_lost() {
    let server = Server::start().await;
    let (log, stop) = (server.log("operator").await, CancellationToken::new());
    let (task, _) = complete_all(&server.log("worker").await, &stop);
    let before = request_all(&log, 40).await;
    each_is_completed_once(&log, &before[..1]).await;
    let bare = server.bare("operator").await;
    for consumer in topology::worker_consumers() {
        let subject = format!("$JS.API.CONSUMER.DELETE.WORK.{consumer}");
        let answer = bare.request(subject, "".into()).await.unwrap();
        assert!(String::from_utf8_lossy(&answer.payload).contains("\"success\":true"));
    }
    let after = request_all(&log, 40).await;
    each_is_completed_once(&log, &[before, after].concat()).await;
    assert_eq!(topology::diff(&log, 1).await.unwrap(), [], "as they were described");
    stop.cancel();
    task.await.unwrap();
    server.embedded.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_servers_that_die_at_once_lose_no_work() {
    let three = Three::start().await;
    let (log, stop) = (three.log("operator").await, CancellationToken::new());
    let (task, seen) = complete_all(&three.log("worker").await, &stop);
    let mut ids = request_all(&log, 40).await;
    until("some are completed", async || seen.lock().unwrap().len() > 5).await;
    let more = tokio::spawn({
        let log = log.clone();
        async move { request_all(&log, 40).await }
    });
    for pid in three.cluster.pids() {
        kill(pid);
    }
    ids.extend(more.await.unwrap());
    each_is_completed_once(&log, &ids).await;
    until("the topology is there", async || {
        topology::diff(&log, 3).await.is_ok_and(|drifts| drifts.is_empty())
    })
    .await;
    stop.cancel();
    task.await.unwrap();
    three.cluster.stop().await;
}
