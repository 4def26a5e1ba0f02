//! How far a stream has come, asked once for many callers.
//!
//! A reader that must reflect everything stored before its request arrived needs the stream's last
//! sequence as of *after* the request arrived. A question in flight therefore serves only those who
//! asked before it was sent; everybody who comes later shares a later one. Before a question leaves, it
//! waits for those who are about to ask for as long as any of them come, so that a busy process asks
//! seldom. When answers take long, a few questions overlap, so that nobody waits a whole round trip for
//! the next one to leave.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

use crate::{error::Unavailable, log::Log};

const ASKING: &str = "ask for the last sequence of a stream";
/// Questions in flight at most.
const MAX_QUESTIONS: u32 = 3;
/// How long a question must be under way before the next one leaves beside it.
const APART: Duration = Duration::from_millis(3);
/// How often everybody else gets a turn before a question leaves, at most.
const MAX_TURNS: usize = 16;

/// Answers how far one stream has come; clones share their questions.
#[derive(Clone)]
pub struct Barrier {
    log: Log,
    stream: &'static str,
    patience: Duration,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<oneshot::Sender<u64>>,
    questions: u32,
    /// When the last one left.
    left: Option<Instant>,
}

impl Queue {
    /// Whether a question may leave beside `others`.
    fn has_room(&self, others: u32) -> bool {
        let apart = || self.left.is_none_or(|left| left.elapsed() >= APART);
        others == 0 || (others < MAX_QUESTIONS && apart())
    }
}

impl Barrier {
    /// Of `stream`. A question waits for its answer as long as `patience`, so that nobody waits
    /// longer than twice that: for those before them, and for their own.
    #[must_use]
    pub fn new(log: &Log, stream: &'static str, patience: Duration) -> Self {
        Self { log: log.clone(), stream, patience, queue: Arc::default() }
    }

    /// The stream's last sequence at some moment after this call.
    ///
    /// # Errors
    /// [`Unavailable`] when the log does not answer in time.
    pub async fn position(&self) -> Result<u64, Unavailable> {
        let (sender, receiver) = oneshot::channel();
        let room = {
            let mut queue = self.queue();
            queue.waiting.push(sender);
            let room = queue.has_room(queue.questions);
            queue.questions += u32::from(room);
            room
        };
        if room {
            tokio::spawn(self.clone().ask());
        }
        receiver.await.map_err(|source| Unavailable::new(ASKING, source))
    }

    async fn ask(self) {
        loop {
            self.gather().await;
            let waiting = {
                let mut queue = self.queue();
                // Whoever gave up needs no answer.
                queue.waiting.retain(|sender| !sender.is_closed());
                // Whoever waits is seen to by the others once they have their answer.
                if queue.waiting.is_empty() || !queue.has_room(queue.questions - 1) {
                    queue.questions -= 1;
                    return;
                }
                queue.left = Some(Instant::now());
                std::mem::take(&mut queue.waiting)
            };
            let answer = tokio::time::timeout(self.patience, self.log.last_sequence(self.stream));
            match answer.await {
                Ok(Ok(seq)) => {
                    for sender in waiting {
                        // Whoever gave up meanwhile does not mind.
                        let _ = sender.send(seq);
                    }
                }
                // Dropping their senders tells them.
                Ok(Err(error)) => tracing::warn!(%error, stream = self.stream, "no barrier"),
                Err(_elapsed) => tracing::warn!(stream = self.stream, "no barrier in time"),
            }
        }
    }

    /// Lets whoever is about to ask join, until a turn brings nobody new. A turn of an idle process is
    /// a look at its sockets; one of a busy process lasts as long as it takes to serve all that is there.
    async fn gather(&self) {
        let mut before = 0;
        for _ in 0..MAX_TURNS {
            tokio::task::yield_now().await;
            let waiting = self.queue().waiting.len();
            if waiting <= before {
                return;
            }
            before = waiting;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
