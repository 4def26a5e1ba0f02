//! Making a job again: a new job that reads the same source and points at the old one.

use custody::Custody;
use domain::{
    Timestamp,
    account::Accounts,
    id::{JobId, UploadId},
    job::{self, Job, Jobs, Refusal, Requested, State},
    source::Source,
    upload::{self, Uploads},
};
use eventlog::{Log, TransactError};
use service::Failure;

use super::{GONE, Sought, gone};

/// What making again needs.
pub(super) struct Again<'a> {
    pub(super) log: &'a Log,
    pub(super) custody: &'a Custody,
    pub(super) sought: Sought<'a>,
    /// Each job is made again once for each.
    pub(super) label: String,
    /// Whether new jobs have the callback URLs of the old.
    pub(super) callbacks: bool,
}

/// What became of a job that was to be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There is, or would be, a new job.
    Made(JobId),
    /// There has been one.
    Already(JobId),
    /// It is a rerun itself, and its original is made again.
    Result,
    /// There is nothing to make it of.
    Gone,
}

impl Again<'_> {
    /// The new job's id: whoever makes a job again under the same label finds the same.
    fn name(&self, old: JobId) -> JobId {
        JobId::derived(old.as_uuid(), format!("rerun:{}", self.label).as_bytes())
    }

    /// Makes a job again at `now`; without it only says what would become of it. Gives what its source
    /// is, too.
    pub(super) async fn make(
        &self,
        id: &job::Id,
        now: Option<Timestamp>,
    ) -> Result<(String, Outcome), Failure> {
        let vanished = |why: &str| Ok((format!("{GONE}{why}"), Outcome::Gone));
        let State::Present(old) = self.log.load::<Jobs>(id).await?.state else {
            return vanished("its history is gone");
        };
        if let Some(why) = gone(self.log, id, &old).await? {
            return vanished(why);
        }
        if self.stands_for_another(id, &old).await? {
            return Ok((kind(&old), Outcome::Result));
        }
        let new = job::Id { account: id.account, job: self.name(id.job) };
        if self.log.load::<Jobs>(&new).await?.state.job().is_some() {
            return Ok((kind(&old), Outcome::Already(new.job)));
        }
        let account = self.log.load::<Accounts>(&id.account).await?.state;
        if account.erasure_requested_at.is_some() {
            return vanished("the account was erased");
        }
        let mut fields = match self.custody.open_request(id, &old).await {
            Err(custody::Error::Erased) => return vanished("the job was erased"),
            fields => fields?,
        };
        let source = Source::parse(&fields.source_url);
        if let Ok(source @ Source::Object { .. }) = &source
            && source.input(&account).is_none()
        {
            return vanished("no input of the account has it");
        }
        let Some(now) = now else { return Ok((kind(&old), Outcome::Made(new.job))) };
        if let Some(upload) = old.requested.upload
            && !self.claim(&new, upload, now).await?
        {
            return vanished("the upload was removed");
        }
        if !self.callbacks {
            fields.callback_url = None;
        }
        let sealed = self.custody.seal_request(&new, &fields).await?;
        let requested = Requested {
            source_url: sealed.source_url,
            callback_url: sealed.callback_url,
            user_data: sealed.user_data,
            uploader: sealed.uploader,
            rerun_of: Some(id.job),
            ..old.requested.clone()
        };
        let ask = |state: &State| job::request(state, requested.clone());
        let asked = self.log.transact::<Jobs, Refusal>(&new, now, ask).await?;
        let outcome = if asked.recorded.is_empty() {
            // Somebody else did it meanwhile.
            Outcome::Already(new.job)
        } else {
            Outcome::Made(new.job)
        };
        Ok((kind(&old), outcome))
    }

    /// Whether a job is the rerun of one that is made again as well: both would be the same job twice.
    async fn stands_for_another(&self, id: &job::Id, job: &Job) -> Result<bool, Failure> {
        let Some(first) = job.requested.rerun_of else { return Ok(false) };
        let first = job::Id { account: id.account, job: first };
        let state = self.log.load::<Jobs>(&first).await?.state;
        match state.job() {
            Some(job) if self.sought.has(job) => Ok(gone(self.log, &first, job).await?.is_none()),
            _ => Ok(false),
        }
    }

    /// Has the upload stay until the new job has ended; false where it is gone.
    async fn claim(
        &self,
        new: &job::Id,
        upload: UploadId,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let id = upload::Id { account: new.account, upload };
        let claim = |state: &upload::State| upload::claim(state, new.job);
        match self.log.transact::<Uploads, upload::Refusal>(&id, now, claim).await {
            Ok(_) => Ok(true),
            Err(TransactError::Refused(
                upload::Refusal::Gone | upload::Refusal::Open | upload::Refusal::Unknown,
            )) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn kind(job: &Job) -> String {
    if job.requested.upload.is_some() { "upload" } else { "url" }.to_owned()
}
