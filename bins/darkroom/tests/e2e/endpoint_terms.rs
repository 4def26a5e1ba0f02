//! What an endpoint asks for when it is added is what it gets: topics, applications, limits, answers,
//! signatures, and no way to where nobody may be led.

use std::{collections::BTreeSet, io, iter::repeat_n, net::TcpListener};

use domain::endpoint::TopicFilter;
use serde_json::{Value, json};
use testkit::{Caller, Received, Reply, WebhookReceiver, eventually};

use crate::{
    endpoints::{Scene, text},
    jobs::{self, PATIENCE},
    up::python,
};

/// The longest attempt at endpoints that ask for no other.
const TIMEOUT_MS: u32 = 30_000;
/// What each of these endpoints wants to be told, by its path.
const WATCHERS: [(&str, &str); 6] = [
    ("/delivery", "delivery.exhausted"),
    ("/destination", "destination.*"),
    ("/account", "account.*"),
    ("/upload", "upload.*"),
    ("/endpoint", "endpoint.disabled"),
    // Added last: whatever it is told, the others could have been told as well.
    ("/all", "*"),
];
/// What happens in the test of topics.
const HAPPENS: [&str; 11] = [
    "job.failed",
    "delivery.exhausted",
    "destination.set",
    "destination.proof_failed",
    "destination.cleared",
    "account.application_added",
    "account.application_revoked",
    "upload.started",
    "upload.expired",
    "endpoint.disabled",
    "endpoint.enabled",
];
/// How many deliveries are given up in it that tell of anything but deliveries.
const EXHAUSTED: usize = 4;

/// The events that came at a path, as topics and ids.
fn told(scene: &Scene, all: &[Received], path: &str) -> Vec<(String, String)> {
    let told = |one: &Received| {
        let body = one.json();
        (text(&body, "type").to_owned(), text(&body["data"], "event").to_owned())
    };
    scene.at(all, path).into_iter().map(told).collect()
}

/// Sends an endpoint a sample and gives how that went, with every attempt.
async fn sample(scene: &Scene, endpoint: &Value) -> Value {
    let path = format!("/v1/endpoints/{}/test", text(endpoint, "id"));
    let answer = scene.caller.post(&path, &Value::Null).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    let path = format!("/v1/deliveries/{}", text(&answer.json(), "id"));
    scene.caller.get(&path).await.json()
}

async fn enable(scene: &Scene, endpoint: &Value, enabled: bool) {
    let path = format!("/v1/endpoints/{}", text(endpoint, "id"));
    let answer = scene.caller.ask("PATCH", &path, &[], json!({"enabled": enabled}).to_string());
    assert_eq!(answer.await.json()["enabled"], enabled);
}

async fn delete(scene: &Scene, path: &str) {
    let answer = scene.caller.delete(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.json());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_told_the_kinds_it_asks_for_and_nothing_else() {
    let (hooks, down) = (WebhookReceiver::start().await, WebhookReceiver::start().await);
    let scene = Scene::beside(&[hooks.port(), down.port()], TIMEOUT_MS).await;
    for (path, topic) in WATCHERS {
        scene.add(&json!({"url": hooks.url(path), "topics": [topic], "payload": "thin"})).await;
    }
    down.script(repeat_n(Reply::Status(500), 100));
    let failing = |topic: &str| json!({"url": down.url("/"), "topics": [topic], "payload": "thin", "retry_after_s": []});
    // Its greeting is given up, and each delivery after it.
    let lost = scene.add(&failing("job.failed")).await;
    // Of what is given up here nobody is told but of the greeting.
    let deaf = scene.add(&failing("delivery.exhausted")).await;
    scene.job("gone.jpg", false).await;
    let of_deaf = format!("endpoint={}&status=exhausted", text(&deaf, "id"));
    eventually("telling of what was given up is given up", PATIENCE, || async {
        let topics = scene.deliveries(&of_deaf).await;
        topics.iter().any(|one| one["topic"] == "delivery.exhausted")
    })
    .await;
    sample(&scene, &lost).await;

    let nowhere = json!({
        "endpoint": "https://169.254.169.254", "bucket": "results",
        "access_key": "AKIDEXAMPLE", "secret_key": "secret",
    });
    let answer = scene.caller.ask("PUT", "/v1/destination", &[], nowhere.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    hooks
        .wait_until(PATIENCE, |all| {
            told(&scene, all, "/all").iter().any(|(topic, _)| topic == "destination.proof_failed")
        })
        .await;
    delete(&scene, "/v1/destination").await;
    let pair = scene.caller.post("/v1/applications", &json!({})).await.json();
    delete(&scene, &format!("/v1/applications/{}", text(&pair, "id"))).await;
    let upload = scene.caller.post("/v1/uploads", &json!({"size_bytes": 9})).await.json();
    let upload = format!("/v1/uploads/{}", text(&upload, "id"));
    assert_eq!(scene.caller.delete(&upload).await.status, 202);
    enable(&scene, &lost, false).await;
    enable(&scene, &lost, true).await;

    let filter = |topic: &str| topic.parse::<TopicFilter>().unwrap();
    let everything = |all: &[Received]| {
        let known = told(&scene, all, "/all");
        let exhausted = known.iter().filter(|(topic, _)| topic == "delivery.exhausted").count();
        let happened = |name: &&str| known.iter().any(|(topic, _)| topic == name);
        let reached = |(path, wanted): &(&str, &str)| {
            let (own, wanted) = (told(&scene, all, path), filter(wanted));
            known
                .iter()
                .filter(|(topic, _)| wanted.wants(&topic.as_str().into()))
                .all(|one| own.contains(one))
        };
        exhausted >= EXHAUSTED && HAPPENS.iter().all(happened) && WATCHERS.iter().all(reached)
    };
    let all = hooks.wait_until(PATIENCE, everything).await;
    for (path, wanted) in WATCHERS {
        for (topic, _) in told(&scene, &all, path) {
            assert!(filter(wanted).wants(&topic.as_str().into()), "{topic} is told at {path}");
        }
    }
    for path in ["/delivery", "/all"] {
        let known = told(&scene, &all, path);
        let exhausted = known.iter().filter(|(topic, _)| topic == "delivery.exhausted");
        assert_eq!(exhausted.count(), EXHAUSTED, "{path}: {known:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_told_of_the_applications_it_asks_for_and_no_other() {
    let hooks = WebhookReceiver::start().await;
    let scene = Scene::beside(&[hooks.port()], TIMEOUT_MS).await;
    let pair = scene.caller.post("/v1/applications", &json!({})).await.json();
    let shop = Caller::new(scene.stack.url(0), text(&pair, "key"), text(&pair, "secret"));
    let wish = |path: &str| json!({"url": hooks.url(path), "topics": ["job.*"], "payload": "thin"});
    let mut of_shop = wish("/shop");
    of_shop["applications"] = json!([pair["id"]]);
    let of_shop = scene.add(&of_shop).await;
    scene.add(&wish("/all")).await;

    let others = scene.job("others.jpg", false).await;
    let url = scene.sources.put("/own.jpg", testkit::Source::status(404));
    let own = jobs::wish(&shop, &json!({"url": url, "sizes": ["40x40"]})).await;
    let jobs_at = |all: &[Received], path: &str| -> BTreeSet<String> {
        let failed = |one: &&Received| one.json()["type"] == "job.failed";
        let job = |one: &Received| text(&one.json()["data"], "job").to_owned();
        scene.at(all, path).into_iter().filter(failed).map(job).collect()
    };
    let both = BTreeSet::from([others, own.clone()]);
    let all = hooks
        .wait_until(PATIENCE, |all| {
            jobs_at(all, "/all") == both && jobs_at(all, "/shop").contains(&own)
        })
        .await;
    let own_alone = |all: &[Received]| {
        for one in scene.at(all, "/shop") {
            assert_eq!(one.json()["data"]["job"], *own, "{}", one.json());
        }
    };
    own_alone(&all);
    // Nor is it told of others when it is told everything again.
    let id = text(&of_shop, "id");
    let replays = format!("/v1/endpoints/{id}/replays");
    let asked = scene.caller.post(&replays, &json!({"from_seq": 1})).await;
    assert_eq!(asked.status, 202, "{}", asked.json());
    eventually("the replay ends", PATIENCE, || async {
        scene.endpoint(id).await["replay"].is_null()
    })
    .await;
    let waiting = format!("endpoint={id}&status=waiting");
    eventually("everything is told again", PATIENCE, || async {
        scene.deliveries(&waiting).await.is_empty()
    })
    .await;
    own_alone(&hooks.received());
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_an_endpoint_hold_where_it_is_told() {
    const JOBS: usize = 5;
    let hooks = WebhookReceiver::start().await;
    let held: [_; 3] = [
        (Some(1), WebhookReceiver::start().await),
        (Some(3), WebhookReceiver::start().await),
        (None, WebhookReceiver::start().await),
    ];
    let ports: Vec<u16> =
        held.iter().map(|(_, hooks)| hooks.port()).chain([hooks.port()]).collect();
    let scene = Scene::beside(&ports, TIMEOUT_MS).await;
    let hasty = json!({"url": hooks.url("/hasty"), "topics": ["account.*"], "timeout_ms": 300, "retry_after_s": []});
    let hasty = scene.add(&hasty).await;
    hooks.script([Reply::Hang]);
    let late = sample(&scene, &hasty).await;
    assert_eq!((&late["status"], &late["last"]["code"]), (&json!("exhausted"), &json!("timeout")));
    let latency_ms = late["last"]["latency_ms"].as_u64().unwrap();
    assert!((300..u64::from(TIMEOUT_MS) / 2).contains(&latency_ms), "{late}");
    assert_eq!(late["attempts"], 1, "it asks for no second attempt: {late}");

    let slow = json!({"url": hooks.url("/slow"), "payload": "thin", "per_second": 1});
    scene.add(&slow).await;
    let mut narrow = Vec::new();
    for (at_once, hooks) in &held {
        let url = hooks.url("/");
        let wish = json!({"url": url, "payload": "thin", "at_once": at_once});
        narrow.push(scene.add(&wish).await);
        hooks.script(repeat_n(Reply::Hang, 100));
    }
    for number in 0..JOBS {
        scene.job(&format!("gone-{number}.jpg"), false).await;
    }
    for ((at_once, hooks), endpoint) in held.iter().zip(&narrow) {
        let at_once = at_once.unwrap_or(JOBS);
        let waiting = format!("endpoint={}&status=waiting", text(endpoint, "id"));
        eventually("those wait that find no room", PATIENCE, || async {
            scene.deliveries(&waiting).await.len() == JOBS - at_once
                && scene.at(&hooks.received(), "/").len() >= at_once
        })
        .await;
        assert_eq!(scene.at(&hooks.received(), "/").len(), at_once);
    }

    let all = hooks.wait_until(PATIENCE, |all| scene.at(all, "/slow").len() >= JOBS).await;
    let seconds = scene.at(&all, "/slow").into_iter().map(|one| one.header("webhook-timestamp"));
    let mut seconds: Vec<u64> = seconds.map(|second| second.parse().unwrap()).collect();
    seconds.sort_unstable();
    // The first may go at once, and a second be cut short; another is left for a busy machine.
    let took = seconds[JOBS - 1] - seconds[0];
    assert!(took + 3 >= JOBS as u64, "{seconds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_kept_where_that_is_asked_for_and_a_token_is_signed_as_its_endpoint_signs() {
    const SAID: &str = "not for everybody";
    let hooks = WebhookReceiver::start().await;
    let scene = Scene::beside(&[hooks.port()], TIMEOUT_MS).await;
    for (asked, kept) in [(Value::Null, false), (false.into(), false), (true.into(), true)] {
        let mut wish = json!({"url": hooks.url("/"), "retry_after_s": []});
        if !asked.is_null() {
            wish["keep_answers"] = asked;
        }
        let endpoint = scene.add(&wish).await;
        for status in [200, 500] {
            hooks.script([Reply::With(status, vec![], SAID.into())]);
            let delivery = sample(&scene, &endpoint).await;
            assert_eq!(delivery["last"]["status"], status, "{delivery}");
            assert_eq!(delivery.to_string().contains(SAID), kept, "{wish}: {delivery}");
        }
    }

    let wish = json!({"url": hooks.url("/jwt"), "payload": "jwt", "scheme": "ed25519"});
    let pair = scene.add(&wish).await;
    sample(&scene, &pair).await;
    let all = hooks.wait_until(PATIENCE, |all| !scene.at(all, "/jwt").is_empty()).await;
    let token = std::str::from_utf8(&scene.at(&all, "/jwt")[0].body).unwrap();
    let given = json!({"public_key": pair["public_key"], "token": token});
    let output = tokio::task::block_in_place(|| python("venv-moto", "verify_jwt.py", &[], &given));
    let read: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read["head"], json!({"alg": "EdDSA", "typ": "JWT"}));
    assert_eq!(read["claims"]["type"], "endpoint.test");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_endpoint_leads_to_a_forbidden_address_be_it_only_to_be_tried() {
    let forbidden = TcpListener::bind("127.0.0.1:0").unwrap();
    forbidden.set_nonblocking(true).unwrap();
    let port = forbidden.local_addr().unwrap().port();
    let scene = Scene::beside(&[], TIMEOUT_MS).await;
    let mut endpoints = Vec::new();
    for url in [
        format!("http://127.0.0.1:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("https://localhost:{port}/"),
        "https://169.254.169.254/latest/meta-data/".to_owned(),
        "https://[::ffff:169.254.169.254]/".to_owned(),
    ] {
        let wish = json!({"url": url, "retry_after_s": [], "topics": ["job.failed"]});
        let endpoint = scene.add(&wish).await;
        let tried = sample(&scene, &endpoint).await;
        assert_eq!(tried["last"]["code"], "forbidden", "{url}: {tried}");
        assert!(tried["last"]["status"].is_null(), "{url}: {tried}");
        endpoints.push(endpoint);
    }
    scene.job("gone.jpg", false).await;
    for endpoint in &endpoints {
        let of_it = format!("endpoint={}&status=exhausted", text(endpoint, "id"));
        eventually("greeting, sample and a job's outcome are given up", PATIENCE, || async {
            let all = scene.deliveries(&of_it).await;
            assert!(all.iter().all(|one| one["code"] == "forbidden"), "{endpoint}: {all:?}");
            all.len() == 3
        })
        .await;
    }
    let called = forbidden.accept().map_err(|none| none.kind());
    assert_eq!(called.err(), Some(io::ErrorKind::WouldBlock));
}
