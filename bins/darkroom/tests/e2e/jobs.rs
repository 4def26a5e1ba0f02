//! Jobs as tests hand them in and look at them.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Caller, Received, WebhookReceiver, until_some};

/// How long a job may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// Hands a source in and gives the job's id.
pub(crate) async fn hand_in(caller: &Caller, source: &str, callback: &str) -> String {
    wish(caller, &json!({"url": source, "sizes": ["40x40"], "callback_url": callback})).await
}

/// Asks for what the wish says and gives the job's id.
pub(crate) async fn wish(caller: &Caller, wish: &Value) -> String {
    let answer = caller.post("/v2/previews/", wish).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    id(&answer.json())
}

/// The id in a body.
pub(crate) fn id(body: &Value) -> String {
    body["id"].as_str().unwrap().to_owned()
}

/// The body of a job.
pub(crate) async fn body(caller: &Caller, id: &str) -> Value {
    let answer = caller.get(&format!("/v2/previews/{id}")).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer.json()
}

/// The body of a job once it has ended.
pub(crate) async fn ended(caller: &Caller, id: &str) -> Value {
    until_some(&format!("job {id} ends"), PATIENCE, || async {
        let body = body(caller, id).await;
        matches!(body["status"].as_str(), Some("success" | "failure")).then_some(body)
    })
    .await
}

/// The names of a job's events, whose chain is checked.
pub(crate) async fn history(caller: &Caller, id: &str) -> Vec<String> {
    let events = events(caller, id).await;
    events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

/// The events of a job, whose chain is checked.
pub(crate) async fn events(caller: &Caller, id: &str) -> Vec<Value> {
    let answer = caller.get(&format!("/v1/jobs/{id}/events")).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    let events = answer.json()["events"].as_array().unwrap().clone();
    assert_eq!(events[0]["prev"], "0".repeat(64), "{id}: {}", events[0]);
    for pair in events.windows(2) {
        assert_eq!(pair[1]["prev"], pair[0]["hash"], "{id}: the chain is broken");
        assert!(pair[1]["seq"].as_u64() > pair[0]["seq"].as_u64(), "{id}");
    }
    events
}

/// The webhook of a job.
pub(crate) async fn webhook(receiver: &WebhookReceiver, id: &str) -> Received {
    let of_it = |received: &&Received| received.json()["id"] == id;
    let all = receiver.wait_until(PATIENCE, |all| all.iter().any(|one| of_it(&one))).await;
    all.iter().find(of_it).unwrap().clone()
}
