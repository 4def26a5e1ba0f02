//! Backups: what comes back, what must not, and what is refused.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use domain::Timestamp;
use jiff::SignedDuration;
use serde_json::{Value, json};
use testkit::{Finish as _, Source, SourceServer, free_port, pictures};

use crate::{jobs, up::Up};

const SECRET_WORD: &str = "negative-in-the-drawer";

struct Said {
    out: String,
    err: String,
    well: bool,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { out: text(output.stdout), err: text(output.stderr), well: output.status.success() }
    }

    fn well(self) -> Self {
        assert!(self.well, "{}\n{}", self.out, self.err);
        self
    }

    fn refused(self, why: &str) -> Self {
        assert!(!self.well && self.err.contains(why), "{why} in {}\n{}", self.out, self.err);
        assert!(self.err.contains("\ntry: "), "a remedy in {}", self.err);
        self
    }
}

fn run(mut command: Command, data: &Path, arguments: &[&str]) -> Said {
    command.args(arguments).arg("--data").arg(data);
    Said::of(tokio::task::block_in_place(|| command.finish()))
}

/// A command beside a Darkroom that does not run.
fn alone(folder: &Path) -> Command {
    crate::up::bare(folder)
}

/// What another machine is given before a backup is restored there: the key rings, and the bucket.
fn prepare(from: &Path, to: &Path, bucket: bool) {
    fs::create_dir_all(to).unwrap();
    for name in ["master.key", "credentials.key", "credentials.pub", "credentials.json"] {
        if from.join(name).exists() {
            fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
    if bucket {
        let copied = Command::new("cp").arg("-a").arg(from.join("s3")).arg(to).status().unwrap();
        assert!(copied.success());
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn hand_in(up: &Up, source: &str, word: &str) -> String {
    let wish = json!({"url": source, "sizes": ["40x40"], "data": {"note": word}});
    let id = jobs::wish(&up.caller(), &wish).await;
    assert_eq!(jobs::ended(&up.caller(), &id).await["status"], "success");
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_backup_comes_back_without_what_was_erased_since() {
    let sources = SourceServer::start().await;
    let up = Up::start(&[sources.port()], free_port()).await;
    let source = sources.put("/a.jpg", Source::bytes(pictures::PHOTOGRAPH));
    let data = up.data();
    let erased = hand_in(&up, &source, SECRET_WORD).await;
    let kept = hand_in(&up, &source, "kept-word").await;
    let account = up.env["DARKROOM_ACCOUNT"].clone();

    let exported = run(up.command(), &data, &["export", "--account", &account]).well();
    let exported = lines(&exported.out);
    assert_eq!(exported.last().unwrap(), &json!({"end": true}));
    let requested = |id: &str| {
        let of_it = |line: &&Value| line["event"] == "job.requested" && line["id"] == id;
        exported.iter().find(of_it).unwrap()["data"].clone()
    };
    assert_eq!(requested(&erased)["user_data"]["note"], SECRET_WORD);
    assert_eq!(requested(&erased)["source_url"], source);
    assert!(!exported.iter().any(|line| line.to_string().contains(&up.env["DARKROOM_SECRET"])));
    assert!(
        !exported.iter().any(|line| line.to_string().contains(&up.env["DARKROOM_WEBHOOK_SECRET"]))
    );

    // A backup while everything runs, its keys apart.
    let (backups, keys) = (data.join("backups"), data.join("keys"));
    let arguments = ["backup", backups.to_str().unwrap(), "--keys-to", keys.to_str().unwrap()];
    let said = run(up.command(), &data, &arguments).well();
    let backup = PathBuf::from(said.out.trim());
    let keys = keys.join(backup.file_name().unwrap());
    assert!(!backup.join("KV_keys.snapshot").exists() && keys.join("KV_keys.snapshot").exists());

    // Afterwards: more jobs, and an erasure.
    let later = hand_in(&up, &source, "later-word").await;
    let said = run(up.command(), &data, &["erase", "--job", &erased, "--yes"]).well();
    let receipt: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&receipt["status"], &receipt["event"]["objects"]), (&json!("erased"), &json!(3)));
    let folder = up.kill().await;

    let other = tempfile::tempdir().unwrap();
    let new = other.path().join("data");
    let (backup, keys) = (backup.to_str().unwrap(), keys.to_str().unwrap());
    let restore = ["restore", backup, "--keys", keys];
    prepare(&data, &new, false);
    run(alone(other.path()), &new, &restore).refused("nothing says what was erased");
    run(alone(other.path()), &new, &["restore", backup]).refused("keys.json");
    prepare(&data, &new, true);
    // The notes in the platform bucket say it.
    let said = run(alone(other.path()), &new, &restore).well();
    assert!(said.out.contains("erased again: 1"), "{}", said.out);
    run(alone(other.path()), &new, &restore).refused("the log is not empty");

    // Nobody has run yet, and it cannot be read already.
    let exported = run(alone(other.path()), &new, &["export", "--account", &account]).well();
    assert!(!exported.out.contains(SECRET_WORD), "the erasure is applied again");
    assert!(exported.out.contains("kept-word") && !exported.out.contains("later-word"));
    let again = Up::start_in(other, &[sources.port()], free_port()).await;
    let caller = again.caller();
    testkit::eventually("a worker finishes the erasure", jobs::PATIENCE, || async {
        let answer = caller.get(&format!("/v1/erasures/{erased}")).await;
        answer.status == 200 && answer.json()["status"] == "erased"
    })
    .await;
    assert_eq!(caller.get(&format!("/v1/jobs/{erased}")).await.status, 404);
    assert_eq!(
        caller.get(&format!("/v1/jobs/{later}")).await.status,
        404,
        "it came after the backup"
    );
    let body = jobs::body(&caller, &kept).await;
    assert_eq!(
        (&body["status"], &body["user_data"]["note"]),
        (&json!("success"), &json!("kept-word"))
    );
    let said = again.command().args(["replay", "--account", &account]).finish();
    let said = Said::of(said).well();
    assert!(said.out.lines().last().unwrap().starts_with("chain: ok"), "{}", said.out);
    let more = hand_in(&again, &source, "after-the-restore").await;
    assert_eq!(jobs::history(&caller, &more).await.last().unwrap(), "completed");
    drop((again, folder));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_erased_since_is_not_there_to_be_read_when_its_backup_comes_back() {
    let sources = SourceServer::start().await;
    let up = Up::start(&[sources.port()], free_port()).await;
    let source = sources.put("/a.jpg", Source::bytes(pictures::PHOTOGRAPH));
    let data = up.data();
    let job = hand_in(&up, &source, SECRET_WORD).await;
    let account = up.env["DARKROOM_ACCOUNT"].clone();
    let backups = data.join("backups");
    let said = run(up.command(), &data, &["backup", backups.to_str().unwrap()]).well();
    let backup = said.out.trim().to_owned();

    run(up.command(), &data, &["erase", "--account", &account]).refused("for good");
    let said = run(up.command(), &data, &["erase", "--account", &account, "--yes"]).well();
    let receipt: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&receipt["status"], &receipt["event"]["jobs"]), (&json!("erased"), &json!(1)));
    let said = run(up.command(), &data, &["erase", "--receipt", &account]).well();
    assert_eq!(receipt, serde_json::from_str::<Value>(&said.out).unwrap(), "it can be shown again");
    let replayed = Said::of(up.command().args(["replay", "--account", &account]).finish());
    let replayed = replayed.well();
    assert!(replayed.out.contains("account.erased") && !replayed.out.contains(SECRET_WORD));
    assert!(replayed.out.lines().last().unwrap().starts_with("chain: ok"), "{}", replayed.out);
    let list = data.join("list.ndjson");
    let said = run(up.command(), &data, &["erase", "--list"]).well();
    fs::write(&list, &said.out).unwrap();
    let folder = up.kill().await;

    let other = tempfile::tempdir().unwrap();
    let new = other.path().join("data");
    prepare(&data, &new, false);
    let list = list.to_str().unwrap();
    run(alone(other.path()), &new, &["restore", &backup, "--erasures", list]).well();
    let exported = run(alone(other.path()), &new, &["export", "--account", &account]).well();
    assert!(!exported.out.contains(SECRET_WORD), "{}", exported.out);
    let exported = lines(&exported.out);
    let of_job = |line: &&Value| line["event"] == "job.requested" && line["id"] == job.as_str();
    let data = &exported.iter().find(of_job).unwrap()["data"];
    assert!(data["user_data"].is_null() && data["source_url"].is_null(), "{data}");

    // It is the list that does it.
    let naive = tempfile::tempdir().unwrap();
    let old = naive.path().join("data");
    prepare(folder.path().join("data").as_path(), &old, false);
    run(alone(naive.path()), &old, &["restore", &backup, "--nothing-erased-since"]).well();
    let exported = run(alone(naive.path()), &old, &["export", "--account", &account]).well();
    assert!(exported.out.contains(SECRET_WORD), "without it the backup remembers");
    drop(folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_altered_or_never_finished_is_refused() {
    let up = Up::start(&[], free_port()).await;
    let data = up.data();
    let said = run(up.command(), &data, &["backup", data.join("b").to_str().unwrap()]).well();
    let backup = PathBuf::from(said.out.trim());
    let other = tempfile::tempdir().unwrap();
    let new = other.path().join("data");
    prepare(&data, &new, false);
    let arguments = ["restore", backup.to_str().unwrap(), "--nothing-erased-since"];
    let file = backup.join("ACCOUNTS.snapshot");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let said = run(alone(other.path()), &new, &arguments);
    assert!(!said.well && said.err.contains("SHA-256 differs"), "{}", said.err);
    fs::remove_file(backup.join("backup.json")).unwrap();
    run(alone(other.path()), &new, &arguments).refused("backup.json");
}

/// Has a backup of keys be this many days old.
fn age(keys: &Path, days: i64) {
    let manifest = keys.join("keys.json");
    let mut value: Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    let taken: Timestamp = value["taken_at"].as_str().unwrap().parse().unwrap();
    value["taken_at"] = json!(taken - SignedDuration::from_hours(24 * days));
    fs::write(&manifest, value.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_reached_their_age_go_and_an_old_backup_then_says_nothing_of_what_was_erased() {
    let sources = SourceServer::start().await;
    let up = Up::start(&[sources.port()], free_port()).await;
    let source = sources.put("/a.jpg", Source::bytes(pictures::PHOTOGRAPH));
    let data = up.data();
    let erased = hand_in(&up, &source, SECRET_WORD).await;
    hand_in(&up, &source, "kept-word").await;
    let account = up.env["DARKROOM_ACCOUNT"].clone();
    let (backups, keys) = (data.join("backups"), data.join("keys"));
    let back_up = || {
        let (to, apart) = (backups.to_str().unwrap(), keys.to_str().unwrap());
        let arguments = ["backup", to, "--keys-to", apart, "--keys-days", "7"];
        let said = run(up.command(), &data, &arguments).well();
        let name = Path::new(said.out.trim()).file_name().unwrap().to_owned();
        (backups.join(&name), keys.join(&name), said.err)
    };
    let (old, old_keys, _) = back_up();
    run(up.command(), &data, &["erase", "--job", &erased, "--yes"]).well();
    let (_, newer_keys, said) = back_up();
    assert!(!said.contains("removed") && old_keys.join("KV_keys.snapshot").exists(), "{said}");
    // What is no backup of keys stays, whatever its age, and so does what is not old enough.
    fs::create_dir(keys.join("of-somebody-else")).unwrap();
    fs::write(keys.join("of-somebody-else/file"), "1").unwrap();
    age(&old_keys, 7);
    age(&newer_keys, 6);
    let (_, newest_keys, said) = back_up();
    assert!(said.contains("removed the keys") && !old_keys.exists(), "{said}");
    assert_eq!(said.matches("removed the keys").count(), 1, "{said}");
    for kept in [&newer_keys, &newest_keys] {
        assert!(kept.join("KV_keys.snapshot").exists() && kept.join("keys.json").exists());
    }
    assert!(keys.join("of-somebody-else/file").exists() && old.join("backup.json").exists());
    let _folder = up.kill().await;

    // Nobody says what was erased since, and yet it does not come back.
    let other = tempfile::tempdir().unwrap();
    let new = other.path().join("data");
    prepare(&data, &new, false);
    let (old, old_keys) = (old.to_str().unwrap(), old_keys.to_str().unwrap());
    run(alone(other.path()), &new, &["restore", old, "--keys", old_keys]).refused("keys.json");
    let newest_keys = newest_keys.to_str().unwrap();
    let restore = ["restore", old, "--keys", newest_keys, "--nothing-erased-since"];
    run(alone(other.path()), &new, &restore).well();
    let exported = run(alone(other.path()), &new, &["export", "--account", &account]).well();
    assert!(exported.out.contains("kept-word"), "{}", exported.out);
    assert!(!exported.out.contains(SECRET_WORD), "{}", exported.out);
    let of_job = |line: &Value| line["event"] == "job.requested" && line["id"] == erased.as_str();
    let events = lines(&exported.out);
    let event = events.iter().find(|line| of_job(line)).expect("its history is there");
    assert!(event["data"]["user_data"].is_null() && event["data"]["source_url"].is_null());
}
