//! A customer's role instead of keys, taken on at an STS that holds roles to their policies.

use serde_json::{Value, json};
use storage::{
    Credentials, Destination, Encryption, Error, Network, ObjectHeaders, Patience, Secret,
};
use testkit::{Moto, Source, SourceServer, Stack, pictures};

use super::{PATH, demand, prove, put};
use crate::jobs;

const PRINCIPAL: &str = "arn:aws:iam::123456789012:user/platform";

/// Who may take on roles, and nothing else.
async fn platform(moto: &Moto) -> Credentials {
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*" },
    ] });
    moto.user("platform", Some(&policy)).await
}

fn allowing(actions: &[&str]) -> Value {
    let resources = ["arn:aws:s3:::results", "arn:aws:s3:::results/*"];
    json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": actions, "Resource": resources },
    ] })
}

/// Trusts the platform for this external id.
fn trusting(external_id: &str) -> Value {
    json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "AWS": PRINCIPAL }, "Action": "sts:AssumeRole",
        "Condition": { "StringEquals": { "sts:ExternalId": external_id } },
    }] })
}

fn wish(moto: &Moto, role: &str) -> Value {
    json!({ "endpoint": moto.endpoint(), "bucket": Moto::BUCKET, "role": role })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_taken_on_for_its_account_and_does_what_its_policy_says() {
    let (sources, moto) = (SourceServer::start().await, Moto::start().await);
    let platform = platform(&moto).await;
    let endpoint = moto.endpoint();
    let settings = [
        ("DARKROOM__STORAGE__ROLES__PRINCIPAL", PRINCIPAL),
        ("DARKROOM__STORAGE__ROLES__ENDPOINT", endpoint.as_str()),
        ("DARKROOM__STORAGE__ROLES__ACCESS_KEY", platform.access_key.as_str()),
        ("DARKROOM__STORAGE__ROLES__SECRET_KEY", platform.secret_key.expose()),
    ];
    let stack = Stack::start(1, &[sources.port(), moto.port()], &settings).await;
    let caller = stack.caller(0);
    for (odd, field) in [
        (json!({ "role": "darkroom" }), "role"),
        (json!({ "access_key": "AKIAEXAMPLE", "secret_key": "secret" }), "role"),
    ] {
        let wish = super::with(wish(&moto, "arn:aws:iam::123456789012:role/any"), &odd);
        let answer = caller.ask("PUT", PATH, &[], wish.to_string()).await;
        assert_eq!((answer.status, &answer.json()["param"]), (400, &json!(field)), "{wish}");
    }

    // What is shown is what the customer pastes.
    let named = "arn:aws:iam::123456789012:role/not-there-yet";
    let shown = put(&caller, &wish(&moto, named)).await;
    let credentials = &shown["credentials"];
    assert_eq!(credentials["role"], named);
    let account = stack.account.to_string();
    assert_eq!(credentials["external_id"], account);
    assert_eq!(credentials["trust_policy"], trusting(&account));
    let (trust, policy) = (credentials["trust_policy"].clone(), shown["policy"].clone());

    let all = ["s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:ListBucket"];
    let others = moto.role("others", &trusting("another-account"), Some(&policy)).await;
    let nobody = moto.role("nobody", &trust, None).await;
    let wide = moto.role("wide", &trust, Some(&allowing(&all))).await;
    let writer = moto.role("writer", &trust, Some(&policy)).await;
    for (role, standing, code) in [
        (&others, "failed", json!("destination_denied")),
        (&nobody, "closed", Value::Null),
        (&wide, "readable", Value::Null),
        (&writer, "write_only", Value::Null),
    ] {
        put(&caller, &wish(&moto, role)).await;
        let found = prove(&caller).await;
        let write_only = &found["write_only"];
        assert_eq!(
            (&write_only["standing"], &write_only["code"]),
            (&json!(standing), &code),
            "{found}"
        );
        assert!(!found.to_string().contains(platform.secret_key.expose()), "{found}");
    }
    demand(&caller, true).await;
    let source = sources.put("/a.jpg", Source::bytes(pictures::PHOTOGRAPH));
    let id = jobs::wish(&caller, &json!({ "url": source, "sizes": ["40x40"] })).await;
    let body = jobs::ended(&caller, &id).await;
    assert_eq!(body["status"], "success", "{body}");
    for name in ["page-1_40x40.jpg", "receipt.json", "metadata.json"] {
        let found = moto.reader().await.get(&format!("{id}/{name}"), 1 << 20).await;
        assert!(!found.unwrap().bytes.is_empty(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_may_take_on_no_role_says_so() {
    let moto = Moto::start().await;
    let trust = trusting("an-account");
    let role = moto.role("writer", &trust, Some(&allowing(&["s3:PutObject"]))).await;
    let network = Network::direct(Patience::default());
    let prove = async |roles: storage::RoleSettings| {
        let destination = Destination {
            endpoint: Some(moto.endpoint()),
            region: "us-east-1".to_owned(),
            bucket: Moto::BUCKET.to_owned(),
            prefix: String::new(),
            path_style: true,
            credentials: roles.credentials(role.clone(), "an-account".to_owned()),
            encryption: Encryption::None,
            bucket_owner: None,
        };
        storage::prove(destination, ObjectHeaders::default(), &network).await
    };
    let of = |keys: &Credentials| storage::RoleSettings {
        endpoint: Some(moto.endpoint()),
        access_key: keys.access_key.clone(),
        secret_key: keys.secret_key.clone(),
        ..storage::RoleSettings::default()
    };
    let stranger = moto.user("stranger", None).await;
    let refused = prove(of(&stranger)).await.unwrap_err();
    assert!(matches!(&refused, Error::Denied(no) if no.operation == "AssumeRole"), "{refused}");
    let wrong = Credentials { secret_key: Secret::from("another"), ..platform(&moto).await };
    let refused = prove(of(&wrong)).await.unwrap_err();
    // Which of the two it is, moto does not say.
    let asked = |no: &storage::Answer| no.operation == "AssumeRole";
    let told = matches!(&refused, Error::Credentials(no) | Error::Denied(no) if asked(no));
    assert!(told, "{refused}");
    let refused = prove(storage::RoleSettings::default()).await.unwrap_err();
    assert!(refused.to_string().contains("[storage.roles]"), "{refused}");

    // Without a principal nobody is asked for a role.
    let stack = Stack::start(1, &[], &[]).await;
    let answer = stack.caller(0).ask("PUT", PATH, &[], wish(&moto, &role).to_string()).await;
    assert_eq!((answer.status, &answer.json()["param"]), (400, &json!("role")));
}
