//! What `darkroom up` signs of its log, for anybody to verify.

use std::time::Duration;

use evidence::{checkpoint::Checkpoint, note::Verifier};
use serde_json::Value;
use testkit::{Finish as _, free_port, until_some};

use crate::up::Up;

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// The newest checkpoint of a log that covers so many events, verified.
async fn signed(up: &Up, log: &str, size: u64) -> Checkpoint {
    let key: Verifier = up.env["DARKROOM_NOTARY_KEY"].parse().unwrap();
    until_some(&format!("{size} events of {log} are signed"), PATIENCE, || async {
        let told = up.caller().get("/v1/log").await;
        let told = told.json()["logs"].as_array()?.iter().find(|it| it["log"] == log)?.clone();
        assert_eq!(told["key"], up.env["DARKROOM_NOTARY_KEY"]);
        let named = key.named(told["origin"].as_str()?);
        let note = told["checkpoint"].as_str()?;
        let (checkpoint, _) = Checkpoint::open(note, &[named]).unwrap();
        assert_eq!(told["size"], Value::from(checkpoint.size));
        Some(checkpoint).filter(|checkpoint| checkpoint.size >= size)
    })
    .await
}

#[tokio::test]
async fn what_happens_is_signed_by_a_key_that_outlives_a_power_cut() {
    let up = Up::start(&[], free_port()).await;
    let before = signed(&up, "ACCOUNTS", 1).await;
    let key = up.env["DARKROOM_NOTARY_KEY"].clone();
    let data = up.data().display().to_string();
    let said = up.command().args(["doctor", "--data", &data]).finish();
    let said = String::from_utf8(said.stdout).unwrap();
    let name = before.origin.rsplit_once('/').unwrap().0;
    assert!(said.contains("ok  checkpoints") && said.contains(name), "{said}");
    let folder = up.kill().await;
    let up = Up::start_in(folder, &[], free_port()).await;
    assert_eq!(up.env["DARKROOM_NOTARY_KEY"], key);
    let after = signed(&up, "ACCOUNTS", before.size).await;
    assert_eq!(after.origin, before.origin);
}
