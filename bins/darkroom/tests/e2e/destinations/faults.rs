//! Buckets that fail: each in its own words, nothing lost where it passes, and no secret told.

use domain::FailureCode;
use serde_json::{Value, json};
use storage::{Credentials, Secret};
use testkit::{Caller, Fault, Front, Moto, S3, Source, SourceServer, Stack, eventually, pictures};

use super::{PATH, prove, put, wish};
use crate::jobs::{self, PATIENCE};

/// Answers for which trying again cannot help.
const LASTING: [(Fault, &str); 6] = [
    (Fault::Answers(403, "AccessDenied"), "destination_denied"),
    (Fault::Answers(403, "SignatureDoesNotMatch"), "destination_credentials"),
    (Fault::Answers(404, "NoSuchBucket"), "destination_missing"),
    (Fault::Answers(403, "QuotaExceeded"), "destination_full"),
    (Fault::Answers(507, "XMinioStorageFull"), "destination_full"),
    (Fault::Answers(400, "InvalidStorageClass"), "destination_invalid"),
];
/// Answers for which it can.
const PASSING: [(Fault, &str); 4] = [
    (Fault::Answers(403, "RequestTimeTooSkewed"), "clock_skew"),
    (Fault::Answers(503, "SlowDown"), "destination_unavailable"),
    (Fault::Resets, "destination_unavailable"),
    (Fault::Stalls, "destination_timeout"),
];
/// A secret that opens nothing.
const WRONG: &str = "another-secret-1f";
const SETTINGS: [(&str, &str); 4] = [
    ("DARKROOM__RETRY__FIRST_MS", "300"),
    ("DARKROOM__RETRY__LONGEST_MS", "300"),
    ("DARKROOM__RETRY__ATTEMPTS", "50"),
    ("DARKROOM__WORKER__BUCKET_ANSWER_MS", "2000"),
];

fn owner(s3: &S3) -> Credentials {
    let settings = s3.settings();
    Credentials {
        access_key: settings.access_key,
        secret_key: settings.secret_key,
        session_token: None,
        role: None,
    }
}

/// A bucket of a server that somebody wrote, and who may do everything there.
struct Bucket {
    endpoint: String,
    name: &'static str,
    owner: Credentials,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_fails_is_told_in_its_own_words_and_loses_nothing() {
    let server = S3::start().await;
    let endpoint = server.settings().endpoint.unwrap();
    fails(&Bucket { endpoint, name: S3::BUCKET, owner: owner(&server) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_is_told_of_a_bucket_of_another_server() {
    let server = Moto::start().await;
    let everything = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "s3:*", "Resource": "*" },
    ] });
    let owner = server.user("everything", Some(&everything)).await;
    fails(&Bucket { endpoint: server.endpoint(), name: Moto::BUCKET, owner }).await;
}

async fn fails(bucket: &Bucket) {
    let sources = SourceServer::start().await;
    let front = Front::before(bucket.endpoint.clone()).await;
    let ports = [sources.port(), front.port()];
    let stack = Stack::start(1, &ports, &SETTINGS).await;
    let caller = stack.caller(0);
    put(&caller, &wish(&front.endpoint(), bucket.name, &bucket.owner)).await;
    assert_eq!(prove(&caller).await["write_only"]["standing"], "readable");
    let source = sources.put("/a.jpg", Source::bytes(pictures::PHOTOGRAPH));
    let picture = json!({ "url": source, "sizes": ["40x40"] });

    for (fault, code) in LASTING {
        front.spoil(Some(fault));
        let body = jobs::ended(&caller, &jobs::wish(&caller, &picture).await).await;
        assert_eq!(body["error"]["code"], code, "{fault:?}: {body}");
        let known = FailureCode::ALL.iter().find(|known| known.name() == code).unwrap();
        assert_eq!(body["error"]["message"], known.text(), "{fault:?}: {body}");
    }
    for (fault, code) in PASSING {
        front.spoil(Some(fault));
        let id = jobs::wish(&caller, &picture).await;
        eventually(&format!("{fault:?} is recorded"), PATIENCE, || async {
            let events = jobs::events(&caller, &id).await;
            let tried = |event: &&Value| event["type"] == "attempt_failed";
            let failed = events.iter().find(tried);
            failed.is_some_and(|event| {
                assert_eq!(event["data"]["code"], code, "{fault:?}: {event}");
                true
            })
        })
        .await;
        front.spoil(None);
        let body = jobs::ended(&caller, &id).await;
        assert_eq!(body["status"], "success", "{fault:?}: {body}");
    }
    the_proof_fails_in_the_same_words(&caller, &front).await;
    real_trouble(&caller, bucket, &front, &picture).await;
    let logs = stack.last_words();
    for entry in std::fs::read_dir(stack.data().join("logs")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for secret in [bucket.owner.secret_key.expose(), WRONG] {
            assert!(!text.contains(secret), "{logs}");
        }
    }
}

async fn the_proof_fails_in_the_same_words(caller: &Caller, front: &Front) {
    for (fault, code) in LASTING.into_iter().skip(1).chain(PASSING) {
        front.spoil(Some(fault));
        let found = prove(caller).await;
        assert_eq!(found["write_only"]["standing"], "failed", "{fault:?}: {found}");
        assert_eq!(found["write_only"]["code"], code, "{fault:?}: {found}");
        let text = found["write_only"]["text"].as_str().unwrap();
        assert_eq!(text, format!("failed: {code}, just now"));
    }
    front.spoil(Some(Fault::Answers(403, "AccessDenied")));
    assert_eq!(prove(caller).await["write_only"]["text"], "closed: PUT denied, just now");
    front.spoil(None);
}

/// What is wrong in truth, and not only said to be.
async fn real_trouble(caller: &Caller, bucket: &Bucket, front: &Front, picture: &Value) {
    let (endpoint, name, owner) = (front.endpoint(), bucket.name, &bucket.owner);
    let wrong = Credentials { secret_key: Secret::from(WRONG), ..owner.clone() };
    for (wish, code) in [
        (wish(&endpoint, name, &wrong), "destination_credentials"),
        (wish(&endpoint, "elsewhere", owner), "destination_missing"),
        (wish("http://127.0.0.1:9", name, owner), "destination_forbidden"),
        (wish("https://10.1.2.3", name, owner), "destination_forbidden"),
        (wish("https://s3.invalid", name, owner), "destination_unavailable"),
    ] {
        put(caller, &wish).await;
        let found = prove(caller).await;
        assert_eq!(found["write_only"]["code"], code, "{found}");
        assert!(!found.to_string().contains(WRONG), "{found}");
        // Whatever can pass is tried again, and no job waits for it here.
        if code == "destination_unavailable" {
            continue;
        }
        let id = jobs::wish(caller, picture).await;
        let body = jobs::ended(caller, &id).await;
        assert_eq!((&body["status"], &body["error"]["code"]), (&json!("failure"), &json!(code)));
        let events = json!(jobs::events(caller, &id).await).to_string();
        assert!(!events.contains(WRONG) && !events.contains(owner.secret_key.expose()), "{events}");
    }
    for (change, field) in [
        (json!({ "endpoint": "http://s3.example.com" }), "endpoint"),
        (json!({ "bucket": "a/b" }), "bucket"),
        (json!({ "encryption": { "kind": "rot13" } }), "encryption"),
    ] {
        let wish = super::with(wish(&endpoint, name, &wrong), &change);
        let refused = caller.ask("PUT", PATH, &[], wish.to_string()).await;
        assert_eq!((refused.status, &refused.json()["param"]), (400, &json!(field)));
        assert!(!refused.json().to_string().contains(WRONG));
    }
}
