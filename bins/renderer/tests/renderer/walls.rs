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
        ("overflow", "renderer_crashed", "signal"),
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
    for (how, most) in [("spin", 2.5), ("hang", 4.0)] {
        let began = Instant::now();
        let outcome = draw_with(&pool, how.as_bytes(), wish(&["original"], None), tight()).await;
        assert_eq!(outcome.failure(), "renderer_timeout", "{how}");
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
    // Only the one that waits, and its shadow outside the namespace.
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
    let deadline = Instant::now() + Duration::from_secs(10);
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

/// A renderer started by a thread that ends as soon as the walls stand, and what it said.
fn orphan(parent: u32) -> (std::process::Child, std::os::unix::net::UnixStream, u8) {
    let starter = std::thread::spawn(move || {
        let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let child = std::process::Command::new(env!("CARGO_BIN_EXE_darkroom-renderer"))
            .args(["job", &parent.to_string()])
            .stdin(std::os::fd::OwnedFd::from(theirs))
            .spawn()
            .expect("started");
        let mut kind = [0];
        std::io::Read::read_exact(&mut ours, &mut kind).expect("it speaks");
        (child, ours, kind[0])
    });
    starter.join().expect("started")
}

#[test]
fn a_renderer_dies_with_whoever_started_it() {
    use std::os::unix::process::ExitStatusExt;
    let (mut child, _ours, said) = orphan(std::process::id());
    assert_eq!(said, enclave::frame::Kind::Ready as u8);
    assert_eq!(child.wait().expect("ended").signal(), Some(9));
    // One that finds another parent than it was told has lost its worker on the way.
    let (mut child, _ours, said) = orphan(1);
    assert_eq!(said, enclave::frame::Kind::Failed as u8);
    assert!(!child.wait().expect("ended").success());
}
