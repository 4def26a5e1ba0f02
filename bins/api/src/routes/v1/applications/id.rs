//! `GET`, `PATCH` and `DELETE /v1/applications/{id}`: shows, changes and revokes an API key pair.

pub(crate) mod rotate;

use std::sync::Arc;

use domain::{
    account::{self, KeyPair},
    id::ApplicationId,
    scope::Scope,
};
use http::StatusCode;
use readmodel::Stream;
use serde_json::json;
use warp::reply::Response;

use super::{
    super::account::known,
    terms::{self, Said, hold_within},
    view::ApplicationView,
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
    path: "/v1/applications/{id}",
    access: Access::Caller(Scope::AccountRead),
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "An API key pair: what it may do, and when it was last used.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "Application",
        streams: false,
    },
};

pub(crate) const PATCH: Endpoint = Endpoint {
    verb: Verb::Patch,
    path: "/v1/applications/{id}",
    access: Access::Caller(Scope::AccountWrite),
    handler: |app, call| Box::pin(patch(app, call)),
    doc: Doc {
        summary: "Changes an API key pair: label, scopes, origins, expiry, failure word. What is left out stays; null takes back. Nobody changes a key that can do more than they.",
        parameters: &[],
        request: Some("ApplicationTerms"),
        status: 200,
        answer: "Application",
        streams: false,
    },
};

pub(crate) const DELETE: Endpoint = Endpoint {
    verb: Verb::Delete,
    path: "/v1/applications/{id}",
    access: Access::Caller(Scope::AccountWrite),
    handler: |app, call| Box::pin(delete(app, call)),
    doc: Doc {
        summary: "Revokes an API key pair: it opens nothing any more, on every replica within a second, and event streams that it opened end.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "Revoked",
        streams: false,
    },
};

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let account = call.caller()?.account;
    let age = app.catch_up(Stream::Accounts).await;
    let pair = pair(&app, &call)?;
    let view = ApplicationView::open(&app, account, &pair).await?;
    let mut response = call::json(StatusCode::OK, &view)?;
    app.date(&mut response, age);
    Ok(response)
}

async fn patch(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let said = Said::read(&mut terms::fields(&call.body, &[])?, app.clock.now())?;
    app.catch_up(Stream::Accounts).await;
    let before = pair(&app, &call)?.application;
    hold_within(caller, &before.terms)?;
    let terms = said.onto(&app, caller.account, before.terms).await?;
    hold_within(caller, &terms)?;
    let id = before.application;
    let step = |state: &account::State| account::change_application(state, id, terms.clone());
    let state = app.change_account(&call, step).await?;
    let pair = state.applications.get(&id).ok_or_else(|| unknown(&call))?;
    let view = ApplicationView::open(&app, caller.account, pair).await?;
    call::json(StatusCode::OK, &view)
}

async fn delete(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let id = id(&call)?;
    let step = |state: &account::State| account::revoke_application(state, id);
    app.change_account(&call, step).await?;
    call::json(StatusCode::OK, &json!({ "id": id, "status": "revoked" }))
}

/// The key pair that a call is about, as the rows know it.
fn pair(app: &App, call: &Call) -> Result<KeyPair, Problem> {
    let id = id(call)?;
    let mut state = known(app, call.caller()?.account)?;
    state.applications.remove(&id).ok_or_else(|| unknown(call))
}

fn id(call: &Call) -> Result<ApplicationId, Problem> {
    call.id.parse().map_err(|_odd| unknown(call))
}

fn unknown(call: &Call) -> Problem {
    Problem::NotFound { what: "application", id: call.quoted_id() }
}
