//! Readers of what is said behind the walls and to them, which nobody else calls from outside, for
//! those who fuzz them.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use domain::limits::Limits;
use serde_json::{Map, Value};

use crate::hosted::{HostedError, session};
use crate::inside::hosted;
use crate::socket::Socket;

/// Hears out the host of a page at the other end of a socket: how many files it made, and what the
/// page says of itself.
///
/// # Errors
/// What it says of the job, that it broke the protocol, or that nothing more is heard.
pub fn hear_out(
    socket: &Socket<impl AsFd>,
    limits: &Limits,
    until: Instant,
) -> Result<(usize, Map<String, Value>), HostedError> {
    session::hear_out(socket, limits, until)
}

/// What an answer of oEmbed tells, if it is one.
#[must_use]
pub fn oembed(answer: OwnedFd) -> Option<Map<String, Value>> {
    hosted::oembed_answer(answer)
}

/// The link of a page's metadata that is followed, and its place among all.
#[must_use]
pub fn oembed_link(said: &Map<String, Value>) -> Option<(usize, String)> {
    hosted::oembed_link(said)
}

/// How many messages a browser says, until it ends or says what is none.
#[must_use]
pub fn devtools(from: OwnedFd) -> usize {
    hosted::devtools_messages(from)
}

/// The fonts in a memory file of them, and how long its table says that it is.
#[must_use]
pub fn fonts(bytes: &[u8]) -> (Vec<&[u8]>, usize) {
    (crate::fonts::parse(bytes), crate::fonts::whole_bytes(bytes))
}
