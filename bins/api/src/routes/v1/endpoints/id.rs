//! `GET`, `PATCH` and `DELETE /v1/endpoints/{id}`: one endpoint.

use std::sync::Arc;

use domain::{
    endpoint::{self, DisabledBecause, State},
    scope::Scope,
};
use http::StatusCode;
use readmodel::Stream;
use serde_json::json;
use warp::reply::Response;

use super::{
    named,
    terms::{self, Said},
    unknown,
    view::EndpointView,
};
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
    path: "/v1/endpoints/{id}",
    access: Access::Caller(Scope::AccountRead),
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "A webhook endpoint: what it is told, and how it does.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "Endpoint",
        streams: false,
    },
};

pub(crate) const PATCH: Endpoint = Endpoint {
    verb: Verb::Patch,
    path: "/v1/endpoints/{id}",
    access: Access::Caller(Scope::AccountWrite),
    handler: |app, call| Box::pin(patch(app, call)),
    doc: Doc {
        summary: "Changes a webhook endpoint, or with `enabled` has it told nothing, or everything again. Once it is enabled, `missed_since` says from when on a replay tells what it missed.",
        parameters: &[],
        request: Some("EndpointRequest"),
        status: 200,
        answer: "Endpoint",
        streams: false,
    },
};

pub(crate) const DELETE: Endpoint = Endpoint {
    verb: Verb::Delete,
    path: "/v1/endpoints/{id}",
    access: Access::Caller(Scope::AccountWrite),
    handler: |app, call| Box::pin(delete(app, call)),
    doc: Doc {
        summary: "Removes a webhook endpoint. Deliveries to it that wait are given up.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "Removed",
        streams: false,
    },
};

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let id = named(&call)?;
    let age = app.catch_up(Stream::Endpoints).await;
    let row = app.store.endpoint(id)?.ok_or_else(|| unknown(&call))?;
    let view = EndpointView::open(&app, id, &row.endpoint).await?;
    let mut response = call::json(StatusCode::OK, &view)?;
    app.date(&mut response, age);
    Ok(response)
}

async fn patch(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let id = named(&call)?;
    let mut fields = terms::fields(&call.body, &["enabled"])?;
    let enabled = fields.optional_flag("enabled")?;
    let said = Said::read(&mut fields)?;
    app.catch_up(Stream::Endpoints).await;
    let row = app.store.endpoint(id)?.ok_or_else(|| unknown(&call))?;
    let letter = said.onto(&app, id, row.endpoint.letter.clone()).await?;
    let change = |state: &State| {
        let mut events = endpoint::change(state, letter.clone())?;
        events.extend(match enabled {
            Some(true) => endpoint::enable(state)?,
            Some(false) => endpoint::disable(state, DisabledBecause::Asked)?,
            None => vec![],
        });
        Ok(events)
    };
    let state = app.change_endpoint(&call, id, change).await?;
    let changed = state.endpoint().ok_or_else(|| unknown(&call))?;
    let mut view = EndpointView::open(&app, id, changed).await?;
    if changed.disabled.is_none() {
        view = view.with_missed(&row.endpoint);
    }
    call::json(StatusCode::OK, &view)
}

async fn delete(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let id = named(&call)?;
    app.change_endpoint(&call, id, endpoint::remove).await?;
    call::json(StatusCode::OK, &json!({ "removed": id.endpoint }))
}
