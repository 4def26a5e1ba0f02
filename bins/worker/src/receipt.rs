//! The receipt of a job: what was made, of what, by what; signed, and stored beside it.

use domain::{
    Timestamp,
    job::{Artifact, Completed, Job, Kind, Receipt},
};
use evidence::receipt::{Made, Processing, Source, Statement, Subject, Worker};
use sha2::{Digest as _, Sha256};
use storage::layout::METADATA_NAME;

use crate::{desk::Desk, lease::Lease, shelf::Shelf, stop::Stop};

/// Signs and stores the receipt of a job that is all but done, `metadata` being its last object.
pub(crate) async fn store(
    desk: &Desk,
    lease: &Lease,
    shelf: &Shelf,
    completed: &Completed,
    (metadata, now): (&[u8], Timestamp),
) -> Result<Receipt, Stop> {
    let job = lease.job()?;
    let (parameters, kind) = match &job.requested.kind {
        Kind::Preview { wish } => (serde_json::to_value(wish), "preview"),
    };
    let predicate = Processing {
        job: lease.id.job.to_string(),
        account: lease.id.account.to_string(),
        rerun_of: job.requested.rerun_of.map(|job| job.to_string()),
        kind: kind.to_owned(),
        attempt: lease.attempt.number,
        requested_at: job.requested_at.to_string(),
        finished_at: now.to_string(),
        source: source(job),
        parameters: parameters.map_err(|error| Stop::internal(&error))?,
        engines: completed.engines.clone(),
        durations: serde_json::to_value(completed.durations)
            .map_err(|error| Stop::internal(&error))?,
        artifacts: job.artifacts.iter().map(made).collect(),
        worker: Worker {
            id: lease.attempt.worker.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
    };
    let statement = Statement::new(subjects(job, metadata), predicate);
    let receipt = statement.sign(&desk.receipt_key).map_err(|error| Stop::internal(&error))?;
    shelf.put_receipt(&desk.custody, receipt, desk.receipt_key.public().id()).await
}

/// Every object of the job but the receipt itself.
fn subjects(job: &Job, metadata: &[u8]) -> Vec<Subject> {
    let artifacts = job.artifacts.iter();
    let artifacts =
        artifacts.map(|artifact| Subject::new(artifact.name.clone(), artifact.sha256.clone()));
    let metadata = Subject::new(METADATA_NAME.to_owned(), hex::encode(Sha256::digest(metadata)));
    artifacts.chain([metadata]).collect()
}

fn source(job: &Job) -> Source {
    match &job.fetched {
        Some(fetched) => {
            Source::new(fetched.media_type.clone(), fetched.size_bytes, fetched.sha256.clone())
        }
        // Nothing completes that was not fetched.
        None => Source::new(String::new(), 0, String::new()),
    }
}

fn made(artifact: &Artifact) -> Made {
    Made {
        name: artifact.name.clone(),
        role: artifact.role.name().to_owned(),
        page: artifact.page,
        media_type: artifact.media_type.clone(),
        size_bytes: artifact.size_bytes,
        width: artifact.width,
        height: artifact.height,
    }
}
