//! The log as evidence: altered with every right that there is, proven to others, erased and brought back.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
    time::Duration,
};

use async_nats::HeaderMap;
use bytes::Bytes;
use domain::{
    account::{self, Accounts},
    id::AccountId,
};
use eventlog::{Log, Raw, Span, Statement, topology};
use evidence::shelf::Shelf;
use futures::TryStreamExt as _;
use serde_json::{Value, json};
use service::{Clock as _, SystemClock};
use tempfile::TempDir;
use testkit::{
    Finish as _, Nats, Source, SourceServer, Stack, WebhookReceiver, eventually, pictures,
    until_some,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::jobs;

const PATIENCE: Duration = Duration::from_secs(60);
const SECRET_WORD: &str = "told-to-nobody-else";

/// A notary that signs at once, until it is stopped.
pub(crate) struct Notary {
    folder: TempDir,
    stop: CancellationToken,
    ended: Option<tokio::task::JoinHandle<()>>,
}

impl Notary {
    pub(crate) fn start(nats: &Nats) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), nats)
    }

    fn start_in(folder: TempDir, nats: &Nats) -> Self {
        let mut settings: notary::Settings = toml::from_str(notary::settings::DEFAULTS).unwrap();
        settings.notary.data = folder.path().join("notary");
        (settings.notary.every_events, settings.notary.every_ms) = (1, 100);
        settings.nats = nats.settings("notary");
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let running = async move {
            notary::run(settings, Arc::new(SystemClock), stopped).await.unwrap();
        };
        Self { folder, stop, ended: Some(tokio::spawn(running)) }
    }

    /// Its verifier key.
    pub(crate) fn key(&self) -> String {
        fs::read_to_string(self.folder.path().join("notary/key.pub")).unwrap().trim().to_owned()
    }

    pub(crate) async fn stop(&mut self) {
        self.stop.cancel();
        self.ended.take().unwrap().await.unwrap();
    }
}

/// Waits until everything in these streams is signed, and returns the newest checkpoint of each.
pub(crate) async fn signed(log: &Log, streams: &[&str]) -> Vec<String> {
    let mut notes = Vec::new();
    for stream in streams {
        let last = log.last_sequence(stream).await.unwrap();
        let what = format!("{stream} is signed");
        let note = until_some(&what, PATIENCE, || async {
            let raw = Shelf::new(log).last(stream, Statement::Signed).await.unwrap()?;
            let note = String::from_utf8(raw.body.to_vec()).unwrap();
            let size: u64 = note.lines().nth(1).unwrap().parse().unwrap();
            (size >= last).then_some(note)
        });
        notes.push(note.await);
    }
    notes
}

/// `darkroom audit ...` as the auditor.
pub(crate) fn audit(nats: &Nats, folder: &Path, arguments: &[&str]) -> Said {
    let settings = nats.settings("auditor");
    let mut command = crate::up::bare(folder);
    command
        .env("DARKROOM_NATS_URL", &settings.url)
        .env("DARKROOM_NATS_USER", &settings.user)
        .env("DARKROOM_NATS_PASSWORD", settings.password.expose());
    said(command, arguments)
}

/// The same without a server, and nothing that would lead to one.
pub(crate) fn alone(folder: &Path, arguments: &[&str]) -> Said {
    said(crate::up::bare(folder), arguments)
}

pub(crate) struct Said {
    pub(crate) out: String,
    code: Option<i32>,
}

pub(crate) fn said(mut command: Command, arguments: &[&str]) -> Said {
    command.arg("audit").args(arguments);
    let output: Output = tokio::task::block_in_place(|| command.finish());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let out = format!("{}{}", text(output.stdout), text(output.stderr));
    Said { out, code: output.status.code() }
}

impl Said {
    pub(crate) fn well(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.out);
        self
    }

    pub(crate) fn amiss(self, what: &str) -> Self {
        assert_eq!(self.code, Some(2), "{}", self.out);
        assert!(self.out.contains(what), "{what} in {}", self.out);
        self
    }
}

/// A log that somebody with every right on the server plays with.
pub(crate) struct Played {
    nats: Nats,
    pub(crate) log: Log,
    client: async_nats::Client,
    folder: TempDir,
    key: String,
}

impl Played {
    /// Five accounts, of which one wants to be erased: seven events, all of them signed.
    pub(crate) async fn start() -> Self {
        Self::start_with(&["ACCOUNTS"], async |_| {}).await
    }

    /// The same, and what else is written to these streams.
    pub(crate) async fn start_with(streams: &[&str], more: impl AsyncFnOnce(&Log)) -> Self {
        let nats = Nats::start().await;
        let log = nats.log("operator").await;
        let mut notary = Notary::start(&nats);
        let ids: Vec<AccountId> = (0..6).map(|_| AccountId::from_uuid(Uuid::new_v4())).collect();
        for id in &ids {
            let open = |state: &account::State| account::open(state, None);
            log.transact::<Accounts, _>(id, SystemClock.now(), open).await.unwrap();
        }
        let erase = account::request_erasure;
        log.transact::<Accounts, _>(&ids[1], SystemClock.now(), erase).await.unwrap();
        more(&log).await;
        signed(&log, streams).await;
        notary.stop().await;
        let settings = nats.settings("operator");
        let options = async_nats::ConnectOptions::new()
            .nkey(settings.password.expose().to_owned())
            .custom_inbox_prefix("_INBOX_operator");
        let client = options.connect(&settings.url).await.unwrap();
        let key = notary.key();
        Self { nats, log, client, folder: tempfile::tempdir().unwrap(), key }
    }

    pub(crate) async fn messages(&self, stream: &str) -> Vec<Raw> {
        self.log.replay(stream, Span::default()).try_collect().await.unwrap()
    }

    /// Puts other messages in the place of all that a stream holds.
    pub(crate) async fn replace(&self, stream: &str, messages: &[Raw]) {
        let delete = format!("$JS.API.STREAM.DELETE.{stream}");
        self.client.request(delete, Bytes::new()).await.unwrap();
        topology::apply(&self.log, 1).await.unwrap();
        for raw in messages {
            let mut headers = HeaderMap::new();
            let own = raw.headers.iter().filter(|(name, _)| !name.starts_with("Nats-"));
            own.for_each(|(name, value)| headers.append(name, value));
            let subject = raw.subject.clone();
            let published = self.client.request_with_headers(subject, headers, raw.body.clone());
            let answer = published.await.unwrap();
            let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
            assert!(answer.get("error").is_none(), "{answer}");
        }
    }

    pub(crate) fn verify(&self, more: &[&str]) -> Said {
        let mut arguments = vec!["verify", "--key", self.key.as_str()];
        arguments.extend(more);
        audit(&self.nats, self.folder.path(), &arguments)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_set_back_with_all_that_was_said_of_it_is_caught_by_a_checkpoint_kept_elsewhere() {
    let played = Played::start().await;
    let kept = played.file("kept.txt");
    fs::write(&kept, &signed(&played.log, &["ACCOUNTS"]).await[0]).unwrap();
    let kept = kept.to_str().unwrap().to_owned();
    played.verify(&["--checkpoint", &kept]).well();
    // Everything as it was after the first four events.
    let four = played.messages("ACCOUNTS").await.into_iter().take(4).collect::<Vec<_>>();
    played.replace("ACCOUNTS", &four).await;
    played.replace("CHECKPOINTS", &[]).await;
    let mut notary = Notary::start(&played.nats);
    signed(&played.log, &["ACCOUNTS"]).await;
    notary.stop().await;
    // A notary of another key signs it, as whoever has no more than the server can have.
    played.verify(&["--checkpoint", &kept]).amiss("is signed by none of the known keys");
    let theirs = notary.key();
    let by_theirs = ["verify", "--key", &theirs];
    audit(&played.nats, played.folder.path(), &by_theirs).well();
    let both = ["verify", "--key", &theirs, "--key", &played.key, "--checkpoint", &kept];
    let said = audit(&played.nats, played.folder.path(), &both);
    said.amiss("First bad event: ACCOUNTS 5").amiss("kept.txt");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_verified_without_a_server() {
    let played = Played::start().await;
    let folder = played.folder.path();
    let said = audit(&played.nats, folder, &["export", "log.ndjson"]).well();
    assert!(said.out.contains("log.ndjson: 7 events"), "{}", said.out);
    let whole = ["verify", "--export", "log.ndjson"];
    let said = alone(folder, &whole).well();
    assert!(said.out.contains("the log's own; compare it"), "{}", said.out);
    let with_key = |file: &str| alone(folder, &["verify", "--export", file, "--key", &played.key]);
    let said = with_key("log.ndjson").well();
    assert!(said.out.contains("(as given)"), "{}", said.out);
    let said = audit(&played.nats, folder, &["export", "log.ndjson.gz"]).well();
    assert!(said.out.contains("log.ndjson.gz: 7 events"), "{}", said.out);
    with_key("log.ndjson.gz").well();
    let packed = fs::read(folder.join("log.ndjson.gz")).unwrap();
    fs::write(folder.join("torn.gz"), &packed[..packed.len() / 2]).unwrap();
    let said = with_key("torn.gz");
    assert!(said.code == Some(1) && said.out.contains("torn.gz"), "{}", said.out);
    let text = fs::read_to_string(folder.join("log.ndjson")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let third = lines.iter().position(|line| line.contains("\"seq\":3,")).unwrap();
    let without: Vec<&str> =
        lines.iter().enumerate().filter(|(at, _)| *at != third).map(|(_, line)| *line).collect();
    fs::write(folder.join("removed"), format!("{}\n", without.join("\n"))).unwrap();
    with_key("removed").amiss("First bad event: ACCOUNTS 3");
    fs::write(folder.join("cut"), format!("{}\n", lines[..third].join("\n"))).unwrap();
    with_key("cut").amiss("it ends before its end");
    let said = audit(&played.nats, folder, &["export", "log.ndjson"]);
    assert!(said.code == Some(1) && said.out.contains("log.ndjson"), "{}", said.out);
    let said = alone(folder, &["verify", "--export", "log.ndjson", "--key", "nonsense"]);
    assert!(said.code == Some(1) && said.out.contains("try: NAME+HASH+KEY"), "{}", said.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_of_a_job_outlives_its_erasure_and_the_erasure_is_proven_too() {
    let (sources, hooks) = (SourceServer::start().await, WebhookReceiver::start().await);
    let stack = Stack::start(1, &[sources.port(), hooks.port()], &[]).await;
    let mut notary = Notary::start(&stack.nats);
    let caller = stack.caller(0);
    let source = sources.put("/a.jpg", Source::bytes(pictures::PHOTOGRAPH));
    let wish = json!({
        "url": source, "sizes": ["40x40"], "data": {"note": SECRET_WORD},
        "callback_url": hooks.url("/hook"),
    });
    let job = jobs::wish(&caller, &wish).await;
    assert_eq!(jobs::ended(&caller, &job).await["status"], "success");
    let log = stack.nats.log("operator").await;
    eventually("its webhook is recorded", PATIENCE, || async {
        log.last("DELIVERIES", "darkroom.delivery.*.*.*.delivered").await.unwrap().is_some()
    })
    .await;
    signed(&log, &["JOBS", "DELIVERIES"]).await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let key = notary.key();
    let prove =
        |out: &str| audit(&stack.nats, folder, &["prove", &job, "--out", out, "--key", &key]);
    let check = |file: &str| alone(folder, &["check", file, "--key", &key]);
    let said = prove("before.json").well();
    assert!(
        said.out.contains("the evidence holds") && said.out.contains("A webhook"),
        "{}",
        said.out
    );
    let all_signed = |said: &Said| !said.out.contains("\nchained ");
    assert!(all_signed(&check("before.json").well()), "{}", said.out);
    let page = fs::read_to_string(folder.join("before.html")).unwrap();
    assert!(page.contains(&job) && !page.contains("<script") && !page.contains(SECRET_WORD));
    let said = alone(folder, &["check", "before.json"]).well();
    assert!(said.out.contains("the key came with the bundle"), "{}", said.out);

    let answer = caller.get(&format!("/v1/jobs/{job}/audit")).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    fs::write(folder.join("api.json"), answer.json().to_string()).unwrap();
    check("api.json").well();

    assert_eq!(caller.delete(&format!("/v1/jobs/{job}?erase=true")).await.status, 202);
    eventually("the job is erased", PATIENCE, || async {
        caller.get(&format!("/v1/erasures/{job}")).await.json()["status"] == "erased"
    })
    .await;
    signed(&log, &["JOBS", "DELIVERIES"]).await;
    check("before.json").well();
    let said = prove("after.json").well();
    assert!(said.out.contains("The job was erased"), "{}", said.out);
    assert!(all_signed(&check("after.json").well()), "{}", said.out);
    for file in ["before.json", "after.json", "after.html"] {
        assert!(!fs::read_to_string(folder.join(file)).unwrap().contains(SECRET_WORD), "{file}");
    }
    notary.stop().await;
    let arguments = ["verify", "--key", &key, "--checkpoint", "before.json", "--json"];
    let said = audit(&stack.nats, folder, &arguments).well();
    let report: Value = serde_json::from_str(&said.out).unwrap();
    let of_jobs = report["streams"].as_array().unwrap().iter().find(|it| it["stream"] == "JOBS");
    assert_eq!(of_jobs.unwrap()["erased_histories"], 1, "{report}");
    assert_eq!(report["holds"], true);

    // A bundle that somebody improved.
    let text = fs::read_to_string(folder.join("after.json")).unwrap();
    fs::write(folder.join("forged.json"), text.replace("The job was erased", "The job was kept"))
        .unwrap();
    check("forged.json").amiss("THE EVIDENCE DOES NOT HOLD");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_brought_back_from_its_snapshots_holds_as_it_did() {
    let played = Played::start().await;
    let (kept, other) = (played.file("kept.txt"), Nats::start().await);
    fs::write(&kept, &signed(&played.log, &["ACCOUNTS"]).await[0]).unwrap();
    let log = other.log("operator").await;
    for stream in eventlog::backed_up() {
        let mut bytes = Vec::new();
        let outline = played.log.snapshot(&stream, &mut bytes).await.unwrap();
        log.make_room(&stream).await.unwrap();
        log.restore(&stream, &outline, &mut bytes.as_slice()).await.unwrap();
    }
    let arguments = ["verify", "--key", &played.key, "--checkpoint", kept.to_str().unwrap()];
    let said = audit(&other, played.folder.path(), &arguments).well();
    assert!(said.out.contains("the log holds: 7 events"), "{}", said.out);
}
