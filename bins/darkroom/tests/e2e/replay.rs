//! The log read again: stretches of it, where another reading ended, and rows made anew beside live ones.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use async_nats::{ConnectOptions, HeaderMap, jetstream};
use eventlog::{
    Durability, Hash, Headers, Log, Raw,
    server::{Binary, Embedded, Options},
    topology,
};
use readmodel::{Found, Store};
use serde_json::Value;
use testkit::{Finish as _, eventually, free_port, until_some};
use uuid::Uuid;

use crate::{jobs, up, up::Up};

const PATIENCE: Duration = Duration::from_secs(90);

/// What a command said, and how it ended.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = tokio::task::block_in_place(|| command.finish());
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: status.code(), out: text(stdout), err: text(stderr) }
    }

    fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }

    fn json(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn run(up: &Up, arguments: &[&str]) -> Said {
    Said::of(up.command().args(arguments))
}

fn readmodel(up: &Up, verb: &str) -> Said {
    Said::of(up.command().args(["readmodel", verb, "--data"]).arg(up.data()))
}

/// A job that cannot be done, once it has been given up.
async fn failed_job(up: &Up) -> String {
    let id =
        jobs::wish(&up.caller(), &serde_json::json!({"url": "http://127.0.0.1:1/a.jpg"})).await;
    jobs::ended(&up.caller(), &id).await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_shows_any_stretch_goes_on_where_it_ended_and_a_diff_says_what_changed() {
    let up = Up::start(&[], free_port()).await;
    let first = failed_job(&up).await;
    failed_job(&up).await;
    let all = run(&up, &["replay", "--format", "ndjson"]).ended(0);
    let events = all.json();
    assert!(all.err.contains(&format!("chain: ok, {} events", events.len())), "{}", all.err);

    a_table_has_a_row_for_each(&up, events.len());
    a_stretch_is_what_was_asked_for(&up, &events);
    a_resumed_replay_shows_what_is_new(&up, &events).await;
    a_diff_names_what_changed(&up, &first, &events);
}

fn a_table_has_a_row_for_each(up: &Up, events: usize) {
    let table = run(up, &["replay", "--format", "csv"]).ended(0).out;
    assert!(table.starts_with("stream,seq,time,subject,"), "{table}");
    assert_eq!(table.matches("\r\n").count(), events + 1);
}

fn a_stretch_is_what_was_asked_for(up: &Up, events: &[Value]) {
    let jobs: Vec<&Value> = events.iter().filter(|event| event["stream"] == "JOBS").collect();
    let (from, to) = (jobs[1]["seq"].to_string(), jobs[3]["seq"].to_string());
    let stretch = ["replay", "--json", "--stream", "JOBS", "--from-seq", &from, "--to-seq", &to];
    let some = run(up, &stretch).ended(0);
    assert_eq!(some.json().iter().collect::<Vec<_>>(), jobs[1..=3]);
    let until = jobs[2]["time"].as_str().unwrap();
    let early = run(up, &["replay", "--json", "--stream", "JOBS", "--until", until]).ended(0);
    assert!(early.json().iter().all(|event| event["time"].as_str().unwrap() <= until));
    assert!(early.json().len() >= 3);
}

async fn a_resumed_replay_shows_what_is_new(up: &Up, events: &[Value]) {
    let note = up.data().join("replayed.json");
    let resume = ["replay", "--json", "--resume", note.to_str().unwrap()];
    assert_eq!(run(up, &resume).ended(0).json().len(), events.len());
    let nothing = run(up, &resume).ended(0);
    assert_eq!(nothing.out, "", "all of it was shown");
    let position = nothing.err.lines().find_map(|line| line.strip_prefix("position: ")).unwrap();
    let id = failed_job(up).await;
    let news = run(up, &resume).ended(0).json();
    let after = run(up, &["replay", "--json", "--after", position]).ended(0).json();
    for found in [&news, &after] {
        let of_job = found.iter().filter(|event| event["stream"] == "JOBS");
        let kinds: Vec<_> = of_job.map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!((kinds.first(), kinds.last()), (Some(&"requested"), Some(&"failed")));
        let theirs = found.iter().filter(|event| event["stream"] == "JOBS");
        assert!(theirs.into_iter().all(|event| event["subject"].as_str().unwrap().contains(&id)));
    }
    let other = ["replay", "--resume", note.to_str().unwrap(), "--stream", "JOBS"];
    let other = run(up, &other).ended(1);
    assert!(other.err.contains("something else") && other.err.contains("try: "), "{}", other.err);
}

fn a_diff_names_what_changed(up: &Up, job: &str, events: &[Value]) {
    let of_job = |event: &&Value| event["subject"].as_str().unwrap().contains(job);
    let seqs: Vec<String> =
        events.iter().filter(of_job).map(|event| event["seq"].to_string()).collect();
    let (first, last) = (seqs.first().unwrap(), seqs.last().unwrap());
    let said = run(up, &["diff", job, "--from", first, "--to", last]).ended(0);
    assert!(said.out.contains(&format!("~ job {job} of account")), "{}", said.out);
    assert!(said.out.contains("/job/attempts: 0 -> 1"), "{}", said.out);
    assert!(
        said.out.contains("1 job.failed") && !said.out.contains("job.requested"),
        "{}",
        said.out
    );
    let none = run(up, &["diff", job, "--from", last, "--to", last]).ended(0);
    assert_eq!(none.out, "0 rows; no events\n");
    let account = &up.env["DARKROOM_ACCOUNT"];
    let said = run(up, &["diff", "--account", account, "--from", "1d", "--json"]).ended(0);
    let report = &said.json()[0];
    let rows = report["rows"].as_array().unwrap();
    let came = |name: String| {
        rows.iter().any(|row| row["row"] == name.as_str() && row["change"] == "came")
    };
    assert!(came(format!("account {account}")) && came(format!("job {job} of account {account}")));
    assert!(report["events"]["account.opened"] == 1, "{report}");
    for wrong in [
        ["diff", "--account", account, "--from", "7"],
        ["diff", job, "--from", "soon", "--json"],
        ["diff", "0190a5c4-9d2e-7c3b-8f1a-2b6d5e4f3a21", "--to", "9", "--json"],
    ] {
        let said = run(up, &wrong).ended(1);
        assert!(said.err.contains("try: "), "{wrong:?}: {}", said.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_read_model_is_held_against_the_log_and_the_first_row_that_differs_is_named() {
    let up = Up::start(&[], free_port()).await;
    let job = failed_job(&up).await;
    let well = readmodel(&up, "verify").ended(0);
    assert!(well.out.contains(": same, "), "{}", well.out);
    let rows = up.data().join("api/readmodel");
    let folder = up.kill().await;
    let account = tamper(&rows, &job);
    let up = Up::start_in(folder, &[], free_port()).await;
    let said = readmodel(&up, "verify").ended(3);
    let named = format!("DIFFERENT, first at job {job} of account {account}");
    assert!(said.out.contains(&named), "{}", said.out);
    assert!(said.out.contains("/job/attempts: live 77, rebuilt 1"), "{}", said.out);
    // Rows of the same log, made beside them and swapped in by the next start, are as they should be.
    let ready = readmodel(&up, "prepare").ended(0);
    assert!(ready.out.contains("ready in "), "{}", ready.out);
    let folder = up.kill().await;
    let up = Up::start_in(folder, &[], free_port()).await;
    readmodel(&up, "verify").ended(0);
    assert!(rows.with_file_name("readmodel.before").is_dir());
}

/// Changes one field of a job's row, and says whose it is.
fn tamper(rows: &Path, job: &str) -> String {
    let id: Uuid = job.parse().unwrap();
    let db = sled::open(rows).unwrap();
    let of_job = |key: &[u8]| key.starts_with(b"job/") && key.ends_with(id.as_bytes());
    let mut found = db.iter().map(Result::unwrap).filter(|(key, _)| of_job(key));
    let (key, value) = found.next().unwrap();
    let mut row: Value = serde_json::from_slice(&value).unwrap();
    assert_eq!(row["job"]["attempts"], 1);
    row["job"]["attempts"] = 77.into();
    db.insert(key, serde_json::to_vec(&row).unwrap()).unwrap();
    db.flush().unwrap();
    row["account"].as_str().unwrap().to_owned()
}

/// Events in the log of which a read model is made while it is interrupted.
const EVENTS: u64 = 32_768;

#[tokio::test(flavor = "multi_thread")]
async fn rows_in_the_making_go_on_where_a_power_cut_left_them() {
    let folder = tempfile::tempdir().unwrap();
    let server = Embedded::start(Options {
        data: folder.path().join("nats"),
        binary: Binary::find(None, &[&up::tools().join("bin")]).unwrap(),
        port: None,
        durability: Durability::Relaxed,
    })
    .await
    .unwrap();
    let log = Log::connect(&server.settings("operator"), "operator").await.unwrap();
    topology::apply(&log, 1).await.unwrap();
    fill(&server).await;
    // An operator's replay takes another way, and shows the same.
    let [operator, auditor] =
        ["operator", "auditor"].map(|role| Said::of(&mut replay(folder.path(), &server, role)));
    let operator = operator.ended(0);
    assert_eq!(operator.out.lines().count() as u64, EVENTS);
    assert!(operator.err.contains(&format!("chain: ok, {EVENTS} events")), "{}", operator.err);
    assert!(operator.out == auditor.ended(0).out, "they are shown different events");
    let data = folder.path().join("data");
    fs::create_dir_all(data.join("api")).unwrap();
    let path = data.join("api/readmodel");
    // Rows are written some thousand events at a time: killed later and later, until some are there.
    let mut written = 1 << 20;
    let next = loop {
        let mut begun = prepare(folder.path(), &server).stdout(Stdio::null()).spawn().unwrap();
        let next = until_some("rows are being written", PATIENCE, || async {
            let found = fs::read_dir(data.join("api")).unwrap().map(|entry| entry.unwrap().path());
            let mut next = found.filter(|path| name(path).starts_with("readmodel.next-"));
            next.find(|path| path.is_dir() && bytes(path) > written)
        })
        .await;
        kill(&mut begun);
        assert!(next.is_dir(), "it was killed too late");
        let (_, found) = tokio::task::block_in_place(|| Store::open_next(&path)).unwrap();
        if matches!(found, Found::Rows(reached) if reached.jobs > 0) {
            break next;
        }
        written += written / 2;
    };
    let said = Said::of(&mut prepare(folder.path(), &server)).ended(0);
    let line = said.out.lines().find(|line| line.starts_with("going on behind ")).unwrap();
    let jobs = line.split("JOBS ").nth(1).unwrap().split(',').next().unwrap();
    let reached: u64 = jobs.parse().unwrap();
    assert!((1..EVENTS).contains(&reached), "{}", said.out);
    assert!(!next.is_dir());

    let (store, found) = tokio::task::block_in_place(|| Store::open(&path)).unwrap();
    let Found::Prepared { reached, .. } = found else { panic!("{found:?}") };
    assert_eq!(reached.jobs, EVENTS);
    let anew = std::sync::Arc::new(Store::memory());
    api::projection::rebuild(&log, anew.clone(), reached, |_| {}).await.unwrap();
    assert_eq!(store.hash().unwrap(), anew.hash().unwrap());
    server.stop().await;
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn bytes(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|found| found.len()).sum()
}

fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn replay(folder: &Path, server: &Embedded, role: &str) -> Command {
    let settings = server.settings(role);
    let mut command = up::bare(folder);
    command
        .args(["replay", "--stream", "JOBS", "--json"])
        .env("DARKROOM_NATS_URL", &settings.url)
        .env("DARKROOM_NATS_USER", &settings.user)
        .env("DARKROOM_NATS_PASSWORD", settings.password.expose());
    command
}

fn prepare(folder: &Path, server: &Embedded) -> Command {
    let settings = server.settings("operator");
    let mut command = up::bare(folder);
    command.args(["readmodel", "prepare", "--data", "data"]);
    for set in [
        format!("nats.url={}", settings.url),
        "nats.user=operator".to_owned(),
        format!("nats.password={}", settings.password.expose()),
    ] {
        command.args(["--set", &set]);
    }
    command
}

/// Many jobs that were requested and cancelled.
async fn fill(server: &Embedded) {
    let settings = server.settings("operator");
    let client = ConnectOptions::new()
        .nkey(settings.password.expose().to_owned())
        .custom_inbox_prefix("_INBOX_operator")
        .connect(&settings.url)
        .await
        .unwrap();
    let context = jetstream::new(client);
    let account = Uuid::new_v4();
    let requested = fs::read_to_string(sample("requested.v1.json")).unwrap();
    for _ in (0..EVENTS).step_by(512) {
        let ids: Vec<Uuid> = (0..256).map(|_| Uuid::new_v4()).collect();
        let mut heads = vec![Hash::default(); ids.len()];
        for (event, body) in
            [("requested", requested.as_str()), ("cancelled", r#"{"event":"cancelled"}"#)]
        {
            let raws: Vec<Raw> = ids
                .iter()
                .zip(&heads)
                .map(|(id, prev)| Raw {
                    stream: topology::JOBS.to_owned(),
                    subject: format!("darkroom.job.{account}.{id}.{event}"),
                    seq: 0,
                    headers: Headers::from_iter([
                        ("ce-specversion", "1.0".to_owned()),
                        ("ce-id", Uuid::new_v4().to_string()),
                        ("ce-source", "/darkroom".to_owned()),
                        ("ce-type", format!("darkroom.job.{event}.v1")),
                        ("ce-time", "2026-01-02T03:04:05Z".to_owned()),
                        ("darkroom-prev", prev.to_string()),
                    ]),
                    body: body.to_owned().into(),
                })
                .collect();
            heads = raws.iter().map(Raw::hash).collect();
            let sent = raws.iter().map(|raw| publish(&context, raw));
            futures::future::join_all(sent).await;
        }
    }
    let log = Log::connect(&settings, "operator").await.unwrap();
    eventually("all of it is stored", PATIENCE, || async {
        log.last_sequence(topology::JOBS).await.unwrap() >= EVENTS
    })
    .await;
}

async fn publish(context: &jetstream::Context, raw: &Raw) {
    let mut headers = HeaderMap::new();
    raw.headers.iter().for_each(|(name, value)| headers.insert(name, value));
    let (subject, body) = (raw.subject.clone(), raw.body.clone());
    let sent = context.publish_with_headers(subject, headers, body).await;
    sent.unwrap().await.unwrap();
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../libs/domain/testdata/job").join(name)
}
