//! What comes of log-ins that fail, and of very many.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use api::Sessions;
use domain::{member::Event, scope::Role};
use futures::future::join_all;
use http::{Method, StatusCode, header};
use serde_json::json;
use tokio::time::Instant;

use super::codes::enable_totp;
use crate::{
    people::{Home, PASSWORD, code, cookie, quick},
    stage::{Answer, World},
    statistics::median,
};

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

/// How long requests of others take while `running` does not say that it is over: some at least.
async fn others(home: &Home, least: usize, running: impl Fn() -> bool) -> Vec<f64> {
    let mut times = Vec::new();
    while times.len() < least || running() {
        let began = Instant::now();
        let answer = home.api.get("/v1/counts").by(&home.tenant).send().await;
        assert_eq!(answer.status, StatusCode::OK);
        home.api.submit(&home.tenant).await;
        times.push(began.elapsed().as_secs_f64());
    }
    times
}

/// Sixty peers try at once, again and again, until it was 3,000 times in all, with hashes that cost what they
/// cost in earnest: on the one thread that is there for them, minutes of work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_log_ins_is_turned_away_and_nobody_else_waits_for_it() {
    const PEERS: usize = 60;
    const TRIES: usize = 3_000;
    let settings = Sessions { bcrypt_cost: Sessions::default().bcrypt_cost, ..quick() };
    let settings = Sessions { hashing_queue: 4, max_logins: 16, ..settings };
    let home = Home::with(World::real().await, settings).await;
    let alice = home.person("alice@example.com", Role::Member).await;
    let quiet = others(&home, 20, || false).await;
    let tried = AtomicUsize::new(0);
    let peer = |peer: usize| {
        let (home, tried) = (&home, &tried);
        async move {
            let mut statuses = Vec::new();
            while tried.fetch_add(1, Ordering::Relaxed) < TRIES {
                let email = format!("n{peer}-{}@example.com", statuses.len());
                let answer = home.log_in(&email, "wrong wrong wrong").await;
                if answer.status == StatusCode::SERVICE_UNAVAILABLE {
                    assert_eq!(answer.headers["retry-after"], "1");
                }
                statuses.push(answer.status.as_u16());
            }
            statuses
        }
    };
    let flood = join_all((0..PEERS).map(peer));
    let over = || tried.load(Ordering::Relaxed) >= TRIES;
    let (statuses, during) = tokio::join!(flood, others(&home, 20, || !over()));
    let statuses = statuses.concat();
    let count = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    let (wrong, turned) = (count(401), count(503));
    assert_eq!(wrong + turned, TRIES, "nothing else is answered");
    assert!(wrong > 0 && turned > TRIES / 2, "{wrong} were tried, {turned} turned away");
    let (before, meanwhile) = (median(&quiet), median(&during));
    assert!(meanwhile < 20.0 * before.max(0.05), "{before} s became {meanwhile} s");
    assert!(during.iter().all(|time| *time < 5.0), "{during:?}");
    // Whoever is somebody gets in once it is over.
    cookie(&home.log_in(&alice.email, PASSWORD).await);
}
