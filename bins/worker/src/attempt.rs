//! One attempt: read the source, draw it, store what came of it, and leave nothing behind.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use domain::{
    FailureCode, filepreviews,
    job::{self, Completed, Durations, Event, Fetched, Job, Kind},
    sealed::field,
    wish::PreviewWish,
};
use enclave::{RangeSource, RenderEvent, RenderJob, Rendered};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::{
    desk::{Desk, Progress},
    lease::Lease,
    shelf::Shelf,
    spool::Spooled,
    stop::{Stop, source_failure},
};

/// Renditions that wait for their upload.
const RENDITIONS_AHEAD: usize = 4;
/// How often whoever watches hears of a fetch.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);
/// How long a killed renderer's helper thread may hold on to the source.
const LET_GO: Duration = Duration::from_secs(10);

/// What an attempt has made on its way, so that its destruction can be recorded.
#[derive(Default)]
pub(crate) struct Intermediates {
    source: Weak<File>,
    bytes: u64,
}

impl Intermediates {
    /// Waits until nothing in this process holds the source any more; gives the bytes destroyed.
    pub(crate) async fn destroyed(&self) -> Result<u64, Stop> {
        let deadline = Instant::now() + LET_GO;
        while self.source.strong_count() > 0 {
            if Instant::now() > deadline {
                return Err(Stop::failed(FailureCode::Internal, "the source is still held"));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(self.bytes)
    }
}

/// The source as the renderer's helper thread reads it.
struct SharedSource(Arc<File>);

impl RangeSource for SharedSource {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        RangeSource::read_at(self.0.as_ref(), offset, buffer)
    }
}

/// A source that lies here whole, and how long that took.
struct Held {
    source: Arc<File>,
    fetched: Fetched,
    fetch: Duration,
}

/// Fulfils the job up to its last object. Everything made on the way is gone when this returns.
pub(crate) async fn fulfil(
    desk: &Desk,
    lease: &mut Lease,
    traces: &mut Intermediates,
) -> Result<Completed, Stop> {
    let Kind::Preview { wish } = lease.job()?.requested.kind.clone();
    let shelf = lay_out(desk, lease, &wish).await?;
    let held = fetch(desk, lease, traces).await?;
    let fetch = held.fetch;
    let begun = Instant::now();
    let (rendered, store) = draw(desk, lease, traces, held, &wish, &shelf).await?;
    let durations =
        Durations { fetch_ms: millis(fetch), render_ms: rendered.wall_ms, store_ms: millis(store) };
    let completed = Completed {
        total_pages: rendered.total_pages,
        metadata: seal_metadata(desk, lease, &wish, &rendered).await?,
        engines: rendered.engines,
        durations,
    };
    shelf.put_metadata(&body(desk, lease, &completed).await?).await?;
    tracing::debug!(job.id = %lease.id.job, elapsed_ms = millis(begun.elapsed()), "drawn");
    Ok(completed)
}

async fn lay_out(desk: &Desk, lease: &Lease, wish: &PreviewWish) -> Result<Shelf, Stop> {
    let uploader = desk.custody.open_uploader(&lease.id, lease.job()?).await?;
    let destination = desk.destination(lease.id.account).await?;
    Shelf::new(lease.id, destination, &uploader, wish.sizes.clone())
}

async fn fetch(desk: &Desk, lease: &Lease, traces: &mut Intermediates) -> Result<Held, Stop> {
    let begun = Instant::now();
    let url = lease.job()?.requested.source_url.clone();
    let url = desk.custody.open_text(&lease.id, field::SOURCE_URL, &url).await?;
    let url = egress::SourceUrl::parse(&url).map_err(|error| source_failure(&error.into()))?;
    let deadline = begun + Duration::from_millis(desk.limits.fetch_ms);
    let opened = desk.egress.fetch(&url, desk.limits.source_bytes, deadline.into()).await;
    let opened = opened.map_err(|error| source_failure(&error))?;
    let name = opened.file_name.clone();
    let spooled = take_in(desk, lease, opened).await?;
    if spooled.size_bytes == 0 {
        return Err(Stop::failed(FailureCode::SourceEmpty, "no bytes"));
    }
    let file_name = match name {
        Some(name) => Some(desk.custody.seal_text(&lease.id, field::FILE_NAME, &name).await?),
        None => None,
    };
    let source = Arc::new(spooled.file);
    traces.source = Arc::downgrade(&source);
    traces.bytes += spooled.size_bytes;
    let fetched = Fetched {
        file_name,
        size_bytes: spooled.size_bytes,
        media_type: String::new(),
        encoding: String::new(),
        sha256: spooled.sha256,
        md5: spooled.md5,
        crc32c: String::new(),
    };
    Ok(Held { source, fetched, fetch: begun.elapsed() })
}

async fn take_in(desk: &Desk, lease: &Lease, opened: egress::Fetched) -> Result<Spooled, Stop> {
    let (total_bytes, id) = (opened.content_length, lease.id);
    let (sender, mut heard) = tokio::sync::watch::channel(0_u64);
    let told = async {
        loop {
            let bytes = *heard.borrow_and_update();
            desk.report(&id, Progress::Fetching { bytes, total_bytes }).await;
            tokio::time::sleep(PROGRESS_EVERY).await;
            if heard.changed().await.is_err() {
                return std::future::pending::<()>().await;
            }
        }
    };
    let taken = desk.spool.take(opened.body, |bytes| {
        sender.send_replace(bytes);
    });
    tokio::select! {
        biased;
        taken = taken => Ok(taken?),
        () = told => Err(Stop::failed(FailureCode::Internal, "nobody tells of the fetch")),
    }
}

/// What the renderer said, once what had to be done about it is done.
enum Kept {
    Sniffed(enclave::Sniffed),
    Pages,
    Stored(Box<job::Artifact>),
}

/// Draws and stores side by side. Gives how long storing went on after drawing had begun.
async fn draw(
    desk: &Desk,
    lease: &mut Lease,
    traces: &mut Intermediates,
    held: Held,
    wish: &PreviewWish,
    shelf: &Shelf,
) -> Result<(Rendered, Duration), Stop> {
    desk.report(&lease.id, Progress::Rendering).await;
    let begun = Instant::now();
    let job = RenderJob {
        wish: wish.clone(),
        source_bytes: held.fetched.size_bytes,
        limits: desk.limits,
    };
    let (sender, mut events) = mpsc::channel(RENDITIONS_AHEAD);
    let source = Box::new(SharedSource(held.source));
    let render = async { Ok(desk.renderers.render(job, source, sender).await?) };
    let keep = async {
        let mut kept = stream::poll_fn(|context| events.poll_recv(context))
            .map(|event| handle(desk, shelf, event))
            .buffered(desk.uploads.max(1));
        let mut fetched = Some(held.fetched);
        let mut artifacts = 0;
        while let Some(kept) = kept.try_next().await? {
            match kept {
                Kept::Sniffed(sniffed) => record_source(lease, &mut fetched, sniffed).await?,
                Kept::Pages => {}
                Kept::Stored(artifact) => {
                    traces.bytes += artifact.size_bytes;
                    lease.act(|state, who| job::stored(state, who, (*artifact).clone())).await?;
                    artifacts += 1;
                    desk.report(&lease.id, Progress::Storing { artifacts }).await;
                }
            }
        }
        Ok::<(), Stop>(())
    };
    let (rendered, ()) = tokio::try_join!(render, keep)?;
    Ok((rendered, begun.elapsed()))
}

async fn handle(desk: &Desk, shelf: &Shelf, event: RenderEvent) -> Result<Kept, Stop> {
    Ok(match event {
        RenderEvent::Sniffed(sniffed) => Kept::Sniffed(sniffed),
        RenderEvent::Pages { .. } => Kept::Pages,
        RenderEvent::Artifact(made) => {
            Kept::Stored(Box::new(shelf.put(&desk.custody, made).await?))
        }
    })
}

/// The source is on record once its kind is known, whatever becomes of the rest.
async fn record_source(
    lease: &mut Lease,
    fetched: &mut Option<Fetched>,
    sniffed: enclave::Sniffed,
) -> Result<(), Stop> {
    let Some(fetched) = fetched.take() else { return Ok(()) };
    let encoding = sniffed.encoding.name().to_owned();
    let fetched = Fetched { media_type: sniffed.media_type, encoding, ..fetched };
    lease.act(|state, who| job::fetched(state, who, fetched.clone())).await
}

async fn seal_metadata(
    desk: &Desk,
    lease: &Lease,
    wish: &PreviewWish,
    rendered: &Rendered,
) -> Result<Option<domain::Sealed>, Stop> {
    let mut found: BTreeMap<&str, &Map<String, Value>> = BTreeMap::new();
    if let Some(exif) = &rendered.exif {
        found.insert("exif", exif);
    }
    if wish.metadata.is_empty() || found.is_empty() {
        return Ok(None);
    }
    Ok(Some(desk.custody.seal_json(&lease.id, field::METADATA, &found).await?))
}

/// The body as it will be answered once `completed` is on record.
async fn body(
    desk: &Desk,
    lease: &Lease,
    completed: &Completed,
) -> Result<filepreviews::Body, Stop> {
    let ended = job::State::Present(Box::new(lease.job()?.clone()))
        .evolve(&Event::Completed(completed.clone()), desk.clock.now());
    let job: &Job = ended.job().ok_or(Stop::LeaseLost)?;
    let opened = desk.custody.open_view(&lease.id, job).await?;
    Ok(filepreviews::body(lease.id.job, job, &opened, &desk.style()))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
