//! One-time codes: asked for by whoever wants them, and good once.

use std::time::Duration;

use domain::{Timestamp, scope::Role};
use http::{Method, StatusCode};
use passwords::totp;
use serde_json::json;

use crate::people::{Home, PASSWORD, Person, code, cookie, secret};

/// Makes somebody use one-time codes; answers what those are made of.
pub(crate) async fn enable_totp(home: &Home, person: &Person) -> Vec<u8> {
    let post =
        home.send(person, Method::POST, "/v1/me/totp", &json!({ "password": PASSWORD })).await;
    assert_eq!(post.status, StatusCode::CREATED, "{}", post.body);
    let enrolment = post.body["enrolment"].as_str().unwrap();
    let secret = secret(enrolment);
    assert_eq!(totp::spelled(&secret), post.body["secret"].as_str().unwrap());
    let code = now_code(home, &secret, 0);
    let body = json!({ "enrolment": enrolment, "code": code });
    let put = home.send(person, Method::PUT, "/v1/me/totp", &body).await;
    assert_eq!(put.status, StatusCode::OK, "{}", put.body);
    secret
}

fn now_code(home: &Home, secret: &[u8], steps: i64) -> String {
    let seconds = home.now().as_second() + steps * 30;
    totp::code(secret, totp::step(u64::try_from(seconds).unwrap()))
}

#[tokio::test]
async fn one_time_codes_are_asked_for_once_they_were_confirmed_and_open_once() {
    let home = Home::new().await;
    let alice = home.person("alice@example.com", Role::Member).await;
    let secret = enable_totp(&home, &alice).await;
    assert_eq!(home.get(&alice, "/v1/me").await.body["member"]["totp"], true);
    let log_in = async |code: Option<String>| {
        let body = json!({ "email": alice.email, "password": PASSWORD, "totp": code });
        home.log_in_with(&body).await
    };
    assert_eq!(log_in(None).await.status, StatusCode::UNAUTHORIZED);
    // The code that confirmed it is used up.
    let confirmed = now_code(&home, &secret, 0);
    assert_eq!(log_in(Some(confirmed)).await.status, StatusCode::UNAUTHORIZED);
    // The beginning of a step, so that the seconds that delays last do not leave it.
    let step = home.now().as_second().div_euclid(30) + 120;
    home.clock.set(Timestamp::from_second(step * 30).unwrap());
    for (steps, lets_in) in
        [(-2, false), (2, false), (-1, true), (-1, false), (0, true), (1, true), (0, false)]
    {
        let answer = log_in(Some(now_code(&home, &secret, steps))).await;
        home.clock.advance(Duration::from_secs(3));
        assert_eq!(answer.status == StatusCode::CREATED, lets_in, "{steps}: {}", answer.body);
    }
    home.pass(30);
    let again = Person {
        id: alice.id,
        email: alice.email.clone(),
        cookie: cookie(&log_in(Some(now_code(&home, &secret, 0))).await),
    };
    let off = async |password: &str| {
        let body = json!({ "password": password });
        home.send(&again, Method::POST, "/v1/me/totp/off", &body).await
    };
    assert_eq!(code(&off("wrong wrong wrong").await), "login_failed");
    assert_eq!(off(PASSWORD).await.body, json!({ "totp": false }));
    cookie(&log_in(None).await);
}

#[tokio::test]
async fn an_enrolment_is_for_one_member_for_a_while_and_with_the_right_code() {
    let home = Home::new().await;
    let alice = home.person("alice@example.com", Role::Member).await;
    let bob = home.person("bob@example.com", Role::Member).await;
    let body = json!({ "password": PASSWORD });
    let made = home.send(&alice, Method::POST, "/v1/me/totp", &body).await;
    let enrolment = made.body["enrolment"].as_str().unwrap();
    let url = made.body["url"].as_str().unwrap();
    assert!(url.starts_with("otpauth://totp/Darkroom:alice%40example.com?secret="), "{url}");
    let secret = secret(enrolment);
    let code = now_code(&home, &secret, 0);
    let put = |who, enrolment: &str, code: &str| {
        let body = json!({ "enrolment": enrolment, "code": code });
        home.by(who, Method::PUT, "/v1/me/totp").body(body.to_string()).send()
    };
    assert_eq!(put(&bob, enrolment, &code).await.body["param"], "enrolment");
    assert_eq!(put(&alice, &enrolment.replace('.', ".1"), &code).await.body["param"], "enrolment");
    assert_eq!(put(&alice, enrolment, "000000").await.body["param"], "code");
    home.pass(15);
    let late = now_code(&home, &secret, 0);
    assert_eq!(put(&alice, enrolment, &late).await.body["param"], "enrolment");
    assert_eq!(home.get(&alice, "/v1/me").await.body["member"]["totp"], false);
}
