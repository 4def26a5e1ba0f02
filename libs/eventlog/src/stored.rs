//! How a stored message looks in each of the ways the server hands it out.

use async_nats::{HeaderMap, Message};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use crate::{backend::Note, envelope::Raw, headers::Headers};

/// Where a [`Note`] keeps the status that the server answered with.
pub(crate) const STATUS: &str = ":status";
/// And its explanation.
pub(crate) const DESCRIPTION: &str = ":description";

/// Room for what a status, a twin or a sweep adds, in bytes.
const MORE_BYTES: usize = 64;
/// Where a direct read says when a message was stored.
const STORED_AT: &str = "Nats-Time-Stamp";

pub(crate) fn header_map(headers: &Headers) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers.iter() {
        map.append(name, value);
    }
    map
}

/// A message as it came over the connection.
pub(crate) fn note(message: Message) -> Note {
    let mut headers = received(message.headers.as_ref());
    if let Some(status) = message.status {
        headers.push(STATUS, status.as_u16().to_string());
        headers.push(DESCRIPTION, message.description.unwrap_or_default());
    }
    Note {
        subject: message.subject.to_string(),
        headers,
        body: message.payload,
        reply: message.reply.map(|reply| reply.to_string()),
    }
}

/// Headers in the order of their names, with room for a status and for what a twin adds.
fn received(map: Option<&HeaderMap>) -> Headers {
    let values = || map.into_iter().flat_map(HeaderMap::iter);
    let bytes = values().flat_map(|(_, values)| values).map(|value| value.as_str().len());
    let mut headers =
        Headers::with_room(map.map_or(0, HeaderMap::len) + 2, MORE_BYTES + bytes.sum::<usize>());
    for (name, values) in values() {
        values.iter().for_each(|value| headers.push(name, value));
    }
    headers.sort();
    headers
}

/// A message that a consumer of the whole stream delivered, with the time at which it was stored where
/// a direct read says it.
pub(crate) fn swept(
    stream: String,
    seq: u64,
    stored_at: Option<Timestamp>,
    message: Message,
) -> Raw {
    let mut headers = received(message.headers.as_ref());
    if let Some(at) = stored_at {
        headers.push(STORED_AT, at.to_string());
    }
    let subject = message.subject.to_string();
    Raw { stream, subject, seq, headers, body: message.payload }
}

/// A message answered by a direct read, or republished: its place is in its headers.
pub(crate) fn direct(note: Note) -> Option<Raw> {
    Some(Raw {
        stream: note.headers.get("Nats-Stream")?.to_owned(),
        subject: note.headers.get("Nats-Subject")?.to_owned(),
        seq: note.headers.get("Nats-Sequence")?.parse().ok()?,
        headers: note.headers,
        body: note.body,
    })
}

/// A message delivered by a consumer, and how often it was. Its place is in the reply subject, or
/// for a sourced message, which is told as what it was where it came from, in a header.
pub(crate) fn delivered(note: Note, reply: &str) -> Option<(Raw, u64)> {
    // $JS.ACK.[<domain>.<account hash>.]<stream>.<consumer>.<deliveries>.<seq>.<consumer seq>...
    let tokens: Vec<&str> = reply.split('.').collect();
    let place = if tokens.len() > 9 { tokens.get(4..)? } else { tokens.get(2..)? };
    let (Some(stream), Some(deliveries), Some(seq)) = (place.first(), place.get(2), place.get(3))
    else {
        return None;
    };
    let deliveries = deliveries.parse().ok()?;
    let (stream, subject, seq) = match note.headers.get("Nats-Stream-Source") {
        None => ((*stream).to_owned(), note.subject, seq.parse().ok()?),
        Some(source) => {
            // <stream>[:<hash>] <seq> <filter> <transform> <subject>[ <server>]
            let mut parts = source.split(' ');
            let stream = parts.next()?.split(':').next()?.to_owned();
            let seq = parts.next()?.parse().ok()?;
            (stream, parts.nth(2)?.to_owned(), seq)
        }
    };
    Some((Raw { stream, subject, seq, headers: note.headers, body: note.body }, deliveries))
}

/// A message fetched through the stream's leader, which answers in JSON.
pub(crate) fn fetched(stream: &str, answer: &Value) -> Option<Raw> {
    let message = answer.get("message")?;
    let bytes = |field: &str| match message.get(field) {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(value) => STANDARD.decode(value.as_str()?).ok(),
    };
    let headers = String::from_utf8(bytes("hdrs")?).ok()?;
    Some(Raw {
        stream: stream.to_owned(),
        subject: message.get("subject")?.as_str()?.to_owned(),
        seq: message.get("seq")?.as_u64()?,
        headers: headers
            .split("\r\n")
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect(),
        body: Bytes::from(bytes("data")?),
    })
}
