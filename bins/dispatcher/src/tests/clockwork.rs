//! Days of deliveries in a moment: schedules, secrets that expire, and endpoints that are given up.

use std::time::Duration;

use domain::{
    Timestamp,
    delivery::{self, Deliveries, Event, FailureCode, Phase},
    endpoint::{self, DisabledBecause, Endpoints},
    retry::Schedule,
};
use eventlog::Recorded;
use jiff::SignedDuration;
use testkit::{Reply, WebhookReceiver, eventually};
use vault::webhook::SigningSecret;

use super::{Dispatching, FIRST_SECRET, SECOND_SECRET, Stage};
use crate::{deliver::Progress, journal::Attempt};

const PATIENCE: Duration = Duration::from_secs(30);
const OWN: (&str, &str) = ("x-own", "some value");

fn later(at: Timestamp, seconds: i64) -> Timestamp {
    at.saturating_add(SignedDuration::from_secs(seconds)).unwrap()
}

/// The waits that the schedule states, in seconds.
fn waits() -> Vec<i64> {
    let (schedule, mut waits) = (Schedule::default(), Vec::new());
    while let Some(at) = schedule.after(waits.len() as u32 + 1, Timestamp::UNIX_EPOCH, 0.0) {
        waits.push(at.as_second());
    }
    waits
}

async fn enable(stage: &Stage, id: endpoint::Id) {
    let enable = |state: &endpoint::State| endpoint::enable(state);
    stage.log.transact::<Endpoints, _>(&id, stage.now(), enable).await.unwrap();
}

async fn phase(stage: &Stage, id: delivery::Id) -> Phase {
    stage.load(id).await.state.delivery().unwrap().phase
}

#[tokio::test]
async fn every_attempt_of_the_schedule_is_made_once_and_on_time_whenever_dispatchers_die() {
    let receiver = WebhookReceiver::start().await;
    let stage = Stage::set().await;
    let endpoint = stage.add(&receiver.url("/"), OWN).await;
    let mut now: Dispatching = stage.dispatcher(receiver.port());
    let happening = stage.happening();
    let id = delivery::Id::of(endpoint, happening.told.event_id);
    receiver.script([Reply::Status(500)]);
    now.deliverer.tell(&happening, false, None).await.unwrap();

    let (mut step, mut cut_off) = (0, 0);
    while let Phase::Waiting { retry_at: Some(retry_at) } = phase(&stage, id).await {
        let before = receiver.received().len();
        // Whoever looks too early only learns when it is due, a new dispatcher, too.
        stage.clock.set(later(retry_at, -1));
        now = stage.dispatcher(receiver.port());
        assert_eq!(now.deliverer.pursue(id).await.unwrap(), Progress::DueAt(retry_at));
        assert_eq!(receiver.received().len(), before);
        stage.clock.set(retry_at);
        if step % 3 == 1 {
            // It dies after the endpoint has the request and before it answers.
            receiver.script([Reply::Hang]);
            let doomed = now.deliverer.clone();
            let doomed = tokio::spawn(async move { doomed.pursue(id).await.map(drop) });
            receiver.wait_for(before + 1, PATIENCE).await;
            doomed.abort();
            assert!(doomed.await.unwrap_err().is_cancelled());
            now = stage.dispatcher(receiver.port());
            cut_off += 1;
        }
        receiver.script([Reply::Status(500)]);
        now.deliverer.pursue(id).await.unwrap();
        step += 1;
    }

    let history = stage.history(id).await;
    let failed: Vec<(u32, i64)> = history
        .iter()
        .filter_map(|recorded| match &recorded.event {
            Event::AttemptFailed { attempt, retry_at, .. } => {
                Some((*attempt, retry_at.as_second() - recorded.time.as_second()))
            }
            _ => None,
        })
        .collect();
    let waits = waits();
    assert_eq!(failed.len(), waits.len());
    for (((attempt, wait), scheduled), number) in failed.iter().zip(&waits).zip(1..) {
        assert_eq!(*attempt, number);
        let latest = scheduled + scheduled / 10 + 1;
        assert!((*scheduled..=latest).contains(wait), "{wait} s instead of {scheduled} s");
    }
    let last = &history.last().unwrap().event;
    assert!(matches!(last, Event::Exhausted { attempts: 10, .. }), "{last:?}");
    assert_eq!(receiver.received().len(), 10 + cut_off);
    let ids: std::collections::BTreeSet<String> =
        receiver.received().iter().map(|one| one.header("webhook-id").to_owned()).collect();
    assert_eq!(ids.len(), 1, "each attempt has the same id");
}

#[tokio::test]
async fn an_attempt_whose_dispatcher_dies_is_in_the_log_once_another_starts() {
    let receiver = WebhookReceiver::start().await;
    let stage = Stage::set().await;
    let endpoint = stage.add(&receiver.url("/"), OWN).await;
    let happening = stage.happening();
    let id = delivery::Id::of(endpoint, happening.told.event_id);
    let interrupted = |history: &[Recorded<Deliveries>]| -> Vec<u32> {
        let attempt = |recorded: &Recorded<Deliveries>| match recorded.event {
            Event::AttemptFailed { attempt, code: FailureCode::Interrupted, .. } => Some(attempt),
            _ => None,
        };
        history.iter().filter_map(attempt).collect()
    };

    // The first attempt, of which the log knows nothing, and the one after it.
    let mut attempts = Vec::new();
    for number in [1, 2] {
        let doomed = stage.dispatcher(receiver.port());
        receiver.script([Reply::Hang]);
        let (deliverer, happening) = (doomed.deliverer.clone(), happening.clone());
        let call = tokio::spawn(async move {
            match number {
                1 => deliverer.tell(&happening, false, None).await,
                _ => deliverer.pursue(id).await.map(drop),
            }
        });
        receiver.wait_for(number, PATIENCE).await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        // At the same moment: what began then is not taken for what began before.
        drop(doomed);
        let heir = stage.dispatcher(receiver.port());
        heir.deliverer.record_left().await;
        heir.deliverer.record_left().await;
        attempts.push(number as u32);
        assert_eq!(interrupted(&stage.history(id).await), attempts);
    }
    let delivery = stage.load(id).await.state.delivery().unwrap().clone();
    assert_eq!((delivery.attempts, delivery.attempts_before), (2, 2));
    // It is due at once, and the schedule begins with what comes now.
    let now = stage.dispatcher(receiver.port());
    receiver.script([Reply::Status(500)]);
    let began = stage.now();
    let Progress::DueAt(at) = now.deliverer.pursue(id).await.unwrap() else { panic!() };
    assert!((5..=6).contains(&(at.as_second() - began.as_second())), "{at}");
    stage.clock.set(at);
    assert_eq!(now.deliverer.pursue(id).await.unwrap(), Progress::Over);
    let history = stage.history(id).await;
    assert_eq!(history.last().unwrap().event.name(), "delivered");
    // What is in the log was struck out, or is known to be.
    let lost = now.deliverer.journal.note(Attempt::new(id, &happening.told, 4, at));
    drop((lost, now));
    stage.clock.set(later(at, 60));
    stage.dispatcher(receiver.port()).deliverer.record_left().await;
    assert_eq!(stage.history(id).await.len(), history.len());
}

#[tokio::test]
async fn a_replaced_secret_signs_until_it_expires_and_not_a_moment_longer() {
    let receiver = WebhookReceiver::start().await;
    let stage = Stage::set().await;
    let endpoint = stage.add(&receiver.url("/"), OWN).await;
    let until = later(stage.now(), 3_600);
    let signing = stage.signing(endpoint, SECOND_SECRET).await;
    let rotate = |state: &endpoint::State| endpoint::rotate(state, signing.clone(), until);
    stage.log.transact::<Endpoints, _>(&endpoint, stage.now(), rotate).await.unwrap();
    let now = stage.dispatcher(receiver.port());
    // One dispatcher, which holds on to what it opened.
    for (seconds, both) in [(-1, true), (0, false), (1, false), (-1, true)] {
        stage.clock.set(later(until, seconds));
        let before = receiver.received().len();
        now.deliverer.tell(&stage.happening(), false, None).await.unwrap();
        let all = receiver.wait_for(before + 1, PATIENCE).await;
        let one = all.last().unwrap();
        let head = format!("{}.{}.", one.header("webhook-id"), one.header("webhook-timestamp"));
        let sign =
            |secret| SigningSecret::read(secret).unwrap().signature(&[head.as_bytes(), &one.body]);
        let mut expected = sign(SECOND_SECRET);
        if both {
            expected = format!("{expected} {}", sign(FIRST_SECRET));
        }
        assert_eq!(one.header("webhook-signature"), expected, "{seconds} s after it expired");
    }
}

#[tokio::test]
async fn an_endpoint_that_only_fails_for_five_days_is_disabled_across_restarts() {
    let receiver = WebhookReceiver::start().await;
    let stage = Stage::set().await;
    let endpoint = stage.add(&receiver.url("/"), OWN).await;
    let began = stage.now();
    let mut now = stage.dispatcher(receiver.port());
    receiver.script((0..10_000).map(|_| Reply::Status(503)));
    for hour in (0..=120).step_by(6) {
        stage.clock.set(later(began, hour * 3_600));
        if hour % 24 == 12 {
            now = stage.dispatcher(receiver.port());
        }
        assert!(stage.endpoint(endpoint).await.disabled.is_none(), "after {hour} h");
        for _ in 0..6 {
            now.deliverer.tell(&stage.happening(), false, None).await.unwrap();
        }
    }
    let (because, at) = stage.endpoint(endpoint).await.disabled.unwrap();
    assert_eq!((because, at), (DisabledBecause::Failing, later(began, 5 * 86_400)));
    // It is told nothing any more, and what waited is over.
    let before = receiver.received().len();
    eventually("the book knows", PATIENCE, || async {
        now.deliverer.book.endpoint(endpoint).is_some_and(|known| known.disabled.is_some())
    })
    .await;
    now.deliverer.tell(&stage.happening(), false, None).await.unwrap();
    assert_eq!(receiver.received().len(), before);
    // Once it is enabled it begins anew, with the dispatcher that gave it up, too.
    stage.clock.set(later(began, 7 * 86_400));
    enable(&stage, endpoint).await;
    stage.clock.set(later(began, 7 * 86_400 + 1));
    for _ in 0..2 {
        now.deliverer.tell(&stage.happening(), false, None).await.unwrap();
        assert!(stage.endpoint(endpoint).await.disabled.is_none());
    }
    assert_eq!(receiver.received().len(), before + 2);
}

#[tokio::test]
async fn an_endpoint_that_takes_what_another_dispatcher_tells_it_is_not_given_up() {
    let receiver = WebhookReceiver::start().await;
    let stage = Stage::set().await;
    let endpoint = stage.add(&receiver.url("/"), OWN).await;
    let began = stage.now();
    let (unlucky, other) = (stage.dispatcher(receiver.port()), stage.dispatcher(receiver.port()));
    for hour in [0, 60, 121] {
        stage.clock.set(later(began, hour * 3_600));
        for (dispatcher, status) in [(&unlucky, 503), (&other, 204)] {
            if hour == 60 || status == 503 {
                receiver.script([Reply::Status(status)]);
                dispatcher.deliverer.tell(&stage.happening(), false, None).await.unwrap();
            }
        }
    }
    assert!(stage.endpoint(endpoint).await.disabled.is_none());
    // Nobody told it anything since then that it took.
    for hour in [121 + 13, 121 + 121] {
        stage.clock.set(later(began, hour * 3_600));
        receiver.script([Reply::Status(503)]);
        unlucky.deliverer.tell(&stage.happening(), false, None).await.unwrap();
    }
    assert!(stage.endpoint(endpoint).await.disabled.is_none(), "five days begin with hour 134");
    stage.clock.set(later(began, (134 + 120) * 3_600));
    receiver.script([Reply::Status(503)]);
    unlucky.deliverer.tell(&stage.happening(), false, None).await.unwrap();
    assert!(stage.endpoint(endpoint).await.disabled.is_some());
}

#[tokio::test]
async fn two_dispatchers_that_make_the_same_attempt_leave_both_in_the_log() {
    let receiver = WebhookReceiver::start().await;
    let stage = Stage::set().await;
    let endpoint = stage.add(&receiver.url("/"), OWN).await;
    let (one, other) = (stage.dispatcher(receiver.port()), stage.dispatcher(receiver.port()));
    for statuses in [[204, 204], [204, 503], [503, 204], [503, 503], [410, 204], [410, 503]] {
        let happening = stage.happening();
        let id = delivery::Id::of(endpoint, happening.told.event_id);
        let before = receiver.received().len();
        receiver.script(statuses.map(Reply::Status));
        let both = tokio::join!(
            one.deliverer.tell(&happening, false, None),
            other.deliverer.tell(&happening, false, None),
        );
        assert!(both.0.is_ok() && both.1.is_ok(), "{both:?}");
        assert_eq!(receiver.received().len() - before, 2, "{statuses:?}");
        let history = stage.history(id).await;
        let attempts: Vec<(u32, Option<u16>)> = history
            .iter()
            .filter_map(|recorded| match recorded.event {
                Event::AttemptFailed { attempt, status, .. }
                | Event::Exhausted { attempts: attempt, status, .. } => Some((attempt, status)),
                Event::Delivered { attempt, status, .. } => Some((attempt, Some(status))),
                Event::Due { .. } | Event::RedeliveryRequested {} => None,
            })
            .collect();
        assert_eq!(attempts.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2]);
        let mut recorded: Vec<u16> = attempts.iter().filter_map(|(_, status)| *status).collect();
        recorded.sort_unstable();
        let mut given = statuses.to_vec();
        given.sort_unstable();
        assert_eq!(recorded, given);
        let delivery = stage.load(id).await.state.delivery().unwrap().clone();
        let delivered = matches!(delivery.phase, Phase::Delivered { .. });
        assert_eq!((delivery.attempts, delivered), (2, statuses.contains(&204)), "{statuses:?}");
        enable(&stage, endpoint).await;
    }
}
