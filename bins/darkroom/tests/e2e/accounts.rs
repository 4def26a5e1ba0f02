//! Accounts and key pairs as operators and owners handle them from a terminal.

use std::process::Output;

use serde_json::Value;
use testkit::{Finish as _, Source, SourceServer, eventually, free_port, pictures};

use crate::{jobs::PATIENCE, up::Up};

/// What a command printed, if it ended well; else what it complained of.
fn run(up: &Up, secret: Option<&str>, arguments: &[&str]) -> Result<String, String> {
    let mut command = up.command();
    command.args(arguments);
    if let Some(secret) = secret {
        command.env("DARKROOM_SECRET", secret);
    }
    let output: Output = tokio::task::block_in_place(|| command.finish());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("{text}"))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_opened_used_held_to_quotas_and_billed_from_a_terminal() {
    let sources = SourceServer::start().await;
    let up = Up::start(&[sources.port()], free_port()).await;
    let made = an_account_is_opened_and_its_secrets_are_shown_once(&up);
    its_owner_looks_after_key_pairs(&up, &made);
    let url = sources.put("/a.jpg", Source::bytes(pictures::PHOTOGRAPH));
    what_it_uses_is_held_to_quotas_and_told(&up, &made, &url).await;
}

fn an_account_is_opened_and_its_secrets_are_shown_once(up: &Up) -> Value {
    let data = up.data();
    let data = data.to_str().unwrap();
    let create = ["account", "create", "--label", "Example Ltd", "--json", "--data", data];
    let made = json(&run(up, None, &create).unwrap());
    assert!(text(&made, "key").starts_with("dk_live_"));
    assert!(text(&made, "secret").starts_with("ds_live_"));
    assert!(text(&made, "webhook_secret").starts_with("whsec_"));
    let shown =
        run(up, None, &["account", "show", text(&made, "account"), "--data", data]).unwrap();
    for part in ["Example Ltd", text(&made, "key"), "every scope", "development storage"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    for secret in ["secret", "webhook_secret"] {
        assert!(!shown.contains(text(&made, secret)), "{shown}");
    }
    let listed = run(up, None, &["account", "list", "--data", data]).unwrap();
    assert!(listed.contains(text(&made, "account")), "{listed}");
    made
}

/// A command over HTTP as the owner of `made`.
fn owner(up: &Up, made: &Value, arguments: &[&str]) -> Result<String, String> {
    let by = ["--key", text(made, "key")];
    run(up, Some(text(made, "secret")), &[arguments, &by].concat())
}

fn its_owner_looks_after_key_pairs(up: &Up, made: &Value) {
    let add = ["application", "add", "--label", "shop", "--scope", "account:read", "--expires"];
    let shop = json(&owner(up, made, &[&add[..], &["90d", "--json"]].concat()).unwrap());
    let id = text(&shop, "id");
    let listed = owner(up, made, &["application", "list"]).unwrap();
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(listed.contains("shop  account:read"), "{listed}");
    // The new key sees what it may and does nothing else.
    assert!(owner(up, &shop, &["application", "show", id]).unwrap().contains("account:read"));
    let beyond = owner(up, &shop, &["application", "add"]).unwrap_err();
    assert!(beyond.contains("account:write") && beyond.contains("\ntry: "), "{beyond}");

    let change = ["application", "change", id, "--label", "till", "--unset", "expiry"];
    let changed = owner(up, made, &change).unwrap();
    assert!(changed.contains("till") && !changed.contains("expires"), "{changed}");
    let rotated = owner(up, made, &["application", "rotate", id, "--overlap", "0s"]).unwrap();
    let secret = rotated.lines().find_map(|line| line.strip_prefix("secret")).unwrap().trim();
    assert!(owner(up, &shop, &["application", "list"]).is_err(), "the old secret is over");
    let mut renewed = shop.clone();
    renewed["secret"] = secret.into();
    assert!(owner(up, &renewed, &["application", "list"]).is_ok());
    let revoked = owner(up, made, &["application", "revoke", id]).unwrap();
    assert!(revoked.contains("revoked"), "{revoked}");
    assert!(owner(up, &renewed, &["application", "list"]).unwrap_err().contains("401"));
    assert!(owner(up, made, &["application", "show", id]).unwrap_err().contains("404"));
}

async fn what_it_uses_is_held_to_quotas_and_told(up: &Up, made: &Value, url: &str) {
    let data = up.data();
    let out = data.join("made");
    let preview = ["preview", url, "--out", out.to_str().unwrap()];
    owner(up, made, &preview).unwrap();

    let account = text(made, "account");
    let quotas = |more: &[&str]| {
        let set = ["account", "quotas", account, "--data", data.to_str().unwrap()];
        run(up, None, &[&set[..], more].concat())
    };
    let shown = quotas(&["--quota", "jobs_per_minute=1"]).unwrap();
    assert!(
        shown.lines().any(|line| line.starts_with("jobs_per_minute") && line.ends_with("its own"))
    );
    eventually("the quota holds", PATIENCE, || async {
        owner(up, made, &preview).is_err_and(|said| said.contains("jobs_per_minute"))
    })
    .await;
    assert!(!quotas(&["--unset", "jobs_per_minute"]).unwrap().contains("its own"));
    assert!(quotas(&["--quota", "jobs=1"]).unwrap_err().contains("darkroom account quotas"));

    let used = json(&owner(up, made, &["usage", "--format", "json"]).unwrap());
    assert!(used["total"]["jobs_completed"].as_u64().unwrap() >= 1, "{used}");
    let bytes =
        pictures::PHOTOGRAPH.len() as u64 * used["total"]["jobs_completed"].as_u64().unwrap();
    assert_eq!(used["total"]["source_bytes"], bytes);
    let csv = owner(up, made, &["usage", "--format", "csv"]).unwrap();
    assert!(csv.starts_with("date,jobs_accepted,") && csv.lines().count() == 2, "{csv}");
    let table = owner(up, made, &["usage"]).unwrap();
    assert!(table.lines().last().unwrap().starts_with("total"), "{table}");
    let meter = ["usage", "export", "--meter", "--customer", "cus_1"];
    assert_eq!(owner(up, made, &meter).unwrap(), "", "today is not over");
    assert!(owner(up, made, &["usage", "export", "--customer", "cus_1"]).is_err());
}
