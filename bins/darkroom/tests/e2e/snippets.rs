//! What `docs/WEBHOOKS.md` says of verifying in further languages, and libraries that verify, run on
//! real deliveries.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};
use service::{Clock as _, SystemClock};
use testkit::{Finish as _, Received, Stack, WebhookReceiver};

use crate::{jobs::PATIENCE, verify_webhook};

/// The one snippet in a language.
fn snippet(language: &str) -> &'static str {
    let document = include_str!("../../../../docs/WEBHOOKS.md");
    let mut parts = document.split("```");
    let found = parts.find_map(|part| part.strip_prefix(language)?.strip_prefix('\n'));
    found.unwrap_or_else(|| panic!("no snippet in {language}"))
}

/// What a program is given of a delivery on its standard input.
fn given(secret: &str, one: &Received) -> Value {
    let header = |name: &'static str| (name.to_owned(), Value::from(one.header(name)));
    let headers: serde_json::Map<_, _> =
        ["webhook-id", "webhook-timestamp", "webhook-signature"].map(header).into_iter().collect();
    json!({ "secret": secret, "headers": headers, "body": std::str::from_utf8(&one.body).unwrap() })
}

/// Runs a program, which must be content with the delivery, and not with another body, another
/// secret, or a time long past.
fn try_it(what: &str, command: impl Fn() -> Command, secret: &str, one: &Received) {
    let right = given(secret, one);
    let mut wrong = [right.clone(), right.clone(), right.clone()];
    wrong[0]["body"] = format!("{} ", right["body"].as_str().unwrap()).into();
    wrong[1]["secret"] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into();
    wrong[2]["headers"]["webhook-timestamp"] = "1".into();
    for (given, fine) in [(&right, true)].into_iter().chain(wrong.iter().map(|it| (it, false))) {
        let output = command().finish_given(given.to_string().as_bytes());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), fine, "{what} of {given}: {said}");
        let reason = ["too old", "not signed", "No matching signature"]
            .iter()
            .any(|reason| said.contains(reason));
        assert!(fine || reason, "{what}: {said}");
    }
}

/// Svix's library, which knows the headers by their standard names as well.
const SVIX: &str = "const verify = (secret, headers, body) =>\n\
    \x20 new (require('svix').Webhook)(secret).verify(body, headers);\n";

fn try_node(verify: &str, secret: &str, one: &Received) {
    let program = format!(
        "{verify}\nconst given = JSON.parse(require('fs').readFileSync(0, 'utf8'));\n\
         verify(given.secret, given.headers, given.body);\n"
    );
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/node/node_modules");
    try_it(
        "node",
        || {
            let mut node = Command::new("node");
            node.args(["-e", &program]).env("NODE_PATH", &modules);
            node
        },
        secret,
        one,
    );
}

fn try_go(secret: &str, one: &Received) {
    const MAIN: &str = "package main\n\nimport (\n\t\"encoding/json\"\n\t\"net/http\"\n\t\"os\"\n)\n\n\
        func main() {\n\tvar given struct {\n\t\tSecret, Body string\n\t\tHeaders map[string]string\n\t}\n\
        \tif err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {\n\t\tpanic(err)\n\t}\n\
        \theaders := http.Header{}\n\tfor name, value := range given.Headers {\n\t\theaders.Set(name, value)\n\t}\n\
        \tif err := Verify(given.Secret, headers, []byte(given.Body)); err != nil {\n\t\tpanic(err)\n\t}\n}\n";
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("go.mod", "module webhooks\n\ngo 1.19\n");
    write("verify.go", &format!("package main\n\n{}", snippet("go")));
    write("main.go", MAIN);
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/go");
    let go = |arguments: &[&str]| {
        let mut go = Command::new("go");
        go.args(arguments).current_dir(folder.path());
        go.env("GOCACHE", &cache).env("GOFLAGS", "-mod=mod").env("GOPROXY", "off");
        go
    };
    let built = go(&["build", "-o", "webhooks", "."]).finish();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    try_it("go", || Command::new(folder.path().join("webhooks")), secret, one);
}

fn try_rust(secret: &str, one: &Received) {
    let file = include_str!("verify_webhook.rs");
    assert!(file.ends_with(snippet("rust")), "docs/WEBHOOKS.md and verify_webhook.rs differ");
    let now_s = u64::try_from(SystemClock.now().as_second()).unwrap();
    let verify = verify_webhook::verify;
    assert_eq!(verify(secret, &one.headers, &one.body, now_s), Ok(()));
    assert_eq!(verify(secret, &one.headers, &one.body, now_s + 301), Err("too old"));
    let other = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let unsigned = Err("not signed with this secret");
    assert_eq!(verify(other, &one.headers, &one.body, now_s), unsigned);
    assert_eq!(verify(secret, &one.headers, b"another body", now_s), unsigned);
}

/// The crate that verifies by the standard; it looks at the clock itself.
fn try_crate(secret: &str, one: &Received) {
    let webhook = standardwebhooks::Webhook::new(secret).unwrap();
    let mut late = one.headers.clone();
    late.insert("webhook-timestamp", "1".parse().unwrap());
    for (headers, body, fine) in [
        (&one.headers, &*one.body, true),
        (&one.headers, b"another body", false),
        (&late, &*one.body, false),
    ] {
        assert_eq!(webhook.verify(body, headers).is_ok(), fine, "{headers:?}");
    }
}

/// Signs and sends as the document says, and has what arrived verified.
async fn try_curl(hooks: &WebhookReceiver) {
    let secret = vault::secrets::webhook_secret();
    let sent = tokio::task::block_in_place(|| {
        Command::new("bash")
            .args(["-euo", "pipefail", "-c", snippet("bash")])
            .env("SECRET", secret.expose())
            .env("BODY", r#"{"type": "job.completed"}"#)
            .env("URL", hooks.url("/curl"))
            .finish()
    });
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    let at = |one: &&Received| one.path == "/curl";
    let all = hooks.wait_until(PATIENCE, |all| all.iter().any(|one| at(&one))).await;
    try_rust(secret.expose(), all.iter().find(at).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_document_says_of_verifying_in_node_go_rust_and_of_curl_works() {
    let hooks = WebhookReceiver::start().await;
    let stack = Stack::start(1, &[hooks.port()], &[]).await;
    let caller = stack.caller(0);
    let endpoint = json!({ "url": hooks.url("/hook"), "payload": "thin" });
    let added = caller.post("/v1/endpoints", &endpoint).await.json();
    let path = format!("/v1/endpoints/{}/test", added["id"].as_str().unwrap());
    caller.post(&path, &Value::Null).await;
    let all = hooks.wait_for(1, PATIENCE).await;
    let secret = added["secret"].as_str().unwrap();
    tokio::task::block_in_place(|| {
        try_node(snippet("javascript"), secret, &all[0]);
        try_node(snippet("js"), secret, &all[0]);
        try_node(SVIX, secret, &all[0]);
        try_go(secret, &all[0]);
        try_rust(secret, &all[0]);
        try_crate(secret, &all[0]);
    });
    try_curl(&hooks).await;
}
