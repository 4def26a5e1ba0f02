//! A log that was brought back from an old backup, held against all that was ever signed of it.

use std::{fs, path::Path, process::Command};

use eventlog::Log;
use serde_json::json;
use testkit::{Finish as _, Source, SourceServer, free_port, pictures};

use crate::{
    audit::{Said, alone, said, signed},
    jobs,
    up::Up,
};

const SECRET_WORD: &str = "left-in-the-darkroom";
/// What another machine is given before a backup is restored there.
const RINGS: [&str; 4] = ["master.key", "credentials.key", "credentials.pub", "credentials.json"];

async fn hand_in(up: &Up, source: &str, word: &str) -> String {
    let wish = json!({"url": source, "sizes": ["40x40"], "data": {"note": word}});
    let id = jobs::wish(&up.caller(), &wish).await;
    assert_eq!(jobs::ended(&up.caller(), &id).await["status"], "success");
    id
}

/// Waits until everything that happened to jobs is signed.
async fn wait_for_checkpoints(up: &Up) {
    let settings = eventlog::Settings {
        url: up.env["DARKROOM_NATS_URL"].clone(),
        user: up.env["DARKROOM_NATS_USER"].clone(),
        password: eventlog::Secret::new(&up.env["DARKROOM_NATS_PASSWORD"]),
        ..eventlog::Settings::default()
    };
    signed(&Log::connect(&settings, "auditor").await.unwrap(), &["JOBS"]).await;
}

fn run(mut command: Command, data: &Path, arguments: &[&str]) -> String {
    command.args(arguments).arg("--data").arg(data);
    let output = tokio::task::block_in_place(|| command.finish());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_signed_before_an_old_backup_came_back_holds_and_shows_what_was_lost() {
    let sources = SourceServer::start().await;
    let soon = |key: &str| vec![format!("notary.succeeds=[{key}]"), "notary.every_ms=100".into()];
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start_with(folder, &[sources.port()], free_port(), &soon("")).await;
    let (data, source) = (up.data(), sources.put("/a.jpg", Source::bytes(pictures::PHOTOGRAPH)));
    let evidence = tempfile::tempdir().unwrap();
    let file = |name: &str| evidence.path().join(name).to_str().unwrap().to_owned();
    let old_key = up.env["DARKROOM_NOTARY_KEY"].clone();
    let prove = |up: &Up, job: &str, name: &str| {
        said(up.command(), &["prove", job, "--out", &file(name)]).well()
    };
    let check = |name: &str, key: &str| -> Said {
        alone(evidence.path(), &["check", &file(name), "--key", key])
    };

    let erased = hand_in(&up, &source, SECRET_WORD).await;
    let kept = hand_in(&up, &source, "kept-word").await;
    wait_for_checkpoints(&up).await;
    prove(&up, &kept, "kept.json");
    prove(&up, &erased, "before.json");
    let backup = run(up.command(), &data, &["backup", data.join("backups").to_str().unwrap()]);
    // What no backup has: an erasure, and another job.
    let receipt = run(up.command(), &data, &["erase", "--job", &erased, "--yes"]);
    assert!(receipt.contains("erased"), "{receipt}");
    let lost = hand_in(&up, &source, "lost-word").await;
    wait_for_checkpoints(&up).await;
    let said_then = prove(&up, &erased, "receipt.json");
    assert!(said_then.out.contains("The job was erased"), "{}", said_then.out);
    prove(&up, &lost, "lost.json");
    let _before = up.kill().await;

    // Elsewhere, with a notary of its own that goes on from what the other one signed.
    let other = tempfile::tempdir().unwrap();
    let new = other.path().join("data");
    fs::create_dir_all(&new).unwrap();
    for name in RINGS.into_iter().filter(|name| data.join(name).exists()) {
        fs::copy(data.join(name), new.join(name)).unwrap();
    }
    let copied = Command::new("cp").arg("-a").arg(data.join("s3")).arg(&new).status().unwrap();
    assert!(copied.success());
    let restored = run(crate::up::bare(other.path()), &new, &["restore", backup.trim()]);
    assert!(restored.contains("erased again: 1"), "{restored}");
    let succeeds = soon(&format!("\"{old_key}\""));
    let again = Up::start_with(other, &[sources.port()], free_port(), &succeeds).await;
    let new_key = again.env["DARKROOM_NOTARY_KEY"].clone();
    assert_ne!(new_key, old_key);
    let caller = again.caller();
    testkit::eventually("a worker finishes the erasure", jobs::PATIENCE, || async {
        let answer = caller.get(&format!("/v1/erasures/{erased}")).await;
        answer.status == 200 && answer.json()["status"] == "erased"
    })
    .await;
    hand_in(&again, &source, "after-the-restore").await;
    wait_for_checkpoints(&again).await;

    let keys = ["--key", old_key.as_str(), "--key", new_key.as_str()];
    let verify = |more: &[&str]| said(again.command(), &[&["verify"], &keys[..], more].concat());
    let holds = verify(&[]).well();
    assert!(holds.out.contains("of erased histories"), "{}", holds.out);
    verify(&["--checkpoint", &file("kept.json")]).well();
    // The log does not remember it; whoever kept evidence shows that it should.
    let missing = verify(&["--checkpoint", &file("lost.json")]);
    missing.amiss("First bad event: JOBS").amiss("lost.json");
    for name in ["kept.json", "before.json", "receipt.json", "lost.json"] {
        let checked = check(name, &old_key).well();
        assert!(!checked.out.contains("\nchained "), "{name}: {}", checked.out);
    }
    // The erasure, done once more, is proven by the log that came back.
    prove(&again, &erased, "again.json");
    let checked = check("again.json", &new_key).well();
    assert!(checked.out.contains("The job was erased"), "{}", checked.out);
    assert!(!checked.out.contains("\nchained "), "{}", checked.out);
    for entry in fs::read_dir(evidence.path()).unwrap() {
        let path = entry.unwrap().path();
        assert!(!fs::read_to_string(&path).unwrap().contains(SECRET_WORD), "{}", path.display());
    }
}
