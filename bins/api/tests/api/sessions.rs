//! Logging in, what comes of trying too often, and the sessions that follow.

use std::{sync::Arc, time::Duration};

use api::{Api, Sessions};
use domain::{
    Aggregate as _, Timestamp,
    member::{Event, Members},
    scope::Role,
};
use eventlog::Span;
use futures::{StreamExt as _, future::join_all};
use http::{Method, StatusCode, header};
use passwords::totp;
use serde_json::json;
use tokio::time::Instant;

use crate::{
    people::{Home, OURS, PASSWORD, code, cookie, quick, secret, start},
    stage::{Answer, PATIENCE, World, eventually},
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

/// What of an answer anybody could tell answers apart by.
fn told(answer: &Answer) -> String {
    let mut headers: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| *name != header::DATE)
        .map(|(name, value)| format!("{name}: {value:?}"))
        .collect();
    headers.sort();
    format!("{} {headers:?} {}", answer.status, answer.body)
}

#[tokio::test]
async fn whoever_is_not_let_in_is_told_the_same() {
    let home = Home::new().await;
    let alice = home.person("alice@example.com", Role::Member).await;
    let carol = home.person("carol@example.com", Role::Member).await;
    enable_totp(&home, &carol).await;
    home.invite(&home.tenant, "invited@example.com", Role::Member).await;
    let stranger = home.world.tenant().await;
    let wrong = [
        json!({ "email": "nobody@example.com", "password": PASSWORD }),
        json!({ "email": "no address", "password": PASSWORD }),
        json!({ "email": alice.email, "password": "correct horse batterz" }),
        json!({ "email": alice.email, "password": PASSWORD, "account": stranger.account.to_string() }),
        json!({ "email": alice.email, "password": PASSWORD, "account": "none" }),
        json!({ "email": "invited@example.com", "password": PASSWORD }),
        json!({ "email": carol.email, "password": PASSWORD }),
        json!({ "email": carol.email, "password": PASSWORD, "totp": "000000" }),
        json!({ "email": carol.email, "password": "wrong wrong wrong", "totp": "000000" }),
    ];
    let mut answers = Vec::new();
    for body in &wrong {
        home.pass(60);
        answers.push(told(&home.log_in_with(body).await));
    }
    assert!(answers[0].starts_with("401 "), "{}", answers[0]);
    for (body, answer) in wrong.iter().zip(&answers) {
        assert_eq!(answer, &answers[0], "{body}");
    }
}

/// The probability of so unequal times if both were of one kind (Mann and Whitney's U, normal
/// approximation with ties), two-sided.
fn mann_whitney(one: &[Duration], two: &[Duration]) -> f64 {
    let mut all: Vec<(Duration, usize)> =
        one.iter().map(|time| (*time, 0)).chain(two.iter().map(|time| (*time, 1))).collect();
    all.sort();
    let (n, m, total) = (one.len() as f64, two.len() as f64, all.len() as f64);
    let (mut rank_sum, mut ties, mut place) = (0.0, 0.0, 0);
    while place < all.len() {
        let same = all[place..].iter().take_while(|(time, _)| *time == all[place].0).count();
        let rank = place as f64 + (same as f64 + 1.0) / 2.0;
        let ours = all[place..place + same].iter().filter(|(_, which)| *which == 0).count();
        rank_sum += rank * ours as f64;
        ties += (same as f64).powi(3) - same as f64;
        place += same;
    }
    let u = rank_sum - n * (n + 1.0) / 2.0;
    let variance = n * m / 12.0 * ((total + 1.0) - ties / (total * (total - 1.0)));
    let z = (u - n * m / 2.0).abs() / variance.sqrt();
    // Abramowitz and Stegun, 7.1.26: within 1.5e-7.
    let x = z / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let poly = t
        * (0.254_829_592
            + t * (-0.284_496_736
                + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
    poly * (-x * x).exp()
}

#[test]
fn times_of_one_kind_and_of_two_are_told_apart() {
    let times = |from: u64| (0..200).map(move |n| Duration::from_micros(from + n * 7 % 100));
    let (same, later): (Vec<_>, Vec<_>) = (times(0).collect(), times(30).collect());
    assert!(mann_whitney(&same, &same) > 0.9);
    assert!(mann_whitney(&same, &later) < 1e-6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_long_a_failed_log_in_takes_does_not_tell_whether_the_address_is_known() {
    const LANES: usize = 8;
    const ROUNDS: usize = 26;
    let settings = Sessions { failed_login_ms: 300, hashing_threads: 2, ..quick() };
    let home = Home::with(World::real().await, settings).await;
    for lane in 0..LANES {
        home.person(&format!("known{lane}@example.com"), Role::Member).await;
    }
    let lanes = (0..LANES).map(|lane| {
        let home = &home;
        async move {
            let mut times = [Vec::new(), Vec::new()];
            for round in 0..ROUNDS {
                for which in [round % 2, 1 - round % 2] {
                    // Nobody has to wait.
                    home.pass(60);
                    let who = ["known", "other"][which];
                    let email = format!("{who}{lane}@example.com");
                    let began = Instant::now();
                    let answer = home.log_in(&email, "wrong wrong wrong").await;
                    times[which].push(began.elapsed());
                    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
                }
            }
            times
        }
    });
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for [one, two] in join_all(lanes).await {
        known.extend(one);
        unknown.extend(two);
    }
    assert!(known.len() >= 200 && unknown.len() >= 200);
    let p = mann_whitney(&known, &unknown);
    assert!(p > 0.0001, "p = {p}: the times differ");
}

#[tokio::test]
async fn failures_delay_the_next_log_in_whoever_is_tried_and_nothing_is_noted_meanwhile() {
    let home = Home::new().await;
    let alice = home.person("alice@example.com", Role::Member).await;
    for email in [alice.email.as_str(), "nobody@example.com"] {
        for failures in 1..=3 {
            let wrong = home.log_in(email, "wrong wrong wrong").await;
            assert_eq!(wrong.status, StatusCode::UNAUTHORIZED, "{email} {failures}");
        }
        let noted = home.history(alice.id).await.len();
        let mut seen = Vec::new();
        for password in ["wrong wrong wrong", PASSWORD] {
            let delayed = home.log_in(email, password).await;
            assert_eq!(delayed.headers["retry-after"], "1");
            seen.push(told(&delayed));
        }
        assert!(seen[0].starts_with("429 "), "{}", seen[0]);
        assert_eq!(seen[0], seen[1], "the right password tells nothing while delayed");
        assert_eq!(home.history(alice.id).await.len(), noted);
        // A second later one more try: twice as long.
        home.clock.advance(Duration::from_secs(1));
        assert_eq!(home.log_in(email, "wrong wrong wrong").await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(home.log_in(email, PASSWORD).await.headers["retry-after"], "2");
    }
}

#[tokio::test]
async fn nobody_is_kept_out_for_good_and_a_success_begins_anew() {
    let home = Home::new().await;
    let alice = home.person("alice@example.com", Role::Member).await;
    for _ in 0..30 {
        home.pass(15);
        let wrong = home.log_in(&alice.email, "wrong wrong wrong").await;
        assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(home.log_in(&alice.email, PASSWORD).await.headers["retry-after"], "900");
    home.pass(15);
    cookie(&home.log_in(&alice.email, PASSWORD).await);
    let wrong = home.log_in(&alice.email, "wrong wrong wrong").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    cookie(&home.log_in(&alice.email, PASSWORD).await);
    let failed = home.history(alice.id).await;
    let failed = failed.iter().filter(|event| matches!(event, Event::LoginFailed { .. })).count();
    assert_eq!(failed, 31, "every failure is an event");
}

#[tokio::test]
async fn an_address_is_tried_by_one_at_a_time() {
    let home =
        Home::with(World::memory().await, Sessions { failed_login_ms: 300, ..quick() }).await;
    let alice = home.person("alice@example.com", Role::Member).await;
    let tries = (0..12).map(|n| {
        let (home, email, password) = (&home, &alice.email, format!("wrong wrong wrong {n}"));
        async move { home.log_in(email, &password).await.status }
    });
    let statuses = join_all(tries).await;
    let tried = statuses.iter().filter(|status| **status == StatusCode::UNAUTHORIZED).count();
    assert_eq!(tried, 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status.as_u16(), 401 | 429)), "{statuses:?}");
}

#[tokio::test]
async fn one_network_address_tries_so_often_and_others_go_on() {
    let settings = Sessions { logins_per_address: 3, logins_per_address_per_minute: 1, ..quick() };
    let home = Home::with(World::memory().await, settings).await;
    for n in 0..3 {
        let wrong = home.log_in(&format!("n{n}@example.com"), PASSWORD).await;
        assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    }
    let turned = home.log_in("n4@example.com", PASSWORD).await;
    assert_eq!(
        (turned.status, code(&turned)),
        (StatusCode::TOO_MANY_REQUESTS, "too_many_attempts")
    );
    assert_eq!(turned.headers["retry-after"], "60");
    // What it says about proxies is believed from proxies alone.
    let forged =
        home.api.request(Method::POST, "/v1/sessions").header("x-forwarded-for", "192.0.2.1");
    let body = json!({ "email": "n5@example.com", "password": PASSWORD }).to_string();
    assert_eq!(forged.body(body).send().await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(home.api.get("/v1/jobs").by(&home.tenant).send().await.status, StatusCode::OK);
    home.pass(1);
    assert_eq!(home.log_in("n6@example.com", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_log_ins_is_turned_away_and_nobody_else_waits_for_it() {
    let settings = Sessions {
        bcrypt_cost: 10,
        hashing_threads: 1,
        hashing_queue: 4,
        max_logins: 16,
        failed_login_ms: 50,
        ..quick()
    };
    let home = Home::with(World::memory().await, settings).await;
    let flood = (0..200).map(|n| {
        let home = &home;
        async move { home.log_in(&format!("n{n}@example.com"), "wrong wrong wrong").await.status }
    });
    let others = async {
        let mut slowest = Duration::ZERO;
        for _ in 0..30 {
            let began = Instant::now();
            let answer = home.api.get("/v1/counts").by(&home.tenant).send().await;
            assert_eq!(answer.status, StatusCode::OK);
            slowest = slowest.max(began.elapsed());
        }
        slowest
    };
    let (statuses, slowest) = tokio::join!(join_all(flood), others);
    let turned =
        statuses.iter().filter(|status| **status == StatusCode::SERVICE_UNAVAILABLE).count();
    assert!(turned > 0, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status.as_u16(), 401 | 503)), "{statuses:?}");
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
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

/// Makes somebody use one-time codes; answers what those are made of.
async fn enable_totp(home: &Home, person: &crate::people::Person) -> Vec<u8> {
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
    let again = crate::people::Person {
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
