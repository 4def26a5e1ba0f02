//! Several APIs over one log: whatever one has answered, the other knows.

use api::{ops, projection};
use bytes::Bytes;
use domain::{job::Jobs, sealed::field};
use eventlog::Keys;
use futures::future::join_all;
use http::StatusCode;
use readmodel::{Found, Store, Stream};
use std::{collections::HashSet, sync::Arc};
use vault::{MasterKeys, Vault};

use crate::stage::{PATIENCE, World};

#[tokio::test]
async fn a_read_from_another_replica_reflects_what_was_just_written() {
    let world = World::real().await;
    let tenant = world.tenant().await;
    let first = world.api("a").await;
    let own_connection = world.connect("api").await;
    let second = world.api_with(world.settings("b"), &own_connection).await;
    for round in 0..40 {
        let id = first.submit(&tenant).await["id"].as_str().unwrap().to_owned();
        let path = format!("/v2/previews/{id}");
        let read = second.get(&path).by(&tenant).send().await;
        assert_eq!(read.status, StatusCode::OK, "round {round}");
        assert!(!read.headers.contains_key("darkroom-stale-ms"));
        let job = format!("/v1/jobs/{id}");
        let cancelled = second.request(http::Method::DELETE, &job).by(&tenant).send().await;
        assert_eq!(cancelled.status, StatusCode::ACCEPTED);
        // Each has answered about it before, or has not: both know what happened since.
        for api in [&first, &second] {
            assert_eq!(api.get(&path).by(&tenant).send().await.body["status"], "failure");
        }
        let listed = first.get("/v1/jobs?limit=1").by(&tenant).send().await.body;
        assert_eq!(listed["jobs"][0]["status"], "cancelled", "round {round}");
    }
}

#[tokio::test]
async fn a_key_in_use_is_refused_by_every_replica_once_it_is_revoked() {
    let world = World::real().await;
    let tenant = world.tenant().await;
    let first = world.api("a").await;
    let second = world.api_with(world.settings("b"), &world.connect("api").await).await;
    let path = format!("/v2/previews/{}", first.submit(&tenant).await["id"].as_str().unwrap());
    for api in [&first, &second, &first, &second] {
        assert_eq!(api.get(&path).by(&tenant).send().await.status, StatusCode::OK);
    }
    world.revoke(&tenant).await;
    for api in [&first, &second] {
        crate::stage::eventually("the key is refused", PATIENCE, || async {
            api.get(&path).by(&tenant).send().await.status == StatusCode::UNAUTHORIZED
        })
        .await;
        // And stays so.
        assert_eq!(api.get(&path).by(&tenant).send().await.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn each_of_many_jobs_has_an_id_and_a_stored_key_of_its_own() {
    let world = World::real().await;
    let tenant = world.tenant().await;
    let api = world.api("a").await;
    let mut jobs = HashSet::new();
    for round in 0..6 {
        let asked = (0..20).map(|number| {
            let body = format!(
                r#"{{"url": "https://example.com/a.jpg", "data": {{"number": "{round}-{number}"}}}}"#
            );
            let (api, tenant) = (&api, &tenant);
            async move { (api.post(tenant, body).send().await, format!("{round}-{number}")) }
        });
        for (answer, number) in join_all(asked).await {
            assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
            assert_eq!(answer.body["user_data"]["number"], number);
            assert!(jobs.insert(tenant.id(&answer.body)), "an id was given out twice");
        }
    }
    // Whoever has nothing but what is stored can open them.
    let master = MasterKeys::open(&world.folder.path().join("master.key")).unwrap();
    let vault = Vault::new(master, Arc::new(Keys::new(&world.log)));
    for id in &jobs {
        let stored = world.log.load::<Jobs>(id).await.unwrap();
        let requested = &stored.state.job().unwrap().requested;
        let key = vault.job_key(&id.account.to_string(), &id.job.to_string()).await.unwrap();
        let url = key.open_text(field::SOURCE_URL, requested.source_url.envelope()).unwrap();
        assert_eq!(*url, "https://example.com/a.jpg");
    }
}

#[tokio::test]
async fn a_rebuilt_read_model_is_the_live_one() {
    let world = World::real().await;
    let tenant = world.tenant().await;
    let api = world.api("a").await;
    for _ in 0..30 {
        let id = api.submit(&tenant).await["id"].as_str().unwrap().to_owned();
        api.request(http::Method::DELETE, &format!("/v1/jobs/{id}")).by(&tenant).send().await;
    }
    let ends = projection::ends(&world.log).await.unwrap();
    let path = world.folder.path().join("rebuilt");
    let store = Arc::new(Store::open(&path).unwrap().0);
    let reached = projection::rebuild(&world.log, store.clone(), ends, |_| {}).await.unwrap();
    assert_eq!(reached, ends);

    let operator = world.connect("operator").await;
    let report = crate::stage::until_some("the live one is there too", PATIENCE, || async {
        let answers = operator.ask(ops::READ_MODEL, Bytes::new(), 1, PATIENCE).await.ok()?;
        let report: ops::Report = serde_json::from_slice(&answers[0]).unwrap();
        report.positions.cover(&ends).then_some(report)
    })
    .await;
    assert_eq!((report.positions, report.hash), store.hash().unwrap());
}

#[tokio::test]
async fn a_restarted_api_goes_on_where_it_stopped() {
    let world = World::real().await;
    let tenant = world.tenant().await;
    let api = world.api("a").await;
    let id = api.submit(&tenant).await["id"].as_str().unwrap().to_owned();
    api.get("/v1/jobs").by(&tenant).send().await;
    api.stop().await;
    let path = world.settings("a").data.join("readmodel");
    let (store, found) = Store::open(&path).unwrap();
    assert!(matches!(found, Found::Rows(_)), "{found:?}");
    assert!(store.position(Stream::Jobs) > 0);
    drop(store);
    let api = world.api("a").await;
    assert_eq!(
        api.get(&format!("/v2/previews/{id}")).by(&tenant).send().await.status,
        StatusCode::OK
    );
    // Its folder is its own.
    let twice = api::Server::assemble(
        world.settings("a"),
        world.log.clone(),
        world.custody.clone(),
        Arc::new(service::SystemClock),
        tokio_util::sync::CancellationToken::new(),
    )
    .await;
    let error = service::Chain(&twice.err().unwrap()).to_string();
    assert!(error.contains("held by another process"), "{error}");
}

#[tokio::test]
async fn without_its_log_an_api_says_how_old_its_answers_are_and_accepts_nothing() {
    let mut world = World::real().await;
    let tenant = world.tenant().await;
    let settings = api::Api { request_ms: 2_000, ..world.settings("a") };
    let api = world.api_with(settings, &world.log).await;
    let id = api.submit(&tenant).await["id"].as_str().unwrap().to_owned();
    let path = format!("/v2/previews/{id}");
    assert_eq!(api.get(&path).by(&tenant).send().await.status, StatusCode::OK);
    world.stop_server().await;

    let read = api.get(&path).by(&tenant).send().await;
    assert_eq!((read.status, &read.body["status"]), (StatusCode::OK, &"pending".into()));
    assert!(read.headers["darkroom-stale-ms"].to_str().unwrap().parse::<u64>().is_ok());
    let as_of = read.headers["darkroom-as-of"].to_str().unwrap();
    assert!(as_of.parse::<domain::Timestamp>().is_ok(), "{as_of}");
    let list = api.get("/v1/jobs").by(&tenant).send().await;
    assert_eq!(list.body["jobs"].as_array().unwrap().len(), 1);
    assert!(list.headers.contains_key("darkroom-stale-ms"));
    let body = r#"{"url": "https://example.com/a.jpg"}"#;
    let refused = api.post(&tenant, body).send().await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(refused.body["error"]["type"], "api_error");
    // What nobody here has heard of may exist all the same.
    let unknown =
        api.get("/v2/previews/0190a5c4-9d2e-7c3b-8f1a-2b6d5e4f3a21").by(&tenant).send().await;
    assert_eq!(unknown.status, StatusCode::SERVICE_UNAVAILABLE);
    crate::stage::eventually("it is not ready", PATIENCE, || async {
        api.get("/readyz").send().await.status == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    assert_eq!(api.get("/healthz").send().await.status, StatusCode::OK);
}
