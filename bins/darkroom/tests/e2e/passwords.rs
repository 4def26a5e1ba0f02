//! No command, log or event tells a password, what stands for one, or what was shown once.

use std::{collections::BTreeSet, fs, path::Path, process::Output};

use serde_json::{Value, json};
use testkit::{Answer, Finish as _, free_port, pictures};

use crate::{jobs, up::Up};

const CHOSEN: &str = "correct horse battery";
const MISTYPED: &str = "incorrect horse battery";
const CHANGED: &str = "yet another horse of mine";
/// How bcrypt hashes begin.
const HASHES: [&str; 3] = ["$2a$", "$2b$", "$2y$"];
/// Commands that need more than this test has, change what is there, or run until they are told to end.
const ELSEWHERE: [&str; 11] = [
    "up",
    "demo",
    "preview",
    "upload",
    "erase",
    "restore",
    "api",
    "worker",
    "dispatcher",
    "notary",
    "help",
];

/// Asks the API; the answer and what came with it.
async fn ask(up: &Up, method: &str, path: &str, body: Value) -> Answer {
    let json = [("content-type", "application/json")];
    let answer = up.caller().ask(method, path, &json, body.to_string()).await;
    assert!((200..300).contains(&answer.status) || answer.status == 401, "{method} {path}");
    answer
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

/// Somebody joins, logs in, mistypes, and has a new password; a key pair has a new secret. What must be
/// seen of none of it again.
async fn planted(up: &Up) -> Vec<String> {
    let mut planted: Vec<String> =
        [CHOSEN, MISTYPED, CHANGED].into_iter().chain(HASHES).map(Into::into).collect();
    let invited = json!({ "email": "alice@example.com", "role": "admin" });
    let member = ask(up, "POST", "/v1/members", invited).await.json();
    let invitation = text(&member["invitation"]["token"]);
    let join = json!({ "token": invitation, "password": CHOSEN });
    ask(up, "POST", "/v1/joins", join).await;
    for password in [CHOSEN, MISTYPED] {
        let login = json!({ "email": "alice@example.com", "password": password });
        let answer = ask(up, "POST", "/v1/sessions", login).await;
        let cookie = answer.headers.get("set-cookie").map(|cookie| cookie.to_str().unwrap());
        let session = cookie.and_then(|cookie| cookie.split(['=', ';']).nth(1));
        planted.extend(session.map(ToOwned::to_owned));
    }
    let reset = format!("/v1/members/{}/reset", jobs::id(&member["member"]));
    let reset = text(&ask(up, "POST", &reset, json!({})).await.json()["reset"]["token"]);
    let changed = json!({ "token": reset, "password": CHANGED });
    ask(up, "POST", "/v1/password-resets", changed).await;
    let made = ask(up, "POST", "/v1/applications", json!({ "label": "shop" })).await.json();
    planted.extend([invitation, reset, text(&made["secret"]), up.env["DARKROOM_SECRET"].clone()]);
    assert_eq!(planted.len(), 11, "{planted:?}");
    planted
}

/// What shows something, each with what it is told.
fn commands(up: &Up, application: &str, job: &str, out: &Path) -> Vec<Vec<String>> {
    let (account, data) = (&up.env["DARKROOM_ACCOUNT"], up.data().display().to_string());
    let out = |name: &str| out.join(name).display().to_string();
    let said = [
        format!("account list --data {data}"),
        format!("account show {account} --data {data}"),
        "application list".to_owned(),
        "application list --json".to_owned(),
        format!("application show {application}"),
        format!("member list {account} --data {data}"),
        "usage --format json".to_owned(),
        "destination show --json".to_owned(),
        "destination policy".to_owned(),
        "input list".to_owned(),
        "endpoint list".to_owned(),
        "feed".to_owned(),
        format!("key list --data {data}"),
        format!("key verify --data {data}"),
        format!("nats diff --data {data}"),
        format!("doctor --data {data}"),
        "events --from start".to_owned(),
        "events --from start --json".to_owned(),
        "replay".to_owned(),
        "replay --json".to_owned(),
        "replay --format csv".to_owned(),
        format!("replay --account {account} --json"),
        "replay --stream MEMBERS".to_owned(),
        format!("replay {job}"),
        format!("diff {job} --from 0"),
        format!("diff --account {account} --from 2020-01-01T00:00:00Z --json"),
        "audit verify --json".to_owned(),
        format!("audit export {}", out("log.ndjson")),
        format!("audit prove {job} --out {}", out("job.json")),
        format!("audit prove --account {account} --out {}", out("account.json")),
        format!("audit find --engine jpeg>0 --json --data {data}"),
        format!("readmodel verify --data {data}"),
        format!("export --account {account} -o {} --data {data}", out("export.ndjson")),
        format!("backup {} --data {data}", out("backup")),
    ];
    said.iter().map(|said| said.split(' ').map(ToOwned::to_owned).collect()).collect()
}

fn run(up: &Up, arguments: &[String]) -> (Output, String) {
    let mut command = up.command();
    command.args(arguments);
    let output = tokio::task::block_in_place(|| command.finish());
    let all = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let all = String::from_utf8_lossy(&all).into_owned();
    (output, all)
}

/// The keyed digests that events carry.
fn digests(replayed: &str) -> BTreeSet<String> {
    let words = replayed.split("_digest").skip(1);
    let found = words.filter_map(|rest| {
        let hex: String = rest
            .chars()
            .skip_while(|c| !c.is_ascii_hexdigit())
            .take_while(char::is_ascii_hexdigit)
            .collect();
        (hex.len() == 64).then_some(hex)
    });
    found.collect()
}

/// Every file below a folder, by its name.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => files(&path),
            false => vec![(path.display().to_string(), fs::read(&path).unwrap())],
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_log_or_event_tells_a_password_its_hash_or_what_was_shown_once() {
    let folder = tempfile::tempdir().unwrap();
    let loud = ["log.level=debug".to_owned()];
    let up = Up::start_with(folder, &[], free_port(), &loud).await;
    let planted = planted(&up).await;
    let applications = up.caller().get("/v1/applications").await.json();
    let application = jobs::id(&applications["applications"][0]);
    let picture = up.data().join("a.jpg");
    fs::write(&picture, pictures::PHOTOGRAPH).unwrap();
    let (_, made) = run(&up, &["preview".to_owned(), picture.display().to_string()]);
    let job = made.lines().find_map(|line| line.strip_prefix("job ")).unwrap();

    let out = tempfile::tempdir().unwrap();
    let commands = commands(&up, &application, job, out.path());
    let (_, stored) = run(&up, &["replay".to_owned(), "--json".to_owned()]);
    let digests = digests(&stored);
    // Of two addresses, four tokens and two secrets at least.
    assert!(digests.len() >= 8, "{digests:?} in {stored}");
    let (mut shown, mut all) = (Vec::new(), String::new());
    for arguments in &commands {
        let (output, said) = run(&up, arguments);
        let name = arguments.join(" ");
        // 1 says that something is amiss, not that nothing was shown.
        assert!(matches!(output.status.code(), Some(0 | 1)), "{name}: {said}");
        shown.extend(
            planted
                .iter()
                .filter(|secret| said.contains(*secret))
                .map(|secret| (name.clone(), secret.clone())),
        );
        // Events as they are stored are evidence, digests included; what is for people shows none.
        let evidence = arguments[0] == "replay" && name.contains("--");
        let told = digests.iter().filter(|digest| !evidence && said.contains(&digest[..16]));
        shown.extend(told.map(|digest| (name.clone(), digest.clone())));
        all += &said;
    }
    let mut written = files(out.path());
    assert!(written.len() > 10, "{}", written.len());
    let log = up.data().parent().unwrap().join("log");
    let logged = fs::read(&log).unwrap();
    for digest in &digests {
        assert!(!String::from_utf8_lossy(&logged).contains(digest.as_str()), "a digest is logged");
    }
    written.push(("the log".to_owned(), logged));
    for (name, bytes) in &written {
        let holds =
            |secret: &str| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
        let found = planted.iter().filter(|secret| holds(secret));
        shown.extend(found.map(|secret| (name.clone(), secret.clone())));
    }
    assert!(shown.is_empty(), "{shown:#?}");
    assert!(all.contains("alice@example.com") && all.contains("password_set"), "{all}");
    every_command_is_looked_at(&up, &commands);
}

fn every_command_is_looked_at(up: &Up, commands: &[Vec<String>]) {
    let (_, help) = run(up, &["help".to_owned()]);
    let (_, listed) = help.split_once("Commands:\n").unwrap();
    let names = listed.lines().take_while(|line| !line.is_empty());
    let names: Vec<&str> =
        names.filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    assert!(names.len() > 20, "{help}");
    for name in names.into_iter().filter(|name| !name.is_empty() && !ELSEWHERE.contains(name)) {
        let looked_at = commands.iter().any(|arguments| arguments[0] == name);
        assert!(looked_at, "`darkroom {name}` shows something, and nobody looks at it here");
    }
}
