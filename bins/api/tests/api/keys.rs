//! API keys: where they may stand, what scanners find them by, and which scope opens what.

use std::{collections::BTreeMap, fs, path::Path, time::Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::scope::Scope;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use regex::Regex;
use uuid::Uuid;
use vault::secrets;

use crate::{
    isolation::{self, fixtures},
    people::code,
    stage::{Ask, Running, Tenant, World},
    statistics::{MAX_DEVIATIONS, deviations, median},
};

/// How many tokens of each kind are made.
const TOKENS: usize = 2_500;

/// Status and body, whatever it is.
async fn told(ask: Ask) -> (StatusCode, String) {
    let (parts, body) = ask.open().await.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status, String::from_utf8(body.to_vec()).unwrap())
}

/// Every verb at every path of the document, those included that anybody may use.
async fn every_route(api: &Running) -> Vec<(Method, String)> {
    let document = api.get("/openapi.json").send().await.body;
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for verb in item.as_object().unwrap().keys() {
            routes.push((verb.to_uppercase().parse().unwrap(), path.clone()));
        }
    }
    assert!(routes.len() > 60, "{routes:?}");
    routes
}

#[tokio::test]
async fn a_key_in_a_url_opens_nothing_on_any_route_and_whoever_sends_it_is_told() {
    let world = World::memory().await;
    let (api, owner) = (world.api("a").await, world.tenant().await);
    let Tenant { key, secret, .. } = &owner;
    let queries = [
        format!("key={key}&secret={secret}"),
        format!("api_key={secret}"),
        secret.clone(),
        format!("access_token={}", STANDARD.encode("x").replace('=', "") + secret),
        format!("next=https%3A%2F%2F{key}%3A{secret}%40host"),
        format!("s={}", secret.replace('_', "%5F")),
    ];
    for (method, path) in every_route(&api).await {
        let path = path.replace("{id}", &Uuid::new_v4().to_string()).replace("{name}", "a.jpg");
        for query in &queries {
            for shows in [false, true] {
                let ask = api.request(method.clone(), &format!("{path}?{query}")).body("{}");
                let ask = if shows { ask.by(&owner) } else { ask };
                let (status, body) = told(ask).await;
                let what = format!("{method} {path}: {body}");
                assert_eq!(status, StatusCode::BAD_REQUEST, "{what}");
                assert!(body.contains("Authorization header alone"), "{what}");
                assert!(!body.contains(secret.as_str()) && !body.contains(key.as_str()), "{what}");
            }
        }
    }
    let in_path = api.get(&format!("/v1/applications/{key}")).by(&owner).send().await;
    assert_eq!((in_path.status, code(&in_path)), (StatusCode::BAD_REQUEST, "key_in_url"));
    // In front of the host they are not even seen.
    let before_host = api.get(&format!("http://{key}:{secret}@localhost/v1/counts")).send().await;
    assert_eq!(before_host.status, StatusCode::UNAUTHORIZED);
    // Nor is any other scheme taken than the one that is told.
    let pair = STANDARD.encode(format!("{key}:{secret}"));
    for header in [format!("Bearer {secret}"), format!("Bearer {pair}"), format!("Token {key}")] {
        let answer = api.get("/v1/counts").header("authorization", &header).send().await;
        assert_eq!((answer.status, code(&answer)), (StatusCode::UNAUTHORIZED, "no_credentials"));
    }
    for (name, value) in [("x-api-key", secret.as_str()), ("cookie", &format!("key={secret}"))] {
        let answer = api.get("/v1/counts").header(name, value).send().await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}");
    }
}

/// What `docs/SECURITY.md` tells scanners, by the beginning of what it finds.
fn published() -> BTreeMap<&'static str, Regex> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/SECURITY.md");
    let text = fs::read_to_string(path).unwrap();
    let section = text.split("## For scanners of leaked secrets").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let patterns = ["dk_", "ds_"].map(|begins| {
        let of_it = |quoted: &&str| quoted.starts_with(&format!(r"\b{begins}"));
        let pattern = section.split('`').find(of_it);
        (begins, Regex::new(pattern.unwrap_or_else(|| panic!("{begins} in {section}"))).unwrap())
    });
    patterns.into()
}

#[test]
fn scanners_find_every_key_and_secret_by_the_published_pattern_and_nothing_near() {
    let published = published();
    for prefix in ["dk_live_", "dk_test_", "ds_live_", "ds_test_"] {
        let pattern = &published[&prefix[..3]];
        for _ in 0..TOKENS {
            let token = secrets::token(prefix);
            let token = token.expose();
            for line in [
                token.to_owned(),
                format!("DARKROOM_SECRET={token}"),
                format!("{{\"secret\":\"{token}\"}}"),
                format!("https://u:{token}@host/"),
                format!("two: {token}, and more"),
            ] {
                let found = pattern.find(&line).unwrap_or_else(|| panic!("{line}"));
                assert_eq!(found.as_str(), token);
            }
        }
        let token = secrets::token(prefix);
        let token = token.expose();
        let (head, body) = token.split_at(prefix.len());
        let others = published.iter().filter(|(begins, _)| !prefix.starts_with(**begins));
        assert!(others.into_iter().all(|(_, other)| !other.is_match(token)));
        for near in [
            token[..token.len() - 1].to_owned(),
            format!("{token}0"),
            format!("x{token}"),
            format!("{}{body}", head.to_uppercase()),
            format!("{}{body}", head.replace('_', "-")),
            format!("{}prod_{body}", &head[..3]),
            format!("{head}{}-{}", &body[..20], &body[21..]),
            format!("{head}{}é{}", &body[..20], &body[21..]),
            format!("{head} {body}"),
        ] {
            assert!(!pattern.is_match(&near), "{near}");
        }
        // What only looks like one is told by its check sum.
        let mut bytes = token.as_bytes().to_vec();
        for at in prefix.len()..token.len() {
            for other in b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" {
                let right = std::mem::replace(&mut bytes[at], *other);
                let text = std::str::from_utf8(&bytes).unwrap();
                assert!(pattern.is_match(text));
                assert_eq!(secrets::is_token(prefix, text), right == *other, "{text}");
                bytes[at] = right;
            }
        }
    }
}

#[tokio::test]
async fn a_scope_opens_its_own_routes_and_no_other() {
    let world = World::memory().await;
    let api = world.api("a").await;
    let routes = isolation::routes(&api).await;
    let mut wrong = Vec::new();
    for scope in Scope::ALL.iter().copied() {
        let only = |application: &mut domain::account::Application| {
            application.terms.scopes = Some([scope].into());
        };
        let holder = world.tenant_with(only).await;
        for route in &routes {
            let Some(needed) = route.scope else { continue };
            let path = route.about(&Uuid::new_v4().to_string());
            let ask = api.request(route.method.clone(), &path).by(&holder);
            let (status, body) = told(ask.body(fixtures::body(route))).await;
            let held = if needed == scope {
                ![StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status)
            } else {
                status == StatusCode::FORBIDDEN && body.contains(needed.name())
            };
            if !held {
                wrong.push(format!("{scope:?}: {} {}: {status} {body}", route.method, path));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_secret_that_is_nearly_right_is_refused_in_the_time_of_any_other() {
    const SAMPLES: usize = 250;
    let world = World::memory().await;
    let (api, owner) = (world.api("a").await, world.tenant().await);
    let last = owner.secret.len() - 1;
    let swapped = if owner.secret.ends_with('0') { "1" } else { "0" };
    let nearly = Tenant { secret: owner.secret[..last].to_owned() + swapped, ..owner.clone() };
    let another = Tenant { secret: world.tenant().await.secret, ..owner.clone() };
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..SAMPLES {
        for which in [round % 2, 1 - round % 2] {
            let began = Instant::now();
            let answer = api.get("/v1/counts").by([&nearly, &another][which]).send().await;
            times[which].push(began.elapsed().as_secs_f64());
            assert_eq!((answer.status, code(&answer)), (StatusCode::UNAUTHORIZED, "wrong_key"));
        }
    }
    let (apart, ratio) = (deviations(&times[0], &times[1]), median(&times[0]) / median(&times[1]));
    let close = (0.8..1.25).contains(&ratio);
    assert!(close || apart.abs() < MAX_DEVIATIONS, "{apart} deviations, ratio {ratio}");
}

/// Digests of secrets are compared by the one function that does not stop at the first difference.
#[test]
fn nothing_compares_secrets_but_what_takes_the_same_time_for_all() {
    let file = |path: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let text = fs::read_to_string(path).unwrap();
        text.split("#[cfg(test)]").next().unwrap().to_owned()
    };
    let auth = file("src/auth.rs");
    assert_eq!(auth.matches("secret_matches(&secret, digest)").count(), 1);
    for compares in ["secret ==", "== secret", "digest ==", "== digest", "== shown"] {
        assert!(!auth.contains(compares), "{compares}");
    }
    assert!(
        file("../../libs/custody/src/lib.rs")
            .contains("self.secrets.verify(secret.as_bytes(), &digest)")
    );
    assert!(file("../../libs/vault/src/digest.rs").contains("verify_slice(digest)"));
}
