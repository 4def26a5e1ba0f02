//! Jobs whose results in the platform bucket go after a while, and jobs of which nothing shall be left.
//!
//! Each step can be done again: objects first, then the note of the erasure, then the key, and the
//! event last. Whoever dies in between is followed by somebody who begins again.

use std::sync::Arc;

use domain::{
    Timestamp,
    account::Accounts,
    job::{self, Ended, Id, Job, Jobs, Outcome, Phase, Refusal, State, StoredIn},
    upload::{self, RemovedBecause, Uploads},
};
use eventlog::{
    ReadError, TransactError,
    follow::{Delivered, Verdict},
};
use storage::ERASURES;

use super::{TROUBLE, uploads, wait};
use crate::desk::Desk;

/// After how long a job is looked at again that is to be erased and has not ended.
const ENDING: std::time::Duration = std::time::Duration::from_secs(1);

/// Why a chore could not be done. Trying again is safe.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// What the log says could not be read.
    #[error("read what is to go")]
    Read(#[from] ReadError),
    /// The log did not answer.
    #[error("list what is to go")]
    Log(#[from] eventlog::Unavailable),
    /// What was done could not be recorded.
    #[error("record what is gone")]
    Record(#[from] TransactError<Refusal>),
    /// What was done to something else could not be recorded.
    #[error("record what is gone")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The platform bucket.
    #[error("clear the platform bucket")]
    Bucket(#[from] storage::Error),
    /// The keys.
    #[error("shred keys")]
    Custody(#[from] custody::Error),
}

/// How far a chore has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// There is nothing more to do.
    Done,
    /// There is something to do at this time.
    At(Timestamp),
    /// The job has not ended.
    NotEnded,
}

/// An outcome was recorded: removes results once their time is over.
pub(super) async fn handle(desk: Arc<Desk>, delivered: Delivered) -> Verdict {
    let outcome = match delivered.raw.decode::<Jobs>() {
        Ok(outcome) => outcome,
        Err(error) => return Verdict::Park(service::Chain(&error).to_string()),
    };
    verdict(&desk, &outcome.id, tend(&desk, &outcome.id).await)
}

/// Somebody asked that nothing be left of a job.
pub(super) async fn erase(desk: Arc<Desk>, delivered: Delivered) -> Verdict {
    let asked = match delivered.raw.decode::<Jobs>() {
        Ok(asked) => asked,
        Err(error) => return Verdict::Park(service::Chain(&error).to_string()),
    };
    let step = match Note::of(&desk, &asked.id).await {
        Ok(note) => erase_job(&desk, &asked.id, note).await,
        Err(error) => Err(error),
    };
    verdict(&desk, &asked.id, step)
}

fn verdict(desk: &Desk, id: &Id, step: Result<Step, Error>) -> Verdict {
    match step {
        Ok(Step::Done) => Verdict::Done,
        Ok(Step::At(at)) => Verdict::Again(wait(at, desk.clock.now())),
        Ok(Step::NotEnded) => Verdict::Again(ENDING),
        Err(error) => put_off(&error, &id.job),
    }
}

/// What becomes of a message whose chore could not be done.
pub(super) fn put_off(error: &Error, what: &dyn std::fmt::Display) -> Verdict {
    let text = service::Chain(error).to_string();
    tracing::warn!(%what, error = text, "a chore is put off");
    match error {
        Error::Read(ReadError::Unavailable(_)) => Verdict::Again(TROUBLE),
        // Nobody here can read it.
        Error::Read(_) | Error::Record(TransactError::Read(ReadError::Malformed(_))) => {
            Verdict::Park(text)
        }
        _ => Verdict::Again(TROUBLE),
    }
}

/// Removes what a job left in the platform bucket, when it is time.
async fn tend(desk: &Desk, id: &Id) -> Result<Step, Error> {
    let State::Present(job) = desk.log.load::<Jobs>(id).await?.state else { return Ok(Step::Done) };
    let Phase::Ended(ended) = &job.phase else { return Ok(Step::Done) };
    if ended.expired_at.is_some() || ended.erased_at.is_some() {
        return Ok(Step::Done);
    }
    // Perhaps it was accepted by somebody who did not know yet that its account goes.
    let note = Note::of(desk, id).await?;
    if job.erasure_requested_at.is_some() || note == Note::OfAccount {
        return erase_job(desk, id, note).await;
    }
    if let Some(upload) = job.requested.upload {
        uploads::release(desk, id.account, upload).await.map_err(other)?;
    }
    if !may_have_left(&job, ended) {
        return Ok(Step::Done);
    }
    let due = ended.ended_at.saturating_add(desk.custody.expires()).unwrap_or(Timestamp::MAX);
    if desk.clock.now() < due {
        return Ok(Step::At(due));
    }
    let removed = clear(desk, id, &job).await?;
    if removed > 0 || recorded_objects(&job, ended) > 0 {
        record(desk, id, job::expire).await?;
        tracing::info!(job.id = %id.job, removed, "results removed after their time");
    }
    Ok(Step::Done)
}

/// Whether objects of the job may lie in the platform bucket, recorded or not.
fn may_have_left(job: &Job, ended: &Ended) -> bool {
    let recorded = recorded_objects(job, ended) > 0;
    let unrecorded = job.artifacts.is_empty() && !matches!(ended.outcome, Outcome::Completed(_));
    recorded || (unrecorded && job.attempts > 0)
}

/// How many objects of the job the log knows of: its artifacts, and beside them its receipt and
/// `metadata.json`.
fn recorded_objects(job: &Job, ended: &Ended) -> u64 {
    let artifacts = job.artifacts.iter().filter(|artifact| is_in_development(artifact)).count();
    let Outcome::Completed(completed) = &ended.outcome else { return artifacts as u64 };
    let receipt = completed.receipt.as_ref();
    let receipt = receipt.is_some_and(|receipt| receipt.stored_in == StoredIn::Development);
    artifacts as u64 + u64::from(receipt) + u64::from(receipt || artifacts > 0)
}

fn is_in_development(artifact: &job::Artifact) -> bool {
    artifact.stored_in == StoredIn::Development
}

/// Whether an erasure is noted by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    /// It is.
    Kept,
    /// The note of its account's erasure says it all.
    OfAccount,
}

impl Note {
    async fn of(desk: &Desk, id: &Id) -> Result<Self, Error> {
        let account = desk.log.load::<Accounts>(&id.account).await?.state;
        Ok(if account.erasure_requested_at.is_some() { Self::OfAccount } else { Self::Kept })
    }
}

/// Leaves nothing of a job that has ended; one that has not is told to, and looked at again.
pub(super) async fn erase_job(desk: &Desk, id: &Id, note: Note) -> Result<Step, Error> {
    let now = desk.clock.now();
    let asked = desk.log.transact::<Jobs, Refusal>(id, now, job::request_erasure).await;
    let job = match asked {
        Err(TransactError::Refused(Refusal::Unknown)) => return Ok(Step::Done),
        Err(error) => return Err(error.into()),
        Ok(committed) => match committed.loaded.state {
            State::Absent => return Ok(Step::Done),
            State::Present(job) => job,
        },
    };
    let Phase::Ended(ended) = &job.phase else {
        // The event is what counts; with this hint its worker hears of it at once.
        if let Err(error) = desk.log.send_cancel(id.account, id.job).await {
            tracing::debug!(error = %service::Chain(&error), "the worker could not be told");
        }
        return Ok(Step::NotEnded);
    };
    if ended.erased_at.is_some() {
        return Ok(Step::Done);
    }
    // Whoever died before, or does the same just now, may have removed some of them.
    let recorded = if ended.expired_at.is_none() { recorded_objects(&job, ended) } else { 0 };
    let objects =
        clear(desk, id, &job).await?.max(recorded) + remove_upload(desk, id, &job).await?;
    if note == Note::Kept {
        let key = format!("{ERASURES}jobs/{}/{}", id.account, id.job);
        desk.platform.note(&key, format!("{{\"noted_at\":\"{now}\"}}").into()).await?;
    }
    desk.custody.shred_job(id).await?;
    record(desk, id, |state| job::erase(state, objects)).await?;
    tracing::info!(job.id = %id.job, objects, "erased");
    Ok(Step::Done)
}

/// Removes every object of a job from the platform bucket.
async fn clear(desk: &Desk, id: &Id, job: &Job) -> Result<u64, Error> {
    let folder = match desk.custody.development_folder(id, job).await {
        Ok(folder) => folder,
        // Nobody knows any more where its caller wanted it; but it carries the job's name.
        Err(custody::Error::Erased) => {
            let part = format!("/{}/", id.job);
            let results = storage::results_of(id.account);
            let of_it = |key: &str| key.contains(&part);
            return Ok(desk.platform.clear_where(&results, of_it).await?);
        }
        Err(error) => return Err(error.into()),
    };
    let mut removed = desk.platform.clear(&folder).await?;
    let recorded = match desk.custody.development_keys(id, job).await {
        // Somebody else erases it, and was faster.
        Err(custody::Error::Erased) => Vec::new(),
        keys => keys?,
    };
    for key in recorded {
        if !key.starts_with(&folder) {
            desk.platform.remove(&key).await?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Removes the upload that the job alone read, kept media or not, and says how many those were.
async fn remove_upload(desk: &Desk, id: &Id, job: &Job) -> Result<u64, Error> {
    let Some(upload) = job.requested.upload else { return Ok(0) };
    uploads::release(desk, id.account, upload).await.map_err(other)?;
    let name = upload::Id { account: id.account, upload };
    let remove = |state: &upload::State| match state.upload() {
        Some(known) if known.claims.keys().all(|job| *job == id.job) => {
            upload::remove(state, RemovedBecause::Erased)
        }
        Some(_) | None => Ok(vec![]),
    };
    let now = desk.clock.now();
    let removed = desk.log.transact::<Uploads, upload::Refusal>(&name, now, remove).await;
    Ok(removed.map_err(other)?.recorded.len() as u64)
}

/// Why something beside the job could not be seen to.
fn other(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Other(Box::new(error))
}

async fn record(
    desk: &Desk,
    id: &Id,
    decide: impl FnMut(&State) -> Result<Vec<job::Event>, Refusal>,
) -> Result<(), Error> {
    desk.log.transact::<Jobs, Refusal>(id, desk.clock.now(), decide).await?;
    Ok(())
}
