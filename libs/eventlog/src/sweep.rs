//! A stretch of a stream read through a consumer that lasts as long as the reading.
//!
//! For whoever may have one made, and for long stretches: it costs a server a third of what direct
//! gets cost. Whatever goes wrong with it is told, and the reader goes on by direct gets from where
//! it stands.

use std::time::Duration;

use async_nats::{Client, Message, Subscriber};
use bytes::Bytes;
use futures::StreamExt as _;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::{
    envelope::Raw,
    error::Unavailable,
    stored,
    wire::{Wire, nanos},
};

/// Messages that one pull asks for.
const PULL: usize = 1_000;
/// How much one pull may bring, in bytes.
const PULL_BYTES: usize = 4 << 20;
/// Messages that are handed on together, more or less.
const TOGETHER: usize = 500;
/// Such heaps that wait for the reader.
const AHEAD: usize = 2;
/// How long a pull stays with the server.
const EXPIRES: Duration = Duration::from_secs(30);
/// How often the server says that a pull still stands.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// After how long without a word the consumer counts as lost.
const SILENCE: Duration = Duration::from_secs(3);
/// How long a consumer outlives a reader that does not say goodbye.
const ABANDONED: Duration = Duration::from_secs(30);

const SWEEP: &str = "read a stream through a consumer";

/// Messages of a stretch, as many at a time as came together, up to what is stored when the end is
/// reached.
pub(crate) struct Sweep(mpsc::Receiver<Result<Vec<Raw>, Unavailable>>);

impl Sweep {
    /// Reads `stream` from `from` on, only what `filter` covers if there is one.
    pub(crate) fn start(wire: &Wire, stream: &str, filter: Option<&str>, from: u64) -> Self {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let (wire, stream, filter) =
            (wire.clone(), stream.to_owned(), filter.map(ToOwned::to_owned));
        tokio::spawn(async move {
            let consumer = format!("replay-{}", Uuid::new_v4().simple());
            let read = read(&wire, &stream, &consumer, filter.as_deref(), from, &sender).await;
            // The server forgets it by itself, only later.
            let goodbye = format!("$JS.API.CONSUMER.DELETE.{stream}.{consumer}");
            let _told = wire.client.publish(goodbye, Bytes::new()).await.is_ok();
            if let Err(error) = read {
                let _told = sender.send(Err(error)).await.is_ok();
            }
        });
        Self(receiver)
    }

    /// The next messages; none at the end.
    pub(crate) async fn next(&mut self) -> Option<Result<Vec<Raw>, Unavailable>> {
        self.0.recv().await
    }
}

async fn read(
    wire: &Wire,
    stream: &str,
    consumer: &str,
    filter: Option<&str>,
    from: u64,
    sender: &mpsc::Sender<Result<Vec<Raw>, Unavailable>>,
) -> Result<(), Unavailable> {
    let mut config = json!({
        "name": consumer, "deliver_policy": "by_start_sequence", "opt_start_seq": from.max(1),
        "ack_policy": "none", "inactive_threshold": nanos(ABANDONED),
        "num_replicas": 1, "mem_storage": true,
    });
    if let (Some(filter), Some(config)) = (filter, config.as_object_mut()) {
        config.insert("filter_subject".to_owned(), filter.into());
    }
    let query = json!({ "stream_name": stream, "config": config, "action": "create" });
    let made = wire.api(&format!("CONSUMER.CREATE.{stream}.{consumer}"), &query, SWEEP).await?;
    let made = made.map_err(|error| Unavailable::new(SWEEP, error))?;
    if made.get("num_pending").and_then(serde_json::Value::as_u64) == Some(0) {
        return Ok(());
    }
    let inbox = wire.client.new_inbox();
    let unavailable = |source| Unavailable::new(SWEEP, source);
    let answers = wire.client.subscribe(inbox.clone()).await.map_err(unavailable)?;
    let pulls = Pulls {
        client: wire.client.clone(),
        subject: format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"),
        inbox,
        expected: 0,
        delivered: 0,
        over: false,
    };
    pulls.run(stream, answers, sender).await
}

/// Pulls under way, so that the server always has one to answer.
struct Pulls {
    client: Client,
    subject: String,
    inbox: String,
    /// Messages that they may still bring.
    expected: usize,
    /// Messages that they brought, as the consumer counts them.
    delivered: u64,
    /// Whether nothing more was stored.
    over: bool,
}

impl Pulls {
    async fn run(
        mut self,
        stream: &str,
        answers: Subscriber,
        sender: &mpsc::Sender<Result<Vec<Raw>, Unavailable>>,
    ) -> Result<(), Unavailable> {
        let mut answers = answers.ready_chunks(TOGETHER);
        let (mut raws, mut bytes) = (Vec::with_capacity(2 * TOGETHER), 0);
        while !self.over {
            self.ask().await?;
            let heap = tokio::time::timeout(SILENCE, answers.next())
                .await
                .map_err(|source| Unavailable::new(SWEEP, source))?
                .ok_or(Unavailable::silent(SWEEP))?;
            for message in heap {
                bytes += message.length;
                raws.extend(self.take(stream, message)?);
            }
            // More is on its way until it is over.
            if raws.len() >= TOGETHER || bytes >= PULL_BYTES || self.over {
                let heap = std::mem::replace(&mut raws, Vec::with_capacity(2 * TOGETHER));
                bytes = 0;
                if sender.send(Ok(heap)).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn ask(&mut self) -> Result<(), Unavailable> {
        while self.expected <= PULL {
            let pull = json!({
                "batch": PULL, "max_bytes": PULL_BYTES,
                "expires": nanos(EXPIRES), "idle_heartbeat": nanos(HEARTBEAT),
            });
            self.client
                .publish_with_reply(
                    self.subject.clone(),
                    self.inbox.clone(),
                    pull.to_string().into(),
                )
                .await
                .map_err(|source| Unavailable::new(SWEEP, source))?;
            self.expected += PULL;
        }
        Ok(())
    }

    /// The message, where it is one and not a word about a pull.
    fn take(&mut self, stream: &str, message: Message) -> Result<Option<Raw>, Unavailable> {
        match message.status.map(|status| status.as_u16()) {
            None => {}
            Some(100) => return Ok(None),
            // A pull has ended: because of its size, or of its age.
            Some(408 | 409) => {
                let left = message.headers.as_ref().and_then(|headers| {
                    headers.get("Nats-Pending-Messages")?.as_str().parse::<usize>().ok()
                });
                let left = left.ok_or_else(|| refused(&message))?;
                self.expected = self.expected.saturating_sub(left);
                return Ok(None);
            }
            Some(_) => return Err(refused(&message)),
        }
        let place = message.reply.as_ref().and_then(|reply| Place::read(reply));
        let Some(place) = place else { return Err(Unavailable::silent(SWEEP)) };
        if place.delivered != self.delivered + 1 {
            return Err(Unavailable::new(SWEEP, "messages were lost on their way"));
        }
        self.delivered = place.delivered;
        self.expected = self.expected.saturating_sub(1);
        self.over = place.pending == 0;
        let (seq, stored_at) = (place.seq, place.stored_at);
        Ok(Some(stored::swept(stream.to_owned(), seq, stored_at, message)))
    }
}

fn refused(message: &Message) -> Unavailable {
    let said = message.description.clone().unwrap_or_default();
    let status = message.status.map_or(0, |status| status.as_u16());
    Unavailable::new(SWEEP, format!("nats-server says {status}: {said}"))
}

/// Where a message lies, as the subject of its acknowledgement says.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    seq: u64,
    /// As the consumer counts.
    delivered: u64,
    stored_at: Option<Timestamp>,
    /// Messages behind it.
    pending: u64,
}

impl Place {
    /// `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<deliveries>.<seq>.<delivered>.<time>.<pending>[.<more>]`
    fn read(reply: &str) -> Option<Self> {
        let before = if reply.split('.').count() > 9 { 5 } else { 3 };
        let mut tokens = reply.strip_prefix("$JS.ACK.")?.split('.').skip(before);
        let mut number = || tokens.next()?.parse::<u64>().ok();
        let (seq, delivered, time, pending) = (number()?, number()?, number()?, number()?);
        let stored_at = Timestamp::from_nanosecond(i128::from(time)).ok();
        Some(Self { seq, delivered, stored_at, pending })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_from_either_form_of_an_acknowledgement() {
        let place = Place {
            seq: 77,
            delivered: 5,
            stored_at: Some(Timestamp::from_second(1_790_000_000).unwrap()),
            pending: 9,
        };
        for reply in [
            "$JS.ACK.JOBS.replay-1.1.77.5.1790000000000000000.9",
            "$JS.ACK.darkroom.hash.JOBS.replay-1.1.77.5.1790000000000000000.9.x",
        ] {
            assert_eq!(Place::read(reply).as_ref(), Some(&place), "{reply}");
        }
        for reply in ["", "$JS.ACK.JOBS.replay-1.1.77", "_INBOX.1.2.3.4.5.6.7.8"] {
            assert_eq!(Place::read(reply), None, "{reply}");
        }
    }
}
