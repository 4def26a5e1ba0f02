//! A headless Chromium, spoken with over a pair of pipes (Chrome `DevTools` Protocol).

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

/// Where Debian and its relatives put Chromium.
const PROGRAMS: [&str; 3] = [
    "/usr/lib/chromium/chromium-headless-shell",
    "/usr/bin/chromium-headless-shell",
    "/usr/lib/chromium/chromium",
];
/// How long the browser may take over anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long between two looks at a page.
const LOOK: Duration = Duration::from_millis(50);

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    commands: File,
    messages: Receiver<Value>,
    last: u64,
    session: Option<String>,
    /// Everything it said by itself.
    pub(crate) heard: Vec<Value>,
    _folder: TempDir,
}

impl Browser {
    pub(crate) fn start() -> Self {
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
        let mut browser = Self {
            child,
            commands,
            messages,
            last: 0,
            session: None,
            heard: Vec::new(),
            _folder: folder,
        };
        let page = browser.ask("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": page["targetId"], "flatten": true });
        let session = browser.ask("Target.attachToTarget", &attach);
        browser.session = session["sessionId"].as_str().map(ToOwned::to_owned);
        browser.ask("Page.enable", &json!({}));
        browser
    }

    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> Value {
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

    fn wait(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message = self.messages.recv_timeout(left);
            let message = message.unwrap_or_else(|_| panic!("no answer to {what}"));
            if is_it(&message) {
                return message;
            }
            self.heard.push(message);
        }
    }

    pub(crate) fn open(&mut self, url: &str) {
        let opened = self.ask("Page.navigate", &json!({ "url": url }));
        assert!(opened.get("errorText").is_none(), "{url}: {opened}");
        // Going to another place of the same document loads nothing.
        if opened.get("loaderId").is_some() {
            self.wait("Page.navigate", |message| message["method"] == "Page.loadEventFired");
        }
    }

    /// What a script of the page comes to.
    pub(crate) fn run(&mut self, script: &str) -> Value {
        let script = json!({ "expression": script, "awaitPromise": true, "returnByValue": true });
        let done = self.ask("Runtime.evaluate", &script);
        assert!(done.get("exceptionDetails").is_none(), "{done}");
        done["result"]["value"].clone()
    }

    /// Waits until a script of the page comes to something.
    pub(crate) fn until(&mut self, what: &str, script: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.run(script);
            if !matches!(found, Value::Null | Value::Bool(false)) && found != "" {
                return found;
            }
            if Instant::now() > deadline {
                let page = self.run("document.body.innerText");
                panic!("not within {PATIENCE:?}: {what}; the page says {page}");
            }
            // What it says meanwhile is heard.
            self.heard.extend(self.messages.recv_timeout(LOOK));
        }
    }

    /// What a request of the page is answered: `[status, body]`.
    pub(crate) fn fetch(&mut self, method: &str, url: &str, body: &Value) -> (u64, Value) {
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
