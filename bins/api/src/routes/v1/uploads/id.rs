//! `GET /v1/uploads/{id}`: how an upload stands. `DELETE /v1/uploads/{id}`: gives it up.

pub(crate) mod complete;
pub(crate) mod parts;

use std::sync::Arc;

use domain::{
    scope::Scope,
    upload::{self, Phase, Refusal, RemovedBecause, State, Uploads},
};
use eventlog::Moment;
use http::StatusCode;
use warp::reply::Response;

use super::{failed, find, view::UploadView};
use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    problem::Problem,
    routes::{Endpoint, Verb},
};

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/v1/uploads/{id}",
    access: Access::CallerOrOrigin(Scope::UploadsWrite),
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "How an upload stands, and which parts have been received.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "Upload",
        streams: false,
    },
};

pub(crate) const DELETE: Endpoint = Endpoint {
    verb: Verb::Delete,
    path: "/v1/uploads/{id}",
    access: Access::Caller(Scope::UploadsWrite),
    handler: |app, call| Box::pin(delete(app, call)),
    doc: Doc {
        summary: "Gives an upload up, or removes the uploaded file. Jobs that have not read it yet fail.",
        parameters: &[],
        request: None,
        status: 202,
        answer: "Upload",
        streams: false,
    },
};

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let (id, upload) = find(&app, &call).await?;
    let mut view = UploadView::open(&app, &id, &upload).await?;
    view.ask(&app, &id, &upload).await?;
    call::json(StatusCode::OK, &view)
}

async fn delete(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let (id, _) = find(&app, &call).await?;
    let moment = Moment { now: app.clock.now(), traceparent: call.traceparent() };
    let ended = app
        .log
        .transact::<Uploads, Refusal>(&id, moment, |state| match state.upload() {
            Some(upload) if upload.phase == Phase::Open => upload::expire(state),
            _ => upload::remove(state, RemovedBecause::Asked),
        })
        .await
        .map_err(|error| match failed(error, &call.quoted_id()) {
            Problem::Conflict { .. } => Problem::Conflict {
                code: "upload_verifying",
                message: "The file is being looked at: try again when that is done.".to_owned(),
            },
            problem => problem,
        })?;
    let State::Present(upload) = ended.loaded.state else { return Err(Problem::Internal) };
    call::json(StatusCode::ACCEPTED, &UploadView::open(&app, &id, &upload).await?)
}
