//! Values for tests.

use std::collections::BTreeMap;

use domain::{
    Capability, FailureCode, Sealed, Timestamp,
    id::{ApplicationId, JobId, UploadId, WorkerId},
    job::{
        Artifact, Attempt, Claim, Completed, Durations, Event, Fetched, Kind, Receipt, Requested,
        Role, StoredIn,
    },
    wish::PreviewWish,
};
use serde_json::json;

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

pub(crate) fn sealed(text: &str) -> Sealed {
    Sealed::from_envelope(text.to_owned())
}

pub(crate) fn worker(number: u8) -> WorkerId {
    WorkerId::derived(ApplicationId::derived(Default::default(), b"w").as_uuid(), &[number])
}

pub(crate) fn attempt(worker_number: u8, number: u32) -> Attempt {
    Attempt { worker: worker(worker_number), number }
}

pub(crate) fn requested(fingerprint: &str) -> Requested {
    Requested {
        application: ApplicationId::derived(Default::default(), b"application"),
        kind: Kind::Preview { wish: PreviewWish::default() },
        source_url: sealed("source"),
        upload: None,
        callback_url: None,
        user_data: None,
        uploader: None,
        rerun_of: None,
        fingerprint: fingerprint.to_owned(),
    }
}

pub(crate) fn fetched() -> Fetched {
    Fetched {
        file_name: Some(sealed("name")),
        size_bytes: 2_048,
        media_type: "image/jpeg".to_owned(),
        encoding: "binary".to_owned(),
        sha256: "5e".repeat(32),
        md5: "d4".repeat(16),
        crc32c: "c3".repeat(4),
        mismatch: [Claim::FileName, Claim::ContentType].into(),
    }
}

pub(crate) fn artifact(page: u32, size_index: u32) -> Artifact {
    Artifact {
        role: Role::Rendition,
        name: format!("page-{page}_{size_index}.jpg"),
        location: sealed("location"),
        stored_in: StoredIn::Destination,
        page,
        size_index,
        requested_size: json!("200x200"),
        width: 200,
        height: 150,
        original_width: 400,
        original_height: 300,
        resized: true,
        media_type: "image/jpeg".to_owned(),
        size_bytes: 999,
        sha256: "ab".repeat(32),
    }
}

pub(crate) fn completed() -> Completed {
    Completed {
        total_pages: 1,
        metadata: Some(sealed("metadata")),
        engines: BTreeMap::from([("stills".to_owned(), "0.1.0".to_owned())]),
        durations: Durations { fetch_ms: 12, render_ms: 34, store_ms: 56 },
        receipt: Some(Receipt {
            location: sealed("receipt"),
            stored_in: StoredIn::Destination,
            key_id: "k1".to_owned(),
            size_bytes: 1_234,
            sha256: "ce".repeat(32),
        }),
    }
}

/// One of every event, with every field.
pub(crate) fn every_event() -> Vec<Event> {
    let mut full = requested("f1");
    full.callback_url = Some(sealed("callback"));
    full.upload = Some(UploadId::from_uuid(full.application.as_uuid()));
    full.user_data = Some(sealed("data"));
    full.uploader = Some(sealed("uploader"));
    full.rerun_of = Some(JobId::from_uuid(full.application.as_uuid()));
    vec![
        Event::Requested(full),
        Event::Started { attempt: 1, worker: worker(1) },
        Event::Fetched(fetched()),
        Event::Stored { artifact: Box::new(artifact(1, 0)) },
        Event::Wiped { bytes: 4_096 },
        Event::Completed(completed()),
        Event::AttemptFailed {
            attempt: 1,
            code: FailureCode::SourceUnavailable,
            retry_at: at(60),
            detail: Some(sealed("detail")),
        },
        Event::Failed {
            attempts: 2,
            code: FailureCode::CapabilityMissing,
            capability: Some(Capability::Office),
            detail: Some(sealed("detail")),
        },
        Event::CancelRequested {},
        Event::Cancelled {},
        Event::Expired {},
        Event::ErasureRequested {},
        Event::Erased { objects: 3 },
    ]
}
