//! What `docs/SUBSCRIBERS-HTTP.md` says in other languages, run against an API.

use std::{path::Path, process::Command};

use domain::job::{self, Event};
use serde_json::Value;
use testkit::Going;

use crate::stage::{PATIENCE, Running, Tenant, World};

/// The snippets in a language, in order.
fn snippets(language: &str) -> Vec<String> {
    let document = include_str!("../../../../docs/SUBSCRIBERS-HTTP.md");
    let open = format!("```{language}\n");
    let parts = document.split(open.as_str()).skip(1);
    parts.map(|part| part.split("```").next().unwrap().to_owned()).collect()
}

/// A program that prints events, and is ended with the test.
fn started(program: &str, arguments: &[&str], api: &Running, tenant: &Tenant) -> Going {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("DARKROOM_URL", format!("http://{}", api.address))
        .env("DARKROOM_KEY", &tenant.key)
        .env("DARKROOM_SECRET", &tenant.secret);
    Going::start(&mut command)
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

async fn scene() -> (World, Running, Tenant, job::Id) {
    let world = World::memory().await;
    let (api, tenant) = (world.api("a").await, world.tenant().await);
    let id = tenant.id(&api.submit(&tenant).await);
    (world, api, tenant, id)
}

const EXPECTED: [&str; 2] = ["darkroom.job.requested.v1", "darkroom.job.cancelled.v1"];

/// Two events that the program prints: one that is there already, and one that follows.
async fn prints(program: &str, arguments: &[&str], wanted: fn(&str) -> Option<Value>) {
    let (world, api, tenant, id) = scene().await;
    let running = started(program, arguments, &api, &tenant);
    let printed = tokio::task::spawn_blocking(move || running.lines(2, PATIENCE, wanted));
    world.happen(id, Event::Cancelled {}).await;
    assert_eq!(types(&printed.await.unwrap()), EXPECTED);
}

fn json(line: &str) -> Option<Value> {
    serde_json::from_str(line).ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_curl_works() {
    let [list, stream] = &snippets("sh")[..] else { panic!("not two snippets") };
    prints("sh", &["-euc", stream], |line| json(line.strip_prefix("data:")?)).await;
    let (world, api, tenant, id) = scene().await;
    world.happen(id, Event::Cancelled {}).await;
    let running = started("sh", &["-euc", list], &api, &tenant);
    let printed = tokio::task::spawn_blocking(move || running.lines(usize::MAX, PATIENCE, json));
    assert_eq!(types(&printed.await.unwrap()), EXPECTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_python_works() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/venv-tests/bin/python");
    let [snippet] = &snippets("python")[..] else { panic!("not one snippet") };
    let program = format!(
        "{snippet}\nimport os\nplace = [os.environ['DARKROOM_' + name] for name in ('URL', 'KEY', 'SECRET')]\n\
         for event in events(*place, after='start', types='job.*'):\n    print(json.dumps(event), flush=True)\n"
    );
    prints(python.to_str().unwrap(), &["-c", &program], json).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_node_works() {
    let [snippet] = &snippets("js")[..] else { panic!("not one snippet") };
    let program = format!(
        "{snippet}\n(async () => {{\n  const {{ DARKROOM_URL: url, DARKROOM_KEY: key, DARKROOM_SECRET: secret }} = process.env;\n\
         for await (const event of events(url, key, secret, {{ after: 'start', types: 'job.*' }})) {{\n    console.log(JSON.stringify(event));\n  }}\n}})();\n"
    );
    prints("node", &["-e", &program], json).await;
}
