//! What can happen to a delivery, as stored. Fields are only ever added, with a default.

use std::net::IpAddr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Sealed,
    id::{EventId, JobId},
};

/// A fact in a delivery's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The event must reach the endpoint.
    Due {
        /// What is told.
        #[serde(flatten)]
        told: Told,
    },
    /// An attempt failed, and another follows.
    AttemptFailed {
        /// Counts from 1.
        attempt: u32,
        /// Why.
        code: FailureCode,
        /// The HTTP status, where one came.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// How long it took, in milliseconds.
        latency_ms: u64,
        /// When the next attempt is due; where the delivery was over by then, when this one ended.
        retry_at: Timestamp,
        /// Who answered, and what.
        #[serde(flatten)]
        answer: Answer,
    },
    /// The endpoint took it.
    Delivered {
        /// Counts from 1.
        attempt: u32,
        /// The HTTP status, a 2xx.
        status: u16,
        /// How long it took, in milliseconds.
        latency_ms: u64,
        /// Who answered, and what.
        #[serde(flatten)]
        answer: Answer,
        /// What was told, where nothing before says it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        told: Option<Told>,
    },
    /// Given up.
    Exhausted {
        /// Attempts made.
        attempts: u32,
        /// Why the last failed.
        code: FailureCode,
        /// The HTTP status, where one came.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// How long the last took, in milliseconds.
        #[serde(default)]
        latency_ms: u64,
        /// Who answered last, and what.
        #[serde(flatten)]
        answer: Answer,
    },
    /// Somebody wants it told again.
    RedeliveryRequested {},
}

impl Event {
    /// Of an attempt, which it was, and how long it took, in milliseconds.
    #[must_use]
    pub const fn attempt(&self) -> Option<(u32, u64)> {
        match self {
            Self::AttemptFailed { attempt, latency_ms, .. }
            | Self::Delivered { attempt, latency_ms, .. }
            | Self::Exhausted { attempts: attempt, latency_ms, .. } => {
                Some((*attempt, *latency_ms))
            }
            Self::Due { .. } | Self::RedeliveryRequested {} => None,
        }
    }

    /// The last token of its subject.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Due { .. } => "due",
            Self::AttemptFailed { .. } => "attempt_failed",
            Self::Delivered { .. } => "delivered",
            Self::Exhausted { .. } => "exhausted",
            Self::RedeliveryRequested {} => "redelivery_requested",
        }
    }
}

/// What a delivery tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Told {
    /// The event.
    pub event_id: EventId,
    /// Its topic, as in `job.completed`.
    pub event_type: String,
    /// The job it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// When it happened; absent in events of before it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// The stream it lies in.
    #[serde(default = "jobs", skip_serializing_if = "is_jobs")]
    pub stream: String,
    /// Its sequence there; 0 in events of before it was said.
    #[serde(default)]
    pub seq: u64,
}

fn jobs() -> String {
    "JOBS".to_owned()
}

fn is_jobs(stream: &str) -> bool {
    stream == "JOBS"
}

/// Who answered an attempt, and what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// The address that was called, if it came to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The beginning of the answer, where the endpoint keeps answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<Sealed>,
}

/// Why an attempt to deliver failed. Append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "DeliveryFailureCode")]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// The URL is none that can be posted to.
    Invalid,
    /// The address, port or scheme is none that this service posts to.
    Forbidden,
    /// No connection, or it broke off.
    Unreachable,
    /// Too slow.
    Timeout,
    /// TLS could not be verified.
    Tls,
    /// An answer that is no 2xx.
    Status,
    /// 410: the endpoint is gone for good.
    Gone,
    /// What the event tells can no longer be read: its keys are shredded.
    Erased,
    /// Something inside this service failed.
    Internal,
    /// The endpoint was disabled or removed.
    Disabled,
    /// The dispatcher was killed before it could say how the attempt went, if it came to one.
    Interrupted,
}

impl FailureCode {
    /// Whether trying again cannot help.
    #[must_use]
    pub const fn is_lasting(self) -> bool {
        match self {
            Self::Invalid | Self::Gone | Self::Erased | Self::Disabled => true,
            Self::Forbidden
            | Self::Unreachable
            | Self::Timeout
            | Self::Tls
            | Self::Status
            | Self::Internal
            | Self::Interrupted => false,
        }
    }

    /// Whether the endpoint may have taken it all the same: nobody saw its answer.
    #[must_use]
    pub const fn may_have_arrived(self) -> bool {
        matches!(self, Self::Timeout | Self::Interrupted)
    }

    /// Whether it says something of the endpoint, rather than of the event or of this service.
    #[must_use]
    pub const fn is_the_endpoints(self) -> bool {
        !matches!(self, Self::Erased | Self::Internal | Self::Disabled | Self::Interrupted)
    }
}
