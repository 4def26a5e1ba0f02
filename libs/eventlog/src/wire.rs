//! The part of JetStream's protocol that the log speaks, over plain requests.
//!
//! Requests are written out here because the log needs what a client library hides: batches of
//! direct reads, fences over a filter, the original place of a sourced message, and pulls whose
//! every outcome is seen.

use std::time::Duration;

use async_nats::{Client, HeaderMap, Message, Request, RequestError, RequestErrorKind, Subscriber};
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, stream::BoxStream};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    backend::{AppendError, Fence, Note, Page, Pulled, Receipt as AnyReceipt, Settlement},
    commit::Committer,
    connect::ANSWER,
    envelope::Raw,
    error::Unavailable,
    headers::Headers,
    stored, topology,
};

/// nats-server's codes for a lost race: on one server, and while a cluster still agrees.
const LOST_RACE: [u64; 2] = [10_071, 10_164];
/// No message fits what was asked for.
const NO_MESSAGE: u64 = 10_037;
/// No message has the sequence that was to be deleted.
const NO_SEQUENCE: u64 = 10_043;
/// What a role's account is told while nobody answers for the log's.
const NO_JETSTREAM: u64 = 10_039;
/// How much one batch of direct reads may hold.
const PAGE_BYTES: usize = 4 << 20;
/// How long a pull stays with the server.
const PULL: Duration = Duration::from_secs(5);
/// How often the server says that a pull still stands.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// After how long without a word a pull counts as lost.
const SILENCE: Duration = Duration::from_secs(3);

/// A connection, and how many copies the streams have.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) client: Client,
    pub(crate) replicas: u8,
    /// Shares commits, where a server does not do so itself.
    pub(crate) committer: Option<Committer>,
    /// Whether consumers may be made.
    pub(crate) consumes: bool,
}

#[derive(Deserialize)]
struct Answer {
    seq: Option<u64>,
    /// How many messages a batch had.
    count: Option<u64>,
    error: Option<ApiError>,
}

#[derive(Debug, Deserialize, thiserror::Error)]
#[error("nats-server says {err_code}: {description}")]
pub(crate) struct ApiError {
    pub(crate) code: u64,
    #[serde(default)]
    pub(crate) err_code: u64,
    #[serde(default)]
    pub(crate) description: String,
}

impl Wire {
    pub(crate) async fn append(
        &self,
        stream: &str,
        subject: &str,
        headers: &Headers,
        body: &Bytes,
        fence: Option<&Fence>,
    ) -> Result<u64, AppendError> {
        match (&self.committer, fence) {
            (Some(committer), Some(fence)) if topology::takes_batches(stream) => {
                committer.append(stream, subject, headers, body, fence).await
            }
            _ => {
                let headers = fenced(headers, fence);
                request_ack(&self.client, subject.to_owned(), headers, body.clone()).await
            }
        }
    }

    pub(crate) async fn page(
        &self,
        stream: &str,
        filter: &str,
        from: u64,
        limit: usize,
    ) -> Result<Page, Unavailable> {
        const READ: &str = "read a stream";
        let query = json!({
            "batch": limit, "max_bytes": PAGE_BYTES, "seq": from.max(1), "next_by_subj": filter,
        });
        let mut answers = self.ask(direct(stream), encode(&query)).await?;
        let mut messages = Vec::new();
        loop {
            let note = tokio::time::timeout(ANSWER, answers.next())
                .await
                .map_err(|source| Unavailable::new(READ, source))?
                .ok_or(Unavailable::silent(READ))?;
            match note.headers.get(stored::STATUS) {
                None => messages.push(stored::direct(note).ok_or(Unavailable::silent(READ))?),
                Some("204") => {
                    let pending = note.headers.get("Nats-Num-Pending");
                    let left = pending.and_then(|left| left.parse().ok()).unwrap_or_default();
                    return Ok(Page { messages, left });
                }
                Some("404") => return Ok(Page { messages, left: 0 }),
                Some(_) => return Err(refused(READ, &note)),
            }
        }
    }

    pub(crate) async fn last(
        &self,
        stream: &str,
        filter: &str,
    ) -> Result<Option<Raw>, Unavailable> {
        let query = json!({ "last_by_subj": filter });
        if self.replicas > 1 {
            return self.leader_get(stream, &query).await;
        }
        self.one(stream, &query, "read the last message of a stream").await
    }

    /// The sequence of the first message stored at `time` or later.
    pub(crate) async fn since(
        &self,
        stream: &str,
        filter: &str,
        time: Timestamp,
    ) -> Result<Option<u64>, Unavailable> {
        let query = json!({ "batch": 1, "start_time": time.to_string(), "next_by_subj": filter });
        let found = self.one(stream, &query, "find a time in a stream").await?;
        Ok(found.map(|raw| raw.seq))
    }

    pub(crate) async fn leader_next(
        &self,
        stream: &str,
        filter: &str,
        from: u64,
    ) -> Result<Option<Raw>, Unavailable> {
        self.leader_get(stream, &json!({ "seq": from.max(1), "next_by_subj": filter })).await
    }

    async fn one(
        &self,
        stream: &str,
        query: &Value,
        operation: &'static str,
    ) -> Result<Option<Raw>, Unavailable> {
        let message = self
            .client
            .request(direct(stream), encode(query))
            .await
            .map_err(|source| Unavailable::new(operation, source))?;
        let note = stored::note(message);
        match note.headers.get(stored::STATUS) {
            None => stored::direct(note).map(Some).ok_or(Unavailable::silent(operation)),
            Some("404") => Ok(None),
            Some(_) => Err(refused(operation, &note)),
        }
    }

    /// Asks the leader of the stream, the only one that knows what is last.
    async fn leader_get(&self, stream: &str, query: &Value) -> Result<Option<Raw>, Unavailable> {
        const READ: &str = "read a message from the leader of a stream";
        let body = match self.api(&format!("STREAM.MSG.GET.{stream}"), query, READ).await? {
            Ok(body) => body,
            Err(error) if error.err_code == NO_MESSAGE => return Ok(None),
            Err(error) => return Err(Unavailable::new(READ, error)),
        };
        stored::fetched(stream, &body).map(Some).ok_or(Unavailable::silent(READ))
    }

    /// Overwrites one message on the server's disk.
    pub(crate) async fn erase(&self, stream: &str, seq: u64) -> Result<(), Unavailable> {
        const ERASE: &str = "erase a message";
        match self
            .api(&format!("STREAM.MSG.DELETE.{stream}"), &json!({ "seq": seq }), ERASE)
            .await?
        {
            Ok(_) => Ok(()),
            // Somebody else was faster.
            Err(error) if [NO_MESSAGE, NO_SEQUENCE].contains(&error.err_code) => Ok(()),
            Err(error) if error.code == 404 => Ok(()),
            Err(error) => Err(Unavailable::new(ERASE, error)),
        }
    }

    /// One request of the JetStream API: the answer, or the error in it.
    pub(crate) async fn api(
        &self,
        subject: &str,
        query: &Value,
        operation: &'static str,
    ) -> Result<Result<Value, ApiError>, Unavailable> {
        let answer = question(&self.client, subject, encode(query)).await;
        let body: Value =
            answer.map_err(|source| Unavailable::new(operation, source)).and_then(|message| {
                serde_json::from_slice(&message.payload)
                    .map_err(|source| Unavailable::new(operation, source))
            })?;
        let Some(error) = body.get("error") else { return Ok(Ok(body)) };
        let error =
            ApiError::deserialize(error).map_err(|source| Unavailable::new(operation, source))?;
        if error.err_code == NO_JETSTREAM {
            return Err(Unavailable::new(operation, error));
        }
        Ok(Err(error))
    }

    pub(crate) async fn publish(
        &self,
        subject: String,
        headers: Headers,
        body: Bytes,
    ) -> Result<(), Unavailable> {
        self.client
            .publish_with_headers(subject, stored::header_map(&headers), body)
            .await
            .map_err(|source| Unavailable::new("publish a message", source))
    }

    pub(crate) async fn subscribe(
        &self,
        subject: &str,
    ) -> Result<BoxStream<'static, Note>, Unavailable> {
        let subscriber = self
            .client
            .subscribe(subject.to_owned())
            .await
            .map_err(|source| Unavailable::new("subscribe to a subject", source))?;
        Ok(subscriber.map(stored::note).boxed())
    }

    pub(crate) async fn subscribe_among(
        &self,
        subject: &str,
        group: &str,
    ) -> Result<BoxStream<'static, Note>, Unavailable> {
        let subscriber = self
            .client
            .queue_subscribe(subject.to_owned(), group.to_owned())
            .await
            .map_err(|source| Unavailable::new("subscribe to a subject in a group", source))?;
        Ok(subscriber.map(stored::note).boxed())
    }

    pub(crate) async fn ask(
        &self,
        subject: String,
        body: Bytes,
    ) -> Result<BoxStream<'static, Note>, Unavailable> {
        let inbox = self.client.new_inbox();
        let answers = self.subscribe(&inbox).await?;
        self.client
            .publish_with_reply(subject, inbox, body)
            .await
            .map_err(|source| Unavailable::new("ask a question", source))?;
        Ok(answers)
    }

    pub(crate) async fn puller(&self, stream: &str, consumer: &str) -> Result<Puller, Unavailable> {
        let inbox = self.client.new_inbox();
        let subscriber = self
            .client
            .subscribe(inbox.clone())
            .await
            .map_err(|source| Unavailable::new("subscribe to an inbox", source))?;
        let (stream, consumer) = (stream.to_owned(), consumer.to_owned());
        Ok(Puller { wire: self.clone(), stream, consumer, inbox, subscriber, expected: 0 })
    }
}

/// Takes messages from one durable consumer.
pub(crate) struct Puller {
    wire: Wire,
    stream: String,
    consumer: String,
    inbox: String,
    subscriber: Subscriber,
    /// Messages that the standing pull may still bring.
    expected: usize,
}

impl Puller {
    pub(crate) async fn next(&mut self, ahead: usize) -> Result<Option<Pulled>, Unavailable> {
        const PULLING: &str = "pull from a consumer";
        if self.expected == 0 {
            let pull = json!({
                "batch": ahead.max(1),
                "expires": nanos(PULL),
                "idle_heartbeat": nanos(HEARTBEAT),
            });
            let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", self.stream, self.consumer);
            self.wire
                .client
                .publish_with_reply(subject, self.inbox.clone(), encode(&pull))
                .await
                .map_err(|source| Unavailable::new(PULLING, source))?;
            self.expected = ahead.max(1);
        }
        let message = tokio::time::timeout(SILENCE, self.subscriber.next())
            .await
            .map_err(|source| Unavailable::new(PULLING, source))?
            .ok_or(Unavailable::silent(PULLING))?;
        match message.status.map(|status| status.as_u16()) {
            None => {
                self.expected -= 1;
                self.receive(message).map(Some).ok_or(Unavailable::silent(PULLING))
            }
            Some(100) => Ok(None),
            // Nobody answers for such a consumer: it is gone, or the servers still agree on who does.
            Some(503) => {
                self.expected = 0;
                self.restore().await;
                Err(refused(PULLING, &stored::note(message)))
            }
            Some(404 | 408) => {
                self.expected = 0;
                Ok(None)
            }
            Some(_) => {
                self.expected = 0;
                Err(refused(PULLING, &stored::note(message)))
            }
        }
    }

    async fn restore(&self) {
        if let Err(error) = topology::restore(&self.wire, &self.stream, &self.consumer).await {
            let (error, consumer) = (crate::error::chain(&error), &self.consumer);
            tracing::warn!(%error, consumer, "nobody answers for it, and it cannot be made again");
        }
    }

    /// Stops listening, and hands back what had already been sent.
    pub(crate) async fn close(mut self) {
        if self.subscriber.unsubscribe().await.is_err() {
            return;
        }
        while let Some(Some(message)) = self.subscriber.next().now_or_never() {
            if let Some(pulled) = self.receive(message) {
                // Lost with the connection it is redelivered all the same, only later.
                drop(pulled.receipt.settle(Settlement::Again(Duration::ZERO)).await);
            }
        }
    }

    fn receive(&self, message: Message) -> Option<Pulled> {
        let reply = message.reply.as_ref()?.to_string();
        let (raw, deliveries) = stored::delivered(stored::note(message), &reply)?;
        let receipt = AnyReceipt::Server(Receipt { client: self.wire.client.clone(), reply });
        Some(Pulled { raw, deliveries, receipt })
    }
}

/// Where a delivered message is settled.
pub(crate) struct Receipt {
    client: Client,
    reply: String,
}

impl Receipt {
    pub(crate) async fn settle(&self, settlement: Settlement) -> Result<(), Unavailable> {
        let verdict = match settlement {
            Settlement::Done => "+ACK".to_owned(),
            Settlement::Again(delay) => format!("-NAK {}", json!({ "delay": nanos(delay) })),
            Settlement::Working => "+WPI".to_owned(),
            Settlement::Never(reason) => format!("+TERM {reason}"),
        };
        self.client
            .publish(self.reply.clone(), verdict.into())
            .await
            .map_err(|source| Unavailable::new("settle a message", source))
    }
}

/// Headers of a message that is only stored while the fence holds.
pub(crate) fn fenced(headers: &Headers, fence: Option<&Fence>) -> HeaderMap {
    let mut map = stored::header_map(headers);
    if let Some(fence) = fence {
        map.insert("Nats-Expected-Last-Subject-Sequence", fence.last.to_string());
        map.insert("Nats-Expected-Last-Subject-Sequence-Subject", fence.filter.as_str());
    }
    map
}

/// Publishes one message and waits until it is stored.
pub(crate) async fn request_ack(
    client: &Client,
    subject: String,
    headers: HeaderMap,
    body: Bytes,
) -> Result<u64, AppendError> {
    let request = Request::new().headers(headers).payload(body).timeout(Some(ANSWER));
    let message = client
        .send_request(subject, request)
        .await
        .map_err(|source| AppendError::Unclear(source.into()))?;
    read_ack(parse_answer(&message.payload)?)
}

/// The last sequence of a batch of `count` messages.
pub(crate) fn read_batch_ack(payload: &[u8], count: usize) -> Result<u64, AppendError> {
    let answer = parse_answer(payload)?;
    let complete = answer.error.is_some() || answer.count == Some(count as u64);
    let seq = read_ack(answer)?;
    if complete { Ok(seq) } else { Err(AppendError::Unclear("a batch of another size".into())) }
}

fn parse_answer(payload: &[u8]) -> Result<Answer, AppendError> {
    serde_json::from_slice(payload).map_err(|source| AppendError::Unclear(source.into()))
}

fn read_ack(answer: Answer) -> Result<u64, AppendError> {
    match (answer.error, answer.seq) {
        (Some(error), _) if LOST_RACE.contains(&error.err_code) => Err(AppendError::Conflict),
        (Some(error), _) if error.code < 500 => {
            Err(AppendError::Rejected { code: error.err_code, description: error.description })
        }
        (Some(error), _) => Err(AppendError::Unclear(error.into())),
        (None, Some(seq)) if seq > 0 => Ok(seq),
        (None, _) => Err(AppendError::Unclear("an answer without a sequence".into())),
    }
}

/// Asks JetStream about its streams and consumers, under the name that `users.conf` gives such
/// questions; where servers have another configuration, under JetStream's own.
async fn question(client: &Client, subject: &str, body: Bytes) -> Result<Message, RequestError> {
    let asked = client.request(format!("darkroom.jetstream.{subject}"), body.clone()).await;
    match asked {
        Err(error) if error.kind() == RequestErrorKind::NoResponders => {
            client.request(format!("$JS.API.{subject}"), body).await
        }
        asked => asked,
    }
}

fn direct(stream: &str) -> String {
    format!("$JS.API.DIRECT.GET.{stream}")
}

fn encode(query: &Value) -> Bytes {
    // Some requests must have no body at all.
    if query.is_null() { Bytes::new() } else { Bytes::from(query.to_string()) }
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn refused(operation: &'static str, note: &Note) -> Unavailable {
    let status = note.headers.get(stored::STATUS).unwrap_or("?");
    let text = note.headers.get(stored::DESCRIPTION).unwrap_or("no further word");
    Unavailable::new(operation, format!("status {status}: {text}"))
}
