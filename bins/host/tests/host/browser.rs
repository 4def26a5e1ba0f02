//! Pictures of web pages.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use domain::limits::Limits;
use enclave::hosted::{Fetch, FetchError, FetchRequest, Fetched, Page, Shot};
use serde_json::json;

use crate::{bytes_of, limits, nameless, workshop};

/// A small web, and who asked for what.
#[derive(Default)]
struct Web {
    pages: BTreeMap<&'static str, (&'static str, Vec<u8>)>,
    moved: BTreeMap<&'static str, &'static str>,
    asked: Mutex<Vec<FetchRequest>>,
}

impl Web {
    fn with(mut self, url: &'static str, kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        self.pages.insert(url, (kind, body.into()));
        self
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("asked").iter().map(|request| request.url.clone()).collect()
    }
}

#[async_trait]
impl Fetch for Web {
    async fn get(&self, request: FetchRequest) -> Result<Fetched, FetchError> {
        self.asked.lock().expect("asked").push(request.clone());
        if request.url.ends_with("/never") {
            std::future::pending::<()>().await;
        }
        let url = self.moved.get(request.url.as_str()).map_or(request.url, |url| (*url).to_owned());
        let (kind, body) = self.pages.get(url.as_str()).ok_or(FetchError::Unreachable)?;
        let content_type = Some((*kind).to_owned());
        let status = if url.ends_with("/gone") { 404 } else { 200 };
        Ok(Fetched { status, url, content_type, body: Bytes::from(body.clone()) })
    }
}

async fn shot(web: &Arc<Web>, page: Page, limits: &Limits) -> Shot {
    let fetch: Arc<dyn Fetch> = web.clone();
    workshop().screenshot(page, true, fetch, limits).await.expect("a picture")
}

struct Pixels(image::RgbImage);

impl Pixels {
    fn at(&self, x: u32, y: u32) -> [u8; 3] {
        self.0.get_pixel(x, y).0
    }

    fn size(&self) -> (u32, u32) {
        self.0.dimensions()
    }
}

fn pixels(file: File) -> Pixels {
    Pixels(image::load_from_memory(&bytes_of(file)).expect("a PNG").to_rgb8())
}

const RED: [u8; 3] = [255, 0, 0];
const GREEN: [u8; 3] = [0, 128, 0];
const BLUE: [u8; 3] = [0, 0, 255];

const PAGE: &str = r##"<!doctype html><html lang="en"><head><title>A page</title>
<meta name="description" content="Said about it">
<meta property="og:title" content="Open title"><meta property="og:image" content="https://a.example/og.png">
<meta name="twitter:card" content="summary">
<link rel="alternate" type="application/json+oembed" href="/oembed?x=1" title="Embed">
<link rel="canonical" href="https://a.example/canon">
<link rel="stylesheet" href="/style.css">
<style>*{margin:0} .a{height:1500px} img{position:absolute;left:600px;top:100px;width:100px;height:100px}</style>
</head><body><div class="a"></div><div style="height:500px;background:blue"></div>
<img src="dot.svg" alt="a dot"><script>document.body.style.background='red'</script></body></html>"##;

const DOT: &str = r#"<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9" fill="green"/></svg>"#;

#[tokio::test]
async fn a_page_is_pictured_with_what_it_loads_and_tells_about_itself() {
    let web = Web {
        moved: [("https://a.example/old", "https://a.example/x/page")].into(),
        ..Web::default()
    }
    .with("https://a.example/x/page", "text/html; charset=utf-8", PAGE)
    .with("https://a.example/style.css", "text/css", ".a{background:red}")
    .with("https://a.example/x/dot.svg", "image/svg+xml", DOT);
    let web = Arc::new(web);
    let shot = shot(&web, Page::Url("https://a.example/old".to_owned()), &limits()).await;
    let first = pixels(shot.viewport);
    assert_eq!(first.size(), (1_280, 1_024));
    assert_eq!(first.at(10, 10), RED);
    assert_eq!(first.at(650, 150), GREEN);
    let full = pixels(shot.full);
    assert_eq!((full.size(), shot.full_height), ((1_280, 2_000), 2_000));
    assert_eq!((full.at(10, 1_000), full.at(10, 1_900)), (RED, BLUE));
    assert_eq!(shot.url, "https://a.example/x/page");
    let said = shot.metadata;
    assert_eq!(said["title"], "A page");
    assert_eq!(said["description"], "Said about it");
    assert_eq!(said["language"], "en");
    assert_eq!(said["canonical"], "https://a.example/canon");
    assert_eq!(
        said["open_graph"],
        json!({ "title": "Open title", "image": "https://a.example/og.png" })
    );
    assert_eq!(said["twitter"], json!({ "card": "summary" }));
    assert_eq!(said["oembed"][0]["href"], "https://a.example/oembed?x=1");
    assert_eq!(said["images"][0]["url"], "https://a.example/x/dot.svg");
    let asked = web.asked();
    assert_eq!(asked[0], "https://a.example/old");
    assert!(asked.contains(&"https://a.example/style.css".to_owned()), "{asked:?}");
    assert!(!asked.contains(&"https://a.example/x/page".to_owned()), "not asked again: {asked:?}");
    assert!(web.asked.lock().expect("asked")[0].document);
}

#[tokio::test]
async fn what_the_provider_of_a_page_says_is_told_beside_its_link() {
    let web = Web {
        moved: [("https://a.example/old", "https://b.example/embed")].into(),
        ..Web::default()
    }
    .with("https://b.example/embed", "application/json", EMBED);
    let told = json!({
        "version": "1.0", "type": "video", "title": "A film", "provider_name": "Films",
        "thumbnail_url": "https://b.example/a.jpg", "thumbnail_width": 480,
    });
    assert_eq!(provider_says(web, "/old").await, Some(told));
}

#[tokio::test]
async fn what_is_no_answer_of_a_provider_leaves_the_link_alone() {
    let long = EMBED.replace("A film", &"f".repeat(80 << 10));
    for body in ["", "{", "[1]", "null", r#"{"type":"video"}"#, "<html>", &long] {
        let web = Web::default().with("https://a.example/embed", "application/json", body);
        assert_eq!(provider_says(web, "/embed").await, None, "{:.40}", body);
    }
    let gone = Web::default().with("https://a.example/gone", "application/json", EMBED);
    assert_eq!(provider_says(gone, "/gone").await, None, "an answer of an error");
    assert_eq!(provider_says(Web::default(), "/embed").await, None, "unreachable");
    assert_eq!(provider_says(Web::default(), "/never").await, None, "no answer in time");
}

#[tokio::test]
async fn a_provider_that_hangs_costs_no_page_its_pictures() {
    let page = "<div style='height:3000px'></div><img src=/never>\
                <link rel=alternate type=application/json+oembed href=/embed/never>";
    let web = Arc::new(Web::default().with("https://a.example/", "text/html", page));
    // Loading takes a third, what comes into sight three seconds: no three more are left.
    let short = Limits { hosted_wall_ms: 9_000, ..limits() };
    let shot = shot(&web, Page::Url("https://a.example/".to_owned()), &short).await;
    let link = &shot.metadata["oembed"][0];
    assert_eq!(
        (&link["href"], link.get("response")),
        (&json!("https://a.example/embed/never"), None)
    );
}

#[tokio::test]
async fn no_provider_is_asked_where_nobody_wants_to_know() {
    let page = "<link rel=alternate type=application/json+oembed href=/embed>";
    let web = Arc::new(Web::default().with("https://a.example/", "text/html", page));
    let (page, fetch) = (Page::Url("https://a.example/".to_owned()), web.clone());
    workshop().screenshot(page, false, fetch, &limits()).await.expect("a picture");
    assert_eq!(web.asked(), ["https://a.example/"]);
}

const EMBED: &str = r#"{"version":"1.0","type":"video","title":"A film","provider_name":"Films",
"html":"<iframe>","thumbnail_url":"https://b.example/a.jpg","thumbnail_width":"480"}"#;

/// What is told beside the link of a page that names this one.
async fn provider_says(web: Web, href: &str) -> Option<serde_json::Value> {
    let page = format!(
        "<title>p</title><link rel=alternate type=text/xml+oembed href=/xml>\
         <link rel=alternate type=application/json+oembed href={href}>"
    );
    let web = Arc::new(web.with("https://a.example/", "text/html", page));
    let shot = shot(&web, Page::Url("https://a.example/".to_owned()), &limits()).await;
    let asked = web.asked();
    assert_eq!(asked, ["https://a.example/".to_owned(), format!("https://a.example{href}")]);
    let link = |place: usize| shot.metadata.get("oembed").and_then(|links| links.get(place));
    assert_eq!(link(0).and_then(|link| link.get("response")), None);
    let link = link(1).expect("the link");
    assert_eq!(link["href"], format!("https://a.example{href}"));
    link.get("response").cloned()
}

#[tokio::test]
async fn a_file_of_html_is_pictured_and_lies_nowhere() {
    let html = nameless(b"<title>f</title><body style='background:blue'><img src=near.png><img src='https://b.example/i.svg'>");
    let web = Arc::new(Web::default().with("https://b.example/i.svg", "image/svg+xml", DOT));
    let shot = shot(&web, Page::Html(html), &limits()).await;
    assert_eq!(pixels(shot.viewport).at(1_200, 900), BLUE);
    assert_eq!((shot.url.as_str(), &shot.metadata["title"]), ("", &json!("f")));
    assert!(web.asked().contains(&"https://b.example/i.svg".to_owned()));
}

/// Boxes for letters that no font has are all the same.
#[tokio::test]
async fn a_page_has_letters_and_no_boxes_for_what_most_people_write() {
    const ROW: u32 = 60;
    const COLUMN: u32 = 400;
    let scripts = [
        ("中文文本", "天地玄黄"),
        ("あいうえ", "カキクケ"),
        ("한국어안", "녕하세요"),
        ("กขคง", "จฉชซ"),
        ("कखगघ", "चछजझ"),
        ("কখগঘ", "চছজঝ"),
        ("கஙசஞ", "டணதந"),
        ("🥑🦊🧩🦉", "🥝🧊🦄🧭"),
    ];
    let mut html = "<meta charset=utf-8><body style='font-size:32px'>".to_owned();
    for (top, (one, other)) in (0..).step_by(ROW as usize).zip(scripts) {
        for (left, text) in [(0, one), (COLUMN, other)] {
            html +=
                &format!("<p style='position:absolute;margin:0;top:{top}px;left:{left}px'>{text}");
        }
    }
    let shot = shot(&Arc::default(), Page::Html(nameless(html.as_bytes())), &limits()).await;
    let pixels = pixels(shot.viewport);
    for (top, (one, _)) in (0..).step_by(ROW as usize).zip(scripts) {
        let mut places = (top..top + ROW).flat_map(|y| (0..COLUMN).map(move |x| (x, y)));
        let differs = |(x, y)| pixels.at(x, y) != pixels.at(x + COLUMN, y);
        assert!(places.any(differs), "{one}");
    }
}

/// A listener on the loopback that must never be reached.
fn trap() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    listener.set_nonblocking(true).expect("set");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

#[tokio::test]
async fn a_page_gets_at_nothing_but_what_is_fetched_for_it() {
    let (listener, port) = trap();
    let html = format!(
        r#"<body style="background:green"><img src="file:///usr/share/pixmaps/debian-logo.png">
        <iframe src="file:///etc/passwd"></iframe><iframe src="http://127.0.0.1:{port}/frame"></iframe>
        <img src="http://127.0.0.1:{port}/img"><img src="ftp://127.0.0.1:{port}/x">
        <embed src="file:///usr/share/common-licenses/GPL-3"><object data="chrome://version"></object>
        <link rel="preconnect" href="http://127.0.0.1:{port}"><link rel="dns-prefetch" href="//c.example">
        <script>
          new WebSocket('ws://127.0.0.1:{port}/ws');
          fetch('http://127.0.0.1:{port}/fetch', {{method: 'POST', body: 'x'}}).catch(() => 0);
          navigator.sendBeacon('http://127.0.0.1:{port}/beacon', 'x');
          new EventSource('http://127.0.0.1:{port}/events');
          new RTCPeerConnection({{iceServers: [{{urls: 'stun:127.0.0.1:{port}'}}]}}).createDataChannel('x');
          new Worker(URL.createObjectURL(new Blob(["fetch('http://127.0.0.1:{port}/worker').catch(() => 0)"])));
          window.open('http://127.0.0.1:{port}/window');
        </script>"#
    );
    let web = Arc::new(Web::default());
    let shot = shot(&web, Page::Html(nameless(html.as_bytes())), &limits()).await;
    assert_eq!(pixels(shot.viewport).at(1_270, 1_010), GREEN);
    assert!(listener.accept().is_err(), "something reached the loopback");
    for url in web.asked() {
        assert!(url.starts_with("http"), "{url}");
        assert!(!url.ends_with("beacon"), "{url}: only GET is asked for");
    }
}

#[tokio::test]
async fn what_a_page_may_want_is_bounded_in_number_and_bytes() {
    let many = "<body style='background:green'><script>for (let i = 0; i < 90; i++) new Image().src = '/i' + i</script>";
    let web = Arc::new(Web::default().with("https://a.example/", "text/html", many));
    let few = Limits { page_requests: 5, ..limits() };
    shot(&web, Page::Url("https://a.example/".to_owned()), &few).await;
    assert_eq!(web.asked().len(), 5);
    let many = format!("<link type=application/json+oembed href=/embed>{many}");
    let web = Arc::new(Web::default().with("https://a.example/", "text/html", many));
    shot(&web, Page::Url("https://a.example/".to_owned()), &few).await;
    assert_eq!(web.asked().len(), 5, "what its provider says counts as well");

    let heavy = "<body style='background:green'><script src=/big.js></script>";
    let web = Web::default().with("https://a.example/", "text/html", heavy).with(
        "https://a.example/big.js",
        "text/javascript",
        format!("document.body.style.background='red';{}", " ".repeat(9_000)),
    );
    let light = Limits { page_bytes: 8_000, ..limits() };
    let shot = shot(&Arc::new(web), Page::Url("https://a.example/".to_owned()), &light).await;
    assert_eq!(pixels(shot.viewport).at(5, 5), GREEN);
}

#[tokio::test]
async fn a_tall_page_is_cut_and_a_page_that_never_rests_is_pictured_all_the_same() {
    let page = "<body style='margin:0;background:red'><div style='height:90000px'></div><script>setInterval(() => new Image().src = '/i' + Math.random(), 20)</script>";
    let web = Arc::new(Web::default().with("https://a.example/", "text/html", page));
    let short = Limits { page_height: 3_000, hosted_wall_ms: 15_000, ..limits() };
    let shot = shot(&web, Page::Url("https://a.example/".to_owned()), &short).await;
    assert_eq!((shot.full_height, pixels(shot.full).size().1), (3_000, 3_000));
}

#[tokio::test]
async fn what_loads_only_in_sight_is_in_the_picture_of_the_whole() {
    let page = "<style>*{margin:0}img{display:block}</style><div style='height:9000px'></div><img loading=lazy src=/late.svg width=50 height=50><div style='height:100vh'></div>";
    let web = Arc::new(Web::default().with("https://a.example/", "text/html", page).with(
        "https://a.example/late.svg",
        "image/svg+xml",
        DOT,
    ));
    let shot = shot(&web, Page::Url("https://a.example/".to_owned()), &limits()).await;
    assert_eq!(shot.full_height, 9_000 + 50 + 1_024);
    assert_eq!(pixels(shot.full).at(25, 9_025), GREEN);
}

#[tokio::test]
async fn a_page_that_cannot_be_had_says_so() {
    let web: Arc<dyn Fetch> = Arc::new(Web::default());
    let error = workshop()
        .screenshot(Page::Url("https://a.example/".to_owned()), true, web, &limits())
        .await;
    let error = error.expect_err("no page");
    assert!(
        matches!(error, enclave::hosted::HostedError::Document(FetchError::Unreachable)),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_page_that_never_lets_go_is_ended_by_the_clock() {
    let web = Arc::new(Web::default().with(
        "https://a.example/",
        "text/html",
        "<script>for(;;);</script>",
    ));
    let fetch: Arc<dyn Fetch> = web;
    let short = Limits { hosted_wall_ms: 3_000, ..limits() };
    let began = Instant::now();
    let page = Page::Url("https://a.example/".to_owned());
    let error = workshop().screenshot(page, true, fetch, &short).await.expect_err("it hangs");
    assert_eq!(error.code().name(), "renderer_timeout", "{error}");
    assert!(began.elapsed().as_secs() < 10);
}

#[tokio::test]
async fn a_page_that_wants_all_memory_gets_no_more_than_its_limit() {
    let greedy =
        "<script>const all = []; for (;;) all.push(new Uint8Array(1 << 24).fill(7));</script>";
    let web = Arc::new(Web::default().with("https://a.example/", "text/html", greedy));
    let small = Limits { hosted_memory_bytes: 384 << 20, hosted_wall_ms: 30_000, ..limits() };
    let page = Page::Url("https://a.example/".to_owned());
    match workshop().screenshot(page, true, web, &small).await {
        // The script is refused more and stops, or the browser ends over it.
        Ok(shot) => assert_eq!(shot.full_height, 1_024),
        Err(error) => {
            let code = error.code().name();
            assert!(["renderer_memory", "renderer_crashed"].contains(&code), "{error}");
        }
    }
}
