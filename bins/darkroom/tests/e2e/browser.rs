//! A real browser logs in: what it keeps, what it shows to scripts, and what pages of others can do with it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Finish as _, Source, SourceServer, free_port};

use crate::{chromium::Browser, up::Up};

const EMAIL: &str = "alice@example.com";
const PASSWORD: &str = "correct horse battery";

/// The token that an operator's command printed.
fn token(up: &Up, arguments: &[&str]) -> String {
    let data = up.data();
    let said = up.command().args(arguments).args(["--data", data.to_str().unwrap()]).finish();
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
        // What we serve lets no script run; the tests' own must.
        browser.ask("Page.setBypassCSP", &json!({ "enabled": true }));
        let url = up.env["DARKROOM_URL"].trim_end_matches('/').to_owned();
        logs_in(&mut browser, &url, &invited);
        a_planted_cookie_is_not_taken_over(&mut browser, &url);
        keeps_the_cookie_to_itself(&mut browser, &url);
        pages_of_others_change_nothing(&mut browser, &url, others.port());
        logs_out(&mut browser, &url);
        is_logged_out_by_an_operator(&mut browser, &up, &account);
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

/// Whoever got a cookie of their own choice into somebody's browser knows nothing of the session that
/// this somebody then begins.
fn a_planted_cookie_is_not_taken_over(browser: &mut Browser, url: &str) {
    let name = "__Host-darkroom_session";
    let planted = "A".repeat(43);
    let cookie = json!({
        "name": name, "value": planted, "url": url, "path": "/",
        "secure": true, "httpOnly": true, "sameSite": "Lax",
    });
    let kept = |browser: &mut Browser| -> Vec<String> {
        let kept = browser.ask("Network.getCookies", &json!({ "urls": [url] }));
        let kept = kept["cookies"].as_array().unwrap().iter();
        kept.map(|cookie| cookie["value"].as_str().unwrap().to_owned()).collect()
    };
    let before = kept(browser);
    assert_eq!(browser.ask("Network.setCookie", &cookie)["success"], true);
    assert_eq!(kept(browser), [planted.as_str()], "it took the place of {before:?}");
    assert_eq!(browser.fetch("GET", "/v1/me", &Value::Null).0, 401);
    let shown = json!({ "email": EMAIL, "password": PASSWORD });
    assert_eq!(browser.fetch("POST", "/v1/sessions", &shown).0, 201);
    let after = kept(browser);
    assert_eq!(after.len(), 1, "{after:?}");
    assert!(after[0] != planted && !before.contains(&after[0]), "{after:?}");
    assert_eq!(browser.fetch("GET", "/v1/me", &Value::Null).0, 200);
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
        assert_eq!(members["members"].as_array().unwrap().len(), 2, "{host}: {members}");
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

fn is_logged_out_by_an_operator(browser: &mut Browser, up: &Up, account: &str) {
    let shown = json!({ "email": EMAIL, "password": PASSWORD });
    assert_eq!(browser.fetch("POST", "/v1/sessions", &shown).0, 201);
    let data = up.data();
    let mut command = up.command();
    command.args(["member", "log-out", account, EMAIL, "--data", data.to_str().unwrap()]);
    let said = command.finish();
    let out = String::from_utf8(said.stdout).unwrap();
    assert!(out.ends_with("  2 sessions ended\n"), "{out}{:?}", said.stderr);
    let deadline = Instant::now() + Duration::from_secs(5);
    while browser.fetch("GET", "/v1/me", &Value::Null).0 != 401 {
        assert!(Instant::now() < deadline, "the session goes on");
    }
}

fn operators_see_and_change_members(up: &Up, account: &str) {
    let data = up.data();
    let run = |arguments: &[&str]| {
        let mut command = up.command();
        command.arg("member").args(arguments).args(["--data", data.to_str().unwrap()]);
        let said = command.finish();
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
    // Whom `up` invited is there still.
    assert_eq!(run(&["list", account]).1.lines().count(), 2);
}
