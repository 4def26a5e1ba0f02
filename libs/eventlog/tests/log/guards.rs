//! What is refused: lazy disks, other roles' subjects, silent changes of the topology.

use std::{sync::Arc, time::Duration};

use async_nats::{ConnectOptions, Event};
use eventlog::{ConnectError, Durability, DurabilityError, Log, Secret, server::ROLES, topology};
use tokio::sync::mpsc;

use crate::support::{No, Server, Three, Toy, fresh_id, now, request, until};

#[tokio::test]
async fn synced_durability_is_proven_on_one_server() {
    let server = Server::start().await;
    Log::prove_durability(&server.settings("api")).await.unwrap();
    let mut more = server.settings("api");
    more.replicas = 3;
    let few = Log::prove_durability(&more).await.unwrap_err();
    assert!(matches!(few, DurabilityError::Few { found: 1, wanted: 3 }), "{few}");
    let mut blind = server.settings("api");
    blind.system_password = Secret::default();
    let blind = Log::prove_durability(&blind).await.unwrap_err();
    assert!(blind.to_string().contains("nats.system_user"), "{blind}");
}

#[tokio::test]
async fn synced_durability_is_proven_on_three_servers() {
    let three = Three::start().await;
    Log::prove_durability(&three.cluster.settings("api")).await.unwrap();
    three.cluster.stop().await;
}

#[tokio::test]
async fn a_lazy_server_is_refused_unless_that_is_wanted() {
    let server = Server::start_with(Durability::Relaxed).await;
    let mut settings = server.settings("api");
    Log::prove_durability(&settings).await.unwrap();
    settings.durability = Durability::Synced;
    let error = Log::prove_durability(&settings).await.unwrap_err();
    assert!(matches!(error, DurabilityError::Lazy { .. }), "{error}");
    assert!(error.to_string().contains("sync_interval: always"), "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_named_at_once() {
    let server = Server::start().await;
    let mut settings = server.settings("api");
    settings.password = Secret::new("wrong");
    let error = Log::connect(&settings, "api").await.map(drop).unwrap_err();
    assert!(matches!(error, ConnectError::Forbidden { .. }), "{error}");
}

#[tokio::test]
async fn the_topology_applies_twice_and_shows_what_somebody_changed() {
    let server = Server::start().await;
    let log = server.log("operator").await;
    topology::apply(&log, 1).await.unwrap();
    assert_eq!(topology::diff(&log, 1).await.unwrap(), []);

    let bare = server.bare("operator").await;
    let mut config: serde_json::Value =
        serde_json::from_str(include_str!("../../../../nats/streams/JOBS.json")).unwrap();
    config["max_msgs"] = 2.into();
    let answer =
        bare.request("$JS.API.STREAM.UPDATE.JOBS", config.to_string().into()).await.unwrap();
    assert!(!String::from_utf8_lossy(&answer.payload).contains("\"error\""));
    bare.request("$JS.API.CONSUMER.DELETE.WORK.worker-07", "".into()).await.unwrap();
    let drifts: Vec<_> =
        topology::diff(&log, 1).await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(
        drifts,
        ["stream JOBS: max_msgs is 2, wanted -1", "consumer WORK/worker-07 is missing"]
    );
    topology::apply(&log, 1).await.unwrap();
    assert_eq!(topology::diff(&log, 1).await.unwrap(), []);
}

#[tokio::test]
async fn a_queue_that_is_kept_in_another_way_is_made_anew_and_loses_nothing() {
    let server = Server::start().await;
    let (log, bare) = (server.log("operator").await, server.bare("operator").await);
    let ask = async |subject: &str, body: serde_json::Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = bare.request(subject.to_owned(), body.into()).await.unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap();
        assert!(answer.get("error").is_none(), "{answer}");
        answer
    };
    for _ in 0..5 {
        log.transact::<Toy, No>(&fresh_id(), now(), request).await.unwrap();
    }
    let described = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let mut stream = described(include_str!("../../../../nats/streams/WORK.json"));
    let mut consumer = described(include_str!("../../../../nats/consumers/WORK.worker-07.json"));
    stream.as_object_mut().unwrap().remove("persist_mode");
    consumer["mem_storage"] = false.into();
    ask("$JS.API.STREAM.DELETE.WORK", serde_json::Value::Null).await;
    ask("$JS.API.STREAM.CREATE.WORK", stream).await;
    let query =
        serde_json::json!({ "stream_name": "WORK", "action": "create", "config": consumer });
    ask("$JS.API.CONSUMER.CREATE.WORK.worker-07", query).await;
    topology::apply(&log, 1).await.unwrap();
    assert_eq!(topology::diff(&log, 1).await.unwrap(), []);
    until("all that is due is queued again", async || {
        let info = ask("$JS.API.STREAM.INFO.WORK", serde_json::Value::Null).await;
        info["state"]["messages"] == 5
    })
    .await;
    server.embedded.stop().await;
}

/// Who may publish (`>`) or subscribe (`<`) what; everybody else may not.
const RIGHTS: &[(&str, &[&str])] = &[
    ("> darkroom.job.a.j.requested", &["api", "operator"]),
    ("> darkroom.job.a.j.cancel_requested", &["api", "operator"]),
    ("> darkroom.job.a.j.started", &["worker", "operator"]),
    ("> darkroom.job.a.j.completed", &["worker", "operator"]),
    ("> darkroom.account.a.opened", &["api", "operator"]),
    ("> darkroom.delivery.a.e.d.due", &["dispatcher", "operator"]),
    ("> darkroom.work.1.a.j", &[]),
    ("> darkroom.live.job.a.j.requested", &[]),
    ("> darkroom.checkpoint.a", &[]),
    ("> darkroom.parked.WORK.worker-00", &["worker"]),
    ("> darkroom.parked.JOBS.dispatcher", &["dispatcher"]),
    ("> darkroom.progress.a.j", &["worker"]),
    ("> darkroom.cancel.a.j", &["api", "operator"]),
    ("> darkroom.ops.readmodel", &["operator"]),
    ("> $KV.keys.job.a", &["api", "worker", "operator"]),
    ("> $JS.API.DIRECT.GET.JOBS", &["api", "worker", "dispatcher", "operator", "auditor"]),
    ("> $JS.API.DIRECT.GET.KV_keys", &["api", "worker", "dispatcher", "operator"]),
    ("> $JS.API.DIRECT.GET.PARKED", &["operator", "auditor"]),
    ("> $JS.API.STREAM.MSG.GET.JOBS", &["api", "worker", "dispatcher", "operator"]),
    ("> $JS.API.STREAM.MSG.DELETE.KV_keys", &["worker", "operator"]),
    ("> $JS.API.STREAM.MSG.DELETE.JOBS", &["operator"]),
    ("> $JS.API.STREAM.CREATE.EVIL", &["operator"]),
    ("> $JS.API.STREAM.UPDATE.JOBS", &["operator"]),
    ("> $JS.API.STREAM.DELETE.JOBS", &["operator"]),
    ("> $JS.API.STREAM.PURGE.JOBS", &["operator"]),
    ("> $JS.API.STREAM.SNAPSHOT.JOBS", &["operator"]),
    ("> $JS.API.CONSUMER.CREATE.JOBS", &["operator"]),
    ("> $JS.API.CONSUMER.CREATE.JOBS.dispatcher", &["operator"]),
    ("> $JS.API.CONSUMER.CREATE.WORK.worker-00", &["operator"]),
    ("> $JS.API.CONSUMER.CREATE.WORK.worker-00.darkroom.work.0.>", &["worker", "operator"]),
    ("> $JS.API.CONSUMER.CREATE.JOBS.dispatcher.darkroom.job.>", &["operator"]),
    ("> $JS.API.CONSUMER.DELETE.WORK.worker-00", &["operator"]),
    ("> $JS.API.CONSUMER.MSG.NEXT.WORK.worker-00", &["worker", "operator"]),
    ("> $JS.API.CONSUMER.MSG.NEXT.JOBS.dispatcher", &["dispatcher", "operator"]),
    ("> $JS.ACK.WORK.worker-00.1.1.1.1.1", &["worker", "operator"]),
    ("> $JS.ACK.JOBS.dispatcher.1.1.1.1.1", &["dispatcher", "operator"]),
    ("> $SYS.REQ.SERVER.PING.VARZ", &[]),
    ("< darkroom.job.>", &[]),
    ("< darkroom.>", &[]),
    ("< >", &[]),
    ("< darkroom.live.job.>", &["api", "dispatcher", "operator"]),
    ("< darkroom.progress.a.j", &["api", "operator"]),
    ("< darkroom.cancel.a.j", &["worker"]),
    ("< darkroom.ops.readmodel", &["api"]),
    ("< _INBOX_api.>", &["api"]),
    ("< _INBOX_worker.>", &["worker"]),
    ("< _INBOX.>", &[]),
    ("< $KV.keys.>", &[]),
    ("< $JS.EVENT.ADVISORY.>", &[]),
];

#[tokio::test]
async fn every_role_may_do_what_it_needs_and_nothing_else() {
    let server = Server::start().await;
    let mut wrong = Vec::new();
    for role in ROLES {
        let (sender, mut errors) = mpsc::channel(16);
        let settings = server.settings(role);
        let sender = Arc::new(sender);
        let client = ConnectOptions::new()
            .user_and_password(settings.user.clone(), settings.password.expose().to_owned())
            .custom_inbox_prefix(format!("_INBOX_{role}"))
            .event_callback(move |event| {
                let sender = Arc::clone(&sender);
                async move {
                    if let Event::ServerError(error) = event {
                        drop(sender.send(error.to_string()).await);
                    }
                }
            })
            .connect(&settings.url)
            .await
            .unwrap();
        for (right, holders) in RIGHTS {
            let (way, subject) = right.split_once(' ').unwrap();
            // A body that no API understands: what is allowed is refused by its receiver.
            let listening = if way == ">" {
                client.publish(subject, "?".into()).await.unwrap();
                None
            } else {
                Some(client.subscribe(subject).await.unwrap())
            };
            // A marker that is never allowed: its violation comes behind any other.
            client.publish("nobody.may", "".into()).await.unwrap();
            let mut refused = false;
            loop {
                let error = tokio::time::timeout(Duration::from_secs(10), errors.recv()).await;
                let error = error.unwrap().unwrap();
                if error.contains("nobody.may") {
                    break;
                }
                refused |= error.to_lowercase().contains("permissions violation");
            }
            if refused == holders.contains(&role) {
                wrong.push(format!(
                    "{role} {right}: {}",
                    if refused { "refused" } else { "allowed" }
                ));
            }
            drop(listening);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
