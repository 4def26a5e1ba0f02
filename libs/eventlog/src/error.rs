//! What can go wrong between here and the log.

use std::error::Error;

pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// The log could not be asked, or did not answer in time.
#[derive(Debug, thiserror::Error)]
#[error("the event log is unavailable: {operation}")]
pub struct Unavailable {
    /// What was attempted.
    pub operation: &'static str,
    #[source]
    source: Option<Cause>,
}

impl Unavailable {
    pub(crate) fn new(operation: &'static str, source: impl Into<Cause>) -> Self {
        Self { operation, source: Some(source.into()) }
    }

    pub(crate) const fn silent(operation: &'static str) -> Self {
        Self { operation, source: None }
    }
}

/// A stored message that is not an event of the expected kind. Park it; never skip it.
#[derive(Debug, thiserror::Error)]
#[error("message {sequence} of {stream} is not a readable event: {reason}")]
pub struct Malformed {
    /// The stream that holds it.
    pub stream: String,
    /// Its place there.
    pub sequence: u64,
    /// Which rule it breaks.
    pub reason: &'static str,
    #[source]
    pub(crate) source: Option<Cause>,
}

/// The stored history is not the one that was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the chain breaks at message {sequence} of {stream}: it does not continue its predecessor")]
pub struct ChainBroken {
    /// The stream that holds it.
    pub stream: String,
    /// The first message that does not fit.
    pub sequence: u64,
}

/// Reading the log failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The log could not be asked.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// A message is not an event.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Messages do not form a history.
    #[error(transparent)]
    ChainBroken(#[from] ChainBroken),
    /// One aggregate has more events than any legal history.
    #[error("{subject} holds more than {limit} events")]
    TooLong {
        /// What was read.
        subject: String,
        /// How many would have been accepted.
        limit: usize,
    },
}

/// A decision could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum TransactError<R> {
    /// The business says no.
    #[error("refused")]
    Refused(R),
    /// The history could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log did not answer. The event may or may not have been recorded; deciding again is safe.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// Others won the race every time.
    #[error("lost {attempts} races for {subject}")]
    Contended {
        /// The aggregate's filter.
        subject: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// The server refuses the event itself: too large, out of space, not allowed.
    #[error("the server refused an event under {subject} with {code}: {description}")]
    Rejected {
        /// Where it was to go.
        subject: String,
        /// nats-server's error code.
        code: u64,
        /// nats-server's explanation.
        description: String,
    },
    /// The event has no JSON form.
    #[error("encode an event")]
    Encode(#[source] serde_json::Error),
}

/// No connection to the log.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address makes no sense.
    #[error(
        "nats.url `{url}` is not an address such as nats://127.0.0.1:4222 or tls://nats.example.org:4222"
    )]
    Url {
        /// As it was set.
        url: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The address would send passwords and events in the clear.
    #[error("nats.url `{url}` is plaintext beyond loopback: use tls://")]
    Plaintext {
        /// As it was set.
        url: String,
    },
    /// Credentials belong in their own settings.
    #[error("nats.url holds credentials: set nats.user and nats.password instead")]
    Credentials,
    /// The certificate file cannot be read.
    #[error("read nats.ca_file {path}")]
    Certificates {
        /// As it was set.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The server does not know the user.
    #[error("the NATS server at {url} refuses user `{user}`: check nats.user and nats.password")]
    Forbidden {
        /// As it was set.
        url: String,
        /// As it was set.
        user: String,
    },
    /// Nobody answered in time.
    #[error("connect to the NATS server at {url} as `{user}`")]
    Unreachable {
        /// As it was set.
        url: String,
        /// As it was set.
        user: String,
        /// Why.
        #[source]
        source: Cause,
    },
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
