//! `POST /v1/uploads`: begins an upload. `GET /v1/uploads`: the account's uploads.
//!
//! Files go from the customer straight to the platform bucket, through links that are signed here.

pub(crate) mod id;
pub(crate) mod view;

use std::{sync::Arc, time::Duration};

use domain::{
    id::UploadId,
    scope::Scope,
    upload::{self, Checksum, Plan, Refusal, Started, State, Upload, Uploads},
};
use eventlog::{Moment, TransactError};
use http::StatusCode;
use readmodel::Stream;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;
use warp::reply::Response;

use self::view::UploadView;
use crate::{
    app::App,
    auth::{Access, By, Caller},
    call::{self, Call, quote},
    document::Doc,
    problem::Problem,
    routes::{Endpoint, Verb},
};

/// How many links the first answer has.
const FIRST_LINKS: u64 = 20;
/// The longest name of a file, in bytes.
const MAX_NAME_BYTES: usize = 255;
/// The most characters that are told of what is wrong with a body.
const MAX_WRONG_CHARS: usize = 300;

pub(crate) const POST: Endpoint = Endpoint {
    verb: Verb::Post,
    path: "/v1/uploads",
    access: Access::CallerOrOrigin(Scope::UploadsWrite),
    handler: |app, call| Box::pin(post(app, call)),
    doc: Doc {
        summary: "Begins an upload of a file, in parts, straight to the platform bucket: PUT each part to its link, with the headers given, then complete the upload.",
        parameters: &[],
        request: Some("UploadRequest"),
        status: 201,
        answer: "Upload",
        streams: false,
    },
};

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/v1/uploads",
    access: Access::Caller(Scope::UploadsWrite),
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "The account's uploads, at most 200, without their files' names.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "UploadList",
        streams: false,
    },
};

#[derive(Serialize)]
struct List {
    uploads: Vec<UploadView>,
}

/// What is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    #[serde(default)]
    file_name: Option<String>,
    size_bytes: u64,
    #[serde(default)]
    checksum: Option<AskedChecksum>,
    #[serde(default)]
    part_bytes: Option<u64>,
}

impl Asked {
    /// How it comes, what it must be, and what it is called.
    pub(crate) fn check(&self) -> Result<(Plan, Option<Checksum>, Option<&str>), Problem> {
        let plan = plan(self)?;
        let checksum = self.checksum.as_ref().map(AskedChecksum::read).transpose()?;
        Ok((plan, checksum, self.file_name.as_deref().map(file_name).transpose()?))
    }
}

/// A checksum as callers spell it: one of the two.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedChecksum {
    #[serde(default)]
    crc32c: Option<String>,
    #[serde(default)]
    sha256: Option<String>,
}

impl AskedChecksum {
    pub(crate) fn read(&self) -> Result<Checksum, Problem> {
        let read = match (&self.crc32c, &self.sha256) {
            (Some(crc32c), None) => Checksum::crc32c(crc32c),
            (None, Some(sha256)) => Checksum::sha256(sha256),
            (None, None) | (Some(_), Some(_)) => None,
        };
        read.ok_or_else(|| Problem::FieldInvalid {
            field: "checksum",
            message: "A checksum is {\"crc32c\": 8 hex digits} or {\"sha256\": 64 hex digits}, of the whole file.".to_owned(),
        })
    }
}

async fn post(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let asked: Asked = body(&call)?;
    let (plan, checksum, file_name) = asked.check()?;
    let _place = app.admit_upload(caller.account, plan.size_bytes).await?;
    let upload = UploadId::from_uuid(Uuid::new_v4());
    let id = upload::Id { account: caller.account, upload };
    let (now, key) = (app.clock.now(), id.object_key());
    let name = app.custody.uploads().begin(&key).await.map_err(|error| unreachable(&error))?;
    let sealed_name = match file_name {
        Some(name) => Some(app.custody.seal_upload_name(&id, name).await?),
        None => None,
    };
    let lives = Duration::from_secs(app.api.upload_expires_s);
    let started = Started {
        application: caller.application().map(|application| application.application),
        file_name: sealed_name,
        size_bytes: plan.size_bytes,
        part_bytes: plan.part_bytes,
        multipart: app.custody.seal_multipart(&id, &name).await?,
        key: key.clone(),
        checksum,
        expires_at: now.saturating_add(lives).map_err(|_beyond_all_time| Problem::Internal)?,
    };
    let moment = Moment { now, traceparent: call.traceparent() };
    let begun = app
        .log
        .transact::<Uploads, Refusal>(&id, moment, |state| upload::start(state, started.clone()))
        .await;
    let begun = match begun {
        Ok(begun) => begun,
        Err(error) => {
            // Nobody will ever ask for it.
            if let Err(error) = app.custody.uploads().abort(&key, &name).await {
                tracing::warn!(%error, "what was begun stays in the bucket until its lifecycle ends it");
            }
            return Err(failed(error, &call.quoted_id()));
        }
    };
    let State::Present(upload) = begun.loaded.state else { return Err(Problem::Internal) };
    let mut view = UploadView::open(&app, &id, &upload).await?;
    let first: Vec<u64> = (1..=plan.count().min(FIRST_LINKS)).collect();
    view.sign(&app, &id, &upload, &first).await?;
    call::json(StatusCode::CREATED, &view)
}

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let account = call.caller()?.account;
    let age = app.catch_up(Stream::Uploads).await;
    let rows = app.store.uploads(account)?;
    let uploads = rows.iter().map(|row| UploadView::of(row.id, &row.upload)).collect();
    let mut response = call::json(StatusCode::OK, &List { uploads })?;
    app.date(&mut response, age);
    Ok(response)
}

fn plan(asked: &Asked) -> Result<Plan, Problem> {
    Plan::new(asked.size_bytes, asked.part_bytes).map_err(|error| {
        let field = match error {
            upload::InvalidPlan::Size => "size_bytes",
            upload::InvalidPlan::Part | upload::InvalidPlan::TooMany(_) => "part_bytes",
        };
        Problem::FieldInvalid { field, message: format!("{error}.") }
    })
}

/// The name of a file, and nothing of where it lies.
fn file_name(name: &str) -> Result<&str, Problem> {
    let leads_elsewhere = |c: char| c == '/' || c == '\\' || c.is_control();
    let fits = (1..=MAX_NAME_BYTES).contains(&name.len())
        && !name.contains(leads_elsewhere)
        && !matches!(name, "." | "..");
    if fits {
        return Ok(name);
    }
    Err(Problem::FieldInvalid {
        field: "file_name",
        message: format!(
            "\"{}\" is not the name of a file: 1 to {MAX_NAME_BYTES} bytes, without slashes and control characters.",
            quote(name)
        ),
    })
}

/// A body, read strictly.
pub(crate) fn body<T: DeserializeOwned>(call: &Call) -> Result<T, Problem> {
    serde_json::from_slice(&call.body).map_err(|error| {
        let wrong: String = error.to_string().chars().take(MAX_WRONG_CHARS).collect();
        Problem::Malformed(format!("The request body cannot be read: {wrong}."))
    })
}

/// The upload that a call is about, in the caller's account and for their eyes.
pub(crate) async fn find(app: &App, call: &Call) -> Result<(upload::Id, Box<Upload>), Problem> {
    let caller = call.caller()?;
    let unknown = || Problem::NotFound { what: "upload", id: call.quoted_id() };
    let upload: UploadId = call.id.parse().or(Err(unknown()))?;
    let id = upload::Id { account: caller.account, upload };
    match app.log.load::<Uploads>(&id).await?.state {
        State::Present(upload) if may_see(caller, &upload) => Ok((id, upload)),
        State::Present(_) | State::Absent => Err(unknown()),
    }
}

/// A key without its secret shows what was begun with that key alone.
pub(crate) fn may_see(caller: &Caller, upload: &Upload) -> bool {
    match &caller.by {
        By::Secret(_) | By::Session(_) => true,
        By::Origin(own, _) => upload.started.application == Some(own.application),
    }
}

/// What a client is told when the platform bucket does not do as it is asked.
pub(crate) fn unreachable(error: &storage::Error) -> Problem {
    tracing::warn!(error = %service::Chain(error), "the platform bucket did not answer as it should");
    Problem::Unavailable
}

/// What a client is told when nothing could be recorded.
pub(crate) fn failed(error: TransactError<Refusal>, id: &str) -> Problem {
    let conflict = |code, message: &str| Problem::Conflict { code, message: message.to_owned() };
    match error {
        TransactError::Refused(Refusal::Unknown) => {
            Problem::NotFound { what: "upload", id: id.to_owned() }
        }
        TransactError::Refused(Refusal::Completed) => conflict(
            "upload_completed",
            "All parts have been sent, and what they make is there or being looked at.",
        ),
        TransactError::Refused(Refusal::Gone) => conflict(
            "upload_gone",
            "The upload has expired, was rejected, or the file has been removed: begin another one.",
        ),
        TransactError::Refused(Refusal::Open) => {
            conflict("upload_not_completed", "The upload has not been completed.")
        }
        TransactError::Refused(Refusal::OtherChecksum) => Problem::FieldInvalid {
            field: "checksum",
            message: "Another checksum was announced before.".to_owned(),
        },
        TransactError::Refused(refusal @ Refusal::TooManyJobs) => {
            conflict("upload_read_often", &format!("{refusal}: upload the file anew."))
        }
        TransactError::Read(error) => error.into(),
        TransactError::Unavailable(error) => error.into(),
        TransactError::Contended { .. } => Problem::Unavailable,
        error @ (TransactError::Rejected { .. } | TransactError::Encode(_)) => {
            tracing::error!(error = %service::Chain(&error), "the log does not take an event");
            Problem::Unavailable
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere() {
        for name in ["film.mp4", "ü b.mov", "..film", "a..b", ".hidden"] {
            assert_eq!(file_name(name), Ok(name));
        }
        let long = "n".repeat(256);
        for name in ["", ".", "..", "a/b", "../a", "a\\b", "a\nb", "a\0", long.as_str()] {
            assert!(matches!(file_name(name), Err(Problem::FieldInvalid { .. })), "{name:?}");
        }
    }

    #[test]
    fn a_checksum_is_one_of_two() {
        let read = |text: &str| serde_json::from_str::<AskedChecksum>(text).unwrap().read();
        assert_eq!(read(r#"{"crc32c": "E3069283"}"#), Ok(Checksum::Crc32c("e3069283".to_owned())));
        for wrong in [
            "{}",
            r#"{"crc32c": "4waSgw=="}"#,
            r#"{"sha256": "e3069283"}"#,
            r#"{"crc32c": "e3069283", "sha256": null, "sha256": "00"}"#,
        ] {
            let read = serde_json::from_str::<AskedChecksum>(wrong).map(|asked| asked.read());
            assert!(!matches!(read, Ok(Ok(_))), "{wrong}");
        }
    }
}
