//! `GET /v1/jobs/{id}`: how a job stands. `DELETE /v1/jobs/{id}`: ends it.

pub(crate) mod events;

use std::sync::Arc;

use domain::{
    id::JobId,
    job::{self, Jobs, Refusal, State},
    scope::Scope,
};
use eventlog::{Moment, TransactError};
use http::StatusCode;
use warp::reply::Response;

use super::view::JobView;
use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    problem::Problem,
    routes::{Endpoint, Verb, v2::previews::refused},
};

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/v1/jobs/{id}",
    access: Access::Caller(Scope::JobsRead),
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "How a job stands.",
        parameters: &[],
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
        summary: "Ends a job: at once where no worker has it, else as soon as its worker has wiped what it made.",
        parameters: &[],
        request: None,
        status: 202,
        answer: "Job",
        streams: false,
    },
};

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let id = id(&call)?;
    let unknown = || Problem::NoSuchJob(call.quoted_id());
    let seen = app.job(id).await?.ok_or_else(unknown)?;
    let opened = app.open_view(&id, &seen.job).await?;
    let view = JobView::close(id.job, &seen.job, seen.seq, opened);
    let mut response = call::json(StatusCode::OK, &view)?;
    app.date(&mut response, seen.age);
    Ok(response)
}

async fn delete(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let id = id(&call)?;
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
    // The event is what counts; without this hint the worker hears of it at its next append.
    if let Err(error) = app.log.send_cancel(id.account, id.job).await {
        tracing::warn!(error = %service::Chain(&error), "the worker could not be told");
    }
    let seq = loaded.last.map_or(0, |head| head.seq);
    call::json(StatusCode::ACCEPTED, &JobView::of(id.job, &job, seq))
}

/// The job that a call is about, in the caller's account.
fn id(call: &Call) -> Result<job::Id, Problem> {
    let account = call.caller()?.account;
    match call.id.parse::<JobId>() {
        Ok(job) => Ok(job::Id { account, job }),
        Err(_) => Err(Problem::NoSuchJob(call.quoted_id())),
    }
}
