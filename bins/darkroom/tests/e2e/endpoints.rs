//! Webhook endpoints: told what they want, in the form they want, until they took it.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
    sync::Mutex,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use testkit::{
    Caller, Finish as _, Part, Received, Reply, Source, SourceServer, Stack, WebhookReceiver,
    eventually, pictures, until_some,
};

use vault::webhook::SigningSecret;

use crate::{
    jobs::{self, PATIENCE},
    up::python,
};

/// Waits between attempts in these tests, in seconds.
const RETRY_AFTER_S: &str = "[0, 0, 1, 1, 1, 1, 1, 1, 1, 1]";

pub(crate) struct Scene {
    pub(crate) stack: Stack,
    pub(crate) caller: Caller,
    pub(crate) sources: SourceServer,
    /// The webhook-ids of what endpoints were told of themselves when they were added.
    greetings: Mutex<BTreeSet<String>>,
}

impl Scene {
    pub(crate) async fn set(hooks: &[&WebhookReceiver]) -> Self {
        let ports: Vec<u16> = hooks.iter().map(|hooks| hooks.port()).collect();
        Self::beside(&ports, 700).await
    }

    /// With receivers at these ports, and attempts of so long at most.
    pub(crate) async fn beside(ports: &[u16], timeout_ms: u32) -> Self {
        let sources = SourceServer::start().await;
        let ports: Vec<u16> = ports.iter().copied().chain([sources.port()]).collect();
        let timeout_ms = timeout_ms.to_string();
        let settings = [
            ("DARKROOM__DISPATCHER__RETRY_AFTER_S", RETRY_AFTER_S),
            ("DARKROOM__DISPATCHER__TIMEOUT_MS", timeout_ms.as_str()),
        ];
        let stack = Stack::start(1, &ports, &settings).await;
        let caller = stack.caller(0);
        Self { stack, caller, sources, greetings: Mutex::default() }
    }

    /// Adds an endpoint, which is told so first of all.
    pub(crate) async fn add(&self, endpoint: &Value) -> Value {
        let answer = self.caller.post("/v1/endpoints", endpoint).await;
        assert_eq!(answer.status, 201, "{}", answer.json());
        let added = answer.json();
        let of_it = format!("endpoint={}", text(&added, "id"));
        let greeting = until_some("an endpoint is greeted", PATIENCE, || async {
            self.deliveries(&of_it).await.into_iter().find(|one| one["last"].is_object())
        })
        .await;
        assert_eq!(text(&greeting, "topic"), "endpoint.added");
        self.greetings.lock().unwrap().insert(text(&greeting, "webhook_id").to_owned());
        added
    }

    /// What came at a path, but for greetings.
    pub(crate) fn at<'a>(&self, all: &'a [Received], path: &str) -> Vec<&'a Received> {
        let greetings = self.greetings.lock().unwrap();
        let own =
            |one: &&Received| one.path == path && !greetings.contains(one.header("webhook-id"));
        all.iter().filter(own).collect()
    }

    /// Waits until so many came at a path, greetings not counted, and gives those.
    pub(crate) async fn wait_for(
        &self,
        hooks: &WebhookReceiver,
        path: &str,
        count: usize,
    ) -> Vec<Received> {
        let all = hooks.wait_until(PATIENCE, |all| self.at(all, path).len() >= count).await;
        self.at(&all, path).into_iter().cloned().collect()
    }

    /// A job that ends well, or badly.
    pub(crate) async fn job(&self, name: &str, well: bool) -> String {
        let source = if well {
            Source::bytes(pictures::png(64, 48, [200, 60, 20]))
        } else {
            Source::status(404)
        };
        let url = self.sources.put(&format!("/{name}"), source);
        jobs::wish(&self.caller, &json!({"url": url, "sizes": ["40x40"]})).await
    }

    pub(crate) async fn endpoint(&self, id: &str) -> Value {
        let answer = self.caller.get(&format!("/v1/endpoints/{id}")).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        answer.json()
    }

    pub(crate) async fn deliveries(&self, query: &str) -> Vec<Value> {
        let answer = self.caller.get(&format!("/v1/deliveries?limit=200&{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        answer.json()["deliveries"].as_array().unwrap().clone()
    }
}

pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} of {value}"))
}

pub(crate) fn signed(one: &Received) -> Value {
    let headers: BTreeMap<&str, &str> = ["webhook-id", "webhook-timestamp", "webhook-signature"]
        .map(|name| (name, one.header(name)))
        .into();
    json!({"headers": headers, "body": std::str::from_utf8(&one.body).unwrap()})
}

/// The snippets of `docs/WEBHOOKS.md` in a language, in order.
pub(crate) fn snippets(language: &str) -> Vec<String> {
    let document = include_str!("../../../../docs/WEBHOOKS.md");
    let open = format!("```{language}\n");
    let parts = document.split(open.as_str()).skip(1);
    parts.map(|part| part.split("```").next().unwrap().to_owned()).collect()
}

/// Runs a snippet that defines `verify(secret, headers, body)` on a delivery, and on one that was
/// changed, which it must refuse.
pub(crate) async fn try_snippet(venv: &'static str, snippet: &str, secret: &str, one: &Received) {
    let program = format!(
        "import json, sys\n{snippet}\n\ngiven = json.load(sys.stdin)\n\
         verify(given['secret'], given['headers'], given['body'])\n\
         try:\n    verify(given['secret'], given['headers'], given['body'] + ' ')\n\
         except Exception:\n    sys.exit(0)\nsys.exit('another body passes, too')\n"
    );
    let file = tempfile::NamedTempFile::with_suffix(".py").unwrap();
    std::fs::write(file.path(), program).unwrap();
    let mut given = signed(one);
    given["secret"] = secret.into();
    tokio::task::block_in_place(|| python(venv, file.path().to_str().unwrap(), &[], &given));
}

async fn verify(script: &'static str, venv: &'static str, one: &Received, more: Value) {
    let mut given = signed(one);
    given.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    tokio::task::block_in_place(|| python(venv, script, &[], &given));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_told_in_the_form_it_wants_and_every_signature_verifies() {
    let hooks = WebhookReceiver::start().await;
    let scene = Scene::set(&[&hooks]).await;
    let full = scene
        .add(&json!({"url": hooks.url("/full"), "headers": {"x-own": "kept from everybody"}}))
        .await;
    let steps = json!({"url": hooks.url("/thin"), "payload": "thin", "topics": ["job.*"]});
    scene.add(&steps).await;
    let cloud = json!({"url": hooks.url("/cloud"), "payload": "cloud_events", "scheme": "ed25519"});
    let cloud = scene.add(&cloud).await;
    let token = scene.add(&json!({"url": hooks.url("/jwt"), "payload": "jwt"})).await;
    scene.add(&json!({"url": hooks.url("/failures"), "topics": ["job.failed"]})).await;

    let job = scene.job("photo.jpg", true).await;
    let seen = |all: &[Received], path: &str| !scene.at(all, path).is_empty();
    let all = hooks
        .wait_until(PATIENCE, |all| {
            ["/full", "/cloud", "/jwt"].iter().all(|path| seen(all, path))
                && scene.at(all, "/thin").iter().any(|one| one.json()["type"] == "job.completed")
        })
        .await;

    let [one] = scene.at(&all, "/full")[..] else { panic!("told more than once") };
    assert_eq!(one.json(), jobs::body(&scene.caller, &job).await);
    assert_eq!(one.header("x-own"), "kept from everybody");
    verify("verify.py", "venv-tests", one, json!({"secret": full["secret"]})).await;

    let types: BTreeSet<String> =
        scene.at(&all, "/thin").iter().map(|one| text(&one.json(), "type").to_owned()).collect();
    for step in ["requested", "started", "fetched", "stored", "wiped", "completed"] {
        assert!(types.contains(&format!("job.{step}")), "{step}: {types:?}");
    }

    let [one] = scene.at(&all, "/cloud")[..] else { panic!("told more than once") };
    assert_eq!(one.header("content-type"), "application/cloudevents+json");
    assert_eq!((text(&one.json(), "specversion"), text(&one.json(), "subject")), ("1.0", &*job));
    verify("verify_v1a.py", "venv-moto", one, json!({"public_key": cloud["public_key"]})).await;

    let [one] = scene.at(&all, "/jwt")[..] else { panic!("told more than once") };
    let (parts, signature) = std::str::from_utf8(&one.body).unwrap().rsplit_once('.').unwrap();
    let claims = URL_SAFE_NO_PAD.decode(parts.split_once('.').unwrap().1).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&claims).unwrap()["id"], *job);
    let secret = SigningSecret::read(text(&token, "secret")).unwrap();
    assert_eq!(signature, URL_SAFE_NO_PAD.encode(secret.sign(&[parts.as_bytes()])));
    assert!(scene.at(&all, "/failures").is_empty());

    // What is secret is shown once.
    let shown = scene.endpoint(text(&full, "id")).await;
    assert!(shown.get("secret").is_none() && shown["has_headers"] == true, "{shown}");
    assert!(!shown.to_string().contains("kept from everybody"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_adds_an_endpoint_sees_whether_it_works_and_it_is_told_no_secret() {
    let hooks = WebhookReceiver::start().await;
    let scene = Scene::set(&[&hooks]).await;
    let asked = json!({
        "url": hooks.url("/up?token=s3cr3t"), "topics": ["job.failed"],
        "headers": {"authorization": "Bearer s3cr3t"}, "description": "s3cr3t",
    });
    let up = scene.add(&asked).await;
    hooks.script([Reply::Status(500)]);
    let down = scene.add(&json!({"url": hooks.url("/down"), "retry_after_s": [3600]})).await;
    for (endpoint, standing, status) in [(&up, "delivered", 200..300), (&down, "waiting", 500..501)]
    {
        let query = format!("endpoint={}", text(endpoint, "id"));
        let [greeting] = &scene.deliveries(&query).await[..] else { panic!("told more than once") };
        assert_eq!(
            (text(greeting, "topic"), text(greeting, "status")),
            ("endpoint.added", standing)
        );
        let answered = greeting["last"]["status"].as_u64().unwrap();
        assert!(status.contains(&answered), "{greeting}");
    }
    let [one] = &hooks.received()[..1] else { panic!("nothing came") };
    assert_eq!(
        (one.path.as_str(), text(&one.json(), "type")),
        ("/up?token=s3cr3t", "endpoint.added")
    );
    let body = std::str::from_utf8(&one.body).unwrap();
    assert!(!body.contains("s3cr3t") && !body.contains(text(&up, "secret")), "{body}");
    verify("verify.py", "venv-tests", one, json!({"secret": up["secret"]})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_document_says_of_verifying_works() {
    let hooks = WebhookReceiver::start().await;
    let scene = Scene::set(&[&hooks]).await;
    let hmac = scene.add(&json!({"url": hooks.url("/v1"), "payload": "thin"})).await;
    let pair = scene.add(&json!({"url": hooks.url("/v1a"), "scheme": "ed25519"})).await;
    for endpoint in [&hmac, &pair] {
        let path = format!("/v1/endpoints/{}/test", text(endpoint, "id"));
        scene.caller.post(&path, &Value::Null).await;
    }
    let (v1, v1a) =
        (scene.wait_for(&hooks, "/v1", 1).await, scene.wait_for(&hooks, "/v1a", 1).await);
    let ([v1], [v1a]) = (&v1[..], &v1a[..]) else { panic!("told more than once") };
    let [library, by_hand, public] = &snippets("python")[..] else { panic!("not three snippets") };
    try_snippet("venv-tests", library, text(&hmac, "secret"), v1).await;
    try_snippet("venv-tests", by_hand, text(&hmac, "secret"), v1).await;
    try_snippet("venv-moto", public, text(&pair, "public_key"), v1a).await;

    let [shell] = &snippets("sh")[..] else { panic!("not one snippet") };
    let output = Command::new("sh")
        .args(["-euc", shell])
        .env("SECRET", text(&hmac, "secret"))
        .env("ID", v1.header("webhook-id"))
        .env("TIMESTAMP", v1.header("webhook-timestamp"))
        .env("BODY", std::str::from_utf8(&v1.body).unwrap())
        .finish();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed.trim(), v1.header("webhook-signature"));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_secret_is_replaced_deliveries_carry_both_signatures() {
    let hooks = WebhookReceiver::start().await;
    let scene = Scene::set(&[&hooks]).await;
    let before = scene.add(&json!({"url": hooks.url("/")})).await;
    let path = format!("/v1/endpoints/{}/secret", text(&before, "id"));
    let after = scene.caller.post(&path, &json!({"overlap_s": 3600})).await.json();
    let test = format!("/v1/endpoints/{}/test", text(&before, "id"));
    assert_eq!(scene.caller.post(&test, &Value::Null).await.json()["status"], "delivered");
    let all = scene.wait_for(&hooks, "/", 1).await;
    assert_eq!(all[0].header("webhook-signature").split(' ').count(), 2);
    for secret in [&before["secret"], &after["secret"]] {
        verify("verify.py", "venv-tests", &all[0], json!({"secret": secret})).await;
    }
    let alone = scene.caller.post(&path, &json!({"overlap_s": 0})).await.json();
    scene.caller.post(&test, &Value::Null).await;
    let all = scene.wait_for(&hooks, "/", 2).await;
    verify("verify.py", "venv-tests", &all[1], json!({"secret": alone["secret"]})).await;
    assert_eq!(all[1].header("webhook-signature").split(' ').count(), 2, "the first still counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_endpoint_is_tried_until_it_takes_it_and_its_history_says_how() {
    let hooks = WebhookReceiver::start().await;
    let mut scene = Scene::set(&[&hooks]).await;
    let added = scene.add(&json!({"url": hooks.url("/"), "keep_answers": true})).await;
    let said = |status| Reply::With(status, vec![], "not today".into());
    hooks.script([said(500), Reply::BreakOff, Reply::Hang, said(503)]);
    let job = scene.job("gone.jpg", false).await;
    scene.wait_for(&hooks, "/", 2).await;
    scene.stack.kill(Part::Dispatcher);
    scene.stack.start_part(Part::Dispatcher);
    let delivery = until_some("the delivery is over", PATIENCE, || async {
        let all = scene.deliveries(&format!("endpoint={}", text(&added, "id"))).await;
        all.into_iter().find(|one| one["status"] == "delivered" && !one["job"].is_null())
    })
    .await;
    assert_eq!(text(&delivery, "job"), job);
    let all = hooks.received();
    let ids: BTreeSet<String> =
        scene.at(&all, "/").iter().map(|one| one.header("webhook-id").to_owned()).collect();
    assert_eq!(ids, [text(&delivery, "webhook_id").to_owned()].into());

    let path = format!("/v1/deliveries/{}", text(&delivery, "id"));
    let history = scene.caller.get(&path).await.json()["history"].as_array().unwrap().clone();
    let codes: Vec<&str> = history
        .iter()
        .filter(|step| step["event"] == "attempt_failed")
        .map(|step| text(step, "code"))
        .collect();
    // The dispatcher may have been killed while it made the second.
    assert!(codes.ends_with(&["timeout", "status"]) && codes[0] == "status", "{history:?}");
    let answers: Vec<&Value> = history.iter().map(|step| &step["answer"]).collect();
    assert!(answers.contains(&&json!("not today")), "{answers:?}");
    assert!(history.iter().any(|step| step["address"] == "127.0.0.1"));
    let csv = scene.caller.get("/v1/deliveries?format=csv").await;
    assert!(String::from_utf8_lossy(&csv.body).lines().nth(1).unwrap().contains(&job));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_never_answers_is_left_alone_and_delays_no_other() {
    let (hole, hooks) = (WebhookReceiver::start().await, WebhookReceiver::start().await);
    let scene = Scene::set(&[&hole, &hooks]).await;
    let dead = scene.add(&json!({"url": hole.url("/")})).await;
    hole.script(std::iter::repeat_n(Reply::Hang, 1_000));
    scene.add(&json!({"url": hooks.url("/")})).await;
    let watcher = json!({"url": hooks.url("/watch"), "topics": ["endpoint.*"], "payload": "thin"});
    scene.add(&watcher).await;
    for number in 0..20 {
        scene.job(&format!("gone-{number}.jpg"), false).await;
    }
    let all = hooks.wait_until(PATIENCE, |all| scene.at(all, "/").len() >= 20).await;
    assert!(hole.received().len() < 20, "every one was tried at once");
    assert!(scene.at(&all, "/").len() < 40);
    let id = text(&dead, "id");
    eventually("its circuit opens", PATIENCE, || async {
        scene.endpoint(id).await["circuit"]["circuit"] == "open"
    })
    .await;
    hooks
        .wait_until(PATIENCE, |all| {
            scene
                .at(all, "/watch")
                .iter()
                .any(|one| one.json()["type"] == "endpoint.circuit_opened")
        })
        .await;
    let waiting = format!("endpoint={id}&status=waiting");
    eventually("every delivery to it waits", PATIENCE, || async {
        scene.deliveries(&waiting).await.len() == 20
    })
    .await;
    // Those that were under way when it opened do not lengthen the break.
    let opened = hooks.received();
    let opened = scene
        .at(&opened, "/watch")
        .into_iter()
        .filter(|one| one.json()["type"] == "endpoint.circuit_opened");
    assert_eq!(opened.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_gone_is_disabled_and_one_that_is_enabled_again_is_told() {
    let hooks = WebhookReceiver::start().await;
    let scene = Scene::set(&[&hooks]).await;
    let added = scene.add(&json!({"url": hooks.url("/")})).await;
    let id = text(&added, "id");
    hooks.script([Reply::Status(410)]);
    scene.job("first.jpg", false).await;
    eventually("it is disabled", PATIENCE, || async {
        scene.endpoint(id).await["disabled"]["because"] == "gone"
    })
    .await;
    // Once another endpoint is told of it, it has been decided for this one, too.
    scene.add(&json!({"url": hooks.url("/other")})).await;
    scene.job("second.jpg", false).await;
    scene.wait_for(&hooks, "/other", 1).await;
    let since = scene.endpoint(id).await["disabled"]["at"].clone();
    let patch = json!({"enabled": true}).to_string();
    let path = format!("/v1/endpoints/{id}");
    let json = [("content-type", "application/json")];
    let answer = scene.caller.ask("PATCH", &path, &json, patch).await;
    assert_eq!(answer.json()["enabled"], true);
    assert_eq!(answer.json()["missed_since"], since, "it is offered what it missed");
    let job = scene.job("third.jpg", false).await;
    let all = scene.wait_for(&hooks, "/", 2).await;
    assert_eq!(all[1].json()["id"], *job, "what happened meanwhile is not told by itself");
    // A replay leaves out what is on record as told since it was asked for.
    eventually("the last delivery is on record", PATIENCE, || async {
        let known = scene.deliveries(&format!("endpoint={id}")).await;
        known.iter().filter(|one| one["status"] == "delivered").count() == 2
    })
    .await;

    // What was missed is told when somebody asks for it, and what failed, too.
    let replays = format!("/v1/endpoints/{id}/replays");
    let replay = scene.caller.post(&replays, &json!({"from_seq": 1})).await;
    assert_eq!(replay.status, 202, "{}", replay.json());
    scene.wait_for(&hooks, "/", 5).await;
    eventually("the replay ends", PATIENCE, || async {
        scene.endpoint(id).await["replay"].is_null()
    })
    .await;
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    let all = hooks.received();
    for one in scene.at(&all, "/") {
        *times.entry(one.header("webhook-id").to_owned()).or_default() += 1;
    }
    // The one that was missed is told for the first time, all others once more; a repeat has the same id.
    let first = times.values().filter(|times| **times == 1).count();
    assert!(times.len() == 3 && first <= 1, "{times:?}");
    let removed = scene.caller.delete(&path).await;
    assert_eq!((removed.status, scene.caller.get(&path).await.status), (200, 404));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_wants_order_is_told_of_a_job_in_order_whatever_fails() {
    let hooks = WebhookReceiver::start().await;
    let scene = Scene::set(&[&hooks]).await;
    let endpoint = json!({
        "url": hooks.url("/"), "topics": ["job.*"], "payload": "thin", "ordered": true,
    });
    scene.add(&endpoint).await;
    // Every third is refused; the reply to each request tells which counts.
    let replies = (0..300).map(|n| Reply::Status(if n % 3 == 1 { 500 } else { 204 }));
    hooks.script(replies);
    for number in 0..4 {
        scene.job(&format!("photo-{number}.jpg"), number % 2 == 0).await;
    }
    let took = |all: &[Received]| -> Vec<(String, u64, String)> {
        let all = scene.at(all, "/");
        let taken = all.into_iter().enumerate().filter(|(n, _)| n % 3 != 1);
        taken
            .map(|(_, one)| {
                let body = one.json();
                let data = &body["data"];
                let seq = data["sequence"].as_u64().unwrap();
                (text(data, "job").to_owned(), seq, text(&body, "type").to_owned())
            })
            .collect()
    };
    let over = |all: &[Received]| {
        let outcome = |topic: &str| ["job.completed", "job.failed"].contains(&topic);
        let taken = took(all);
        let over = taken.iter().filter(|(_, _, topic)| outcome(topic)).map(|(job, ..)| job);
        over.collect::<BTreeSet<_>>().len() >= 4
    };
    let all = hooks.wait_until(PATIENCE, over).await;
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for (job, seq, topic) in took(&all) {
        let before = last.insert(job.clone(), seq);
        assert!(before.is_none_or(|before| before <= seq), "{topic} of {job} came too late");
    }
    assert_eq!(last.len(), 4);
}
