//! The `/v2` body, key by key.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    Capability, FailureCode,
    account::FailureWord,
    filepreviews::{Opened, Style, body},
    id::JobId,
    job::{Event, Job, Jobs, Kind, Requested},
    wish::{MetadataKind, PreviewWish},
};
use serde_json::{Value, json};

use crate::make::{artifact, at, completed, fetched, requested, worker};

fn asked(metadata: &[MetadataKind]) -> Requested {
    let mut asked = requested("f");
    let wish =
        PreviewWish { metadata: metadata.iter().copied().collect(), ..PreviewWish::default() };
    asked.kind = Kind::Preview { wish };
    asked
}

fn job(events: &[Event]) -> Job {
    let state = domain::aggregate::fold::<Jobs>(events.iter().map(|event| (event, at(0))));
    state.job().unwrap().clone()
}

fn answer(events: &[Event], word: FailureWord) -> Value {
    let opened = Opened {
        file_name: Some("holiday.photo.JPG".to_owned()),
        user_data: Some(json!({ "id": 7 })),
        metadata: json!({ "exif": { "Make": "Acme" } }).as_object().cloned(),
        urls: BTreeMap::from([("page-1_0.jpg".to_owned(), "https://b/1.jpg".to_owned())]),
    };
    let style = Style { public_url: "https://api".to_owned(), failure_word: word };
    let id = JobId::derived(Default::default(), b"j");
    serde_json::to_value(body(id, &job(events), &opened, &style)).unwrap()
}

fn done(metadata: &[MetadataKind]) -> Vec<Event> {
    vec![
        Event::Requested(asked(metadata)),
        Event::Started { attempt: 1, worker: worker(1) },
        Event::Fetched(fetched()),
        Event::Stored { artifact: Box::new(artifact(1, 0)) },
        Event::Wiped { bytes: 1 },
        Event::Completed(completed()),
    ]
}

#[test]
fn a_pending_job_has_seven_keys() {
    let answer = answer(&done(&[])[..1], FailureWord::Failure);
    let keys: BTreeSet<&str> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    let seven = ["id", "url", "status", "preview", "thumbnails", "original_file", "user_data"];
    assert_eq!(keys, BTreeSet::from(seven));
    assert_eq!(answer["status"], "pending");
    assert_eq!(answer["preview"], Value::Null);
    assert_eq!(answer["thumbnails"], Value::Null);
    assert_eq!(answer["original_file"], Value::Null);
}

#[test]
fn a_finished_job_shows_its_renditions_and_file() {
    let answer = answer(&done(&[]), FailureWord::Failure);
    assert_eq!(answer["status"], "success");
    assert_eq!(answer["preview"], answer["thumbnails"][0]);
    assert_eq!(
        answer["preview"],
        json!({
            "page": 1, "size": { "width": "200", "height": "150" },
            "original_size": { "width": "400", "height": "300" },
            "resized": true, "url": "https://b/1.jpg", "requested_size": "200x200",
        })
    );
    assert_eq!(
        answer["original_file"],
        json!({
            "name": "holiday.photo", "extension": "JPG", "size": 2048, "total_pages": 1,
            "mimetype": "image/jpeg", "type": "image", "encoding": "binary", "metadata": null,
        })
    );
    assert_eq!(answer["user_data"], json!({ "id": 7 }));
    assert!(answer.get("error").is_none());
}

#[test]
fn metadata_asked_for_has_a_key_for_every_kind() {
    let answer = answer(&done(&[MetadataKind::Exif, MetadataKind::Checksum]), FailureWord::Failure);
    let metadata = &answer["original_file"]["metadata"];
    assert_eq!(metadata["exif"]["Make"], "Acme");
    assert_eq!(metadata["checksum"], "d4".repeat(16));
    assert_eq!(metadata["checksums"]["sha256"], "5e".repeat(32));
    for kind in ["ocr", "psd", "multimedia", "webpage", "raw", "sketch"] {
        assert_eq!(metadata[kind], Value::Null, "{kind}");
        assert!(metadata.as_object().unwrap().contains_key(kind), "{kind}");
    }
}

#[test]
fn a_failed_job_says_why_in_the_word_its_application_expects() {
    let mut events = done(&[])[..2].to_vec();
    let code = FailureCode::SourceNotFound;
    events.push(Event::Wiped { bytes: 0 });
    events.push(Event::Failed { attempts: 1, code, capability: None, detail: None });
    let failed = answer(&events, FailureWord::Failure);
    assert_eq!(failed["status"], "failure");
    assert_eq!(failed["error"], json!({ "message": code.text(), "code": "source_not_found" }));
    assert_eq!(answer(&events, FailureWord::Error)["status"], "error");
}

#[test]
fn a_job_that_needs_a_part_that_is_not_there_says_which() {
    for capability in Capability::ALL {
        let mut events = done(&[])[..2].to_vec();
        let code = FailureCode::CapabilityMissing;
        events.push(Event::Wiped { bytes: 0 });
        let missing = Some(capability);
        events.push(Event::Failed { attempts: 1, code, capability: missing, detail: None });
        let error = answer(&events, FailureWord::Failure)["error"].clone();
        let name = capability.name();
        assert_eq!(error["capability"], name);
        assert!(error["message"].as_str().unwrap().ends_with(&format!(": {name}.")), "{error}");
    }
}
