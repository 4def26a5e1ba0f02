//! Server-sent events, read from the pieces they arrive in.

/// The longest event that is kept; a longer one is dropped.
const EVENT_BYTES: usize = 1 << 20;

/// One event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its name.
    pub(crate) kind: String,
    /// What it carries.
    pub(crate) data: String,
}

/// Puts pieces together.
#[derive(Default)]
pub(crate) struct Reader {
    pending: Vec<u8>,
}

impl Reader {
    /// Takes a piece, and gives the events that are whole with it.
    pub(crate) fn read(&mut self, piece: &[u8]) -> Vec<Event> {
        self.pending.extend_from_slice(piece);
        let mut events = Vec::new();
        while let Some(end) = self.pending.windows(2).position(|pair| pair == b"\n\n") {
            let block: Vec<u8> = self.pending.drain(..end + 2).collect();
            events.extend(event(&String::from_utf8_lossy(&block)));
        }
        if self.pending.len() > EVENT_BYTES {
            self.pending.clear();
        }
        events
    }
}

/// A block without data is a sign of life.
fn event(block: &str) -> Option<Event> {
    let (mut kind, mut data) = (String::new(), Vec::new());
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut kind),
            "data" => data.push(value),
            _ => {}
        }
    }
    (!data.is_empty()).then(|| Event { kind, data: data.join("\n") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_put_together_from_any_pieces() {
        let whole =
            b":alive\n\nid:7\nevent:started\ndata:{\"a\":1}\n\nevent: x\ndata: 1\ndata: 2\n\n";
        let wanted = vec![
            Event { kind: "started".into(), data: "{\"a\":1}".into() },
            Event { kind: "x".into(), data: "1\n2".into() },
        ];
        for size in 1..=whole.len() {
            let mut reader = Reader::default();
            let read: Vec<Event> =
                whole.chunks(size).flat_map(|piece| reader.read(piece)).collect();
            assert_eq!(read, wanted, "in pieces of {size}");
        }
    }
}
