//! One attempt: read the source, draw it, store what came of it, and leave nothing behind.

use domain::{
    Timestamp, filepreviews,
    job::{self, Completed, Durations, Event, Job, Kind},
    limits::Limits,
    sealed::field,
    wish::{MetadataKind, PreviewWish},
};
use enclave::hosted::Name;
use serde_json::{Map, Value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    claims::Claims,
    desk::Desk,
    findings::Findings,
    lease::Lease,
    receipt,
    shelf::Shelf,
    source::{self, Intermediates},
    stages::{Stages, millis, workshop},
    stop::Stop,
};

/// Fulfils the job up to its last object. Everything made on the way is gone when this returns.
pub(crate) async fn fulfil(
    desk: &Desk,
    lease: &mut Lease,
    traces: &mut Intermediates,
) -> Result<Completed, Stop> {
    let Kind::Preview { wish } = lease.job()?.requested.kind.clone();
    if wish.metadata.contains(&MetadataKind::Ocr) {
        // Not to be found out page by page.
        workshop(desk, Name::Ocr)?;
    }
    let (shelf, limits) = lay_out(desk, lease, &wish).await?;
    // However this ends, nobody shall go on reading the source.
    let over = CancellationToken::new();
    let _over = over.clone().drop_guard();
    let opened = source::open(desk, lease, &limits, traces, &over).await?;
    let (fetch, begun) = (opened.fetch, Instant::now());
    let mut stages = Stages {
        desk,
        lease,
        traces,
        limits,
        wish: &wish,
        shelf: &shelf,
        fetched: None,
        claims: Claims::default(),
        findings: Findings::default(),
        render_ms: 0,
        artifacts: 0,
    };
    let total_pages = stages.draw(opened).await?;
    let (findings, render_ms) = (stages.findings, stages.render_ms);
    let durations =
        Durations { fetch_ms: millis(fetch), render_ms, store_ms: millis(begun.elapsed()) };
    let (found, engines) = findings.finish(limits.metadata_bytes);
    let metadata = seal_metadata(desk, lease, &found).await?;
    let completed = Completed { total_pages, metadata, engines, durations, receipt: None };
    let now = desk.clock.now();
    let body = body(desk, lease, &completed, now).await?;
    let receipt = receipt::store(desk, lease, &shelf, &completed, (&body, now)).await?;
    shelf.put_metadata(body).await?;
    tracing::debug!(job.id = %lease.id.job, elapsed_ms = millis(begun.elapsed()), "drawn");
    Ok(Completed { receipt: Some(receipt), ..completed })
}

/// Where results go, and what the job may use.
async fn lay_out(desk: &Desk, lease: &Lease, wish: &PreviewWish) -> Result<(Shelf, Limits), Stop> {
    let uploader = desk.custody.open_uploader(&lease.id, lease.job()?).await?;
    let (destination, limits) = desk.account(lease.id.account).await?;
    Ok((Shelf::new(lease.id, destination, &uploader, wish.sizes.clone())?, limits))
}

async fn seal_metadata(
    desk: &Desk,
    lease: &Lease,
    found: &Map<String, Value>,
) -> Result<Option<domain::Sealed>, Stop> {
    if found.is_empty() {
        return Ok(None);
    }
    Ok(Some(desk.custody.seal_json(&lease.id, field::METADATA, found).await?))
}

/// The body as it will be answered once `completed` is on record.
async fn body(
    desk: &Desk,
    lease: &Lease,
    completed: &Completed,
    now: Timestamp,
) -> Result<Vec<u8>, Stop> {
    let ended = job::State::Present(Box::new(lease.job()?.clone()))
        .evolve(&Event::Completed(completed.clone()), now);
    let job: &Job = ended.job().ok_or(Stop::LeaseLost)?;
    let opened = desk.custody.open_view(&lease.id, job).await?;
    let body = filepreviews::body(lease.id.job, job, &opened, &desk.style());
    serde_json::to_vec(&body).map_err(|error| Stop::internal(&error))
}
