//! A worker whose disk for sources is small, or full.

use std::{fs, process::Command, time::Duration};

use domain::Timestamp;
use serde_json::json;
use service::{Clock as _, SystemClock};
use testkit::{
    Finish as _, Source, SourceServer, Stack, Tmpfs, eventually, executable, pictures, until_some,
};

use crate::jobs;

const MIB: u64 = 1 << 20;
/// The disk, and what must be free on it.
const DISK_BYTES: u64 = 16 * MIB;
const FREE_BYTES: u64 = 8 * MIB;
const PATIENCE: Duration = Duration::from_secs(60);

async fn stack(disk: &Tmpfs, sources: &SourceServer) -> Stack {
    let (free, spool) = (FREE_BYTES.to_string(), disk.path().to_str().unwrap());
    let settings = [
        ("DARKROOM__RETRY__ATTEMPTS", "60"),
        ("DARKROOM__RETRY__FIRST_MS", "100"),
        ("DARKROOM__RETRY__LONGEST_MS", "200"),
        ("DARKROOM__WORKER__SPOOL", spool),
        // Every source leaves memory.
        ("DARKROOM__WORKER__SPOOL_MEMORY_BYTES", "1000"),
        ("DARKROOM__WORKER__SPOOL_FREE_BYTES", &free),
    ];
    Stack::start(1, &[sources.port()], &settings).await
}

/// What the worker has said so far.
fn said(stack: &Stack) -> String {
    fs::read_to_string(stack.data().join("logs/worker")).unwrap_or_default()
}

/// What `darkroom doctor` says of that disk.
fn diagnosed(disk: &Tmpfs) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut doctor = Command::new(executable("darkroom"));
    doctor
        .arg("doctor")
        .env("DARKROOM__WORKER__SPOOL", disk.path())
        .env("DARKROOM__WORKER__SPOOL_FREE_BYTES", FREE_BYTES.to_string())
        .current_dir(folder.path());
    let said = tokio::task::block_in_place(|| doctor.finish());
    let said = String::from_utf8(said.stdout).unwrap();
    let line = said.lines().find(|line| line.contains("  spool "));
    line.unwrap_or_else(|| panic!("no line of the spool in {said}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_too_little_room_on_its_disk_a_worker_takes_no_job_until_there_is_room_again() {
    let (disk, sources) = (Tmpfs::of(DISK_BYTES), SourceServer::start().await);
    let stack = stack(&disk, &sources).await;
    let caller = stack.caller(0);
    let url = sources.put("/photo.jpg", Source::bytes(pictures::PHOTOGRAPH));
    let wish = json!({"url": url, "sizes": ["40x40"]});
    let well = jobs::wish(&caller, &wish).await;
    assert_eq!(jobs::ended(&caller, &well).await["status"], "success");

    let read = sources.hits("/photo.jpg");
    disk.fill((DISK_BYTES - FREE_BYTES + MIB) as usize);
    let complaint = || said(&stack).matches("worker.spool has too little room").count();
    eventually("the worker says so", PATIENCE, || async { complaint() == 1 }).await;
    let diagnosis = diagnosed(&disk);
    assert!(diagnosis.starts_with("!!  spool "), "{diagnosis}");
    assert!(diagnosis.contains("7.00 MiB free"), "{diagnosis}");
    let mut waiting = Vec::new();
    for _ in 0..5 {
        waiting.push(jobs::wish(&caller, &wish).await);
    }
    for id in &waiting {
        assert_eq!(jobs::history(&caller, id).await, ["requested"]);
    }
    assert_eq!(sources.hits("/photo.jpg"), read, "nothing is read");
    let emptied = SystemClock.now();
    disk.empty();
    for id in &waiting {
        assert_eq!(jobs::ended(&caller, id).await["status"], "success");
        let events = jobs::events(&caller, id).await;
        let started = events.iter().find(|event| event["type"] == "started").unwrap();
        let at: Timestamp = started["time"].as_str().unwrap().parse().unwrap();
        assert!(at >= emptied, "{started} before {emptied}");
    }
    assert_eq!(complaint(), 1, "once is enough");
    assert!(diagnosed(&disk).starts_with("ok  spool "), "{}", diagnosed(&disk));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_finds_the_disk_full_is_tried_again_and_fails_nobody() {
    let (mut disk, sources) = (Tmpfs::of(DISK_BYTES), SourceServer::start().await);
    let stack = stack(&disk, &sources).await;
    let caller = stack.caller(0);
    let mut large = pictures::PHOTOGRAPH.to_vec();
    large.resize(2 * DISK_BYTES as usize, 0);
    let url = sources.put("/large.jpg", Source::bytes(large));
    let id =
        jobs::wish(&caller, &json!({"url": url, "sizes": ["40x40"], "metadata": ["checksum"]}))
            .await;
    let failed = until_some("an attempt fails", PATIENCE, || async {
        let events = jobs::events(&caller, &id).await;
        events.into_iter().find(|event| event["type"] == "attempt_failed")
    })
    .await;
    assert_eq!(failed["data"]["code"], "internal", "{failed}");
    assert!(said(&stack).contains("No space left on device"), "{}", stack.last_words());
    disk.resize(4 * DISK_BYTES);
    assert_eq!(jobs::ended(&caller, &id).await["status"], "success");
    assert_eq!(fs::read_dir(disk.path()).unwrap().count(), 0, "nothing has a name");
}
