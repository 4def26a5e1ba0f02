//! What a log is verified from: one line of JSON for each message, leaf tile and checkpoint.
//!
//! `darkroom audit export` writes these lines and verifies a live log as if it had. First comes
//! `export`; then, stream by stream, its checkpoints, and then its events in order, each stretch of
//! 256 behind the tile with their leaves; last comes `end`.

use bytes::Bytes;
use eventlog::{Headers, Raw};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The shape of the lines.
pub const VERSION: u32 = 1;

/// What a direct read says of a message beside the message: its place, told apart here.
const PLACE: [&str; 4] = ["Nats-Stream", "Nats-Subject", "Nats-Sequence", STORED_AT];
const STORED_AT: &str = "Nats-Time-Stamp";

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// What follows, and who says so.
    Export(Opening),
    /// A signed statement about one stream.
    Checkpoint(Signed),
    /// Leaves of one stream's tree.
    Tile(Leaves),
    /// The notary signs nothing more of a stream.
    Halted(Halt),
    /// A message of a stream.
    Event(Stored),
    /// How much there was; a file without it was cut off.
    End(Closing),
}

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// [`VERSION`].
    pub version: u32,
    /// When it was begun.
    pub exported_at: Timestamp,
    /// The keys that checkpoints are said to be signed with, in the form of a signed note's verifier.
    pub keys: Vec<String>,
    /// The streams that follow, in this order.
    pub streams: Vec<String>,
}

/// A signed statement about one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// The stream it is about.
    pub stream: String,
    /// The signed note.
    pub note: String,
}

/// That the notary signs nothing more of a stream. Nothing covers that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Halt {
    /// The stream that it is about.
    pub stream: String,
    /// Why.
    pub reason: String,
    /// The sequence that is to blame, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// The leaves of 256 events, or of fewer at the end of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaves {
    /// The stream they are of.
    pub stream: String,
    /// Which stretch: its first leaf is that of sequence `256 * index + 1`.
    pub index: u64,
    /// 32 bytes for each leaf.
    #[serde(with = "base64_text")]
    pub leaves: Bytes,
}

/// A message as a stream holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// The stream that holds it.
    pub stream: String,
    /// Its place there.
    pub seq: u64,
    /// Where it was published.
    pub subject: String,
    /// When the server says that it stored it. Nothing covers that; `ce-time` is when the event was
    /// decided, and covered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_at: Option<Timestamp>,
    /// Its headers, those of the server included.
    pub headers: Vec<(String, String)>,
    /// Its body, byte for byte.
    #[serde(with = "base64_text")]
    pub body: Bytes,
}

/// The last line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closing {
    /// Messages before it.
    pub events: u64,
    /// Tiles before it.
    pub tiles: u64,
    /// Checkpoints before it.
    pub checkpoints: u64,
}

impl Closing {
    /// Counts one more line.
    pub const fn count(&mut self, line: &Line) {
        match line {
            Line::Event(_) => self.events += 1,
            Line::Tile(_) => self.tiles += 1,
            Line::Checkpoint(_) => self.checkpoints += 1,
            Line::Export(_) | Line::Halted(_) | Line::End(_) => {}
        }
    }
}

impl From<Raw> for Stored {
    fn from(raw: Raw) -> Self {
        let stored_at = raw.headers.get(STORED_AT).and_then(|text| text.parse().ok());
        let kept = raw.headers.iter().filter(|(name, _)| !PLACE.contains(name));
        let headers = kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self {
            stream: raw.stream,
            seq: raw.seq,
            subject: raw.subject,
            stored_at,
            headers,
            body: raw.body,
        }
    }
}

impl Stored {
    /// The message, to be hashed and decoded.
    #[must_use]
    pub fn raw(&self) -> Raw {
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Raw {
            stream: self.stream.clone(),
            subject: self.subject.clone(),
            seq: self.seq,
            headers: Headers::from_iter(headers),
            body: self.body.clone(),
        }
    }

    /// A header that the hash covers and that is there more than once: only one of them is covered.
    #[must_use]
    pub fn repeated(&self) -> Option<&'static str> {
        eventlog::COVERED
            .into_iter()
            .find(|name| self.headers.iter().filter(|(given, _)| given == name).count() > 1)
    }

    /// When it was decided, as it says itself.
    #[must_use]
    pub fn decided_at(&self) -> Option<&str> {
        self.headers.iter().find(|(name, _)| name == "ce-time").map(|(_, time)| time.as_str())
    }

    /// The history it belongs to: its subject without the event's name.
    #[must_use]
    pub fn history(&self) -> &str {
        self.subject.rsplit_once('.').map_or(self.subject.as_str(), |(history, _)| history)
    }
}

/// Bytes as standard base64.
pub(crate) mod base64_text {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use bytes::Bytes;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(bytes: &Bytes, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        STANDARD.decode(text.as_bytes()).map(Bytes::from).map_err(D::Error::custom)
    }
}
