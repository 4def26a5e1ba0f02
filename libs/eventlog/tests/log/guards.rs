//! What is refused: lazy disks, wrong passwords, silent changes of the topology.

use eventlog::{ConnectError, Durability, DurabilityError, Log, Secret, topology};

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
    let mut settings = server.embedded.auditor_by_password();
    settings.password = Secret::new("wrong");
    let error = Log::connect(&settings, "auditor").await.map(drop).unwrap_err();
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
