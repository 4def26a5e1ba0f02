//! Accounts of which nothing shall be left.
//!
//! Its jobs go first, each as if it had been asked for by itself, so that every history tells of its
//! own end; then uploads, members, endpoints, whatever else lies under its name in the platform bucket, and
//! the keys. The event comes last. What has gone is found gone by whoever begins again.

use std::{collections::BTreeSet, future::ready, sync::Arc, time::Duration};

use domain::{
    Aggregate, Timestamp,
    account::{self, Accounts},
    endpoint::{self, Endpoints},
    id::AccountId,
    job::{self, Jobs},
    member::{self, Members},
    upload::{self, RemovedBecause, Uploads},
};
use eventlog::{
    Raw, Span, TransactError,
    follow::{Delivered, Verdict},
    topology,
};
use futures::{StreamExt as _, TryStreamExt as _};
use storage::ERASURES;

use super::{
    jobs::{self, Error, Note, Step},
    uploads,
};
use crate::desk::Desk;

/// Jobs erased at once.
const AT_ONCE: usize = 8;
/// After how long an account is looked at again whose jobs have not all ended.
const ENDING: Duration = Duration::from_secs(2);
/// For how long somebody who had not heard of it may still have accepted a job.
const SETTLED: jiff::SignedDuration = jiff::SignedDuration::from_secs(5);

/// What has gone so far.
#[derive(Debug, Clone, Copy, Default)]
struct Gone {
    jobs: u64,
    /// Jobs that have not ended.
    left: u64,
}

/// Somebody asked that nothing be left of an account.
pub(super) async fn handle(desk: Arc<Desk>, delivered: Delivered) -> Verdict {
    let asked = match delivered.raw.decode::<Accounts>() {
        Ok(asked) => asked,
        Err(error) => return Verdict::Park(service::Chain(&error).to_string()),
    };
    match erase(&desk, asked.id).await {
        Ok(true) => Verdict::Done,
        Ok(false) => Verdict::Again(ENDING),
        Err(error) => jobs::put_off(&error, &asked.id),
    }
}

/// Goes as far as it can, and says whether that was all the way.
async fn erase(desk: &Desk, id: AccountId) -> Result<bool, Error> {
    let state = desk.log.load::<Accounts>(&id).await?.state;
    let Some(since) = state.erasure_requested_at.filter(|_| state.erased_at.is_none()) else {
        return Ok(true);
    };
    note(desk, id).await?;
    let gone = erase_jobs(desk, id).await?;
    if gone.left > 0 || !is_settled(since, desk.clock.now()) {
        tracing::info!(account.id = %id, jobs = gone.jobs, left = gone.left, "erasing an account");
        return Ok(false);
    }
    remove_uploads(desk, id).await?;
    remove_members(desk, id).await?;
    remove_endpoints(desk, id).await?;
    let mut objects = objects_of_jobs(desk, id).await?;
    for prefix in [storage::results_of(id), storage::uploads_of(id)] {
        objects += desk.platform.clear(&prefix).await?;
    }
    desk.custody.shred_account(id).await?;
    let moment = desk.clock.now();
    let erased = |state: &account::State| account::erase(state, gone.jobs, objects);
    match desk.log.transact::<Accounts, _>(&id, moment, erased).await {
        Ok(_) => tracing::info!(account.id = %id, jobs = gone.jobs, objects, "erased an account"),
        Err(error) => return Err(other(error)),
    }
    Ok(true)
}

fn is_settled(since: Timestamp, now: Timestamp) -> bool {
    now.duration_since(since) >= SETTLED
}

/// Leaves a note outside the log, for whoever restores an old one.
async fn note(desk: &Desk, id: AccountId) -> Result<(), Error> {
    let key = format!("{ERASURES}accounts/{id}");
    let json = format!("{{\"noted_at\":\"{}\"}}", desk.clock.now());
    desk.platform.note(&key, json.into()).await?;
    // It says what those of its jobs said.
    desk.platform.clear(&format!("{ERASURES}jobs/{id}/")).await?;
    Ok(())
}

async fn erase_jobs(desk: &Desk, account: AccountId) -> Result<Gone, Error> {
    let filter = format!("darkroom.job.{account}.*.requested");
    let span = Span { filter: Some(filter), ..Span::default() };
    let each = desk.log.replay(topology::JOBS, span).map(|raw| async {
        let Some((prefix, _)) = raw.as_ref().ok().and_then(|raw| raw.subject.rsplit_once('.'))
        else {
            return raw.map(|_| Gone::default()).map_err(Error::from);
        };
        let Some(id) = Jobs::parse_prefix(prefix) else { return Ok(Gone::default()) };
        let erased = jobs::erase_job(desk, &id, Note::OfAccount).await?;
        let left = u64::from(erased != Step::Done);
        Ok(Gone { jobs: 1 - left, left })
    });
    let sum = |all: Gone, one: Gone| async move {
        Ok(Gone { jobs: all.jobs + one.jobs, left: all.left + one.left })
    };
    each.buffer_unordered(AT_ONCE).try_fold(Gone::default(), sum).await
}

/// Objects that went with jobs, whoever erased them.
async fn objects_of_jobs(desk: &Desk, account: AccountId) -> Result<u64, Error> {
    let filter = format!("darkroom.job.{account}.*.erased");
    let span = Span { filter: Some(filter), ..Span::default() };
    let sum = |all: u64, raw: Raw| {
        let erased = raw.decode::<Jobs>().map(|recorded| recorded.event);
        let Ok(job::Event::Erased { objects }) = erased else { return ready(Ok(all)) };
        ready(Ok(all + objects))
    };
    Ok(desk.log.replay(topology::JOBS, span).try_fold(0, sum).await?)
}

async fn remove_uploads(desk: &Desk, account: AccountId) -> Result<(), Error> {
    let prefix = format!("darkroom.upload.{account}");
    for id in each::<Uploads>(desk, topology::UPLOADS, prefix).await? {
        let now = desk.clock.now();
        let remove = |state: &upload::State| match state.upload().map(|upload| &upload.phase) {
            Some(upload::Phase::Open) => upload::expire(state),
            Some(_) => upload::remove(state, RemovedBecause::Erased),
            None => Ok(vec![]),
        };
        desk.log.transact::<Uploads, _>(&id, now, remove).await.map(drop).map_err(other)?;
        // At once: what names its parts opens under the account's key.
        let cleared = uploads::clear(desk, &id).await;
        cleared.map_err(|error| Error::Other(Box::new(error)))?;
    }
    Ok(())
}

async fn remove_members(desk: &Desk, account: AccountId) -> Result<(), Error> {
    let prefix = format!("darkroom.member.{account}");
    for id in each::<Members>(desk, topology::MEMBERS, prefix).await? {
        let now = desk.clock.now();
        // Owners too: nobody is left for whom one of them would have to stay.
        let remove = |state: &member::State| {
            let there = state.role.is_some();
            let events = if there { vec![member::Event::Removed { by: None }] } else { vec![] };
            Ok::<_, member::Refusal>(events)
        };
        desk.log.transact::<Members, _>(&id, now, remove).await.map(drop).map_err(other)?;
    }
    Ok(())
}

async fn remove_endpoints(desk: &Desk, account: AccountId) -> Result<(), Error> {
    let prefix = format!("darkroom.endpoint.{account}");
    for id in each::<Endpoints>(desk, topology::ENDPOINTS, prefix).await? {
        let now = desk.clock.now();
        let remove = |state: &endpoint::State| match endpoint::remove(state) {
            Err(endpoint::Refusal::Unknown) => Ok(vec![]),
            decided => decided,
        };
        desk.log.transact::<Endpoints, _>(&id, now, remove).await.map(drop).map_err(other)?;
    }
    Ok(())
}

/// Every history below a prefix.
async fn each<A: Aggregate>(
    desk: &Desk,
    stream: &str,
    prefix: String,
) -> Result<Vec<A::Id>, Error> {
    let span = Span { filter: Some(format!("{prefix}.>")), ..Span::default() };
    let name = |mut names: BTreeSet<String>, raw: Raw| {
        names.extend(raw.subject.rsplit_once('.').map(|(name, _)| name.to_owned()));
        ready(Ok(names))
    };
    let names = desk.log.replay(stream, span).try_fold(BTreeSet::new(), name);
    Ok(names.await?.iter().filter_map(|name| A::parse_prefix(name)).collect())
}

fn other<R: std::error::Error + Send + Sync + 'static>(error: TransactError<R>) -> Error {
    match error {
        TransactError::Read(error) => Error::Read(error),
        TransactError::Unavailable(error) => Error::Log(error),
        error => Error::Other(Box::new(error)),
    }
}
