//! What worker and host say to each other: frames with a body of JSON, and at most one descriptor
//! beside it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use domain::FailureCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::frame::{self, FrameError, HEADER_BYTES, Vocabulary};
use crate::socket::{Socket, SocketError};

/// The protocol's version; worker and host are built together, this catches a stale pair.
pub(crate) const PROTOCOL: u32 = 1;
/// Most bytes of one body.
const BODY_BYTES: u32 = 1 << 20;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Word {
    /// [`Order`], to the host.
    Order = 1,
    /// [`Answer`], to the host, with the body as a memory file beside it.
    Answer = 2,
    /// [`Ready`].
    Ready = 16,
    /// [`Ask`].
    Ask = 17,
    /// [`Made`], with a sealed memory file beside it.
    Made = 18,
    /// [`Done`].
    Done = 19,
    /// [`Failed`].
    Failed = 20,
}

impl Vocabulary for Word {
    const ALL: &'static [Self] =
        &[Self::Order, Self::Answer, Self::Ready, Self::Ask, Self::Made, Self::Done, Self::Failed];

    fn byte(self) -> u8 {
        self as u8
    }

    fn cap(self) -> u32 {
        BODY_BYTES
    }
}

impl Word {
    /// Whether a body is the message that the word calls for.
    #[must_use]
    pub fn reads(self, body: &[u8]) -> bool {
        fn is<M: DeserializeOwned>(word: Word, body: &[u8]) -> bool {
            frame::decode::<M, _>(word, body).is_ok()
        }
        match self {
            Self::Order => is::<Order>(self, body),
            Self::Answer => is::<Answer>(self, body),
            Self::Ready => is::<Ready>(self, body),
            Self::Ask => is::<Ask>(self, body),
            Self::Made => is::<Made>(self, body),
            Self::Done => is::<Done>(self, body),
            Self::Failed => is::<Failed>(self, body),
        }
    }
}

/// The job of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) struct Order {
    /// Private memory of any one process, in bytes.
    pub(crate) memory_bytes: u64,
    /// CPU time of any one process, in seconds.
    pub(crate) cpu_s: u64,
    /// Most bytes of what is made.
    pub(crate) output_bytes: u64,
    /// What is to be done. The source is the descriptor beside it.
    pub(crate) task: Task,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Task {
    /// A document to PDF.
    Office {
        /// Lower-case letters and digits.
        extension: String,
        /// Pages after this one are left out.
        last_page: Option<u32>,
    },
    /// Text of a picture.
    Ocr {
        /// Names of installed languages.
        languages: Vec<String>,
        /// The folder they lie in.
        data: String,
    },
    /// Pictures of a web page. Everything it loads is asked for.
    Browser {
        /// The page's address. Where a source is beside, that is its body.
        url: String,
        /// Most requests.
        requests: u32,
        /// Tallest picture, in pixels.
        height: u32,
        /// Longest wait for what the page loads, in milliseconds.
        settle_ms: u64,
        /// The time after the order, in milliseconds, at which what the page's provider says is no longer
        /// waited for; none where it is not asked.
        embed_until_ms: Option<u64>,
    },
}

/// The answer to an [`Ask`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    pub(crate) id: u32,
    /// HTTP status; none if it could not be had.
    pub(crate) status: Option<u16>,
    /// Where it lies, redirects followed.
    pub(crate) url: String,
    pub(crate) content_type: Option<String>,
}

/// The walls stand, and the program is as ready as it gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ready {
    pub(crate) protocol: u32,
    pub(crate) walls: Vec<String>,
}

/// A page wants something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ask {
    pub(crate) id: u32,
    pub(crate) url: String,
    pub(crate) document: bool,
}

/// What a made file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Product {
    Pdf,
    Text,
    Words,
    Viewport,
    Full,
}

/// A file was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Made {
    pub(crate) product: Product,
}

/// All is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Done {
    /// What the page says about itself.
    pub(crate) page: Option<PageSaid>,
}

/// What the page says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageSaid {
    pub(crate) url: String,
    pub(crate) height: u32,
    pub(crate) metadata: Map<String, Value>,
}

/// It cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Failed {
    pub(crate) code: FailureCode,
    pub(crate) detail: String,
}

/// Why a message did not travel or could not be read.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The frame.
    #[error(transparent)]
    Frame(#[from] FrameError<Word>),
}

/// A message as it came.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) word: Word,
    pub(crate) body: Vec<u8>,
    pub(crate) descriptor: Option<OwnedFd>,
}

impl Heard {
    pub(crate) fn read<M: DeserializeOwned>(&self) -> Result<M, WireError> {
        Ok(frame::decode(self.word, &self.body)?)
    }
}

/// Says something.
pub(crate) fn say(
    socket: &Socket<impl AsFd>,
    word: Word,
    message: &impl Serialize,
    descriptor: Option<BorrowedFd<'_>>,
    until: Option<Instant>,
) -> Result<(), WireError> {
    let message = frame::encode(word, message)?;
    let (header, body) = message.split_at(HEADER_BYTES);
    socket.send_parts(header, body, descriptor, until)?;
    Ok(())
}

/// Waits for the next message.
pub(crate) fn hear(socket: &Socket<impl AsFd>, until: Option<Instant>) -> Result<Heard, WireError> {
    let mut header = [0; HEADER_BYTES];
    let descriptor = socket.receive_header(&mut header, until)?;
    let (word, length) = frame::parse_header(header)?;
    let mut body = vec![0; length];
    socket.receive_body(&mut body, until)?;
    Ok(Heard { word, body, descriptor })
}
