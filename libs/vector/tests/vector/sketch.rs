//! Sketch files: the picture that the program left, and the names of what is in it.

use std::io::{Cursor, Write};

use domain::limits::Limits;
use domain::wish::MetadataKind::{Exif, Sketch};
use filetype::Kind;
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::svg::png;
use crate::{Job, wide};

fn sketch(parts: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut file = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in parts {
        file.start_file(*name, SimpleFileOptions::default()).expect("memory");
        file.write_all(bytes).expect("memory");
    }
    file.finish().expect("memory").into_inner()
}

fn part(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).expect("JSON")
}

fn whole() -> Vec<u8> {
    let layer = |id: &str, width: f64| json!({ "_class": "artboard", "do_objectID": id, "frame": { "width": width, "height": 2.5 } });
    sketch(&[
        ("previews/preview.png", png(40, 20)),
        (
            "meta.json",
            part(&json!({
                "app": "com.bohemiancoding.sketch3",
                "appVersion": "99\n.1",
                "version": 146,
                "pagesAndArtboards": {
                    "B": { "name": "Second", "artboards": {} },
                    "A": { "name": "First", "artboards": { "x": { "name": "Home" }, "y": { "name": "About" } } },
                },
            })),
        ),
        (
            "document.json",
            part(&json!({ "pages": [{ "_ref": "pages/A" }, { "_ref": "pages/B" }] })),
        ),
        ("pages/A.json", part(&json!({ "layers": [layer("x", 320.0), layer("z", 1.0)] }))),
        ("pages/B.json", b"not JSON".to_vec()),
    ])
}

#[test]
fn the_composite_is_drawn_and_pages_are_told() {
    let job = Job::of(Kind::Sketch).sizes(&[wide(20)]).metadata(&[Sketch, Exif]);
    let (basket, drawn) = job.draw(&whole()).unwrap();
    assert_eq!(basket.total, Some(1));
    let made = &basket.made[0];
    assert_eq!((made.original, made.dimensions), ((40, 20), (20, 10)));
    assert_eq!(made.at(5, 5), [255, 0, 0, 255]);
    let told = json!({
        "app": "com.bohemiancoding.sketch3",
        "app_version": "99 .1",
        "version": 146,
        "pages": [
            { "name": "First", "artboards": [
                { "name": "Home", "width": 320.0, "height": 2.5 },
                { "name": "About" },
            ] },
            { "name": "Second", "artboards": [] },
        ],
    });
    assert_eq!(drawn.metadata, json!({ "sketch": told }).as_object().unwrap().clone());
}

#[test]
fn only_some_of_very_many_artboards_are_told() {
    let artboards: Value = (0..2_000)
        .map(|number| (format!("{number}"), json!({ "name": "x".repeat(200) })))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let meta = json!({ "pagesAndArtboards": { "A": { "name": "All", "artboards": artboards } } });
    let file = sketch(&[("previews/preview.png", png(9, 9)), ("meta.json", part(&meta))]);
    let limits = Limits { metadata_bytes: 16 << 10, ..Limits::default() };
    let told = Job::of(Kind::Sketch).limits(limits).metadata(&[Sketch]).told(&file, Sketch);
    assert_eq!(told["truncated"], json!(true));
    assert!(told.to_string().len() < 16 << 10);
}

#[test]
fn a_file_without_its_composite_is_unsupported_and_a_damaged_one_corrupt() {
    let job = Job::of(Kind::Sketch);
    assert_eq!(job.failure(&sketch(&[("document.json", part(&json!({})))])), "unsupported");
    let other = sketch(&[("previews/preview.png", b"%PDF-1.7".to_vec())]);
    assert_eq!(job.failure(&other), "corrupt");
    let whole = whole();
    assert_eq!(job.failure(&whole[..whole.len() / 2]), "corrupt");
    assert_eq!(job.failure(b"PK\x03\x04"), "corrupt");
}

#[test]
fn parts_that_unpack_to_too_much_are_refused() {
    let job = Job::of(Kind::Sketch).metadata(&[Sketch]);
    let bomb =
        |name: &str, bytes: Vec<u8>| sketch(&[("previews/preview.png", png(9, 9)), (name, bytes)]);
    assert_eq!(job.failure(&bomb("meta.json", vec![b' '; 8 << 20])), "expands_too_much");
    let names: Vec<String> = (0..50).map(|number| format!("pages/{number}.json")).collect();
    let mut parts = vec![("previews/preview.png", png(9, 9))];
    parts.extend(names.iter().map(|name| (name.as_str(), Vec::new())));
    let limits = Limits { entries: 20, ..Limits::default() };
    let many = sketch(&parts);
    assert_eq!(Job::of(Kind::Sketch).limits(limits).failure(&many), "expands_too_much");
    // A directory that says less than what comes out.
    let mut lying = bomb("meta.json", vec![b' '; 500_000]);
    let size = 500_000_u32.to_le_bytes();
    for at in 0..lying.len() - 4 {
        if lying[at..at + 4] == size {
            lying[at..at + 4].copy_from_slice(&9_u32.to_le_bytes());
        }
    }
    assert!(["none", "corrupt"].contains(&job.failure(&lying).as_str()));
}
