//! What customers hand in to be kept secret lies nowhere as it was handed in, and the API cannot read
//! what it took in to be acted with.

mod core;
mod planted;
mod tap;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use eventlog::{Log, Span, topology};
use futures::StreamExt as _;
use serde_json::{Value, json};
use testkit::{
    Answer, Caller, Part, Source, SourceServer, Stack, WebhookReceiver, files::stands_in, pictures,
    processes,
};

use self::planted::{Planted, files, found, on_disk};
use self::tap::Tap;
use crate::jobs;

/// What the description of a job, beside its results, repeats of what its caller said.
const STORED: [&str; 3] = ["token in a source's URL", "data of a caller", "name of a file"];
/// The queue holds what JOBS holds.
const STREAMS: [&str; 8] = [
    topology::JOBS,
    topology::ACCOUNTS,
    topology::MEMBERS,
    topology::UPLOADS,
    topology::DELIVERIES,
    topology::ENDPOINTS,
    topology::PARKED,
    topology::KEYS,
];

/// The streams as whoever may read them reads them: on the disk they are compressed.
async fn in_streams(planted: &[Planted], log: &Log) -> (usize, Vec<String>) {
    let (mut read, mut hits) = (0, Vec::new());
    for stream in STREAMS {
        let mut messages = std::pin::pin!(log.replay(stream, Span::default()));
        while let Some(message) = messages.next().await {
            let message = message.unwrap();
            let place = format!("{stream} {}", message.subject);
            hits.extend(found(planted, &place, &message.body));
            hits.extend(found(planted, &place, format!("{:?}", message.headers).as_bytes()));
            hits.extend(found(planted, &place, message.subject.as_bytes()));
            read += 1;
        }
    }
    (read, hits)
}

fn in_processes(planted: &[Planted], stack: &Stack) -> Vec<String> {
    let parts = [Part::Api(0), Part::Worker, Part::Dispatcher].map(|part| stack.pid(part));
    let mut all: Vec<u32> = parts.into_iter().chain(stack.nats.pid()).collect();
    for part in parts {
        all.extend(processes::descendants(part).into_iter().map(|child| child.pid));
    }
    let mut hits = Vec::new();
    for pid in all {
        for name in ["environ", "cmdline"] {
            let place = format!("/proc/{pid}/{name}");
            // A renderer may have ended meanwhile.
            hits.extend(found(planted, &place, &fs::read(&place).unwrap_or_default()));
        }
    }
    hits
}

struct Scene {
    stack: Stack,
    caller: Caller,
    sources: SourceServer,
    hooks: WebhookReceiver,
    to_nats: Tap,
    to_bucket: Tap,
}

impl Scene {
    async fn set() -> Self {
        let (sources, hooks) = (SourceServer::start().await, WebhookReceiver::start().await);
        let (to_nats, to_bucket) = (Tap::start().await, Tap::start().await);
        let settings = [
            ("DARKROOM__LOG__LEVEL", "debug"),
            ("DARKROOM__RETRY__ATTEMPTS", "2"),
            ("DARKROOM__RETRY__FIRST_MS", "50"),
        ];
        let ports = [sources.port(), hooks.port(), to_bucket.port()];
        let stack = Stack::start(1, &ports, &settings).await;
        to_nats.lead_to(&stack.nats.settings("worker").url);
        to_bucket.lead_to(&stack.s3.settings().endpoint.unwrap());
        let caller = stack.caller(0);
        Self { stack, caller, sources, hooks, to_nats, to_bucket }
    }

    /// From here on everything that parts say to servers is overheard.
    async fn overhear(&mut self) {
        self.stack.set("DARKROOM__NATS__URL", &self.to_nats.url("nats"));
        self.stack.set("DARKROOM__STORAGE__ENDPOINT", &self.to_bucket.url("http"));
        let log = self.stack.data().join("logs/worker");
        let said = |log: &Path| fs::read_to_string(log).unwrap();
        let before = said(&log).len();
        for part in [Part::Api(0), Part::Worker, Part::Dispatcher] {
            self.stack.kill(part);
            self.stack.start_part(part);
        }
        self.stack.ready(0).await;
        // On a busy machine a worker may not start at once: then it is started again, as a supervisor would.
        let deadline = Instant::now() + jobs::PATIENCE;
        while !said(&log)[before..].contains("ready for jobs") {
            assert!(Instant::now() < deadline, "{}", self.stack.last_words());
            self.stack.tend();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn destination(&self, secret_key: &str) -> Answer {
        let storage = self.stack.s3.settings();
        let wish = json!({
            "endpoint": self.to_bucket.url("http"),
            "bucket": storage.bucket,
            "access_key": storage.access_key,
            "secret_key": secret_key,
        });
        self.caller.ask("PUT", "/v1/destination", &[], wish.to_string()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_without_the_private_half_takes_in_what_workers_then_act_with() {
    let scene = Scene::set().await;
    let told = fs::read(format!("/proc/{}/environ", scene.stack.pid(Part::Api(0)))).unwrap();
    let private = scene.stack.vault().credentials_key_file.display().to_string();
    assert!(!String::from_utf8_lossy(&told).contains(&private), "the API is told of {private}");
    let storage = scene.stack.s3.settings();
    let answer = scene.destination(storage.secret_key.expose()).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    let url = scene.sources.put("/a.png", Source::bytes(pictures::png(64, 48, [200, 60, 20])));
    let id = jobs::hand_in(&scene.caller, &url, &scene.hooks.url("/hook")).await;
    assert_eq!(jobs::ended(&scene.caller, &id).await["status"], "success");
    jobs::webhook(&scene.hooks, &id).await;
}

/// Whoever reads the sources of the API finds nothing that opens a credential.
#[test]
fn nothing_in_the_api_asks_for_a_credential_to_be_opened() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/src");
    let all: Vec<PathBuf> = files(&sources);
    assert!(all.len() > 20);
    for path in all {
        let text = fs::read_to_string(&path).unwrap_or_default();
        for opens in
            ["open_credential", "open_bucket_credentials", "open_destination(", "Role::Opens"]
        {
            assert!(!text.contains(opens), "{} says {opens}", path.display());
        }
    }
}

/// Those who act with credentials open them for a job that they hold, for a delivery that is due, or to try them.
#[test]
fn only_leased_work_asks_for_a_credential_to_be_opened() {
    const OPENERS: [&str; 4] = [
        "open_credential(",
        "open_bucket_credentials(",
        "open_destination(",
        "unseal_destination(",
    ];
    let bins = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut opening = Vec::new();
    for path in ["worker", "dispatcher", "notary", "darkroom"]
        .iter()
        .flat_map(|name| files(&bins.join(name).join("src")))
    {
        let text = fs::read_to_string(&path).unwrap_or_default();
        if OPENERS.iter().any(|opener| text.contains(opener)) {
            opening.push(path.strip_prefix(&bins).unwrap().display().to_string());
        }
    }
    opening.sort();
    let leased = ["worker/src/bucket.rs", "worker/src/desk.rs"];
    let due = ["dispatcher/src/target.rs", "worker/src/chores/prover.rs"];
    let mut expected = [leased, due].concat();
    expected.sort_unstable();
    assert_eq!(opening, expected);
    // Whoever asks for the bucket of a job shows the lease; an input is opened for the job that names it.
    for (file, asks) in [
        (
            "worker/src/attempt.rs",
            "lease: &Lease, wish: &PreviewWish) -> Result<(Shelf, Limits), Stop> {\n    let uploader",
        ),
        ("worker/src/attempt.rs", "desk.account(lease.id.account)"),
    ] {
        assert!(fs::read_to_string(bins.join(file)).unwrap().contains(asks), "{file}: {asks}");
    }
}

/// Hands in what was planted, in ways that go well and ways that do not; gives what was answered.
async fn hand_in(scene: &Scene, planted: &[Planted]) -> Vec<Answer> {
    let [secret_key, webhook, query, user_data, file_name, refused, password, bytes, ..] = planted
    else {
        panic!("too little was planted")
    };
    let caller = &scene.caller;
    let mut answers = vec![scene.destination(&secret_key.text).await];
    assert_eq!(answers[0].status, 200, "{}", answers[0].json());
    let endpoint = json!({ "url": scene.hooks.url("/hook"), "secret": webhook.text });
    let added = caller.post("/v1/endpoints", &endpoint).await;
    // The one answer that shows it.
    assert_eq!(added.status, 201, "{}", added.json());

    let path = format!("/{}.jpg", file_name.text);
    let picture = Source::bytes(pictures::marked_photograph(bytes.text.as_bytes()));
    for (source, sizes) in [(picture, "40x40"), (Source::status(404), "48x48")] {
        let url = format!("{}?token={}", scene.sources.put(&path, source), query.text);
        let wish = json!({
            "url": url, "sizes": [sizes], "callback_url": scene.hooks.url("/hook"),
            "data": { "note": user_data.text },
        });
        let id = jobs::wish(caller, &wish).await;
        jobs::ended(caller, &id).await;
        answers.push(caller.get(&format!("/v1/jobs/{id}/events")).await);
    }
    let source = scene.sources.url("/a.png");
    let source = source.replace("//", &format!("//user:{}@", password.text));
    let wish = json!({ "url": source, "sizes": ["40x40"] });
    let id = jobs::wish(caller, &wish).await;
    jobs::ended(caller, &id).await;
    answers.push(caller.get(&format!("/v2/previews/{id}")).await);
    // To a bucket that lets the key in, and to none at all.
    answers.push(scene.destination(scene.stack.s3.settings().secret_key.expose()).await);
    answers.push(caller.delete("/v1/destination").await);
    answers.extend(mistakes(&scene.stack, &refused.text).await);
    answers.push(caller.get("/v1/endpoints").await);
    answers.push(caller.get("/v1/account").await);
    answers.push(caller.get("/v1/destination").await);
    answers
}

/// Requests that are refused for something besides the secret in them.
async fn mistakes(stack: &Stack, secret: &str) -> Vec<Answer> {
    let caller = stack.caller(0);
    let mut answers = Vec::new();
    let bodies: [Value; 4] = [
        json!({ "bucket": 7, "secret_key": secret }),
        json!({ "bucket": "b", "region": "r", "access_key": "AK", "secret_key": [secret] }),
        json!({ "endpoint": "http://s3.example.com", "bucket": "b", "access_key": "A", "secret_key": secret }),
        json!({ "endpoint": "https://127.0.0.1", "bucket": "../b", "access_key": "A", "secret_key": secret }),
    ];
    for body in bodies {
        answers.push(caller.ask("PUT", "/v1/destination", &[], body.to_string()).await);
    }
    let broken = format!("{{\"secret_key\": \"{secret}\", ");
    answers.push(caller.ask("PUT", "/v1/destination", &[], broken).await);
    let endpoint = json!({ "url": "https://hooks.example.com/", "secret": secret });
    answers.push(caller.post("/v1/endpoints", &endpoint).await);
    for (key, value) in [("dk_test_none", secret), (secret, "none")] {
        let stranger = Caller::new(stack.url(0), key, value);
        answers.push(stranger.get("/v1/account").await);
    }
    for answer in &answers {
        assert!((400..500).contains(&answer.status), "{} {:?}", answer.status, answer.body);
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_handed_in_to_be_kept_secret_is_found_nowhere() {
    let mut scene = Scene::set().await;
    let hook_key = format!("latent{:026x}", rand::random::<u64>());
    let mut planted = vec![
        Planted::new("secret key of a destination"),
        Planted::of(
            "signing secret of an endpoint",
            format!("whsec_{}", STANDARD.encode(&hook_key)),
        ),
        Planted::new("token in a source's URL"),
        Planted::new("data of a caller"),
        Planted::new("name of a file"),
        Planted::new("secret in a refused request"),
        Planted::new("password in a source's URL"),
        Planted::new("bytes of a source"),
        Planted::of("key behind a signing secret", hook_key),
    ];
    scene.overhear().await;
    uncompressed(&scene.stack).await;
    let answers = hand_in(&scene, &planted).await;
    let environment = scene.stack.environment(0);
    let secret = &environment[2].1;
    planted.push(Planted::of("secret of an application", secret.clone()));
    scene.hooks.wait_for(2, jobs::PATIENCE).await;

    for (number, answer) in answers.iter().enumerate() {
        let hits = found(&planted, &format!("answer {number}, {}", answer.status), &answer.body);
        assert_eq!(hits, Vec::<String>::new());
        let headers = format!("{:?}", answer.headers);
        assert_eq!(found(&planted, "its headers", headers.as_bytes()), Vec::<String>::new());
    }
    assert_eq!(in_processes(&planted, &scene.stack), Vec::<String>::new());
    let operator = scene.stack.nats.log("operator").await;
    let (read, hits) = in_streams(&planted, &operator).await;
    assert_eq!(hits, Vec::<String>::new());
    assert!(read > 20, "only {read} messages were looked at");
    overheard(&scene, &planted);
    core::leave_none(&mut scene.stack, &planted);
    // The buckets are the customers' own, where their results say what they asked for.
    let folders = [scene.stack.data().to_owned(), scene.stack.nats.data().to_owned()];
    let folders: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
    assert_eq!(on_disk(&planted, &folders), Vec::<String>::new());
    // Whoever looks this way finds what is there: an id that is no secret.
    let account = [Planted::of("account", scene.stack.account.to_string())];
    let hits = on_disk(&account, &folders);
    assert!(hits.iter().any(|hit| hit.contains("readmodel")), "{hits:?}");
    assert!(hits.iter().any(|hit| hit.contains("logs/")), "{hits:?}");
    assert!(in_streams(&account, &operator).await.1.len() > 10);
    // Blocks of the log are not compressed here, so that what lies in them can be found.
    let fields = [Planted::of("name of a field", "source_url".to_owned())];
    let hits = on_disk(&fields, &[scene.stack.nats.data()]);
    assert!(hits.iter().any(|hit| hit.contains(".blk")), "{hits:?}");
}

/// Has streams lie on the disk as they are read.
async fn uncompressed(stack: &Stack) {
    let nats = stack.nats.settings("operator");
    let client = async_nats::ConnectOptions::new()
        .nkey(nats.password.expose().to_owned())
        .custom_inbox_prefix("_INBOX_operator")
        .connect(nats.url.as_str())
        .await
        .unwrap();
    for stream in STREAMS {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nats/streams");
        let file = fs::read(file.join(stream).with_extension("json")).unwrap();
        let mut config: Value = serde_json::from_slice(&file).unwrap();
        config["compression"] = json!("none");
        let subject = format!("$JS.API.STREAM.UPDATE.{stream}");
        let answer = client.request(subject, config.to_string().into()).await.unwrap();
        let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
        assert!(answer.get("error").is_none(), "{stream}: {answer}");
    }
}

/// Nothing of it passes between the parts and their servers. What callers ask to have stored, a bucket is given.
fn overheard(scene: &Scene, planted: &[Planted]) {
    let said = scene.to_nats.said();
    assert_eq!(found(planted, "what went to NATS and back", &said), Vec::<String>::new());
    let account = scene.stack.account.to_string();
    assert!(said.len() > 100_000 && stands_in(&said, account.as_bytes()), "{}", said.len());
    let said = scene.to_bucket.said();
    let secrets = planted.iter().filter(|one| !STORED.contains(&one.what));
    for one in secrets {
        assert!(!one.is_in(&said), "the {} went to a bucket or back", one.what);
    }
    assert!(stands_in(&said, b"AWS4-HMAC-SHA256") && stands_in(&said, b"darkroom-probe.txt"));
}
