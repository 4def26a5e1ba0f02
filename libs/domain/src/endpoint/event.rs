//! What can happen to an endpoint, as stored. Fields are only ever added, with a default.

use std::collections::BTreeSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{replay::Replay, topic::TopicFilter};
use crate::{
    Sealed,
    id::{ApplicationId, ReplayId},
    retry::Schedule,
};

/// A fact in an endpoint's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// It is told from now on.
    Added {
        /// Where and how.
        #[serde(flatten)]
        letter: Letter,
        /// What deliveries are signed with.
        signing: Signing,
    },
    /// It is told elsewhere, or otherwise, from now on.
    Changed {
        /// Where and how.
        #[serde(flatten)]
        letter: Letter,
    },
    /// Deliveries are signed with something else from now on; for a while with both.
    SecretRotated {
        /// What.
        signing: Signing,
        /// Until when they are signed with what was before as well.
        previous_until: Timestamp,
    },
    /// It is told nothing until it is enabled again.
    Disabled {
        /// Why.
        because: DisabledBecause,
    },
    /// It is told again.
    Enabled {},
    /// It failed so often that it is left alone for a while.
    CircuitOpened {
        /// Since when nothing but failures came of it.
        failing_since: Timestamp,
        /// When it is tried again, with one delivery.
        until: Timestamp,
    },
    /// It took a delivery again.
    CircuitClosed {},
    /// Past events shall be told again.
    ReplayRequested {
        /// Names the replay.
        replay: ReplayId,
        /// Which events.
        #[serde(flatten)]
        of: Replay,
    },
    /// A replay has come so far.
    ReplayProgressed {
        /// Which.
        replay: ReplayId,
        /// The last sequence that it has looked at, of the stream in which it looks.
        through_seq: u64,
        /// Deliveries made due by it so far.
        deliveries: u64,
    },
    /// A replay has come to its end.
    ReplayEnded {
        /// Which.
        replay: ReplayId,
        /// Deliveries made due by it.
        deliveries: u64,
    },
    /// It is told nothing any more, and forgotten.
    Removed {},
}

/// Where an endpoint is and how it is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Letter {
    /// Its URL.
    pub url: Sealed,
    /// What its people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Sealed>,
    /// Headers that every delivery carries: a JSON object of strings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<Sealed>,
    /// All else.
    #[serde(flatten)]
    pub terms: Terms,
}

/// What an endpoint is told, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "EndpointTerms")]
pub struct Terms {
    /// Which events.
    pub topics: Vec<TopicFilter>,
    /// Of which applications' jobs; absent: of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applications: Option<BTreeSet<ApplicationId>>,
    /// What a delivery says.
    #[serde(default)]
    pub payload: Payload,
    /// Whether what happens to a job is told in order: nothing before the outcome of what was before.
    #[serde(default)]
    pub ordered: bool,
    /// Longest attempt, in milliseconds; absent: the dispatcher's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Most deliveries in a second; absent: no limit of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u32>,
    /// Most deliveries at once; absent: the dispatcher's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_once: Option<u32>,
    /// Waits between attempts, in seconds; absent: the dispatcher's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<Schedule>,
    /// Whether the beginning of its answers is kept.
    #[serde(default)]
    pub keeps_answers: bool,
}

/// What a delivery says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// What a GET of the job answers: `/v2` of jobs.
    #[default]
    Full,
    /// Ids and the topic alone.
    Thin,
    /// A `CloudEvents` 1.0 event in structured mode.
    CloudEvents,
    /// A JSON Web Token of the full body, as the first version of `FilePreviews` sent it.
    Jwt,
}

/// What deliveries are signed with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Signing {
    /// How.
    pub scheme: Scheme,
    /// `whsec_...` or `whsk_...` as in Standard Webhooks.
    pub secret: Sealed,
    /// `whpk_...`, for the schemes that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
}

/// How deliveries are signed (Standard Webhooks).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// `v1`: HMAC-SHA256 with a secret that both sides have.
    #[default]
    HmacSha256,
    /// `v1a`: Ed25519, to be verified with a public key.
    Ed25519,
}

/// Why an endpoint was disabled. Append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DisabledBecause {
    /// Its owner asked.
    Asked,
    /// It answered 410.
    Gone,
    /// It did nothing but fail for days.
    Failing,
}

impl Event {
    /// The last token of its subject.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Added { .. } => "added",
            Self::Changed { .. } => "changed",
            Self::SecretRotated { .. } => "secret_rotated",
            Self::Disabled { .. } => "disabled",
            Self::Enabled {} => "enabled",
            Self::CircuitOpened { .. } => "circuit_opened",
            Self::CircuitClosed {} => "circuit_closed",
            Self::ReplayRequested { .. } => "replay_requested",
            Self::ReplayProgressed { .. } => "replay_progressed",
            Self::ReplayEnded { .. } => "replay_ended",
            Self::Removed {} => "removed",
        }
    }
}
