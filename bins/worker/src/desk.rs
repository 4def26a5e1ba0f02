//! What every attempt of a worker shares.

use std::sync::Arc;

use custody::Custody;
use domain::{
    FailureCode,
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
    /// Signs receipts.
    pub(crate) receipt_key: evidence::receipt_key::SecretKey,
    /// The platform bucket, to clear it.
    pub(crate) platform: storage::Platform,
    /// Uploads in the platform bucket, to read them.
    pub(crate) sources: storage::Ranges,
    /// How long an upload stays that no job reads.
    pub(crate) upload_unused: std::time::Duration,
    pub(crate) egress: egress::Client,
    pub(crate) networks: Networks,
    pub(crate) renderers: enclave::Pool,
    /// LibreOffice, Tesseract and Chromium, where there is a host for them.
    pub(crate) workshop: Option<enclave::hosted::Workshop>,
    pub(crate) spool: Spool,
    /// Sources from this size on are read by ranges, where they can be.
    pub(crate) ranges_from_bytes: u64,
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

    /// The bucket that results of the account go to, and what its jobs may use.
    pub(crate) async fn account(
        &self,
        account: AccountId,
    ) -> Result<(custody::OpenedDestination, Limits), Stop> {
        let known = self.log.load::<Accounts>(&account).await;
        let state = known.map_err(|error| Stop::internal(&error))?.state;
        // The API refused what it could; a job may have waited, or the proof have grown old.
        state.may_store(self.clock.now()).map_err(|reason| {
            Stop::failed(FailureCode::DestinationNotWriteOnly, reason.to_string())
        })?;
        let destination = match &state.destination {
            None => self.custody.development_destination(),
            Some(own) => {
                self.custody.open_destination(account, own, &self.networks.to(&own.place)).await?
            }
        };
        Ok((destination, self.limits.with(&state.limits)))
    }

    /// How bodies are written here.
    pub(crate) fn style(&self) -> Style {
        Style {
            public_url: self.public_url.trim_end_matches('/').to_owned(),
            failure_word: domain::account::FailureWord::default(),
        }
    }
}
