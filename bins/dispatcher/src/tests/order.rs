//! Who waits for whom, and who is called when.

use std::time::Duration;

use domain::{
    Sealed, Timestamp,
    delivery::{self, Deliveries, Phase},
    endpoint::{self, Endpoints},
    id::{ApplicationId, JobId},
    job::{self, Jobs, Kind, Requested},
    wish::PreviewWish,
};
use eventlog::topology;
use testkit::{Reply, WebhookReceiver};
use uuid::Uuid;

use super::{Dispatching, Stage};
use crate::{
    deliver::Progress,
    lanes::{Entry, Width},
    told::Happening,
};

const OWN: (&str, &str) = ("x-own", "some value");
/// How long whoever is called may take to be called.
const PATIENCE: Duration = Duration::from_secs(30);

/// An endpoint that is told of jobs in order.
async fn add_ordered(stage: &Stage, receiver: &WebhookReceiver) -> endpoint::Id {
    let id = stage.add(&receiver.url("/"), OWN).await;
    let mut letter = stage.endpoint(id).await.letter;
    letter.terms.topics = vec!["job.*".parse().unwrap()];
    letter.terms.ordered = true;
    let change = |state: &endpoint::State| endpoint::change(state, letter.clone());
    stage.log.transact::<Endpoints, _>(&id, stage.now(), change).await.unwrap();
    id
}

/// What happens to a job that is requested, and then cancelled.
async fn steps(stage: &Stage) -> Vec<Happening> {
    let id = job::Id { account: stage.account, job: JobId::from_uuid(Uuid::new_v4()) };
    let requested = Requested {
        application: ApplicationId::from_uuid(Uuid::new_v4()),
        kind: Kind::Preview { wish: PreviewWish::default() },
        // Nobody here is told it.
        source_url: Sealed::from_envelope(String::new()),
        upload: None,
        callback_url: None,
        user_data: None,
        uploader: None,
        rerun_of: None,
        fingerprint: String::new(),
    };
    let request = |state: &job::State| job::request(state, requested.clone());
    stage.log.transact::<Jobs, _>(&id, stage.now(), request).await.unwrap();
    stage.log.transact::<Jobs, _>(&id, stage.now(), job::cancel).await.unwrap();
    let messages = stage.log.messages::<Jobs>(&id).await.unwrap();
    messages.iter().map(|raw| Happening::read(topology::JOBS, raw).unwrap()).collect()
}

async fn phase(stage: &Stage, id: delivery::Id) -> Phase {
    stage.load(id).await.state.delivery().unwrap().phase
}

async fn called(now: &mut Dispatching) -> delivery::Id {
    tokio::time::timeout(PATIENCE, now.called.recv()).await.unwrap().unwrap()
}

/// Makes the first of two known as failed, and the second as waiting for it; when the first is due again.
async fn hold_up(
    stage: &Stage,
    now: &Dispatching,
    receiver: &WebhookReceiver,
    (steps, ids): (&[Happening], &[delivery::Id]),
) -> Timestamp {
    receiver.script([Reply::Status(500)]);
    for step in steps {
        now.deliverer.tell(step, false, None).await.unwrap();
    }
    assert_eq!(phase(stage, ids[1]).await, Phase::Waiting { retry_at: None });
    let Phase::Waiting { retry_at: Some(at) } = phase(stage, ids[0]).await else { panic!() };
    at
}

#[tokio::test]
async fn whoever_comes_after_another_is_called_when_that_is_over_and_not_told_before() {
    let receiver = WebhookReceiver::start().await;
    let stage = Stage::set().await;
    let endpoint = add_ordered(&stage, &receiver).await;
    let mut now = stage.dispatcher(receiver.port());
    let steps = steps(&stage).await;
    let ids: Vec<_> =
        steps.iter().map(|step| delivery::Id::of(endpoint, step.told.event_id)).collect();
    let at = hold_up(&stage, &now, &receiver, (&steps, &ids)).await;

    assert_eq!(now.deliverer.pursue(ids[1]).await.unwrap(), Progress::Behind);
    assert!(now.called.try_recv().is_err());
    stage.clock.set(at);
    assert_eq!(now.deliverer.pursue(ids[0]).await.unwrap(), Progress::Over);
    assert_eq!(called(&mut now).await, ids[1]);
    now.deliverer.answer(ids[1]).await;
    assert!(matches!(phase(&stage, ids[1]).await, Phase::Delivered { .. }));
    assert_eq!(receiver.received().len(), 3);
    // Its own message comes later, and finds nothing to do.
    assert_eq!(now.deliverer.pursue(ids[1]).await.unwrap(), Progress::Over);
    assert_eq!(receiver.received().len(), 3);
}

#[tokio::test]
async fn what_ended_in_another_process_is_found_in_the_log() {
    let receiver = WebhookReceiver::start().await;
    let stage = Stage::set().await;
    let endpoint = add_ordered(&stage, &receiver).await;
    let now = stage.dispatcher(receiver.port());
    let steps = steps(&stage).await;
    let ids: Vec<_> =
        steps.iter().map(|step| delivery::Id::of(endpoint, step.told.event_id)).collect();
    let at = hold_up(&stage, &now, &receiver, (&steps, &ids)).await;

    let other = stage.dispatcher(receiver.port());
    assert_eq!(other.deliverer.pursue(ids[1]).await.unwrap(), Progress::Behind);
    stage.clock.set(at);
    assert_eq!(other.deliverer.pursue(ids[0]).await.unwrap(), Progress::Over);
    assert_eq!(now.deliverer.pursue(ids[1]).await.unwrap(), Progress::Over);
    assert_eq!(other.deliverer.pursue(ids[1]).await.unwrap(), Progress::Over);
    assert_eq!(receiver.received().len(), 3, "each of them once, but for the one that failed");
}

#[tokio::test]
async fn whoever_found_no_room_is_called_when_there_is_some() {
    let receiver = WebhookReceiver::start().await;
    let stage = Stage::set().await;
    let endpoint = stage.add(&receiver.url("/"), OWN).await;
    let mut now = stage.dispatcher(receiver.port());
    let happening = stage.happening();
    let id = delivery::Id::of(endpoint, happening.told.event_id);
    let due = |state: &delivery::State| delivery::due(state, happening.told.clone());
    stage.log.transact::<Deliveries, _>(&id, stage.now(), due).await.unwrap();
    // Deliveries that are not over yet.
    let lane = now.deliverer.lanes.of(endpoint.endpoint, crate::lanes::Standing::default());
    let width = Width { at_once: now.deliverer.settings.at_once, per_second: None };
    let mut passes: Vec<_> = (0..width.at_once).map(|_| lane.enter(width, stage.now())).collect();

    // The book must know the endpoint: whoever asks for it as of now waits for that.
    now.deliverer.book.endpoints(stage.account).await.unwrap();
    assert!(matches!(now.deliverer.pursue(id).await.unwrap(), Progress::Later(_)));
    assert!(receiver.received().is_empty());
    assert!(matches!(passes.pop(), Some(Entry::Go(_))));
    now.deliverer.tell(&stage.happening(), false, None).await.unwrap();
    assert_eq!(called(&mut now).await, id);
    now.deliverer.answer(id).await;
    assert!(matches!(phase(&stage, id).await, Phase::Delivered { .. }));
    assert_eq!(receiver.received().len(), 2);
}
