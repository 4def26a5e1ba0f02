//! Buckets of customers' own: what is found out about their credentials, what is asked of them, and
//! what becomes of jobs when they fail.

mod daily;
mod faults;
mod policies;
mod recorded;
mod roles;

use std::process::{Command, Output};

use serde_json::{Value, json};
use storage::Credentials;
use testkit::{Caller, Finish as _, Stack, executable, until_some};

use crate::jobs::PATIENCE;

const PATH: &str = "/v1/destination";

/// A destination as it is set.
fn wish(endpoint: &str, bucket: &str, credentials: &Credentials) -> Value {
    json!({
        "endpoint": endpoint,
        "bucket": bucket,
        "access_key": credentials.access_key,
        "secret_key": credentials.secret_key.expose(),
    })
}

/// The wish with these fields besides.
fn with(mut wish: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        wish[name] = value.clone();
    }
    wish
}

async fn put(caller: &Caller, wish: &Value) -> Value {
    let answer = caller.ask("PUT", PATH, &[], wish.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer.json()
}

/// What is found out about the destination.
async fn prove(caller: &Caller) -> Value {
    until_some("the destination is tried", PATIENCE, || async {
        let answer = caller.ask("POST", &format!("{PATH}/proof"), &[], "").await;
        // On a busy machine one may be told to come back.
        assert!(matches!(answer.status, 200 | 202 | 503), "{}", answer.json());
        (answer.status == 200).then(|| answer.json())
    })
    .await
}

async fn demand(caller: &Caller, demanded: bool) -> Value {
    let body = json!({ "demand_write_only": demanded });
    let answer = caller.ask("PATCH", PATH, &[], body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer.json()
}

/// Runs `darkroom destination` with these arguments, and this on its standard input.
fn command(stack: &Stack, arguments: &[&str], input: &str) -> Output {
    tokio::task::block_in_place(|| {
        Command::new(executable("darkroom"))
            .arg("destination")
            .args(arguments)
            .envs(stack.environment(0))
            .current_dir(stack.data())
            .finish_given(input.as_bytes())
    })
}
