//! Metadata services of clouds, in an internet where they answer: nobody of Darkroom ever asks one for
//! credentials, whatever jobs do and whatever the environment says (D-8).

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    process::Command,
};

use serde_json::{Value, json};
use testkit::{Call, Finish as _, Internet, Moto, Question, Record, Stack, pictures, until_some};

use crate::{
    jobs::{self, PATIENCE},
    up::bare,
};

const PUBLIC: Ipv4Addr = Ipv4Addr::new(93, 184, 215, 14);
/// EC2, ECS and EKS, as SDKs look for them.
const SERVICES: [&str; 4] = ["169.254.169.254", "fd00:ec2::254", "169.254.170.2", "169.254.170.23"];
/// What leads SDKs there, and what would be credentials if anybody looked.
const TEMPTATIONS: [(&str, &str); 9] = [
    ("AWS_EC2_METADATA_DISABLED", "false"),
    ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254"),
    ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6"),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/credentials"),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "/etc/hostname"),
    ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/somebody-else"),
    ("AWS_PROFILE", "somebody-else"),
    ("AWS_REGION", "mars-1"),
];

fn zone(question: &Question<'_>) -> Option<Vec<Record>> {
    // Metadata services have names too.
    let address = match question.name {
        "public.test" => PUBLIC.into(),
        "metadata.google.internal" | "instance-data" => SERVICES[0].parse().unwrap(),
        _ => return None,
    };
    Some(vec![Record::Address(address)])
}

/// A picture, or what a metadata service says to whoever asks it.
fn answers(call: &Call) -> Vec<u8> {
    let body: &[u8] = if call.to.ip() == IpAddr::from(PUBLIC) {
        pictures::PHOTOGRAPH
    } else {
        br#"{"Code":"Success","AccessKeyId":"ASIASTOLEN","SecretAccessKey":"stolen","Token":"stolen","Expiration":"2036-01-01T00:00:00Z"}"#
    };
    let head =
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Called by nobody so far but for the sources of jobs.
fn untouched(internet: &Internet, when: &str) {
    let reached: BTreeSet<SocketAddr> = internet.reached().into_iter().collect();
    assert!(reached.is_subset(&[SocketAddr::from((PUBLIC, 80))].into()), "{when}: {reached:?}");
}

/// Hands a picture in, and has it end well.
async fn picture(stack: &Stack, url: &str) {
    let caller = stack.caller(0);
    let id = jobs::wish(&caller, &json!({ "url": url, "sizes": ["40x40"] })).await;
    let body = jobs::ended(&caller, &id).await;
    assert_eq!(body["status"], "success", "{body}");
}

/// Sets a destination and gives what is found out about it.
async fn destination(stack: &Stack, wish: &Value) -> Value {
    let caller = stack.caller(0);
    let answer = caller.ask("PUT", "/v1/destination", &[], wish.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    until_some("the destination is tried", PATIENCE, || async {
        let found = caller.get("/v1/destination").await.json()["write_only"].clone();
        (found["standing"] != "unknown").then_some(found)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_metadata_service_is_asked_by_any_process_whatever_jobs_do() {
    const NAME: &str = "metadata::no_metadata_service_is_asked_by_any_process_whatever_jobs_do";
    let Some(internet) = Internet::enter(NAME, &[], zone, answers).await else { return };
    let moto = Moto::start().await;
    let trusts = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*" },
    ] });
    let platform = moto.user("platform", Some(&trusts)).await;
    let (endpoint, principal) = (moto.endpoint(), "arn:aws:iam::123456789012:user/platform");
    let roles = [
        ("DARKROOM__STORAGE__ROLES__PRINCIPAL", principal),
        ("DARKROOM__STORAGE__ROLES__ENDPOINT", endpoint.as_str()),
        ("DARKROOM__STORAGE__ROLES__ACCESS_KEY", platform.access_key.as_str()),
        ("DARKROOM__STORAGE__ROLES__SECRET_KEY", platform.secret_key.expose()),
    ];
    let settings: Vec<(&str, &str)> = roles.into_iter().chain(TEMPTATIONS).collect();
    let stack = Stack::start(1, &[moto.port()], &settings).await;
    picture(&stack, "http://public.test/photo.jpg").await;
    untouched(&internet, "development storage");

    let storing = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": ["s3:PutObject"], "Resource": "arn:aws:s3:::results/*" },
    ] });
    let writer = moto.user("writer", Some(&storing)).await;
    let place = json!({ "endpoint": endpoint, "bucket": Moto::BUCKET });
    let keys = json!({ "access_key": writer.access_key, "secret_key": writer.secret_key.expose() });
    let found = destination(&stack, &with(&place, &keys)).await;
    assert_eq!(found["standing"], "write_only", "{found}");
    picture(&stack, "http://public.test/photo.jpg").await;
    untouched(&internet, "a destination with keys");

    let trust = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "AWS": principal }, "Action": "sts:AssumeRole",
        "Condition": { "StringEquals": { "sts:ExternalId": stack.account.to_string() } },
    }] });
    let role = moto.role("writer", &trust, Some(&storing)).await;
    let found = destination(&stack, &with(&place, &json!({ "role": role }))).await;
    assert_eq!(found["standing"], "write_only", "{found}");
    picture(&stack, "http://public.test/photo.jpg").await;
    untouched(&internet, "a destination with a role");

    // Keys that are refused are not looked for elsewhere, and a role that is not there neither.
    let wrong = json!({ "access_key": writer.access_key, "secret_key": "guessed" });
    assert_eq!(destination(&stack, &with(&place, &wrong)).await["standing"], "failed");
    let nobody = json!({ "role": "arn:aws:iam::123456789012:role/nobody" });
    assert_eq!(destination(&stack, &with(&place, &nobody)).await["standing"], "failed");
    untouched(&internet, "destinations that fail");
    an_input(&stack).await;
    untouched(&internet, "an input");
    commands(&stack);
    untouched(&internet, "commands");

    // They answer whoever asks.
    for service in SERVICES {
        let address = SocketAddr::new(service.parse().unwrap(), 80);
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        assert!(said.contains("ASIASTOLEN"), "{said}");
        assert!(internet.reached().contains(&address));
    }
}

fn with(wish: &Value, more: &Value) -> Value {
    let mut wish = wish.clone();
    wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    wish
}

/// A source that lies in a bucket with credentials of its own, and one whose credentials are wrong.
async fn an_input(stack: &Stack) {
    let (caller, s3) = (stack.caller(0), stack.s3.settings());
    let bucket = stack.s3.data().join("darkroom");
    std::fs::create_dir_all(bucket.join("originals")).unwrap();
    std::fs::write(bucket.join("originals/a.jpg"), pictures::PHOTOGRAPH).unwrap();
    for (secret, status) in [(s3.secret_key.expose(), "success"), ("guessed", "failure")] {
        let input = json!({
            "bucket": "darkroom", "region": "us-east-1", "endpoint": s3.endpoint,
            "prefix": "originals", "path_style": true,
            "access_key": s3.access_key, "secret_key": secret,
        });
        let answer = caller.ask("PUT", "/v1/inputs", &[], input.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        let wish = json!({ "url": "s3://darkroom/originals/a.jpg", "sizes": ["40x40"] });
        // Results go to development storage again.
        caller.ask("DELETE", "/v1/destination", &[], "").await;
        let body = jobs::ended(&caller, &jobs::wish(&caller, &wish).await).await;
        assert_eq!(body["status"], status, "{body}");
    }
}

/// What users and operators run, with the same environment.
fn commands(stack: &Stack) {
    let everyone = [&["destination", "prove"][..], &["doctor"], &["input", "list"]];
    for arguments in everyone {
        let mut command: Command = bare(stack.data());
        command.args(arguments).envs(stack.environment(0)).envs(TEMPTATIONS);
        let output = tokio::task::block_in_place(|| command.finish());
        assert!(output.status.code().is_some(), "{arguments:?}");
    }
}
