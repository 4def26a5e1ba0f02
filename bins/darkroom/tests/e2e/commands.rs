//! The commands that people use beside `up`.

use std::{fs, path::Path, process::Output};

use serde_json::Value;
use testkit::{Finish as _, Source, SourceServer, files, free_port, pictures};

use crate::up::Up;

/// What a command said, and how it ended.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Said {
    /// Fails unless it ended with this status.
    fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }

    /// The lines of standard output as JSON.
    fn json(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn run(up: &Up, arguments: &[&str]) -> Said {
    tokio::task::block_in_place(|| up.command().args(arguments).finish()).into()
}

/// The id of the job that a command spoke of.
fn job(said: &Said) -> String {
    let line = said.err.lines().find_map(|line| line.strip_prefix("job "));
    line.unwrap_or_else(|| panic!("no job in {}", said.err)).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_command_does_what_its_help_says_beside_a_running_up() {
    let sources = SourceServer::start().await;
    let up = Up::start(&[sources.port()], free_port()).await;
    let job = a_file_is_handed_in_and_comes_back(&up);
    a_url_is_handed_over_as_it_is(&up, &sources);
    what_goes_wrong_is_said_with_a_remedy(&up);
    the_history_is_shown_in_order_and_stays_sealed(&up, &job);
    parts_of_the_log_can_be_asked_for(&up);
    the_demo_tells_the_whole_story(&up);
    operators_see_that_all_is_well(&up);
    an_account_has_limits_of_its_own(&up);
}

fn an_account_has_limits_of_its_own(up: &Up) {
    let account = up.env["DARKROOM_ACCOUNT"].as_str();
    let listed = run(up, &["account", "list", "--data", up.data().to_str().unwrap()]).ended(0);
    assert!(listed.out.contains(account), "{}", listed.out);
    let limits = |more: &[&str]| {
        let data = up.data();
        run(up, &[&["account", "limits", account, "--data", data.to_str().unwrap()], more].concat())
    };
    let shown = limits(&["--limit", "pixels=1_000"]).ended(0);
    let line = shown.out.lines().find(|line| line.starts_with("pixels")).unwrap();
    assert!(line.contains("1000") && line.ends_with("its own"), "{line}");
    let picture = up.data().join("mine/ridges at dusk.jpg");
    let refused = run(up, &["preview", picture.to_str().unwrap()]).ended(1);
    assert!(refused.err.contains("too_many_pixels"), "{}", refused.err);
    limits(&["--limit", "pixel=5"]).ended(1);
    limits(&["--limit", "pixels=0"]).ended(1);
    let shown = limits(&["--unset", "pixels"]).ended(0);
    assert!(!shown.out.contains("its own"), "{}", shown.out);
    run(up, &["preview", picture.to_str().unwrap()]).ended(0);
}

fn a_file_is_handed_in_and_comes_back(up: &Up) -> String {
    let folder = up.data().join("mine");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("ridges at dusk.jpg");
    fs::write(&file, pictures::marked_photograph(b"handed-in-marker")).unwrap();
    let out = folder.join("out");
    let (file, out) = (file.to_str().unwrap(), out.to_str().unwrap());
    let sizes = ["--sizes", "60x60,30", "--metadata", "exif,checksum", "--data", r#"{"a": 1}"#];
    let said = run(up, &[&["preview", file, "--out", out], &sizes[..]].concat()).ended(0);
    let paths: Vec<&Path> = said.out.lines().map(Path::new).collect();
    let [large, small, metadata] = paths[..] else { panic!("{}", said.out) };
    assert_eq!(pictures::dimensions(&fs::read(large).unwrap()), Some((60, 40)));
    assert_eq!(pictures::dimensions(&fs::read(small).unwrap()), Some((30, 20)));
    let metadata: Value = serde_json::from_slice(&fs::read(metadata).unwrap()).unwrap();
    assert_eq!(metadata["status"], "success");
    assert_eq!(metadata["user_data"]["a"], 1);
    assert_eq!(metadata["original_file"]["name"], "ridges at dusk");
    for step in ["requested", "started", "fetched", "stored", "wiped", "completed"] {
        assert!(said.err.contains(step), "{step} in {}", said.err);
    }
    let left = files::holding(&up.data(), &[b"handed-in-marker"]);
    assert_eq!(left, [Path::new(file)], "only the user's own file is left");
    job(&said)
}

fn a_url_is_handed_over_as_it_is(up: &Up, sources: &SourceServer) {
    let url = sources.put("/a.jpg", Source::bytes(pictures::PHOTOGRAPH));
    let out = up.data().join("mine/url");
    let arguments = ["preview", &url, "--json", "--format", "webp", "--out"];
    let said = run(up, &[&arguments[..], &[out.to_str().unwrap()]].concat()).ended(0);
    let answer = &said.json()[0];
    assert_eq!(answer["status"], "success");
    assert!(out.join("metadata.json").is_file());
    assert!(sources.hits("/a.jpg") > 0);
}

fn what_goes_wrong_is_said_with_a_remedy(up: &Up) {
    let torn = up.data().join("mine/torn.jpg");
    fs::write(&torn, &pictures::PHOTOGRAPH[..pictures::PHOTOGRAPH.len() / 2]).unwrap();
    for (source, expected) in [
        (torn.to_str().unwrap(), "(corrupt)"),
        ("http://169.254.169.254/latest", "(source_forbidden)"),
        ("/nowhere/at/all.jpg", "read /nowhere/at/all.jpg"),
    ] {
        let said = run(up, &["preview", source]).ended(1);
        assert!(said.err.contains(expected), "{expected} in {}", said.err);
        assert!(said.err.contains("\ntry: "), "a remedy in {}", said.err);
        assert!(said.out.is_empty(), "{}", said.out);
    }
    let said = run(up, &["preview", torn.to_str().unwrap(), "--sizes", "huge"]).ended(1);
    assert!(said.err.contains("sizes"), "{}", said.err);
    let said = run(up, &["preview", "x.jpg", "--env-file", "/nowhere"]).ended(1);
    assert!(said.err.contains("read /nowhere"), "{}", said.err);
}

fn the_history_is_shown_in_order_and_stays_sealed(up: &Up, job: &str) {
    let said = run(up, &["replay", job]).ended(0);
    let mut rest = said.out.as_str();
    for step in ["requested", "started", "fetched", "stored", "stored", "wiped", "completed"] {
        let step = format!("job.{step} ");
        let at = rest.find(&step).unwrap_or_else(|| panic!("{step} in order in {}", said.out));
        rest = &rest[at + step.len()..];
    }
    assert!(said.out.contains("source_url=sealed"), "{}", said.out);
    assert!(said.out.ends_with("chain: ok, 7 events\n"), "{}", said.out);
    assert!(!said.out.contains("ridges"), "{}", said.out);

    let said = run(up, &["replay", job, "--json"]).ended(0);
    let events = said.json();
    assert_eq!(events.len(), 7);
    for pair in events.windows(2) {
        assert_eq!(pair[1]["prev"], pair[0]["hash"]);
    }
    assert!(said.err.contains("chain: ok, 7 events"), "{}", said.err);
}

fn parts_of_the_log_can_be_asked_for(up: &Up) {
    let all = run(up, &["replay", "--since", "1h", "--json"]).ended(0).json();
    let subject = |event: &Value| event["subject"].as_str().unwrap().to_owned();
    assert!(all.iter().any(|event| subject(event).starts_with("darkroom.account.")));
    let account = &up.env["DARKROOM_ACCOUNT"];
    assert!(all.iter().all(|event| subject(event).contains(account)));
    let of_account = run(up, &["replay", "--account", account, "--json"]).ended(0).json();
    assert_eq!(of_account.len(), all.len());
    let failed = run(up, &["replay", "--filter", "darkroom.job.*.*.failed"]).ended(0);
    assert_eq!(failed.out.matches("job.failed").count(), 2, "{}", failed.out);
    assert!(failed.out.contains("chain: not checked"), "{}", failed.out);
    let none = run(up, &["replay", "--since", "2999-01-01T00:00:00Z"]).ended(0);
    assert_eq!(none.out, "chain: ok, 0 events\n");
    let nobody = run(up, &["replay", "0190a5c4-9d2e-7c3b-8f1a-2b6d5e4f3a21"]).ended(1);
    assert!(nobody.err.contains("there is no job"), "{}", nobody.err);
}

fn the_demo_tells_the_whole_story(up: &Up) {
    let said = run(up, &["demo"]).ended(0);
    for part in [
        "page-1_640x480.jpg",
        "page-1_128x128.jpg",
        "metadata.json",
        "webhook-signature: v1,",
        "signature: holds",
        "body: the same as a GET",
        "job.completed",
        "delivery.delivered",
        "chain: ok, 8 events",
    ] {
        assert!(said.out.contains(part), "{part} in {}", said.out);
    }
}

fn operators_see_that_all_is_well(up: &Up) {
    let data = up.data();
    let data = ["--data", data.to_str().unwrap()];
    let said = run(up, &[&["readmodel", "rebuild"], &data[..]].concat()).ended(0);
    assert!(said.out.contains(": same"), "{}", said.out);
    let said = run(up, &[&["nats", "diff"], &data[..]].concat()).ended(0);
    assert_eq!(said.out, "0 differences\n");
    let said = run(up, &[&["doctor"], &data[..]].concat()).ended(0);
    for part in ["renderer", "api", "log", "durability", "topology", "bucket"] {
        assert!(said.out.contains(&format!("ok  {part}")), "{part} in {}", said.out);
    }
    let line = |mark: &str, part: &str| {
        said.out.lines().find(|line| line.starts_with(&format!("{mark}  {part:<12} ")))
    };
    let tried = "ways out tried, all closed";
    for renderer in ["renderer", "renderer-av"] {
        assert!(line("ok", renderer).is_some_and(|line| line.contains(tried)), "{}", said.out);
    }
    let host = line("ok", "host").unwrap();
    assert!(host.contains(tried), "{host}");
    for program in ["office", "ocr", "browser"] {
        // Whether it is there or not, it is told; of what is there the walls were tried.
        let there = line("ok", program).is_some();
        assert!(there || line("--", program).is_some(), "{program} in {}", said.out);
        assert_eq!(host.contains(&format!(" {program} ")), there, "{program} in {host}");
    }
}
