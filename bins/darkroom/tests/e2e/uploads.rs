//! Files that go straight to the platform bucket, and the jobs that read them there.

mod elsewhere;
mod large;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{
    Answer, Caller, Finish as _, Flaky, Part, Stack, eventually, executable, pictures, until_some,
};

use crate::jobs;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
const MIB: u64 = 1 << 20;

/// A stack whose bucket is reached by a way that can be made bad.
struct Place {
    stack: Stack,
    way: Flaky,
    folder: TempDir,
}

impl Place {
    async fn start(extra: &[(&str, &str)]) -> Self {
        Self::over(extra, None).await
    }

    /// The same with another server for the bucket than the stack's own.
    async fn over(extra: &[(&str, &str)], bucket_port: Option<u16>) -> Self {
        let way = Flaky::start().await;
        let endpoint = way.endpoint();
        let settings: Vec<(&str, &str)> = [("DARKROOM__STORAGE__ENDPOINT", endpoint.as_str())]
            .into_iter()
            .chain(extra.iter().copied())
            .collect();
        // Where the bucket is, is known once it runs; whoever asks before waits.
        let stack = Stack::start(1, &[way.port()], &settings).await;
        way.lead_to(bucket_port.unwrap_or(stack.s3.port()));
        Self { stack, way, folder: tempfile::tempdir().unwrap() }
    }

    fn caller(&self) -> Caller {
        self.stack.caller(0)
    }

    /// `darkroom` as a user of this stack runs it.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(executable("darkroom"));
        command
            .env_clear()
            .envs(self.stack.environment(0))
            .env("XDG_CACHE_HOME", self.folder.path().join("cache"))
            .current_dir(self.folder.path())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Said {
        // Gigabytes, where those are asked for.
        let limit = Duration::from_secs(600);
        tokio::task::block_in_place(|| self.command(arguments).finish_within(limit, b"")).into()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the objects of this account's uploads lie as files.
    fn objects(&self) -> Vec<PathBuf> {
        let account = self.stack.account.to_string();
        let folder = self.stack.s3.data().join("darkroom/uploads").join(account);
        let entries = fs::read_dir(folder).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// Parts that lie in the bucket's server and are not yet a file.
    fn parts(&self) -> usize {
        let entries = fs::read_dir(self.stack.s3.data()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        names.filter(|name| name.contains(".part-")).count()
    }

    /// An upload as it stands once its state is this one.
    async fn until(&self, id: &str, state: &str) -> Value {
        let caller = self.caller();
        until_some(&format!("upload {id} is {state}"), PATIENCE, || async {
            let found = view(&caller, id).await;
            (found["state"] == state).then_some(found)
        })
        .await
    }
}

/// What a command said, and how it ended.
struct Said {
    well: bool,
    out: String,
    err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            well: output.status.success(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Said {
    /// The upload that a command has made.
    fn upload(&self) -> String {
        assert!(self.well, "{}{}", self.out, self.err);
        let line = self.out.lines().next().unwrap();
        line.strip_prefix("upload:").unwrap_or_else(|| panic!("{line}")).to_owned()
    }
}

async fn view(caller: &Caller, id: &str) -> Value {
    let answer = caller.get(&format!("/v1/uploads/{id}")).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer.json()
}

async fn begin(caller: &Caller, wish: Value) -> Value {
    let answer = caller.post("/v1/uploads", &wish).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    answer.json()
}

/// Sends a part as a client that knows nothing but the answer does.
async fn put(caller: &Caller, part: &Value, bytes: &[u8]) -> Answer {
    let headers: Vec<(&str, &str)> = part["headers"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    caller.ask("PUT", part["url"].as_str().unwrap(), &headers, bytes.to_vec()).await
}

fn etag(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    answer.headers["etag"].to_str().unwrap().to_owned()
}

fn crc(bytes: &[u8]) -> Value {
    json!({ "crc32c": format!("{:08x}", crc32c::crc32c(bytes)) })
}

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
}

/// Uploads these bytes in one part.
async fn uploaded(place: &Place, name: &str, bytes: &[u8]) -> String {
    let caller = place.caller();
    let begun = begin(&caller, json!({ "file_name": name, "size_bytes": bytes.len() })).await;
    let id = jobs::id(&begun);
    let etag = etag(&put(&caller, &begun["parts"][0], bytes).await);
    let wish = json!({ "parts": [{ "number": 1, "etag": etag }], "checksum": crc(bytes) });
    let answer = caller.post(&format!("/v1/uploads/{id}/complete"), &wish).await;
    assert_eq!(answer.status, 202, "{}", answer.json());
    place.until(&id, "uploaded").await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_straight_to_the_bucket_jobs_read_it_there_and_it_goes_when_they_have_ended() {
    let place = Place::start(&[]).await;
    let caller = place.caller();
    let photograph = pictures::PHOTOGRAPH;
    let wish = json!({ "file_name": "ridges at dusk.jpg", "size_bytes": photograph.len() });
    let begun = begin(&caller, wish).await;
    let id = jobs::id(&begun);
    assert_eq!((&begun["state"], &begun["part_count"]), (&json!("open"), &json!(1)));
    assert_eq!(begun["source"], format!("upload:{id}"));
    let source = begun["source"].as_str().unwrap();

    // Before it is there, no job can name it.
    let early = caller.post("/v2/previews", &json!({ "url": source })).await;
    assert_eq!(early.status, 400, "{}", early.json());
    assert_eq!(early.json()["error"]["param"], "url");

    let etag = etag(&put(&caller, &begun["parts"][0], photograph).await);
    let received = view(&caller, &id).await["received"].clone();
    assert_eq!(received["size_bytes"], photograph.len());
    let complete = json!({ "parts": [{ "number": 1, "etag": etag }], "checksum": crc(photograph) });
    let path = format!("/v1/uploads/{id}/complete");
    let answer = caller.post(&path, &complete).await;
    assert_eq!((answer.status, &answer.json()["state"]), (202, &json!("verifying")));
    let there = place.until(&id, "uploaded").await;
    assert_eq!(there["checksum"], crc(photograph));
    assert_eq!(there["file_name"], "ridges at dusk.jpg");
    assert_eq!(caller.post(&path, &complete).await.status, 202, "saying so again changes nothing");
    assert_eq!(place.objects().len(), 1);

    // A link that worked before works no more, and what is there stays what it is.
    let late = put(&caller, &begun["parts"][0], photograph).await;
    assert!((400..500).contains(&late.status), "{}", late.status);
    assert_eq!(fs::read(&place.objects()[0]).unwrap(), photograph);

    let job = jobs::wish(&caller, &json!({ "url": source, "sizes": ["60x60"] })).await;
    let body = jobs::ended(&caller, &job).await;
    assert_eq!(body["status"], "success", "{body}");
    let original = &body["original_file"];
    assert_eq!(
        (&original["name"], &original["extension"]),
        (&json!("ridges at dusk"), &json!("jpg"))
    );
    assert_eq!(original["size"], photograph.len());
    let removed = place.until(&id, "removed").await;
    assert_eq!((&removed["because"], &removed["jobs"]), (&json!("jobs_ended"), &json!(1)));
    eventually("its bytes are gone", PATIENCE, || async { place.objects().is_empty() }).await;
    let gone = caller.post("/v2/previews", &json!({ "url": source })).await;
    assert_eq!((gone.status, &gone.json()["error"]["param"]), (400, &json!("url")));
    artifacts_are_led_to(&caller, &job, &body).await;
}

/// The same bytes as behind the link in the body, by a link that works for moments.
async fn artifacts_are_led_to(caller: &Caller, job: &str, body: &Value) {
    let link = body["preview"]["url"].as_str().unwrap();
    let name = link.split('?').next().unwrap().rsplit('/').next().unwrap();
    let answer = caller.get(&format!("/v1/artifacts/{job}/{name}")).await;
    assert_eq!(answer.status, 302, "{}", answer.json());
    let location = answer.headers["location"].to_str().unwrap();
    assert!(location.contains("X-Amz-Expires=300&"), "{location}");
    assert_ne!(location, link);
    let (short, long) = (caller.get(location).await, caller.get(link).await);
    assert_eq!((short.status, &short.body), (200, &long.body));
    assert_eq!(caller.get(&format!("/v1/artifacts/{job}/other.jpg")).await.status, 404);
    let other = "0190a5c4-9d2e-7c3b-8f1a-2b6d5e4f3a21";
    assert_eq!(caller.get(&format!("/v1/artifacts/{other}/{name}")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_keeps_media_has_its_uploads_until_it_keeps_them_no_more() {
    let place = Place::start(&[("DARKROOM__STORAGE__EXPIRES_SECONDS", "1")]).await;
    let caller = place.caller();
    let keep = |kept: bool| {
        let caller = caller.clone();
        async move {
            let body = json!({ "keep_media": kept });
            let answer = caller.ask("PATCH", "/v1/account", &[], body.to_string()).await;
            assert_eq!((answer.status, &answer.json()["keeps_media"]), (200, &json!(kept)));
        }
    };
    let read = |id: String| {
        let caller = caller.clone();
        async move {
            let wish = json!({ "url": format!("upload:{id}"), "sizes": ["40x40"] });
            let job = jobs::wish(&caller, &wish).await;
            // Who removes its results has seen to its upload before.
            eventually("its results have gone", PATIENCE, || async {
                jobs::history(&caller, &job).await.last().unwrap() == "expired"
            })
            .await;
        }
    };
    keep(true).await;
    let id = uploaded(&place, "a.jpg", pictures::PHOTOGRAPH).await;
    for _ in 0..2 {
        read(id.clone()).await;
        assert_eq!(view(&caller, &id).await["state"], "uploaded");
        assert_eq!(fs::read(&place.objects()[0]).unwrap(), pictures::PHOTOGRAPH);
    }
    keep(false).await;
    read(id.clone()).await;
    assert_eq!(place.until(&id, "removed").await["because"], "jobs_ended");
    eventually("its bytes are gone", PATIENCE, || async { place.objects().is_empty() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_file_that_was_announced_is_refused_and_leaves_nothing() {
    let place = Place::start(&[("DARKROOM__WORKER__UPLOAD_UNUSED_S", "1")]).await;
    let caller = place.caller();
    for (wish, said) in [
        (json!({ "size_bytes": 0 }), "size_bytes"),
        (json!({ "size_bytes": 6_u64 << 40 }), "size_bytes"),
        (json!({ "size_bytes": 9, "part_bytes": 4 }), "part_bytes"),
        (json!({ "size_bytes": 9, "file_name": "../../etc/passwd" }), "file_name"),
        (json!({ "size_bytes": 9, "file_name": ".." }), "file_name"),
        (json!({ "size_bytes": 9, "checksum": { "crc32c": "xyz" } }), "checksum"),
    ] {
        let answer = caller.post("/v1/uploads", &wish).await;
        assert_eq!((answer.status, &answer.json()["param"]), (400, &json!(said)), "{wish}");
    }
    for wish in [json!({}), json!({ "size_bytes": "9" }), json!({ "size_bytes": 9, "key": "x" })] {
        assert_eq!(caller.post("/v1/uploads", &wish).await.status, 400, "{wish}");
    }

    // Three parts: one is missing, one is too short.
    let size_bytes = 11 * MIB;
    let file = vec![7; size_bytes as usize];
    let begun = begin(&caller, json!({ "size_bytes": size_bytes, "part_bytes": 5 * MIB })).await;
    let (id, parts) = (jobs::id(&begun), begun["parts"].as_array().unwrap().clone());
    assert_eq!(parts.len(), 3);
    let slice = |part: &Value| {
        let (from, length) =
            (part["offset"].as_u64().unwrap(), part["size_bytes"].as_u64().unwrap());
        &file[from as usize..(from + length) as usize]
    };
    let short = put(&caller, &parts[2], b"short").await;
    assert_eq!(short.status, 403, "the size of a part is signed");
    let mut etags = Vec::new();
    for part in &parts[..2] {
        etags.push(etag(&put(&caller, part, slice(part)).await));
    }
    let path = format!("/v1/uploads/{id}/complete");
    let named = |count: usize, etags: &[String]| -> Value {
        let etag = |n: usize| etags.get(n).cloned().unwrap_or_default();
        (0..count).map(|n| json!({ "number": n + 1, "etag": etag(n) })).collect()
    };
    let two =
        caller.post(&path, &json!({ "parts": named(2, &etags), "checksum": crc(&file) })).await;
    assert_eq!((two.status, &two.json()["param"]), (400, &json!("parts")));
    let three = json!({ "parts": named(3, &etags), "checksum": crc(&file) });
    assert_eq!(code(&caller.post(&path, &three).await), (409, "part_missing".to_owned()));
    let none = json!({ "parts": named(3, &etags) });
    assert_eq!(caller.post(&path, &none).await.json()["param"], "checksum");
    etags.push(etag(&put(&caller, &parts[2], slice(&parts[2])).await));

    // Everything is there, and is not what was meant.
    let other = json!({ "parts": named(3, &etags), "checksum": crc(b"another file") });
    assert_eq!(caller.post(&path, &other).await.status, 202);
    let rejected = place.until(&id, "rejected").await;
    assert_eq!(rejected["because"], "checksum");
    eventually("nothing of it stays", PATIENCE, || async {
        place.objects().is_empty() && place.parts() == 0
    })
    .await;
    let three = json!({ "parts": named(3, &etags), "checksum": crc(&file) });
    assert_eq!(code(&caller.post(&path, &three).await), (409, "upload_gone".to_owned()));
    let more = caller.post(&format!("/v1/uploads/{id}/parts"), &json!({ "numbers": [1] })).await;
    assert_eq!(code(&more), (409, "upload_not_open".to_owned()));

    // What no job reads goes by itself.
    let unused = uploaded(&place, "a.jpg", pictures::PHOTOGRAPH).await;
    assert_eq!(place.until(&unused, "removed").await["because"], "unused");
    eventually("its bytes are gone", PATIENCE, || async { place.objects().is_empty() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_nobody_completes_expires_and_one_that_is_given_up_goes_at_once() {
    let place = Place::start(&[("DARKROOM__API__UPLOAD_EXPIRES_S", "3")]).await;
    let caller = place.caller();
    let (name, bytes) = ("a.bin", b"abandoned");
    let begun = begin(&caller, json!({ "file_name": name, "size_bytes": bytes.len() })).await;
    let id = jobs::id(&begun);
    let tag = etag(&put(&caller, &begun["parts"][0], bytes).await);
    assert_eq!(place.parts(), 1);
    place.until(&id, "expired").await;
    eventually("its parts are gone", PATIENCE, || async { place.parts() == 0 }).await;
    let late = put(&caller, &begun["parts"][0], bytes).await;
    assert_eq!(late.status, 403, "the link has expired as well");
    let wish = json!({ "parts": [{ "number": 1, "etag": tag }], "checksum": crc(bytes) });
    let answer = caller.post(&format!("/v1/uploads/{id}/complete"), &wish).await;
    assert_eq!(code(&answer), (409, "upload_gone".to_owned()));

    let begun = begin(&caller, json!({ "size_bytes": bytes.len() })).await;
    let path = format!("/v1/uploads/{}", jobs::id(&begun));
    etag(&put(&caller, &begun["parts"][0], bytes).await);
    let answer = caller.ask("DELETE", &path, &[], "").await;
    assert_eq!((answer.status, &answer.json()["state"]), (202, &json!("expired")));
    eventually("its parts are gone", PATIENCE, || async { place.parts() == 0 }).await;
    assert_eq!(caller.ask("DELETE", &path, &[], "").await.status, 202);
    let unknown = "/v1/uploads/0190a5c4-9d2e-7c3b-8f1a-2b6d5e4f3a21";
    assert_eq!(caller.get(unknown).await.status, 404);
    assert_eq!(caller.get("/v1/uploads/..%2f..").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_job_keeps_the_file_until_it_has_ended_too() {
    let mut place = Place::start(&[]).await;
    let caller = place.caller();
    let id = uploaded(&place, "a.jpg", pictures::PHOTOGRAPH).await;
    // While no worker runs, both are accepted; one is then cancelled.
    place.stack.kill(Part::Worker);
    let wish = json!({ "url": format!("upload:{id}"), "sizes": ["40"] });
    let (first, second) = (jobs::wish(&caller, &wish).await, jobs::wish(&caller, &wish).await);
    let cancelled = caller.ask("DELETE", &format!("/v1/jobs/{first}"), &[], "").await;
    assert_eq!(cancelled.status, 202, "{}", cancelled.json());
    place.stack.start_part(Part::Worker);
    let body = jobs::ended(&caller, &second).await;
    assert_eq!(body["status"], "success", "{body}");
    let removed = place.until(&id, "removed").await;
    assert_eq!((&removed["because"], &removed["jobs"]), (&json!("jobs_ended"), &json!(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_command_uploads_and_previews() {
    let place = Place::start(&[]).await;
    fs::write(place.file("dusk.jpg"), pictures::PHOTOGRAPH).unwrap();
    let said = place.run(&["upload", "dusk.jpg", "--preview", "--sizes", "60x60"]);
    let id = said.upload();
    let files: Vec<&str> = said.out.lines().skip(1).collect();
    assert_eq!(files.len(), 2, "{}", said.out);
    let picture = fs::read(place.file(files[0])).unwrap();
    assert_eq!(pictures::dimensions(&picture), Some((60, 40)), "{files:?}");
    assert!(files[0].starts_with("dusk-previews/"), "{files:?}");
    place.until(&id, "removed").await;
    let said = place.run(&["preview", &format!("upload:{id}")]);
    assert!(!said.well && said.err.contains("has been removed"), "{}", said.err);
    let said = place.run(&["upload", "nothing-here.jpg"]);
    assert!(!said.well && said.err.contains("read nothing-here.jpg"), "{}", said.err);
}
