//! `GET /v1/jobs/{id}`: how a job stands. `DELETE /v1/jobs/{id}`: ends it, or leaves nothing of it.

pub(crate) mod audit;
pub(crate) mod events;

use std::sync::Arc;

use domain::{
    id::JobId,
    job::{self, Jobs, Refusal, State},
    scope::Scope,
};
use eventlog::{Moment, TransactError};
use http::{HeaderValue, StatusCode, header};
use warp::reply::Response;

use super::view::JobView;
use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::{Doc, Parameter, Place},
    past::{self, AS_OF, AsOf},
    problem::Problem,
    routes::{Endpoint, Verb, v1::erasures::Erasure, v2::previews::refused},
};

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/v1/jobs/{id}",
    access: Access::Caller(Scope::JobsRead),
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "How a job stands, or stood; what it stored is linked to only as it is now.",
        parameters: &[past::PARAMETER],
        request: None,
        status: 200,
        answer: "Job",
        streams: false,
    },
};

pub(crate) const DELETE: Endpoint = Endpoint {
    verb: Verb::Delete,
    path: "/v1/jobs/{id}",
    access: Access::Caller(Scope::JobsWrite),
    handler: |app, call| Box::pin(delete(app, call)),
    doc: Doc {
        summary: "Ends a job: at once where no worker has it, else as soon as its worker has wiped what it made. With `erase=true` nothing of it is left; the answer is then an Erasure, which /v1/erasures/{id} repeats.",
        parameters: &[Parameter {
            place: Place::Query,
            name: "erase",
            description: "`true` shreds the job's keys and removes its results and its upload from this service; needs the scope `erase`.",
        }],
        request: None,
        status: 202,
        answer: "Job",
        streams: false,
    },
};

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let id = id(&call)?;
    let unknown = || Problem::NoSuchJob(call.quoted_id());
    if let Some((_, text)) = call.query(&[AS_OF])?.first() {
        let past = app.past_job(id, AsOf::read(text, app.clock.now())?).await?;
        let row = past.store.job(id)?.ok_or_else(unknown)?;
        let mut opened = app.open_view(&id, &row.job).await?;
        // What was stored then need not be there any more.
        opened.urls.clear();
        let view = JobView::close(id.job, &row.job, row.seq, opened);
        return call::json(StatusCode::OK, &view);
    }
    let seen = app.job(id).await?.ok_or_else(unknown)?;
    let opened = app.open_view(&id, &seen.job).await?;
    let expires_at = app.custody.expires_at(&seen.job);
    let in_development = app.is_in_development(id.account, &seen.job)?;
    let view = JobView::close(id.job, &seen.job, seen.seq, opened);
    let view = view.stored(in_development, expires_at);
    let mut response = call::json(StatusCode::OK, &view)?;
    app.date(&mut response, seen.age);
    Ok(response)
}

async fn delete(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let id = id(&call)?;
    if wants_erasure(&call)? {
        return erase(&app, &call, id).await;
    }
    let moment = Moment { now: app.clock.now(), traceparent: call.traceparent() };
    let cancelled = app.log.transact::<Jobs, Refusal>(&id, moment, job::cancel).await;
    let loaded = match cancelled {
        Ok(committed) => committed.loaded,
        Err(TransactError::Refused(Refusal::Unknown)) => {
            return Err(Problem::NoSuchJob(call.quoted_id()));
        }
        Err(error) => return Err(refused(error)),
    };
    let State::Present(job) = loaded.state else { return Err(Problem::Internal) };
    hint(&app, &id).await;
    let seq = loaded.last.map_or(0, |head| head.seq);
    let view = JobView::of(id.job, &job, seq);
    let in_development = app.is_in_development(id.account, &job)?;
    call::json(StatusCode::ACCEPTED, &view.stored(in_development, app.custody.expires_at(&job)))
}

/// Asks that nothing be left of a job, and says what has become of that so far.
async fn erase(app: &App, call: &Call, id: job::Id) -> Result<Response, Problem> {
    if !call.caller()?.may(Scope::Erase) {
        return Err(Problem::ScopeMissing(Scope::Erase));
    }
    let moment = Moment { now: app.clock.now(), traceparent: call.traceparent() };
    match app.log.transact::<Jobs, Refusal>(&id, moment, job::request_erasure).await {
        Ok(_) => {}
        Err(TransactError::Refused(Refusal::Unknown)) => {
            return Err(Problem::NoSuchJob(call.quoted_id()));
        }
        Err(error) => return Err(refused(error)),
    }
    hint(app, &id).await;
    let history = app.log.history::<Jobs>(&id).await?;
    let erasure = Erasure::of(id.job, &history).ok_or(Problem::Internal)?;
    let mut response = call::json(StatusCode::ACCEPTED, &erasure)?;
    if let Ok(location) =
        HeaderValue::from_str(&format!("{}/v1/erasures/{}", app.public_url, id.job))
    {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

fn wants_erasure(call: &Call) -> Result<bool, Problem> {
    match call.query(&["erase"])?.first().map(|(_, value)| value.as_str()) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => {
            let message = "This is true or false.".to_owned();
            Err(Problem::FieldInvalid { field: "erase", message })
        }
    }
}

/// The event is what counts; without this hint the worker hears of it at its next append.
async fn hint(app: &App, id: &job::Id) {
    if let Err(error) = app.log.send_cancel(id.account, id.job).await {
        tracing::warn!(error = %service::Chain(&error), "the worker could not be told");
    }
}

/// The job that a call is about, in the caller's account.
pub(crate) fn id(call: &Call) -> Result<job::Id, Problem> {
    let account = call.caller()?.account;
    match call.id.parse::<JobId>() {
        Ok(job) => Ok(job::Id { account, job }),
        Err(_) => Err(Problem::NoSuchJob(call.quoted_id())),
    }
}
