//! The `/v2` body of a preview, as the FilePreviews contract has it: the answer to a GET, the body
//! of the webhook and the content of `metadata.json`, all from this one function.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Capability,
    account::FailureWord,
    failure,
    id::JobId,
    job::{Artifact, Fetched, Job, Kind, Outcome, Phase, Role},
    wish::{MetadataKind, PreviewWish},
};

/// `uploader` of a request: how the caller wants objects to be stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uploader {
    /// Key prefix in the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// Object headers such as `Cache-Control`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Whether objects should be readable by anyone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<bool>,
}

/// The personal fields of a job, opened, and where its artifacts can be read.
#[derive(Clone, Default)]
pub struct Opened {
    /// The file's name with extension.
    pub file_name: Option<String>,
    /// The caller's own object.
    pub user_data: Option<Value>,
    /// What was found in the file, by metadata kind.
    pub metadata: Option<Map<String, Value>>,
    /// A URL for each artifact, by its name.
    pub urls: BTreeMap<String, String>,
}

/// How an application wants to be answered.
#[derive(Debug, Clone)]
pub struct Style {
    /// The public base of the API, without a trailing slash: `https://darkroom.example`.
    pub public_url: String,
    /// How a failed job is spelled.
    pub failure_word: FailureWord,
}

/// The body. Seven keys, and `error` on failure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// UUID text.
    pub id: String,
    /// Where the body can be had.
    pub url: String,
    /// `pending`, `started`, `success`, `failure` (or `error`).
    pub status: String,
    /// The first rendition.
    pub preview: Option<Rendition>,
    /// Every rendition, page by page, sizes in the order asked.
    pub thumbnails: Option<Vec<Rendition>>,
    /// What the source is.
    pub original_file: Option<OriginalFile>,
    /// The caller's own object.
    pub user_data: Option<Value>,
    /// What was made beside the renditions; only where something was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extras: Vec<ExtraFile>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

/// A file made beside the renditions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExtraFile {
    /// What it is: `contact_sheet`, `storyboard`, `storyboard_cues`, `animation`, `clip`, `peaks`,
    /// `layer`.
    pub kind: String,
    /// Which of its kind, from 1.
    pub page: u32,
    /// Where it lies.
    pub url: String,
    /// IANA media type.
    pub mimetype: String,
    /// Pixels, as strings of digits, where it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Pixels>,
}

/// One picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rendition {
    /// From 1.
    pub page: u32,
    /// Pixels, as strings of digits.
    pub size: Pixels,
    /// Pixels of the page.
    pub original_size: Pixels,
    /// Whether the two differ.
    pub resized: bool,
    /// Where it lies.
    pub url: String,
    /// The caller's spelling, verbatim.
    pub requested_size: Value,
}

/// Width and height as strings of digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pixels {
    /// Pixels.
    pub width: String,
    /// Pixels.
    pub height: String,
}

/// What the source is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OriginalFile {
    /// Without extension.
    pub name: Option<String>,
    /// Without dot; empty if there is none.
    pub extension: String,
    /// Bytes.
    pub size: u64,
    /// Pages, once known.
    pub total_pages: Option<u32>,
    /// IANA media type.
    pub mimetype: String,
    /// The first half of the media type.
    #[serde(rename = "type")]
    pub kind: String,
    /// As libmagic names it.
    pub encoding: String,
    /// One key per kind if any was asked for.
    pub metadata: Option<Map<String, Value>>,
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// For people.
    pub message: String,
    /// For programs.
    pub code: String,
    /// Which part of the installation is missing, if that is why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<Capability>,
}

/// The body of a job.
#[must_use]
pub fn body(id: JobId, job: &Job, opened: &Opened, style: &Style) -> Body {
    let outcome = match &job.phase {
        Phase::Queued { .. } | Phase::Running { .. } => None,
        Phase::Ended(ended) => Some(&ended.outcome),
    };
    let total_pages = match outcome {
        Some(Outcome::Completed(completed)) => Some(completed.total_pages),
        Some(Outcome::Failed { .. } | Outcome::Cancelled) | None => None,
    };
    let of = |role: fn(&Role) -> bool| {
        let done = total_pages.is_some();
        job.artifacts.iter().filter(move |artifact| done && role(&artifact.role))
    };
    let renditions = of(Role::is_rendition).map(|artifact| rendition(artifact, opened));
    let thumbnails: Option<Vec<Rendition>> = total_pages.map(|_| renditions.collect());
    let Kind::Preview { wish } = &job.requested.kind;
    Body {
        id: id.to_string(),
        url: format!("{}/v2/previews/{id}/", style.public_url),
        status: status(job, style).to_owned(),
        preview: thumbnails.as_ref().and_then(|all| all.first().cloned()),
        thumbnails,
        original_file: job
            .fetched
            .as_ref()
            .map(|fetched| original_file(fetched, total_pages, wish, opened))
            .map(|file| with_links_of_pages(file, job, opened)),
        user_data: opened.user_data.clone(),
        extras: of(|role| !role.is_rendition()).map(|artifact| extra(artifact, opened)).collect(),
        error: outcome.and_then(failure),
    }
}

fn status(job: &Job, style: &Style) -> &'static str {
    match &job.phase {
        Phase::Queued { retry: None } => "pending",
        Phase::Queued { retry: Some(_) } | Phase::Running { .. } => "started",
        Phase::Ended(ended) => match ended.outcome {
            Outcome::Completed(_) => "success",
            Outcome::Failed { .. } | Outcome::Cancelled => style.failure_word.word(),
        },
    }
}

fn failure(outcome: &Outcome) -> Option<Failure> {
    match outcome {
        Outcome::Completed(_) => None,
        Outcome::Failed { code, capability, detail: _ } => Some(Failure {
            message: failure::message(*code, *capability),
            code: code.name().to_owned(),
            capability: *capability,
        }),
        Outcome::Cancelled => Some(Failure {
            message: "The job was cancelled.".to_owned(),
            code: "cancelled".to_owned(),
            capability: None,
        }),
    }
}

fn rendition(artifact: &Artifact, opened: &Opened) -> Rendition {
    Rendition {
        page: artifact.page,
        size: pixels(artifact.width, artifact.height),
        original_size: pixels(artifact.original_width, artifact.original_height),
        resized: artifact.resized,
        url: opened.urls.get(&artifact.name).cloned().unwrap_or_default(),
        requested_size: artifact.requested_size.clone(),
    }
}

fn extra(artifact: &Artifact, opened: &Opened) -> ExtraFile {
    let has_pixels = artifact.width > 0 && artifact.height > 0;
    ExtraFile {
        kind: artifact.role.name().to_owned(),
        page: artifact.page,
        url: opened.urls.get(&artifact.name).cloned().unwrap_or_default(),
        mimetype: artifact.media_type.clone(),
        size: has_pixels.then(|| pixels(artifact.width, artifact.height)),
    }
}

fn pixels(width: u32, height: u32) -> Pixels {
    Pixels { width: width.to_string(), height: height.to_string() }
}

fn original_file(
    fetched: &Fetched,
    total_pages: Option<u32>,
    wish: &PreviewWish,
    opened: &Opened,
) -> OriginalFile {
    let (name, extension) = match opened.file_name.as_deref() {
        Some(full) => {
            let (name, extension) = split_name(full);
            (Some(name.to_owned()), extension.to_owned())
        }
        None => (None, String::new()),
    };
    let kind = fetched.media_type.split('/').next().unwrap_or_default().to_owned();
    OriginalFile {
        name,
        extension,
        size: fetched.size_bytes,
        total_pages,
        mimetype: fetched.media_type.clone(),
        kind,
        encoding: fetched.encoding.clone(),
        metadata: metadata(fetched, wish, opened),
    }
}

/// Each page of text says where the picture of that page lies.
fn with_links_of_pages(mut file: OriginalFile, job: &Job, opened: &Opened) -> OriginalFile {
    let texts = file.metadata.as_mut().and_then(|all| all.get_mut(MetadataKind::Ocr.name()));
    for text in texts.and_then(Value::as_array_mut).into_iter().flatten() {
        let page = text.get("page").and_then(Value::as_u64);
        let picture = job.artifacts.iter().find(|artifact| {
            artifact.role.is_rendition() && Some(u64::from(artifact.page)) == page
        });
        let link = picture.and_then(|picture| opened.urls.get(&picture.name));
        if let (Some(fields), Some(link)) = (text.as_object_mut(), link) {
            fields.insert("url".to_owned(), Value::from(link.clone()));
        }
    }
    file
}

/// A leading dot is part of the name, not the start of an extension.
fn split_name(full: &str) -> (&str, &str) {
    match full.rsplit_once('.') {
        Some((name, extension)) if !name.is_empty() => (name, extension),
        Some(_) | None => (full, ""),
    }
}

fn metadata(fetched: &Fetched, wish: &PreviewWish, opened: &Opened) -> Option<Map<String, Value>> {
    if wish.metadata.is_empty() {
        return None;
    }
    let found =
        |kind: MetadataKind| opened.metadata.as_ref().and_then(|all| all.get(kind.name())).cloned();
    let mut all = Map::new();
    for kind in MetadataKind::ALL {
        let asked = wish.metadata.contains(&kind);
        let value = match kind {
            MetadataKind::Checksum if asked && !fetched.md5.is_empty() => {
                Some(Value::from(fetched.md5.clone()))
            }
            _ if asked => found(kind),
            _ => None,
        };
        if asked || MetadataKind::CONTRACT.contains(&kind) {
            all.insert(kind.name().to_owned(), value.unwrap_or(Value::Null));
        }
    }
    if wish.metadata.contains(&MetadataKind::Checksum) {
        let mut sums = Map::new();
        for (name, sum) in
            [("md5", &fetched.md5), ("sha256", &fetched.sha256), ("crc32c", &fetched.crc32c)]
        {
            if !sum.is_empty() {
                sums.insert(name.to_owned(), Value::from(sum.clone()));
            }
        }
        all.insert("checksums".to_owned(), Value::Object(sums));
    }
    Some(all)
}
