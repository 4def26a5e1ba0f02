//! One job with one renderer, on a thread that may block. Everything it says is taken as hostile:
//! frames are capped by kind, reads stay inside the source and are bounded in number, and whatever
//! else it says goes through the [`Tally`].
//!
//! A renderer that lies has been captured or is broken: the job fails as `renderer_crashed`.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::FailureCode;
use tokio::sync::mpsc;

use crate::frame::{self, Kind, PROTOCOL, RANGE_BYTES};
use crate::message::{Done, Failed, Handover, Order, Read, Ready};
use crate::pool::StartError;
use crate::process::{Process, post_mortem};
use crate::render::{
    HandedOver, Outcome, RangeSource, RenderError, RenderEvent, RenderJob, Rendered,
};
use crate::socket::{Head, SocketError};
use crate::tally::{Said, Tally, decode, failed, lie};
use crate::words;

/// Longest wait for a renderer to get its walls up.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How many times over the source may be read, in bytes.
const MAX_REREADS: u64 = 16;
/// A source that is smaller may be read as often as one of so many bytes: who looks for something
/// in it reads more at once than there is between two places.
const LEAST_READ_BYTES: u64 = 4 << 20;

pub(crate) struct Session {
    process: Process,
    fonts: Option<Arc<OwnedFd>>,
    source: Box<dyn RangeSource>,
    events: mpsc::Sender<RenderEvent>,
    tally: Tally,
    waited: Duration,
    buffer: Vec<u8>,
    read_bytes: u64,
}

impl Session {
    pub(crate) fn new(
        process: Process,
        fonts: Option<Arc<OwnedFd>>,
        job: RenderJob,
        source: Box<dyn RangeSource>,
        events: mpsc::Sender<RenderEvent>,
    ) -> Self {
        Self {
            process,
            fonts,
            source,
            events,
            tally: Tally::new(job),
            waited: Duration::ZERO,
            buffer: Vec::new(),
            read_bytes: 0,
        }
    }

    /// Draws the job to its end. Gives the renderer back, to be taken leave of: that it has ended
    /// need not be waited for.
    pub(crate) fn run(mut self) -> (Result<Outcome, RenderError>, Process) {
        let result = self.draw();
        // Whatever it still does, it does in vain.
        self.process.end();
        (result, self.process)
    }

    fn draw(&mut self) -> Result<Outcome, RenderError> {
        self.start()?;
        self.process.cap_memory(self.tally.job().limits.renderer_memory_bytes);
        self.order()?;
        loop {
            let (head, body) = self.receive()?;
            if (head.kind, head.descriptor.is_none()) == (Kind::Read, true) {
                self.read(decode(Kind::Read, &body)?)?;
                continue;
            }
            match self.tally.take(head.kind, &body, head.descriptor)? {
                Said::Event(event) => self.tell(event)?,
                Said::Done(done) => return self.rendered(done),
                Said::Handover(handover) => return self.handed_over(handover),
            }
        }
    }

    fn order(&mut self) -> Result<(), RenderError> {
        let job = self.tally.job();
        let order =
            Order { wish: job.wish.clone(), source_bytes: job.source_bytes, limits: job.limits };
        let order = frame::encode(Kind::Order, &order).map_err(RenderError::Order)?;
        let fonts = self.fonts.clone();
        self.timed(|session, until| {
            let fonts = fonts.as_ref().map(|fonts| fonts.as_fd());
            session.process.socket.send(&order, fonts, Some(until))
        })
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
            Ok((Kind::Ready, body)) => match frame::decode::<Ready, _>(Kind::Ready, &body) {
                Ok(ready) if ready.protocol == PROTOCOL => return Ok(()),
                Ok(ready) => format!("it speaks protocol {}, not {PROTOCOL}", ready.protocol),
                Err(error) => error.to_string(),
            },
            Ok((Kind::Failed, body)) => frame::decode::<Failed, _>(Kind::Failed, &body)
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
        let whole = Duration::from_millis(self.tally.job().limits.renderer_wall_ms);
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

    fn tell(&self, event: RenderEvent) -> Result<(), RenderError> {
        self.events.blocking_send(event).map_err(|_gone| RenderError::Unheard)
    }

    fn read(&mut self, read: Read) -> Result<(), RenderError> {
        let source_bytes = self.tally.job().source_bytes;
        let left = source_bytes.saturating_sub(read.offset);
        let len = left.min(read.len.min(RANGE_BYTES).into());
        self.read_bytes = self.read_bytes.saturating_add(len.max(1));
        if self.read_bytes > source_bytes.max(LEAST_READ_BYTES).saturating_mul(MAX_REREADS) {
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

    fn rendered(&mut self, done: Done) -> Result<Outcome, RenderError> {
        let (artifacts, output_bytes) = (self.tally.artifacts(), self.tally.output_bytes);
        let wall_ms = self.wall_ms();
        let (Some(sniffed), Some(total_pages)) =
            (self.tally.sniffed.take(), self.tally.total_pages)
        else {
            return Err(lie(&"done before it knew the file"));
        };
        Ok(Outcome::Rendered(Rendered {
            sniffed,
            total_pages,
            metadata: done.metadata,
            engines: done.engines,
            artifacts,
            output_bytes,
            read_bytes: self.read_bytes,
            cpu_ms: done.cpu_ms,
            peak_bytes: done.peak_bytes,
            wall_ms,
        }))
    }

    fn handed_over(&mut self, Handover { to, so_far }: Handover) -> Result<Outcome, RenderError> {
        let wall_ms = self.wall_ms();
        let Some(sniffed) = self.tally.sniffed.take() else {
            return Err(lie(&"a handover before it knew the file"));
        };
        let (metadata, engines) = (so_far.metadata, so_far.engines);
        Ok(Outcome::HandedOver(HandedOver { to, sniffed, metadata, engines, wall_ms }))
    }

    fn wall_ms(&self) -> u64 {
        u64::try_from(self.waited.as_millis()).unwrap_or(u64::MAX)
    }
}
