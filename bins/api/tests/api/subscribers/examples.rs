//! What `docs/SUBSCRIBERS.md` says in four languages, run against a real server.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;
use testkit::{Finish as _, Going};

use super::Stage;
use crate::stage::{PATIENCE, Tenant};

const DOCUMENT: &str = include_str!("../../../../../docs/SUBSCRIBERS.md");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The one program in a language.
fn program(language: &str) -> &'static str {
    let (_, rest) = DOCUMENT.split_once(&format!("```{language}\n")).unwrap();
    rest.split("```").next().unwrap()
}

/// A program that prints what it hears, and is ended with the test.
fn started(mut command: Command, stage: &Stage, tenant: &Tenant) -> Going {
    command
        .env("DARKROOM_NATS_URL", &stage.url)
        .env("DARKROOM_ACCOUNT", tenant.account.to_string())
        .env("DARKROOM_KEY", &tenant.key)
        .env("DARKROOM_SECRET", &tenant.secret);
    Going::start(&mut command)
}

/// The first lines that it prints; then it is ended.
async fn lines(running: Going, count: usize) -> Vec<String> {
    let read = move || running.lines(count, PATIENCE, |line| Some(line.to_owned()));
    tokio::task::spawn_blocking(read).await.unwrap()
}

/// A program hears what happened before it came and what happens while it is there, and of another
/// account nothing; started again it goes on behind what it acknowledged.
async fn hears(command: impl Fn(&Path) -> Command) {
    let stage = Stage::set().await;
    let (own, other) = (stage.world.tenant().await, stage.world.tenant().await);
    drop(stage.client(&own).await);
    let folder = TempDir::new().unwrap();
    let line = |seq: u64, id: domain::job::Id| {
        format!("{seq} darkroom.job.{}.{}.requested", id.account, id.job)
    };
    let first = line(1, stage.job(&own).await);
    stage.job(&other).await;
    let running = started(command(folder.path()), &stage, &own);
    let third = line(3, stage.job(&own).await);
    assert_eq!(lines(running, 2).await, [first, third]);
    let fourth = line(4, stage.job(&own).await);
    let again = started(command(folder.path()), &stage, &own);
    // What was on its way when it ended may come again.
    assert_eq!(lines(again, 1).await, [fourth]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_program_hears_its_account() {
    hears(|_| {
        let mut command = Command::new(root().join(".tools/venv-tests/bin/python"));
        command.args(["-c", program("python")]);
        command
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_program_hears_its_account() {
    hears(|folder| {
        let modules = folder.join("node_modules");
        if !modules.exists() {
            std::os::unix::fs::symlink(root().join(".tools/node/node_modules"), modules).unwrap();
        }
        let file = folder.join("subscriber.mjs");
        fs::write(&file, program("js")).unwrap();
        let mut command = Command::new("node");
        command.arg(file);
        command
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_go_program_hears_its_account() {
    hears(|folder| {
        let (source, binary) = (folder.join("main.go"), folder.join("subscriber"));
        if !binary.exists() {
            fs::write(&source, program("go")).unwrap();
            // Debian's library lies in a GOPATH.
            let built = Command::new("go")
                .args(["build", "-o"])
                .args([&binary, &source])
                .env("GO111MODULE", "off")
                .env("GOPATH", "/usr/share/gocode")
                .env("GOCACHE", root().join("target/go"))
                .finish();
            assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        }
        Command::new(binary)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rust_program_hears_its_account() {
    let source = root().join("libs/eventlog/examples/subscriber.rs");
    assert!(fs::read_to_string(source).unwrap().ends_with(program("rust")));
    hears(|_| {
        let folder = std::env::current_exe().unwrap();
        let folder = folder.ancestors().nth(2).unwrap().join("examples");
        Command::new(folder.join("subscriber"))
    })
    .await;
}
