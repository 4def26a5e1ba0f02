//! Renderers that are killed from outside while they draw.

use serde_json::json;
use testkit::{
    Part, Source, SourceServer, Stack, WebhookReceiver, pictures, processes, until_some,
};

use crate::jobs::{self, PATIENCE};

/// Kills the renderers once the job's source is being drawn in this attempt.
async fn kill_renderers(stack: &Stack, id: &str, attempt: usize) {
    let caller = stack.caller(0);
    until_some("the source is being drawn", PATIENCE, || async {
        let history = jobs::history(&caller, id).await;
        let drawing = history.iter().filter(|name| *name == "fetched").count() >= attempt;
        drawing.then_some(())
    })
    .await;
    // Those that are only being started still have their starter's name.
    let started = processes::descendants(stack.pid(Part::Worker));
    let renderers: Vec<_> =
        started.iter().filter(|process| process.name.starts_with("darkroom-render")).collect();
    assert!(!renderers.is_empty(), "{started:?}");
    for renderer in renderers {
        processes::kill(renderer.pid);
    }
}

fn codes(events: &[serde_json::Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["data"]["code"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renderer_killed_once_is_replaced_and_one_killed_twice_has_its_source_quarantined() {
    let (sources, hooks) = (SourceServer::start().await, WebhookReceiver::start().await);
    let ports = [sources.port(), hooks.port()];
    let stack = Stack::start(1, &ports, &[("DARKROOM__RETRY__FIRST_MS", "100")]).await;
    let (caller, worker) = (stack.caller(0), stack.pid(Part::Worker));
    // Large enough to be found at work.
    let large = pictures::png(3_000, 2_500, [90, 120, 60]);
    let large = sources.put("/large.png", Source::bytes(large));
    let slow = json!({"url": large, "sizes": ["original", 2000, 1000], "format": "webp"});

    let id = jobs::wish(&caller, &slow).await;
    kill_renderers(&stack, &id, 1).await;
    assert_eq!(jobs::ended(&caller, &id).await["status"], "success");
    let events = jobs::events(&caller, &id).await;
    assert_eq!(codes(&events), ["renderer_memory"], "{events:?}");
    let names = jobs::history(&caller, &id).await;
    assert!(names.contains(&"attempt_failed".to_owned()), "{names:?}");

    let id = jobs::wish(&caller, &slow).await;
    kill_renderers(&stack, &id, 1).await;
    kill_renderers(&stack, &id, 2).await;
    let body = jobs::ended(&caller, &id).await;
    assert_eq!(body["error"]["code"], "quarantined", "{body}");
    assert_eq!(codes(&jobs::events(&caller, &id).await), ["renderer_memory", "quarantined"]);

    let good = sources.put("/good.jpg", Source::bytes(pictures::PHOTOGRAPH));
    let id = jobs::hand_in(&caller, &good, &hooks.url("/next")).await;
    assert_eq!(jobs::ended(&caller, &id).await["status"], "success");
    assert_eq!(stack.pid(Part::Worker), worker);
    assert!(processes::is_alive(worker), "the worker lives");
}
