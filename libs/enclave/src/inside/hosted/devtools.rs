//! The browser's DevTools protocol over a pair of pipes: JSON messages, each ended by a zero byte.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use domain::FailureCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Trouble;

/// The longest message: a picture in base64.
const MESSAGE_BYTES: usize = 256 << 20;
/// How much is read at once.
const CHUNK_BYTES: usize = 256 << 10;

/// A message of the browser's.
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    /// Of an answer: which call it answers.
    pub(super) id: Option<u64>,
    /// Of an answer.
    #[serde(default)]
    pub(super) result: Value,
    /// Of an answer to a call that failed.
    pub(super) error: Option<Value>,
    /// Of an event: its name.
    pub(super) method: Option<String>,
    /// Of an event.
    #[serde(default)]
    pub(super) params: Value,
}

/// The two pipes.
pub(super) struct Devtools {
    to: File,
    from: File,
    buffer: Vec<u8>,
    /// How much of the buffer holds no zero byte for sure.
    searched: usize,
    calls: u64,
    session: Option<String>,
}

impl Devtools {
    pub(super) fn over(to: OwnedFd, from: OwnedFd) -> Self {
        let (to, from) = (File::from(to), File::from(from));
        Self { to, from, buffer: Vec::new(), searched: 0, calls: 0, session: None }
    }

    /// From now on, calls go to this page.
    pub(super) fn attach(&mut self, session: String) {
        self.session = Some(session);
    }

    /// What becomes readable when the browser says something.
    pub(super) fn ear(&self) -> BorrowedFd<'_> {
        self.from.as_fd()
    }

    /// Calls without waiting, and gives the call's number.
    pub(super) fn call(&mut self, method: &str, params: &Value) -> Result<u64, Trouble> {
        self.calls += 1;
        let mut message = json!({ "id": self.calls, "method": method, "params": params });
        if let (Some(session), Some(fields)) = (&self.session, message.as_object_mut()) {
            fields.insert("sessionId".to_owned(), Value::from(session.as_str()));
        }
        let mut message = message.to_string().into_bytes();
        message.push(0);
        self.to.write_all(&message).map_err(|error| gone(&error))?;
        Ok(self.calls)
    }

    /// A message that has come in whole.
    pub(super) fn next(&mut self) -> Result<Option<Said>, Trouble> {
        let fresh = self.buffer.get(self.searched..).unwrap_or_default();
        let Some(end) = fresh.iter().position(|byte| *byte == 0) else {
            self.searched = self.buffer.len();
            return Ok(None);
        };
        let end = self.searched + end;
        let rest = self.buffer.split_off(end + 1);
        let message = std::mem::replace(&mut self.buffer, rest);
        self.searched = 0;
        let message = message.get(..end).unwrap_or_default();
        let said = serde_json::from_slice(message).map_err(|error| {
            Trouble::job(FailureCode::RendererCrashed, format!("the browser's JSON: {error}"))
        })?;
        Ok(Some(said))
    }

    /// Reads what has come in. To be called when the ear is readable.
    pub(super) fn listen(&mut self) -> Result<(), Trouble> {
        let before = self.buffer.len();
        if before > MESSAGE_BYTES {
            return Err(Trouble::job(FailureCode::OutputTooLarge, "too long a message"));
        }
        self.buffer.resize(before + CHUNK_BYTES, 0);
        let room = self.buffer.get_mut(before..).unwrap_or_default();
        let read = self.from.read(room);
        self.buffer.truncate(before + read.as_ref().copied().unwrap_or_default());
        match read {
            Ok(0) => Err(Trouble::job(FailureCode::RendererCrashed, "the browser has ended")),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(Trouble::io("hear the browser")(error)),
        }
    }
}

fn gone(error: &std::io::Error) -> Trouble {
    Trouble::job(FailureCode::RendererCrashed, format!("the browser has ended: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_at_zero_bytes_wherever_reads_end() {
        let (from, mut theirs) = std::io::pipe().expect("a pipe");
        let (_sink, to) = std::io::pipe().expect("a pipe");
        let mut tools = Devtools::over(to.into(), from.into());
        for part in [&b"{\"id\":1}\0{\"meth"[..], &b"od\":\"x\"}\0"[..]] {
            theirs.write_all(part).expect("written");
            tools.listen().expect("heard");
        }
        assert_eq!(tools.next().expect("read").expect("whole").id, Some(1));
        let event = tools.next().expect("read").expect("whole");
        assert_eq!(event.method.as_deref(), Some("x"));
        assert!(tools.next().expect("read").is_none());
        theirs.write_all(b"nonsense\0").expect("written");
        tools.listen().expect("heard");
        assert!(tools.next().is_err());
    }
}
