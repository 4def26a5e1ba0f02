//! An upload as `/v1` shows it.

use std::{collections::BTreeMap, time::Duration};

use domain::{
    Timestamp,
    id::UploadId,
    upload::{self, Checksum, Phase, Plan, Upload},
};
use serde::Serialize;

use super::unreachable;
use crate::{app::App, problem::Problem};

/// How long a link for a part works, at most.
const LINK_WORKS: Duration = Duration::from_secs(3_600);

/// An upload.
#[derive(Serialize)]
pub(crate) struct UploadView {
    id: UploadId,
    /// What a job names it by.
    source: String,
    state: &'static str,
    size_bytes: u64,
    part_bytes: u64,
    part_count: u64,
    checksum: Option<Checksum>,
    started_at: Timestamp,
    expires_at: Timestamp,
    uploaded_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    because: Option<&'static str>,
    jobs: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    received: Option<Received>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    links: Option<Links>,
}

/// What the bucket has.
#[derive(Serialize)]
pub(crate) struct Received {
    size_bytes: u64,
    parts: Vec<Part>,
}

#[derive(Serialize)]
struct Part {
    number: u64,
    size_bytes: u64,
    etag: Option<String>,
}

/// Links to send parts with.
#[derive(Serialize)]
pub(crate) struct Links {
    parts: Vec<Link>,
    links_expire_at: Timestamp,
}

#[derive(Serialize)]
struct Link {
    number: u64,
    offset: u64,
    size_bytes: u64,
    url: String,
    headers: BTreeMap<String, String>,
}

impl UploadView {
    /// What rows show: nothing personal.
    pub(crate) fn of(id: UploadId, upload: &Upload) -> Self {
        let started = &upload.started;
        let (mut checksum, mut uploaded_at) = (started.checksum.clone(), None);
        let (mut ended_at, mut because) = (None, None);
        match &upload.phase {
            Phase::Open => {}
            Phase::Verifying { checksum: given, .. } => checksum = Some(given.clone()),
            Phase::Uploaded { checksum: given, at } => {
                checksum = Some(given.clone());
                uploaded_at = Some(*at);
            }
            Phase::Rejected { because: why, at } => {
                (because, ended_at) = (Some(why.name()), Some(*at));
            }
            Phase::Expired { at } => ended_at = Some(*at),
            Phase::Removed { because: why, at } => {
                (because, ended_at) = (Some(why.name()), Some(*at));
            }
        }
        Self {
            id,
            source: format!("upload:{id}"),
            state: upload.phase.name(),
            size_bytes: started.size_bytes,
            part_bytes: started.part_bytes,
            part_count: plan(upload).count(),
            checksum,
            started_at: upload.started_at,
            expires_at: started.expires_at,
            uploaded_at,
            ended_at,
            because,
            jobs: upload.claims.len(),
            file_name: None,
            received: None,
            links: None,
        }
    }

    /// The same with the file's name.
    pub(crate) async fn open(app: &App, id: &upload::Id, upload: &Upload) -> Result<Self, Problem> {
        let mut view = Self::of(id.upload, upload);
        if let Some(name) = &upload.started.file_name {
            view.file_name = match app.custody.open_upload_name(id, name).await {
                Err(custody::Error::Erased) => None,
                opened => Some(opened?),
            };
        }
        Ok(view)
    }

    /// Adds which parts the bucket has, while they are being sent and if it can be asked.
    pub(crate) async fn ask(
        &mut self,
        app: &App,
        id: &upload::Id,
        upload: &Upload,
    ) -> Result<(), Problem> {
        if upload.phase != Phase::Open {
            return Ok(());
        }
        let name = app.custody.open_multipart(id, &upload.started.multipart).await?;
        let parts = app.custody.uploads().parts(&upload.started.key, &name).await;
        let parts = match parts {
            Ok(parts) => parts.unwrap_or_default(),
            Err(error) => {
                unreachable(&error);
                return Ok(());
            }
        };
        self.received = Some(Received {
            size_bytes: parts.values().map(|part| part.size_bytes).sum(),
            parts: parts
                .into_iter()
                .map(|(number, part)| Part {
                    number,
                    size_bytes: part.size_bytes,
                    etag: Some(part.etag).filter(|etag| !etag.is_empty()),
                })
                .collect(),
        });
        Ok(())
    }

    /// Adds links for these parts, which must be parts of it.
    pub(crate) async fn sign(
        &mut self,
        app: &App,
        id: &upload::Id,
        upload: &Upload,
        numbers: &[u64],
    ) -> Result<(), Problem> {
        let name = app.custody.open_multipart(id, &upload.started.multipart).await?;
        let (now, plan) = (app.clock.now(), plan(upload));
        let left = Duration::try_from(upload.started.expires_at.duration_since(now));
        let works = left.unwrap_or_default().clamp(Duration::from_secs(1), LINK_WORKS);
        let mut parts = Vec::with_capacity(numbers.len());
        for &number in numbers {
            let Some((offset, size_bytes)) = plan.part(number) else { continue };
            let (key, part) = (&upload.started.key, (number, size_bytes));
            let signed = app.custody.uploads().presign_part(key, &name, part, now, works).await;
            let signed = signed.map_err(|error| unreachable(&error))?;
            // Every client sends these two by itself, and browsers let nobody else.
            let by_itself = |name: &str| matches!(name, "content-length" | "host");
            let headers = signed.headers.into_iter().filter(|(name, _)| !by_itself(name));
            let (url, headers) = (signed.url.into(), headers.collect());
            parts.push(Link { number, offset, size_bytes, url, headers });
        }
        let links_expire_at = now.saturating_add(works).unwrap_or(now);
        self.links = Some(Links { parts, links_expire_at });
        Ok(())
    }
}

/// How the file is cut.
pub(super) const fn plan(upload: &Upload) -> Plan {
    Plan { size_bytes: upload.started.size_bytes, part_bytes: upload.started.part_bytes }
}
