//! What was shown once is shown never again: not by the log, and not by any route.

use domain::{
    Aggregate as _,
    account::Accounts,
    member::{self, Members},
    scope::Role,
};
use eventlog::Span;
use futures::{StreamExt as _, future::join_all};
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use passwords::totp;
use serde_json::{Value, json};

use crate::{
    isolation::{self, Route, fixtures},
    people::{Home, OURS, PASSWORD, Person, cookie, quick},
    sessions::codes::enable_totp,
    stage::World,
};

/// Fields of stored events that nobody may ever see again.
const STORED: [&str; 5] = ["token_digest", "email_digest", "secret_digest", "password", "secret"];

/// What must never be shown, and what it is.
type Planted = Vec<(&'static str, String)>;

#[tokio::test]
async fn nothing_that_was_shown_lies_in_the_log() {
    let home = Home::with(World::real().await, quick()).await;
    let token = home.invite(&home.tenant, "alice@example.com", Role::Owner).await;
    home.join(&token, PASSWORD).await;
    let session = cookie(&home.log_in("alice@example.com", PASSWORD).await);
    let session = session.split_once('=').unwrap().1;
    home.log_in("alice@example.com", "wrong wrong wrong").await;
    let mut messages = std::pin::pin!(home.world.log.replay(Members::STREAM, Span::default()));
    let mut seen = 0;
    while let Some(message) = messages.next().await {
        let message = message.unwrap();
        let text = format!(
            "{} {:?} {}",
            message.subject,
            message.headers,
            String::from_utf8_lossy(&message.body)
        );
        for secret in ["alice", PASSWORD, "wrong wrong", "$2b$", token.as_str(), session] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        seen += 1;
    }
    assert_eq!(seen, 4);
}

/// What the log keeps of passwords, codes and tokens, as it is stored.
async fn stored(home: &Home) -> Planted {
    let mut found = Vec::new();
    for stream in [Members::STREAM, Accounts::STREAM] {
        let mut messages = std::pin::pin!(home.world.log.replay(stream, Span::default()));
        while let Some(message) = messages.next().await {
            let body: Value = serde_json::from_slice(&message.unwrap().body).unwrap();
            search(&body, &mut found);
        }
    }
    found
}

fn search(body: &Value, found: &mut Planted) {
    let items: Vec<(&str, &Value)> = match body {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.as_str(), value)).collect()
        }
        Value::Array(items) => items.iter().map(|value| ("", value)).collect(),
        _ => return,
    };
    for (name, value) in items {
        match (STORED.iter().find(|stored| **stored == name), value) {
            (Some(what), Value::String(text)) => found.push((what, text.clone())),
            _ => search(value, found),
        }
    }
}

/// Members in every state, and key pairs, with all that must not be shown of them.
async fn planted(home: &Home, owner: &Person, alice: &Person) -> Planted {
    let secret = enable_totp(home, alice).await;
    let invitation = home.invite(&home.tenant, "invited@example.com", Role::Admin).await;
    let reset = format!("/v1/members/{}/reset", alice.id.member);
    let reset = home.send(owner, Method::POST, &reset, &json!({})).await;
    assert_eq!(reset.status, StatusCode::CREATED, "{}", reset.body);
    let rotate = format!("/v1/applications/{}/rotate", home.tenant.application);
    let rotated = home.send(owner, Method::POST, &rotate, &json!({ "overlap_s": 3_600 })).await;
    assert_eq!(rotated.status, StatusCode::OK, "{}", rotated.body);

    let mut planted = stored(home).await;
    for what in STORED {
        assert!(planted.iter().any(|(stored, _)| *stored == what), "nothing is stored as {what}");
    }
    for person in [owner, alice] {
        let state = home.world.log.load::<Members>(&person.id).await.unwrap().state;
        let member::State { password, .. } = state;
        let hash = home.world.custody.open_password_hash(&person.id, &password.unwrap()).await;
        let hash = hash.unwrap().to_string();
        assert!(hash.starts_with("$2b$"), "{hash}");
        planted.push(("hash", hash));
        planted.push(("session", person.cookie.split_once('=').unwrap().1.to_owned()));
    }
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    planted.extend([("hash", "$2b$".to_owned()), ("password", PASSWORD.to_owned())]);
    planted.extend([("codes", totp::spelled(&secret)), ("codes", hex)]);
    let token = reset.body["reset"]["token"].as_str().unwrap().to_owned();
    planted.extend([("invitation", invitation), ("reset", token)]);
    let renewed = rotated.body["secret"].as_str().unwrap().to_owned();
    planted.extend([("key", home.tenant.secret.clone()), ("key", renewed)]);
    planted
}

/// What fits the open places of a route: where it is about people, somebody of whom there is much
/// not to show.
async fn about(home: &Home, route: &Route, alice: &Person, session: &str) -> String {
    let id = match route.path.split("/{id}").next().unwrap() {
        "/v1/members" => alice.id.member.to_string(),
        "/v1/sessions" => session.to_owned(),
        _ if route.has_id() => fixtures::make(&home.world, &home.api, &home.tenant, route).await,
        _ => String::new(),
    };
    route.about(&id)
}

#[tokio::test]
async fn no_route_shows_what_stands_for_a_password_a_code_or_a_token() {
    let home = Home::new().await;
    let owner = home.person("owner@example.com", Role::Owner).await;
    let alice = home.person("alice@example.com", Role::Member).await;
    let planted = planted(&home, &owner, &alice).await;
    assert!(planted.len() > 20, "{}", planted.len());
    let mut routes = isolation::routes(&home.api).await;
    // What ends things comes last.
    routes.sort_by_key(|route| route.method.as_str() == "DELETE");
    let alices = home.get(&alice, "/v1/sessions").await.body["sessions"][0]["id"].clone();
    let alices = alices.as_str().unwrap().to_owned();
    let (mut well, mut asked_for, mut shown, mut all) = (0, 0, Vec::new(), String::new());
    for route in &routes {
        let path = about(&home, route, &alice, &alices).await;
        let session = cookie(&home.log_in(&owner.email, PASSWORD).await);
        let forms = ["*/*", "application/x-ndjson", "text/csv"];
        let forms = if route.method == Method::GET { &forms[..] } else { &forms[..1] };
        let asked = forms.iter().flat_map(|accept| [true, false].map(|by_key| (*accept, by_key)));
        // At once: some wait for what they set off.
        let answers = asked.map(|(accept, by_key)| {
            let ask = home.api.request(route.method.clone(), &path);
            let ask = ask.header("accept", accept).body(fixtures::body(route));
            let ask = match by_key {
                true => ask.by(&home.tenant),
                false => ask.header("cookie", &session).header("origin", OURS),
            };
            async move {
                let (parts, body) = ask.open().await.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let text = format!("{:?} {}", parts.headers, String::from_utf8_lossy(&body));
                (parts.status, text)
            }
        });
        for (status, text) in join_all(answers).await {
            for (what, secret) in &planted {
                if text.contains(secret.as_str()) {
                    shown.push(format!("{} {path} shows a {what}: {text}", route.method));
                }
            }
            asked_for += 1;
            well += u32::from(status.is_success());
            all += &text;
        }
    }
    assert!(shown.is_empty(), "{shown:#?}");
    // Who is looked for is found, and most of what was asked was answered.
    assert!(all.contains("alice@example.com") && all.contains(&alice.id.member.to_string()));
    assert!(well * 2 > asked_for, "only {well} of {asked_for} answers say anything");
}
