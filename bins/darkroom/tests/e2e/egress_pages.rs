//! What a page of a stranger asks for goes the same way as whatever a stranger names: in an internet
//! where every address answers, what counts is who was called.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use serde_json::json;
use testkit::{Call, Internet, Question, Record, Stack, pictures};

use crate::jobs;

const PUBLIC: Ipv4Addr = Ipv4Addr::new(93, 184, 215, 14);
/// Public as well, named by its number alone.
const NUMBERED: Ipv4Addr = Ipv4Addr::new(93, 184, 215, 15);
/// What the page asks for and must not get.
const FORBIDDEN: [&str; 10] = [
    "http://127.0.0.1/a.png",
    "http://127.0.0.1:8080/a.png",
    "http://localhost/a.png",
    "http://169.254.169.254/latest/meta-data/",
    "http://[::1]/a.png",
    "http://[::ffff:10.0.0.1]/a.png",
    "http://0x7f000001/a.png",
    "http://192.168.0.1/a.png",
    "http://private.test/a.png",
    "http://public.test/to-metadata",
];

/// A page whose provider answers, and what that answers.
const FILM: &str = "<!doctype html><title>Film</title>\
    <link type='application/json+oembed' href='http://public.test/embed#film'>";
const EMBED: &str =
    r#"{"version":"1.0","type":"video","title":"A film","html":"<iframe>","width":640}"#;

fn zone(question: &Question<'_>) -> Option<Vec<Record>> {
    let addresses = |all: &[IpAddr]| Some(all.iter().copied().map(Record::Address).collect());
    match question.name {
        "public.test" => addresses(&[PUBLIC.into()]),
        "private.test" => addresses(&[Ipv4Addr::new(10, 0, 0, 1).into()]),
        _ => None,
    }
}

/// Asks for each address in many ways.
fn page() -> String {
    let mut page = format!(
        "<!doctype html><title>Guests</title><img src='http://{NUMBERED}/a.png'><img src='/a.png'>\
         <link type='application/json+oembed' href='http://public.test/to-metadata'>"
    );
    for url in FORBIDDEN {
        page += &format!(
            "<img src='{url}'><iframe src='{url}'></iframe><script src='{url}'></script>\
             <link rel=stylesheet href='{url}'><p style='background: url({url})'>x</p>\
             <script>fetch('{url}', {{ mode: 'no-cors' }}).catch(() => 0)</script>"
        );
    }
    page
}

fn answers(call: &Call) -> Vec<u8> {
    let (head, body) = match call.path() {
        "/page" => ("200 OK\r\nContent-Type: text/html", page().into_bytes()),
        "/film" => ("200 OK\r\nContent-Type: text/html", FILM.into()),
        "/embed" => ("200 OK\r\nContent-Type: application/json", EMBED.into()),
        "/to-metadata" => ("302 Found\r\nLocation: http://169.254.169.254/", Vec::new()),
        _ => ("200 OK\r\nContent-Type: image/jpeg", pictures::PHOTOGRAPH.to_vec()),
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    [head.into_bytes(), body].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_page_asks_for_leads_to_a_forbidden_address() {
    const NAME: &str = "egress_pages::nothing_that_a_page_asks_for_leads_to_a_forbidden_address";
    let Some(internet) = Internet::enter(NAME, &[], zone, answers).await else { return };
    let stack = Stack::start(1, &[], &[("DARKROOM__RETRY__ATTEMPTS", "1")]).await;
    let caller = stack.caller(0);
    let wish = json!({
        "url": "http://public.test/page",
        "sizes": ["300x300"],
        "metadata": ["webpage"],
    });
    let id = jobs::wish(&caller, &wish).await;
    let body = jobs::ended(&caller, &id).await;
    assert_eq!(body["status"], "success", "{body}");
    let said = &body["original_file"]["metadata"]["webpage"];
    assert_eq!(said["title"], "Guests", "{body}");
    let links = said["oembed"].as_array().expect("links");
    assert_eq!(links.len(), 1, "{body}");
    assert_eq!(links[0].get("response"), None, "{body}");
    let wish = json!({
        "url": "http://public.test/film",
        "sizes": ["300x300"],
        "metadata": ["webpage"],
    });
    let id = jobs::wish(&caller, &wish).await;
    let body = jobs::ended(&caller, &id).await;
    let response = &body["original_file"]["metadata"]["webpage"]["oembed"][0]["response"];
    let told = json!({ "version": "1.0", "type": "video", "title": "A film", "width": 640 });
    assert_eq!(response, &told, "{body}");
    let reached: BTreeSet<_> = internet.reached().into_iter().collect();
    assert_eq!(reached, [PUBLIC, NUMBERED].map(|address| (address, 80).into()).into());
}
