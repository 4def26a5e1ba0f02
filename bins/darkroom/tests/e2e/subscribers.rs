//! A customer's NATS client beside `darkroom up`, with nothing but what `demo.env` says.

use std::{path::Path, process::Stdio, time::Duration};

use serde_json::{Value, json};
use testkit::{Finish as _, Source, SourceServer, free_port, pictures};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::{Instant, timeout, timeout_at},
};

use crate::up::{Up, tools};

/// How long what was asked for may take to be heard.
const HEARD_WITHIN: Duration = Duration::from_secs(60);
/// How long a job's first event is waited for before another job is asked for.
const FED_WITHIN: Duration = Duration::from_secs(3);

/// A client that listens, and is ended with the test.
struct Listener {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Listener {
    /// Starts it, and waits until it listens.
    async fn start(up: &Up, subjects: &[String]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/subscribe.py");
        let mut child = Command::new(tools().join("venv-tests/bin/python"))
            .arg(script)
            .args(subjects)
            .env_clear()
            .envs(&up.env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = timeout(HEARD_WITHIN, lines.next_line()).await.expect("it listens in time");
        assert_eq!(first.unwrap().unwrap(), "[]");
        Self { _child: child, lines }
    }

    /// The next message on `subject`, if it is heard `within` that time.
    async fn message(&mut self, subject: &str, within: Duration) -> Option<Value> {
        let until = Instant::now() + within;
        while let Ok(line) = timeout_at(until, self.lines.next_line()).await {
            let line = line.unwrap().expect("it listens on");
            let (heard, said): (String, Value) = serde_json::from_str(&line).unwrap();
            if heard == subject {
                return Some(said);
            }
        }
        None
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_is_told_what_is_sealed_in_the_log() {
    let source = SourceServer::start().await;
    source.put("/somebodys.jpg", Source::bytes(pictures::PHOTOGRAPH));
    let up = Up::start(&[source.port()], free_port()).await;
    let account = up.env["DARKROOM_ACCOUNT"].clone();
    let feed = |wanted: &[&str]| {
        let output = up.command().arg("feed").args(wanted).finish();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(feed(&[]), "the feed is off\n");
    let subjects = ["job", "progress", "feed"].map(|noun| format!("darkroom.{noun}.{account}.>"));
    let mut listener = Listener::start(&up, &subjects).await;
    assert_eq!(feed(&["on"]), "the feed is on\n");

    let url = source.url("/somebodys.jpg");
    let caller = up.caller();
    let body = json!({ "url": url, "data": { "order": "seventeen" } });
    let ask = || async {
        let answer = caller.post("/v2/previews/", &body).await;
        assert_eq!(answer.status, 201, "{:?}", answer.body);
        answer.json()["id"].as_str().unwrap().to_owned()
    };
    // It is told from the moment at which the dispatcher knows of the account's wish.
    let asked = Instant::now();
    let (job, requested) = loop {
        let job = ask().await;
        let fed = format!("darkroom.feed.{account}.{job}.requested");
        if let Some(requested) = listener.message(&fed, FED_WITHIN).await {
            break (job, requested);
        }
        assert!(asked.elapsed() < HEARD_WITHIN, "nothing is told");
    };
    assert_eq!(requested["type"], "darkroom.job.requested.v1", "{requested}");
    assert_eq!(requested["data"]["source_url"], url, "{requested}");
    assert_eq!(requested["data"]["user_data"]["order"], "seventeen", "{requested}");
    let fed = format!("darkroom.feed.{account}.{job}.completed");
    let completed = listener.message(&fed, HEARD_WITHIN).await.expect("its end is told");
    assert_eq!(completed["subject"], job);

    // In the log the same is ciphertext.
    let job = ask().await;
    let stored = format!("darkroom.job.{account}.{job}.requested");
    let stored = listener.message(&stored, HEARD_WITHIN).await.expect("it is stored");
    assert!(!stored.to_string().contains("somebody"), "{stored}");
    assert!(!stored.to_string().contains("seventeen"), "{stored}");
    assert_eq!(feed(&["off"]), "the feed is off\n");
}
