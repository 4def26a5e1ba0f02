//! What a job is to read, where that is the account's own: an upload is kept for it, an input must
//! be there.

use domain::{
    account,
    id::UploadId,
    job,
    source::Source,
    upload::{self, Refusal, Uploads},
};
use eventlog::{Moment, TransactError};
use readmodel::Stream;

use crate::{
    app::App,
    auth::Caller,
    problem::Problem,
    routes::v1::uploads::{failed, may_see},
};

/// Sees that the source can be read by this job when its turn comes. Claims an upload: it stays
/// until the job has ended. A claim whose job is then not accepted is let go of after a while.
pub(super) async fn settle(
    app: &App,
    caller: &Caller,
    job: &job::Id,
    source: &Source,
    moment: &Moment,
) -> Result<Option<UploadId>, Problem> {
    match source {
        Source::Web(_) => Ok(None),
        Source::Upload(upload) => {
            claim(app, caller, job, *upload, moment).await?;
            Ok(Some(*upload))
        }
        Source::Object { bucket, .. } => {
            let row = app.store.account(job.account)?;
            let known = |state: &account::State| source.input(state).is_some();
            if row.is_some_and(|row| known(&row.state)) {
                return Ok(None);
            }
            // It may have been set a moment ago.
            app.catch_up(Stream::Accounts).await;
            if app.store.account(job.account)?.is_some_and(|row| known(&row.state)) {
                return Ok(None);
            }
            let message = format!(
                "No input of the account has the bucket \"{bucket}\" and a prefix of this key: set one with PUT /v1/inputs."
            );
            Err(Problem::FieldInvalid { field: "url", message })
        }
    }
}

async fn claim(
    app: &App,
    caller: &Caller,
    job: &job::Id,
    upload: UploadId,
    moment: &Moment,
) -> Result<(), Problem> {
    let id = upload::Id { account: job.account, upload };
    let claimed = app
        .log
        .transact::<Uploads, Refusal>(&id, moment.clone(), |state| match state.upload() {
            Some(upload) if !may_see(caller, upload) => Err(Refusal::Unknown),
            _ => upload::claim(state, job.job),
        })
        .await;
    let message = match claimed {
        Ok(_) => return Ok(()),
        Err(TransactError::Refused(Refusal::Unknown)) => format!("There is no upload {upload}."),
        Err(TransactError::Refused(Refusal::Open)) => {
            format!("Upload {upload} is not there yet: wait until its state is \"uploaded\".")
        }
        Err(TransactError::Refused(Refusal::Gone)) => format!(
            "Upload {upload} has expired, was rejected, or has been removed: upload the file anew."
        ),
        Err(TransactError::Refused(refusal)) => format!("Upload {upload}: {refusal}."),
        Err(error) => return Err(failed(error, &upload.to_string())),
    };
    Err(Problem::FieldInvalid { field: "url", message })
}
