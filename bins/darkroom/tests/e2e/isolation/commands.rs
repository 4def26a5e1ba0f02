//! The command line with a key: everything of another account is to it as what never was.

use serde_json::{Value, json};

use super::{Tenant, Two, never, text};
use crate::{jobs::PATIENCE, premises::Said};

/// What somebody has, of each kind.
struct Things {
    job: String,
    upload: String,
    application: String,
    endpoint: String,
    delivery: String,
    input: String,
    /// All ids, and names that were given.
    all: Vec<String>,
}

async fn things(two: &Two, of: &Tenant, name: &str) -> Things {
    let made = async |method: &str, path: &str, body: Value| {
        let answer = of.ask(method, path, &body).await;
        assert!((200..300).contains(&answer.status), "{path} {}", answer.json());
        text(&answer.json(), "id")
    };
    let label = json!({ "label": format!("{name}-label") });
    let application = made("POST", "/v1/applications", label).await;
    let hook = json!({ "url": two.hooks.url(&format!("/{name}")), "topics": ["*"] });
    let endpoint = made("POST", "/v1/endpoints", hook).await;
    let upload = json!({ "size_bytes": 7, "file_name": format!("{name}.bin") });
    let upload = made("POST", "/v1/uploads", upload).await;
    let input = json!({
        "region": "eu-central-1", "bucket": format!("{name}-bucket"),
        "access_key": format!("AK{name}"), "secret_key": "secret",
    });
    let input = made("PUT", "/v1/inputs", input).await;
    let job = two.job(of, name, None).await;
    let delivery = testkit::until_some("a delivery", PATIENCE, || async {
        let path = format!("/v1/deliveries?endpoint={endpoint}&status=delivered");
        let listed = of.caller.get(&path).await.json();
        let done = listed["deliveries"].as_array().unwrap().first().cloned();
        done.map(|delivery| text(&delivery, "id"))
    })
    .await;
    let ids = [&job, &upload, &application, &endpoint, &delivery, &input];
    let mut all: Vec<String> = ids.into_iter().cloned().collect();
    all.extend([
        of.account.clone(),
        of.application.clone(),
        of.key.clone(),
        of.secret.clone(),
        name.to_owned(),
    ]);
    Things { job, upload, application, endpoint, delivery, input, all }
}

/// Every command that names something of an account: as arguments, with `ID` for the name.
fn about(things: &Things) -> Vec<(&str, Vec<&'static str>)> {
    let mut commands = Vec::new();
    for verb in ["show", "rotate", "revoke"] {
        commands.push((things.application.as_str(), vec!["application", verb, "ID"]));
    }
    commands.push((&things.application, vec!["application", "change", "ID", "--label", "mine"]));
    for verb in ["show", "test", "disable", "enable", "rotate", "remove", "delivery", "redeliver"] {
        commands.push((&things.endpoint, vec!["endpoint", verb, "ID"]));
    }
    commands.push((&things.endpoint, vec!["endpoint", "replay", "ID", "--from-seq", "1"]));
    commands.push((&things.endpoint, vec!["endpoint", "change", "ID", "--topic", "*"]));
    for verb in ["delivery", "redeliver"] {
        commands.push((&things.delivery, vec!["endpoint", verb, "ID"]));
    }
    commands.push((&things.input, vec!["input", "remove", "ID"]));
    commands.push((&things.upload, vec!["preview", "upload:ID", "--out", "out"]));
    commands.push((&things.job, vec!["preview", "upload:ID", "--out", "out"]));
    // These are the operator's: a key does not reach what they read.
    for command in [&["replay", "ID"][..], &["diff", "ID"], &["erase", "--job", "ID", "--yes"]] {
        commands.push((&things.job, command.to_vec()));
    }
    commands.push((&things.job, vec!["audit", "prove", "ID", "--out", "evidence.json"]));
    commands
}

fn arguments<'a>(command: &[&str], id: &str, holder: &'a mut Vec<String>) -> Vec<&'a str> {
    *holder = command.iter().map(|part| part.replace("ID", id)).collect();
    holder.iter().map(String::as_str).collect()
}

fn shows_nothing_of(said: &Said, things: &Things, what: &str) {
    for id in &things.all {
        let shown = said.out.contains(id.as_str()) || said.err.contains(id.as_str());
        assert!(!shown, "{what} shows {id}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_with_a_key_finds_and_changes_nothing_of_another_account() {
    let two = Two::start().await;
    let own = things(&two, &two.owner, "latentowner").await;
    let theirs = things(&two, &two.stranger, "latentstranger").await;

    let before = state(&two.owner).await;
    for (id, command) in about(&own) {
        let (mut one, mut two_) = (Vec::new(), Vec::new());
        let unknown = never();
        let told = two.command(&two.stranger, &arguments(&command, id, &mut one));
        let nothing = two.command(&two.stranger, &arguments(&command, &unknown, &mut two_));
        assert!(!told.well, "{command:?} {told:?}");
        assert_eq!(told.about(id, &unknown), nothing, "{command:?}");
        shows_nothing_of(&told.about(id, "ID"), &own, &command.join(" "));
    }
    // A bucket that another may read from is one that nobody may.
    let read = |bucket: &str| {
        let source = format!("s3://{bucket}/a.png");
        let said = two.command(&two.stranger, &["preview", &source, "--out", "out"]);
        assert!(!said.well, "{said:?}");
        said.about(bucket, "BUCKET")
    };
    assert_eq!(read("latentowner-bucket"), read("latentnobody-bucket"));
    lists_are_of_ones_own(&two, &own, &theirs);
    operators_commands_need_more_than_a_key(&two, &own);
    assert_eq!(state(&two.owner).await, before, "nothing was changed");
    // The same commands do what they say for whose it is.
    for (id, command) in [
        (&own.application, ["application", "show"]),
        (&own.endpoint, ["endpoint", "show"]),
        (&own.delivery, ["endpoint", "delivery"]),
    ] {
        let said = two.command(&two.owner, &[command[0], command[1], id]);
        assert!(said.well && said.out.contains(id.as_str()), "{command:?} {said:?}");
    }
}

/// What an account has, as it sees it.
async fn state(of: &Tenant) -> Vec<Value> {
    let mut all = Vec::new();
    for path in ["applications", "endpoints", "inputs", "jobs", "uploads", "members", "destination"]
    {
        let answer = of.caller.get(&format!("/v1/{path}")).await;
        let mut body = answer.json();
        // The day of a key's last use, and how endpoints do, go on by themselves.
        for list in ["applications", "endpoints"] {
            for item in body[list].as_array_mut().into_iter().flatten() {
                let item = item.as_object_mut().unwrap();
                item.retain(|name, _| {
                    ["id", "key", "label", "url", "status"].contains(&name.as_str())
                });
            }
        }
        all.push(json!([answer.status, body]));
    }
    all
}

fn lists_are_of_ones_own(two: &Two, own: &Things, theirs: &Things) {
    for (command, finds) in [
        (&["application", "list"][..], Some(&theirs.application)),
        (&["application", "list", "--json"], Some(&theirs.application)),
        (&["endpoint", "list"], Some(&theirs.endpoint)),
        (&["endpoint", "deliveries", "--limit", "200"], Some(&theirs.delivery)),
        (&["endpoint", "deliveries", "--endpoint", &own.endpoint], None),
        (&["input", "list"], Some(&theirs.input)),
        (&["destination", "show"], None),
        (&["destination", "show", "--json"], None),
        (&["usage"], None),
        (&["usage", "--format", "json"], None),
        (&["usage", "--format", "csv"], None),
        (&["feed"], None),
        (&["events"], Some(&theirs.job)),
        (&["events", "--json"], Some(&theirs.job)),
        (&["events", "--json", "--job", &own.job], None),
        (&["events", "--json", "--application", &own.application], None),
    ] {
        let said = two.command(&two.stranger, command);
        assert!(said.well, "{command:?} {said:?}");
        let mut others = Things { all: own.all.clone(), ..empty() };
        others.all.retain(|id| !command.contains(&id.as_str()));
        shows_nothing_of(&said, &others, &command.join(" "));
        if let Some(id) = finds {
            assert!(said.out.contains(id.as_str()), "{command:?} finds {id}: {said:?}");
        }
        if command.contains(&own.job.as_str()) || command.contains(&own.application.as_str()) {
            assert_eq!(said.out, "", "{command:?}");
        }
    }
    // One job each, whatever others do.
    let used = two.command(&two.stranger, &["usage", "--format", "json"]);
    let used: Value = serde_json::from_str(&used.out).unwrap();
    assert_eq!(used["total"]["jobs_completed"], 1, "{used}");
}

fn empty() -> Things {
    let none = String::new;
    Things {
        job: none(),
        upload: none(),
        application: none(),
        endpoint: none(),
        delivery: none(),
        input: none(),
        all: Vec::new(),
    }
}

/// What reads or changes the log itself asks for a role of it; a key is none, also where it is shown
/// as one.
fn operators_commands_need_more_than_a_key(two: &Two, own: &Things) {
    let nats = &two.up.env["DARKROOM_NATS_URL"];
    let (key, secret) = (&two.stranger.key, &two.stranger.secret);
    let (account, job) = (two.owner.account.as_str(), own.job.as_str());
    let mut commands: Vec<Vec<String>> = Vec::new();
    for command in [
        &["account", "list"][..],
        &["account", "show", account],
        &["account", "create", "--label", "more"],
        &["account", "quotas", account, "--quota", "jobs_per_minute=1"],
        &["member", "list", account],
        &["member", "invite", account, "mallory@example.com", "--role", "owner"],
        &["export", "--account", account],
        &["erase", "--account", account, "--yes"],
        &["erase", "--list"],
        &["key", "list"],
        &["backup", "FILE"],
    ] {
        let plain: Vec<String> = command.iter().map(ToString::to_string).collect();
        let mut as_a_role = plain.clone();
        for (name, value) in [
            ("url", nats),
            ("user", key),
            ("password", secret),
            ("system_user", key),
            ("system_password", secret),
        ] {
            as_a_role.extend(["--set".to_owned(), format!("nats.{name}={value}")]);
        }
        commands.extend([plain, as_a_role]);
    }
    // As a reader of the log.
    let env = two.file("stranger.env");
    let lines = [("URL", nats), ("USER", key), ("PASSWORD", secret)];
    let lines: String =
        lines.iter().map(|(name, value)| format!("DARKROOM_NATS_{name}={value}\n")).collect();
    std::fs::write(&env, lines).unwrap();
    for command in [
        &["replay", job][..],
        &["replay", "--json"],
        &["replay", "--account", account, "--json"],
        &["diff", job],
        &["diff", "--account", account],
        &["audit", "export", "FILE"],
        &["audit", "prove", job, "--out", "FILE"],
        &["audit", "verify"],
    ] {
        let command = command.iter().copied().chain(["--env-file", env.to_str().unwrap()]);
        commands.push(command.map(ToOwned::to_owned).collect());
    }
    for (place, command) in commands.iter_mut().enumerate() {
        let file = two.file(&format!("out-{place}"));
        for part in command.iter_mut().filter(|part| *part == "FILE") {
            *part = file.to_str().unwrap().to_owned();
        }
    }
    for (place, (command, said)) in commands.iter().zip(at_once(two, &commands)).enumerate() {
        assert!(!said.well, "{command:?} {said:?}");
        let mut others = Things { all: own.all.clone(), ..empty() };
        others.all.retain(|id| !command.contains(id));
        shows_nothing_of(&said, &others, &command.join(" "));
        let left = std::fs::read(two.file(&format!("out-{place}"))).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&left).contains(account), "{command:?}");
    }
}

/// What the stranger is told; most of it is waiting for an answer that does not come.
fn at_once(two: &Two, commands: &[Vec<String>]) -> Vec<Said> {
    let run = |command: &Vec<String>| {
        let arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        two.command(&two.stranger, &arguments)
    };
    let mut said = Vec::new();
    for some in commands.chunks(8) {
        std::thread::scope(|scope| {
            let running: Vec<_> = some.iter().map(|one| scope.spawn(|| run(one))).collect();
            said.extend(running.into_iter().map(|one| one.join().unwrap()));
        });
    }
    said
}
