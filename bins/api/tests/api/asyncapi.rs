//! The AsyncAPI document: as its authors' schema wants it, and as events are.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use domain::schema::schemas;
use serde_json::{Value, json};
use testkit::Finish as _;

use crate::stage::{PATIENCE, World, until_some};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Has Node hold the document against the official schema, and events against those it names, which
/// must be `valid` or not.
fn hold(document: &Value, events: &[(String, Value)], valid: bool) {
    let packages = repository().join(".tools/node/node_modules");
    assert!(packages.exists(), "{}: run `./justw test`, which installs it", packages.display());
    let given = json!({ "document": document, "events": events, "valid": valid });
    let output = Command::new("node")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/asyncapi.js"))
        .env("NODE_PATH", packages)
        .finish_given(given.to_string().as_bytes());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let checked = String::from_utf8(output.stdout).unwrap();
    assert_eq!(checked.trim(), events.len().to_string());
}

/// Every frozen sample, with the name of its schema.
fn samples() -> Vec<(String, Value)> {
    let mut samples = Vec::new();
    for event in schemas().events {
        let folder = repository().join("libs/domain/testdata").join(event.noun);
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if name.split('.').next() == Some(event.name.as_str()) {
                let sample = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
                samples.push((format!("{}.{}", event.noun, event.name), sample));
            }
        }
    }
    assert!(samples.len() > 70, "{}", samples.len());
    samples
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_one_and_every_sample_and_event_is_what_it_says() {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let document = api.get("/asyncapi.json").send().await.body;
    let mut events = samples();
    api.submit(&tenant).await;
    let told = until_some("events", PATIENCE, || async {
        let answer = api.get("/v1/events?types=job.requested").by(&tenant).send().await;
        answer.body.is_object().then_some(answer.body)
    })
    .await;
    events.push(("told.job.requested".to_owned(), told.clone()));
    tokio::task::block_in_place(|| hold(&document, &events, true));

    // What is not as described is told apart, so the schemas say something.
    let changed = |pointer: &str, value: Value| {
        let mut event = told.clone();
        *event.pointer_mut(pointer).unwrap() = value;
        ("told.job.requested".to_owned(), event)
    };
    let wrong = [
        changed("/type", json!("darkroom.job.failed.v1")),
        changed("/data/source_url", json!(7)),
        changed("/data/wish/pages", json!({})),
        changed("/data", json!({"event": "requested"})),
        (
            "job.failed".to_owned(),
            json!({"event": "failed", "attempts": 1, "code": "no_such_code"}),
        ),
    ];
    tokio::task::block_in_place(|| hold(&document, &wrong, false));
}
