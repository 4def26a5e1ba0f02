//! What a renderer may say, and that no frame brings the worker down.

use std::collections::BTreeMap;

use domain::limits::Limits;
use domain::size::Size;
use domain::wish::{Extra, PreviewWish};
use proptest::prelude::*;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use serde_json::{Map, Value, json};

use super::*;
use crate::frame::{Vocabulary as _, encode};
use crate::message::Stage;

fn sealed(bytes: &[u8]) -> OwnedFd {
    let file = memfd_create("x", MemfdFlags::ALLOW_SEALING).expect("a memory file");
    rustix::io::write(&file, bytes).expect("written");
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW;
    fcntl_add_seals(&file, seals).expect("sealed");
    file
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    [&head[..], &width.to_be_bytes(), &height.to_be_bytes()].concat()
}

fn tally(extras: &[Extra], metadata: &[MetadataKind]) -> Tally {
    let mut wish = PreviewWish {
        sizes: vec![Size::parse(&json!("20x10")).expect("a size")],
        ..PreviewWish::default()
    };
    wish.options.extras = extras.iter().copied().collect();
    wish.metadata = metadata.iter().copied().collect();
    let mut tally = Tally::new(RenderJob { wish, source_bytes: 9, limits: Limits::default() });
    let sniffed = json!({ "media_type": "a/b", "extension": "b", "encoding": "binary" });
    say(&mut tally, Kind::Sniffed, &sniffed, None).expect("taken");
    tally
}

fn opened(extras: &[Extra], metadata: &[MetadataKind]) -> Tally {
    let mut tally = tally(extras, metadata);
    say(&mut tally, Kind::Pages, &json!({ "total": 1 }), None).expect("taken");
    tally
}

fn say(
    tally: &mut Tally,
    kind: Kind,
    message: &Value,
    file: Option<&[u8]>,
) -> Result<Said, RenderError> {
    let frame = encode(kind, message).expect("short");
    let body = frame.get(crate::frame::HEADER_BYTES..).expect("a body");
    tally.take(kind, body, file.map(sealed))
}

fn made(role: &str, page: u32, format: &str, (width, height): (u32, u32)) -> Value {
    json!({
        "role": role, "page": page, "size_index": 0, "format": format,
        "width": width, "height": height, "original_width": 40, "original_height": 20,
    })
}

fn done() -> Value {
    json!({ "metadata": {}, "engines": {}, "cpu_ms": 1, "peak_bytes": 1 })
}

#[allow(clippy::needless_pass_by_value, reason = "what was said is asked about once")]
fn is_lie(said: Result<Said, RenderError>) -> bool {
    matches!(said, Err(RenderError::Failed { code: FailureCode::RendererCrashed, .. }))
}

#[test]
fn an_extra_is_taken_once_and_only_if_it_was_asked_for() {
    let cues = b"WEBVTT\n\n00:00.000 --> 00:01.000\nstoryboard.png#xywh=0,0,1,1\n";
    let mut tally = opened(&[Extra::Storyboard, Extra::Layers], &[]);
    let sprite = made("storyboard", 1, "png", (6, 3));
    assert!(say(&mut tally, Kind::Artifact, &sprite, Some(&png(6, 3))).is_ok());
    assert!(is_lie(say(&mut tally, Kind::Artifact, &sprite, Some(&png(6, 3)))), "twice");
    let second = made("storyboard", 2, "png", (6, 3));
    assert!(is_lie(say(&mut tally, Kind::Artifact, &second, Some(&png(6, 3)))));
    let listed = made("storyboard_cues", 1, "vtt", (0, 0));
    assert!(say(&mut tally, Kind::Artifact, &listed, Some(cues)).is_ok());
    for layer in [1, 2, MAX_LAYERS] {
        let layer = made("layer", layer, "png", (6, 3));
        assert!(say(&mut tally, Kind::Artifact, &layer, Some(&png(6, 3))).is_ok());
    }
    for other in [
        made("layer", MAX_LAYERS + 1, "png", (6, 3)),
        made("layer", 3, "json", (6, 3)),
        made("clip", 1, "mp4", (6, 3)),
        made("animation", 1, "png", (6, 3)),
        made("contact_sheet", 1, "png", (6, 3)),
    ] {
        assert!(is_lie(say(&mut tally, Kind::Artifact, &other, Some(&png(6, 3)))), "{other}");
    }
    assert!(is_lie(say(&mut tally, Kind::Done, &done(), None)), "the rendition is missing");
    let rendition = made("rendition", 1, "png", (20, 10));
    assert!(say(&mut tally, Kind::Artifact, &rendition, Some(&png(20, 10))).is_ok());
    assert!(matches!(say(&mut tally, Kind::Done, &done(), None), Ok(Said::Done(_))));
}

#[test]
fn a_picture_cannot_pass_for_another() {
    let mut tally = opened(&[Extra::Peaks, Extra::Clip], &[]);
    let peaks = made("peaks", 1, "json", (0, 0));
    assert!(is_lie(say(&mut tally, Kind::Artifact, &peaks, Some(b"<script>"))));
    let clip = made("clip", 1, "mp4", (6, 3));
    assert!(is_lie(say(&mut tally, Kind::Artifact, &clip, Some(&png(6, 3)))));
    let wide = made("rendition", 1, "png", (21, 10));
    assert!(is_lie(say(&mut tally, Kind::Artifact, &wide, Some(&png(21, 10)))));
    let unlike = made("rendition", 1, "mp4", (20, 10));
    assert!(is_lie(say(&mut opened(&[], &[]), Kind::Artifact, &unlike, Some(&png(20, 10)))));
}

#[test]
fn a_page_is_read_once_and_only_if_that_was_asked_for() {
    let page = |page: u32| json!({ "page": page, "width": 6, "height": 3 });
    let mut unasked = opened(&[], &[MetadataKind::Exif]);
    assert!(is_lie(say(&mut unasked, Kind::OcrPage, &page(1), Some(&png(6, 3)))));
    let mut tally = opened(&[], &[MetadataKind::Ocr]);
    assert!(is_lie(say(&mut tally, Kind::OcrPage, &page(1), None)));
    assert!(is_lie(say(&mut tally, Kind::OcrPage, &page(2), Some(&png(6, 3)))));
    let said = say(&mut tally, Kind::OcrPage, &page(1), Some(&png(6, 3)));
    assert!(matches!(said, Ok(Said::Event(RenderEvent::PageToRead(PageToRead { page: 1, .. })))));
    assert!(is_lie(say(&mut tally, Kind::OcrPage, &page(1), Some(&png(6, 3)))));
}

#[test]
fn a_job_is_handed_over_before_it_is_drawn_or_not_at_all() {
    let metadata = json!({ "document": { "title": "A" } });
    let so_far = |metadata: &Value| {
        json!({ "to": "office", "so_far": {
            "metadata": metadata, "engines": {}, "cpu_ms": 1, "peak_bytes": 1,
        } })
    };
    let kinds = [MetadataKind::Document];
    match say(&mut tally(&[], &kinds), Kind::Handover, &so_far(&metadata), None) {
        Ok(Said::Handover(Handover { to: Stage::Office, so_far })) => {
            assert_eq!(Value::Object(so_far.metadata), metadata);
        }
        other => panic!("{other:?}"),
    }
    assert!(is_lie(say(&mut opened(&[], &kinds), Kind::Handover, &so_far(&metadata), None)));
    assert!(is_lie(say(&mut tally(&[], &[]), Kind::Handover, &so_far(&metadata), None)));
    let nobody = json!({ "to": "dispatcher", "so_far": done() });
    assert!(is_lie(say(&mut tally(&[], &[]), Kind::Handover, &nobody, None)));
}

#[test]
fn metadata_that_nobody_asked_for_is_a_lie() {
    let mut tally = opened(&[], &[MetadataKind::Exif]);
    let rendition = made("rendition", 1, "png", (20, 10));
    assert!(say(&mut tally, Kind::Artifact, &rendition, Some(&png(20, 10))).is_ok());
    let with = |metadata: Value| {
        let engines: BTreeMap<String, String> = BTreeMap::new();
        json!({ "metadata": metadata, "engines": engines, "cpu_ms": 1, "peak_bytes": 1 })
    };
    let unasked = with(json!({ "psd": {} }));
    assert!(is_lie(say(&mut tally, Kind::Done, &unasked, None)));
    let asked = with(Value::Object(Map::from_iter([("exif".to_owned(), json!({ "a": 1 }))])));
    assert!(say(&mut tally, Kind::Done, &asked, None).is_ok());
}

fn message() -> impl Strategy<Value = Value> {
    let number = prop_oneof![Just(0_u64), Just(1), Just(20), 0..5_000_u64, any::<u64>()];
    let role = prop_oneof!["rendition", "layer", "clip", "peaks", "storyboard_cues", "[a-z]{0,9}"];
    let format = prop_oneof!["jpg", "png", "webp", "avif", "gif", "mp4", "vtt", "json", "svg"];
    let to = prop_oneof!["av", "office", "browser", "[a-z]{0,4}"];
    (proptest::collection::vec(number, 8), role, format, to, ".{0,20}").prop_map(
        |(numbers, role, format, to, text)| {
            let n = |at: usize| numbers.get(at).copied().unwrap_or_default();
            let so_far = json!({ "metadata": { &text: [&text] }, "engines": { &text: &text },
                                 "cpu_ms": n(0), "peak_bytes": n(1) });
            let mut all = so_far.clone();
            all["role"] = json!(role);
            all["page"] = json!(n(2));
            all["size_index"] = json!(n(3));
            all["width"] = json!(n(4));
            all["height"] = json!(n(5));
            all["original_width"] = json!(n(6));
            all["original_height"] = json!(n(7));
            all["format"] = json!(format);
            all["total"] = json!(n(0));
            all["to"] = json!(to);
            all["so_far"] = so_far;
            all["media_type"] = json!(text);
            all["extension"] = json!(text);
            all["encoding"] = json!(text);
            all["code"] = json!(format!("{to}_{role}"));
            all["detail"] = json!(text);
            all
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_frame_brings_the_worker_down(
        messages in proptest::collection::vec((0..Kind::ALL.len(), message()), 1..6),
        bytes in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut tally = opened(&Extra::ALL, &MetadataKind::ALL);
        for (kind, message) in messages {
            let kind = Kind::ALL[kind];
            let Ok(frame) = encode(kind, &message) else { continue };
            let file = kind.has_descriptor().then_some(bytes.as_slice());
            let _ = tally.take(kind, &frame[crate::frame::HEADER_BYTES..], file.map(sealed));
            let _ = tally.take(kind, &bytes, None);
        }
        prop_assert!(tally.output_bytes <= Limits::default().output_bytes);
    }
}
