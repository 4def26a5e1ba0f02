//! The in-memory twin: as much of JetStream as the log relies on, made from the same topology.
//!
//! It exists so that what is built upon the log can be tested without a server; the contract suite
//! holds the two together.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};
use jiff::Timestamp;
use serde_json::Value;
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

use crate::{
    backend::{AppendError, Fence, Note, Page, Pulled, Receipt as AnyReceipt, Settlement},
    envelope::Raw,
    headers::Headers,
    stored,
    subject::matches,
    topology,
};

/// Messages that wait for one subscriber before more are dropped, as a server would.
const MESSAGES: usize = 65_536;
/// How long a pull stands.
const PULL: Duration = Duration::from_secs(1);
/// nats-server's code for a subject that no stream takes in.
const NO_STREAM: u64 = 10_059;

/// Handle on the twin.
#[derive(Clone)]
pub(crate) struct Memory {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
}

#[derive(Default)]
struct State {
    streams: HashMap<String, Stream>,
    consumers: HashMap<(String, String), Consumer>,
    subscribers: Vec<(String, mpsc::Sender<Note>)>,
    inboxes: u64,
}

#[derive(Default)]
struct Stream {
    subjects: Vec<String>,
    sources: Vec<Source>,
    per_subject: Option<u64>,
    republished: bool,
    until_settled: bool,
    messages: BTreeMap<u64, Entry>,
    last: u64,
}

struct Source {
    stream: String,
    filter: String,
}

/// A message under the subject it has here, and as what it was first stored.
#[derive(Clone)]
struct Entry {
    subject: String,
    raw: Raw,
}

#[derive(Default)]
struct Consumer {
    filters: Vec<String>,
    ack_wait: Duration,
    next: u64,
    pending: BTreeMap<u64, Delivery>,
}

struct Delivery {
    due: Instant,
    count: u64,
}

impl Memory {
    pub(crate) fn new() -> Self {
        let mut state = State::default();
        for config in topology::streams() {
            state.streams.insert(text(&config, "name"), Stream::new(&config));
        }
        for (stream, config) in topology::consumers() {
            state.consumers.insert((stream, text(&config, "name")), Consumer::new(&config));
        }
        Self { state: Arc::new(Mutex::new(state)), changed: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn append(
        &self,
        name: &str,
        subject: &str,
        headers: &Headers,
        body: &Bytes,
        fence: Option<&Fence>,
    ) -> Result<u64, AppendError> {
        let mut state = self.state();
        let stream = state
            .streams
            .get_mut(name)
            .filter(|stream| stream.subjects.iter().any(|filter| matches(filter, subject)))
            .ok_or_else(|| AppendError::Rejected {
                code: NO_STREAM,
                description: format!("no stream takes in {subject}"),
            })?;
        if let Some(fence) = fence
            && stream.last_under(&fence.filter) != fence.last
        {
            return Err(AppendError::Conflict);
        }
        let raw = Raw {
            stream: name.to_owned(),
            subject: subject.to_owned(),
            seq: stream.last + 1,
            headers: headers.clone(),
            body: body.clone(),
        };
        let seq = stream.store(Entry { subject: subject.to_owned(), raw: raw.clone() });
        let republished = stream.republished;
        state.feed(&raw);
        if republished {
            state.deliver(&republication(&raw));
        }
        drop(state);
        self.changed.notify_waiters();
        Ok(seq)
    }

    pub(crate) fn page(&self, stream: &str, filter: &str, from: u64, limit: usize) -> Page {
        let state = self.state();
        let mut found = state
            .streams
            .get(stream)
            .into_iter()
            .flat_map(|stream| stream.messages.range(from..))
            .filter(|(_, entry)| matches(filter, &entry.subject));
        let messages = found.by_ref().take(limit).map(|(_, entry)| entry.raw.clone()).collect();
        Page { messages, left: found.count() }
    }

    pub(crate) fn last(&self, stream: &str, filter: &str) -> Option<Raw> {
        let state = self.state();
        let mut messages = state.streams.get(stream)?.messages.values().rev();
        messages.find(|entry| matches(filter, &entry.subject)).map(|entry| entry.raw.clone())
    }

    pub(crate) fn erase(&self, stream: &str, seq: u64) {
        if let Some(stream) = self.state().streams.get_mut(stream) {
            stream.messages.remove(&seq);
        }
    }

    pub(crate) fn since(&self, stream: &str, filter: &str, time: Timestamp) -> Option<u64> {
        let state = self.state();
        let (seq, _) = state.streams.get(stream)?.messages.iter().find(|(_, entry)| {
            matches(filter, &entry.subject) && entry.raw.time().is_some_and(|at| at >= time)
        })?;
        Some(*seq)
    }

    pub(crate) fn publish(&self, note: &Note) {
        self.state().deliver(note);
    }

    pub(crate) fn subscribe(&self, subject: &str) -> BoxStream<'static, Note> {
        let (sender, receiver) = mpsc::channel(MESSAGES);
        self.state().subscribers.push((subject.to_owned(), sender));
        tokio_stream(receiver)
    }

    pub(crate) fn ask(&self, subject: String, body: Bytes) -> BoxStream<'static, Note> {
        let inbox = {
            let mut state = self.state();
            state.inboxes += 1;
            format!("_INBOX.{}", state.inboxes)
        };
        let answers = self.subscribe(&inbox);
        let question =
            Note { subject, headers: Headers::default(), body, reply: Some(inbox.clone()) };
        let mut state = self.state();
        if !state.deliver(&question) {
            state.deliver(&Note {
                subject: inbox,
                headers: Headers::from_iter([(stored::STATUS, "503")]),
                body: Bytes::new(),
                reply: None,
            });
        }
        answers
    }

    pub(crate) fn puller(&self, stream: &str, consumer: &str) -> Puller {
        Puller { memory: self.clone(), key: (stream.to_owned(), consumer.to_owned()) }
    }
}

impl State {
    /// Hands `note` to whoever listens; false when nobody does.
    fn deliver(&mut self, note: &Note) -> bool {
        self.subscribers.retain(|(_, sender)| !sender.is_closed());
        let mut heard = false;
        for (filter, sender) in &self.subscribers {
            if matches(filter, &note.subject) {
                heard |= sender.try_send(note.clone()).is_ok();
            }
        }
        heard
    }

    /// Copies `raw` into the streams that source it.
    fn feed(&mut self, raw: &Raw) {
        for stream in self.streams.values_mut() {
            let wanted = |source: &Source| {
                source.stream == raw.stream && matches(&source.filter, &raw.subject)
            };
            if stream.sources.iter().any(wanted) {
                stream.store(Entry {
                    subject: topology::work_subject(&raw.subject),
                    raw: raw.clone(),
                });
            }
        }
    }
}

impl Stream {
    fn new(config: &Value) -> Self {
        let source = |source: &Value| {
            let transforms = source.get("subject_transforms")?.as_array()?;
            let filter = text(transforms.first()?, "src");
            Some(Source { stream: text(source, "name"), filter })
        };
        Self {
            subjects: texts(config, "subjects"),
            sources: array(config, "sources").iter().filter_map(source).collect(),
            per_subject: config.get("max_msgs_per_subject").and_then(Value::as_u64),
            republished: config.get("republish").is_some(),
            until_settled: text(config, "retention") == "workqueue",
            ..Self::default()
        }
    }

    fn last_under(&self, filter: &str) -> u64 {
        let mut messages = self.messages.iter().rev();
        messages.find(|(_, entry)| matches(filter, &entry.subject)).map_or(0, |(seq, _)| *seq)
    }

    fn store(&mut self, entry: Entry) -> u64 {
        if let Some(most) = self.per_subject {
            let same = |(seq, old): (&u64, &Entry)| (old.subject == entry.subject).then_some(*seq);
            let same: Vec<u64> = self.messages.iter().filter_map(same).collect();
            let most = usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(1);
            for seq in same.iter().take(same.len().saturating_sub(most)) {
                self.messages.remove(seq);
            }
        }
        self.last += 1;
        self.messages.insert(self.last, entry);
        self.last
    }
}

impl Consumer {
    fn new(config: &Value) -> Self {
        let mut filters = texts(config, "filter_subjects");
        filters.extend(config.get("filter_subject").and_then(Value::as_str).map(str::to_owned));
        let ack_wait = config.get("ack_wait").and_then(Value::as_u64).unwrap_or_default();
        Self { filters, ack_wait: Duration::from_nanos(ack_wait), next: 1, ..Self::default() }
    }

    /// The next message that is due, and how often it has been delivered now.
    fn take(&mut self, stream: &Stream, now: Instant) -> Option<(u64, Entry, u64)> {
        for (seq, delivery) in &mut self.pending {
            if delivery.due <= now
                && let Some(entry) = stream.messages.get(seq)
            {
                delivery.due = now + self.ack_wait;
                delivery.count += 1;
                return Some((*seq, entry.clone(), delivery.count));
            }
        }
        let filters = &self.filters;
        let (seq, entry) = stream
            .messages
            .range(self.next..)
            .find(|(_, entry)| filters.iter().any(|filter| matches(filter, &entry.subject)))?;
        self.next = seq + 1;
        self.pending.insert(*seq, Delivery { due: now + self.ack_wait, count: 1 });
        Some((*seq, entry.clone(), 1))
    }
}

/// Takes messages from one durable consumer of the twin.
pub(crate) struct Puller {
    memory: Memory,
    key: (String, String),
}

impl Puller {
    pub(crate) async fn next(&mut self) -> Option<Pulled> {
        let expires = Instant::now() + PULL;
        loop {
            let changed = self.memory.changed.notified();
            let mut wake = expires;
            {
                let mut state = self.memory.state();
                let State { streams, consumers, .. } = &mut *state;
                let consumer = consumers.get_mut(&self.key)?;
                let stream = streams.get(&self.key.0)?;
                if let Some((seq, entry, deliveries)) = consumer.take(stream, Instant::now()) {
                    let receipt =
                        Receipt { memory: self.memory.clone(), key: self.key.clone(), seq };
                    let receipt = AnyReceipt::Memory(receipt);
                    return Some(Pulled { raw: entry.raw, deliveries, receipt });
                }
                wake =
                    consumer.pending.values().map(|delivery| delivery.due).fold(wake, Instant::min);
            }
            if Instant::now() >= expires {
                return None;
            }
            // Whatever changes between the look and the wait wakes the wait: it was armed before.
            drop(tokio::time::timeout_at(wake.max(Instant::now()), changed).await);
        }
    }
}

/// Where a delivered message is settled.
pub(crate) struct Receipt {
    memory: Memory,
    key: (String, String),
    seq: u64,
}

impl Receipt {
    pub(crate) fn settle(&self, settlement: &Settlement) {
        let mut state = self.memory.state();
        let State { streams, consumers, .. } = &mut *state;
        let Some(consumer) = consumers.get_mut(&self.key) else { return };
        let delay = match settlement {
            Settlement::Done | Settlement::Never(_) => {
                consumer.pending.remove(&self.seq);
                if let Some(stream) = streams.get_mut(&self.key.0).filter(|s| s.until_settled) {
                    stream.messages.remove(&self.seq);
                }
                return;
            }
            Settlement::Again(delay) => *delay,
            Settlement::Working => consumer.ack_wait,
        };
        if let Some(delivery) = consumer.pending.get_mut(&self.seq) {
            delivery.due = Instant::now() + delay;
        }
        drop(state);
        self.memory.changed.notify_waiters();
    }
}

fn republication(raw: &Raw) -> Note {
    let mut headers = raw.headers.clone();
    headers.push("Nats-Stream", &raw.stream);
    headers.push("Nats-Subject", &raw.subject);
    headers.push("Nats-Sequence", raw.seq.to_string());
    Note {
        subject: crate::subject::live(&raw.subject),
        headers,
        body: raw.body.clone(),
        reply: None,
    }
}

fn tokio_stream(receiver: mpsc::Receiver<Note>) -> BoxStream<'static, Note> {
    futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|note| (note, receiver))
    })
    .boxed()
}

fn text(config: &Value, field: &str) -> String {
    config.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn array(config: &Value, field: &str) -> Vec<Value> {
    config.get(field).and_then(Value::as_array).cloned().unwrap_or_default()
}

fn texts(config: &Value, field: &str) -> Vec<String> {
    let values = array(config, field);
    values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
