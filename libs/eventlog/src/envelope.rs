//! The envelope of an event: CloudEvents 1.0 in NATS binary mode, chained by hash.
//!
//! An event is stored as a message: the attributes in `ce-*` headers, the event alone as the JSON
//! body. `darkroom-prev` carries the hash of the aggregate's previous message, 64 zeros for the
//! first. A message's hash is the SHA-256 over a domain tag and then, each preceded by its length
//! in eight big-endian bytes: the subject, the values of [`COVERED`] in that order (an absent
//! header has the length 2^64 - 1 and no bytes), and the body, byte for byte as stored. Headers
//! that the server adds are not covered.

use std::fmt;

use bytes::Bytes;
use domain::{Aggregate, id::EventId};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    error::{ChainBroken, Malformed},
    headers::Headers,
    transact::Moment,
};

/// The headers that the hash covers, in order.
pub const COVERED: [&str; 7] =
    ["ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time", "traceparent", PREV];
pub(crate) const PREV: &str = "darkroom-prev";
const TAG: &[u8] = b"darkroom-event-1";
const SOURCE: &str = "/darkroom";
/// The version of every event there is so far; another one is parked until a release knows it.
const VERSION: &str = "v1";

/// A SHA-256 hash; its text is lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let canonical = text.len() == 64 && !text.bytes().any(|b| b.is_ascii_uppercase());
        (canonical && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(Self(bytes))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 64];
        // A hash has as many digits as that.
        hex::encode_to_slice(self.0, &mut text).ok().ok_or(fmt::Error)?;
        f.write_str(std::str::from_utf8(&text).ok().ok_or(fmt::Error)?)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A message as a stream holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// The stream that holds it.
    pub stream: String,
    /// Where it was published.
    pub subject: String,
    /// Its place in the stream.
    pub seq: u64,
    /// Its headers, those of the server included.
    pub headers: Headers,
    /// Its body.
    pub body: Bytes,
}

/// An event with all that was recorded about it.
#[derive(Debug)]
pub struct Recorded<A: Aggregate> {
    /// Whose history it belongs to.
    pub id: A::Id,
    /// What happened.
    pub event: A::Event,
    /// Its place in the stream.
    pub seq: u64,
    /// Its own name.
    pub event_id: EventId,
    /// When it was decided.
    pub time: Timestamp,
    /// Its hash.
    pub hash: Hash,
    /// The hash of the aggregate's previous event; zeros for the first.
    pub prev: Hash,
}

impl<A: Aggregate> Clone for Recorded<A> {
    fn clone(&self) -> Self {
        Self { id: self.id.clone(), event: self.event.clone(), ..*self }
    }
}

impl Raw {
    /// The hash of the message, as the next one's `darkroom-prev` states it.
    #[must_use]
    pub fn hash(&self) -> Hash {
        hash(&self.subject, &self.headers, &self.body)
    }

    /// The hash of the aggregate's previous event, as the message states it.
    #[must_use]
    pub fn prev(&self) -> Option<Hash> {
        Hash::parse(self.headers.get(PREV)?)
    }

    /// The trace the event belongs to.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.headers.get("traceparent")
    }

    /// When the event was decided.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        self.headers.get("ce-time")?.parse().ok()
    }

    /// The id of the event.
    #[must_use]
    pub fn event_id(&self) -> Option<EventId> {
        self.headers.get("ce-id")?.parse().ok()
    }

    /// The last token of the subject: the name of the event.
    #[must_use]
    pub fn event_name(&self) -> &str {
        self.subject.rsplit('.').next().unwrap_or_default()
    }

    /// Reads the message as an event of `A`.
    ///
    /// # Errors
    /// [`Malformed`] when it is none, or one of a kind or version that this release does not know.
    pub fn decode<A: Aggregate>(&self) -> Result<Recorded<A>, Malformed> {
        Ok(Recorded { hash: self.hash(), ..self.decode_unhashed()? })
    }

    /// The same for those who make rows of it: the history and the event, and when it was decided.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn event<A: Aggregate>(&self) -> Result<(A::Id, A::Event, Timestamp), Malformed> {
        let Recorded { id, event, time, .. } = self.decode_unhashed::<A>()?;
        Ok((id, event, time))
    }

    /// Everything but the hash, which takes as long as all the rest.
    fn decode_unhashed<A: Aggregate>(&self) -> Result<Recorded<A>, Malformed> {
        let (prefix, name) =
            self.subject.rsplit_once('.').ok_or_else(|| self.malformed("no event name"))?;
        let id = A::parse_prefix(prefix)
            .ok_or_else(|| self.malformed("the subject names no such aggregate"))?;
        if self.headers.get("ce-specversion") != Some("1.0") {
            return Err(self.malformed("not a CloudEvent 1.0"));
        }
        if self.headers.get("ce-type") != Some(kind::<A>(name).as_str()) {
            return Err(
                self.malformed("ce-type does not fit the subject, or is of a newer version")
            );
        }
        let event: A::Event = serde_json::from_slice(&self.body).map_err(|source| Malformed {
            source: Some(source.into()),
            ..self.malformed("the body is no known event")
        })?;
        if A::event_name(&event) != name {
            return Err(self.malformed("the body is another event than the subject says"));
        }
        Ok(Recorded {
            id,
            event,
            seq: self.seq,
            event_id: self.event_id().ok_or_else(|| self.malformed("ce-id is no event id"))?,
            time: self.time().ok_or_else(|| self.malformed("ce-time is no time"))?,
            hash: Hash::default(),
            prev: self.prev().ok_or_else(|| self.malformed("darkroom-prev is no hash"))?,
        })
    }

    fn malformed(&self, reason: &'static str) -> Malformed {
        Malformed { stream: self.stream.clone(), sequence: self.seq, reason, source: None }
    }
}

/// Checks that `messages` are one aggregate's, oldest first and complete from its first event.
///
/// # Errors
/// [`ChainBroken`] with the first message that does not continue its predecessor.
pub fn verify_chain<'a>(messages: impl IntoIterator<Item = &'a Raw>) -> Result<Hash, ChainBroken> {
    messages.into_iter().try_fold(Hash::default(), |prev, message| {
        if message.prev() == Some(prev) {
            Ok(message.hash())
        } else {
            Err(ChainBroken { stream: message.stream.clone(), sequence: message.seq })
        }
    })
}

/// An event on its way into the log.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) subject: String,
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
    pub(crate) event_id: EventId,
    pub(crate) hash: Hash,
    pub(crate) prev: Hash,
}

impl Draft {
    pub(crate) fn new<A: Aggregate>(
        id: &A::Id,
        event: &A::Event,
        moment: &Moment,
        prev: Hash,
    ) -> Result<Self, serde_json::Error> {
        let name = A::event_name(event);
        let subject = format!("{}.{name}", A::prefix(id));
        let body = Bytes::from(serde_json::to_vec(event)?);
        let event_id = event_id(moment.now);
        let mut headers = Headers::from_iter([
            ("ce-specversion", "1.0".to_owned()),
            ("ce-id", event_id.to_string()),
            ("ce-source", SOURCE.to_owned()),
            ("ce-type", kind::<A>(name)),
            ("ce-time", moment.now.to_string()),
        ]);
        if let Some(trace) = &moment.traceparent {
            headers.push("traceparent", trace);
        }
        headers.push(PREV, prev.to_string());
        let hash = hash(&subject, &headers, &body);
        Ok(Self { subject, headers, body, event_id, hash, prev })
    }
}

fn kind<A: Aggregate>(name: &str) -> String {
    format!("darkroom.{}.{name}.{VERSION}", A::NOUN)
}

/// A version 7 UUID of the given moment, so that ids sort roughly by time.
fn event_id(now: Timestamp) -> EventId {
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or_default();
    let stamp = uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos);
    EventId::from_uuid(Uuid::new_v7(stamp))
}

fn hash(subject: &str, headers: &Headers, body: &[u8]) -> Hash {
    let mut digest = Sha256::new_with_prefix(TAG);
    let mut part = |bytes: Option<&[u8]>| {
        let length = bytes.map_or(u64::MAX, |bytes| bytes.len() as u64);
        digest.update(length.to_be_bytes());
        digest.update(bytes.unwrap_or_default());
    };
    part(Some(subject.as_bytes()));
    for name in COVERED {
        part(headers.get(name).map(str::as_bytes));
    }
    part(Some(body));
    Hash(digest.finalize().into())
}
