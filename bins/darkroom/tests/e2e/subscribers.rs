//! A customer's NATS client beside `darkroom up`, with nothing but what `demo.env` says.

use std::{
    io::{BufRead as _, BufReader, Lines},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};
use testkit::{Source, SourceServer, free_port, pictures};

use crate::up::{Up, tools};

/// A client that listens, and is ended with the test.
struct Listener {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Listener {
    /// Starts it, and waits until it listens.
    fn start(up: &Up, subjects: &[String]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/subscribe.py");
        let mut child = Command::new(tools().join("venv-tests/bin/python"))
            .arg(script)
            .args(subjects)
            .env_clear()
            .envs(&up.env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "[]");
        Self { child, lines }
    }

    /// The next message that `wanted` takes: its subject, and what it says.
    fn message(&mut self, wanted: impl Fn(&str) -> bool) -> (String, Value) {
        loop {
            let line = self.lines.next().expect("it listens on").unwrap();
            let (subject, said): (String, Value) = serde_json::from_str(&line).unwrap();
            if wanted(&subject) {
                return (subject, said);
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_is_told_what_is_sealed_in_the_log() {
    let source = SourceServer::start().await;
    source.put("/somebodys.jpg", Source::bytes(pictures::PHOTOGRAPH));
    let up = Up::start(&[source.port()], free_port()).await;
    let account = up.env["DARKROOM_ACCOUNT"].clone();
    let feed = |wanted: &[&str]| {
        let output = up.command().arg("feed").args(wanted).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(feed(&[]), "the feed is off\n");
    let subjects = ["job", "progress", "feed"].map(|noun| format!("darkroom.{noun}.{account}.>"));
    let mut listener = tokio::task::block_in_place(|| Listener::start(&up, &subjects));
    assert_eq!(feed(&["on"]), "the feed is on\n");

    let url = source.url("/somebodys.jpg");
    let caller = up.caller();
    let body = json!({ "url": url, "data": { "order": "seventeen" } });
    let ask = || async {
        let answer = caller.post("/v2/previews/", &body).await;
        assert_eq!(answer.status, 201, "{:?}", answer.body);
        answer.json()["id"].as_str().unwrap().to_owned()
    };
    let job = ask().await;
    let fed = format!("darkroom.feed.{account}.{job}.");
    let heard = |wanted: &'static str| {
        let subject = format!("{fed}{wanted}");
        move |heard: &str| heard == subject
    };
    let (_, requested) = tokio::task::block_in_place(|| listener.message(heard("requested")));
    assert_eq!(requested["type"], "darkroom.job.requested.v1", "{requested}");
    assert_eq!(requested["data"]["source_url"], url, "{requested}");
    assert_eq!(requested["data"]["user_data"]["order"], "seventeen", "{requested}");
    let (_, completed) = tokio::task::block_in_place(|| listener.message(heard("completed")));
    assert_eq!(completed["subject"], job);

    // In the log the same is ciphertext.
    let job = ask().await;
    let stored = format!("darkroom.job.{account}.{job}.requested");
    let (_, stored) = tokio::task::block_in_place(|| listener.message(|subject| subject == stored));
    assert!(!stored.to_string().contains("somebody"), "{stored}");
    assert!(!stored.to_string().contains("seventeen"), "{stored}");
    assert_eq!(feed(&["off"]), "the feed is off\n");
}
