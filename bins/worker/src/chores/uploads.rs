//! Uploads: whether a file is the one that was announced, and what goes from the platform bucket
//! because nobody completes it, no job reads it, or its jobs have ended.
//!
//! The log says what is to be had, and the bucket follows: an upload is over by an event first, and
//! its bytes go afterwards, as often as it takes.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use domain::{
    Timestamp,
    account::Accounts,
    id::{AccountId, JobId, UploadId},
    job::{self, Jobs},
    upload::{
        self, Checksum, Event, Id, Phase, Plan, Refusal, RejectedBecause, State, Upload, Uploads,
    },
};
use eventlog::{
    ReadError, TransactError,
    follow::{Delivered, Verdict},
};
use futures::StreamExt as _;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::{LONGEST_WAIT, TROUBLE, wait};
use crate::{bucket::Object, desk::Desk, origin};

/// How long a claim counts whose job is not there: it is recorded before the job.
const CLAIMED_AHEAD: Duration = Duration::from_secs(300);
/// How often a bucket may refuse to make a file of its parts until the upload is given up.
const MAX_REFUSALS: u64 = 10;
/// How many bytes are asked for to learn which version is there.
const START_BYTES: u64 = 1 << 20;
/// How long the first answer may take.
const START: Duration = Duration::from_secs(60);

/// Why a chore could not be done. Trying again is safe.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// What the log says could not be read.
    #[error("read what happened to the upload")]
    Read(#[from] ReadError),
    /// What was done could not be recorded.
    #[error("record what became of the upload")]
    Record(#[from] TransactError<Refusal>),
    /// The platform bucket.
    #[error("use the platform bucket")]
    Bucket(#[from] storage::Error),
    /// The file's bytes do not come.
    #[error("read the file")]
    Bytes(#[from] origin::ReadError),
    /// The keys.
    #[error("open what was sealed")]
    Custody(#[from] custody::Error),
}

/// Something happened to an upload: sees to what is due.
pub(super) async fn handle(desk: Arc<Desk>, delivered: Delivered) -> Verdict {
    let happened = match delivered.raw.decode::<Uploads>() {
        Ok(happened) => happened,
        Err(error) => return Verdict::Park(service::Chain(&error).to_string()),
    };
    let id = happened.id;
    let done = match happened.event {
        Event::Expired {} | Event::Rejected { .. } | Event::Removed { .. } => {
            clear(&desk, &id).await.map(|()| None)
        }
        Event::Started(_) => expire(&desk, &id).await,
        Event::SourceUploaded { .. } => remove_unused(&desk, &id).await,
        Event::CompletionRequested { .. } | Event::Claimed { .. } => Ok(None),
    };
    match done {
        Ok(None) => Verdict::Done,
        Ok(Some(at)) => Verdict::Again(wait(at, desk.clock.now()).max(Duration::from_millis(1))),
        Err(error) => put_off(&error, &id),
    }
}

/// All parts of an upload are there, its owner says: finds out what they make.
pub(super) async fn prove(desk: Arc<Desk>, delivered: Delivered) -> Verdict {
    let id = match delivered.raw.decode::<Uploads>() {
        Ok(asked) => asked.id,
        Err(error) => return Verdict::Park(service::Chain(&error).to_string()),
    };
    match settle(&desk, &id, delivered.deliveries).await {
        Ok(()) => Verdict::Done,
        Err(error) => put_off(&error, &id),
    }
}

/// A job that read an upload is over: removes the file if no other job needs it and the account
/// does not keep its media.
///
/// # Errors
/// When the log does not answer; doing it again is safe.
pub(crate) async fn release(
    desk: &Desk,
    account: AccountId,
    upload: UploadId,
) -> Result<(), Error> {
    let id = Id { account, upload };
    let loaded = desk.log.load::<Uploads>(&id).await?;
    let Some(upload) = there(&loaded.state).filter(|upload| !upload.claims.is_empty()) else {
        return Ok(());
    };
    let owner = desk.log.load::<Accounts>(&account).await?.state;
    if owner.keeps_media && owner.is_open() {
        return Ok(());
    }
    if let Some(over) = all_over(desk, &id, upload).await? {
        record(desk, &id, |state| upload::release(state, &over)).await?;
    }
    Ok(())
}

fn put_off(error: &Error, id: &Id) -> Verdict {
    let text = service::Chain(error).to_string();
    tracing::warn!(upload.id = %id.upload, error = text, "a chore is put off");
    match error {
        Error::Read(ReadError::Malformed(_) | ReadError::ChainBroken(_)) => Verdict::Park(text),
        _ => Verdict::Again(TROUBLE),
    }
}

fn there(state: &State) -> Option<&Upload> {
    state.upload().filter(|upload| matches!(upload.phase, Phase::Uploaded { .. }))
}

async fn record(
    desk: &Desk,
    id: &Id,
    decide: impl FnMut(&State) -> Result<Vec<Event>, Refusal>,
) -> Result<(), Error> {
    let committed = desk.log.transact::<Uploads, Refusal>(id, desk.clock.now(), decide).await?;
    for recorded in &committed.recorded {
        tracing::info!(upload.id = %id.upload, event = recorded.event.name(), "recorded");
    }
    Ok(())
}

/// Ends an upload that was not completed in time; says when that will be.
async fn expire(desk: &Desk, id: &Id) -> Result<Option<Timestamp>, Error> {
    let state = desk.log.load::<Uploads>(id).await?.state;
    let Some(Upload { phase: Phase::Open, started, .. }) = state.upload() else { return Ok(None) };
    if desk.clock.now() < started.expires_at {
        return Ok(Some(started.expires_at));
    }
    match record(desk, id, upload::expire).await {
        // Completed meanwhile.
        Err(Error::Record(TransactError::Refused(Refusal::Completed))) => Ok(None),
        recorded => recorded.map(|()| None),
    }
}

/// Removes a file that no job has read in its time; says when that will be.
async fn remove_unused(desk: &Desk, id: &Id) -> Result<Option<Timestamp>, Error> {
    let state = desk.log.load::<Uploads>(id).await?.state;
    let Some(upload) = there(&state) else { return Ok(None) };
    let Phase::Uploaded { at, .. } = upload.phase else { return Ok(None) };
    let due = at.saturating_add(desk.upload_unused).unwrap_or(Timestamp::MAX);
    let now = desk.clock.now();
    if now < due {
        return Ok(Some(due));
    }
    if upload.claims.is_empty() {
        record(desk, id, |state| upload::release(state, &BTreeSet::new())).await?;
        return Ok(None);
    }
    // Whoever ends the last of its jobs sees to it, unless that job never came to be.
    release(desk, id.account, id.upload).await?;
    let waits = all_over(desk, id, upload).await?.is_none();
    Ok(waits.then(|| now.saturating_add(LONGEST_WAIT).unwrap_or(Timestamp::MAX)))
}

/// The jobs that claimed the file, if every one of them is over.
async fn all_over(desk: &Desk, id: &Id, upload: &Upload) -> Result<Option<BTreeSet<JobId>>, Error> {
    let mut over = BTreeSet::new();
    for (job, since) in &upload.claims {
        let job = job::Id { account: id.account, job: *job };
        let ended = match desk.log.load::<Jobs>(&job).await?.state.job() {
            Some(job) => matches!(job.phase, job::Phase::Ended(_)),
            None => desk.clock.now() > since.saturating_add(CLAIMED_AHEAD).unwrap_or(*since),
        };
        if !ended {
            return Ok(None);
        }
        over.insert(job.job);
    }
    Ok(Some(over))
}

/// Leaves nothing of an upload that is over in the platform bucket.
pub(super) async fn clear(desk: &Desk, id: &Id) -> Result<(), Error> {
    let state = desk.log.load::<Uploads>(id).await?.state;
    let Some(upload) = state.upload().filter(|upload| upload.phase.is_over()) else {
        return Ok(());
    };
    let key = &upload.started.key;
    match desk.custody.open_multipart(id, &upload.started.multipart).await {
        Ok(name) => match desk.custody.uploads().abort(key, &name).await {
            Ok(()) => {}
            // Some servers say so of what they do not know; some policies forbid it.
            Err(storage::Error::Denied(answer)) => {
                tracing::debug!(upload.id = %id.upload, %answer, "no parts were removed");
            }
            Err(error) => return Err(error.into()),
        },
        // Its account is erased: the bucket's own rule ends what was begun.
        Err(custody::Error::Erased) => {}
        Err(error) => return Err(error.into()),
    }
    desk.platform.remove(key).await?;
    Ok(())
}

/// Makes a file of the parts, holds it against what was announced, and records what came of it.
async fn settle(desk: &Desk, id: &Id, tries: u64) -> Result<(), Error> {
    let state = desk.log.load::<Uploads>(id).await?.state;
    let Some(upload) = state.upload() else { return Ok(()) };
    let Phase::Verifying { checksum, .. } = &upload.phase else { return Ok(()) };
    match verify(desk, id, upload, checksum, tries).await? {
        None => record(desk, id, upload::confirm).await,
        Some(because) => record(desk, id, |state| upload::reject(state, because)).await,
    }
}

/// Why the file is not the one that was announced; nothing if it is.
async fn verify(
    desk: &Desk,
    id: &Id,
    upload: &Upload,
    checksum: &Checksum,
    tries: u64,
) -> Result<Option<RejectedBecause>, Error> {
    let (started, object) = (&upload.started, Object::upload(desk, upload.started.key.clone()));
    // Nothing but completing this very upload makes an object of this key.
    let described = match object.describe().await {
        Err(storage::Error::MissingObject(_)) => {
            if let Some(because) = assemble(desk, id, upload, &object, tries).await? {
                return Ok(Some(because));
            }
            object.describe().await?
        }
        described => described?,
    };
    if described.size_bytes != started.size_bytes {
        return Ok(Some(RejectedBecause::Size));
    }
    let begun = Instant::now();
    let same = is(&object, checksum).await?;
    let elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let size_bytes = started.size_bytes;
    tracing::info!(upload.id = %id.upload, size_bytes, elapsed_ms, same, "read and compared");
    Ok((!same).then_some(RejectedBecause::Checksum))
}

/// Has the bucket make one object of the parts.
async fn assemble(
    desk: &Desk,
    id: &Id,
    upload: &Upload,
    object: &Object,
    tries: u64,
) -> Result<Option<RejectedBecause>, Error> {
    let (started, uploads) = (&upload.started, desk.custody.uploads());
    let name = desk.custody.open_multipart(id, &started.multipart).await?;
    let Some(parts) = uploads.parts(&started.key, &name).await? else {
        return Ok(Some(RejectedBecause::Parts));
    };
    let plan = Plan { size_bytes: started.size_bytes, part_bytes: started.part_bytes };
    let fits = |number| {
        let wanted = plan.part(number).map(|(_, size_bytes)| size_bytes);
        parts.get(&number).map(|part| part.size_bytes) == wanted
    };
    if parts.len() as u64 != plan.count() || !(1..=plan.count()).all(fits) {
        return Ok(Some(RejectedBecause::Parts));
    }
    let Err(error) = uploads.complete(&started.key, &name, &parts).await else { return Ok(None) };
    // The answer may have been lost on its way, or been to a second asking.
    if object.describe().await.is_ok() {
        return Ok(None);
    }
    let lasting = matches!(error, storage::Error::Denied(_) | storage::Error::Invalid(_));
    if lasting && tries >= MAX_REFUSALS {
        tracing::warn!(upload.id = %id.upload, %error, "the bucket makes no file of the parts");
        return Ok(Some(RejectedBecause::Parts));
    }
    Err(error.into())
}

/// Whether the object has this checksum, from a reading of all of it.
async fn is(object: &Object, checksum: &Checksum) -> Result<bool, Error> {
    let starting = Box::pin(object.start(START_BYTES, Instant::now() + START));
    let (version, coming, _) = starting.await?;
    let mut bytes = version.whole(Some(coming), None);
    match checksum {
        Checksum::Crc32c(wanted) => {
            let mut crc = 0;
            while let Some(chunk) = bytes.next().await {
                crc = crc32c::crc32c_append(crc, &chunk?);
            }
            Ok(format!("{crc:08x}") == *wanted)
        }
        Checksum::Sha256(wanted) => {
            let mut sha256 = Sha256::new();
            while let Some(chunk) = bytes.next().await {
                sha256.update(&chunk?);
            }
            Ok(hex::encode(sha256.finalize()) == *wanted)
        }
    }
}
