//! `POST /v2/previews`: asks for a preview.

pub(crate) mod id;
mod reads;
mod request;

use std::sync::Arc;

use domain::{
    filepreviews::Opened,
    id::JobId,
    job::{self, Job, Jobs, Kind, Refusal, Requested, State},
    scope::Scope,
};
use eventlog::{Committed, Loaded, Moment, TransactError};
use http::{HeaderValue, StatusCode, header};
use warp::reply::Response;

use self::request::Request;
use crate::{
    app::App,
    auth::{Access, Caller},
    call::{self, Call},
    document::{Doc, Parameter, Place},
    problem::Problem,
    routes::{Endpoint, Verb},
};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The longest `Idempotency-Key`.
const MAX_KEY_CHARS: usize = 255;

pub(crate) const POST: Endpoint = Endpoint {
    verb: Verb::Post,
    path: "/v2/previews",
    access: Access::CallerOrOrigin(Scope::JobsWrite),
    handler: |app, call| Box::pin(post(app, call)),
    doc: Doc {
        summary: "Asks for a preview of a file.",
        parameters: &[Parameter {
            place: Place::Header,
            name: "Idempotency-Key",
            description: "1 to 255 visible ASCII characters. The same key with the same request is the same preview, for ever.",
        }],
        request: Some("PreviewRequest"),
        status: 201,
        answer: "Preview",
        streams: false,
    },
};

async fn post(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let key = idempotency_key(&call)?;
    let request = Request::read(&call.body)?;
    let fingerprint = app.custody.fingerprint(&request.canonical());
    let moment = Moment { now: app.clock.now(), traceparent: call.traceparent() };
    let id = job::Id { account: caller.account, job: job_id(&app, caller, key)? };
    let known = match key {
        Some(_) => app.log.load::<Jobs>(&id).await?,
        // A fresh id has no history.
        None => Loaded::default(),
    };
    let (job, opened) = match &known.state {
        State::Present(job) if job.requested.fingerprint == fingerprint => {
            (job.clone(), app.open_view(&id, job).await?)
        }
        State::Present(_) => return Err(Problem::OtherRequest),
        State::Absent => submit(&app, &id, caller, request, fingerprint, known, moment).await?,
    };
    let style = id::style(&app, caller);
    let body = domain::filepreviews::body(id.job, &job, &opened, &style);
    let mut response = call::json(StatusCode::CREATED, &body)?;
    id::say_until(&mut response, app.custody.expires_at(&job));
    if let Ok(location) = HeaderValue::from_str(&body.url) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

async fn submit(
    app: &App,
    id: &job::Id,
    caller: &Caller,
    request: Request,
    fingerprint: String,
    known: Loaded<Jobs>,
    moment: Moment,
) -> Result<(Box<Job>, Opened), Problem> {
    app.may_store(id.account)?;
    let place = app.admit_job(id.account)?;
    let upload = reads::settle(app, caller, id, &request.source, &moment).await?;
    let sealed = app.custody.seal_request(id, &request.fields).await?;
    let requested = Requested {
        application: caller.application()?.application,
        kind: Kind::Preview { wish: request.wish },
        source_url: sealed.source_url,
        upload,
        callback_url: sealed.callback_url,
        user_data: sealed.user_data,
        uploader: sealed.uploader,
        rerun_of: None,
        fingerprint,
    };
    let Committed { loaded, recorded } = app
        .log
        .transact_from::<Jobs, Refusal>(id, known, moment, |state| {
            job::request(state, requested.clone())
        })
        .await
        .map_err(refused)?;
    let State::Present(job) = loaded.state else { return Err(Problem::Internal) };
    if let Some(accepted) = recorded.last() {
        place.stored(accepted.seq);
    }
    let opened = if recorded.is_empty() {
        // Another request under the same key came first.
        app.open_view(id, &job).await?
    } else {
        Opened { user_data: request.fields.user_data, ..Opened::default() }
    };
    Ok((job, opened))
}

/// What a client is told when nothing could be recorded.
pub(crate) fn refused(error: TransactError<Refusal>) -> Problem {
    match error {
        TransactError::Refused(Refusal::OtherRequest) => Problem::OtherRequest,
        TransactError::Refused(Refusal::Ended) => Problem::JobEnded,
        TransactError::Refused(refusal) => {
            tracing::error!(%refusal, "a refusal that a request cannot lead to");
            Problem::Internal
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

fn idempotency_key(call: &Call) -> Result<Option<&str>, Problem> {
    let mut values = call.headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match value.to_str() {
        Ok(key)
            if values.next().is_none()
                && (1..=MAX_KEY_CHARS).contains(&key.len())
                && key.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            Ok(Some(key))
        }
        _ => Err(Problem::FieldInvalid {
            field: "Idempotency-Key",
            message: format!(
                "An Idempotency-Key is one header of 1 to {MAX_KEY_CHARS} visible ASCII characters."
            ),
        }),
    }
}

fn job_id(app: &Arc<App>, caller: &Caller, key: Option<&str>) -> Result<JobId, Problem> {
    let application = caller.application()?.application;
    Ok(match key {
        Some(key) => {
            let name = format!("idempotency:{application}:{key}");
            JobId::derived(caller.account.as_uuid(), name.as_bytes())
        }
        None => app.fresh_job(caller.account),
    })
}
