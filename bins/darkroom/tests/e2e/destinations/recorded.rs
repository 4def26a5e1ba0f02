//! What is asked of a destination, as a server in front of it saw it.

use bytes::Bytes;
use domain::account::Accounts;
use serde_json::json;
use storage::{
    Bucket, Destination, Encryption, MULTIPART_ABOVE_BYTES, Network, Object, ObjectHeaders,
    Patience,
};
use testkit::{Fault, Front, Moto, Source, SourceServer, Stack, pictures};

use super::{PATH, prove, put, wish, with};
use crate::jobs;

/// All that a destination is ever asked for, but for the proof.
const STORING: [&str; 5] = [
    "PutObject",
    "CreateMultipartUpload",
    "UploadPart",
    "CompleteMultipartUpload",
    "AbortMultipartUpload",
];
const OWNER: &str = "123456789012";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_storing_is_asked_of_a_destination_beside_the_proof() {
    let (sources, moto) = (SourceServer::start().await, Moto::start().await);
    let front = Front::before(moto.endpoint()).await;
    let stack = Stack::start(1, &[sources.port(), front.port()], &[]).await;
    let caller = stack.caller(0);
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::results/*" },
    ] });
    let writer = moto.user("writer", Some(&policy)).await;
    let own = json!({
        "prefix": "p/",
        "bucket_owner": OWNER,
        "encryption": { "kind": "sse_s3" },
        "headers": { "Cache-Control": "max-age=60" },
    });
    put(&caller, &with(wish(&front.endpoint(), Moto::BUCKET, &writer), &own)).await;
    assert_eq!(prove(&caller).await["write_only"]["standing"], "write_only");
    let proof = front.asked();
    let mut tried: Vec<&str> = proof.iter().map(|asked| asked.operation()).collect();
    tried.dedup();
    assert_eq!(tried, ["PutObject", "GetObject", "HeadObject", "ListObjectsV2", "DeleteObject"]);
    let about_the_probe = |target: &str| target.contains("/p/darkroom-probe.txt");
    for asked in &proof {
        let listing = asked.operation() == "ListObjectsV2";
        assert!(listing || about_the_probe(&asked.target), "{}", asked.target);
    }

    let source = sources.put("/a.jpg", Source::bytes(pictures::PHOTOGRAPH));
    let picture = json!({
        "url": source,
        "sizes": ["40x40", "20x20"],
        "metadata": ["exif"],
        "uploader": { "headers": { "Cache-Control": "max-age=1" } },
    });
    let accepted = caller.post("/v2/previews/", &picture).await;
    assert!(!accepted.headers.contains_key("darkroom-storage"), "its bucket is its own");
    let id = jobs::id(&accepted.json());
    assert_eq!(jobs::ended(&caller, &id).await["status"], "success");
    stored_in_parts(&front, &writer).await;
    let asked = front.asked();
    let stored = &asked[proof.len()..];
    assert!(stored.len() > 10, "{}", stored.len());
    for asked in stored {
        assert!(STORING.contains(&asked.operation()), "{} {}", asked.method, asked.target);
    }
    for asked in &asked {
        let key = format!("Credential={}/", writer.access_key);
        assert!(asked.header("authorization").contains(&key), "{}", asked.target);
        assert_eq!(asked.header("x-amz-expected-bucket-owner"), OWNER, "{}", asked.target);
        if ["PutObject", "UploadPart"].contains(&asked.operation()) {
            assert_eq!(asked.header("x-amz-checksum-sha256").len(), 44, "{}", asked.target);
        }
        if ["PutObject", "CreateMultipartUpload"].contains(&asked.operation()) {
            assert_eq!(asked.header("x-amz-server-side-encryption"), "AES256", "{}", asked.target);
        }
        // The probe is stored as the destination says, a job's objects as their job says.
        let expected = if about_the_probe(&asked.target) { "max-age=60" } else { "max-age=1" };
        if asked.operation() == "PutObject" {
            assert_eq!(asked.header("cache-control"), expected, "{}", asked.target);
        }
    }
    nothing_secret_is_left(&stack, &[writer.secret_key.expose()]).await;
}

/// More than goes in one request; and the same where it fails half-way, which leaves nothing.
async fn stored_in_parts(front: &Front, writer: &storage::Credentials) {
    let destination = Destination {
        endpoint: Some(front.endpoint()),
        region: "us-east-1".to_owned(),
        bucket: Moto::BUCKET.to_owned(),
        prefix: "p/".to_owned(),
        path_style: true,
        credentials: writer.clone(),
        encryption: Encryption::SseS3,
        bucket_owner: Some(OWNER.to_owned()),
    };
    let patience = Patience { attempts: 1, ..Patience::default() };
    let bucket = Bucket::open(destination, &Network::direct(patience)).await.unwrap();
    let large = || Object {
        key: "large".to_owned(),
        content_type: "video/mp4".to_owned(),
        headers: ObjectHeaders::default(),
        body: Bytes::from(vec![7; usize::try_from(MULTIPART_ABOVE_BYTES).unwrap() + 1]).into(),
    };
    let before = front.asked().len();
    bucket.put(large()).await.unwrap();
    front.spoil_some(Fault::Answers(507, ""), "UploadPart", 1);
    let failed = bucket.put(large()).await.unwrap_err();
    // This policy does not let it be aborted, and then that is said beside the reason.
    assert!(matches!(failed, storage::Error::LeftBehind { .. }), "{failed}");
    let asked = front.asked();
    let aborted = asked[before..].iter().filter(|it| it.operation() == "AbortMultipartUpload");
    assert_eq!(aborted.count(), 1);
}

/// Neither answers nor logs nor the log of events hold any of these.
async fn nothing_secret_is_left(stack: &Stack, secrets: &[&str]) {
    let mut texts = vec![stack.caller(0).get(PATH).await.json().to_string()];
    for entry in std::fs::read_dir(stack.data().join("logs")).unwrap() {
        texts.push(std::fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    let log = stack.nats.log("operator").await;
    let messages = log.messages::<Accounts>(&stack.account).await.unwrap();
    assert!(messages.iter().any(|raw| raw.event_name() == "destination_set"));
    texts.extend(messages.iter().map(|raw| String::from_utf8_lossy(&raw.body).into_owned()));
    for text in texts {
        for secret in secrets {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
