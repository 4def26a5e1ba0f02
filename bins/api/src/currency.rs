//! How current the read model is known to be.

use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

use domain::Timestamp;
use readmodel::Stream;

/// How long ago the log may have been heard of while this process calls itself ready, in
/// milliseconds.
const READY_WITHIN_MS: i64 = 5_000;
/// No time at all.
const NEVER: i64 = i64::MIN;

/// When each stream's rows were last known to hold everything that was stored.
pub(crate) struct Currency {
    confirmed_ms: [AtomicI64; Stream::ALL.len()],
    damaged: AtomicU8,
}

impl Currency {
    pub(crate) const fn new() -> Self {
        Self {
            confirmed_ms: [const { AtomicI64::new(NEVER) }; Stream::ALL.len()],
            damaged: AtomicU8::new(0),
        }
    }

    const fn cell(&self, stream: Stream) -> &AtomicI64 {
        let [accounts, jobs, members, uploads, endpoints, deliveries] = &self.confirmed_ms;
        match stream {
            Stream::Accounts => accounts,
            Stream::Jobs => jobs,
            Stream::Members => members,
            Stream::Uploads => uploads,
            Stream::Endpoints => endpoints,
            Stream::Deliveries => deliveries,
        }
    }

    /// Everything stored in `stream` before `at` is in the rows.
    pub(crate) fn confirm(&self, stream: Stream, at: Timestamp) {
        self.cell(stream).fetch_max(at.as_millisecond(), Ordering::Relaxed);
    }

    /// As of when the rows of `stream` are complete, if they ever were.
    pub(crate) fn as_of(&self, stream: Stream) -> Option<Timestamp> {
        match self.cell(stream).load(Ordering::Relaxed) {
            NEVER => None,
            ms => Timestamp::from_millisecond(ms).ok(),
        }
    }

    /// Whether a stream turned out to have lost messages.
    pub(crate) fn set_damaged(&self, stream: Stream, damaged: bool) {
        let bit = 1 << stream as u8;
        if damaged {
            self.damaged.fetch_or(bit, Ordering::Relaxed);
        } else {
            self.damaged.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    /// Why this process is not fit to serve at `now`; nothing when it is.
    pub(crate) fn complaints(&self, now: Timestamp) -> Vec<&'static str> {
        let mut complaints = Vec::new();
        let as_of = Stream::ALL.map(|stream| self.as_of(stream));
        if as_of.contains(&None) {
            complaints.push("the read model is still being made");
        }
        let since = now.as_millisecond() - READY_WITHIN_MS;
        if as_of.iter().flatten().any(|at| at.as_millisecond() < since) {
            complaints.push("the event log has not answered for a while");
        }
        if self.damaged.load(Ordering::Relaxed) != 0 {
            complaints.push("messages are missing from the event log");
        }
        complaints
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_while_every_stream_is_current() {
        let currency = Currency::new();
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        assert_eq!(currency.complaints(at(0)).len(), 1);
        currency.confirm(Stream::Accounts, at(1_000));
        assert_eq!(currency.complaints(at(1_000)).len(), 1);
        for stream in Stream::ALL {
            currency.confirm(stream, at(1_000));
        }
        assert!(currency.complaints(at(1_000 + READY_WITHIN_MS)).is_empty());
        assert_eq!(currency.complaints(at(1_001 + READY_WITHIN_MS)).len(), 1);
        currency.set_damaged(Stream::Jobs, true);
        assert_eq!(currency.complaints(at(1_000)).len(), 1);
        currency.set_damaged(Stream::Jobs, false);
        assert!(currency.complaints(at(1_000)).is_empty());
    }
}
