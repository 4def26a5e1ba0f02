//! What the log promises, whatever holds it.

mod keys;

use std::time::Duration;

use bytes::Bytes;
use domain::id::{AccountId, JobId};
use eventlog::{
    Barrier, Loaded, Log, Moment, ReadError, Span, TransactError, follow, topology, verify_chain,
};
use futures::{StreamExt as _, TryStreamExt as _, future::join_all};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{
    Event, Id, No, PATIENCE, Server, State, Three, Toy, fresh_id, now, request, until,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_in_memory() {
    let log = Log::memory();
    contract(&log, &log, &log).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_on_one_server() {
    let server = Server::start().await;
    let (operator, worker, api) =
        (server.log("operator").await, server.log("worker").await, server.log("api").await);
    contract(&operator, &worker, &api).await;
    server.embedded.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_on_three_servers() {
    let three = Three::start().await;
    let (operator, worker, api) =
        (three.log("operator").await, three.log("worker").await, three.log("api").await);
    contract(&operator, &worker, &api).await;
    three.cluster.stop().await;
}

async fn contract(log: &Log, worker: &Log, api: &Log) {
    decisions_are_recorded_and_read_back(log).await;
    a_refusal_records_nothing(log).await;
    a_known_state_is_decided_on_and_an_old_one_is_brought_up(log).await;
    one_of_many_racers_wins(log).await;
    a_crowd_is_stored_each_behind_its_own_fence(log).await;
    a_chain_spans_a_history_and_breaks_where_it_was_touched(log).await;
    a_barrier_covers_whatever_was_stored_before(log).await;
    a_stretch_can_be_replayed(log).await;
    a_tail_follows_in_order_from_where_it_stopped(log).await;
    live_listeners_hear_what_was_stored(log).await;
    what_is_said_in_passing_arrives(log, worker, api).await;
    keys::keys_are_created_once_and_shredded_for_good(log).await;
    keys::keys_are_listed_and_replaced_by_whoever_knows_them(log).await;
    keys::a_key_that_is_shredded_while_it_is_replaced_stays_shredded(log).await;
}

async fn decisions_are_recorded_and_read_back(log: &Log) {
    let id = fresh_id();
    assert!(log.load::<Toy>(&id).await.unwrap().last.is_none());
    let moment = Moment {
        now: now(),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
    };
    let committed = log.transact::<Toy, No>(&id, moment.clone(), request).await.unwrap();
    assert_eq!(committed.recorded.len(), 1);
    let decide = |_: &State| {
        Ok::<_, No>(vec![
            Event::Started { worker: 7 },
            Event::Stored { number: 1 },
            Event::Completed {},
        ])
    };
    let committed = log.transact::<Toy, No>(&id, moment, decide).await.unwrap();

    let loaded = log.load::<Toy>(&id).await.unwrap();
    assert_eq!(loaded.state, committed.loaded.state);
    assert_eq!(loaded.last, committed.loaded.last);
    assert_eq!(loaded.events, 4);
    assert_eq!(loaded.state.completed_at, Some(now()));

    let history = log.history::<Toy>(&id).await.unwrap();
    assert_eq!(history.len(), 4);
    for pair in history.windows(2) {
        assert_eq!(pair[1].prev, pair[0].hash);
        assert!(pair[1].seq > pair[0].seq);
    }
    let last = history.last().unwrap();
    assert_eq!(last.event_id, committed.recorded.last().unwrap().event_id);
    assert_eq!((last.time, &last.id), (now(), &id));

    let stored = log.messages::<Toy>(&id).await.unwrap();
    let header = |name| stored[1].headers.get(name).unwrap_or_default().to_owned();
    assert_eq!(header("ce-specversion"), "1.0");
    assert_eq!(header("ce-type"), "darkroom.job.started.v1");
    assert_eq!(header("ce-id"), history[1].event_id.to_string());
    assert!(header("traceparent").starts_with("00-0af7"));
    assert_eq!(stored[1].body, Bytes::from(r#"{"event":"started","worker":7}"#));
}

async fn a_refusal_records_nothing(log: &Log) {
    let id = fresh_id();
    log.transact::<Toy, No>(&id, now(), request).await.unwrap();
    let refused = log.transact::<Toy, No>(&id, now(), request).await;
    assert!(matches!(refused, Err(TransactError::Refused(No))));
    let nothing = log.transact::<Toy, No>(&id, now(), |_| Ok(vec![])).await.unwrap();
    assert!(nothing.recorded.is_empty());
    assert_eq!(log.load::<Toy>(&id).await.unwrap().events, 1);
}

async fn a_known_state_is_decided_on_and_an_old_one_is_brought_up(log: &Log) {
    let id = fresh_id();
    let old = log.transact::<Toy, No>(&id, now(), request).await.unwrap().loaded;
    let start = |worker| move |_: &State| Ok::<_, No>(vec![Event::Started { worker }]);
    let newer = log.transact_from(&id, old.clone(), now(), start(1)).await.unwrap();
    assert_eq!(newer.loaded.events, 2);

    // Appending on the old state loses, sees the newer one, and decides again.
    let mut looks = Vec::new();
    let committed = log
        .transact_from::<Toy, No>(&id, old.clone(), now(), |state| {
            looks.push(state.worker);
            Ok(vec![Event::Stored { number: 9 }])
        })
        .await
        .unwrap();
    assert_eq!(looks, [None, Some(1)]);
    assert_eq!(committed.loaded.events, 3);

    // A refusal on the old state is checked against the newer one.
    let mut looks = 0;
    let refused = log
        .transact_from::<Toy, No>(&id, old, now(), |state| {
            looks += 1;
            if state.stored.is_empty() { Err(No) } else { Ok(vec![Event::Completed {}]) }
        })
        .await
        .unwrap();
    assert_eq!((looks, refused.loaded.events), (2, 4));

    let first = &log.messages::<Toy>(&id).await.unwrap()[0];
    let (named, loaded) = Loaded::<Toy>::starting_with(first).unwrap();
    assert_eq!((named, loaded.events), (id, 1));
}

/// So many at once that they share commits where that is done, and half of them too late.
async fn a_crowd_is_stored_each_behind_its_own_fence(log: &Log) {
    let ids: Vec<Id> = (0..150).map(|_| fresh_id()).collect();
    let racers = ids.iter().chain(&ids).map(|id| log.transact::<Toy, No>(id, now(), request));
    let outcomes = join_all(racers).await;
    let (first, second) = outcomes.split_at(ids.len());
    for (id, pair) in ids.iter().zip(first.iter().zip(second)) {
        let lost = match pair {
            (Ok(_), lost) | (lost, Ok(_)) => lost,
            neither => panic!("nobody recorded {id}: {neither:?}"),
        };
        assert!(matches!(lost, Err(TransactError::Refused(No))), "{id}: {lost:?}");
        assert_eq!(log.load::<Toy>(id).await.unwrap().events, 1);
    }
}

async fn one_of_many_racers_wins(log: &Log) {
    let id = fresh_id();
    let racers = (0..8).map(|_| log.transact::<Toy, No>(&id, now(), request));
    let outcomes = join_all(racers).await;
    let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let refused = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Err(TransactError::Refused(No))))
        .count();
    assert_eq!((won, refused), (1, 7), "{outcomes:?}");

    // Racers that all have something to say all get to say it, one after the other.
    let racers = (0..8).map(|number| {
        let id = &id;
        log.transact::<Toy, No>(id, now(), move |_| Ok(vec![Event::Stored { number }]))
    });
    for outcome in join_all(racers).await {
        outcome.unwrap();
    }
    let mut stored = log.load::<Toy>(&id).await.unwrap().state.stored;
    stored.sort_unstable();
    assert_eq!(stored, (0..8).collect::<Vec<_>>());
}

async fn a_chain_spans_a_history_and_breaks_where_it_was_touched(log: &Log) {
    let id = fresh_id();
    for number in 0..4 {
        let decide = |_: &State| Ok::<_, No>(vec![Event::Stored { number }]);
        log.transact::<Toy, No>(&id, now(), decide).await.unwrap();
    }
    let stored = log.messages::<Toy>(&id).await.unwrap();
    let last = log.load::<Toy>(&id).await.unwrap().last.unwrap();
    assert_eq!(stored.len(), 4);
    assert_eq!(verify_chain(&stored).unwrap(), last.hash);

    let mut flipped = stored.clone();
    let mut body = flipped[1].body.to_vec();
    *body.last_mut().unwrap() ^= 1;
    flipped[1].body = body.into();
    assert_eq!(verify_chain(&flipped).unwrap_err().sequence, stored[2].seq);

    let mut missing = stored.clone();
    missing.remove(1);
    assert_eq!(verify_chain(&missing).unwrap_err().sequence, stored[2].seq);

    let mut swapped = stored.clone();
    swapped.swap(1, 2);
    assert!(verify_chain(&swapped).is_err());
}

async fn a_barrier_covers_whatever_was_stored_before(log: &Log) {
    let barrier = Barrier::new(log, topology::JOBS, PATIENCE);
    let checks = (0..20).map(|_| async {
        let stored = log.transact::<Toy, No>(&fresh_id(), now(), request).await.unwrap();
        let position = barrier.position().await.unwrap();
        assert!(position >= stored.loaded.last.unwrap().seq);
    });
    join_all(checks).await;
}

async fn a_stretch_can_be_replayed(log: &Log) {
    let id = fresh_id();
    let mut seqs = Vec::new();
    for hour in 0..6_u32 {
        let at = now() + Duration::from_secs(3_600) * hour;
        let decide = |_: &State| Ok::<_, No>(vec![Event::Stored { number: hour }]);
        let committed = log.transact::<Toy, No>(&id, at, decide).await.unwrap();
        seqs.push(committed.loaded.last.unwrap().seq);
    }
    let filter = Some(format!("darkroom.job.{}.>", id.0));
    // In a cluster any server may answer, and one of them may be a moment behind.
    let expect = async |span: Span, seqs: &[u64]| {
        until("the stretch is read", async || {
            let messages = log.replay(topology::JOBS, span.clone()).map_ok(|raw| raw.seq);
            messages.try_collect::<Vec<_>>().await.unwrap() == seqs
        })
        .await;
    };
    let all = Span { filter: filter.clone(), ..Span::default() };
    expect(all.clone(), &seqs).await;
    let middle = Span { from_seq: Some(seqs[1]), to_seq: Some(seqs[3]), ..all.clone() };
    expect(middle, &seqs[1..=3]).await;
    let early = Span { until: Some(now() + Duration::from_secs(7_200)), ..all.clone() };
    expect(early, &seqs[..=2]).await;
    let late = Span { since: Some(now() + Duration::from_secs(10_800)), ..all.clone() };
    expect(late, &seqs[3..]).await;
    let never = Span { since: Some("2200-01-01T00:00:00Z".parse().unwrap()), ..all };
    expect(never, &[]).await;
}

async fn a_tail_follows_in_order_from_where_it_stopped(log: &Log) {
    let shutdown = CancellationToken::new();
    let from = log.last_sequence(topology::JOBS).await.unwrap() + 1;
    let mut tail = follow::ordered(log, topology::JOBS, from, None, shutdown.clone());
    let id = fresh_id();
    let write = async |numbers: std::ops::Range<u32>| {
        for number in numbers {
            let decide = |_: &State| Ok::<_, No>(vec![Event::Stored { number }]);
            log.transact::<Toy, No>(&id, now(), decide).await.unwrap();
        }
    };
    write(0..5).await;
    let seen = take(&mut tail, 5).await;
    assert_eq!(seen, (from..from + 5).collect::<Vec<_>>());
    write(5..8).await;
    assert_eq!(take(&mut tail, 3).await, (from + 5..from + 8).collect::<Vec<_>>());

    // Another one takes up where the first began, and sees only what it asked for.
    let other = fresh_id();
    log.transact::<Toy, No>(&other, now(), request).await.unwrap();
    let filter = format!("darkroom.job.{}.>", other.0);
    let mut filtered = follow::ordered(log, topology::JOBS, from, Some(&filter), shutdown.clone());
    assert_eq!(take(&mut filtered, 1).await, [from + 8]);

    shutdown.cancel();
    let ended = tokio::time::timeout(PATIENCE, async { while tail.next().await.is_some() {} });
    ended.await.unwrap();
}

async fn take(tail: &mut follow::Tail, count: usize) -> Vec<u64> {
    let mut seqs = Vec::new();
    while seqs.len() < count {
        let batch = tokio::time::timeout(PATIENCE, tail.next()).await.unwrap().unwrap().unwrap();
        seqs.extend(batch.iter().map(|raw| raw.seq));
    }
    seqs
}

async fn live_listeners_hear_what_was_stored(log: &Log) {
    let id = fresh_id();
    let mut live = log.live(&format!("darkroom.job.{}.>", id.0)).await.unwrap();
    until("the listener is known everywhere", async || {
        let other = Id(id.0.clone(), fresh_id().1);
        log.transact::<Toy, No>(&other, now(), request).await.unwrap();
        tokio::time::timeout(Duration::from_millis(200), live.next()).await.is_ok()
    })
    .await;
    let racers = (0..4).map(|_| log.transact::<Toy, No>(&id, now(), request));
    join_all(racers).await;
    log.transact::<Toy, No>(&id, now(), |_| Ok(vec![Event::Completed {}])).await.unwrap();
    let history = log.history::<Toy>(&id).await.unwrap();
    for fact in history {
        let mut heard = tokio::time::timeout(PATIENCE, live.next()).await.unwrap().unwrap();
        while heard.seq < fact.seq {
            heard = tokio::time::timeout(PATIENCE, live.next()).await.unwrap().unwrap();
        }
        assert_eq!((heard.seq, heard.hash()), (fact.seq, fact.hash));
        assert_eq!(heard.decode::<Toy>().unwrap().event, fact.event);
    }
}

async fn what_is_said_in_passing_arrives(log: &Log, worker: &Log, api: &Log) {
    let account = AccountId::from_uuid(Uuid::now_v7());
    let job = JobId::from_uuid(Uuid::now_v7());
    let mut progress = log.progress::<u32>(account, job).await.unwrap();
    let mut cancels = worker.cancels(account, job).await.unwrap();
    // Between servers it takes a moment until it is known who listens: say it until it is heard.
    let heard = async { (progress.next().await, cancels.next().await) };
    let saying = async {
        loop {
            worker.report_progress(account, job, &42).await.unwrap();
            log.send_cancel(account, job).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (progress, cancelled) = tokio::time::timeout(PATIENCE, async {
        tokio::select! { heard = heard => heard, () = saying => (None, None) }
    })
    .await
    .unwrap();
    assert_eq!((progress, cancelled), (Some(42), Some(())));

    let mut questions = api.questions("readmodel").await.unwrap();
    let answering = tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            assert_eq!(question.body, Bytes::from("hash?"));
            question.answer(Bytes::from("1f")).await.unwrap();
        }
    });
    until("somebody answers", async || {
        let answers = log.ask("readmodel", Bytes::from("hash?"), 1, Duration::from_secs(1)).await;
        answers.is_ok_and(|answers| answers == [Bytes::from("1f")])
    })
    .await;
    answering.abort();

    let silence = log.ask("nobody", Bytes::new(), 1, Duration::from_millis(200)).await;
    assert!(silence.is_err());
}

#[tokio::test]
async fn what_is_no_event_of_ours_is_told_apart() {
    let log = Log::memory();
    let id = fresh_id();
    log.transact::<Toy, No>(&id, now(), request).await.unwrap();
    let stored = log.messages::<Toy>(&id).await.unwrap().remove(0);
    let mut unknown = stored.clone();
    unknown.body = Bytes::from(r#"{"event":"vanished"}"#);
    let mut elsewhere = stored.clone();
    elsewhere.subject = elsewhere.subject.replace("requested", "completed");
    let mut foreign = stored.clone();
    foreign.subject = "darkroom.other.a.b.requested".into();
    let mut newer = stored.clone();
    newer.headers =
        newer.headers.iter().map(|(name, value)| (name, value.replace(".v1", ".v2"))).collect();
    for (raw, why) in [
        (unknown, "no known event"),
        (elsewhere, "ce-type"),
        (foreign, "no such aggregate"),
        (newer, "newer version"),
    ] {
        let error = raw.decode::<Toy>().unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert!(matches!(Loaded::<Toy>::starting_with(&raw), Err(ReadError::Malformed(_))));
    }
    assert_eq!(stored.decode::<Toy>().unwrap().id, Id(id.0, id.1));
}
