//! What is left of a job: nothing.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use enclave::hosted::{Ready, Settings, Workshop};

use crate::{limits, nameless, settings};

/// The host under a name of its own, so that its processes can be told apart.
fn named(name: &str) -> (Settings, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let host = folder.path().join(name);
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_darkroom-host"), &host).expect("a link");
    let ready = Ready { office: 1, ocr: 1, browser: 1 };
    (Settings { host, ready, running: 4, ..settings() }, folder)
}

fn processes(name: &str) -> Vec<i32> {
    let listed = std::fs::read_dir("/proc").expect("listed").flatten();
    let pids = listed.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let of_name = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.contains(&format!("({name})"))
    };
    pids.filter(of_name).collect()
}

/// All processes whose parents, or theirs, are among these.
fn families(of: &[i32]) -> Vec<i32> {
    let mut found = of.to_vec();
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        let threads = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten();
        for thread in threads.flatten() {
            let children = std::fs::read_to_string(thread.path().join("children"));
            let children = children.unwrap_or_default();
            let fresh = children.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok());
            found.extend(fresh.filter(|pid| !of.contains(pid)).collect::<Vec<_>>());
        }
        next += 1;
    }
    found
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

fn alive(pid: i32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

#[tokio::test]
async fn programs_that_wait_end_with_the_workshop() {
    let (settings, _folder) = named("ends-workshop");
    let workshop = Workshop::find(settings).expect("a workshop");
    // Host, shadow, and the program of the warm ones.
    wait_until("all wait", || families(&processes("ends-workshop")).len() >= 8);
    let all = families(&processes("ends-workshop"));
    drop(workshop);
    wait_until("all have ended", || !all.iter().copied().any(alive));
}

#[tokio::test]
async fn a_dropped_job_ends_its_program_at_once() {
    let (settings, _folder) = named("ends-dropped");
    let settings = Settings { ready: Ready::default(), ..settings };
    let workshop = Workshop::find(settings).expect("a workshop");
    let limits = limits();
    let job = workshop.office_to_pdf(nameless(b"Text"), "txt", None, &limits);
    assert!(
        tokio::time::timeout(Duration::from_millis(100), job).await.is_err(),
        "it takes longer"
    );
    wait_until("it has ended", || processes("ends-dropped").is_empty());
}

const CHILD: &str = "DARKROOM_TEST_WORKER";

/// Not a test of its own: what a worker would do, in a process that can be killed.
#[test]
fn worker_to_be_killed() {
    let Some(name) = std::env::args_os().find(|word| word == CHILD) else { return };
    let (settings, folder) = named("ends-killed");
    let folder = folder.keep();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let workshop = Workshop::find(settings).expect("a workshop");
        let marked = format!("{name:?} {}", marker());
        loop {
            let (letter, limits) = (nameless(marked.as_bytes()), limits());
            workshop.office_to_pdf(letter, "txt", None, &limits).await.expect("a PDF");
            std::fs::write(folder.join("once"), "").expect("written");
        }
    });
}

/// Put together here, so that the test's own executable does not hold it.
fn marker() -> String {
    ["Marker", "of", "this", "document", "alone"].join("-")
}

/// Does not outlive a test that fails.
struct Worker(Child, tempfile::TempDir);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn killable() -> Worker {
    let own = std::env::current_exe().expect("a path");
    let mut command = Command::new(own);
    command.args(["--exact", "ends::worker_to_be_killed", "--nocapture", "--", CHILD]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let folder = tempfile::tempdir().expect("a folder");
    command.env("TMPDIR", folder.path());
    Worker(command.process_group(0).spawn().expect("started"), folder)
}

#[test]
fn killing_the_worker_leaves_no_process_and_no_file() {
    let began = tempfile::tempfile().and_then(|file| file.metadata()?.modified());
    let began = began.expect("the time");
    let mut worker = killable();
    let pid = i32::try_from(worker.0.id()).expect("a pid");
    wait_until("it is at work", || families(&[pid]).len() >= 8);
    let all = families(&[pid]);
    assert!(!processes("ends-killed").is_empty());
    let Worker(child, _folder) = &mut worker;
    child.kill().and_then(|()| child.wait()).expect("killed");
    wait_until("all have ended", || {
        !all.iter().copied().any(alive) && processes("ends-killed").is_empty()
    });
    let left = holds(&std::env::temp_dir(), marker().as_bytes(), began, 3);
    assert!(!left, "a document is left behind");
}

/// Whether any file below that was written since then holds this.
fn holds(folder: &Path, marker: &[u8], since: SystemTime, depth: u32) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| {
        let Ok(found) = entry.metadata() else { return false };
        if found.is_dir() {
            return depth > 0 && holds(&entry.path(), marker, since, depth - 1);
        }
        let fresh = found.modified().is_ok_and(|time| time >= since);
        let bytes =
            if found.is_file() && fresh { std::fs::read(entry.path()) } else { return false };
        bytes.is_ok_and(|bytes| bytes.windows(marker.len()).any(|part| part == marker))
    })
}
