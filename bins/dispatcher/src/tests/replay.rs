//! Past events told again: which, and how many are said to be.

use std::{convert::Infallible, time::Duration};

use domain::{
    Timestamp,
    account::{Accounts, Event as Account, State},
    delivery::{self, Answer, Deliveries, Event, FailureCode, Phase, Told},
    endpoint::{self, Endpoints, Replay, ReplayOnly, ReplayStream},
    id::{EventId, ReplayId},
};
use eventlog::{Span, topology};
use futures::TryStreamExt as _;
use uuid::Uuid;

use super::{Dispatching, Stage};

const OWN: (&str, &str) = ("x-own", "some value");
/// A port that nobody is told at: replays make deliveries due, and no more.
const NOBODY: u16 = 9;
/// How much later the next thing happens.
const STEP: Duration = Duration::from_secs(3_600);

/// An endpoint that wants these topics, and a dispatcher that knows of it.
async fn endpoint(stage: &Stage, topics: &[&str]) -> (endpoint::Id, Dispatching) {
    let id = stage.add("http://127.0.0.1:9/", OWN).await;
    let mut letter = stage.endpoint(id).await.letter;
    letter.terms.topics = topics.iter().map(|topic| topic.parse().unwrap()).collect();
    let change = |state: &endpoint::State| endpoint::change(state, letter.clone());
    stage.log.transact::<Endpoints, _>(&id, stage.now(), change).await.unwrap();
    let dispatching = stage.dispatcher(NOBODY);
    dispatching.deliverer.book.endpoints(stage.account).await.unwrap();
    (id, dispatching)
}

fn later(stage: &Stage) -> Timestamp {
    stage.clock.advance(STEP);
    stage.now()
}

async fn record(stage: &Stage, id: delivery::Id, event: Event) {
    let decide = |_: &delivery::State| Ok::<_, delivery::Refusal>(vec![event.clone()]);
    stage.log.transact::<Deliveries, _>(&id, stage.now(), decide).await.unwrap();
}

/// A delivery that is due, of something that happens now.
async fn due(stage: &Stage, endpoint: endpoint::Id, stream: &str, topic: &str) -> delivery::Id {
    let told = Told {
        event_id: EventId::from_uuid(Uuid::new_v4()),
        event_type: topic.to_owned(),
        job: None,
        time: Some(stage.now()),
        stream: stream.to_owned(),
        seq: 1,
    };
    let id = delivery::Id::of(endpoint, told.event_id);
    record(stage, id, Event::Due { told }).await;
    id
}

/// Gives a delivery up; by the event of which sequence.
async fn give_up(stage: &Stage, id: delivery::Id) -> u64 {
    let answer = Answer::default();
    let (code, status) = (FailureCode::Status, Some(500));
    record(stage, id, Event::Exhausted { attempts: 1, code, status, latency_ms: 1, answer }).await;
    stage.log.last_sequence(topology::DELIVERIES).await.unwrap()
}

/// Has a replay asked for and made; how many deliveries it says that it made due.
async fn replay(stage: &Stage, now: &Dispatching, id: endpoint::Id, of: Replay) -> u64 {
    let (replay, asked) = (ReplayId::from_uuid(Uuid::new_v4()), stage.now());
    let request = |state: &endpoint::State| endpoint::request_replay(state, replay, of);
    stage.log.transact::<Endpoints, _>(&id, asked, request).await.unwrap();
    go_on(stage, now, id, (replay, asked)).await
}

async fn go_on(
    stage: &Stage,
    now: &Dispatching,
    id: endpoint::Id,
    (replay, asked): (ReplayId, Timestamp),
) -> u64 {
    later(stage);
    now.deliverer.replay(id, replay, asked).await.unwrap();
    let history = stage.log.history::<Endpoints>(&id).await.unwrap();
    match history.last().unwrap().event {
        endpoint::Event::ReplayEnded { replay: ended, deliveries } if ended == replay => deliveries,
        ref other => panic!("{other:?}"),
    }
}

fn exhausted(from_seq: u64, to_seq: u64) -> Replay {
    Replay { from_seq, to_seq, only: ReplayOnly::Exhausted, stream: ReplayStream::Deliveries }
}

async fn is_waiting(stage: &Stage, id: delivery::Id) -> bool {
    stage.load(id).await.state.delivery().unwrap().is_waiting()
}

#[tokio::test]
async fn what_was_given_up_within_a_stretch_is_told_again_whatever_it_was_about() {
    let stage = Stage::set().await;
    let (id, now) = endpoint(&stage, &["job.*", "account.*", "upload.*"]).await;
    let (other, _) = endpoint(&stage, &["job.*"]).await;
    later(&stage);
    let of_a_job = due(&stage, id, topology::JOBS, "job.failed").await;
    let before = due(&stage, id, topology::JOBS, "job.failed").await;
    let twice = due(&stage, id, topology::JOBS, "job.failed").await;
    let told_since = due(&stage, id, topology::JOBS, "job.failed").await;
    let unwanted = due(&stage, id, topology::ENDPOINTS, "endpoint.added").await;
    let theirs = due(&stage, other, topology::JOBS, "job.failed").await;
    later(&stage);
    give_up(&stage, before).await;
    give_up(&stage, twice).await;
    record(&stage, twice, Event::RedeliveryRequested {}).await;

    later(&stage);
    let from = give_up(&stage, of_a_job).await;
    let of_the_account = due(&stage, id, topology::ACCOUNTS, "account.labelled").await;
    let of_an_upload = due(&stage, id, topology::UPLOADS, "upload.expired").await;
    for given_up in [of_the_account, twice, told_since, unwanted, theirs] {
        give_up(&stage, given_up).await;
    }
    let to = give_up(&stage, of_an_upload).await;

    later(&stage);
    record(&stage, told_since, Event::RedeliveryRequested {}).await;
    let answer = Answer::default();
    let taken = Event::Delivered { attempt: 2, status: 204, latency_ms: 1, answer, told: None };
    record(&stage, told_since, taken).await;
    let after = due(&stage, id, topology::JOBS, "job.failed").await;
    give_up(&stage, after).await;

    later(&stage);
    assert_eq!(replay(&stage, &now, id, exhausted(from, to)).await, 4);
    for again in [of_a_job, of_the_account, of_an_upload, twice] {
        assert!(is_waiting(&stage, again).await, "{again}");
    }
    for left in [before, told_since, unwanted, theirs, after] {
        assert!(!is_waiting(&stage, left).await, "{left}");
    }
}

#[tokio::test]
async fn what_a_replay_made_due_that_died_is_counted_once_and_not_told_twice() {
    let stage = Stage::set().await;
    let (id, now) = endpoint(&stage, &["account.*"]).await;
    let mut given_up = Vec::new();
    for _ in 0..3 {
        given_up.push(due(&stage, id, topology::ACCOUNTS, "account.labelled").await);
    }
    later(&stage);
    give_up(&stage, given_up[0]).await;
    record(&stage, given_up[0], Event::RedeliveryRequested {}).await;
    for one in &given_up {
        later(&stage);
        give_up(&stage, *one).await;
    }

    let asked = later(&stage);
    let last = stage.log.last_sequence(topology::DELIVERIES).await.unwrap();
    let replay = ReplayId::from_uuid(Uuid::new_v4());
    let request =
        |state: &endpoint::State| endpoint::request_replay(state, replay, exhausted(1, last));
    stage.log.transact::<Endpoints, _>(&id, asked, request).await.unwrap();
    // A dispatcher made two of them due, and one was given up again, before it could say so.
    later(&stage);
    for one in &given_up[..2] {
        record(&stage, *one, Event::RedeliveryRequested {}).await;
    }
    give_up(&stage, given_up[1]).await;

    assert_eq!(go_on(&stage, &now, id, (replay, asked)).await, 3);
    let mut requested = Vec::new();
    for one in &given_up {
        let history = stage.history(*one).await;
        let since = history.iter().filter(|recorded| recorded.time >= asked);
        requested.push(since.filter(|it| it.event.name() == "redelivery_requested").count());
    }
    assert_eq!(requested, [1, 1, 1]);
}

#[tokio::test]
async fn a_replay_of_before_its_stream_was_said_looks_at_jobs() {
    let stage = Stage::set().await;
    let (id, now) = endpoint(&stage, &["*"]).await;
    let of_the_account = due(&stage, id, topology::ACCOUNTS, "account.labelled").await;
    give_up(&stage, of_the_account).await;
    later(&stage);
    let recorded = r#"{"from_seq": 1, "to_seq": 1000, "only": "exhausted"}"#;
    let of: Replay = serde_json::from_str(recorded).unwrap();
    assert_eq!(of.stream, ReplayStream::Jobs);
    assert_eq!(replay(&stage, &now, id, of).await, 0);
    assert!(!is_waiting(&stage, of_the_account).await);
}

#[tokio::test]
async fn a_new_endpoint_is_told_what_it_wants_of_another_stream_within_its_bounds() {
    let stage = Stage::set().await;
    for _ in 0..3 {
        let decide = |_: &State| Ok::<_, Infallible>(vec![Account::Labelled { label: None }]);
        stage.log.transact::<Accounts, _>(&stage.account, stage.now(), decide).await.unwrap();
    }
    later(&stage);
    let (id, now) = endpoint(&stage, &["account.*"]).await;
    let (only, stream) = (ReplayOnly::All, ReplayStream::Accounts);
    let raws = stage.log.replay(topology::ACCOUNTS, Span::default());
    let raws: Vec<_> = raws.try_collect().await.unwrap();
    let of = Replay { from_seq: raws[0].seq, to_seq: raws[1].seq, only, stream };
    assert_eq!(replay(&stage, &now, id, of).await, 2);
    let mut phases = Vec::new();
    for raw in &raws {
        let delivery = delivery::Id::of(id, raw.event_id().unwrap());
        phases.push(stage.load(delivery).await.state.delivery().map(|known| known.phase));
    }
    let waiting = Some(Phase::Waiting { retry_at: None });
    assert_eq!(phases, [waiting, waiting, None]);
}
