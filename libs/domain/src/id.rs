//! The registry of id kinds. Append only: a kind, once stored, is never renamed or reused.
//!
//! Every id is a UUID in its hyphenated lower-case text form, hence a safe subject token, object
//! key and URL segment.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The text is not a hyphenated UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {kind}: expected a UUID such as 0190a5c4-9d2e-7c3b-8f1a-2b6d5e4f3a21")]
pub struct InvalidId {
    text: String,
    kind: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $kind:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The id with this value.
            #[must_use]
            pub const fn from_uuid(value: Uuid) -> Self {
                Self(value)
            }

            /// The id that these bytes always lead to within `namespace` (RFC 9562, version 5).
            #[must_use]
            pub fn derived(namespace: Uuid, name: &[u8]) -> Self {
                Self(Uuid::new_v5(&namespace, name))
            }

            /// Its value.
            #[must_use]
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = || InvalidId { text: text.chars().take(64).collect(), kind: $kind };
                // Only the canonical spelling: other spellings would name other subjects.
                match Uuid::try_parse(text) {
                    Ok(value) if value.hyphenated().to_string() == text => Ok(Self(value)),
                    _ => Err(invalid()),
                }
            }
        }
    )+};
}

ids! {
    /// A tenant.
    AccountId = "an account id";
    /// An API key pair of an account.
    ApplicationId = "an application id";
    /// One wish about one source.
    JobId = "a job id";
    /// One stored fact.
    EventId = "an event id";
    /// A customer's webhook URL.
    EndpointId = "an endpoint id";
    /// One event on its way to one endpoint.
    DeliveryId = "a delivery id";
    /// One run of one worker process.
    WorkerId = "a worker id";
    /// A person of an account.
    MemberId = "a member id";
    /// One log-in of a member.
    SessionId = "a session id";
    /// One file on its way into the platform bucket.
    UploadId = "an upload id";
    /// A customer's bucket for results, as it was set once.
    DestinationId = "a destination id";
    /// One telling of past events again.
    ReplayId = "a replay id";
    /// A customer's bucket that sources may be read from.
    InputId = "an input id";
}
