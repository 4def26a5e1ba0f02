//! Everything of a stream in order, from where the reader stopped.
//!
//! A tail keeps nothing on the server. It reads forward from its position, and what is republished
//! tells it when to read on; a message missed there costs a second, never an event. So there is no
//! consumer that could be lost, stall or be stolen, and a server that went away is simply asked
//! again. On an unfiltered stream every sequence must follow its predecessor: a gap is an alarm.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures::{Stream, StreamExt as _, stream::BoxStream};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{backend::Note, envelope::Raw, error::Unavailable, log::Log, subject, topology};

/// How many messages one read asks for.
const PAGE: usize = 500;
/// Batches read ahead of the one being applied.
const AHEAD: usize = 2;
/// How long nothing may be heard before the stream is looked at.
const LOOK: Duration = Duration::from_secs(1);
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
        let mut hints = self.log.backend.subscribe(&self.hint).await?;
        let mut pause = FIRST_PAUSE;
        loop {
            let page = self.log.backend.page(&self.stream, &self.filter, self.next, PAGE).await?;
            let (more, empty) = (page.more, page.messages.is_empty());
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

    /// Waits until something new is heard of, or for a while.
    async fn listen(&mut self, hints: &mut BoxStream<'static, Note>) -> Result<(), End> {
        let deadline = Instant::now() + LOOK;
        while self.heard < self.next {
            match tokio::time::timeout_at(deadline, hints.next()).await {
                Ok(Some(note)) => {
                    let seq = note.headers.get("Nats-Sequence").and_then(|seq| seq.parse().ok());
                    self.heard = self.heard.max(seq.unwrap_or_default());
                }
                Ok(None) => return Err(Unavailable::silent("listen to a stream").into()),
                Err(_elapsed) => return Ok(()),
            }
        }
        Ok(())
    }
}
