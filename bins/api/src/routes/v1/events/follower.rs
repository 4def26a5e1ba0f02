//! Tells what is wanted of an account's histories: what was stored first, then what follows, with neither gap nor repetition.
//!
//! Listening starts before anything is read. What is heard is only a hint to read on from the log:
//! the histories of one account are a part of each stream, so nobody could tell by sequences whether
//! something was missed. Now and then the log is read on anyhow: a hint that was lost makes events
//! late, never missing.
//!
//! An answer lasts for as long as whoever asked may listen: when something happens to an account, a
//! key pair or a session, and now and then, they are identified again by what they sent. Who does
//! not read what they asked for is let go, and comes back with the cursor of the last they read.

use std::{collections::HashMap, io, sync::Arc, time::Duration};

use bytes::Bytes;
use domain::{
    Timestamp,
    id::{AccountId, JobId},
    job::{Event, Jobs},
};
use eventlog::{Raw, Span, Unavailable};
use futures::{
    FutureExt as _, Stream as Futures, StreamExt as _,
    stream::{self, BoxStream, Peekable, SelectAll},
};
use readmodel::Stream;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use super::{
    Asked, Form,
    cursor::{Cursor, Start},
    listener::Listener,
};
use crate::{
    app::{self, App},
    call::Call,
    export,
    places::Place,
    problem::Problem,
};

/// Events made ready before the client has taken those before.
const AHEAD: usize = 16;
/// How long a client may leave what was made ready unread before it is let go.
const UNREAD: Duration = Duration::from_secs(30);
/// How often a silent stream says that it lives and where it stands.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often the log is read on though nothing was heard.
const LOOK: Duration = Duration::from_secs(10);
/// How often a server that lags behind what was heard is asked again, and after what pause.
const LAGS: u32 = 40;
const LAG_PAUSE: Duration = Duration::from_millis(25);
/// Most jobs of which it is remembered whether they are wanted; beyond, all are forgotten.
const MAX_KNOWN: usize = 4_096;

/// One history that is followed.
struct Source {
    stream: Stream,
    filter: String,
    /// The last sequence that is known to exist.
    heard: u64,
    /// Where the stream ended when the answer began.
    end: u64,
}

/// What was heard: which source, and a sequence there.
type Hint = (usize, u64);

/// Tells one client.
pub(super) struct Follower {
    app: Arc<App>,
    account: AccountId,
    asked: Asked,
    sources: Vec<Source>,
    told: Cursor,
    /// Of jobs, whether they are of the application asked for.
    known: HashMap<JobId, bool>,
    sender: mpsc::Sender<io::Result<Bytes>>,
}

/// Why an answer ends.
enum End {
    /// Everything was told that was asked for.
    Over,
    /// The client is gone or does not read.
    Gone,
    /// The process is stopping, or whoever listens may no longer.
    Cut,
    /// The log or a key cannot be read; the client comes back with its cursor.
    Trouble(Trouble),
}

/// What cannot be told now.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("read the log")]
    Log(#[from] Unavailable),
    #[error("open a personal field")]
    Custody(#[from] custody::Error),
    #[error("read the read model")]
    Rows(#[from] readmodel::Error),
    #[error("read a job's history")]
    History(#[from] eventlog::ReadError),
}

impl From<Trouble> for End {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<Unavailable> for End {
    fn from(error: Unavailable) -> Self {
        Self::Trouble(error.into())
    }
}

impl Follower {
    /// The body of an answer.
    pub(super) async fn open(
        app: Arc<App>,
        call: &Call,
        asked: Asked,
    ) -> Result<impl Futures<Item = io::Result<Bytes>> + Send + Sync + use<>, Problem> {
        let account = call.caller()?.account;
        let place = app.places.take(account)?;
        let (mut sources, mut hints) = (Vec::new(), SelectAll::new());
        for (index, stream) in asked.wanted.streams.iter().copied().enumerate() {
            let filter = asked.wanted.filter(stream, account);
            if asked.follow {
                let live = app.log.live(&filter).await?;
                hints.push(live.map(move |raw| (index, raw.seq)).boxed());
            }
            let end = end(&app, stream, asked.start).await?;
            sources.push(Source { stream, filter, heard: 0, end });
        }
        let told = start(asked.start, &sources);
        let (sender, receiver) = mpsc::channel(AHEAD);
        let (sent, streams) = (call.headers.clone(), asked.wanted.streams.clone());
        let listener = Listener { app: app.clone(), account, sent, streams };
        let known = HashMap::new();
        let follower = Self { app, account, asked, sources, told, known, sender };
        tokio::spawn(follower.run(listener, hints, place));
        Ok(stream::unfold(receiver, |mut receiver| async move {
            Some((receiver.recv().await?, receiver))
        }))
    }

    async fn run(
        mut self,
        listener: Listener,
        hints: SelectAll<BoxStream<'static, Hint>>,
        _place: Place,
    ) {
        let shutdown = self.app.shutdown.clone();
        let sender = self.sender.clone();
        let end = tokio::select! {
            () = shutdown.cancelled() => End::Cut,
            () = sender.closed() => End::Gone,
            () = listener.may_not() => End::Cut,
            end = self.tell(hints) => match end {
                Ok(never) => match never {},
                Err(end) => end,
            },
        };
        if let End::Trouble(error) = &end {
            tracing::warn!(error = %service::Chain(error), "an answer with events breaks off");
        }
        if self.asked.form == Form::Lines && !matches!(end, End::Over | End::Gone) {
            // Lines that end early must not look as if they were all.
            let broken = io::Error::from(io::ErrorKind::ConnectionAborted);
            drop(timeout(UNREAD, sender.send(Err(broken))).await);
        }
    }

    async fn tell(
        &mut self,
        mut hints: SelectAll<BoxStream<'static, Hint>>,
    ) -> Result<std::convert::Infallible, End> {
        if self.asked.form == Form::Sse {
            self.send(self.alive()).await?;
        }
        self.catch_up().await?;
        if !self.asked.follow {
            return Err(End::Over);
        }
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut alive = interval(KEEP_ALIVE);
        alive.reset();
        loop {
            tokio::select! {
                hint = hints.next() => {
                    let Some(hint) = hint else { return Err(End::Cut) };
                    self.note(hint);
                    while let Some(Some(more)) = hints.next().now_or_never() {
                        self.note(more);
                    }
                    self.read_what_was_heard().await?;
                }
                _ = looks.tick() => {
                    for index in 0..self.sources.len() {
                        self.read_on(index).await?;
                    }
                }
                _ = alive.tick() => if self.asked.form == Form::Sse {
                    self.send(self.alive()).await?;
                },
            }
        }
    }

    fn note(&mut self, (index, seq): Hint) {
        if let Some(source) = self.sources.get_mut(index) {
            source.heard = source.heard.max(seq);
        }
    }

    /// Everything that was stored when the answer began, the histories merged by time.
    async fn catch_up(&mut self) -> Result<(), End> {
        let mut pages: Vec<(usize, Peekable<BoxStream<'static, _>>)> = Vec::new();
        for (index, source) in self.sources.iter().enumerate() {
            let from = self.told.of(source.stream) + 1;
            if from <= source.end {
                let span = Span { to_seq: Some(source.end), ..self.span(source) };
                let page = self.app.log.replay(app::name(source.stream), span).boxed();
                pages.push((index, page.peekable()));
            }
        }
        loop {
            let mut first: Option<(usize, Option<Timestamp>)> = None;
            for (place, (_, page)) in pages.iter_mut().enumerate() {
                let mut page = std::pin::Pin::new(page);
                let time = match page.as_mut().peek().await {
                    None => continue,
                    Some(Err(_)) => None,
                    Some(Ok(raw)) => Raw::time(raw),
                };
                if first.is_none_or(|(_, earliest)| time < earliest) {
                    first = Some((place, time));
                }
            }
            let Some((index, page)) = first.and_then(|(place, _)| pages.get_mut(place)) else {
                return Ok(());
            };
            let Some(raw) = page.next().await else { continue };
            self.pass_on(*index, &raw?).await?;
        }
    }

    async fn read_what_was_heard(&mut self) -> Result<(), End> {
        for index in 0..self.sources.len() {
            let mut lags = 0;
            while let Some(source) = self.sources.get(index)
                && source.heard > self.told.of(source.stream)
                && lags < LAGS
            {
                if lags > 0 {
                    sleep(LAG_PAUSE).await;
                }
                self.read_on(index).await?;
                lags += 1;
            }
        }
        Ok(())
    }

    /// Reads from the log what came after the last that was told.
    async fn read_on(&mut self, index: usize) -> Result<(), End> {
        let Some(source) = self.sources.get(index) else { return Ok(()) };
        let mut later = self.app.log.replay(app::name(source.stream), self.span(source)).boxed();
        while let Some(raw) = later.next().await {
            self.pass_on(index, &raw?).await?;
        }
        Ok(())
    }

    fn span(&self, source: &Source) -> Span {
        Span {
            filter: Some(source.filter.clone()),
            from_seq: Some(self.told.of(source.stream) + 1),
            since: self.asked.since,
            ..Span::default()
        }
    }

    async fn pass_on(&mut self, index: usize, raw: &Raw) -> Result<(), End> {
        let Some(stream) = self.sources.get(index).map(|source| source.stream) else {
            return Ok(());
        };
        self.told.set(stream, raw.seq);
        let stored = export::stored(raw);
        let Some(topic) = self.asked.wanted.topic(stream, raw) else { return Ok(()) };
        if stored.account() != Some(self.account) || !self.is_of_application(raw).await? {
            return Ok(());
        }
        let told = self.app.custody.tell_event(&stored).await;
        let mut event = told.map_err(Trouble::from)?;
        let cursor = self.told.to_string();
        event.insert("cursor".to_owned(), cursor.clone().into());
        let event = serde_json::Value::Object(event);
        self.send(match self.asked.form {
            Form::Sse => format!("id:{cursor}\nevent:{topic}\ndata:{event}\n\n"),
            Form::Lines => format!("{event}\n"),
        })
        .await
    }

    /// Whether an event is of a job of the application asked for, if one is.
    async fn is_of_application(&mut self, raw: &Raw) -> Result<bool, Trouble> {
        let Some(wanted) = self.asked.wanted.application else { return Ok(true) };
        let Ok(recorded) = raw.decode::<Jobs>() else { return Ok(false) };
        let id = recorded.id;
        if let Some(known) = self.known.get(&id.job) {
            return Ok(*known);
        }
        let application = match recorded.event {
            Event::Requested(requested) => Some(requested.application),
            _ => match self.app.store.job(id)? {
                Some(row) => Some(row.job.requested.application),
                // It may have been erased, or the rows are behind.
                None => {
                    let history = self.app.log.messages::<Jobs>(&id).await?;
                    history.first().and_then(|raw| match raw.decode::<Jobs>().ok()?.event {
                        Event::Requested(requested) => Some(requested.application),
                        _ => None,
                    })
                }
            },
        };
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        let is = application == Some(wanted);
        self.known.insert(id.job, is);
        Ok(is)
    }

    /// A sign of life: where a stream stands, so that a client that heard nothing for long need not
    /// have everything read again.
    fn alive(&self) -> String {
        format!("id:{}\n:alive\n\n", self.told)
    }

    async fn send(&self, text: String) -> Result<(), End> {
        hand_on(&self.sender, Bytes::from(text)).await
    }
}

/// Gives a client a piece of its answer, and gives up on one that does not read.
async fn hand_on(sender: &mpsc::Sender<io::Result<Bytes>>, piece: Bytes) -> Result<(), End> {
    match timeout(UNREAD, sender.send(Ok(piece))).await {
        Ok(sent) => sent.map_err(|_closed| End::Gone),
        Err(_elapsed) => {
            tracing::info!("events were left unread; the answer is ended");
            Err(End::Gone)
        }
    }
}

/// Where a stream ends now. A cursor beyond it is of another log, or of this one before it was
/// brought back from a backup: what it stands for is not told as if nothing were missing.
async fn end(app: &App, stream: Stream, start: Start) -> Result<u64, Problem> {
    let least = if let Start::After(cursor) = start { cursor.of(stream) } else { 0 };
    for _ in 0..LAGS {
        let end = app.log.last_sequence(app::name(stream)).await?;
        if end >= least {
            return Ok(end);
        }
        // One server of several may be a little behind.
        sleep(LAG_PAUSE).await;
    }
    let message = "The log does not reach as far as this cursor: it was brought back from a backup, or is another one. Begin again with start, now, or since.";
    Err(Problem::FieldInvalid { field: "after", message: message.to_owned() })
}

/// Where each history begins to be told.
fn start(start: Start, sources: &[Source]) -> Cursor {
    let mut cursor = Cursor::default();
    for source in sources {
        let at = match start {
            Start::Beginning => 0,
            Start::Now => source.end,
            Start::After(cursor) => cursor.of(source.stream),
        };
        cursor.set(source.stream, at);
    }
    cursor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_is_let_go_after_a_while() {
        let (sender, mut reader) = mpsc::channel(1);
        let piece = || Bytes::from_static(b"event");
        assert!(hand_on(&sender, piece()).await.is_ok());
        let begun = tokio::time::Instant::now();
        assert!(matches!(hand_on(&sender, piece()).await, Err(End::Gone)));
        assert_eq!(begun.elapsed(), UNREAD);
        // What was made ready can still be read, and says with its cursor where to go on.
        assert_eq!(reader.recv().await.unwrap().unwrap(), piece());
        drop(reader);
        assert!(matches!(hand_on(&sender, piece()).await, Err(End::Gone)));
    }

    #[test]
    fn a_stream_begins_where_it_was_asked_to() {
        let source = |stream, end| Source { stream, filter: String::new(), heard: 0, end };
        let sources = [source(Stream::Jobs, 7), source(Stream::Uploads, 3)];
        let mut kept = Cursor::default();
        kept.set(Stream::Jobs, 5);
        for (from, text) in [
            (Start::Beginning, "JOBS:0,UPLOADS:0"),
            (Start::Now, "JOBS:7,UPLOADS:3"),
            (Start::After(kept), "JOBS:5,UPLOADS:0"),
        ] {
            assert_eq!(start(from, &sources).to_string(), text);
        }
    }
}
