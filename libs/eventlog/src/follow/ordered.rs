//! Everything of a stream in order, from where the reader stopped.
//!
//! A tail keeps nothing on the server. It reads forward from its position until nothing more is
//! stored, and then listens to what is republished. On an unfiltered stream every sequence must
//! follow its predecessor: so what is heard in order is as good as read, and is handed on as it is.
//! Whatever was missed is read; missing the last of it costs a second, never an event. A sequence
//! that cannot be read either is an alarm. A tail of a part of a stream cannot know what it missed,
//! and only hears when to read on. So there is no consumer that could be lost, stall or be stolen,
//! and a server that went away is simply asked again.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures::{
    FutureExt as _, Stream, StreamExt as _,
    stream::{BoxStream, ReadyChunks},
};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    backend::Note, envelope::Raw, error::Unavailable, log::Log, stored, subject, topology,
};

/// How many messages one read asks for.
const PAGE: usize = 500;
/// Batches read ahead of the one being applied.
const AHEAD: usize = 2;
/// How long nothing may be heard before the stream is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often everybody else gets a turn before what was heard is handed on, at most.
const MAX_TURNS: usize = 16;
/// The first pause before a server that lags behind what was heard is asked again.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
/// The longest pause after trouble.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// Messages are missing from the middle of a stream that loses none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{stream} goes from {after} to {found}: the messages between are missing")]
pub struct Gap {
    /// The stream.
    pub stream: String,
    /// The last sequence that was read.
    pub after: u64,
    /// The next one found.
    pub found: u64,
}

/// Batches of messages, in order, without end until the shutdown; after a [`Gap`] nothing more.
pub struct Tail(mpsc::Receiver<Result<Vec<Raw>, Gap>>);

impl Stream for Tail {
    type Item = Result<Vec<Raw>, Gap>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// Follows `stream` from `from` on, only what `filter` covers if there is one. Errors of the
/// connection are outlived, not reported.
#[must_use]
pub fn ordered(
    log: &Log,
    stream: &str,
    from: u64,
    filter: Option<&str>,
    shutdown: CancellationToken,
) -> Tail {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let reader = Reader {
        log: log.clone(),
        stream: stream.to_owned(),
        contiguous: filter.is_none(),
        filter: filter.unwrap_or(">").to_owned(),
        hint: subject::live(filter.unwrap_or(&topology::ingest(stream))),
        next: from.max(1),
        heard: 0,
        sender,
    };
    tokio::spawn(async move {
        let closed = reader.sender.clone();
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = closed.closed() => {}
            () = reader.run() => {}
        }
    });
    Tail(receiver)
}

struct Reader {
    log: Log,
    stream: String,
    filter: String,
    contiguous: bool,
    hint: String,
    /// The next sequence to read.
    next: u64,
    /// The last sequence that is known to exist.
    heard: u64,
    sender: mpsc::Sender<Result<Vec<Raw>, Gap>>,
}

type Hints = ReadyChunks<BoxStream<'static, Note>>;

enum End {
    Trouble(Unavailable),
    Gap(Gap),
    Closed,
}

impl From<Unavailable> for End {
    fn from(error: Unavailable) -> Self {
        Self::Trouble(error)
    }
}

impl Reader {
    async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let before = self.next;
            match self.follow().await {
                End::Closed => return,
                End::Gap(gap) => {
                    tracing::error!(%gap, "the log is damaged");
                    drop(self.sender.send(Err(gap)).await);
                    return;
                }
                End::Trouble(error) => {
                    if self.next > before {
                        pause = FIRST_PAUSE;
                    }
                    tracing::warn!(
                        error = %crate::error::chain(&error), stream = self.stream, next = self.next,
                        "reading on after a pause"
                    );
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(MAX_PAUSE);
                }
            }
        }
    }

    async fn follow(&mut self) -> End {
        match self.read_for_ever().await {
            Err(end) => end,
            Ok(never) => match never {},
        }
    }

    async fn read_for_ever(&mut self) -> Result<std::convert::Infallible, End> {
        // Listening comes before reading, so that nothing stored in between goes unheard.
        let mut hints = self.log.backend.subscribe(&self.hint).await?.ready_chunks(PAGE);
        let mut pause = FIRST_PAUSE;
        loop {
            let page = self.log.backend.page(&self.stream, &self.filter, self.next, PAGE).await?;
            let (more, empty) = (page.left > 0, page.messages.is_empty());
            if !empty {
                pause = FIRST_PAUSE;
                self.hand_on(page.messages).await?;
            }
            if more {
                continue;
            }
            if empty && self.heard >= self.next {
                // The server that answered has not caught up with the one that spoke.
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LOOK);
                if pause == LOOK {
                    self.heard = 0;
                }
                continue;
            }
            self.listen(&mut hints).await?;
        }
    }

    async fn hand_on(&mut self, messages: Vec<Raw>) -> Result<(), End> {
        for message in &messages {
            if self.contiguous && message.seq != self.next {
                self.check_gap(message.seq).await?;
            }
            self.next = message.seq + 1;
        }
        self.sender.send(Ok(messages)).await.map_err(|_closed| End::Closed)
    }

    /// What retention removed from the front of a stream is no gap.
    async fn check_gap(&self, found: u64) -> Result<(), End> {
        let first = self.log.backend.page(&self.stream, ">", 1, 1).await?.messages;
        if first.first().is_some_and(|first| first.seq >= found) {
            tracing::warn!(stream = self.stream, self.next, found, "older events have expired");
            return Ok(());
        }
        Err(End::Gap(Gap { stream: self.stream.clone(), after: self.next - 1, found }))
    }

    /// Hands on what is heard in order; ends when there is something to be read, or when nothing
    /// was heard for a while.
    async fn listen(&mut self, hints: &mut Hints) -> Result<(), End> {
        let mut deadline = Instant::now() + LOOK;
        while self.heard < self.next {
            let Ok(notes) = tokio::time::timeout_at(deadline, hints.next()).await else {
                return Ok(());
            };
            let mut notes = notes.ok_or(Unavailable::silent("listen to a stream"))?;
            // What comes while others have their turns goes with it: a busy process applies seldom.
            for _ in 0..MAX_TURNS {
                tokio::task::yield_now().await;
                match hints.next().now_or_never() {
                    Some(Some(more)) if notes.len() < PAGE => notes.extend(more),
                    Some(Some(more)) => {
                        notes.extend(more);
                        break;
                    }
                    Some(None) | None => break,
                }
            }
            let messages = self.in_order(notes);
            if !messages.is_empty() {
                self.sender.send(Ok(messages)).await.map_err(|_closed| End::Closed)?;
                deadline = Instant::now() + LOOK;
            }
        }
        Ok(())
    }

    /// Those notes that go on where this reader stands, up to the first that does not.
    fn in_order(&mut self, notes: Vec<Note>) -> Vec<Raw> {
        let mut messages = Vec::with_capacity(notes.len());
        for raw in notes.into_iter().filter_map(stored::direct) {
            if self.contiguous && raw.seq == self.next && raw.stream == self.stream {
                self.next += 1;
                messages.push(raw);
            } else {
                self.heard = self.heard.max(raw.seq);
            }
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{backend::Backend, headers::Headers};

    const SUBJECT: &str = "darkroom.job.a.j.requested";

    fn store(log: &Log) {
        let Backend::Memory(memory) = &*log.backend else { panic!("a log in memory") };
        let body = Bytes::from_static(b"{}");
        memory.append(topology::JOBS, SUBJECT, &Headers::default(), &body, None).unwrap();
    }

    /// What a listener may hear around trouble: again, of the future, of something else.
    fn rumour(log: &Log, stream: &str, seq: u64) {
        let Backend::Memory(memory) = &*log.backend else { panic!("a log in memory") };
        memory.publish(&Note {
            subject: subject::live(SUBJECT),
            headers: Headers::from_iter([
                ("Nats-Stream", stream.to_owned()),
                ("Nats-Subject", SUBJECT.to_owned()),
                ("Nats-Sequence", seq.to_string()),
            ]),
            body: Bytes::from_static(b"rumour"),
            reply: None,
        });
    }

    #[tokio::test]
    async fn whatever_is_heard_every_message_comes_once_and_in_order() {
        let log = Log::memory();
        (0..3).for_each(|_| store(&log));
        let stop = CancellationToken::new();
        let mut tail = ordered(&log, topology::JOBS, 1, None, stop.clone());
        let mut seen = Vec::new();
        for round in 0..50_u64 {
            store(&log);
            match round % 3 {
                0 => rumour(&log, topology::JOBS, 2),
                1 => rumour(&log, topology::WORK, 5 + 2 * round),
                // What does not exist makes it look for a while.
                _ if round > 40 => rumour(&log, topology::JOBS, 1_000),
                _ => {}
            }
            store(&log);
            while seen.len() < 5 + 2 * usize::try_from(round).unwrap() {
                let batch = tokio::time::timeout(Duration::from_secs(20), tail.next()).await;
                for raw in batch.unwrap().unwrap().unwrap() {
                    assert_eq!(raw.body, "{}", "{}", raw.seq);
                    seen.push(raw.seq);
                }
            }
        }
        assert_eq!(seen, (1..=103).collect::<Vec<_>>());
        stop.cancel();
    }
}
