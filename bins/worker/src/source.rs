//! A job's source: here as a whole, or read by ranges from where it lies.

use std::{
    fs::File,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use domain::{
    FailureCode, Sealed, job::Fetched, limits::Limits, sealed::field, source::Source as Named,
    wish::MetadataKind,
};
use egress::SourceUrl;
use enclave::RangeSource;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use http::HeaderValue;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    bucket,
    claims::Claims,
    desk::{Desk, Progress},
    far::{Far, Place},
    lease::Lease,
    origin::{Coming, Origin},
    spool::{SpoolError, Spooled},
    stop::{Stop, source_failure},
};

/// How many bytes are asked for to learn whether there are ranges.
const START_BYTES: u64 = 256 << 10;
/// How often whoever watches hears of a fetch.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);
/// What a page in a bucket is called to the browser that draws it: a name that leads nowhere.
const NOWHERE: &str = "https://source.invalid/";
/// How long a killed renderer's helper thread may hold on to what it reads.
const LET_GO: Duration = Duration::from_secs(10);

/// Bytes to draw from.
#[derive(Clone)]
pub(crate) enum Source {
    /// They are all here.
    Here(Arc<File>, u64),
    /// They are where they were, and read by ranges.
    Far(Arc<Far>, u64),
}

impl Source {
    /// How many bytes there are.
    pub(crate) const fn size_bytes(&self) -> u64 {
        match self {
            Self::Here(_, size_bytes) | Self::Far(_, size_bytes) => *size_bytes,
        }
    }

    /// For a renderer to read from.
    pub(crate) fn ranges(&self) -> Box<dyn RangeSource> {
        match self {
            Self::Here(file, _) => Box::new(Arc::clone(file)),
            Self::Far(far, _) => Box::new(Arc::clone(far)),
        }
    }

    /// All of it, as a file of its own position.
    pub(crate) async fn file(&self) -> Result<File, Stop> {
        match self {
            Self::Here(file, _) => file.try_clone().map_err(|error| Stop::internal(&error)),
            Self::Far(far, _) => Ok(far.whole().await?),
        }
    }

    /// Bytes that were made here, as a source; their destruction will be recorded.
    pub(crate) fn made(file: File, traces: &mut Intermediates) -> Result<Self, Stop> {
        let size_bytes = file.metadata().map_err(|error| Stop::internal(&error))?.len();
        let file = Arc::new(file);
        traces.hold(&file);
        traces.count(size_bytes);
        Ok(Self::Here(file, size_bytes))
    }
}

/// What an attempt has made on its way, so that its destruction can be recorded.
#[derive(Default)]
pub(crate) struct Intermediates {
    held: Vec<Weak<dyn Send + Sync>>,
    fetched: Option<Arc<AtomicU64>>,
    bytes: u64,
}

impl Intermediates {
    /// Counts bytes that are gone by the end of the attempt.
    pub(crate) const fn count(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Has the end of the attempt wait until nobody holds this.
    fn hold<T: Send + Sync + 'static>(&mut self, held: &Arc<T>) {
        let held: Arc<dyn Send + Sync> = Arc::<T>::clone(held);
        self.held.push(Arc::downgrade(&held));
    }

    /// Waits until nothing in this process holds any of it any more; gives the bytes destroyed.
    pub(crate) async fn destroyed(&self) -> Result<u64, Stop> {
        let deadline = Instant::now() + LET_GO;
        while self.held.iter().any(|held| held.strong_count() > 0) {
            if Instant::now() > deadline {
                return Err(Stop::failed(FailureCode::Internal, "the source is still held"));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let fetched = self.fetched.as_ref().map_or(0, |bytes| bytes.load(Ordering::Relaxed));
        Ok(self.bytes.saturating_add(fetched))
    }
}

/// A source that can be drawn, and what is known of it.
pub(crate) struct Opened {
    pub(crate) source: Source,
    pub(crate) fetched: Fetched,
    pub(crate) fetch: Duration,
    /// Where it lies, redirects followed.
    pub(crate) url: SourceUrl,
    /// Its server's opinion. For nothing but a page's encoding.
    pub(crate) content_type: Option<String>,
    /// What it is said to be, to be held against what it is.
    pub(crate) claims: Claims,
}

/// Opens the job's source. A large one whose server serves ranges stays there; any other is taken
/// in whole. Reading ends when `over` is cancelled.
pub(crate) async fn open(
    desk: &Desk,
    lease: &Lease,
    limits: &Limits,
    traces: &mut Intermediates,
    over: &CancellationToken,
) -> Result<Opened, Stop> {
    let begun = Instant::now();
    let deadline = begun + Duration::from_millis(limits.fetch_ms);
    let (job, most) = (lease.job()?, limits.source_bytes);
    let text = &job.requested.source_url;
    let text = desk.custody.open_text(&lease.id, field::SOURCE_URL, text).await?;
    let named = Named::parse(&text).map_err(|error| {
        Stop::failed(FailureCode::SourceInvalid, service::Chain(&error).to_string())
    })?;
    let domain::job::Kind::Preview { wish } = &job.requested.kind;
    let whole = wish.metadata.contains(&MetadataKind::Checksum);
    if let Some(found) = bucket::find(desk, lease.id.account, &named).await? {
        let reading = Reading { desk, lease, most, deadline, whole, begun };
        return Box::pin(reading.open(found, traces, over)).await;
    }
    let url = SourceUrl::parse(&text).map_err(|error| source_failure(&error.into()))?;
    let opened = if whole {
        desk.egress.fetch(&url, most, deadline).await
    } else {
        desk.egress.fetch_start(&url, START_BYTES, most, deadline).await
    };
    let mut opened = opened.map_err(|error| source_failure(&error))?;
    let claims = Claims::of(opened.file_name.as_deref(), opened.content_type.as_deref());
    let file_name = match opened.file_name.take() {
        Some(name) => Some(desk.custody.seal_text(&lease.id, field::FILE_NAME, &name).await?),
        None => None,
    };
    let (url, content_type) = (opened.final_url.clone(), opened.content_type.clone());
    let fetched = |size_bytes| unread(file_name, size_bytes);
    let (source, fetched) = match far(desk, opened, deadline, over)? {
        Way::Far(far, size_bytes) => {
            traces.hold(&far);
            traces.fetched = Some(far.fetched_bytes().await);
            (Source::Far(far, size_bytes), fetched(size_bytes))
        }
        Way::Here(opened) => {
            let Spooled { file, size_bytes, sha256, md5, crc32c } =
                take_in(desk, lease, *opened, most, deadline).await?;
            let source = Source::made(file, traces)?;
            (source, Fetched { sha256, md5, crc32c, ..fetched(size_bytes) })
        }
    };
    if source.size_bytes() == 0 {
        return Err(Stop::failed(FailureCode::SourceEmpty, "no bytes"));
    }
    Ok(Opened { source, fetched, fetch: begun.elapsed(), url, content_type, claims })
}

/// Where a source is read.
enum Way {
    Far(Arc<Far>, u64),
    Here(Box<egress::Fetched>),
}

/// Leaves a source where it is, if it is large, can be read by ranges, and can be told from a
/// later version of itself.
fn far(
    desk: &Desk,
    opened: egress::Fetched,
    deadline: Instant,
    over: &CancellationToken,
) -> Result<Way, Stop> {
    let known = (opened.total_length, opened.content_length, opened.validator.clone());
    let (true, (Some(size_bytes), Some(len_bytes), Some(validator))) = (opened.is_part(), known)
    else {
        return Ok(Way::Here(Box::new(opened)));
    };
    if size_bytes < desk.ranges_from_bytes {
        return Ok(Way::Here(Box::new(opened)));
    }
    let file = desk.spool.file_for(size_bytes).map_err(|error| Stop::internal(&error))?;
    let client = desk.egress.clone();
    let origin = Origin::Web { client: client.into(), url: opened.final_url.into(), validator };
    let place = Place { origin, size_bytes, deadline };
    let start = (Coming::Web(opened.body), len_bytes);
    Ok(Way::Far(Arc::new(Far::new(place, file, start, over.clone())), size_bytes))
}

/// Takes a source in whole.
async fn take_in(
    desk: &Desk,
    lease: &Lease,
    opened: egress::Fetched,
    max_bytes: u64,
    deadline: Instant,
) -> Result<Spooled, Stop> {
    let url = opened.final_url.clone();
    let parted = opened.is_part().then_some(opened.total_length);
    match (spooled(desk, lease, opened, max_bytes, deadline).await, parted) {
        (Ok(spooled), Some(total)) if total == Some(spooled.size_bytes) => Ok(spooled),
        (taken, None) => Ok(taken?),
        // It serves a first range, but no second one of the same version: so be it.
        (Ok(_) | Err(SpoolError::Source(egress::Error::NoRanges)), Some(_)) => {
            let opened = desk.egress.fetch(&url, max_bytes, deadline).await;
            let opened = opened.map_err(|error| source_failure(&error))?;
            Ok(spooled(desk, lease, opened, max_bytes, deadline).await?)
        }
        (Err(error), Some(_)) => Err(error.into()),
    }
}

async fn spooled(
    desk: &Desk,
    lease: &Lease,
    opened: egress::Fetched,
    max_bytes: u64,
    deadline: Instant,
) -> Result<Spooled, SpoolError<egress::Error>> {
    let total_bytes = opened.total_length.or(opened.content_length);
    let part = opened.is_part();
    let rest = match (opened.content_length, opened.total_length) {
        (Some(here), Some(total)) if part => Some((here, total.saturating_sub(here))),
        // How much came cannot be told before it came: then the rest is asked for as a whole.
        _ if part => return Err(SpoolError::Source(egress::Error::NoRanges)),
        _ => None,
    };
    let rest = match rest {
        Some((from, len_bytes)) => {
            let range = (from, len_bytes.min(max_bytes));
            let body = rest_of(desk, opened.final_url, range, opened.validator, deadline);
            stream::once(body).try_flatten().boxed()
        }
        None => stream::empty().boxed(),
    };
    watched(desk, lease, opened.body.chain(rest), (total_bytes, max_bytes)).await
}

/// Takes a stream in, while whoever watches hears how far it has come.
async fn watched<E>(
    desk: &Desk,
    lease: &Lease,
    bytes: impl Stream<Item = Result<Bytes, E>>,
    (total_bytes, max_bytes): (Option<u64>, u64),
) -> Result<Spooled, SpoolError<E>> {
    let id = lease.id;
    let (sender, mut heard) = tokio::sync::watch::channel(0_u64);
    let told = async {
        loop {
            let bytes = *heard.borrow_and_update();
            desk.report(&id, Progress::Fetching { bytes, total_bytes }).await;
            tokio::time::sleep(PROGRESS_EVERY).await;
            if heard.changed().await.is_err() {
                return std::future::pending::<std::convert::Infallible>().await;
            }
        }
    };
    let taken = desk.spool.take(bytes, max_bytes, |bytes| {
        sender.send_replace(bytes);
    });
    tokio::select! {
        biased;
        taken = taken => taken,
        never = told => match never {},
    }
}

/// What is recorded of a source of which nothing but the size is known.
fn unread(file_name: Option<Sealed>, size_bytes: u64) -> Fetched {
    Fetched {
        file_name,
        size_bytes,
        media_type: String::new(),
        encoding: String::new(),
        sha256: String::new(),
        md5: String::new(),
        crc32c: String::new(),
        mismatch: Default::default(),
    }
}

/// How a source in a bucket is to be opened.
struct Reading<'a> {
    desk: &'a Desk,
    lease: &'a Lease,
    most: u64,
    deadline: Instant,
    /// Whether all of it is needed whatever its kind.
    whole: bool,
    begun: Instant,
}

impl Reading<'_> {
    /// The same as on the web: a large one stays there, any other is taken in whole.
    async fn open(
        self,
        found: bucket::Found,
        traces: &mut Intermediates,
        over: &CancellationToken,
    ) -> Result<Opened, Stop> {
        let (desk, deadline) = (self.desk, self.deadline);
        let opened = found.object.start(START_BYTES, deadline).await;
        let (version, coming, content_type) = opened.map_err(|error| Stop::from(&error))?;
        let size_bytes = version.size_bytes();
        if size_bytes > self.most {
            let detail = format!("{size_bytes} bytes, more than {}", self.most);
            return Err(Stop::failed(FailureCode::SourceTooLarge, detail));
        }
        if size_bytes == 0 {
            return Err(Stop::failed(FailureCode::SourceEmpty, "no bytes"));
        }
        let claims = Claims::of(found.file_name.as_deref(), content_type.as_deref());
        let file_name = match found.file_name {
            Some(name) => {
                Some(desk.custody.seal_text(&self.lease.id, field::FILE_NAME, &name).await?)
            }
            None => None,
        };
        let fetched = unread(file_name, size_bytes);
        let stays = !self.whole && version.has_tag() && size_bytes >= desk.ranges_from_bytes;
        let (source, fetched) = if stays {
            let file = desk.spool.file_for(size_bytes).map_err(|error| Stop::internal(&error))?;
            let length = coming.length();
            let place = Place { origin: Origin::Bucket(version.into()), size_bytes, deadline };
            let far = Far::new(place, file, (Coming::Bucket(coming), length), over.clone());
            let far = Arc::new(far);
            traces.hold(&far);
            traces.fetched = Some(far.fetched_bytes().await);
            (Source::Far(far, size_bytes), fetched)
        } else {
            let bytes = version.whole(Some(coming), Some(deadline));
            let taking = Box::pin(watched(desk, self.lease, bytes, (Some(size_bytes), self.most)));
            let spooled = taking.await;
            let Spooled { file, sha256, md5, crc32c, .. } = spooled?;
            (Source::made(file, traces)?, Fetched { sha256, md5, crc32c, ..fetched })
        };
        let url = SourceUrl::parse(NOWHERE).map_err(|error| source_failure(&error.into()))?;
        Ok(Opened { source, fetched, fetch: self.begun.elapsed(), url, content_type, claims })
    }
}

/// The bytes after the first ones, of the same version.
async fn rest_of(
    desk: &Desk,
    url: SourceUrl,
    (from, len_bytes): (u64, u64),
    validator: Option<HeaderValue>,
    deadline: Instant,
) -> Result<egress::Body, egress::Error> {
    let asked = desk.egress.fetch_range(&url, from, len_bytes, validator.as_ref(), deadline);
    let fetched = asked.await?;
    let same = validator.is_none() || fetched.validator == validator;
    if same { Ok(fetched.body) } else { Err(egress::Error::NoRanges) }
}
