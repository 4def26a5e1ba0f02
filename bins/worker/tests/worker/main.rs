//! The worker as a process of its own, with real servers around it: large sources, and what
//! is made beside renditions. `cargo build --workspace --bins` comes first.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should fail where it stands"
)]

mod ranges;
mod stages;
mod walls;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use testkit::{Caller, until_some};

/// How long a job may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// Asks for what the wish says and gives the job's id.
async fn hand_in(caller: &Caller, wish: &Value) -> String {
    let answer = caller.post("/v2/previews/", wish).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// The body of a job once it has ended.
async fn ended(caller: &Caller, id: &str) -> Value {
    until_some(&format!("job {id} ends"), PATIENCE, || async {
        let body = caller.get(&format!("/v2/previews/{id}")).await.json();
        matches!(body["status"].as_str(), Some("success" | "failure")).then_some(body)
    })
    .await
}

/// Hands a wish in and waits for its end.
async fn fulfilled(caller: &Caller, wish: &Value) -> Value {
    let id = hand_in(caller, wish).await;
    let body = ended(caller, &id).await;
    assert_eq!(body["status"], "success", "{body}");
    body
}

/// A job's events.
async fn events(caller: &Caller, id: &str) -> Vec<Value> {
    let answer = caller.get(&format!("/v1/jobs/{id}/events")).await;
    answer.json()["events"].as_array().unwrap().clone()
}

/// A real file that nobody here wrote.
fn corpus(file: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/corpus/files");
    let path: PathBuf = folder.join(file);
    let missing = format!("{}: `./justw --need corpus` lays it there", path.display());
    std::fs::read(path).expect(&missing)
}
