//! A job as `/v1` shows it: plain names, one shape for every kind of answer.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    Capability, FailureCode, Timestamp, failure,
    filepreviews::Opened,
    id::{ApplicationId, JobId},
    job::{Artifact, Claim, Ended, Fetched, Job, Kind, Outcome, Phase, Receipt, StoredIn},
    wish::PreviewWish,
};
use serde::Serialize;
use serde_json::Value;
use storage::layout::RECEIPT_NAME;

/// A job.
#[derive(Serialize)]
pub(crate) struct JobView {
    id: JobId,
    kind: &'static str,
    status: &'static str,
    application: ApplicationId,
    requested_at: Timestamp,
    updated_at: Timestamp,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    rerun_of: Option<JobId>,
    wish: PreviewWish,
    retry: Option<Retry>,
    source: Option<Source>,
    artifacts: Vec<Picture>,
    receipt: Option<ReceiptView>,
    error: Option<Failure>,
    ended_at: Option<Timestamp>,
    /// `development` where results lie, or will, in no bucket of the account's own.
    storage: Option<&'static str>,
    /// Until when links to results in development storage work.
    expires_at: Option<Timestamp>,
    expired_at: Option<Timestamp>,
    erased_at: Option<Timestamp>,
    seq: u64,
    /// What only a closer look shows.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    close: Option<Close>,
}

#[derive(Serialize)]
struct Close {
    file_name: Option<String>,
    user_data: Option<Value>,
}

#[derive(Serialize)]
struct Retry {
    at: Timestamp,
    code: FailureCode,
}

#[derive(Serialize)]
struct Source {
    size_bytes: u64,
    media_type: String,
    encoding: String,
    sha256: String,
    md5: String,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    mismatch: BTreeSet<Claim>,
}

#[derive(Serialize)]
struct Picture {
    name: String,
    page: u32,
    requested_size: Value,
    width: u32,
    height: u32,
    original_width: u32,
    original_height: u32,
    media_type: String,
    size_bytes: u64,
    sha256: String,
    stored_in: StoredIn,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

#[derive(Serialize)]
struct ReceiptView {
    key_id: String,
    size_bytes: u64,
    sha256: String,
    stored_in: StoredIn,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

#[derive(Serialize)]
struct Failure {
    code: FailureCode,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    capability: Option<Capability>,
}

impl JobView {
    /// What rows show: nothing personal.
    pub(crate) fn of(id: JobId, job: &Job, seq: u64) -> Self {
        Self::new(id, job, seq, &BTreeMap::new(), None)
    }

    /// What a closer look shows.
    pub(crate) fn close(id: JobId, job: &Job, seq: u64, opened: Opened) -> Self {
        let close = Close { file_name: opened.file_name, user_data: opened.user_data };
        Self::new(id, job, seq, &opened.urls, Some(close))
    }

    /// The same with results in development storage, if they lie there or will, and until when.
    pub(crate) const fn stored(
        mut self,
        in_development: bool,
        expires_at: Option<Timestamp>,
    ) -> Self {
        self.storage = if in_development { Some("development") } else { None };
        self.expires_at = expires_at;
        self
    }

    fn new(
        id: JobId,
        job: &Job,
        seq: u64,
        urls: &BTreeMap<String, String>,
        close: Option<Close>,
    ) -> Self {
        let Kind::Preview { wish } = &job.requested.kind;
        let (retry, ended) = match &job.phase {
            Phase::Queued { retry } => (*retry, None),
            Phase::Running { .. } => (None, None),
            Phase::Ended(ended) => (None, Some(ended)),
        };
        Self {
            id,
            kind: "preview",
            status: job.status().name(),
            application: job.requested.application,
            requested_at: job.requested_at,
            updated_at: job.updated_at,
            attempts: job.attempts,
            rerun_of: job.requested.rerun_of,
            wish: wish.clone(),
            retry: retry.map(|retry| Retry { at: retry.at, code: retry.code }),
            source: job.fetched.as_ref().map(source),
            artifacts: job.artifacts.iter().map(|artifact| picture(artifact, urls)).collect(),
            receipt: ended.and_then(|ended| receipt(ended, urls)),
            error: ended.and_then(failure),
            ended_at: ended.map(|ended| ended.ended_at),
            storage: None,
            expires_at: None,
            expired_at: ended.and_then(|ended| ended.expired_at),
            erased_at: ended.and_then(|ended| ended.erased_at),
            seq,
            close,
        }
    }
}

fn source(fetched: &Fetched) -> Source {
    Source {
        size_bytes: fetched.size_bytes,
        media_type: fetched.media_type.clone(),
        encoding: fetched.encoding.clone(),
        sha256: fetched.sha256.clone(),
        md5: fetched.md5.clone(),
        mismatch: fetched.mismatch.clone(),
    }
}

fn picture(artifact: &Artifact, urls: &BTreeMap<String, String>) -> Picture {
    Picture {
        name: artifact.name.clone(),
        page: artifact.page,
        requested_size: artifact.requested_size.clone(),
        width: artifact.width,
        height: artifact.height,
        original_width: artifact.original_width,
        original_height: artifact.original_height,
        media_type: artifact.media_type.clone(),
        size_bytes: artifact.size_bytes,
        sha256: artifact.sha256.clone(),
        stored_in: artifact.stored_in,
        url: urls.get(&artifact.name).cloned(),
    }
}

fn receipt(ended: &Ended, urls: &BTreeMap<String, String>) -> Option<ReceiptView> {
    let Outcome::Completed(completed) = &ended.outcome else { return None };
    let Receipt { key_id, size_bytes, sha256, stored_in, location: _ } =
        completed.receipt.as_ref()?;
    Some(ReceiptView {
        key_id: key_id.clone(),
        size_bytes: *size_bytes,
        sha256: sha256.clone(),
        stored_in: *stored_in,
        url: urls.get(RECEIPT_NAME).cloned(),
    })
}

fn failure(ended: &Ended) -> Option<Failure> {
    match &ended.outcome {
        Outcome::Failed { code, capability, detail: _ } => Some(Failure {
            code: *code,
            message: failure::message(*code, *capability),
            capability: *capability,
        }),
        Outcome::Completed(_) | Outcome::Cancelled => None,
    }
}
