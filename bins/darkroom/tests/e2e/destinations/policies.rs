//! Policies that are really enforced: what Darkroom asks for passes, what allows more does not.

use serde_json::{Value, json};
use testkit::{Caller, Moto, Part, Source, SourceServer, Stack, pictures};

use super::{PATH, command, demand, prove, put, wish, with};
use crate::jobs;

/// What FilePreviews documents as the minimum, as the user sees it whom it grants everything to.
fn filepreviews() -> Value {
    json!({ "Version": "2012-10-17", "Statement": [
        { "Sid": "FilePreviewsUpload", "Effect": "Allow", "Action": ["s3:PutObject", "s3:PutObjectAcl"], "Resource": "arn:aws:s3:::results/*" },
        { "Sid": "FilePreviewsUploadList", "Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": "arn:aws:s3:::results" },
    ] })
}

pub(super) fn allowing(actions: &[&str]) -> Value {
    let resources = ["arn:aws:s3:::results", "arn:aws:s3:::results/*"];
    json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": actions, "Resource": resources },
    ] })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_that_is_shown_passes_and_every_wider_one_is_found_out() {
    let (sources, moto) = (SourceServer::start().await, Moto::start().await);
    let stack = Stack::start(1, &[sources.port(), moto.port()], &[]).await;
    let caller = stack.caller(0);
    let development = caller.get(PATH).await.json();
    assert_eq!(development["stored_in"], "development", "{development}");

    let below = json!({ "prefix": "previews", "encryption": { "kind": "sse_s3" } });
    let of = |credentials| with(wish(&moto.endpoint(), Moto::BUCKET, credentials), &below);
    let stranger = moto.user("stranger", None).await;
    let policy = put(&caller, &of(&stranger)).await["policy"].clone();
    let all = ["s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:ListBucket"];
    let writer = moto.user("writer", Some(&policy)).await;
    let lister = moto.user("lister", Some(&filepreviews())).await;
    let owner = moto.user("everything", Some(&allowing(&all))).await;
    let reader = moto.user("reader", Some(&allowing(&all[1..]))).await;
    let mut fingerprints = Vec::new();
    for (credentials, standing, text) in [
        (&stranger, "closed", "closed: PUT denied, just now"),
        (&reader, "closed", "closed: PUT denied, just now"),
        (&owner, "readable", "readable: GET, HEAD, LIST, DELETE allowed, just now"),
        (&lister, "readable", "readable: LIST allowed, just now"),
        (&writer, "write_only", "proven just now"),
    ] {
        put(&caller, &of(credentials)).await;
        let found = prove(&caller).await;
        assert_eq!(found["write_only"]["standing"], standing, "{found}");
        assert_eq!(found["write_only"]["text"], text, "{found}");
        assert_eq!(found["jobs"]["status"], "accepted", "{found}");
        let hint = found["credentials"]["access_key_hint"].as_str().unwrap();
        assert!(hint.len() == 4 && credentials.access_key.ends_with(hint), "{found}");
        assert!(!found.to_string().contains(credentials.secret_key.expose()), "{found}");
        fingerprints.push(found["credentials"]["fingerprint"].as_str().unwrap().to_owned());
    }
    fingerprints.sort();
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), 5, "each has a fingerprint of its own: {fingerprints:?}");

    other_encryptions(&caller, &of(&writer), &of(&owner)).await;
    let source = sources.put("/a.jpg", Source::bytes(pictures::PHOTOGRAPH));
    let picture = json!({ "url": source, "sizes": ["40x40"] });
    let set = put(&caller, &of(&writer)).await;
    prove(&caller).await;
    // Nothing changes by saying the same again, and what is known stays known.
    let again = put(&caller, &of(&writer)).await;
    assert_eq!(
        (&again["id"], &again["write_only"]["text"]),
        (&set["id"], &json!("proven just now"))
    );
    assert_eq!(again["credentials"]["fingerprint"], set["credentials"]["fingerprint"]);
    demand(&caller, true).await;
    let id = jobs::wish(&caller, &picture).await;
    let body = jobs::ended(&caller, &id).await;
    assert_eq!(body["status"], "success", "{body}");
    let url = body["thumbnails"][0]["url"].as_str().unwrap();
    let there = format!("{}/results/previews/{id}/page-1_40x40.jpg", moto.endpoint());
    assert_eq!(url, there, "a plain address in the customer's own bucket");
    let own = moto.reader().await;
    let key = format!("previews/{id}/page-1_40x40.jpg");
    let found = own.get(&key, 1 << 20).await.unwrap();
    assert_eq!(pictures::dimensions(&found.bytes), Some((40, 27)));

    demanded_and_not_proven(&stack, &picture, &of(&lister)).await;
    commands(&stack, &of(&writer)).await;
}

/// The probe is encrypted as objects are; who may read one that has a key of their own is found out.
async fn other_encryptions(caller: &Caller, writer: &Value, owner: &Value) {
    let key = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
    let own_key = json!({ "encryption": { "kind": "sse_c", "key": key } });
    let kms =
        json!({ "encryption": { "kind": "sse_kms", "key_id": "arn:aws:kms:us-east-1:1:key/k" } });
    for (wish, standing) in [
        (with(writer.clone(), &own_key), "write_only"),
        (with(owner.clone(), &own_key), "readable"),
        (with(writer.clone(), &kms), "write_only"),
    ] {
        put(caller, &wish).await;
        let found = prove(caller).await;
        assert_eq!(found["write_only"]["standing"], standing, "{found}");
        assert!(!found.to_string().contains(key), "{found}");
    }
}

/// Jobs are refused as soon as it is known, and where it was not yet known, before they store.
async fn demanded_and_not_proven(stack: &Stack, picture: &Value, readable: &Value) {
    let caller = stack.caller(0);
    put(&caller, readable).await;
    let refused = caller.post("/v2/previews/", picture).await;
    assert_eq!(refused.status, 409, "{}", refused.json());
    prove(&caller).await;
    let refused = caller.post("/v2/previews/", picture).await;
    assert_eq!(refused.status, 409, "{}", refused.json());
    let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("LIST") && message.contains("/v1/destination"), "{message}");
    let shown = caller.get(PATH).await.json();
    assert_eq!(shown["jobs"]["status"], "refused", "{shown}");
    demand(&caller, false).await;
}

/// The same from the command line, whose secrets come by standard input.
async fn commands(stack: &Stack, writer: &Value) {
    let text = |name: &str| writer[name].as_str().unwrap();
    let set = [
        "set",
        "--bucket",
        text("bucket"),
        "--endpoint",
        text("endpoint"),
        "--access-key",
        text("access_key"),
        "--prefix",
        "previews",
        "--encryption",
        "sse-s3",
    ];
    let said = command(stack, &["prove"], "");
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    assert!(String::from_utf8_lossy(&said.stdout).contains("readable: LIST allowed"), "{said:?}");
    let said = command(stack, &set, text("secret_key"));
    let out = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.status.success() && out.contains("proven just now"), "{said:?}");
    assert!(command(stack, &["prove"], "").status.success());
    let said = command(stack, &["policy"], "");
    let policy: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(policy["Statement"][0]["Resource"], "arn:aws:s3:::results/previews/*");
    let said = command(stack, &["demand", "on"], "");
    assert!(String::from_utf8_lossy(&said.stdout).contains("demand"), "{said:?}");
    let nothing = command(stack, &set, "\n");
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("--secret-file"), "{nothing:?}");
    let wrong = command(stack, &["set", "--bucket", "a", "--access-key", "b"], "c");
    let err = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(!wrong.status.success() && err.contains("region"), "{err}");
    let said = command(stack, &["clear"], "");
    assert!(String::from_utf8_lossy(&said.stdout).contains("development storage"), "{said:?}");
    // Without a destination of its own nothing can be proven.
    assert_eq!(stack.caller(0).ask("POST", &format!("{PATH}/proof"), &[], "").await.status, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_waited_is_not_stored_where_more_than_storing_is_allowed_by_then() {
    let (sources, moto) = (SourceServer::start().await, Moto::start().await);
    let mut stack = Stack::start(1, &[sources.port(), moto.port()], &[]).await;
    let caller = stack.caller(0);
    let writer = moto.user("writer", Some(&allowing(&["s3:PutObject"]))).await;
    let lister = moto.user("lister", Some(&filepreviews())).await;
    put(&caller, &wish(&moto.endpoint(), Moto::BUCKET, &writer)).await;
    assert_eq!(prove(&caller).await["write_only"]["standing"], "write_only");
    demand(&caller, true).await;
    stack.kill(Part::Worker);
    let source = sources.put("/a.jpg", Source::bytes(pictures::PHOTOGRAPH));
    let id = jobs::wish(&caller, &json!({ "url": source, "sizes": ["40x40"] })).await;
    put(&caller, &wish(&moto.endpoint(), Moto::BUCKET, &lister)).await;
    stack.start_part(Part::Worker);
    let body = jobs::ended(&caller, &id).await;
    assert_eq!(body["error"]["code"], "destination_not_write_only", "{body}");
    let listed = moto.reader().await.list("", 99).await.unwrap();
    assert!(listed.iter().all(|object| !object.key.contains(&id)), "{listed:?}");
}
