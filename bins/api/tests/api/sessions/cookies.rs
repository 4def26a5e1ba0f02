//! The cookie: what it says, who may use it, and that nobody's is taken over from elsewhere.

use std::{sync::Arc, time::Duration};

use api::Api;
use domain::scope::Role;
use http::{Method, StatusCode};
use serde_json::json;

use crate::{
    people::{Home, OURS, PASSWORD, Person, code, cookie, quick, start},
    stage::{Answer, World, eventually},
};

#[tokio::test]
async fn what_a_cookie_changes_must_come_from_a_page_of_ours() {
    let home = Home::new().await;
    let alice = home.person("alice@example.com", Role::Owner).await;
    let body = json!({ "email": "bob@example.com", "role": "member" }).to_string();
    let post = |headers: &[(&'static str, &str)]| {
        let ask = home.api.request(Method::POST, "/v1/members").header("cookie", &alice.cookie);
        headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value)).body(body.clone())
    };
    for foreign in [
        vec![],
        vec![("origin", "https://evil.example")],
        vec![("origin", "null")],
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site"), ("origin", OURS)],
    ] {
        let refused = post(&foreign).send().await;
        let told = (refused.status, code(&refused));
        assert_eq!(told, (StatusCode::FORBIDDEN, "foreign_origin"), "{foreign:?}");
        assert!(!refused.headers.contains_key("access-control-allow-origin"));
    }
    assert_eq!(home.get(&alice, "/v1/members").await.body["members"].as_array().unwrap().len(), 1);
    assert_eq!(post(&[("origin", OURS)]).send().await.status, StatusCode::CREATED);
    let fetched = post(&[("sec-fetch-site", "same-origin")]).send().await;
    assert_eq!(fetched.status, StatusCode::CREATED);
    // Nobody is logged in as somebody else by a page of others.
    let body = json!({ "email": alice.email, "password": PASSWORD }).to_string();
    let foreign = home.api.request(Method::POST, "/v1/sessions");
    let foreign = foreign.header("origin", "https://evil.example").body(body).send().await;
    assert_eq!(code(&foreign), "foreign_origin");
    assert!(!foreign.headers.contains_key("set-cookie"));
}

/// A `Set-Cookie` header: its value, and its attributes in order.
fn parts(answer: &Answer) -> (String, Vec<String>) {
    let all: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert_eq!(all.len(), 1, "{all:?}");
    let mut parts = all[0].to_str().unwrap().split("; ").map(ToOwned::to_owned);
    let pair = parts.next().unwrap();
    let (name, value) = pair.split_once('=').unwrap();
    assert_eq!(name, "__Host-darkroom_session");
    (value.to_owned(), parts.collect())
}

#[tokio::test]
async fn every_answer_that_sets_the_cookie_sets_all_of_its_attributes_and_no_domain() {
    let home = Home::new().await;
    let alice = home.person("alice@example.com", Role::Member).await;
    let (token, attributes) = parts(&home.log_in(&alice.email, PASSWORD).await);
    let fixed = ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"];
    assert_eq!(attributes, [&fixed[..], &["Max-Age=43200"]].concat());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    assert!(token.len() == 43 && token.bytes().all(plain), "256 bits in base64url: {token}");

    let new_password = json!({ "current": PASSWORD, "password": "a whole new password" });
    for (method, path, body) in [
        (Method::DELETE, "/v1/sessions/current", json!({})),
        (Method::DELETE, "/v1/sessions", json!({})),
        (Method::PUT, "/v1/me/password", new_password),
    ] {
        let cookie = cookie(&home.log_in(&alice.email, PASSWORD).await);
        let again = Person { cookie, id: alice.id, email: alice.email.clone() };
        let ended = home.send(&again, method, path, &body).await;
        assert_eq!(ended.status, StatusCode::OK, "{path} {}", ended.body);
        let (token, attributes) = parts(&ended);
        assert_eq!((token.as_str(), attributes.len()), ("", 5), "{path}");
        assert_eq!(attributes, [&fixed[..], &["Max-Age=0"]].concat(), "{path}");
    }
    // Nothing else speaks of it.
    let bob = home.person("bob@example.com", Role::Member).await;
    for path in ["/v1/me", "/v1/sessions", "/v1/jobs", "/healthz"] {
        assert!(!home.get(&bob, path).await.headers.contains_key("set-cookie"), "{path}");
    }
    let wrong = home.log_in(&bob.email, "wrong wrong wrong").await;
    assert!(!wrong.headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn a_cookie_that_was_planted_before_a_log_in_never_stands_for_it() {
    let home = Home::new().await;
    let alice = home.person("alice@example.com", Role::Member).await;
    let mallory = home.person("mallory@example.com", Role::Auditor).await;
    let ended = home.person("alice2@example.com", Role::Member).await;
    home.send(&ended, Method::DELETE, "/v1/sessions/current", &json!({})).await;
    let name = "__Host-darkroom_session";
    let mut seen = vec![alice.cookie.clone(), mallory.cookie.clone(), ended.cookie.clone()];
    for planted in [
        format!("{name}={}", "A".repeat(43)),
        mallory.cookie.clone(),
        ended.cookie.clone(),
        format!("{name}=x; {}", mallory.cookie),
        format!("darkroom_session={}", "A".repeat(43)),
    ] {
        let who = async || {
            let me = home.api.get("/v1/me").header("cookie", &planted).send().await;
            (me.status, me.body["member"]["email"].clone())
        };
        let before = who().await;
        let body = json!({ "email": alice.email, "password": PASSWORD }).to_string();
        let ask = home.api.request(Method::POST, "/v1/sessions").header("cookie", &planted);
        let own = cookie(&ask.header("origin", OURS).body(body).send().await);
        assert!(!seen.contains(&own), "every log-in has a token of its own");
        assert_eq!(who().await, before, "{planted} stands for what it stood for");
        assert_ne!(before.1, json!(alice.email));
        let me = home.api.get("/v1/me").header("cookie", &own).send().await;
        assert_eq!(me.body["member"]["email"], json!(alice.email));
        // Side by side neither counts: nobody can tell which was meant.
        let both = format!("{planted}; {own}");
        let both = home.api.get("/v1/me").header("cookie", &both).send().await;
        let foreign = !planted.starts_with(name);
        assert_eq!(both.status == StatusCode::OK, foreign, "{planted}");
        seen.push(own);
    }
    // Nor does a token open anything as anything else.
    let token = alice.cookie.split_once('=').unwrap().1;
    for header in [format!("Bearer {token}"), format!("Cookie {token}"), token.to_owned()] {
        let answer = home.api.get("/v1/jobs").header("authorization", &header).send().await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{header}");
    }
}

#[tokio::test]
async fn another_role_and_a_log_out_everywhere_end_every_session_on_every_replica() {
    let home = Home::with(World::real().await, quick()).await;
    let owner = home.person("owner@example.com", Role::Owner).await;
    let alice = home.person("alice@example.com", Role::Member).await;
    let second = Api { sessions: quick(), ..home.world.settings("b") };
    let second = start(&home.world, second, Arc::clone(&home.clock)).await;
    let me = async |cookie: &str| {
        second.get("/v1/me").header("cookie", cookie).send().await.status == StatusCode::OK
    };
    let role = async |role: &str| {
        let path = format!("/v1/members/{}", alice.id.member);
        let done = home.send(&owner, Method::PATCH, &path, &json!({ "role": role })).await;
        assert_eq!((done.status, &done.body["role"]), (StatusCode::OK, &json!(role)));
    };
    let two = async || {
        let one = cookie(&home.log_in(&alice.email, PASSWORD).await);
        [one, cookie(&home.log_in(&alice.email, PASSWORD).await)]
    };
    let all_end = async |what: &str, cookies: &[String; 2]| {
        eventually(what, Duration::from_secs(1), || async {
            !me(&cookies[0]).await && !me(&cookies[1]).await
        })
        .await;
    };

    // The role that they have changes nothing; more, and less, ends everything.
    let cookies = two().await;
    role("member").await;
    assert!(me(&cookies[0]).await && me(&cookies[1]).await && me(&alice.cookie).await);
    role("admin").await;
    all_end("a raised member is out", &cookies).await;
    assert!(!me(&alice.cookie).await);
    let cookies = two().await;
    role("auditor").await;
    all_end("a lowered member is out", &cookies).await;

    let cookies = two().await;
    let everywhere = home.api.request(Method::DELETE, "/v1/sessions");
    let everywhere = everywhere.header("cookie", &cookies[0]);
    assert_eq!(code(&everywhere.send().await), "foreign_origin");
    let again = Person { cookie: cookies[0].clone(), id: alice.id, email: alice.email.clone() };
    let done = home.send(&again, Method::DELETE, "/v1/sessions", &json!({})).await;
    assert_eq!(done.body, json!({ "ended": 2 }));
    all_end("they are out everywhere", &cookies).await;
    assert!(me(&owner.cookie).await, "others are not concerned");
}
