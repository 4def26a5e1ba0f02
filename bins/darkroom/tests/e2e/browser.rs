//! A real browser logs in: what it keeps, what it shows to scripts, and what pages of others can do with it.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{Source, SourceServer, free_port};

use crate::up::Up;

/// Where Debian and its relatives put Chromium.
const PROGRAMS: [&str; 3] = [
    "/usr/lib/chromium/chromium-headless-shell",
    "/usr/bin/chromium-headless-shell",
    "/usr/lib/chromium/chromium",
];
/// How long the browser may take over anything.
const PATIENCE: Duration = Duration::from_secs(60);
const EMAIL: &str = "alice@example.com";
const PASSWORD: &str = "correct horse battery";

/// Chromium, spoken with over a pair of pipes (Chrome `DevTools` Protocol).
struct Browser {
    child: Child,
    commands: File,
    messages: Receiver<Value>,
    last: u64,
    session: Option<String>,
    _folder: TempDir,
}

impl Browser {
    fn start() -> Self {
        let program = PROGRAMS.into_iter().find(|program| Path::new(program).is_file());
        let program = program.expect("Chromium is not there: run ./justw --need full");
        let folder = tempfile::tempdir().unwrap();
        let (to, from) = (folder.path().join("to"), folder.path().join("from"));
        assert!(Command::new("mkfifo").args([&to, &from]).status().unwrap().success());
        // It reads commands from file 3 and writes to file 4.
        let child = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 3<>"$TO" 4<>"$FROM""#, program])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
            .arg("--remote-debugging-pipe")
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .env("TO", &to)
            .env("FROM", &from)
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let both_ways = |path: &Path| OpenOptions::new().read(true).write(true).open(path).unwrap();
        let (commands, reader) = (both_ways(&to), both_ways(&from));
        let (sender, messages) = mpsc::channel();
        std::thread::spawn(move || {
            for message in BufReader::new(reader).split(0) {
                let Ok(message) = message else { return };
                let Ok(message) = serde_json::from_slice(&message) else { return };
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut browser =
            Self { child, commands, messages, last: 0, session: None, _folder: folder };
        let page = browser.ask("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": page["targetId"], "flatten": true });
        let session = browser.ask("Target.attachToTarget", &attach);
        browser.session = session["sessionId"].as_str().map(ToOwned::to_owned);
        browser.ask("Page.enable", &json!({}));
        // What we serve lets no script run; the tests' own must.
        browser.ask("Page.setBypassCSP", &json!({ "enabled": true }));
        browser
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.last += 1;
        let mut command = json!({ "id": self.last, "method": method, "params": params });
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        self.commands.write_all(command.to_string().as_bytes()).unwrap();
        self.commands.write_all(&[0]).unwrap();
        let id = self.last;
        let answer = self.wait(method, |message| message["id"] == id);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    fn wait(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message = self.messages.recv_timeout(left);
            let message = message.unwrap_or_else(|_| panic!("no answer to {what}"));
            if is_it(&message) {
                return message;
            }
        }
    }

    fn open(&mut self, url: &str) {
        let opened = self.ask("Page.navigate", &json!({ "url": url }));
        assert!(opened.get("errorText").is_none(), "{url}: {opened}");
        self.wait("Page.navigate", |message| message["method"] == "Page.loadEventFired");
    }

    /// What a script of the page comes to.
    fn run(&mut self, script: &str) -> Value {
        let script = json!({ "expression": script, "awaitPromise": true, "returnByValue": true });
        let done = self.ask("Runtime.evaluate", &script);
        assert!(done.get("exceptionDetails").is_none(), "{done}");
        done["result"]["value"].clone()
    }

    /// What a request of the page is answered: `[status, body]`.
    fn fetch(&mut self, method: &str, url: &str, body: &Value) -> (u64, Value) {
        let body = if body.is_null() {
            "undefined".to_owned()
        } else {
            json!(body.to_string()).to_string()
        };
        let answer = self.run(&format!(
            "fetch({url:?}, {{ method: {method:?}, body: {body} }}).then(async r => [r.status, await r.json()])"
        ));
        (answer[0].as_u64().unwrap(), answer[1].clone())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Killing it is all that is left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The token that an operator's command printed.
fn token(up: &Up, arguments: &[&str]) -> String {
    let data = up.data();
    let said = up.command().args(arguments).args(["--data", data.to_str().unwrap()]).output();
    let said = said.unwrap();
    let out = String::from_utf8(said.stdout).unwrap();
    assert!(said.status.success(), "{out}{}", String::from_utf8_lossy(&said.stderr));
    let token = out.lines().find_map(|line| line.strip_prefix("token"));
    token.unwrap_or_else(|| panic!("no token in {out}")).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_logs_in_and_pages_of_others_cannot_use_it() {
    let others = SourceServer::start().await;
    others.put(
        "/page",
        Source::bytes("<!doctype html><title>other</title>").header("content-type", "text/html"),
    );
    let up = Up::start(&[], free_port()).await;
    let account = up.env["DARKROOM_ACCOUNT"].clone();
    let invited = token(&up, &["member", "invite", &account, EMAIL, "--role", "owner"]);
    tokio::task::block_in_place(|| {
        let mut browser = Browser::start();
        let url = up.env["DARKROOM_URL"].trim_end_matches('/').to_owned();
        logs_in(&mut browser, &url, &invited);
        keeps_the_cookie_to_itself(&mut browser, &url);
        pages_of_others_change_nothing(&mut browser, &url, others.port());
        logs_out(&mut browser, &url);
        operators_see_and_change_members(&up, &account);
    });
}

fn logs_in(browser: &mut Browser, url: &str, invited: &str) {
    browser.open(&format!("{url}/healthz"));
    let join = json!({ "token": invited, "password": PASSWORD });
    let (status, joined) = browser.fetch("POST", "/v1/joins", &join);
    assert_eq!(status, 201, "{joined}");
    let (status, refused) = browser.fetch("GET", "/v1/me", &Value::Null);
    assert_eq!(status, 401, "{refused}");
    let shown = json!({ "email": EMAIL, "password": PASSWORD });
    let (status, begun) = browser.fetch("POST", "/v1/sessions", &shown);
    assert_eq!(status, 201, "{begun}");
    let (status, me) = browser.fetch("GET", "/v1/me", &Value::Null);
    assert_eq!((status, &me["member"]["email"]), (200, &json!(EMAIL)), "{me}");
}

/// Chromium takes a `Secure` cookie, and a `__Host-` one, from loopback without TLS.
fn keeps_the_cookie_to_itself(browser: &mut Browser, url: &str) {
    assert_eq!(browser.run("document.cookie"), "");
    let kept = browser.ask("Network.getCookies", &json!({ "urls": [url] }));
    let kept = kept["cookies"].as_array().unwrap();
    assert_eq!(kept.len(), 1, "{kept:?}");
    let cookie = &kept[0];
    assert_eq!(cookie["name"], "__Host-darkroom_session");
    assert_eq!((&cookie["secure"], &cookie["httpOnly"]), (&json!(true), &json!(true)));
    assert_eq!((&cookie["sameSite"], &cookie["path"]), (&json!("Lax"), &json!("/")));
    assert_eq!(cookie["domain"], "127.0.0.1", "for this host alone");
    assert_eq!(cookie["session"], false);
}

/// A page of the same site and another origin carries the cookie; one of another site does not.
/// Either way nothing happens.
fn pages_of_others_change_nothing(browser: &mut Browser, url: &str, port: u16) {
    for host in ["127.0.0.1", "localhost"] {
        browser.open(&format!("http://{host}:{port}/page"));
        let invite = json!({ "email": "mallory@example.com", "role": "owner" }).to_string();
        let plain = browser.run(&format!(
            "fetch({:?}, {{ method: 'POST', mode: 'no-cors', credentials: 'include', body: {invite:?} }}).then(r => r.type)",
            format!("{url}/v1/members")
        ));
        assert_eq!(plain, "opaque", "it was sent");
        let read = browser.run(&format!(
            "fetch({:?}, {{ credentials: 'include' }}).then(() => 'read', () => 'refused')",
            format!("{url}/v1/me")
        ));
        assert_eq!(read, "refused", "nor is anything shown");
        browser.open(&format!("{url}/healthz"));
        let (status, members) = browser.fetch("GET", "/v1/members", &Value::Null);
        assert_eq!(status, 200);
        assert_eq!(members["members"].as_array().unwrap().len(), 1, "{host}: {members}");
    }
    let own = json!({ "email": "bob@example.com", "role": "member" });
    assert_eq!(browser.fetch("POST", "/v1/members", &own).0, 201);
}

fn logs_out(browser: &mut Browser, url: &str) {
    let (status, _) = browser.fetch("DELETE", "/v1/sessions/current", &Value::Null);
    assert_eq!(status, 200);
    let kept = browser.ask("Network.getCookies", &json!({ "urls": [url] }));
    assert_eq!(kept["cookies"], json!([]));
    assert_eq!(browser.fetch("GET", "/v1/me", &Value::Null).0, 401);
}

fn operators_see_and_change_members(up: &Up, account: &str) {
    let data = up.data();
    let run = |arguments: &[&str]| {
        let mut command = up.command();
        command.arg("member").args(arguments).args(["--data", data.to_str().unwrap()]);
        let said = command.output().unwrap();
        let out = String::from_utf8(said.stdout).unwrap();
        (said.status.code(), out, String::from_utf8(said.stderr).unwrap())
    };
    let (code, listed, err) = run(&["list", account]);
    assert_eq!(code, Some(0), "{err}");
    assert!(listed.lines().any(|line| line.contains(EMAIL) && line.contains("owner")), "{listed}");
    assert!(
        listed.lines().any(|line| line.contains("bob@") && line.contains("invited")),
        "{listed}"
    );
    let (code, _, err) = run(&["remove", account, EMAIL]);
    assert_eq!(code, Some(1));
    assert!(err.contains("no owner") && err.contains("make somebody else"), "{err}");
    assert_eq!(run(&["remove", account, "bob@example.com"]).0, Some(0));
    let (code, _, err) = run(&["role", account, "bob@example.com", "admin"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("no such member"), "{err}");
    let (code, _, err) = run(&["role", account, EMAIL, "king"]);
    assert!(code != Some(0) && err.contains("owner, admin, member, auditor"), "{err}");
    assert!(!token(up, &["member", "reset", account, EMAIL]).is_empty());
    assert_eq!(run(&["list", account]).1.lines().count(), 1);
}
