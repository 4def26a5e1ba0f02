//! The console, as a person with a browser meets it: from the banner's link to the log-out.

use std::{fs, path::Path};

use serde_json::{Value, json};
use testkit::{Caller, Finish as _, Reply, WebhookReceiver, free_port, pictures};

use crate::{chromium::Browser, jobs, up::Up};

const PASSWORD: &str = "a sentence that only I would say";
/// What would run, were it ever read as markup.
const HOSTILE: [&str; 6] = [
    "<img src=x onerror=hit=1>",
    "\"><script>hit=1<\u{2044}script>",
    "'-alert(1)-'",
    "javascript:hit=1",
    "<svg onload=hit=1>",
    "{{constructor.constructor('hit=1')()}}",
];

/// The link that lets the first person in, as the banner says it.
fn link(up: &Up) -> String {
    let log = fs::read_to_string(up.data().parent().unwrap().join("log")).unwrap();
    let line = log.lines().find_map(|line| line.trim().strip_prefix("console"));
    line.unwrap_or_else(|| panic!("no console in {log}")).trim().to_owned()
}

fn begin(up: &Up) -> Browser {
    let mut browser = Browser::start();
    for domain in ["Runtime", "Log", "Audits", "Network"] {
        browser.ask(&format!("{domain}.enable"), &json!({}));
    }
    browser.open(&link(up));
    browser
}

/// Fills in a field and tells the page so.
fn fill(browser: &mut Browser, field: &str, text: &str) {
    browser.until(field, &format!("!!document.getElementById('field-{field}')"));
    browser.run(&format!(
        "(() => {{ const input = document.getElementById('field-{field}'); input.value = {text:?};
         input.dispatchEvent(new Event('input', {{ bubbles: true }})); }})()"
    ));
}

fn press(browser: &mut Browser, text: &str) {
    let found = format!(
        "[...document.querySelectorAll('button, a')].find(one => one.textContent.trim() === {text:?} && !one.disabled)"
    );
    browser.until(text, &format!("!!{found}"));
    browser.run(&format!("{found}.click()"));
}

fn says(browser: &mut Browser, text: &str) {
    browser.until(text, &format!("document.body.innerText.includes({text:?})"));
}

fn choose(browser: &mut Browser, file: &Path) {
    browser.until("a file can be chosen", "!!document.querySelector('input[type=file]')");
    let input = json!({ "expression": "document.querySelector('input[type=file]')" });
    let input = browser.ask("Runtime.evaluate", &input);
    let chosen = json!({ "objectId": input["result"]["objectId"], "files": [file] });
    browser.ask("DOM.setFileInputFiles", &chosen);
}

/// What a browser complains about: violations of the policy, errors of scripts, files that are missing.
fn complaints(browser: &Browser) -> Vec<&Value> {
    let is_one = |message: &&Value| match message["method"].as_str() {
        Some("Runtime.exceptionThrown") => true,
        Some("Runtime.consoleAPICalled") => message["params"]["type"] != "log",
        Some("Log.entryAdded") => {
            let entry = &message["params"]["entry"];
            // Answers that refuse are part of the story.
            entry["level"] == "error" && entry["source"] != "network"
        }
        Some("Audits.issueAdded") => {
            message["params"]["issue"]["code"] == "ContentSecurityPolicyIssue"
        }
        _ => false,
    };
    browser.heard.iter().filter(is_one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_follows_the_banner_s_link_and_sees_a_preview_being_made() {
    let up = Up::start(&[], free_port()).await;
    let mut browser = begin(&up);
    joins(&mut browser);
    sees_a_preview(&mut browser);
    hears_of_a_job_of_somebody_else(&up, &mut browser).await;
    erases_a_job(&mut browser);
    does_not_see_what_others_have(&up, &mut browser).await;
    let log = fs::read_to_string(up.data().parent().unwrap().join("log")).unwrap();
    assert!(!log.contains(PASSWORD));
    logs_out(&mut browser, &up);
    assert_eq!(complaints(&browser), Vec::<&Value>::new());

    let again = Up::start_in(up.kill().await, &[], free_port()).await;
    let expected = format!("{}/console/", again.env["DARKROOM_URL"]);
    assert_eq!(link(&again), expected, "whoever joined lets others in");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_says_what_there_is_and_a_role_sees_what_it_may() {
    let hooks = WebhookReceiver::start().await;
    let up = Up::start(&[hooks.port()], hooks.port()).await;
    let mut browser = begin(&up);
    fill(&mut browser, "password", PASSWORD);
    press(&mut browser, "Join");
    says(&mut browser, "No jobs yet");
    keeps_results_in_a_bucket_of_their_own(&mut browser, &up);
    hears_of_webhooks(&mut browser, &hooks);
    narrows_deliveries_and_has_one_made_again(&mut browser, &up, &hooks).await;
    makes_a_key_pair(&mut browser, &up).await;
    press(&mut browser, "Usage");
    says(&mut browser, "jobs accepted in 30 days");
    browser.until("a chart", "document.querySelectorAll('svg.chart rect.bar').length === 30");
    press(&mut browser, "Log");
    says(&mut browser, "darkroom audit verify");
    lets_an_auditor_in(&mut browser, &up);
    assert_eq!(complaints(&browser), Vec::<&Value>::new());
}

/// Whoever runs `up` has credentials that may do everything: they are found out.
fn keeps_results_in_a_bucket_of_their_own(browser: &mut Browser, up: &Up) {
    press(browser, "Destination");
    says(browser, "Results lie in the platform's, encrypted, and are removed 1 d after");
    for (field, name) in [
        ("bucket", "DARKROOM_S3_BUCKET"),
        ("endpoint", "DARKROOM_S3_ENDPOINT"),
        ("access_key", "DARKROOM_S3_ACCESS_KEY"),
        ("secret_key", "DARKROOM_S3_SECRET_KEY"),
    ] {
        fill(browser, field, &up.env[name]);
    }
    fill(browser, "prefix", "results/");
    press(browser, "Set and test");
    says(browser, "readable: GET, HEAD, LIST, DELETE allowed");
    says(browser, "s3:PutObject");
    let kept = format!(
        "document.documentElement.outerHTML.includes({:?})",
        up.env["DARKROOM_S3_SECRET_KEY"]
    );
    assert_eq!(browser.run(&kept), false);
    press(browser, "New preview");
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sample.jpg");
    choose(browser, &sample.canonicalize().unwrap());
    press(browser, "Make the preview");
    says(browser, "In your own bucket: Darkroom can write there and not read");
    says(browser, "/results/");
    assert_eq!(browser.run("document.querySelectorAll('.picture img').length"), 0);
}

fn hears_of_webhooks(browser: &mut Browser, hooks: &WebhookReceiver) {
    press(browser, "Webhooks");
    says(browser, "No endpoint yet");
    press(browser, "Add an endpoint");
    fill(browser, "url", &hooks.url("/hooks"));
    press(browser, "Add it");
    says(browser, "This is shown once.");
    let secret = browser.run("document.querySelector('dialog code').textContent");
    assert!(secret.as_str().unwrap().starts_with("whsec_"), "{secret}");
    press(browser, "I have kept it");
    browser.until("it is gone", &format!("!document.documentElement.outerHTML.includes({secret})"));
    press(browser, "Send a test");
    says(browser, "Taken: 204 in");
    says(browser, "endpoint.test");
}

/// What the list is narrowed by stands in the address, in the form, and in the link to the table.
async fn narrows_deliveries_and_has_one_made_again(
    browser: &mut Browser,
    up: &Up,
    hooks: &WebhookReceiver,
) {
    let caller = up.caller();
    let endpoints = caller.get("/v1/endpoints").await.json();
    let endpoint = endpoints["endpoints"][0]["id"].as_str().unwrap();
    let once = json!({ "retry_after_s": [] }).to_string();
    let changed = caller.ask("PATCH", &format!("/v1/endpoints/{endpoint}"), &[], once).await;
    assert_eq!(changed.status, 200, "{}", changed.json());
    hooks.script([Reply::With(500, vec![], "not today".into())]);
    press(browser, "Send a test");
    says(browser, "Not taken: 500.");
    let rows = "document.querySelectorAll('table.fold tbody tr').length";
    browser.until("all of them", &format!("{rows} >= 3"));

    fill(browser, "topic", "endpoint.test");
    press(browser, "Show these");
    browser.until("those of the topic", &format!("{rows} === 2"));
    assert_eq!(browser.run("location.search"), "?topic=endpoint.test");
    let link = "document.querySelector('a[download=\"deliveries.csv\"]')";
    let table = browser.run(&format!("fetch({link}.href).then(answer => answer.text())"));
    assert_eq!(table.as_str().unwrap().lines().count(), 3, "{table}");
    press(browser, "exhausted");
    browser.until("what was given up", &format!("{rows} === 1"));
    assert_eq!(browser.run("location.search"), "?status=exhausted&topic=endpoint.test");
    assert_eq!(browser.run("document.getElementById('field-topic').value"), "endpoint.test");
    browser.run("document.querySelector('table.fold tbody button').click()");
    says(browser, "Exhausted");
    press(browser, "Close");
    press(browser, "Redeliver");
    says(browser, "No delivery is so.");

    // Hours and minutes are the reader's, the address is everybody's.
    browser.ask("Emulation.setTimezoneOverride", &json!({ "timezoneId": "Asia/Kolkata" }));
    let since = "?since=2020-01-01T00%3A00%3A00Z";
    browser.open(&format!("{}/console/webhooks{since}", up.env["DARKROOM_URL"]));
    browser.until("all since then", &format!("{rows} >= 3"));
    let field = "document.getElementById('field-since').value";
    assert_eq!(browser.run(field), "2020-01-01T05:30");
    press(browser, "Show these");
    browser.until("the same", &format!("location.search === {since:?} && {rows} >= 3"));
    fill(browser, "until", "2019-12-31T00:00");
    press(browser, "Show these");
    says(browser, "This must be a time after 2020-01-01T00:00:00Z.");
    press(browser, "Show all");
    browser.until("all of them", &format!("location.search === '' && {rows} >= 3"));
    browser.ask("Emulation.setTimezoneOverride", &json!({ "timezoneId": "" }));

    let before = hooks.received().len();
    press(browser, "Replay…");
    says(browser, "Tell past events again");
    browser.run("document.getElementById('field-replay-what').value = 'accounts'");
    press(browser, "Replay");
    says(browser, "The replay has begun.");
    browser.until("it is over", "![...document.querySelectorAll('.note')].some(note => note.textContent.startsWith('A replay runs.'))");
    assert_eq!(hooks.received().len(), before, "it wants nothing of accounts");

    // Nothing is pressed: it comes by itself, and is of no endpoint.
    let job = json!({ "url": "http://127.0.0.1:1/a.jpg", "callback_url": hooks.url("/callback") });
    caller.post("/v2/previews/", &job).await;
    says(browser, "the callback of its job");
}

async fn makes_a_key_pair(browser: &mut Browser, up: &Up) {
    press(browser, "Keys");
    press(browser, "Make a key pair");
    fill(browser, "label", "<b>shop</b>");
    press(browser, "Make it");
    says(browser, "This is shown once.");
    let shown = browser
        .run("[...document.querySelectorAll('dialog p, dialog code')].map(one => one.textContent)");
    let (key, secret) = (shown[0].as_str().unwrap(), shown[1].as_str().unwrap());
    let key = key.trim_start_matches("It belongs to ").trim_end_matches('.');
    let shop = Caller::new(&up.env["DARKROOM_URL"], key, secret);
    assert_eq!(shop.get("/v1/jobs").await.status, 200);
    press(browser, "I have kept it");
    browser
        .until("it is gone", &format!("!document.documentElement.outerHTML.includes({secret:?})"));
    says(browser, "<b>shop</b>");
}

fn lets_an_auditor_in(browser: &mut Browser, up: &Up) {
    press(browser, "Members");
    press(browser, "Invite somebody");
    fill(browser, "email", "auditor@example.com");
    browser.run("document.getElementById('field-role').value = 'auditor'");
    press(browser, "Make the invitation");
    says(browser, "This is shown once.");
    let link = browser.run("document.querySelector('dialog code').textContent");
    press(browser, "I have kept it");
    press(browser, "Log out");
    says(browser, "Log in");
    browser.open(link.as_str().unwrap());
    fill(browser, "password", PASSWORD);
    press(browser, "Join");
    says(browser, "completed");
    assert_eq!(browser.run("document.body.innerText.includes('New preview')"), false);
    for page in ["destination", "webhooks", "keys", "members"] {
        browser.open(&format!("{}/console/{page}", up.env["DARKROOM_URL"]));
        browser.until(
            page,
            "!document.querySelector('main [role=status]') && !!document.querySelector('main h1')",
        );
        let acts = browser.run("[...document.querySelectorAll('main button')].map(one => one.textContent).filter(text => !['Copy', 'Show these'].includes(text) && !text.includes('.')).join()");
        assert_eq!(acts, "", "{page}");
    }
    browser.open(&format!("{}/console/new", up.env["DARKROOM_URL"]));
    says(browser, "Your role, auditor, does not let you see this.");
    browser.open(link.as_str().unwrap());
    fill(browser, "password", PASSWORD);
    press(browser, "Join");
    says(browser, "This token is not, or no longer, valid");
}

fn joins(browser: &mut Browser) {
    says(browser, "Choose a password");
    assert_eq!(browser.run("location.hash"), "", "the token is out of sight, and of the history");
    fill(browser, "password", "short");
    press(browser, "Join");
    fill(browser, "password", "password1");
    press(browser, "Join");
    says(browser, "This password is not taken");
    fill(browser, "password", PASSWORD);
    press(browser, "Join");
    says(browser, "No jobs yet");
    assert_eq!(browser.run("location.pathname"), "/console/jobs");
    says(browser, "owner@darkroom.localhost");
}

fn sees_a_preview(browser: &mut Browser) {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sample.jpg");
    press(browser, "New preview");
    choose(browser, &sample.canonicalize().unwrap());
    press(browser, "Make the preview");
    browser.until("the page of the job", "location.pathname.startsWith('/console/jobs/')");
    // Nothing is pressed: it comes by itself.
    says(browser, "completed");
    browser.until(
        "pictures from the bucket",
        "document.images.length >= 3 && [...document.images].every(one => one.complete && one.naturalWidth > 0)",
    );
    says(browser, "Development storage: these results expire in");
    says(browser, "sample.jpg");
    let steps = browser
        .run("[...document.querySelectorAll('.steps b')].map(one => one.textContent).join()");
    assert_eq!(steps, "Requested,Started,Fetched,Stored,Stored,Wiped,Completed");
    press(browser, "Jobs");
    says(browser, "image/jpeg");
}

/// A job like any other, until somebody has had it erased.
fn erases_a_job(browser: &mut Browser) {
    press(browser, "failed1");
    says(browser, "source forbidden");
    browser.run("document.querySelector('tbody a').click()");
    press(browser, "Erase…");
    press(browser, "Erase it for good");
    says(browser, "Erased. Nothing of this job can be read any more");
    says(browser, "Objects removed");
}

/// The page stands, and a program asks for another job.
async fn hears_of_a_job_of_somebody_else(up: &Up, browser: &mut Browser) {
    let before = "document.querySelectorAll('tbody tr').length";
    let rows = browser.run(before).as_u64().unwrap();
    let source = json!({ "url": "http://127.0.0.1:1/a.jpg" });
    up.caller().post("/v2/previews/", &source).await;
    browser.until("one row more", &format!("{before} === {}", rows + 1));
    browser.until("its outcome", "!!document.querySelector('tbody .tag.bad')");
}

async fn does_not_see_what_others_have(up: &Up, browser: &mut Browser) {
    let data = up.data();
    let create = ["account", "create", "--label", "others", "--json", "--data"];
    let made = up.command().args(create).arg(&data).finish();
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let text = |name: &str| made[name].as_str().unwrap();
    let others = Caller::new(&up.env["DARKROOM_URL"], text("key"), text("secret"));
    let source = json!({ "url": "http://127.0.0.1:1/a.jpg" });
    let job = jobs::id(&others.post("/v2/previews/", &source).await.json());
    assert_eq!(others.get(&format!("/v1/jobs/{job}")).await.status, 200);
    browser.open(&format!("{}/console/jobs/{job}", up.env["DARKROOM_URL"]));
    says(browser, "Not found");
    says(browser, &format!("There is no job with ID {job}."));
}

fn logs_out(browser: &mut Browser, up: &Up) {
    press(browser, "Log out");
    says(browser, "Log in");
    let url = up.env["DARKROOM_URL"].trim_end_matches('/').to_owned();
    assert_eq!(browser.fetch("GET", "/v1/me", &Value::Null).0, 401);
    browser.open(&format!("{url}/console/jobs"));
    says(browser, "Log in");
    assert_eq!(browser.run("document.querySelectorAll('table').length"), 0);
    fill(browser, "email", "owner@darkroom.localhost");
    fill(browser, "password", PASSWORD);
    browser.run("document.querySelector('form button[type=submit]').click()");
    says(browser, "image/jpeg");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_wrote_is_read_as_text() {
    let up = Up::start(&[], free_port()).await;
    let folder = tempfile::tempdir().unwrap();
    let data = json!({ "said": HOSTILE, "<b>key</b>": "<script>hit=1</script>" });
    let body = json!({ "url": "http://127.0.0.1:1/<img src=x onerror=hit=1>", "data": data });
    let failed = up.caller().post("/v2/previews/", &body).await;
    let failed = jobs::id(&failed.json());
    let mut browser = begin(&up);
    fill(&mut browser, "password", PASSWORD);
    press(&mut browser, "Join");
    for name in HOSTILE {
        press(&mut browser, "New preview");
        let file = folder.path().join(name);
        fs::write(&file, pictures::PHOTOGRAPH).unwrap();
        choose(&mut browser, &file);
        fill(&mut browser, "data", &data.to_string());
        press(&mut browser, "Make the preview");
        browser.until("the job", "location.pathname.startsWith('/console/jobs/')");
        says(&mut browser, "completed");
        let title = browser.run("document.querySelector('h1').textContent");
        assert_eq!(title, name);
        is_harmless(&mut browser);
    }
    let url = up.env["DARKROOM_URL"].trim_end_matches('/').to_owned();
    browser.open(&format!("{url}/console/jobs/{failed}"));
    says(&mut browser, "What to do:");
    says(&mut browser, "<script>hit=1</script>");
    is_harmless(&mut browser);
    for hostile in HOSTILE {
        let path = browser.run(&format!("encodeURIComponent({hostile:?})"));
        browser.open(&format!("{url}/console/jobs/{}", path.as_str().unwrap()));
        says(&mut browser, "There is no job with ID");
        is_harmless(&mut browser);
    }
    browser.open(&format!("{url}/console/jobs/{}", uuid::Uuid::new_v4()));
    says(&mut browser, "Not found");
    assert_eq!(complaints(&browser), Vec::<&Value>::new());
}

/// No element came of a text, and nothing ran.
fn is_harmless(browser: &mut Browser) {
    let odd = "typeof hit + document.querySelectorAll('script').length
        + document.querySelectorAll('#app script, #app svg, [onerror], [onload], [src=x]').length";
    assert_eq!(browser.run(odd), "undefined10");
}
