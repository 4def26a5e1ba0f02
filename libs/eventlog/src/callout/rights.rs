//! What a customer's client may say and hear.

use domain::id::AccountId;
use serde::Serialize;

use super::desk::{MAX_CONSUMERS, consumer};

/// What of an account somebody may hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sees {
    /// Its jobs, how far they have come, and its feed.
    pub jobs: bool,
    /// Its uploads.
    pub uploads: bool,
    /// Its deliveries.
    pub deliveries: bool,
}

impl Sees {
    /// Whether that is anything.
    #[must_use]
    pub const fn anything(self) -> bool {
        self.jobs || self.uploads || self.deliveries
    }
}

/// Permissions, as a user's claims spell them. The server heeds no limits of numbers and sizes in what
/// a callout answers; what one connection may do is in `server.conf`.
#[derive(Debug, Serialize)]
pub(super) struct Rights {
    #[serde(rename = "pub")]
    say: Allowed,
    #[serde(rename = "sub")]
    hear: Allowed,
    subs: i64,
    data: i64,
    payload: i64,
    /// Neither leaf nodes, whose servers would say what they like, nor other protocols.
    allowed_connection_types: [&'static str; 2],
    #[serde(rename = "type")]
    kind: &'static str,
    version: u8,
}

#[derive(Debug, Serialize)]
struct Allowed {
    allow: Vec<String>,
}

impl Rights {
    /// Those of a client of `account`. Every subject has the account, or a consumer of the account,
    /// as a token of its own: no wildcard reaches past it.
    pub(super) fn of(account: AccountId, sees: Sees) -> Self {
        let mut hear = vec![inbox(account, ">")];
        if sees.jobs {
            hear.push(format!("darkroom.job.{account}.>"));
            hear.push(format!("darkroom.progress.{account}.>"));
            hear.push(format!("darkroom.feed.{account}.>"));
        }
        if sees.uploads {
            hear.push(format!("darkroom.upload.{account}.>"));
        }
        if sees.deliveries {
            hear.push(format!("darkroom.delivery.{account}.>"));
        }
        let api = format!("$JS.{account}.API");
        let mut say = vec![format!("{api}.INFO"), format!("{api}.STREAM.>")];
        for stream in streams(sees) {
            for of in ["*", "DURABLE.CREATE", "MSG.NEXT"] {
                say.push(format!("{api}.CONSUMER.{of}.{stream}.>"));
            }
            say.push(format!("{api}.CONSUMER.*.{stream}"));
            for number in 1..=MAX_CONSUMERS {
                say.push(format!("$JS.ACK.{stream}.{}.>", consumer(account, number)));
            }
        }
        Self {
            say: Allowed { allow: say },
            hear: Allowed { allow: hear },
            subs: -1,
            data: -1,
            payload: -1,
            allowed_connection_types: ["STANDARD", "WEBSOCKET"],
            kind: "user",
            version: 2,
        }
    }
}

/// A subject below the account's inbox.
pub(super) fn inbox(account: AccountId, rest: &str) -> String {
    format!("_INBOX.{account}.{rest}")
}

fn streams(sees: Sees) -> impl Iterator<Item = &'static str> {
    let streams = [("JOBS", sees.jobs), ("UPLOADS", sees.uploads), ("DELIVERIES", sees.deliveries)];
    streams.into_iter().filter_map(|(stream, seen)| seen.then_some(stream))
}
