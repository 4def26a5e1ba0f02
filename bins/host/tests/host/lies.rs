//! A host that lies fails its job, and nothing else.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use domain::limits::Limits;
use enclave::hosted::{HostedError, Settings, Workshop};

use crate::{limits, nameless, settings};

/// A message as a host sends it.
fn message(kind: u8, body: &str) -> String {
    let length = u32::try_from(body.len()).expect("short").to_le_bytes();
    let bytes = [kind].into_iter().chain(length).chain(body.bytes());
    bytes.map(|byte| format!("\\x{byte:02x}")).collect()
}

const READY: u8 = 16;
const ASK: u8 = 17;
const MADE: u8 = 18;
const DONE: u8 = 19;

/// What comes of a document whose host says these things.
async fn told(says: &[String], then: &str, limits: &Limits) -> HostedError {
    let folder = tempfile::tempdir().expect("a folder");
    let host = folder.path().join("liar");
    let script = format!("#!/bin/bash\nprintf '{}' >&0\n{then}\n", says.concat());
    std::fs::write(&host, script).expect("written");
    std::fs::set_permissions(&host, Permissions::from_mode(0o755)).expect("executable");
    let workshop = Workshop::find(Settings { host, ..settings() }).expect("a workshop");
    let told = workshop.office_to_pdf(nameless(b"Text"), "txt", None, limits).await;
    told.expect_err("a lie")
}

#[tokio::test]
async fn a_host_that_breaks_the_protocol_fails_its_job() {
    let ready = message(READY, r#"{"protocol":1,"walls":[]}"#);
    let lies = [
        message(99, "{}"),
        message(ASK, r#"{"id":0,"url":"https://a.example/","document":true}"#),
        message(MADE, r#"{"product":"pdf"}"#),
        message(MADE, r#"{"product":"full"}"#),
        message(DONE, r#"{"page":null}"#),
        message(DONE, r#"{"page":7}"#),
        message(DONE, "not JSON"),
        message(1, "{}"),
        message(READY, r#"{"protocol":1,"walls":[]}"#),
        "\\x13\\xff\\xff\\xff\\xff".to_owned(),
    ];
    for lie in lies {
        // It reads on, so that it does not end before it is heard.
        let error = told(&[ready.clone(), lie.clone()], "exec cat >/dev/null", &limits()).await;
        assert_eq!(error.code().name(), "renderer_crashed", "{lie}: {error}");
        assert!(error.to_string().contains("broke the protocol"), "{lie}: {error}");
    }
}

#[tokio::test]
async fn a_host_without_walls_gets_no_document() {
    let stale = message(READY, r#"{"protocol":2,"walls":[]}"#);
    for says in [vec![], vec![stale], vec![message(DONE, r#"{"page":null}"#)]] {
        let error = told(&says, "exit 3", &limits()).await;
        assert!(matches!(error, HostedError::Start(_)), "{error}");
        assert_eq!(error.code().name(), "internal");
    }
}

#[tokio::test]
async fn a_host_that_says_nothing_more_is_ended_by_the_clock() {
    let ready = message(READY, r#"{"protocol":1,"walls":[]}"#);
    let short = Limits { hosted_wall_ms: 300, ..limits() };
    let error = told(std::slice::from_ref(&ready), "exec sleep 60", &short).await;
    assert_eq!(error.code().name(), "renderer_timeout", "{error}");
    let error = told(&[ready], "exit 3", &short).await;
    assert_eq!(error.code().name(), "renderer_crashed", "{error}");
}
