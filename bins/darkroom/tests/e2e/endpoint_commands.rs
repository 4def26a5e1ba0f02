//! Every verb of `darkroom endpoint` with what the endpoint sees of it, and what a change over HTTP
//! leads to.

use std::{collections::BTreeSet, path::PathBuf};

use serde_json::{Value, json};
use testkit::{
    Finish as _, Received, Reply, Source, SourceServer, WebhookReceiver, eventually, until_some,
};
use vault::webhook::SigningSecret;

use crate::{
    endpoints::{Scene, text},
    jobs::{self, PATIENCE},
    premises::{self, Said},
    up::Up,
};

/// A secret that somebody brings along.
const OWN_SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
/// The longest attempt where an endpoint asks for no other.
const TIMEOUT_MS: u32 = 30_000;
/// Before and after anything that happens here.
const LONG_AGO: &str = "2020-01-01T00:00:00Z";
const ONE_DAY: &str = "2999-01-01T00:00:00Z";

/// A Darkroom with one endpoint, which commands are about.
struct Desk {
    up: Up,
    sources: SourceServer,
    hooks: WebhookReceiver,
}

impl Desk {
    async fn start() -> Self {
        let (up, sources, hooks) = premises::open().await;
        Self { up, sources, hooks }
    }

    /// Runs `darkroom endpoint` with this on its standard input.
    fn try_given(&self, input: &str, arguments: &[&str]) -> Said {
        let mut command = self.up.command();
        command.arg("endpoint").args(arguments);
        tokio::task::block_in_place(|| command.finish_given(input.as_bytes())).into()
    }

    fn given(&self, input: &str, arguments: &[&str]) -> Said {
        let said = self.try_given(input, arguments);
        assert!(said.well, "{arguments:?}: {}\n{}", said.out, said.err);
        said
    }

    /// What a command prints that ends well.
    fn run(&self, arguments: &[&str]) -> String {
        self.given("", arguments).out
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.run(arguments)).unwrap()
    }

    /// The first words, which are ids, of the lines that `deliveries` prints.
    fn deliveries(&self, more: &[&str]) -> Vec<String> {
        ids(&self.run(&[&["deliveries", "--limit", "200"], more].concat()))
    }

    /// The rows of its table.
    fn table(&self, more: &[&str]) -> Vec<Vec<String>> {
        let table = self.run(&[&["deliveries", "--csv"], more].concat());
        let (head, rows) = table.split_once("\r\n").unwrap();
        let columns = head.split(',').count();
        assert!(head.starts_with("id,endpoint,topic,job,"), "{head}");
        let rows: Vec<Vec<String>> =
            rows.lines().map(|row| row.split(',').map(ToOwned::to_owned).collect()).collect();
        assert!(rows.iter().all(|row| row.len() == columns), "{table}");
        rows
    }

    /// Sends a sample, which is taken, and gives what came.
    fn sample(&self, endpoint: &str) -> Received {
        let said = self.run(&["test", endpoint]);
        assert!(said.contains("endpoint.test  delivered  1 attempt  HTTP 204 in "), "{said}");
        self.came_of(&ids(&said)[0]).pop().unwrap()
    }

    /// The requests that a delivery made.
    fn came_of(&self, delivery: &str) -> Vec<Received> {
        let delivery = self.json(&["delivery", delivery]);
        let webhook_id = text(&delivery, "webhook_id");
        let mut all = self.hooks.received();
        all.retain(|one| one.header("webhook-id") == webhook_id);
        all
    }

    /// A job whose source is not there.
    async fn failed_job(&self, name: &str) -> String {
        let url = self.sources.put(&format!("/{name}.jpg"), Source::status(404));
        let caller = self.up.caller();
        let job = jobs::wish(&caller, &json!({ "url": url, "sizes": ["40x40"] })).await;
        assert_eq!(jobs::ended(&caller, &job).await["status"], "failure");
        job
    }

    /// Waits until the endpoint was told of a job's failure.
    async fn told_of(&self, endpoint: &str, job: &str) {
        eventually("the endpoint is told of the job", PATIENCE, || async {
            let of_it = ["--endpoint", endpoint, "--job", job, "--topic", "job.failed"];
            self.deliveries(&[&of_it[..], &["--status", "delivered"]].concat()).len() == 1
        })
        .await;
    }

    fn heard_of(&self, job: &str) -> bool {
        self.times_heard_of(job) > 0
    }

    fn times_heard_of(&self, job: &str) -> usize {
        let told = |one: &&Received| String::from_utf8_lossy(&one.body).contains(job);
        self.hooks.received().iter().filter(told).count()
    }

    /// Waits until an endpoint has no replay.
    async fn replayed(&self, endpoint: &str) {
        eventually("the replay ends", PATIENCE, || async {
            self.json(&["show", endpoint])["replay"].is_null()
        })
        .await;
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path: PathBuf = self.up.data().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn ids(lines: &str) -> Vec<String> {
    let first = |line: &str| line.split_whitespace().next().unwrap().to_owned();
    lines.lines().map(first).collect()
}

fn assert_says(endpoint: &Value, fields: &Value) {
    for (name, value) in fields.as_object().unwrap() {
        assert_eq!(&endpoint[name], value, "{name} of {endpoint}");
    }
}

/// The one line that a command prints of an endpoint ends so.
fn assert_stands(line: &str, endpoint: &str, standing: &str) {
    let line = line.trim_end();
    assert!(line.starts_with(endpoint) && line.ends_with(standing), "{standing}: {line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_verb_does_to_an_endpoint_what_its_help_says() {
    let desk = Desk::start().await;
    an_empty_list_says_how_to_begin(&desk);
    let endpoint = it_is_added_with_all_that_can_be_said_of_it(&desk).await;
    it_is_told_elsewhere_and_otherwise_once_it_is_changed(&desk, &endpoint).await;
    it_is_told_nothing_while_it_is_disabled_and_then_what_it_missed(&desk, &endpoint).await;
    past_events_are_told_again_by_stream_and_bounds(&desk, &endpoint).await;
    it_is_signed_for_with_both_secrets_while_one_is_replaced(&desk, &endpoint);
    what_was_given_up_is_shown_and_made_again(&desk, &endpoint).await;
    deliveries_are_listed_by_what_they_are_and_as_a_table(&desk, &endpoint).await;
    it_is_removed(&desk, &endpoint);
}

fn an_empty_list_says_how_to_begin(desk: &Desk) {
    for (arguments, remedy) in [
        (&["list"][..], "darkroom endpoint add URL"),
        (&["deliveries"], "darkroom endpoint test ENDPOINT"),
        (&["deliveries", "--status", "exhausted"], "Leave out an option"),
    ] {
        let said = desk.given("", arguments);
        assert!(said.out.is_empty() && said.err.contains(remedy), "{arguments:?}: {}", said.err);
    }
}

async fn it_is_added_with_all_that_can_be_said_of_it(desk: &Desk) -> String {
    let applications = desk.up.caller().get("/v1/applications").await.json();
    let application = text(&applications["applications"][0], "id");
    let url = desk.hooks.url("/first");
    let secret = desk.file("secret.txt", OWN_SECRET);
    let add = [
        &["add", &url, "--headers-file", "-", "--secret-file", &secret][..],
        &["--topic", "job.completed", "--topic", "job.cancelled", "--application", application],
        &["--payload", "thin", "--scheme", "hmac-sha256", "--ordered", "--keep-answers"],
        &["--timeout-ms", "5000", "--per-second", "50", "--at-once", "3"],
        &[
            "--retry-after-s",
            "0,1",
            "--description",
            "the shop",
            "--url",
            &desk.up.env["DARKROOM_URL"],
        ],
    ];
    let added = desk.given(r#"{"x-own": "first"}"#, &add.concat()).out;
    let endpoint = ids(&added).remove(0);
    let line = format!("{endpoint}  {url}  job.completed,job.cancelled  enabled");
    assert_eq!(added, format!("{line}\n  secret      {OWN_SECRET}   (shown once)\n"));
    assert_eq!(desk.run(&["list"]), format!("{line}\n"));

    let shown = desk.json(&["show", &endpoint]);
    assert_says(
        &shown,
        &json!({
            "id": endpoint, "url": url, "topics": ["job.completed", "job.cancelled"],
            "applications": [application], "payload": "thin", "scheme": "hmac_sha256",
            "ordered": true, "keep_answers": true, "timeout_ms": 5000, "per_second": 50,
            "at_once": 3, "retry_after_s": [0, 1], "description": "the shop",
            "has_headers": true, "enabled": true,
        }),
    );
    assert!(!shown.to_string().contains(OWN_SECRET) && shown.get("headers").is_none(), "{shown}");
    let sample = desk.sample(&endpoint);
    assert_eq!((sample.path.as_str(), sample.header("x-own")), ("/first", "first"));
    assert_eq!(sample.json()["type"], "endpoint.test");
    assert_eq!(signatures(&sample), [signature(OWN_SECRET, &sample)]);
    endpoint
}

async fn it_is_told_elsewhere_and_otherwise_once_it_is_changed(desk: &Desk, endpoint: &str) {
    let unwanted = desk.failed_job("unwanted").await;
    let second = desk.hooks.url("/second");
    let change = [
        &["change", endpoint, "--to", &second, "--topic", "job.failed"][..],
        &["--headers-file", "-", "--payload", "cloud-events", "--timeout-ms", "4000"],
        &["--unset", "description", "--unset", "applications", "--unset", "ordered"],
    ];
    let changed = desk.given(r#"{"x-new": "second"}"#, &change.concat()).out;
    let changed: Value = serde_json::from_str(&changed).unwrap();
    assert_says(
        &changed,
        &json!({
            "url": second, "topics": ["job.failed"], "payload": "cloud_events", "timeout_ms": 4000,
            "description": null, "applications": null, "ordered": false,
            // What is not named stays.
            "keep_answers": true, "per_second": 50, "at_once": 3, "retry_after_s": [0, 1],
        }),
    );
    let shown = desk.json(&["show", endpoint]);
    for (name, value) in changed.as_object().unwrap() {
        assert_eq!(&shown[name], value, "{name}");
    }
    let listed = desk.run(&["list"]);
    assert_eq!(listed, format!("{endpoint}  {second}  job.failed  enabled\n"));

    let sample = desk.sample(endpoint);
    assert_eq!((sample.path.as_str(), sample.header("x-new")), ("/second", "second"));
    assert_eq!(sample.header("x-own"), "", "headers are taken as a whole");
    assert_eq!(sample.header("content-type"), "application/cloudevents+json");
    let wanted = desk.failed_job("wanted").await;
    desk.told_of(endpoint, &wanted).await;
    assert!(desk.heard_of(&wanted) && !desk.heard_of(&unwanted));

    let without = desk.json(&["change", endpoint, "--unset", "headers"]);
    assert_eq!(without["has_headers"], false);
    assert_eq!(desk.sample(endpoint).header("x-new"), "");

    let refused = desk.try_given("", &["change", endpoint, "--timeout-ms", "0"]);
    assert!(!refused.well && refused.err.contains("timeout_ms: "), "{}", refused.err);
    assert_eq!(desk.json(&["show", endpoint])["timeout_ms"], 4000);
}

async fn it_is_told_nothing_while_it_is_disabled_and_then_what_it_missed(
    desk: &Desk,
    endpoint: &str,
) {
    assert_stands(&desk.run(&["disable", endpoint]), endpoint, "disabled (asked)");
    assert_stands(&desk.run(&["list"]), endpoint, "disabled (asked)");
    let missed = desk.failed_job("missed").await;
    let enabled = desk.try_given("", &["enable", endpoint]);
    assert_stands(&enabled.out, endpoint, "enabled");
    let (_, since) = enabled.err.trim_end().rsplit_once(" --since ").expect("how to replay");
    let later = desk.failed_job("later").await;
    desk.told_of(endpoint, &later).await;
    assert!(!desk.heard_of(&missed));

    let asked = desk.run(&["replay", endpoint, "--since", since]);
    assert!(asked.starts_with("replay ") && asked.contains("  of sequences "), "{asked}");
    desk.told_of(endpoint, &missed).await;
    assert!(desk.heard_of(&missed));
    desk.replayed(endpoint).await;
}

async fn past_events_are_told_again_by_stream_and_bounds(desk: &Desk, endpoint: &str) {
    let job = desk.failed_job("again").await;
    desk.told_of(endpoint, &job).await;
    for (asked, stretch) in [
        (&["--stream", "uploads"][..], "of sequences 1 to 0 of UPLOADS"),
        (&["--stream", "accounts", "--from-seq", "1", "--to-seq", "1"], "1 to 1 of ACCOUNTS"),
        (&["--stream", "jobs", "--since", LONG_AGO, "--until", LONG_AGO], "1 to 0 of JOBS"),
        (&["--from-seq", "1", "--to-seq", "2"], "of sequences 1 to 2 of JOBS"),
        (&["--only", "exhausted", "--until", LONG_AGO], " of DELIVERIES"),
    ] {
        let before = desk.times_heard_of(&job);
        let said = desk.run(&[&["replay", endpoint][..], asked].concat());
        assert!(said.trim_end().ends_with(stretch), "{asked:?}: {said}");
        desk.replayed(endpoint).await;
        assert_eq!(desk.times_heard_of(&job), before, "{asked:?}");
    }
    let before = desk.times_heard_of(&job);
    desk.run(&["replay", endpoint, "--stream", "jobs", "--since", LONG_AGO, "--until", ONE_DAY]);
    eventually("it is told again", PATIENCE, || async { desk.times_heard_of(&job) > before }).await;
    desk.replayed(endpoint).await;

    let refused = |arguments: &[&str]| {
        let said = desk.try_given("", &[&["replay", endpoint][..], arguments].concat());
        assert!(!said.well && said.out.is_empty(), "{arguments:?}: {}", said.out);
        said.err
    };
    for (wrong, remedy) in [
        (&["--stream", "deliveries"][..], "[possible values: jobs, accounts, uploads]"),
        (&["--only", "exhausted", "--stream", "jobs"], "stream: "),
        (&["--from-seq", "3", "--to-seq", "2"], "to_seq: "),
        (&["--since", ONE_DAY, "--until", LONG_AGO], "until: "),
        (&["--since", "yesterday"], "since: "),
        (&["--since", LONG_AGO, "--from-seq", "1"], "cannot be used with"),
    ] {
        let said = refused(wrong);
        assert!(said.contains(remedy), "{wrong:?}: {said}");
    }
    let help = desk.run(&["replay", "--help"]);
    for option in ["--since", "--from-seq", "--until", "--to-seq", "--only", "--stream"] {
        assert!(help.contains(option), "{option} in {help}");
    }
}

fn signatures(one: &Received) -> Vec<String> {
    one.header("webhook-signature").split(' ').map(ToOwned::to_owned).collect()
}

/// What a request would be signed with under this secret.
fn signature(secret: &str, one: &Received) -> String {
    let (id, stamp) = (one.header("webhook-id"), one.header("webhook-timestamp"));
    let parts = [id.as_bytes(), b".", stamp.as_bytes(), b".", &one.body];
    SigningSecret::read(secret).unwrap().signature(&parts)
}

fn it_is_signed_for_with_both_secrets_while_one_is_replaced(desk: &Desk, endpoint: &str) {
    let rotated = desk.run(&["rotate", endpoint, "--overlap-s", "3600"]);
    let secret = rotated.lines().find_map(|line| line.strip_prefix("  secret      ")).unwrap();
    let secret = secret.strip_suffix("   (shown once)").unwrap();
    assert_ne!(secret, OWN_SECRET);
    let sample = desk.sample(endpoint);
    let both = [signature(secret, &sample), signature(OWN_SECRET, &sample)];
    assert_eq!(signatures(&sample), both);

    let public = desk.run(&["rotate", endpoint, "--scheme", "ed25519", "--overlap-s", "60"]);
    let shown = desk.json(&["show", endpoint]);
    assert_eq!(shown["scheme"], "ed25519");
    assert!(
        public.contains(&format!("  public key  {}\n", text(&shown, "public_key"))),
        "{public}"
    );

    let own = ["rotate", endpoint, "--overlap-s", "0", "--secret-file", "-"];
    let back = desk.given(OWN_SECRET, &own).out;
    assert!(back.contains(&format!("  secret      {OWN_SECRET}   (shown once)")), "{back}");
    let sample = desk.sample(endpoint);
    assert_eq!(signatures(&sample)[0], signature(OWN_SECRET, &sample));
}

async fn what_was_given_up_is_shown_and_made_again(desk: &Desk, endpoint: &str) {
    let once = desk.json(&["change", endpoint, "--retry-after-s", "never"]);
    assert_eq!(once["retry_after_s"], json!([]));
    desk.hooks.script([Reply::With(500, vec![], "not today".into())]);
    let tried = desk.run(&["test", endpoint]);
    assert!(tried.contains("endpoint.test  exhausted  1 attempt  HTTP 500 in "), "{tried}");
    let delivery = ids(&tried).remove(0);
    let given_up = ["--endpoint", endpoint, "--status", "exhausted"];
    assert_eq!(desk.deliveries(&given_up), [delivery.as_str()]);
    let shown = desk.json(&["delivery", &delivery]);
    assert_eq!((&shown["status"], &shown["last"]["status"]), (&json!("exhausted"), &json!(500)));
    let history = shown["history"].as_array().unwrap();
    assert!(history.iter().any(|step| step["answer"] == "not today"), "{shown}");

    let again = desk.run(&["redeliver", &delivery]);
    assert_eq!(ids(&again), [delivery.as_str()]);
    until_some("the delivery is made again", PATIENCE, || async {
        let shown = desk.json(&["delivery", &delivery]);
        (shown["status"] == "delivered").then_some(())
    })
    .await;
    assert_eq!(desk.came_of(&delivery).len(), 2);
    assert!(desk.deliveries(&given_up).is_empty());
}

async fn deliveries_are_listed_by_what_they_are_and_as_a_table(desk: &Desk, endpoint: &str) {
    let of_it = ["--endpoint", endpoint];
    eventually("nothing waits", PATIENCE, || async {
        desk.deliveries(&["--status", "waiting"]).is_empty()
    })
    .await;
    let all = desk.deliveries(&of_it);
    let samples = desk.deliveries(&["--topic", "endpoint.test"]);
    assert!(samples.len() > 2 && samples.len() < all.len(), "{samples:?} of {all:?}");
    for (filter, found) in [
        (["--topic", "endpoint.*"], samples.len() + 1),
        (["--topic", "*"], all.len()),
        (["--since", LONG_AGO], all.len()),
        (["--since", ONE_DAY], 0),
        (["--until", ONE_DAY], all.len()),
        (["--until", LONG_AGO], 0),
        (["--status", "delivered"], all.len()),
        (["--status", "exhausted"], 0),
    ] {
        assert_eq!(desk.deliveries(&filter).len(), found, "{filter:?}");
        assert_eq!(desk.table(&filter).len(), found, "{filter:?}");
    }
    let rows = desk.table(&of_it);
    let of_table: BTreeSet<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(of_table, all.iter().map(String::as_str).collect());
    assert!(rows.iter().all(|row| row[1] == endpoint && row[5] == "delivered"), "{rows:?}");

    let (mut pages, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let behind = cursor.iter().flat_map(|cursor| ["--cursor", cursor]);
        let page: Vec<&str> = ["deliveries", "--limit", "2"].into_iter().chain(behind).collect();
        let said = desk.given("", &page);
        pages.extend(ids(&said.out));
        let next = said.err.trim_end().strip_prefix("There are more: --cursor ");
        let Some(next) = next.map(ToOwned::to_owned) else { break };
        assert!(pages.len() <= all.len(), "{pages:?}");
        cursor = Some(next);
    }
    assert_eq!(pages, all);
    let odd = desk.try_given("", &["deliveries", "--csv", "--limit", "2"]);
    assert!(!odd.well && odd.err.contains("--limit"), "{}", odd.err);
}

fn it_is_removed(desk: &Desk, endpoint: &str) {
    assert_eq!(desk.run(&["remove", endpoint]), format!("{endpoint}  removed\n"));
    assert_eq!(desk.run(&["list"]), "");
    for verb in ["show", "test", "change"] {
        let gone = desk.try_given("", &[verb, endpoint]);
        let remedy = gone.err.contains("404") && gone.err.contains("\ntry: darkroom endpoint list");
        assert!(!gone.well && remedy, "{verb}: {}", gone.err);
    }
    let gone = desk.try_given("", &["redeliver", endpoint]);
    assert!(gone.err.contains("\ntry: darkroom endpoint deliveries"), "{}", gone.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_over_http_holds_from_the_next_delivery_on() {
    let hooks = WebhookReceiver::start().await;
    let scene = Scene::beside(&[hooks.port()], TIMEOUT_MS).await;
    let wish = json!({
        "url": hooks.url("/before"), "topics": ["job.failed"], "payload": "thin",
        "headers": {"x-before": "1", "x-both": "1"}, "description": "before",
    });
    let added = scene.add(&wish).await;
    let path = format!("/v1/endpoints/{}", text(&added, "id"));
    let patch = async |change: Value| {
        let answer = scene.caller.ask("PATCH", &path, &[], change.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        answer.json()
    };
    let of = |all: &[Received], path: &str, job: &str| -> Option<Received> {
        let own = |one: &&&Received| one.json()["data"]["job"] == job;
        scene.at(all, path).iter().find(own).map(|one| (*one).clone())
    };
    let told = async |path: &str, job: &str| {
        let all = hooks.wait_until(PATIENCE, |all| of(all, path, job).is_some()).await;
        of(&all, path, job).unwrap()
    };
    let job = scene.job("first.jpg", false).await;
    let one = told("/before", &job).await;
    assert_eq!((one.header("x-before"), one.header("x-both")), ("1", "1"));

    let changed = patch(json!({
        "url": hooks.url("/after"), "topics": ["job.completed"],
        "headers": {"x-after": "2", "x-both": "2"},
    }))
    .await;
    assert_says(
        &changed,
        &json!({
            "url": hooks.url("/after"), "topics": ["job.completed"], "payload": "thin",
            "has_headers": true, "description": "before",
        }),
    );
    let unwanted = scene.job("second.jpg", false).await;
    jobs::ended(&scene.caller, &unwanted).await;
    let job = scene.job("third.jpg", true).await;
    let one = told("/after", &job).await;
    let headers = ["x-before", "x-after", "x-both"].map(|name| one.header(name));
    assert_eq!(headers, ["", "2", "2"]);
    assert_eq!(signatures(&one), [signature(text(&added, "secret"), &one)], "it keeps its secret");
    for path in ["/before", "/after"] {
        assert!(of(&hooks.received(), path, &unwanted).is_none(), "{path}");
    }

    let changed = patch(json!({ "headers": null, "topics": null, "description": null })).await;
    let outcomes = ["job.completed", "job.failed", "job.cancelled"];
    assert_says(
        &changed,
        &json!({ "topics": outcomes, "has_headers": false, "description": null }),
    );
    let job = scene.job("fourth.jpg", false).await;
    assert_eq!(told("/after", &job).await.header("x-after"), "");
}
