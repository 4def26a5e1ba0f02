//! Drills: the machine that holds the log is lost, and another takes its place. What is gone, and how
//! long it takes, is measured and printed: `./justw drill`.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use eventlog::topology;
use serde_json::json;
use service::{Clock as _, SystemClock};
use testkit::{Caller, Finish as _, Source, SourceServer, free_port, pictures, until_some};

use crate::{
    jobs,
    offsite::{Pair, backup},
    up::{self, Up},
};

/// How many jobs the log holds before it is backed up.
const JOBS: usize = 200;
/// For how long jobs are accepted between the backup and the loss.
const AFTERWARDS: Duration = Duration::from_secs(5);
/// For how long a mirror is written beside.
const MIRRORED: Duration = Duration::from_secs(5);

/// What a drill found.
struct Found {
    drill: &'static str,
    held: usize,
    acknowledged: usize,
    lost: usize,
    /// Between the first thing lost and the loss of the machine.
    rpo: Duration,
    /// From the loss until requests are accepted and answered from what was before.
    rto: Duration,
}

impl Found {
    fn tell(&self) {
        println!(
            "{:<20} {:>8} events held {:>6} acknowledged at risk {:>6} lost   RPO {:>8.3} s   RTO {:>8.3} s",
            self.drill,
            self.held,
            self.acknowledged,
            self.lost,
            self.rpo.as_secs_f64(),
            self.rto.as_secs_f64(),
        );
    }
}

/// Hands jobs in, one after the other, until told to stop; gives each with when it was accepted.
async fn keep_asking(
    caller: Caller,
    source: String,
    over: Arc<AtomicBool>,
) -> Vec<(String, Instant)> {
    let mut accepted = Vec::new();
    while !over.load(Ordering::SeqCst) {
        let wish = json!({"url": source, "sizes": ["20x20"]});
        let answer = caller.try_post("/v2/previews/", &wish, None).await;
        if let Some(answer) = answer.filter(|answer| answer.status == 201) {
            accepted.push((jobs::id(&answer.json()), Instant::now()));
        }
    }
    accepted
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures: ./justw drill"]
async fn a_lost_machine_is_replaced_from_a_backup() {
    let sources = SourceServer::start().await;
    let up = Up::start(&[sources.port()], free_port()).await;
    let source = sources.put("/a.jpg", Source::bytes(pictures::PHOTOGRAPH));
    let caller = up.caller();
    let mut before = Vec::new();
    for _ in 0..JOBS {
        before.push(jobs::wish(&caller, &json!({"url": source, "sizes": ["20x20"]})).await);
    }
    jobs::ended(&caller, before.last().unwrap()).await;
    let over = Arc::new(AtomicBool::new(false));
    let asking = tokio::spawn(keep_asking(caller, source.clone(), Arc::clone(&over)));
    let data = up.data();
    let mut command = up.command();
    command.arg("backup").arg(data.join("backups")).arg("--data").arg(&data);
    let backed = tokio::task::block_in_place(|| command.finish());
    assert!(backed.status.success(), "{}", String::from_utf8_lossy(&backed.stderr));
    let backup = String::from_utf8(backed.stdout).unwrap().trim().to_owned();
    tokio::time::sleep(AFTERWARDS).await;
    let folder = up.kill().await;
    let lost_at = Instant::now();
    over.store(true, Ordering::SeqCst);
    let accepted = asking.await.unwrap();

    // Another machine, with the key rings and the bucket, and nothing of the log.
    let other = tempfile::tempdir().unwrap();
    let new = other.path().join("data");
    hand_over(&data, &new);
    let restored = up::bare(other.path())
        .args(["restore", &backup, "--nothing-erased-since", "--data"])
        .arg(&new)
        .finish();
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    let again = Up::start_in(other, &[sources.port()], free_port()).await;
    let caller = again.caller();
    assert_eq!(jobs::body(&caller, &before[0]).await["status"], "success");
    jobs::wish(&caller, &json!({"url": source, "sizes": ["20x20"]})).await;
    let rto = lost_at.elapsed();

    let mut lost = Vec::new();
    for (id, at) in &accepted {
        if caller.get(&format!("/v1/jobs/{id}")).await.status == 404 {
            lost.push(*at);
        }
    }
    let kept = accepted.len() - lost.len();
    assert!(
        accepted[..kept].iter().all(|(_, at)| lost.iter().all(|gone| at < gone)),
        "an end is lost"
    );
    let held = caller_events(&again).await;
    let rpo = lost.first().map_or(Duration::ZERO, |first| lost_at - *first);
    let acknowledged = accepted.len();
    Found { drill: "backup", held, acknowledged, lost: lost.len(), rpo, rto }.tell();
    assert!(rpo < AFTERWARDS + Duration::from_secs(30), "{rpo:?}");
    drop(folder);
}

/// How many events of jobs a log holds.
async fn caller_events(up: &Up) -> usize {
    let output = up.command().args(["replay", "--filter", "darkroom.job.*.*.*", "--json"]).output();
    output.unwrap().stdout.iter().filter(|byte| **byte == b'\n').count()
}

/// What another machine is given: the key rings, the credentials, and the bucket.
fn hand_over(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let names = [
        "master.key",
        "credentials.key",
        "credentials.pub",
        "credentials.json",
        "receipts.key",
        "receipts.pub",
    ];
    for name in names {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
    let copied = Command::new("cp").arg("-a").arg(from.join("s3")).arg(to).status().unwrap();
    assert!(copied.success());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures: ./justw drill"]
async fn a_lost_origin_is_replaced_from_its_mirror() {
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::start(folder.path()).await;
    let mut acknowledged = pair.open_accounts(100).await;
    let keys = backup(&pair.origin, folder.path(), &folder.path().join("keys"));
    let begun = Instant::now();
    let mut times = Vec::new();
    while begun.elapsed() < MIRRORED {
        acknowledged.extend(pair.open_accounts(1).await);
        times.push(SystemClock.now());
    }
    let Pair { origin, copy, log } = pair;
    drop((origin, log));
    let (lost_at, lost_on) = (Instant::now(), SystemClock.now());

    let mirrored = copy.log().await;
    let held = usize::try_from(mirrored.last_sequence(topology::ACCOUNTS).await.unwrap()).unwrap();
    // One was opened before.
    let lost = acknowledged.len() + 1 - held;
    let rpo = match times.len().checked_sub(lost).and_then(|first| times.get(first)) {
        Some(first) if lost > 0 => Duration::try_from(lost_on.duration_since(*first)).unwrap(),
        _ => Duration::ZERO,
    };
    let taken = backup(&copy, folder.path(), &folder.path().join("taken"));
    let other = tempfile::tempdir().unwrap();
    let new = other.path().join("data");
    fs::create_dir_all(&new).unwrap();
    for name in ["master.key", "credentials.key", "credentials.pub"] {
        fs::copy(folder.path().join("new").join(name), new.join(name)).unwrap();
    }
    let restored = up::bare(other.path())
        .args(["restore", &taken, "--keys", &keys, "--nothing-erased-since", "--data"])
        .arg(&new)
        .finish();
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    let again = Up::start_in(other, &[], free_port()).await;
    let caller = again.caller();
    until_some("it takes requests", jobs::PATIENCE, || async {
        let wish = json!({"url": "http://127.0.0.1:1/a.jpg", "sizes": ["20x20"]});
        let answer = caller.try_post("/v2/previews/", &wish, None).await;
        answer.filter(|answer| answer.status == 201)
    })
    .await;
    let rto = lost_at.elapsed();
    let acknowledged = times.len();
    Found { drill: "mirror", held, acknowledged, lost, rpo, rto }.tell();
    assert!(rpo < Duration::from_secs(5), "{rpo:?}");
}
