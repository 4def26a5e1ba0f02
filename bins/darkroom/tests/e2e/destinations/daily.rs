//! Proofs that nobody asks for: one when a destination is set, and one every day.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::{self, consumer::PullConsumer};
use domain::{Timestamp, account::Accounts};
use eventlog::topology;
use serde_json::Value;
use service::{Clock as _, ManualClock, Sources, SystemClock, settings::Environment};
use testkit::{Moto, Part, Stack, eventually, executable, until_some};
use tokio_util::sync::CancellationToken;

use super::{PATH, put, wish};
use crate::jobs::PATIENCE;

const DAY: Duration = Duration::from_secs(86_400);

/// When each proof of the account's was recorded.
async fn proofs(stack: &Stack) -> Vec<Timestamp> {
    let log = stack.nats.log("operator").await;
    let messages = log.messages::<Accounts>(&stack.account).await.unwrap();
    let proven = messages.iter().filter(|raw| raw.event_name() == "destination_proven");
    proven.map(|raw| raw.decode::<Accounts>().unwrap().time).collect()
}

/// Settings of a worker over the same log, bucket and rings, as its environment would hold them.
fn settings(stack: &Stack, moto: &Moto) -> worker::Settings {
    let (nats, storage, rings) =
        (stack.nats.settings("worker"), stack.s3.settings(), stack.vault());
    let path = |path: std::path::PathBuf| path.display().to_string();
    let given = [
        ("NATS__URL", nats.url.clone()),
        ("NATS__USER", nats.user.clone()),
        ("NATS__PASSWORD", nats.password.expose().to_owned()),
        ("NATS__SYSTEM_USER", nats.system_user.clone()),
        ("NATS__SYSTEM_PASSWORD", nats.system_password.expose().to_owned()),
        ("VAULT__MASTER_KEY_FILE", path(rings.master_key_file)),
        ("VAULT__CREDENTIALS_KEY_FILE", path(rings.credentials_key_file)),
        ("STORAGE__ENDPOINT", storage.endpoint.unwrap()),
        ("STORAGE__ACCESS_KEY", storage.access_key),
        ("STORAGE__SECRET_KEY", storage.secret_key.expose().to_owned()),
        ("EGRESS__ALLOW", format!("127.0.0.1/32:{}", moto.port())),
        ("WORKER__SPOOL", path(stack.data().join("spool"))),
        ("WORKER__RENDERER", path(executable("darkroom-renderer"))),
        ("WORKER__RECEIPT_KEY_FILE", path(stack.data().join("receipts.key"))),
        ("WORKER__RECEIPT_KEYS_FILE", path(stack.data().join("receipts.pub"))),
    ];
    let given = given.map(|(name, value)| (format!("DARKROOM__{name}"), value));
    let environment = Environment::Given(given.into());
    let sources = Sources { environment, ..Sources::default() };
    service::settings::load(worker::settings::DEFAULTS, &sources).unwrap()
}

async fn accounts(stack: &Stack) -> jetstream::stream::Stream {
    let nats = stack.nats.settings("operator");
    let client = async_nats::ConnectOptions::new()
        .nkey(nats.password.expose().to_owned())
        .custom_inbox_prefix("_INBOX_operator")
        .connect(nats.url.as_str())
        .await
        .unwrap();
    jetstream::new(client).get_stream(topology::ACCOUNTS).await.unwrap()
}

/// The queue of what is to be tried.
async fn prover(stack: &Stack) -> PullConsumer {
    accounts(stack).await.get_consumer(topology::PROVER).await.unwrap()
}

/// Has every message of the queue come again at once, as if its time had passed on the server, too.
async fn hand_out_again(stack: &Stack) {
    accounts(stack).await.delete_consumer(topology::PROVER).await.unwrap();
    topology::apply(&stack.nats.log("operator").await, 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn setting_a_destination_has_it_tried_and_so_does_every_day() {
    let moto = Moto::start().await;
    let mut stack = Stack::start(1, &[moto.port()], &[]).await;
    let caller = stack.caller(0);
    let policy = super::policies::allowing(&["s3:PutObject"]);
    let writer = moto.user("writer", Some(&policy)).await;
    let asked = wish(&moto.endpoint(), Moto::BUCKET, &writer);
    put(&caller, &asked).await;
    // Nobody asks for a proof.
    let found: Value = until_some("it is tried", PATIENCE, || async {
        let found = caller.get(PATH).await.json()["write_only"].clone();
        (found["standing"] != "unknown").then_some(found)
    })
    .await;
    assert_eq!(found["standing"], "write_only", "{found}");
    let first = proofs(&stack).await;
    assert_eq!(first.len(), 1);
    // Saying the same again tells nothing new.
    put(&caller, &asked).await;
    stack.kill(Part::Worker);

    let clock = Arc::new(ManualClock::new(SystemClock.now() + DAY - Duration::from_secs(600)));
    let shutdown = CancellationToken::new();
    let running = worker::run(settings(&stack, &moto), clock.clone(), shutdown.clone());
    let running = tokio::spawn(running);
    hand_out_again(&stack).await;
    Box::pin(eventually("a worker has looked at it, ten minutes too early", PATIENCE, || async {
        prover(&stack).await.get_info().await.unwrap().num_pending == 0
    }))
    .await;
    clock.advance(Duration::from_secs(1_200));
    hand_out_again(&stack).await;
    let second = until_some("it is tried again", PATIENCE, || async {
        let all = proofs(&stack).await;
        (all.len() == 2).then(|| all[1])
    })
    .await;
    let between = second.duration_since(first[0]);
    assert!(between.as_secs() >= 86_400, "{between}");
    assert_eq!(caller.get(PATH).await.json()["write_only"]["standing"], "write_only");
    shutdown.cancel();
    running.await.unwrap().unwrap();
    // Handed out again it was by this test: the server has it still, for the day after.
    Box::pin(eventually("its message keeps watch", PATIENCE, || async {
        prover(&stack).await.get_info().await.unwrap().num_ack_pending == 1
    }))
    .await;
}
