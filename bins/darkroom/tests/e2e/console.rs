//! The console, as a person with a browser meets it: from the banner's link to the log-out.

use std::{fs, path::Path};

use serde_json::{Value, json};
use testkit::{free_port, pictures};

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
    tokio::task::block_in_place(|| {
        let mut browser = begin(&up);
        joins(&mut browser);
        sees_a_preview(&mut browser);
        let log = fs::read_to_string(up.data().parent().unwrap().join("log")).unwrap();
        assert!(!log.contains(PASSWORD));
        logs_out(&mut browser, &up);
        assert_eq!(complaints(&browser), Vec::<&Value>::new());
    });
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
    tokio::task::block_in_place(|| {
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
    });
}

/// No element came of a text, and nothing ran.
fn is_harmless(browser: &mut Browser) {
    let odd = "typeof hit + document.querySelectorAll('script').length
        + document.querySelectorAll('#app script, #app svg, [onerror], [onload], [src=x]').length";
    assert_eq!(browser.run(odd), "undefined10");
}
