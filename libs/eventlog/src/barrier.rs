//! How far a stream has come, asked once for many callers.
//!
//! A reader that must reflect everything stored before its request arrived needs the stream's last
//! sequence as of *after* the request arrived. A question in flight therefore serves only those who
//! asked before it was sent; everybody who comes later shares a later one. A few questions overlap,
//! so that nobody waits a whole round trip for the next one to leave.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

use crate::{error::Unavailable, log::Log};

const ASKING: &str = "ask for the last sequence of a stream";
/// Questions in flight at most.
const MAX_QUESTIONS: u32 = 3;

/// Answers how far one stream has come; clones share their questions.
#[derive(Clone)]
pub struct Barrier {
    log: Log,
    stream: &'static str,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<oneshot::Sender<u64>>,
    questions: u32,
}

impl Barrier {
    /// Of `stream`.
    #[must_use]
    pub fn new(log: &Log, stream: &'static str) -> Self {
        Self { log: log.clone(), stream, queue: Arc::default() }
    }

    /// The stream's last sequence at some moment after this call.
    ///
    /// # Errors
    /// [`Unavailable`] when the log does not answer within `deadline`.
    pub async fn position(&self, deadline: Duration) -> Result<u64, Unavailable> {
        let (sender, receiver) = oneshot::channel();
        let room = {
            let mut queue = self.queue();
            queue.waiting.push(sender);
            let room = queue.questions < MAX_QUESTIONS;
            queue.questions += u32::from(room);
            room
        };
        if room {
            tokio::spawn(self.clone().ask());
        }
        tokio::time::timeout(deadline, receiver)
            .await
            .map_err(|source| Unavailable::new(ASKING, source))?
            .map_err(|source| Unavailable::new(ASKING, source))
    }

    async fn ask(self) {
        loop {
            let waiting = {
                let mut queue = self.queue();
                // Whoever gave up needs no answer.
                queue.waiting.retain(|sender| !sender.is_closed());
                if queue.waiting.is_empty() {
                    queue.questions -= 1;
                    return;
                }
                std::mem::take(&mut queue.waiting)
            };
            match self.log.last_sequence(self.stream).await {
                Ok(seq) => {
                    for sender in waiting {
                        // Whoever gave up meanwhile does not mind.
                        let _ = sender.send(seq);
                    }
                }
                // Dropping their senders tells them.
                Err(error) => tracing::warn!(%error, stream = self.stream, "no barrier"),
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
