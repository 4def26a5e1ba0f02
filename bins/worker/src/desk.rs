//! What every attempt of a worker shares.

use std::sync::Arc;

use custody::Custody;
use domain::{
    account::Accounts,
    filepreviews::Style,
    id::{AccountId, WorkerId},
    job,
    limits::Limits,
    retry::Backoff,
};
use eventlog::Log;
use serde::Serialize;
use service::Clock;

use crate::{network::Networks, spool::Spool, stop::Stop};

/// Tools and rules of one worker process.
pub(crate) struct Desk {
    pub(crate) worker: WorkerId,
    pub(crate) log: Log,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) custody: Custody,
    pub(crate) egress: egress::Client,
    pub(crate) networks: Networks,
    pub(crate) renderers: enclave::Pool,
    pub(crate) spool: Spool,
    pub(crate) limits: Limits,
    pub(crate) backoff: Backoff,
    pub(crate) uploads: usize,
    pub(crate) public_url: String,
}

/// How far a job has come, for whoever watches. Not stored.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub(crate) enum Progress {
    /// The source is being read.
    Fetching {
        /// Bytes so far.
        bytes: u64,
        /// Bytes in all, where the source says so.
        total_bytes: Option<u64>,
    },
    /// Renditions are being made.
    Rendering,
    /// Renditions lie in the bucket.
    Storing {
        /// How many so far.
        artifacts: u32,
    },
}

impl Desk {
    /// Tells whoever watches. Nobody may be listening, and nothing depends on it.
    pub(crate) async fn report(&self, id: &job::Id, progress: Progress) {
        if let Err(error) = self.log.report_progress(id.account, id.job, &progress).await {
            tracing::debug!(error = %service::Chain(&error), job.id = %id.job, "progress not told");
        }
    }

    /// The bucket that results of the account go to.
    pub(crate) async fn destination(
        &self,
        account: AccountId,
    ) -> Result<custody::OpenedDestination, Stop> {
        let known = self.log.load::<Accounts>(&account).await;
        let state = known.map_err(|error| Stop::internal(&error))?.state;
        match &state.destination {
            None => Ok(self.custody.development_destination()),
            Some(own) => {
                Ok(self.custody.open_destination(account, own, &self.networks.to(own)).await?)
            }
        }
    }

    /// How bodies are written here.
    pub(crate) fn style(&self) -> Style {
        Style {
            public_url: self.public_url.trim_end_matches('/').to_owned(),
            failure_word: domain::account::FailureWord::default(),
        }
    }
}
