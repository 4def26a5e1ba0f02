//! What the walls hold, and what becomes of a renderer that goes wrong behind them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use domain::limits::Limits;
use enclave::{Config, Pool, RenderError, RenderJob, Renderer};
use tokio::sync::mpsc;

use crate::{config, draw_with, spool, wish};

#[tokio::test]
async fn every_way_out_is_closed() {
    let proof = enclave::prove(&config()).await.expect("the walls hold");
    for wall in ["namespaces", "root", "privileges", "limits", "landlock", "seccomp"] {
        assert!(proof.walls.iter().any(|built| built.starts_with(wall)), "{wall}");
    }
    assert!(proof.attempts.len() > 30, "{:?}", proof.attempts);
}

#[tokio::test]
async fn an_executable_that_is_no_renderer_proves_nothing() {
    let config = Config::of(PathBuf::from("/bin/true"));
    let error = enclave::prove(&config).await.expect_err("no walls");
    assert!(error.to_string().contains("start a renderer"), "{error}");
    let absent = Config { executable: PathBuf::from("/nowhere"), ..config };
    assert!(Pool::start(&absent).is_err());
}

/// Built beside this test by cargo, as every example is.
fn misbehaving() -> Config {
    let own = std::env::current_exe().expect("a path");
    let target = own.ancestors().nth(2).expect("a target folder");
    let executable = target.join("examples/misbehave");
    assert!(executable.is_file(), "build it with `cargo build -p renderer --examples`");
    Config { running: 4, ..Config::of(executable) }
}

fn tight() -> Limits {
    Limits {
        renderer_memory_bytes: 256 << 20,
        renderer_cpu_ms: 1_000,
        renderer_wall_ms: 3_000,
        output_bytes: 2 << 20,
        ..Limits::default()
    }
}

#[tokio::test]
async fn a_renderer_that_goes_wrong_fails_its_job_with_a_reason_and_no_other() {
    let pool = Pool::start(&misbehaving()).expect("a pool");
    for (how, code, said) in [
        ("panic", "renderer_crashed", "panicked at"),
        ("abort", "renderer_crashed", "signal 6"),
        ("overflow", "renderer_crashed", "signal 11"),
        ("fault", "renderer_crashed", "signal 11"),
        ("exit", "renderer_crashed", "status 3"),
        ("silence", "renderer_crashed", "status 0"),
        ("file", "renderer_crashed", "killed by its walls"),
        ("memory", "renderer_memory", "memory"),
        ("large", "output_too_large", ""),
        ("done", "renderer_crashed", "broke the protocol"),
        ("twice", "renderer_crashed", "broke the protocol"),
        ("header", "renderer_crashed", "broke the protocol"),
        ("pages", "renderer_crashed", "broke the protocol"),
        ("unasked page", "renderer_crashed", "nobody asked for"),
        ("unasked size", "renderer_crashed", "nobody asked for"),
        ("other format", "renderer_crashed", "format"),
        ("other dimensions", "renderer_crashed", "dimensions"),
        ("unasked extra", "renderer_crashed", "nobody asked for"),
        ("unasked reading", "renderer_crashed", "nobody asked for"),
        ("unasked metadata", "renderer_crashed", "nobody asked for"),
        ("late handover", "renderer_crashed", "handover"),
        ("invented code", "renderer_crashed", "broke the protocol"),
    ] {
        let outcome = draw_with(&pool, how.as_bytes(), wish(&["original"], None), tight()).await;
        assert_eq!(outcome.failure(), code, "{how}");
        let said_so = outcome.result.expect_err("a failure").to_string();
        assert!(said_so.contains(said), "{how}: {said_so}");
        let next = draw_with(&pool, b"well", wish(&["original"], None), tight()).await;
        assert_eq!(next.artifacts.len(), 1, "after {how}: {:?}", next.result);
    }
}

#[tokio::test]
async fn a_renderer_that_does_not_end_is_ended() {
    let pool = Pool::start(&misbehaving()).expect("a pool");
    let timeout = "renderer_timeout";
    for (how, code, most) in
        [("spin", timeout, 2.5), ("hang", timeout, 4.0), ("hide", "renderer_crashed", 6.0)]
    {
        let began = Instant::now();
        let outcome = draw_with(&pool, how.as_bytes(), wish(&["original"], None), tight()).await;
        assert_eq!(outcome.failure(), code, "{how}");
        assert!(began.elapsed().as_secs_f64() < most + 2.0, "{how}: {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_dropped_job_kills_its_renderer_at_once() {
    let pool = Pool::start(&misbehaving()).expect("a pool");
    let job =
        RenderJob { wish: wish(&["original"], None), source_bytes: 4, limits: Limits::default() };
    let (events, _heard) = mpsc::channel(1);
    let render = pool.render(Renderer::Light, job, Box::new(spool(b"hang")), events);
    let dropped = tokio::time::timeout(Duration::from_millis(500), render).await;
    assert!(dropped.is_err(), "it hangs until dropped");
    drop(pool);
    gone("dropped-job").await;
}

#[tokio::test]
async fn a_source_that_cannot_be_read_is_not_the_files_fault() {
    struct Broken;
    impl enclave::RangeSource for Broken {
        fn read_at(&self, _offset: u64, _buffer: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("gone"))
        }
    }
    let pool = Pool::start(&config()).expect("a pool");
    let job = RenderJob { wish: wish(&["10"], None), source_bytes: 10, limits: Limits::default() };
    let (events, _heard) = mpsc::channel(8);
    let error =
        pool.render(Renderer::Light, job, Box::new(Broken), events).await.expect_err("unread");
    assert!(matches!(error, RenderError::Source { offset: 0, .. }), "{error:?}");
    assert_eq!(error.code().name(), "internal");
}

#[tokio::test]
async fn fifty_jobs_leave_no_process_and_no_descriptor_behind() {
    let descriptors = || std::fs::read_dir("/proc/self/fd").expect("listed").count();
    let source = crate::pictures::encoded(&crate::pictures::photo(64, 48), image::ImageFormat::Png);
    let (config, _folder) = named(&config(), "fifty-jobs");
    let pool = Pool::start(&config).expect("a pool");
    draw_with(&pool, &source, wish(&["16"], None), Limits::default()).await;
    let before = descriptors();
    for round in 0..50 {
        let source = if round % 5 == 0 { &source[..40] } else { &source[..] };
        let outcome = draw_with(&pool, source, wish(&["16", "8"], None), Limits::default()).await;
        assert_eq!(outcome.result.is_ok(), round % 5 != 0, "{:?}", outcome.result);
    }
    // Other tests of this process come and go; growth by jobs would be fifty and more.
    assert!(descriptors() < before + 40, "{before} to {}", descriptors());
    // Only the one that waits, and its template.
    left("fifty-jobs", 2).await;
    drop(pool);
    gone("fifty-jobs").await;
}

/// The same executable under a name of its own, so that its processes can be told apart.
fn named(config: &Config, name: &str) -> (Config, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let executable = folder.path().join(name);
    std::os::unix::fs::symlink(&config.executable, &executable).expect("a link");
    (Config { executable, ..config.clone() }, folder)
}

/// No process of this name is left, be it hanging or dead and not waited for.
async fn gone(name: &str) {
    left(name, 0).await;
}

async fn left(name: &str, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    while processes(name) != count {
        assert!(Instant::now() < deadline, "{name} is left behind");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn processes(name: &str) -> usize {
    let name = format!("({name})");
    let all = std::fs::read_dir("/proc").expect("listed").flatten();
    all.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok())
        .filter(|stat| stat.contains(&name))
        .count()
}

/// What the kernel tells of a process of this name.
struct Told {
    pid: i32,
    status: String,
}

impl Told {
    /// What it may do that it must not: lines of its status.
    fn rights(&self) -> Vec<String> {
        let sets = ["CapInh", "CapPrm", "CapEff", "CapAmb"];
        let kept = sets.into_iter().filter(|set| !self.says(set).chars().all(|digit| digit == '0'));
        let filter = if self.is_template() { None } else { Some(("Seccomp", "2")) };
        let missing = [Some(("NoNewPrivs", "1")), filter].into_iter().flatten();
        let missing = missing.filter(|(what, expected)| self.says(what) != *expected);
        let all = kept.chain(missing.map(|(what, _)| what));
        all.map(|what| format!("{what}: {}", self.says(what))).collect()
    }

    fn all(name: &str) -> Vec<Self> {
        let pids = std::fs::read_dir("/proc").expect("listed").flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let told = |pid| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            Some(Self { pid, status })
        };
        pids.filter_map(told).filter(|told| told.says("Name") == name).collect()
    }

    fn says(&self, what: &str) -> &str {
        let line = self.status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
        line.unwrap_or_default().trim()
    }

    /// Whether it is a template; renderers are in process namespaces of their own.
    fn is_template(&self) -> bool {
        self.says("NSpid").split_whitespace().count() == 1
    }
}

#[tokio::test]
async fn a_renderer_and_its_template_have_no_rights_and_are_nobodys_kin() {
    let (config, _folder) = named(&misbehaving(), "kin");
    let _pool = Pool::start(&Config { ready: 3, ..config }).expect("a pool");
    // One that was started ahead may still be putting up its walls; it has read nothing by then.
    let deadline = Instant::now() + PATIENCE;
    let all = loop {
        let all = Told::all("kin");
        let walled = all.len() == 4 && all.iter().all(|told| told.rights().is_empty());
        if walled || Instant::now() > deadline {
            break all;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(all.iter().filter(|told| told.is_template()).count(), 1);
    assert_eq!(all.len(), 4);
    for told in all {
        assert_eq!(told.rights(), Vec::<String>::new());
        let own = std::process::id().to_string();
        for (what, expected) in [("PPid", own.as_str()), ("Threads", "1")] {
            assert_eq!(told.says(what), expected, "{what}");
        }
        if !told.is_template() {
            assert_eq!(told.says("NSpid").split_whitespace().nth(1), Some("1"));
        }
    }
}

#[tokio::test]
async fn a_crash_ends_the_template_and_a_failure_does_not() {
    let (config, _folder) = named(&misbehaving(), "crash-template");
    let pool = Pool::start(&config).expect("a pool");
    let template = || {
        let all = Told::all("crash-template");
        all.iter().find(|told| told.is_template()).map(|told| told.pid)
    };
    let first = template().expect("a template");
    for how in ["exit", "panic", "memory", "done", "spin", "well"] {
        draw_with(&pool, how.as_bytes(), wish(&["original"], None), tight()).await;
        assert_eq!(template(), Some(first), "after {how}");
    }
    for how in ["abort", "overflow", "file"] {
        draw_with(&pool, how.as_bytes(), wish(&["original"], None), tight()).await;
        let before: Vec<i32> = Told::all("crash-template").iter().map(|told| told.pid).collect();
        let next = draw_with(&pool, b"well", wish(&["original"], None), tight()).await;
        assert_eq!(next.artifacts.len(), 1, "after {how}: {:?}", next.result);
        let after: Vec<i32> = Told::all("crash-template").iter().map(|told| told.pid).collect();
        assert!(!after.iter().any(|pid| before.contains(pid)), "{how}: {before:?}, {after:?}");
    }
}

#[tokio::test]
async fn a_template_that_dies_is_replaced_and_leaves_its_renderers_at_work() {
    let (config, _folder) = named(&misbehaving(), "dead-template");
    let pool = Pool::start(&config).expect("a pool");
    let template = Told::all("dead-template").into_iter().find(Told::is_template);
    let template = rustix::process::Pid::from_raw(template.expect("a template").pid);
    rustix::process::kill_process(template.expect("a pid"), rustix::process::Signal::KILL)
        .expect("killed");
    // The first was forked before, the others are by another.
    for _ in 0..3 {
        let outcome = draw_with(&pool, b"well", wish(&["original"], None), tight()).await;
        assert_eq!(outcome.artifacts.len(), 1, "{:?}", outcome.result);
    }
    left("dead-template", 2).await;
}

/// How long processes may take to speak, and to end.
const PATIENCE: Duration = Duration::from_secs(30);
const KILLED: &str = "killed-worker";

/// Not a test of its own: what a worker would do, in a process that can be killed.
#[tokio::test]
async fn worker_to_be_killed() {
    if !std::env::args().any(|word| word == KILLED) {
        return;
    }
    let (config, _folder) = named(&misbehaving(), KILLED);
    let pool = Pool::start(&config).expect("a pool");
    let spins = Limits { renderer_cpu_ms: 60_000, renderer_wall_ms: 60_000, ..tight() };
    draw_with(&pool, b"spin", wish(&["original"], None), spins).await;
}

#[tokio::test]
async fn killing_the_worker_ends_templates_and_renderers_at_work() {
    let own = std::env::current_exe().expect("a path");
    let mut worker = std::process::Command::new(own)
        .args(["--exact", "walls::worker_to_be_killed", "--nocapture", "--", KILLED])
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("started");
    // The template, the one that waits, and the one at work.
    left(KILLED, 3).await;
    worker.kill().and_then(|()| worker.wait()).expect("killed");
    gone(KILLED).await;
}

/// A template started by a thread that ends as soon as it has spoken, and the first byte it said.
fn orphan(parent: u32) -> (std::process::Child, std::os::fd::OwnedFd, u8) {
    use rustix::net::{
        AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socketpair, sockopt,
    };
    let starter = std::thread::spawn(move || {
        let (family, kind) = (AddressFamily::UNIX, SocketType::SEQPACKET);
        let (ours, theirs) = socketpair(family, kind, SocketFlags::CLOEXEC, None).expect("a pair");
        let child = std::process::Command::new(env!("CARGO_BIN_EXE_darkroom-renderer"))
            .args(["template", &parent.to_string()])
            .stdin(theirs)
            .spawn()
            .expect("started");
        let mut said = [0; 300];
        sockopt::set_socket_timeout(&ours, sockopt::Timeout::Recv, Some(PATIENCE)).expect("set");
        recv(&ours, &mut said, RecvFlags::empty()).expect("it speaks in time");
        (child, ours, said[0])
    });
    starter.join().expect("started")
}

/// How it ended, which must be soon.
fn ended(child: &mut std::process::Child) -> std::process::ExitStatus {
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        assert!(std::time::Instant::now() < until, "it goes on");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

#[test]
fn a_template_dies_with_whoever_started_it() {
    use std::os::unix::process::ExitStatusExt;
    let (mut child, _ours, said) = orphan(std::process::id());
    assert_eq!(said, READY);
    assert_eq!(ended(&mut child).signal(), Some(9));
    // One that finds another parent than it was told has lost its worker on the way.
    let (mut child, _ours, said) = orphan(1);
    assert_eq!(said, TROUBLE);
    assert!(!ended(&mut child).success());
}

/// How the first word of a template begins.
const READY: u8 = 1;
const TROUBLE: u8 = 3;
