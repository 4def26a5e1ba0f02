//! The console's files: how they are served, kept and fenced in; and what members ask for with it.

use bytes::Bytes;
use domain::scope::Role;
use http::{Method, StatusCode, response::Parts};
use http_body_util::BodyExt as _;
use serde_json::json;

use crate::{
    people::Home,
    stage::{Ask, Running, World},
};

/// The answer as it is, whatever it is.
async fn whole(ask: Ask) -> (Parts, Bytes) {
    let (parts, body) = ask.open().await.into_parts();
    (parts, body.collect().await.unwrap().to_bytes())
}

async fn page(api: &Running) -> String {
    let (parts, body) = whole(api.get("/console/")).await;
    assert_eq!(parts.status, StatusCode::OK);
    String::from_utf8(body.to_vec()).unwrap()
}

/// Everything that a text loads: what stands in quotes and begins like the folder of the files.
fn loads(page: &str) -> Vec<String> {
    let paths = page.split('"').filter(|text| text.starts_with("/console/"));
    paths.map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn every_address_of_a_page_shows_the_page_and_asks_for_it_again_each_time() {
    let api = World::memory().await.api("a").await;
    let first = page(&api).await;
    for address in ["/console", "/console/jobs", "/console/jobs/7", "/console/join"] {
        let (parts, body) = whole(api.get(address)).await;
        assert_eq!((parts.status, &body[..]), (StatusCode::OK, first.as_bytes()), "{address}");
        assert_eq!(parts.headers["content-type"], "text/html; charset=utf-8");
        assert_eq!(parts.headers["cache-control"], "no-cache");
        let tag = parts.headers["etag"].to_str().unwrap().to_owned();
        for (shown, status) in [
            (tag.clone(), StatusCode::NOT_MODIFIED),
            (format!("\"other\", W/{tag}"), StatusCode::NOT_MODIFIED),
            ("\"other\"".to_owned(), StatusCode::OK),
        ] {
            let (parts, body) = whole(api.get(address).header("if-none-match", &shown)).await;
            assert_eq!(parts.status, status, "{shown}");
            assert_eq!(body.is_empty(), status == StatusCode::NOT_MODIFIED);
            assert_eq!(parts.headers["etag"], tag);
        }
    }
}

#[tokio::test]
async fn what_a_page_loads_is_there_and_is_kept_for_ever() {
    let api = World::memory().await.api("a").await;
    let files = loads(&page(&api).await);
    assert!(files.len() > 10, "{files:?}");
    for file in &files {
        let (parts, body) = whole(api.get(file)).await;
        assert_eq!(parts.status, StatusCode::OK, "{file}");
        assert_eq!(parts.headers["cache-control"], "public, max-age=31536000, immutable");
        assert!(!body.is_empty());
        let (head, nothing) = whole(api.request(Method::HEAD, file)).await;
        assert_eq!((head.status, nothing.len()), (StatusCode::OK, 0));
        for name in ["content-type", "etag", "content-security-policy"] {
            assert_eq!(head.headers[name], parts.headers[name], "{file}");
        }
        assert_eq!(head.headers["content-length"], body.len().to_string());
    }
    let another = World::memory().await.api("a").await;
    assert_eq!(loads(&page(&another).await), files, "every replica names them alike");
}

#[tokio::test]
async fn nothing_runs_or_loads_in_a_page_but_files_of_ours_and_the_bucket() {
    let api = World::memory().await.api("a").await;
    let file = loads(&page(&api).await).pop().unwrap();
    for path in ["/console/", &file] {
        let (parts, _) = whole(api.get(path)).await;
        let policy = parts.headers["content-security-policy"].to_str().unwrap();
        let mut said: Vec<&str> = policy.split("; ").collect();
        said.sort_unstable();
        assert_eq!(
            said,
            [
                "base-uri 'none'",
                "connect-src 'self' http://127.0.0.1:1",
                "default-src 'none'",
                "form-action 'self'",
                "frame-ancestors 'none'",
                "img-src 'self' blob: data: http://127.0.0.1:1",
                "media-src 'self' http://127.0.0.1:1",
                "require-trusted-types-for 'script'",
                "script-src 'self'",
                "style-src 'self'",
                "trusted-types 'none'",
            ]
        );
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(parts.headers[name], value, "{path}");
        }
        assert!(parts.headers.contains_key("strict-transport-security"));
        assert!(parts.headers["permissions-policy"].to_str().unwrap().contains("camera=()"));
        assert!(!parts.headers.contains_key("set-cookie"));
    }
    // What is not of the console says what it always said.
    let plain = api.get("/v1/log").send().await;
    let expected = "default-src 'none'; frame-ancestors 'none'";
    assert_eq!(plain.headers["content-security-policy"], expected);
}

#[tokio::test]
async fn what_is_no_file_of_the_console_is_not_found() {
    let api = World::memory().await.api("a").await;
    let file = loads(&page(&api).await).pop().unwrap();
    let (folder, _) = file.rsplit_once('/').unwrap();
    for path in [
        "/console/main.js",
        "/console/0123456789abcdef01234567/main.js",
        "/console/nowhere",
        "/console/jobs/7/8",
        "/console/../v1/jobs",
        "/console/%2e%2e/Cargo.toml",
        "/consoles",
        &format!("{folder}/"),
        &format!("{folder}/nothing.js"),
        &format!("{folder}/../main.js"),
        &format!("{folder}/index.html"),
    ] {
        let answer = api.get(path).send().await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.body["code"], "no_such_path", "{path}");
    }
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let answer = api.request(method.clone(), "/console/").send().await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(answer.headers["allow"], "GET, HEAD");
    }
    let document = api.get("/openapi.json").send().await.body;
    let paths = document["paths"].as_object().unwrap();
    assert!(!paths.keys().any(|path| path.starts_with("/console")), "it is no part of the API");
}

#[tokio::test]
async fn a_browser_at_the_root_is_led_to_the_console_and_a_program_is_not() {
    let api = World::memory().await.api("a").await;
    let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let browser = api.get("/").header("accept", accept).send().await;
    assert_eq!(browser.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.headers["location"], "/console/");
    let program = api.get("/").header("accept", "*/*").send().await;
    assert_eq!(program.status, StatusCode::OK);
    let console = program.body["links"]["console"].as_str().unwrap();
    assert!(console.ends_with("/console/"), "{console}");
}

#[tokio::test]
async fn a_member_asks_for_a_preview_in_the_name_of_a_key_pair() {
    let home = Home::new().await;
    let (tenant, other) = (home.tenant.clone(), home.world.tenant().await);
    let wish = json!({ "url": "https://example.com/a.jpg" }).to_string();
    let person = home.person("a@example.com", Role::Member).await;
    let ask = |path: &str| home.by(&person, Method::POST, path).body(wish.clone());
    let made = ask("/v2/previews").send().await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let id = made.body["id"].as_str().unwrap();
    let job = home.get(&person, &format!("/v1/jobs/{id}")).await.body;
    assert_eq!(job["application"], tenant.application.to_string());

    let named = format!("/v2/previews?application={}", tenant.application);
    assert_eq!(ask(&named).send().await.status, StatusCode::CREATED);
    for odd in [other.application.to_string(), "7".to_owned()] {
        let refused = ask(&format!("/v2/previews?application={odd}")).send().await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{}", refused.body);
    }
    let auditor = home.person("b@example.com", Role::Auditor).await;
    let refused = home.by(&auditor, Method::POST, "/v2/previews").body(wish.clone()).send().await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let foreign = home.api.request(Method::POST, "/v2/previews").body(wish.clone());
    let foreign = foreign.header("cookie", &person.cookie).header("origin", "https://evil.example");
    assert_eq!(foreign.send().await.status, StatusCode::FORBIDDEN);

    home.world.revoke(&tenant).await;
    let refused = ask("/v2/previews").send().await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.body);
}
