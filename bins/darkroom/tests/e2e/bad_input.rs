//! Sources that are wrong in every way: each job fails with a reason, and only that job.

use std::collections::BTreeMap;

use domain::FailureCode;
use serde_json::Value;
use testkit::{Part, Source, SourceServer, Stack, WebhookReceiver, pictures, processes};

use crate::{
    jobs::{self, PATIENCE},
    malformed::{self, End},
};

/// Whether the body says that the job failed with one of these codes, in the words for it.
fn fails_with(body: &Value, codes: &[&str]) -> bool {
    let code = body["error"]["code"].as_str().unwrap_or_default();
    let known = FailureCode::ALL.iter().find(|known| known.name() == code);
    body["status"] == "failure"
        && codes.contains(&code)
        && known.is_some_and(|known| body["error"]["message"] == known.text())
        && body["thumbnails"].is_null()
}

fn ended_as(body: &Value, end: End) -> bool {
    let completed = body["status"] == "success" && body.get("error").is_none();
    match end {
        End::Completes => completed,
        End::Fails(codes) => fails_with(body, codes),
        End::Either(codes) => completed || fails_with(body, codes),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_malformed_picture_fails_with_a_reason_and_the_next_job_is_unaffected() {
    let (sources, hooks) = (SourceServer::start().await, WebhookReceiver::start().await);
    let ports = [sources.port(), hooks.port()];
    let stack = Stack::start(1, &ports, &[("DARKROOM__RETRY__FIRST_MS", "50")]).await;
    let (caller, worker) = (stack.caller(0), stack.pid(Part::Worker));
    let cases = malformed::cases();
    assert!(cases.iter().filter(|case| !matches!(case.end, End::Completes)).count() >= 30);
    let mut names = BTreeMap::new();
    for case in &cases {
        let path = format!("/{}", case.name);
        let source = Source::bytes(case.bytes.clone()).header("content-type", case.media_type);
        let url = sources.put(&path, source);
        names.insert(jobs::hand_in(&caller, &url, &hooks.url("/hook")).await, case);
    }
    let good = sources.put("/good.jpg", Source::bytes(pictures::PHOTOGRAPH));
    let next = jobs::hand_in(&caller, &good, &hooks.url("/next")).await;

    let told = hooks.wait_for(names.len() + 1, PATIENCE).await;
    let mut wrong = Vec::new();
    for body in told.iter().map(testkit::Received::json) {
        let id = jobs::id(&body);
        let (name, end) = match names.get(&id) {
            Some(case) => (case.name, case.end),
            None => ("the next job", End::Completes),
        };
        if !ended_as(&body, end) {
            wrong.push(format!("{name}: expected {end:?}, got {body}"));
        }
        assert_eq!(jobs::body(&caller, &id).await, body);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(jobs::ended(&caller, &next).await["status"], "success");
    assert!(processes::is_alive(worker), "the worker was never restarted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_cannot_be_had_is_a_failure_and_never_a_preview_of_an_error_page() {
    let (sources, hooks) = (SourceServer::start().await, WebhookReceiver::start().await);
    let forbidden = SourceServer::start().await;
    let settings = [
        ("DARKROOM__RETRY__ATTEMPTS", "3"),
        ("DARKROOM__RETRY__FIRST_MS", "50"),
        ("DARKROOM__EGRESS__FIRST_BYTE_MS", "1000"),
        ("DARKROOM__LIMITS__SOURCE_BYTES", "1000000"),
    ];
    let stack = Stack::start(1, &[sources.port(), hooks.port()], &settings).await;
    let caller = stack.caller(0);
    let secret = forbidden.put("/picture.jpg", Source::bytes(pictures::PHOTOGRAPH));
    let page = |status| Source::status(status).header("content-type", "text/html");
    // A picture all the same: its status counts.
    let drawn = Source::bytes(pictures::PHOTOGRAPH).answering(500);
    let cases = [
        ("/missing.jpg", None, "source_not_found", 1),
        ("/gone.jpg", Some(page(410)), "source_not_found", 1),
        ("/denied.jpg", Some(page(403)), "source_denied", 1),
        ("/teapot.jpg", Some(page(418)), "source_refused", 1),
        ("/error-page.html", Some(page(500)), "source_unavailable", 3),
        ("/error-picture.jpg", Some(drawn), "source_unavailable", 3),
        ("/later.jpg", Some(page(503)), "source_unavailable", 3),
        ("/hidden.jpg", Some(Source::redirect(302, secret.as_str())), "source_forbidden", 1),
        (
            "/metadata.jpg",
            Some(Source::redirect(307, "http://169.254.169.254/latest/meta-data/")),
            "source_forbidden",
            1,
        ),
        ("/file.jpg", Some(Source::redirect(301, "file:///etc/passwd")), "source_refused", 1),
        ("/round.jpg", Some(Source::redirect(302, sources.url("/round.jpg"))), "source_refused", 6),
        ("/hanging.jpg", Some(Source::hanging()), "source_timeout", 3),
        (
            "/broken-off.jpg",
            Some(Source::bytes(vec![0xff; 100_000]).cut_after(50_000)),
            "source_unreachable",
            3,
        ),
        ("/huge.jpg", Some(Source::bytes(vec![0xff; 1_000_001])), "source_too_large", 1),
    ];
    let mut expected = BTreeMap::new();
    for (path, source, code, hits) in cases {
        if let Some(source) = source {
            sources.put(path, source);
        }
        let id = jobs::hand_in(&caller, &sources.url(path), &hooks.url("/hook")).await;
        expected.insert(id, (path, code, hits));
    }
    let mut wrong = Vec::new();
    for (id, (path, code, hits)) in &expected {
        let body = jobs::ended(&caller, id).await;
        if !fails_with(&body, &[code]) {
            wrong.push(format!("{path}: expected {code}, got {body}"));
        }
        let seen = sources.hits(path);
        if seen != *hits {
            wrong.push(format!("{path}: {seen} requests instead of {hits}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(forbidden.hits("/picture.jpg"), 0, "a redirect led to a refused address");
    hooks.wait_for(expected.len(), PATIENCE).await;
}
