//! `POST /v2/previews`: asks for a preview.

pub(crate) mod id;
mod reads;
pub(crate) mod request;

use std::sync::Arc;

use domain::{
    filepreviews::Opened,
    id::{AccountId, ApplicationId, JobId},
    job::{self, Job, Jobs, Kind, Refusal, Requested, State},
    scope::Scope,
};
use eventlog::{Committed, Loaded, Moment, TransactError};
use http::{HeaderValue, StatusCode, header};
use readmodel::Stream;
use warp::reply::Response;

use self::request::Request;
use crate::{
    app::App,
    auth::{Access, Caller},
    call::{self, Call, quote},
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
        parameters: &[
            Parameter {
                place: Place::Header,
                name: "Idempotency-Key",
                description: "1 to 255 visible ASCII characters. The same key with the same request is the same preview, for ever.",
            },
            Parameter {
                place: Place::Query,
                name: "application",
                description: "For a member who logged in: the key pair in whose name they ask, by its id; the account's oldest if absent. A key pair asks in its own name.",
            },
        ],
        request: Some("PreviewRequest"),
        status: 201,
        answer: "Preview",
        streams: false,
    },
};

async fn post(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let asking = Asking { caller: call.caller()?, application: in_name_of(&app, &call).await? };
    let Asking { caller, application } = asking;
    let key = idempotency_key(&call)?;
    let request = Request::read(&call.body)?;
    let fingerprint = app.custody.fingerprint(&request.canonical());
    let moment = Moment { now: app.clock.now(), traceparent: call.traceparent() };
    let id =
        job::Id { account: caller.account, job: job_id(&app, caller.account, application, key) };
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
        State::Absent => submit(&app, &id, asking, request, fingerprint, known, moment).await?,
    };
    let style = id::style(&app, caller);
    let body = domain::filepreviews::body(id.job, &job, &opened, &style);
    let mut response = call::json(StatusCode::CREATED, &body)?;
    let in_development = app.is_in_development(id.account, &job)?;
    id::say_where(&mut response, in_development, app.custody.expires_at(&job));
    if let Ok(location) = HeaderValue::from_str(&body.url) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Who asks, and in the name of which key pair.
#[derive(Clone, Copy)]
struct Asking<'a> {
    caller: &'a Caller,
    application: ApplicationId,
}

/// The key pair that asks; of a member, the one they name, or their account's oldest.
async fn in_name_of(app: &App, call: &Call) -> Result<ApplicationId, Problem> {
    let caller = call.caller()?;
    if let Some(own) = caller.application() {
        return Ok(own.application);
    }
    let named = call.query(&["application"])?.into_iter().next().map(|(_, id)| id);
    app.catch_up(Stream::Accounts).await;
    let account = app.store.account(caller.account)?.ok_or(Problem::SessionEnded)?;
    let now = app.clock.now();
    let pairs = account.state.applications.values().filter(|pair| !pair.digests(now).is_empty());
    let found = match &named {
        None => pairs.min_by_key(|pair| pair.added_at),
        Some(id) => {
            let id = id.parse::<ApplicationId>().ok();
            pairs.into_iter().find(|pair| Some(pair.application.application) == id)
        }
    };
    found.map(|pair| pair.application.application).ok_or_else(|| match named {
        Some(id) => Problem::NotFound { what: "application", id: quote(&id) },
        None => Problem::Conflict {
            code: "no_application",
            message: "A job is asked for in the name of a key pair, and the account has none that opens anything: make one with POST /v1/applications.".to_owned(),
        },
    })
}

async fn submit(
    app: &App,
    id: &job::Id,
    asking: Asking<'_>,
    request: Request,
    fingerprint: String,
    known: Loaded<Jobs>,
    moment: Moment,
) -> Result<(Box<Job>, Opened), Problem> {
    app.may_store(id.account)?;
    let place = app.admit_job(id.account)?;
    let upload = reads::settle(app, asking.caller, id, &request.source, &moment).await?;
    let sealed = app.custody.seal_request(id, &request.fields).await?;
    let requested = Requested {
        application: asking.application,
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

pub(crate) fn idempotency_key(call: &Call) -> Result<Option<&str>, Problem> {
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

fn job_id(
    app: &Arc<App>,
    account: AccountId,
    application: ApplicationId,
    key: Option<&str>,
) -> JobId {
    match key {
        Some(key) => {
            let name = format!("idempotency:{application}:{key}");
            JobId::derived(account.as_uuid(), name.as_bytes())
        }
        None => app.fresh_job(account),
    }
}
