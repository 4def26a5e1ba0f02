//! `darkroom events`: what happens to an account, listed and followed with its own key.

use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use testkit::{Finish as _, Going, Part, Source, SourceServer, Stack, pictures};

use crate::jobs::{self, PATIENCE};

fn command(stack: &Stack, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_darkroom"));
    command.arg("events").args(arguments).envs(stack.environment(0)).current_dir("/");
    command.stdin(Stdio::null());
    command
}

fn run(stack: &Stack, arguments: &[&str]) -> Output {
    tokio::task::block_in_place(|| command(stack, arguments).finish())
}

fn events(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

/// The events of a job that it had when it was handed in, and of one that is gone.
const ENDS: [&str; 2] = ["darkroom.job.completed.v1", "darkroom.job.failed.v1"];

#[tokio::test(flavor = "multi_thread")]
async fn an_account_s_events_are_listed_and_followed_through_a_restart_of_the_api() {
    let sources = SourceServer::start().await;
    let mut stack = Stack::start(1, &[sources.port()], &[]).await;
    let caller = stack.caller(0);
    let filter = ["--filter", "job.completed,job.failed", "--json"];
    let mut follow = command(&stack, &[&["--follow", "--from", "start"], &filter[..]].concat());
    let follow = Going::start(&mut follow);

    let picture = sources.put("/photo.png", Source::bytes(pictures::png(64, 48, [9, 99, 9])));
    let done = jobs::wish(&caller, &json!({ "url": picture, "sizes": ["40x40"] })).await;
    jobs::ended(&caller, &done).await;
    stack.kill(Part::Api(0));
    stack.start_part(Part::Api(0));
    stack.ready(0).await;
    let missing = sources.put("/gone.png", Source::status(404));
    let gone = jobs::wish(&caller, &json!({ "url": missing })).await;
    jobs::ended(&caller, &gone).await;

    // Whoever follows hears both, once each, though the API went away in between.
    let json = |line: &str| serde_json::from_str::<Value>(line).ok();
    let heard = tokio::task::block_in_place(|| follow.lines(2, PATIENCE, json));
    assert_eq!(kinds(&heard), ENDS);
    let listed = events(&run(&stack, &filter));
    assert_eq!(listed, heard, "a list and a stream say the same");
    let from = ["--from", heard[0]["cursor"].as_str().unwrap()];
    assert_eq!(events(&run(&stack, &[&from, &filter[..]].concat())), heard[1..]);
    let opened = events(&run(&stack, &["--job", &gone, "--json"]));
    assert_eq!(opened[0]["data"]["source_url"], missing);

    let table = run(&stack, &["--filter", "job.failed"]);
    let line = String::from_utf8(table.stdout).unwrap();
    assert!(line.contains("job.failed") && line.contains("code=source_not_found"), "{line}");
    let refused = run(&stack, &["--filter", "jobs"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        !refused.status.success() && said.contains("types: \"jobs\" names no events"),
        "{said}"
    );
}
