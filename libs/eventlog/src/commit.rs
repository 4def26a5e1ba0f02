//! Sharing one synchronisation of the disk among appends that wait at the same time.
//!
//! A single server with `sync_interval: always` synchronises every message alone, however many are
//! in flight, but an atomic batch of messages as one. Three servers share synchronisations by
//! themselves, but agree on a batch with less ado than on each of its messages, and acknowledge it
//! once. So a few appends of a stream go one by one, and what comes while they are under way waits;
//! when enough wait they go as one batch, in which every message keeps its own fence, and whatever
//! arrives meanwhile forms the next. A batch in which one fence does not hold is refused as a whole,
//! and its halves are tried instead. A server that writes through when it sees fit needs none of this.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_nats::{Client, HeaderMap, Request};
use bytes::Bytes;
use futures::future::join_all;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{
    backend::{AppendError, Fence},
    connect::ANSWER,
    error::Cause,
    headers::Headers,
    wire,
};

/// From how many messages on a batch is faster than one after the other, where a server alone
/// synchronises each.
const WORTH_ALONE: usize = 24;
/// And where several servers agree on each.
const WORTH_TOGETHER: usize = 48;
/// How many messages one batch holds at most; the server takes a thousand.
const MAX_BATCH: usize = 500;
/// How many bytes one batch holds at most.
const MAX_BATCH_BYTES: usize = 4 << 20;
/// How long an append waits for its turn.
const PATIENCE: Duration = Duration::from_secs(20);

/// Commits the fenced appends of one process; clones share their batches.
#[derive(Clone)]
pub(crate) struct Committer {
    client: Client,
    /// From how many messages on they go as a batch.
    worth: usize,
    queues: Queues,
}

type Queues = Arc<Mutex<HashMap<String, Queue>>>;

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// How many are under way one by one.
    alone: usize,
    /// Whether batches are under way.
    batching: bool,
}

struct Waiting {
    subject: String,
    headers: HeaderMap,
    body: Bytes,
    filter: String,
    turn: oneshot::Sender<Turn>,
}

/// What becomes of an append that waited.
enum Turn {
    /// It went with a batch.
    Settled(Result<u64, AppendError>),
    /// It may go now.
    Alone(Permit),
}

/// The right to be under way alone; gives way to the next when it ends.
struct Permit {
    queues: Queues,
    stream: String,
    worth: usize,
    held: bool,
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.held
            && let Some(queue) = lock(&self.queues).get_mut(&self.stream)
        {
            queue.alone -= 1;
            queue.promote(&self.queues, &self.stream, self.worth);
        }
    }
}

impl Queue {
    /// Lets those who wait go alone, as far as there is room.
    fn promote(&mut self, queues: &Queues, stream: &str, worth: usize) {
        while !self.batching && self.alone < worth {
            let Some(next) = self.waiting.pop_front() else { return };
            let (queues, stream) = (Arc::clone(queues), stream.to_owned());
            let permit = Permit { queues, stream, worth, held: true };
            self.alone += 1;
            // A permit that nobody takes must not try to lock what is locked here.
            if let Err(Turn::Alone(mut permit)) = next.turn.send(Turn::Alone(permit)) {
                permit.held = false;
                self.alone -= 1;
            }
        }
    }

    /// Takes enough for a batch if enough waits, but of one aggregate only the first: fences hold
    /// against what is stored, not against what is in the same batch.
    fn take_batch(&mut self, worth: usize) -> Option<Vec<Waiting>> {
        if self.waiting.len() < worth {
            return None;
        }
        let (mut batch, mut later, mut bytes) = (Vec::new(), VecDeque::new(), 0);
        let mut filters = HashSet::new();
        for waiting in mem::take(&mut self.waiting) {
            let size = waiting.body.len();
            let fits = batch.len() < MAX_BATCH && bytes + size <= MAX_BATCH_BYTES;
            if fits && filters.insert(waiting.filter.clone()) {
                bytes += size;
                batch.push(waiting);
            } else {
                later.push_back(waiting);
            }
        }
        self.waiting = later;
        Some(batch)
    }
}

impl Committer {
    /// For streams of which there are so many copies.
    pub(crate) fn new(client: Client, replicas: u8) -> Self {
        let worth = if replicas > 1 { WORTH_TOGETHER } else { WORTH_ALONE };
        Self { client, worth, queues: Arc::default() }
    }

    pub(crate) async fn append(
        &self,
        stream: &str,
        subject: &str,
        headers: &Headers,
        body: &Bytes,
        fence: &Fence,
    ) -> Result<u64, AppendError> {
        let headers = wire::fenced(headers, Some(fence));
        let (turn, mine) = oneshot::channel();
        let waiting = Waiting {
            subject: subject.to_owned(),
            headers: headers.clone(),
            body: body.clone(),
            filter: fence.filter.clone(),
            turn,
        };
        if self.enqueue(stream, waiting) {
            tokio::spawn(self.clone().batches(stream.to_owned()));
        }
        let permit = match tokio::time::timeout(PATIENCE, mine).await {
            Ok(Ok(Turn::Settled(result))) => return result,
            Ok(Ok(Turn::Alone(permit))) => permit,
            Ok(Err(gone)) => return Err(AppendError::Unclear(gone.into())),
            Err(elapsed) => return Err(AppendError::Unclear(elapsed.into())),
        };
        let stored =
            wire::request_ack(&self.client, subject.to_owned(), headers, body.clone()).await;
        drop(permit);
        stored
    }

    /// Lets `waiting` wait, if only for a moment; true when it is time for batches.
    fn enqueue(&self, stream: &str, waiting: Waiting) -> bool {
        let mut queues = lock(&self.queues);
        let queue = queues.entry(stream.to_owned()).or_default();
        queue.waiting.push_back(waiting);
        queue.promote(&self.queues, stream, self.worth);
        let enough = queue.waiting.len() >= self.worth;
        enough && !mem::replace(&mut queue.batching, true)
    }

    /// Commits batches until too few are waiting.
    async fn batches(self, stream: String) {
        loop {
            let batch = {
                let mut queues = lock(&self.queues);
                let Some(queue) = queues.get_mut(&stream) else { return };
                let Some(batch) = queue.take_batch(self.worth) else {
                    queue.batching = false;
                    queue.promote(&self.queues, &stream, self.worth);
                    return;
                };
                batch
            };
            self.commit(batch).await;
        }
    }

    async fn commit(&self, batch: Vec<Waiting>) {
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            if part.len() < self.worth {
                join_all(part.into_iter().map(|waiting| self.publish(waiting))).await;
                continue;
            }
            match self.publish_batch(&part).await {
                Ok(last) => {
                    let first = last + 1 - part.len() as u64;
                    for (seq, waiting) in (first..).zip(part) {
                        // Whoever gave up reads back what became of it.
                        let _ = waiting.turn.send(Turn::Settled(Ok(seq)));
                    }
                }
                Err(AppendError::Unclear(source)) => {
                    let source: Arc<Cause> = Arc::new(source);
                    for waiting in part {
                        let shared = AppendError::Unclear(Shared(Arc::clone(&source)).into());
                        let _ = waiting.turn.send(Turn::Settled(Err(shared)));
                    }
                }
                Err(AppendError::Conflict | AppendError::Rejected { .. }) => {
                    let half = part.split_off(part.len() / 2);
                    parts.push(half);
                    parts.push(part);
                }
            }
        }
    }

    async fn publish(&self, waiting: Waiting) {
        let Waiting { subject, headers, body, turn, .. } = waiting;
        let stored = wire::request_ack(&self.client, subject, headers, body).await;
        let _ = turn.send(Turn::Settled(stored));
    }

    /// Stores all messages, or none; answers with the sequence of the last.
    async fn publish_batch(&self, part: &[Waiting]) -> Result<u64, AppendError> {
        let id = Uuid::new_v4().to_string();
        let Some((commit, rest)) = part.split_last() else {
            return Err(AppendError::Unclear("an empty batch".into()));
        };
        let headers = |waiting: &Waiting, number: usize| {
            let mut headers = waiting.headers.clone();
            headers.insert("Nats-Batch-Id", id.as_str());
            headers.insert("Nats-Batch-Sequence", number.to_string());
            headers
        };
        for (number, waiting) in (1..).zip(rest) {
            let Waiting { subject, body, .. } = waiting;
            self.client
                .publish_with_headers(subject.clone(), headers(waiting, number), body.clone())
                .await
                .map_err(|source| AppendError::Unclear(source.into()))?;
        }
        let mut last = headers(commit, part.len());
        last.insert("Nats-Batch-Commit", "1");
        let request =
            Request::new().headers(last).payload(commit.body.clone()).timeout(Some(ANSWER));
        let message = self
            .client
            .send_request(commit.subject.clone(), request)
            .await
            .map_err(|source| AppendError::Unclear(source.into()))?;
        wire::read_batch_ack(&message.payload, part.len())
    }
}

fn lock(queues: &Queues) -> MutexGuard<'_, HashMap<String, Queue>> {
    queues.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One error for everybody in a batch.
#[derive(Debug, thiserror::Error)]
#[error("commit a batch: {0}")]
struct Shared(Arc<Cause>);
