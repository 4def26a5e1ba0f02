//! One job with one renderer, on a thread that may block. Everything it says is taken as hostile:
//!
//! - frames are capped by kind, and only those that are due are taken;
//! - reads stay inside the source and are bounded in number;
//! - media type, extension, tags and details are re-checked character by character;
//! - a rendition's page and size must be among those asked for, each once; its dimensions must
//!   follow from the page's; its file must be sealed, of its format and as large as said.
//!
//! A renderer that lies has been captured or is broken: the job fails as `renderer_crashed`.

use std::collections::BTreeSet;
use std::fs::File;
use std::time::{Duration, Instant};

use domain::FailureCode;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::frame::{self, FrameError, Kind, PROTOCOL, RANGE_BYTES};
use crate::inspect;
use crate::message::{ArtifactMade, Done, Failed, Order, Pages, Read, Ready, Sniffed};
use crate::pool::StartError;
use crate::process::{Process, post_mortem};
use crate::render::{Artifact, RangeSource, RenderError, RenderEvent, RenderJob, Rendered};
use crate::socket::{Head, SocketError};
use crate::words;

/// Longest wait for a renderer to get its walls up.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How many times over the source may be read, in bytes.
const MAX_REREADS: u64 = 16;
/// The most pages a file may claim to have.
const MAX_TOTAL_PAGES: u32 = 1_000_000;

pub(crate) struct Session {
    process: Process,
    job: RenderJob,
    source: Box<dyn RangeSource>,
    events: mpsc::Sender<RenderEvent>,
    waited: Duration,
    buffer: Vec<u8>,
    read_bytes: u64,
    sniffed: Option<Sniffed>,
    total_pages: Option<u32>,
    made: BTreeSet<(u32, u32)>,
    output_bytes: u64,
}

impl Session {
    pub(crate) fn new(
        process: Process,
        job: RenderJob,
        source: Box<dyn RangeSource>,
        events: mpsc::Sender<RenderEvent>,
    ) -> Self {
        Self {
            process,
            job,
            source,
            events,
            waited: Duration::ZERO,
            buffer: Vec::new(),
            read_bytes: 0,
            sniffed: None,
            total_pages: None,
            made: BTreeSet::new(),
            output_bytes: 0,
        }
    }

    /// Draws the job to its end. The renderer has ended when this returns.
    pub(crate) fn run(mut self) -> Result<Rendered, RenderError> {
        self.start()?;
        let order = Order {
            wish: self.job.wish.clone(),
            source_bytes: self.job.source_bytes,
            limits: self.job.limits,
        };
        let order = frame::encode(Kind::Order, &order).map_err(RenderError::Order)?;
        self.timed(|session, until| session.process.socket.send(&order, None, Some(until)))?;
        loop {
            let (head, body) = self.receive()?;
            if let Some(done) = self.take(head, &body)? {
                return self.rendered(done);
            }
        }
    }

    /// Waits for the walls.
    fn start(&mut self) -> Result<(), RenderError> {
        let until = Some(Instant::now() + START_TIMEOUT);
        let socket = &self.process.socket;
        let first = socket.receive_head(until).and_then(|head| {
            let mut body = vec![0; head.len];
            socket.receive_body(&mut body, until).map(|()| (head.kind, body))
        });
        let detail = match first {
            Ok((Kind::Ready, body)) => match frame::decode::<Ready>(Kind::Ready, &body) {
                Ok(ready) if ready.protocol == PROTOCOL => return Ok(()),
                Ok(ready) => format!("it speaks protocol {}, not {PROTOCOL}", ready.protocol),
                Err(error) => error.to_string(),
            },
            Ok((Kind::Failed, body)) => frame::decode::<Failed>(Kind::Failed, &body)
                .map_or_else(|error| error.to_string(), |failed| words::detail(&failed.detail)),
            Ok((kind, _)) => format!("it began with {kind:?}"),
            Err(error) => {
                format!("{error}; {}", post_mortem(self.process.kill()).1)
            }
        };
        Err(RenderError::Start(StartError::Walls { detail }))
    }

    /// Runs what waits for the renderer, and counts the time against the job's.
    fn timed<T>(
        &mut self,
        wait: impl FnOnce(&mut Self, Instant) -> Result<T, SocketError>,
    ) -> Result<T, RenderError> {
        let whole = Duration::from_millis(self.job.limits.renderer_wall_ms);
        let began = Instant::now();
        let result = wait(self, began + whole.saturating_sub(self.waited));
        self.waited += began.elapsed();
        result.map_err(|error| self.explain(&error))
    }

    fn receive(&mut self) -> Result<(Head, Vec<u8>), RenderError> {
        self.timed(|session, until| {
            let head = session.process.socket.receive_head(Some(until))?;
            let mut body = vec![0; head.len];
            session.process.socket.receive_body(&mut body, Some(until))?;
            Ok((head, body))
        })
    }

    /// What a broken conversation says about the job.
    fn explain(&mut self, error: &SocketError) -> RenderError {
        match error {
            SocketError::TimedOut => {
                self.process.kill();
                failed(FailureCode::RendererTimeout, "the limit of time was reached")
            }
            // Hung up: it has ended or is about to.
            SocketError::Closed => {
                let (code, detail) = post_mortem(self.process.wait());
                RenderError::Failed { code, detail }
            }
            SocketError::Frame(_) | SocketError::StrayDescriptor | SocketError::Io(_) => {
                self.process.kill();
                lie(error)
            }
        }
    }

    fn take(&mut self, head: Head, body: &[u8]) -> Result<Option<Done>, RenderError> {
        if head.descriptor.is_some() != (head.kind == Kind::Artifact) {
            return Err(lie(&SocketError::StrayDescriptor));
        }
        match (head.kind, head.descriptor) {
            (Kind::Read, None) => self.read(decode(Kind::Read, body)?)?,
            (Kind::Sniffed, None) => self.sniffed(decode(Kind::Sniffed, body)?)?,
            (Kind::Pages, None) => self.pages(decode(Kind::Pages, body)?)?,
            (Kind::Artifact, Some(descriptor)) => {
                let made: ArtifactMade = decode(Kind::Artifact, body)?;
                let artifact = self.artifact(made, &descriptor)?;
                self.tell(RenderEvent::Artifact(artifact))?;
            }
            (Kind::Done, None) => return decode(Kind::Done, body).map(Some),
            (Kind::Failed, None) => {
                let Failed { code, detail } = decode(Kind::Failed, body)?;
                if !may_tell(code) {
                    return Err(lie(&"a failure that is not its own"));
                }
                return Err(RenderError::Failed { code, detail: words::detail(&detail) });
            }
            (kind, _) => return Err(lie(&format!("{kind:?} out of turn"))),
        }
        Ok(None)
    }

    fn tell(&self, event: RenderEvent) -> Result<(), RenderError> {
        self.events.blocking_send(event).map_err(|_gone| RenderError::Unheard)
    }

    fn read(&mut self, read: Read) -> Result<(), RenderError> {
        let left = self.job.source_bytes.saturating_sub(read.offset);
        let len = left.min(read.len.min(RANGE_BYTES).into());
        self.read_bytes = self.read_bytes.saturating_add(len.max(1));
        if self.read_bytes > self.job.source_bytes.saturating_add(4_096).saturating_mul(MAX_REREADS)
        {
            return Err(lie(&"the source read over and over"));
        }
        self.buffer.resize(usize::try_from(len).unwrap_or_default(), 0);
        let count = self
            .source
            .read_at(read.offset, &mut self.buffer)
            .map_err(|source| RenderError::Source { offset: read.offset, source })?;
        self.buffer.truncate(count);
        let header = frame::header(Kind::Bytes, self.buffer.len()).map_err(RenderError::Order)?;
        self.timed(|session, until| {
            let body = &session.buffer;
            session.process.socket.send_parts(&header, body, None, Some(until))
        })
    }

    fn sniffed(&mut self, sniffed: Sniffed) -> Result<(), RenderError> {
        if self.sniffed.is_some()
            || !words::is_media_type(&sniffed.media_type)
            || !words::is_extension(&sniffed.extension)
        {
            return Err(lie(&"an impossible kind of file"));
        }
        self.sniffed = Some(sniffed.clone());
        self.tell(RenderEvent::Sniffed(sniffed))
    }

    fn pages(&mut self, Pages { total }: Pages) -> Result<(), RenderError> {
        let in_turn = self.sniffed.is_some() && self.total_pages.is_none();
        if !in_turn || !(1..=MAX_TOTAL_PAGES).contains(&total) {
            return Err(lie(&"an impossible number of pages"));
        }
        self.total_pages = Some(total);
        self.tell(RenderEvent::Pages { total })
    }

    fn artifact(
        &mut self,
        made: ArtifactMade,
        descriptor: &std::os::fd::OwnedFd,
    ) -> Result<Artifact, RenderError> {
        let asked = self
            .total_pages
            .is_some_and(|total| self.job.wish.pages.of(total).contains(&made.page));
        let size = self.job.wish.sizes.get(made.size_index as usize).filter(|_| asked);
        let Some(size) = size.filter(|_| self.made.insert((made.page, made.size_index))) else {
            return Err(lie(&"an artifact that nobody asked for"));
        };
        let original = (made.original_width, made.original_height);
        let dimensions = (made.width, made.height);
        if size.apply(original.0, original.1) != dimensions
            || self.job.wish.format.is_some_and(|format| format != made.format)
        {
            return Err(lie(&"an artifact other than asked for"));
        }
        let limits = &self.job.limits;
        if u64::from(made.width) * u64::from(made.height) > limits.pixels
            || u64::from(original.0) * u64::from(original.1) > limits.pixels
        {
            return Err(lie(&"an artifact of too many pixels"));
        }
        let (file, bytes) = self.inspect(descriptor, made.format, dimensions)?;
        Ok(Artifact {
            page: made.page,
            size_index: made.size_index as usize,
            width: made.width,
            height: made.height,
            original_width: original.0,
            original_height: original.1,
            resized: dimensions != original,
            format: made.format,
            bytes,
            file,
        })
    }

    fn inspect(
        &mut self,
        descriptor: &std::os::fd::OwnedFd,
        format: domain::wish::Format,
        dimensions: (u32, u32),
    ) -> Result<(File, u64), RenderError> {
        let (file, bytes) = inspect::open(descriptor).map_err(|flaw| lie(&flaw))?;
        self.output_bytes = self.output_bytes.saturating_add(bytes);
        let limits = &self.job.limits;
        if self.output_bytes > limits.output_bytes || self.made.len() > limits.artifacts as usize {
            return Err(failed(FailureCode::OutputTooLarge, "too many artifacts, or too large"));
        }
        inspect::check(&file, format, dimensions).map_err(|flaw| lie(&flaw))?;
        Ok((file, bytes))
    }

    fn rendered(mut self, done: Done) -> Result<Rendered, RenderError> {
        let (Some(sniffed), Some(total_pages)) = (self.sniffed.take(), self.total_pages) else {
            return Err(lie(&"done before it knew the file"));
        };
        let asked = self.job.wish.pages.of(total_pages).len() * self.job.wish.sizes.len();
        if self.made.len() != asked {
            return Err(lie(&"done before all was drawn"));
        }
        let exif =
            words::tags(done.exif, self.job.limits.metadata_bytes).map_err(|flaw| lie(&flaw))?;
        Ok(Rendered {
            sniffed,
            total_pages,
            exif,
            engines: words::engines(done.engines),
            artifacts: u32::try_from(asked).unwrap_or(u32::MAX),
            output_bytes: self.output_bytes,
            read_bytes: self.read_bytes,
            cpu_ms: done.cpu_ms,
            peak_bytes: done.peak_bytes,
            wall_ms: u64::try_from(self.waited.as_millis()).unwrap_or(u64::MAX),
        })
    }
}

/// Failures that a renderer can know of.
const fn may_tell(code: FailureCode) -> bool {
    matches!(
        code,
        FailureCode::SourceEmpty
            | FailureCode::Unsupported
            | FailureCode::Corrupt
            | FailureCode::TooManyPixels
            | FailureCode::OutputTooLarge
            | FailureCode::NoSuchPage
            | FailureCode::CapabilityMissing
            | FailureCode::RendererMemory
            | FailureCode::RendererCrashed
            | FailureCode::Internal
    )
}

fn decode<M: DeserializeOwned>(kind: Kind, body: &[u8]) -> Result<M, RenderError> {
    // The decoder's own text may quote the body.
    frame::decode(kind, body).map_err(|_error: FrameError| lie(&format!("{kind:?} unreadable")))
}

fn failed(code: FailureCode, detail: &str) -> RenderError {
    RenderError::Failed { code, detail: detail.to_owned() }
}

fn lie(what: &dyn std::fmt::Display) -> RenderError {
    failed(FailureCode::RendererCrashed, &format!("the renderer broke the protocol: {what}"))
}
