//! A live log as the lines of an export.

use std::{
    collections::BTreeSet,
    pin::Pin,
    time::{Duration, Instant},
};

use eventlog::{Checkpoints, Log, Raw, Span, Statement, Unavailable};
use evidence::{
    KEY_HEADER, STREAMS,
    checkpoint::Checkpoint,
    claim::Halted,
    note::Note,
    shelf::{Kept, Shelf},
    tile::WIDTH,
    verify::{Closing, Halt, Leaves, Line, Opening, Signed, Stored, VERSION},
};
use futures::{Stream, StreamExt as _};
use jiff::Timestamp;
use service::Failure;

use crate::progress::Progress;

/// How many statements one read asks for.
const PAGE: usize = 256;
/// How long what a checkpoint speaks of may take to be readable: in a cluster whoever answers may be
/// a moment behind.
const BEHIND: Duration = Duration::from_secs(5);
/// How long between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// After how many events it is said how far it has come.
const TELL: u64 = 2_000;

type Events = Pin<Box<dyn Stream<Item = Result<Raw, Unavailable>> + Send>>;

/// Hands out all lines, in the order of an export; the first with the keys that the log says are its own.
pub(super) async fn lines(
    log: &Log,
    now: Timestamp,
    sink: impl FnMut(Line) -> Result<(), Failure>,
) -> Result<Closing, Failure> {
    let mut source = Source {
        log,
        statements: Checkpoints::new(log),
        sink,
        seen: Closing::default(),
        progress: Progress::start(false),
        stream: "",
    };
    source.all(now).await
}

struct Source<'a, F> {
    log: &'a Log,
    statements: Checkpoints,
    sink: F,
    seen: Closing,
    progress: Progress,
    stream: &'static str,
}

impl<F: FnMut(Line) -> Result<(), Failure>> Source<'_, F> {
    async fn all(&mut self, now: Timestamp) -> Result<Closing, Failure> {
        let keys = self.keys().await?;
        self.emit(Line::Export(Opening {
            version: VERSION,
            exported_at: now,
            keys: keys.into_iter().collect(),
            streams: STREAMS.iter().map(|stream| (*stream).to_owned()).collect(),
        }))?;
        for stream in STREAMS {
            self.stream = stream;
            // Statements come first: what they speak of is there by the time that they are.
            let size = self.statements().await?;
            let kept = Shelf::new(self.log).kept(stream).await?;
            let next = self.events(size, kept.as_ref()).await?;
            self.tiles(next, u64::MAX, kept.as_ref()).await?;
        }
        let seen = self.seen;
        self.emit(Line::End(seen))?;
        Ok(seen)
    }

    /// The keys that the oldest and the newest statements name.
    async fn keys(&self) -> Result<BTreeSet<String>, Failure> {
        let mut keys = BTreeSet::new();
        for stream in STREAMS {
            let mut raws = self.statements.list(stream, Statement::Signed, 1, PAGE).await?;
            raws.extend(self.statements.last(stream, Statement::Signed).await?);
            keys.extend(
                raws.iter().filter_map(|raw| raw.headers.get(KEY_HEADER)).map(str::to_owned),
            );
        }
        Ok(keys)
    }

    fn emit(&mut self, line: Line) -> Result<(), Failure> {
        self.seen.count(&line);
        (self.sink)(line)
    }

    /// Every checkpoint, those that witnesses signed once more, and why there is none any more.
    /// Returns the size of the largest.
    async fn statements(&mut self) -> Result<u64, Failure> {
        let stream = self.stream;
        let mut size = 0;
        for kind in [Statement::Signed, Statement::Cosigned] {
            let mut from = 1;
            loop {
                let page = self.statements.list(stream, kind, from, PAGE).await?;
                let Some(last) = page.last() else { break };
                from = last.seq + 1;
                for raw in page {
                    let note = String::from_utf8_lossy(&raw.body).into_owned();
                    size = size.max(size_of(&note));
                    self.emit(Line::Checkpoint(Signed { stream: stream.to_owned(), note }))?;
                }
            }
        }
        if let Some(raw) = self.statements.last(stream, Statement::Halted).await?
            && let Ok(Halted { reason: Some(reason), sequence, .. }) =
                serde_json::from_slice(&raw.body)
        {
            let stream = stream.to_owned();
            self.emit(Line::Halted(Halt { stream, reason, seq: sequence }))?;
        }
        Ok(size)
    }

    /// All events, each stretch behind its leaves. Returns the next tile.
    async fn events(&mut self, size: u64, kept: Option<&Kept>) -> Result<u64, Failure> {
        let (mut tile, mut last) = (0, 0);
        let began = Instant::now();
        loop {
            let span = Span { from_seq: Some(last + 1), ..Span::default() };
            let mut events: Events = Box::pin(self.log.replay(self.stream, span));
            while let Some(raw) = events.next().await.transpose()? {
                last = raw.seq;
                tile = self.tiles(tile, (last - 1) / WIDTH, kept).await?;
                self.emit(Line::Event(Stored::from(raw)))?;
                if self.seen.events.is_multiple_of(TELL) {
                    self.progress.now(&format!("{}: {last}", self.stream));
                }
            }
            if last >= size || last == 0 || began.elapsed() > BEHIND {
                return Ok(tile);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Tiles from `from` on up to `to`, as far as there are any. Returns the next.
    async fn tiles(&mut self, from: u64, to: u64, kept: Option<&Kept>) -> Result<u64, Failure> {
        let Some(kept) = kept else { return Ok(to) };
        let size = kept.claim.size;
        let end = to.saturating_add(1).min(size.div_ceil(WIDTH));
        for index in from..end {
            let leaves = if index == size / WIDTH {
                Some(kept.tail.iter().flat_map(|hash| *hash.as_bytes()).collect())
            } else {
                self.statements.tile(self.stream, 0, index).await?
            };
            // One that is gone is missed by whoever looks at the lines.
            if let Some(leaves) = leaves {
                let stream = self.stream.to_owned();
                self.emit(Line::Tile(Leaves { stream, index, leaves }))?;
            }
        }
        Ok(end.max(from))
    }
}

/// How many events a note speaks of, whoever signed it.
fn size_of(note: &str) -> u64 {
    let text = Note::parse(note).ok().map(|note| note.text);
    let checkpoint: Option<Checkpoint> = text.and_then(|text| text.parse().ok());
    checkpoint.map_or(0, |checkpoint| checkpoint.size)
}
