//! `darkroom up`, and clients that know nothing of Darkroom.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use storage::{Network, Patience, Reader, Secret};
use tempfile::TempDir;
use testkit::{
    Caller, Finish as _, Received, Source, SourceServer, WebhookReceiver, ends_within, eventually,
    free_port, pictures, processes,
};

use crate::jobs;

/// How long `up` may take to be ready, and to end.
const READY: Duration = Duration::from_secs(90);
/// What scripts can rely on.
const NAMES: [&str; 10] = [
    "DARKROOM_URL",
    "DARKROOM_KEY",
    "DARKROOM_SECRET",
    "DARKROOM_S3_ENDPOINT",
    "DARKROOM_S3_BUCKET",
    "DARKROOM_S3_ACCESS_KEY",
    "DARKROOM_S3_SECRET_KEY",
    "DARKROOM_NATS_URL",
    "DARKROOM_NATS_USER",
    "DARKROOM_NATS_PASSWORD",
];

/// Everything in one process, as a person starts it.
pub(crate) struct Up {
    child: Child,
    folder: TempDir,
    /// What `demo.env` says.
    pub(crate) env: BTreeMap<String, String>,
}

impl Up {
    /// Starts it and waits until it says that it is ready; `allow` are ports of loopback that
    /// sources may come from.
    pub(crate) async fn start(allow: &[u16], webhook_port: u16) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), allow, webhook_port).await
    }

    pub(crate) async fn start_in(folder: TempDir, allow: &[u16], webhook_port: u16) -> Self {
        Self::start_with(folder, allow, webhook_port, &[]).await
    }

    /// The same with further settings, `section.key=value`.
    pub(crate) async fn start_with(
        folder: TempDir,
        allow: &[u16],
        webhook_port: u16,
        set: &[String],
    ) -> Self {
        let ports: Vec<String> = allow.iter().map(|port| format!("127.0.0.1/32:{port}")).collect();
        let log = File::create(folder.path().join("log")).unwrap();
        let listen = format!("127.0.0.1:{}", free_port());
        let child = command(folder.path(), webhook_port)
            .args(["--listen", &listen])
            .args(set.iter().flat_map(|set| ["--set", set]))
            .env("DARKROOM__EGRESS__ALLOW", ports.join(","))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut up = Self { child, folder, env: BTreeMap::new() };
        let file = up.demo_env();
        // There may be one from before.
        let is_of_this_one =
            || async { fs::read_to_string(&file).is_ok_and(|text| text.contains(&listen)) };
        eventually("demo.env is there", READY, is_of_this_one).await;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        up.env = sourced(&file);
        up
    }

    /// Ends it as a power cut would, waits until all that it started is gone, and keeps the data.
    pub(crate) async fn kill(mut self) -> TempDir {
        let started = processes::descendants(self.child.id());
        assert!(!started.is_empty());
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        eventually("what it started is gone", READY, || async {
            !started.iter().any(|process| processes::is_alive(process.pid))
        })
        .await;
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }

    /// Its data folder.
    pub(crate) fn data(&self) -> PathBuf {
        data(self.folder.path())
    }

    pub(crate) fn demo_env(&self) -> PathBuf {
        self.data().join("demo.env")
    }

    /// Asks its API.
    pub(crate) fn caller(&self) -> Caller {
        Caller::new(
            &self.env["DARKROOM_URL"],
            &self.env["DARKROOM_KEY"],
            &self.env["DARKROOM_SECRET"],
        )
    }

    /// Runs another command of the same executable where this one runs.
    pub(crate) fn command(&self) -> Command {
        let mut command = bare(self.folder.path());
        command.envs(&self.env);
        command
    }

    async fn object(&self, key: &str) -> Value {
        let settings = storage::Settings {
            endpoint: Some(self.env["DARKROOM_S3_ENDPOINT"].clone()),
            bucket: self.env["DARKROOM_S3_BUCKET"].clone(),
            access_key: self.env["DARKROOM_S3_ACCESS_KEY"].clone(),
            secret_key: Secret::from(self.env["DARKROOM_S3_SECRET_KEY"].as_str()),
            ..storage::Settings::default()
        };
        let network = Network::direct(Patience::default());
        let reader = Reader::open(settings.destination().unwrap(), &network).await.unwrap();
        let found = reader.get(key, 1 << 20).await.unwrap();
        assert_eq!(found.content_type, "application/json");
        serde_json::from_slice(&found.bytes).unwrap()
    }

    async fn ended(&mut self) -> std::process::ExitStatus {
        let child = std::cell::RefCell::new(&mut self.child);
        testkit::until_some("`up` ends", READY, || async { child.borrow_mut().try_wait().unwrap() })
            .await
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // It may have ended; what it started goes with it.
        if matches!(self.child.try_wait(), Ok(None)) {
            processes::terminate(self.child.id());
            if ends_within(&mut self.child, READY).is_none() {
                eprintln!("`darkroom up` did not end within {READY:?}, and was killed");
                assert!(std::thread::panicking(), "`darkroom up` ends when it is told to");
            }
        }
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            eprintln!("--- darkroom up\n{log}");
        }
    }
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// The executable with nothing but a PATH that leads to nats-server.
pub(crate) fn bare(folder: &Path) -> Command {
    let tools = tools().join("bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(tools).chain(std::env::split_paths(&path));
    let mut command = Command::new(env!("CARGO_BIN_EXE_darkroom"));
    command.env_clear().env("PATH", std::env::join_paths(folders).unwrap());
    command.current_dir(folder).stdin(Stdio::null());
    command
}

fn command(folder: &Path, webhook_port: u16) -> Command {
    let mut command = bare(folder);
    command.arg("up").arg("--data").arg(data(folder));
    for (key, port) in
        [("nats_port", free_port()), ("s3_port", free_port()), ("demo_webhook_port", webhook_port)]
    {
        command.arg("--set").arg(format!("up.{key}={port}"));
    }
    command
}

pub(crate) fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools")
}

/// What a shell knows after sourcing the file.
fn sourced(file: &Path) -> BTreeMap<String, String> {
    let script = "set -a; . \"$1\"; exec env -0";
    let output = Command::new("/bin/sh").args(["-c", script, "sh"]).arg(file).env_clear().finish();
    let text = String::from_utf8(output.stdout).unwrap();
    let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Runs one of the scripts beside this file.
pub(crate) fn python(venv: &str, script: &str, arguments: &[&str], input: &Value) -> Output {
    let python = tools().join(venv).join("bin/python");
    assert!(python.exists(), "{}: run `./justw test`, which installs it", python.display());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e").join(script);
    let output = Command::new(python)
        .arg(script)
        .args(arguments)
        .env_clear()
        .finish_given(input.to_string().as_bytes());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn verify(received: &Received, secret: &str) {
    let headers: BTreeMap<&str, &str> = received
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    let body = std::str::from_utf8(&received.body).unwrap();
    python(
        "venv-tests",
        "verify.py",
        &[],
        &json!({"secret": secret, "headers": headers, "body": body}),
    );
}

/// The key of `metadata.json`, which lies beside the renditions.
fn beside(preview: &Value, bucket: &str) -> String {
    let url: http::Uri = preview["preview"]["url"].as_str().unwrap().parse().unwrap();
    let (folder, _) = url.path().rsplit_once('/').unwrap();
    format!("{}/metadata.json", folder.strip_prefix(&format!("/{bucket}/")).unwrap())
}

/// What the FilePreviews client got is whole, and says the truth about what lies in the bucket.
async fn check_renditions(caller: &Caller, preview: &Value) {
    let thumbnails = preview["thumbnails"].as_array().unwrap();
    let sizes: Vec<(Value, (u32, u32))> = vec![
        (json!("60x60"), (60, 40)),
        (json!(75), (75, 50)),
        (json!("x50"), (75, 50)),
        (json!("original"), (150, 100)),
    ];
    assert_eq!(thumbnails.len(), sizes.len(), "{preview}");
    for (thumbnail, (spelled, (width, height))) in thumbnails.iter().zip(sizes) {
        assert_eq!(thumbnail["requested_size"], spelled);
        let said = json!({"width": width.to_string(), "height": height.to_string()});
        assert_eq!(thumbnail["size"], said, "{spelled}");
        assert_eq!(thumbnail["original_size"], json!({"width": "150", "height": "100"}));
        assert_eq!(thumbnail["resized"], json!((width, height) != (150, 100)));
        let file = caller.get(thumbnail["url"].as_str().unwrap()).await;
        assert_eq!(file.status, 200, "{spelled}");
        assert_eq!(file.headers["content-type"], "image/png", "{spelled}");
        assert_eq!(pictures::dimensions(&file.body), Some((width, height)), "{spelled}");
    }
    let original = &preview["original_file"];
    assert_eq!(original["name"], "ridges at dusk");
    assert_eq!(original["extension"], "jpg");
    assert_eq!(original["size"], json!(pictures::PHOTOGRAPH.len()));
    assert_eq!(original["mimetype"], "image/jpeg");
    assert_eq!(original["type"], "image");
    assert_eq!(original["encoding"], "binary");
    assert_eq!(original["metadata"]["exif"]["Make"], "Darkroom", "{original}");
    assert_eq!(original["metadata"]["checksum"].as_str().unwrap().len(), 32, "{original}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filepreviews_client_is_served_by_up_and_up_leaves_nothing_running() {
    let (sources, hooks) = (SourceServer::start().await, WebhookReceiver::start().await);
    let mut up = Up::start(&[sources.port()], hooks.port()).await;
    for name in NAMES {
        assert!(up.env.get(name).is_some_and(|value| !value.is_empty()), "{name} in demo.env");
    }
    sources.put("/ridges%20at%20dusk.jpg", Source::bytes(pictures::PHOTOGRAPH));

    let api = format!("{}/v2", up.env["DARKROOM_URL"]);
    let (key, secret) = (up.env["DARKROOM_KEY"].clone(), up.env["DARKROOM_SECRET"].clone());
    // Callers do send unescaped spaces.
    let (source, hook) = (sources.url("/ridges at dusk.jpg"), hooks.url("/hook?order=7"));
    let arguments = [api.as_str(), key.as_str(), secret.as_str(), source.as_str(), hook.as_str()];
    let output =
        tokio::task::block_in_place(|| python("venv-tests", "client.py", &arguments, &Value::Null));
    let preview: Value = serde_json::from_slice(&output.stdout).unwrap();
    let id = jobs::id(&preview);

    let told = jobs::webhook(&hooks, &id).await;
    assert_eq!(told.path, "/hook?order=7");
    assert_eq!(told.json(), preview);
    tokio::task::block_in_place(|| verify(&told, &up.env["DARKROOM_WEBHOOK_SECRET"]));
    let stored = up.object(&beside(&preview, &up.env["DARKROOM_S3_BUCKET"])).await;
    check_renditions(&up.caller(), &preview).await;
    assert_eq!(hooks.received().len(), 1, "those without a callback are told nobody");

    let second = command(up.folder.path(), free_port()).finish();
    let complaint = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success());
    assert!(complaint.contains("another `darkroom up` runs on"), "{complaint}");
    assert!(up.demo_env().exists(), "the first one's file stays");

    let started = processes::descendants(up.child.id());
    let names: Vec<&str> = started.iter().map(|process| process.name.as_str()).collect();
    assert!(names.contains(&"nats-server") && names.contains(&"darkroom-render"), "{names:?}");
    processes::terminate(up.child.id());
    let status = up.ended().await;
    assert!(status.success(), "{status}");
    assert!(!up.demo_env().exists());
    let left: Vec<_> = started.iter().filter(|process| processes::is_alive(process.pid)).collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(stored, preview, "metadata.json is the answer to a GET, links that work included");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_accepted_before_up_was_killed_ends_after_it_is_started_again() {
    let (sources, hooks) = (SourceServer::start().await, WebhookReceiver::start().await);
    let up = Up::start(&[sources.port()], hooks.port()).await;
    let photograph = Source::bytes(pictures::PHOTOGRAPH);
    let source = sources.put("/a.jpg", photograph.clone());
    let ended = jobs::hand_in(&up.caller(), &source, &hooks.url("/before")).await;
    let before = jobs::ended(&up.caller(), &ended).await;
    sources.put("/a.jpg", Source::hanging());
    let running = jobs::hand_in(&up.caller(), &source, &hooks.url("/after")).await;
    eventually("the source is being fetched", READY, || async { sources.hits("/a.jpg") > 1 }).await;

    let folder = up.kill().await;
    sources.put("/a.jpg", photograph);
    let again = Up::start_in(folder, &[sources.port()], hooks.port()).await;
    let after = jobs::body(&again.caller(), &ended).await;
    assert_eq!((&after["status"], &after["id"]), (&before["status"], &before["id"]));
    assert_eq!(jobs::ended(&again.caller(), &running).await["status"], "success");
    assert_eq!(jobs::webhook(&hooks, &running).await.path, "/after");
    let history = jobs::history(&again.caller(), &running).await;
    assert_eq!(history.iter().filter(|name| *name == "started").count(), 2, "{history:?}");
}
