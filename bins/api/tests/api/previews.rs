//! `/v2/previews`, to the letter of the contract.

use std::collections::BTreeMap;

use domain::{
    FailureCode,
    account::FailureWord,
    id::WorkerId,
    job::{Artifact, Completed, Event, Fetched, StoredIn},
    sealed::field,
};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::World;

const URL: &str = "https://example.com/a.jpg";

#[tokio::test]
async fn every_spelling_of_a_size_is_taken_and_comes_back_verbatim() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    for (sizes, kept) in [
        (json!(null), json!(["original"])),
        (json!(""), json!(["original"])),
        (json!([]), json!(["original"])),
        (json!([null]), json!(["original"])),
        (json!(["200x200"]), json!(["200x200"])),
        (json!(["200X200"]), json!(["200X200"])),
        (json!(["300"]), json!(["300"])),
        (json!([300]), json!([300])),
        (json!(["100x"]), json!(["100x"])),
        (json!(["x200"]), json!(["x200"])),
        (json!(["300x400>"]), json!(["300x400>"])),
        (json!(["42>"]), json!(["42>"])),
        (json!(["original"]), json!(["original"])),
        (json!([null, "x5", 7, null]), json!(["x5", 7])),
    ] {
        for path in ["/v2/previews", "/v2/previews/"] {
            for media_type in [None, Some("application/json"), Some("text/plain")] {
                let body = json!({ "url": URL, "sizes": sizes }).to_string();
                let mut ask = api.post(&tenant, body).path(path);
                if let Some(media_type) = media_type {
                    ask = ask.header("content-type", media_type);
                }
                let answer = ask.send().await;
                assert_eq!(answer.status, StatusCode::CREATED, "{sizes} {path} {media_type:?}");
                let id = answer.body["id"].as_str().unwrap();
                let job = api.get(&format!("/v1/jobs/{id}")).by(&tenant).send().await;
                assert_eq!(job.body["wish"]["sizes"], kept, "{sizes}");
            }
        }
    }
}

#[tokio::test]
async fn a_preview_answers_with_seven_keys_from_the_start() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let body = json!({ "url": URL, "data": { "id": 7 } }).to_string();
    let created = api.post(&tenant, body).send().await;
    assert_eq!(created.status, StatusCode::CREATED);
    let id = created.body["id"].as_str().unwrap().to_owned();
    let url = format!("http://{}/v2/previews/{id}/", api.address);
    let expected = json!({
        "id": id, "url": url, "status": "pending", "preview": null, "thumbnails": null,
        "original_file": null, "user_data": { "id": 7 },
    });
    assert_eq!(created.body, expected);
    assert_eq!(created.headers["location"], url.as_str());
    assert_eq!(created.headers["content-type"], "application/json");
    for path in [format!("/v2/previews/{id}"), format!("/v2/previews/{id}/")] {
        let read = api.get(&path).by(&tenant).send().await;
        assert_eq!((read.status, &read.body), (StatusCode::OK, &expected));
        assert!(!read.headers.contains_key("darkroom-stale-ms"));
        let head = api.request(Method::HEAD, &path).by(&tenant).send().await;
        assert_eq!(head.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn an_empty_body_is_answered_in_the_envelope() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    for body in ["", "{}", r#"{"url": null}"#] {
        let answer = api.post(&tenant, body).send().await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        let expected = json!({"error": {"type": "invalid_request_error", "param": "url", "message": "This field is required."}});
        assert_eq!(answer.body, expected);
    }
    let blank = api.post(&tenant, r#"{"url": ""}"#).send().await;
    assert_eq!(blank.body["error"]["message"], "This field may not be blank.");
}

#[tokio::test]
async fn the_same_key_and_request_are_the_same_preview_for_ever() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let ask = |key: &str, body: Value| {
        api.post(&tenant, body.to_string()).header("idempotency-key", key).send()
    };
    let request =
        json!({ "url": URL, "data": { "a": 1, "b": 2 }, "metadata": ["exif", "checksum"] });
    let first = ask("k1", request).await;
    assert_eq!(first.status, StatusCode::CREATED);
    // Another order and spelling of the same.
    let same = json!({ "url": URL, "metadata": ["checksum", "exif"], "data": { "b": 2, "a": 1 }, "pages": "" });
    let again = ask("k1", same.clone()).await;
    assert_eq!((again.status, &again.body), (StatusCode::CREATED, &first.body));
    assert_eq!(again.headers["location"], first.headers["location"]);

    let other = ask("k1", json!({ "url": URL })).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(other.body["error"]["message"].as_str().unwrap().contains("Idempotency-Key"));
    let another_key = ask("k2", same.clone()).await;
    assert_ne!(another_key.body["id"], first.body["id"]);
    // Two at once are one.
    let raced = futures::future::join_all((0..8).map(|_| ask("k3", same.clone()))).await;
    assert!(raced.iter().all(|answer| answer.status == StatusCode::CREATED));
    assert!(raced.iter().all(|answer| answer.body == raced[0].body));
    // Without a key, each is its own.
    assert_ne!(api.submit(&tenant).await["id"], api.submit(&tenant).await["id"]);

    // The key is this application's alone.
    let stranger = world.tenant().await;
    let theirs = api.post(&stranger, same.to_string()).header("idempotency-key", "k1").send().await;
    assert_eq!(theirs.status, StatusCode::CREATED);
    assert_ne!(theirs.body["id"], first.body["id"]);

    for wrong in ["", "ü", "a b", "x".repeat(256).as_str()] {
        let answer = ask(wrong, json!({ "url": URL })).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
        assert_eq!(answer.body["error"]["param"], "Idempotency-Key");
    }
}

#[tokio::test]
async fn a_finished_preview_shows_what_was_made() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let body =
        json!({ "url": URL, "metadata": ["checksum", "exif"], "sizes": ["42>"] }).to_string();
    let created = api.post(&tenant, body).send().await.body;
    let id = tenant.id(&created);
    let custody = &world.custody;
    let worker = WorkerId::from_uuid(Uuid::new_v4());
    let name = "page-1_42gt.jpg";
    let location = json!({ "key": format!("{}/{name}", id.job), "url": "http://unsigned" });
    let events = [
        Event::Started { attempt: 1, worker },
        Event::Fetched(Fetched {
            file_name: Some(
                custody.seal_text(&id, field::FILE_NAME, "holiday.v2.JPG").await.unwrap(),
            ),
            size_bytes: 1_234,
            media_type: "image/jpeg".into(),
            encoding: "binary".into(),
            sha256: "aa".into(),
            md5: "bb".into(),
            crc32c: String::new(),
            mismatch: Default::default(),
        }),
        Event::Stored {
            artifact: Box::new(Artifact {
                role: domain::job::Role::Rendition,
                name: name.into(),
                location: custody
                    .seal_json(&id, &custody::artifact_field(name), &location)
                    .await
                    .unwrap(),
                stored_in: StoredIn::Development,
                page: 1,
                size_index: 0,
                requested_size: json!("42>"),
                width: 42,
                height: 31,
                original_width: 400,
                original_height: 300,
                resized: true,
                media_type: "image/jpeg".into(),
                size_bytes: 99,
                sha256: "cc".into(),
            }),
        },
        Event::Wiped { bytes: 5 },
    ];
    for event in events {
        world.happen(id, event).await;
    }
    let path = format!("/v2/previews/{}", id.job);
    assert_eq!(api.get(&path).by(&tenant).send().await.body["status"], "started");
    let metadata = json!({ "exif": { "Make": "Acme" } });
    world
        .happen(
            id,
            Event::Completed(Completed {
                total_pages: 1,
                metadata: Some(custody.seal_json(&id, field::METADATA, &metadata).await.unwrap()),
                engines: BTreeMap::new(),
                durations: domain::job::Durations::default(),
                receipt: None,
            }),
        )
        .await;
    let done = api.get(&path).by(&tenant).send().await.body;
    assert_eq!(done["status"], "success");
    assert_eq!(done["preview"], done["thumbnails"][0]);
    assert_eq!(done["preview"]["size"], json!({ "width": "42", "height": "31" }));
    assert_eq!(done["preview"]["requested_size"], "42>");
    assert!(done["preview"]["url"].as_str().unwrap().contains(name));
    assert_eq!(done["original_file"]["name"], "holiday.v2");
    assert_eq!(done["original_file"]["extension"], "JPG");
    assert_eq!(done["original_file"]["metadata"]["exif"]["Make"], "Acme");
    assert_eq!(done["original_file"]["metadata"]["checksum"], "bb");
    // The same again, to the byte, and the same links.
    assert_eq!(api.get(&path).by(&tenant).send().await.body, done);

    let close = api.get(&format!("/v1/jobs/{}", id.job)).by(&tenant).send().await.body;
    assert_eq!(close["status"], "completed");
    assert_eq!(close["artifacts"][0]["url"], done["preview"]["url"]);
    assert_eq!(close["file_name"], "holiday.v2.JPG");
}

#[tokio::test]
async fn a_failure_is_spelled_as_the_application_wants_it() {
    let world = World::memory().await;
    let api = world.api("a").await;
    for (word, expected) in [(FailureWord::Failure, "failure"), (FailureWord::Error, "error")] {
        let tenant = world.tenant_with(|application| application.terms.failure_word = word).await;
        let created = api.submit(&tenant).await;
        let failed = Event::Failed {
            attempts: 1,
            code: FailureCode::SourceNotFound,
            capability: None,
            detail: None,
        };
        world.happen(tenant.id(&created), failed).await;
        let path = created["url"].as_str().unwrap().split_once("/v2").unwrap().1;
        let read = api.get(&format!("/v2{path}")).by(&tenant).send().await.body;
        assert_eq!(read["status"], expected);
        assert_eq!(read["error"]["code"], "source_not_found");
        assert!(read["error"]["message"].is_string());
    }
}
