//! What the log needs of whatever holds it: a server, or the in-memory twin.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;

use crate::{
    envelope::Raw,
    error::{Cause, Unavailable},
    headers::Headers,
    memory::{self, Memory},
    sweep::Sweep,
    wire::{self, Wire},
};

/// One of the two.
#[derive(Clone)]
pub(crate) enum Backend {
    Server(Box<Wire>),
    Memory(Memory),
}

/// Why a message was not stored, or may not have been.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// The fence: something else was stored first.
    Conflict,
    /// The server will not take it.
    Rejected { code: u64, description: String },
    /// Nobody knows.
    Unclear(Cause),
}

/// `filter`'s last sequence must be `last` for the append to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fence {
    pub(crate) filter: String,
    pub(crate) last: u64,
}

/// A part of a stream, in order.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) messages: Vec<Raw>,
    /// How many more were there to read.
    pub(crate) left: usize,
}

/// A message that was not stored.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    pub(crate) subject: String,
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
    pub(crate) reply: Option<String>,
}

/// A message of a durable consumer, and how to settle it.
pub(crate) struct Pulled {
    pub(crate) raw: Raw,
    pub(crate) deliveries: u64,
    pub(crate) receipt: Receipt,
}

/// How to settle a message.
pub(crate) enum Receipt {
    Server(wire::Receipt),
    Memory(memory::Receipt),
}

/// What becomes of a message.
#[derive(Debug, Clone)]
pub(crate) enum Settlement {
    Done,
    Again(Duration),
    Working,
    Never(String),
}

/// Takes messages from one durable consumer.
pub(crate) enum Puller {
    Server(Box<wire::Puller>),
    Memory(memory::Puller),
}

impl Backend {
    pub(crate) async fn append(
        &self,
        stream: &str,
        subject: &str,
        headers: &Headers,
        body: &Bytes,
        fence: Option<&Fence>,
    ) -> Result<u64, AppendError> {
        match self {
            Self::Server(wire) => wire.append(stream, subject, headers, body, fence).await,
            Self::Memory(memory) => memory.append(stream, subject, headers, body, fence),
        }
    }

    /// At most `limit` messages under `filter` from `from` on.
    pub(crate) async fn page(
        &self,
        stream: &str,
        filter: &str,
        from: u64,
        limit: usize,
    ) -> Result<Page, Unavailable> {
        match self {
            Self::Server(wire) => wire.page(stream, filter, from, limit).await,
            Self::Memory(memory) => Ok(memory.page(stream, filter, from, limit)),
        }
    }

    /// Like [`Self::page`], of one message, but from the one server that orders the stream.
    pub(crate) async fn ordered_next(
        &self,
        stream: &str,
        filter: &str,
        from: u64,
    ) -> Result<Option<Raw>, Unavailable> {
        match self {
            Self::Server(wire) => wire.leader_next(stream, filter, from).await,
            Self::Memory(memory) => Ok(memory.page(stream, filter, from, 1).messages.pop()),
        }
    }

    pub(crate) async fn last(
        &self,
        stream: &str,
        filter: &str,
    ) -> Result<Option<Raw>, Unavailable> {
        match self {
            Self::Server(wire) => wire.last(stream, filter).await,
            Self::Memory(memory) => Ok(memory.last(stream, filter)),
        }
    }

    /// Everything from `from` on through a consumer of its own, for those who may have one.
    pub(crate) fn sweep(&self, stream: &str, filter: Option<&str>, from: u64) -> Option<Sweep> {
        match self {
            Self::Server(wire) if wire.consumes => Some(Sweep::start(wire, stream, filter, from)),
            Self::Server(_) | Self::Memory(_) => None,
        }
    }

    /// Whether there is such a thing.
    pub(crate) const fn sweeps(&self) -> bool {
        match self {
            Self::Server(wire) => wire.consumes,
            Self::Memory(_) => false,
        }
    }

    /// The time a message is read as having been stored at decides where a replay begins.
    pub(crate) async fn since(
        &self,
        stream: &str,
        filter: &str,
        time: jiff::Timestamp,
    ) -> Result<Option<u64>, Unavailable> {
        match self {
            Self::Server(wire) => wire.since(stream, filter, time).await,
            Self::Memory(memory) => Ok(memory.since(stream, filter, time)),
        }
    }

    /// Overwrites one message and takes it out of its stream.
    pub(crate) async fn erase(&self, stream: &str, seq: u64) -> Result<(), Unavailable> {
        match self {
            Self::Server(wire) => wire.erase(stream, seq).await,
            Self::Memory(memory) => {
                memory.erase(stream, seq);
                Ok(())
            }
        }
    }

    /// Whether reads may be answered by a server that lags.
    pub(crate) const fn may_lag(&self) -> bool {
        match self {
            Self::Server(wire) => wire.replicas > 1,
            Self::Memory(_) => false,
        }
    }

    pub(crate) async fn publish(
        &self,
        subject: String,
        headers: Headers,
        body: Bytes,
    ) -> Result<(), Unavailable> {
        match self {
            Self::Server(wire) => wire.publish(subject, headers, body).await,
            Self::Memory(memory) => {
                memory.publish(&Note { subject, headers, body, reply: None });
                Ok(())
            }
        }
    }

    pub(crate) async fn subscribe(
        &self,
        subject: &str,
    ) -> Result<BoxStream<'static, Note>, Unavailable> {
        match self {
            Self::Server(wire) => wire.subscribe(subject).await,
            Self::Memory(memory) => Ok(memory.subscribe(subject)),
        }
    }

    /// The same, where each message goes to one of all that subscribe as `group`.
    pub(crate) async fn subscribe_among(
        &self,
        subject: &str,
        group: &str,
    ) -> Result<BoxStream<'static, Note>, Unavailable> {
        match self {
            Self::Server(wire) => wire.subscribe_among(subject, group).await,
            // One process has it.
            Self::Memory(memory) => Ok(memory.subscribe(subject)),
        }
    }

    /// Asks `subject` and returns the stream of answers; the caller decides when to stop.
    pub(crate) async fn ask(
        &self,
        subject: String,
        body: Bytes,
    ) -> Result<BoxStream<'static, Note>, Unavailable> {
        match self {
            Self::Server(wire) => wire.ask(subject, body).await,
            Self::Memory(memory) => Ok(memory.ask(subject, body)),
        }
    }

    pub(crate) async fn puller(&self, stream: &str, consumer: &str) -> Result<Puller, Unavailable> {
        match self {
            Self::Server(wire) => {
                wire.puller(stream, consumer).await.map(|puller| Puller::Server(Box::new(puller)))
            }
            Self::Memory(memory) => Ok(Puller::Memory(memory.puller(stream, consumer))),
        }
    }
}

impl Puller {
    /// The next message, or none after a while; then ask again. `ahead` messages are requested
    /// at a time.
    pub(crate) async fn next(&mut self, ahead: usize) -> Result<Option<Pulled>, Unavailable> {
        match self {
            Self::Server(puller) => puller.next(ahead).await,
            Self::Memory(puller) => Ok(puller.next().await),
        }
    }
}

impl Receipt {
    pub(crate) async fn settle(&self, settlement: Settlement) -> Result<(), Unavailable> {
        match self {
            Self::Server(receipt) => receipt.settle(settlement).await,
            Self::Memory(receipt) => {
                receipt.settle(&settlement);
                Ok(())
            }
        }
    }
}
