//! Logging in, and the sessions that follow.

pub(crate) mod codes;
mod cookies;
mod failures;
mod timing;

use std::{sync::Arc, time::Duration};

use api::Api;
use domain::{member::Event, scope::Role};
use http::{Method, StatusCode};
use serde_json::json;

use crate::{
    people::{Home, PASSWORD, code, cookie, quick, start},
    stage::{PATIENCE, World, eventually},
};

#[tokio::test]
async fn a_member_logs_in_sees_who_they_are_and_logs_out() {
    let home = Home::new().await;
    let alice = home.person("Alice@example.com", Role::Owner).await;
    let answer = home.log_in("alice@EXAMPLE.com", PASSWORD).await;
    let set = answer.headers["set-cookie"].to_str().unwrap();
    assert!(set.starts_with("__Host-darkroom_session="), "{set}");
    assert!(set.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=43200"), "{set}");
    assert_eq!(answer.body["member"]["email"], "Alice@example.com");
    let token = cookie(&answer).split_once('=').unwrap().1.to_owned();
    assert!(!answer.body.to_string().contains(&token), "the token is for the browser alone");

    let me = home.get(&alice, "/v1/me").await;
    assert_eq!(me.body["member"]["role"], "owner");
    assert_eq!(me.body["account"], home.tenant.account.to_string());
    assert_eq!(me.body["scopes"].as_array().unwrap().len(), domain::scope::Scope::ALL.len());
    let listed = home.get(&alice, "/v1/sessions").await;
    assert_eq!(listed.body["sessions"].as_array().unwrap().len(), 2);

    // One of their sessions ends the other, then itself.
    let other = answer.body["session"].as_str().unwrap();
    let path = format!("/v1/sessions/{other}");
    assert_eq!(home.by(&alice, Method::DELETE, &path).send().await.status, StatusCode::OK);
    assert_eq!(home.by(&alice, Method::DELETE, &path).send().await.status, StatusCode::NOT_FOUND);
    let out = home.by(&alice, Method::DELETE, "/v1/sessions/current").send().await;
    assert!(out.headers["set-cookie"].to_str().unwrap().ends_with("Max-Age=0"));
    for cookie in [&alice.cookie, &cookie(&answer)] {
        let after = home.api.get("/v1/me").header("cookie", cookie).send().await;
        assert_eq!((after.status, code(&after)), (StatusCode::UNAUTHORIZED, "session_ended"));
    }
}

#[tokio::test]
async fn a_session_is_as_good_as_a_key_for_what_its_role_may_do() {
    let home = Home::new().await;
    let bob = home.person("bob@example.com", Role::Auditor).await;
    assert_eq!(home.get(&bob, "/v1/jobs").await.status, StatusCode::OK);
    let refused = home.send(&bob, Method::POST, "/v1/members", &json!({})).await;
    assert_eq!((refused.status, code(&refused)), (StatusCode::FORBIDDEN, "scope_missing"));
    // A key has no matters of its own.
    let by_key = home.api.get("/v1/me").by(&home.tenant).send().await;
    assert_eq!(code(&by_key), "no_credentials");
}

#[tokio::test]
async fn a_session_ends_when_it_is_not_used_and_in_any_case_in_the_end() {
    let home = Home::new().await;
    let alice = home.person("alice@example.com", Role::Member).await;
    let idle = home.person("idle@example.com", Role::Member).await;
    // 11 hours and 55 minutes with something done every five.
    for _ in 0..143 {
        home.pass(5);
        assert_eq!(home.get(&alice, "/v1/me").await.status, StatusCode::OK);
    }
    let seen = home.history(alice.id).await;
    let seen = seen.iter().filter(|event| matches!(event, Event::Seen { .. })).count();
    assert_eq!(seen, 71, "noted every ten minutes at most");
    assert_eq!(code(&home.get(&idle, "/v1/me").await), "session_ended");
    home.pass(5);
    assert_eq!(code(&home.get(&alice, "/v1/me").await), "session_ended");
}

#[tokio::test]
async fn an_unused_session_ends_after_an_hour() {
    let home = Home::new().await;
    let alice = home.person("alice@example.com", Role::Member).await;
    home.pass(59);
    assert_eq!(home.get(&alice, "/v1/me").await.status, StatusCode::OK);
    home.pass(60);
    assert_eq!(code(&home.get(&alice, "/v1/me").await), "session_ended");
}

#[tokio::test]
async fn a_new_password_ends_every_session_on_every_replica() {
    let home = Home::with(World::real().await, quick()).await;
    let alice = home.person("alice@example.com", Role::Member).await;
    let second = Api { sessions: quick(), ..home.world.settings("b") };
    let second = start(&home.world, second, Arc::clone(&home.clock)).await;
    let me = || second.get("/v1/me").header("cookie", &alice.cookie).send();
    assert_eq!(me().await.status, StatusCode::OK);
    let elsewhere = cookie(&home.log_in(&alice.email, PASSWORD).await);

    let put = |current: &str, password: &str| {
        let body = json!({ "current": current, "password": password });
        home.by(&alice, Method::PUT, "/v1/me/password").body(body.to_string()).send()
    };
    let wrong = put("wrong wrong wrong", "a whole new password").await;
    assert_eq!((wrong.status, code(&wrong)), (StatusCode::UNAUTHORIZED, "login_failed"));
    assert_eq!(put(PASSWORD, "alice@example.com").await.body["param"], "password");
    assert_eq!(me().await.status, StatusCode::OK);
    let done = put(PASSWORD, "a whole new password").await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.body);
    assert!(done.headers["set-cookie"].to_str().unwrap().ends_with("Max-Age=0"));
    eventually("the other replica knows", Duration::from_secs(1), || async {
        me().await.status == StatusCode::UNAUTHORIZED
    })
    .await;
    let there = home.api.get("/v1/me").header("cookie", &elsewhere).send().await;
    assert_eq!(code(&there), "session_ended");
    assert_eq!(home.log_in(&alice.email, PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    cookie(&home.log_in(&alice.email, "a whole new password").await);
}

#[tokio::test]
async fn whoever_belongs_to_several_accounts_names_one() {
    let home = Home::new().await;
    let alice = home.person("alice@example.com", Role::Member).await;
    let second = home.world.tenant().await;
    let token = home.invite(&second, &alice.email, Role::Owner).await;
    assert_eq!(home.join(&token, "another good password").await.status, StatusCode::CREATED);
    assert_eq!(home.log_in(&alice.email, PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    for (account, password, lets_in) in [
        (&home.tenant, PASSWORD, true),
        (&second, "another good password", true),
        (&second, PASSWORD, false),
    ] {
        home.pass(60);
        let body = json!({ "email": alice.email, "password": password, "account": account.account.to_string() });
        let answer = home.log_in_with(&body).await;
        assert_eq!(answer.status == StatusCode::CREATED, lets_in, "{}", answer.body);
    }
    // What is done in one account is not seen in the other.
    let body = json!({ "email": alice.email, "password": PASSWORD, "account": home.tenant.account.to_string() });
    let cookie = cookie(&home.log_in_with(&body).await);
    let members = home.api.get("/v1/members").header("cookie", &cookie).send().await;
    assert_eq!(members.body["members"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_session_begun_a_moment_ago_is_known_to_every_replica() {
    let home = Home::with(World::real().await, quick()).await;
    let alice = home.person("alice@example.com", Role::Member).await;
    let second = Api { sessions: quick(), ..home.world.settings("b") };
    let second = start(&home.world, second, Arc::clone(&home.clock)).await;
    for _ in 0..10 {
        let cookie = cookie(&home.log_in(&alice.email, PASSWORD).await);
        let me = second.get("/v1/me").header("cookie", &cookie).send();
        let me = tokio::time::timeout(PATIENCE, me).await.unwrap();
        assert_eq!(me.status, StatusCode::OK);
    }
}
