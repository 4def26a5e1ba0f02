//! Every way in which a stranger names an address, in an internet where every address answers: what
//! counts is who was called (N-1 to N-4, N-7, N-8).

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use serde_json::{Value, json};
use testkit::{
    Call, Caller, Internet, Part, Question, Record, Stack, pictures, spellings, until_some,
};

use crate::jobs::{self, PATIENCE};

const PUBLIC: Ipv4Addr = Ipv4Addr::new(93, 184, 215, 14);
/// Sends on to wherever its path says.
const REDIRECTING: Ipv4Addr = Ipv4Addr::new(151, 101, 1, 140);
/// One in so many of all spellings; the tests of `egress` and `worker` take them all.
const SAMPLE: usize = 29;
/// Codes of a source that is refused, is none, or has a name that nobody has.
const REFUSED: [&str; 4] =
    ["source_forbidden", "source_invalid", "source_refused", "source_unreachable"];
/// A proxy that somebody's environment names, where nobody may be led.
const PROXY: &str = "http://10.9.9.9:8080";

fn zone(question: &Question<'_>) -> Option<Vec<Record>> {
    let addresses = |all: &[IpAddr]| Some(all.iter().copied().map(Record::Address).collect());
    match question.name {
        "public.test" => addresses(&[PUBLIC.into()]),
        "rebind.test" => match question.before % 3 {
            0 => addresses(&[PUBLIC.into()]),
            1 => addresses(&[Ipv4Addr::new(10, 0, 0, 1).into()]),
            _ => addresses(&[PUBLIC.into(), Ipv4Addr::LOCALHOST.into()]),
        },
        name => {
            let row = name.strip_suffix(".forbidden.test")?.parse::<usize>().ok()?;
            addresses(spellings::answers(PUBLIC.into()).get(row)?)
        }
    }
}

/// A picture, or a redirect to what the path spells in hexadecimal digits.
fn answers(call: &Call) -> Vec<u8> {
    const CLOSE: &str = "Connection: close\r\nContent-Length";
    let Some(coded) = call.path().strip_prefix("/to/") else {
        let size = pictures::PHOTOGRAPH.len();
        let mut answer = format!("HTTP/1.1 200 OK\r\n{CLOSE}: {size}\r\n\r\n").into_bytes();
        answer.extend(pictures::PHOTOGRAPH);
        return answer;
    };
    let byte = |at| u8::from_str_radix(&coded[at..at + 2], 16).unwrap();
    let location: Vec<u8> = (0..coded.len()).step_by(2).map(byte).collect();
    let location = String::from_utf8(location).unwrap().replace('\n', "");
    format!("HTTP/1.1 302 Found\r\n{CLOSE}: 0\r\nLocation: {location}\r\n\r\n").into_bytes()
}

fn redirecting(url: &str) -> String {
    let mut coded = format!("http://{REDIRECTING}/to/");
    for byte in url.bytes() {
        write!(coded, "{byte:02x}").unwrap();
    }
    coded
}

struct Scene {
    internet: Internet,
    stack: Stack,
    caller: Caller,
}

impl Scene {
    async fn set(test: &str) -> Option<Self> {
        let internet = Internet::enter(test, &[], zone, answers).await?;
        let mut settings = vec![
            ("DARKROOM__RETRY__ATTEMPTS", "1"),
            ("DARKROOM__DISPATCHER__RETRY_AFTER_S", "[3600]"),
            ("DARKROOM__DISPATCHER__TIMEOUT_MS", "3000"),
        ];
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"] {
            settings.push((name, PROXY));
        }
        let stack = Stack::start(1, &[], &settings).await;
        let caller = stack.caller(0);
        Some(Self { internet, stack, caller })
    }

    /// Who was called, of all that is not a part of the stack.
    fn reached(&self) -> BTreeSet<SocketAddr> {
        self.internet.reached().into_iter().collect()
    }

    /// Hands a job in; nothing if the request itself is refused.
    async fn job(&self, wish: &Value) -> Option<String> {
        let answer = self.caller.post("/v2/previews/", wish).await;
        assert!(matches!(answer.status, 201 | 400 | 422), "{wish}: {}", answer.json());
        (answer.status == 201).then(|| jobs::id(&answer.json()))
    }

    /// Sends results to this endpoint and gives what was found out about it; nothing if the request
    /// itself is refused.
    async fn destination(&self, endpoint: &str) -> Option<Value> {
        let wish = json!({
            "endpoint": endpoint,
            "bucket": "results",
            "access_key": "AKIDEXAMPLE",
            "secret_key": "secret",
        });
        let answer = self.caller.ask("PUT", "/v1/destination", &[], wish.to_string()).await;
        assert!(matches!(answer.status, 200 | 400 | 422), "{endpoint}: {}", answer.json());
        if answer.status != 200 {
            return None;
        }
        let found = until_some(&format!("{endpoint} is tried"), PATIENCE, || async {
            let known = self.caller.get("/v1/destination").await.json();
            let found = known["write_only"].clone();
            (known["endpoint"] == answer.json()["endpoint"] && found["standing"] != "unknown")
                .then_some(found)
        })
        .await;
        Some(found)
    }
}

fn hosts() -> Vec<String> {
    let mut hosts: Vec<String> = spellings::forbidden().into_iter().step_by(SAMPLE).collect();
    let names = (0..spellings::answers(PUBLIC.into()).len()).step_by(SAMPLE);
    hosts.extend(names.map(|row| format!("{row}.forbidden.test")));
    hosts
}

#[tokio::test(flavor = "multi_thread")]
async fn no_source_redirect_webhook_or_bucket_leads_to_a_forbidden_address() {
    const NAME: &str = "egress::no_source_redirect_webhook_or_bucket_leads_to_a_forbidden_address";
    let Some(scene) = Scene::set(NAME).await else { return };
    let (hosts, good) = (hosts(), "http://public.test/photo.jpg");
    assert!(hosts.len() >= 50, "{}", hosts.len());
    let (mut astray, mut told) = (Vec::new(), Vec::new());
    for (row, host) in hosts.iter().enumerate() {
        let url = format!("{}://{host}/", ["http", "https"][row % 2]);
        for source in [url.clone(), redirecting(&url)] {
            astray.push((scene.job(&json!({ "url": source, "sizes": ["40x40"] })).await, source));
        }
        let hook = format!("https://{host}/hook");
        told.push(scene.job(&json!({ "url": good, "sizes": ["9x9"], "callback_url": hook })).await);
    }
    for (id, source) in &astray {
        let Some(id) = id else { continue };
        let body = jobs::ended(&scene.caller, id).await;
        let code = body["error"]["code"].as_str().unwrap_or_default();
        assert!(body["status"] == "failure" && REFUSED.contains(&code), "{source}: {body}");
    }
    for id in told.iter().flatten() {
        assert_eq!(jobs::ended(&scene.caller, id).await["status"], "success");
    }
    let expected = told.iter().flatten().count();
    assert!(expected > 30, "{expected}");
    until_some("every webhook is tried", PATIENCE, || async {
        let page = scene.caller.get("/v1/deliveries?limit=200").await.json();
        let deliveries = page["deliveries"].as_array().unwrap();
        let tried = deliveries.iter().filter(|one| one["attempts"] != 0).count();
        (tried == expected).then_some(())
    })
    .await;
    for host in &hosts {
        // Results of a job would go there, and are not; the try that follows a PUT does the same.
        let found = scene.destination(&format!("https://{host}")).await;
        let standing = found.as_ref().map(|found| found["standing"].as_str().unwrap());
        assert!(matches!(standing, None | Some("failed")), "{host}: {found:?}");
    }
    let permitted = [SocketAddr::from((PUBLIC, 80)), SocketAddr::from((REDIRECTING, 80))];
    assert_eq!(scene.reached(), permitted.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_address_is_called_by_each_of_these_ways() {
    const NAME: &str = "egress::a_public_address_is_called_by_each_of_these_ways";
    let Some(scene) = Scene::set(NAME).await else { return };
    let redirected = redirecting("http://1572394766:8080/photo.jpg");
    let callback = "https://public.test:8443/hook";
    for source in ["http://public.test/photo.jpg", &redirected] {
        let wish = json!({ "url": source, "sizes": ["40x40"], "callback_url": callback });
        let id = scene.job(&wish).await.unwrap();
        assert_eq!(jobs::ended(&scene.caller, &id).await["status"], "success", "{source}");
    }
    // Nobody there speaks TLS: that they were called is what counts.
    let found = scene.destination("https://public.test").await.unwrap();
    assert_eq!(found["standing"], "failed", "{found}");
    let called = [(PUBLIC, 80), (PUBLIC, 8080), (PUBLIC, 8443), (PUBLIC, 443), (REDIRECTING, 80)];
    let called: BTreeSet<SocketAddr> = called.map(SocketAddr::from).into();
    until_some("each of them is called", PATIENCE, || async {
        (scene.reached() == called).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebinding_name_is_drawn_or_refused_and_never_leads_astray() {
    const NAME: &str = "egress::a_rebinding_name_is_drawn_or_refused_and_never_leads_astray";
    let Some(scene) = Scene::set(NAME).await else { return };
    let mut ids = Vec::new();
    for row in 0..60 {
        let wish = json!({ "url": format!("http://rebind.test/{row}.jpg"), "sizes": ["9x9"] });
        ids.push(scene.job(&wish).await.unwrap());
    }
    let mut outcomes = BTreeSet::new();
    for id in &ids {
        let body = jobs::ended(&scene.caller, id).await;
        let code = body["error"]["code"].as_str();
        assert!(matches!(code, None | Some("source_forbidden")), "{body}");
        outcomes.insert(code.is_none());
    }
    assert_eq!(outcomes.len(), 2, "some of them are drawn, and some are refused");
    assert!(scene.internet.asked("rebind.test") >= ids.len());
    assert_eq!(scene.reached(), [SocketAddr::from((PUBLIC, 80))].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_learns_nothing_about_what_is_at_a_forbidden_address() {
    const NAME: &str = "egress::a_tenant_learns_nothing_about_what_is_at_a_forbidden_address";
    let Some(scene) = Scene::set(NAME).await else { return };
    let nats = scene.stack.nats.settings("worker").url;
    let targets = [
        // Open, closed, the log's own server, this machine, metadata, a name for a private address.
        "http://10.0.0.1/a.jpg".to_owned(),
        "http://10.0.0.1:81/a.jpg".to_owned(),
        nats.replace("nats://", "http://"),
        "http://localhost/a.jpg".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://36.forbidden.test/a.jpg".to_owned(),
        redirecting("http://10.0.0.1/a.jpg"),
    ];
    let mut told = BTreeSet::new();
    for url in &targets {
        let id = scene.job(&json!({ "url": url, "sizes": ["40x40"] })).await.unwrap();
        let body = jobs::ended(&scene.caller, &id).await;
        assert_eq!(body["error"]["code"], "source_forbidden", "{url}: {body}");
        told.insert(body["error"].to_string());
    }
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(scene.reached(), [SocketAddr::from((REDIRECTING, 80))].into());
    assert!(testkit::processes::is_alive(scene.stack.pid(Part::Worker)));
}
