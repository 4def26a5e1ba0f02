//! What is signed of the log, told to anybody.

use eventlog::{Checkpoints, Headers, Statement};
use evidence::{
    Hash, KEY_HEADER,
    checkpoint::Checkpoint,
    note::{Kind, Note, Signer},
};
use http::StatusCode;

use crate::shapes;
use crate::stage::{PATIENCE, World, eventually};

#[tokio::test]
async fn checkpoints_and_the_key_to_verify_them_are_told_to_anybody() {
    let world = World::memory().await;
    let api = world.api("a").await;
    let none = api.get("/v1/log").send().await;
    assert_eq!((none.status, &none.body["logs"]), (StatusCode::OK, &serde_json::json!([])));
    let nothing = api.get("/v1/log/JOBS/checkpoint").send().await;
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);

    let deployment = Signer::new("here.example", Kind::Note, &[1; 32]).unwrap();
    let signer = deployment.named("here.example/JOBS").unwrap();
    let witness = Signer::new("witness.example/w1", Kind::Cosignature, &[2; 32]).unwrap();
    let checkpoint =
        Checkpoint::new("here.example/JOBS", 7, Hash::from_bytes([3; 32]), "2026-11-22T13:00:00Z");
    let note = checkpoint.sign(&signer);
    let mut cosigned = note.clone();
    cosigned.signatures.push(witness.sign(&note.text, 1_700_000_000));
    let books = Checkpoints::new(&world.log);
    let headers = Headers::from_iter([(KEY_HEADER, deployment.verifier().to_string())]);
    for (statement, note) in [(Statement::Signed, &note), (Statement::Cosigned, &cosigned)] {
        let body = note.to_string().into();
        books.state("JOBS", statement, 0, &headers, body).await.unwrap();
    }
    eventually("the checkpoint is told", PATIENCE, || async {
        api.get("/v1/log").send().await.body["logs"][0]["size"] == 7
    })
    .await;
    let told = api.get("/v1/log").send().await.body;
    let document = api.get("/openapi.json").send().await.body;
    let departures = shapes::departures(&document, "/v1/log", "get", &told);
    assert!(departures.is_empty(), "{departures:#?}");
    let told = &told["logs"][0];
    assert_eq!(told["key"], deployment.verifier().to_string());
    assert_eq!(told["checkpoint"], cosigned.to_string());
    assert_eq!(told["signed_at"], "2026-11-22T13:00:00Z");
    let alone = api.get("/v1/log/JOBS/checkpoint").open().await;
    assert_eq!(alone.headers()["content-type"], "text/plain; charset=utf-8");
    let text = http_body_util::BodyExt::collect(alone.into_body()).await.unwrap().to_bytes();
    let note = Note::parse(std::str::from_utf8(&text).unwrap()).unwrap();
    assert_eq!(note.verify(&[signer.verifier(), witness.verifier()]).unwrap().len(), 2);
    for odd in ["KV_keys", "jobs", "MEMBERS", "..", "%00"] {
        let missing = api.get(&format!("/v1/log/{odd}/checkpoint")).send().await;
        assert_eq!(missing.status, StatusCode::NOT_FOUND, "{odd}");
    }
}
