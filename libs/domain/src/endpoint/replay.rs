//! Past events to be told to an endpoint again: which, and where in the log they are found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Id;
use crate::{Aggregate as _, account::Accounts, delivery::Deliveries, job::Jobs, upload::Uploads};

/// Past events to be told again, by where they lie in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Replay {
    /// From this sequence on.
    pub from_seq: u64,
    /// Up to this one.
    pub to_seq: u64,
    /// Which of them.
    #[serde(default)]
    pub only: ReplayOnly,
    /// The stream whose sequences these are; absent in events of before it was said.
    #[serde(default)]
    pub stream: ReplayStream,
}

/// Which events a replay tells again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplayOnly {
    /// All.
    #[default]
    All,
    /// Those whose delivery was given up.
    Exhausted,
}

/// Where a replay looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReplayStream {
    /// What happened to the account's jobs.
    #[default]
    Jobs,
    /// What happened to the account.
    Accounts,
    /// What happened to its uploads.
    Uploads,
    /// That deliveries to the endpoint were given up, whatever they told.
    Deliveries,
}

impl ReplayStream {
    /// Its name in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jobs => Jobs::STREAM,
            Self::Accounts => Accounts::STREAM,
            Self::Uploads => Uploads::STREAM,
            Self::Deliveries => Deliveries::STREAM,
        }
    }

    /// The subjects of what a replay to that endpoint looks at.
    #[must_use]
    pub fn subjects(self, id: Id) -> String {
        let Id { account, endpoint } = id;
        let all_of = |noun| format!("darkroom.{noun}.{account}.>");
        match self {
            Self::Jobs => all_of(Jobs::NOUN),
            Self::Accounts => all_of(Accounts::NOUN),
            Self::Uploads => all_of(Uploads::NOUN),
            Self::Deliveries => {
                format!("darkroom.{}.{account}.{endpoint}.*.exhausted", Deliveries::NOUN)
            }
        }
    }
}
