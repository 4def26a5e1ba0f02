//! `DELETE /v1/sessions/{id}`: logs out. `current` is the session that asks.

use std::sync::Arc;

use domain::{id::SessionId, member};
use http::{StatusCode, header};
use serde_json::json;
use warp::reply::Response;

use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    members,
    problem::Problem,
    routes::{Endpoint, Verb},
    sessions::cookie,
};

pub(crate) const DELETE: Endpoint = Endpoint {
    verb: Verb::Delete,
    path: "/v1/sessions/{id}",
    access: Access::Session,
    handler: |app, call| Box::pin(delete(app, call)),
    doc: Doc {
        summary: "Ends a session of the caller; `current` is the one that asks.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "Ended",
        streams: false,
    },
};

/// The session that asks.
const CURRENT: &str = "current";

async fn delete(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let row = members::own(&app, &call).await?;
    let current = call.caller()?.member().ok_or(Problem::NoCredentials)?.session;
    let unknown = || Problem::NotFound { what: "session", id: call.quoted_id() };
    let session = match call.id.as_str() {
        CURRENT => current,
        other => other.parse::<SessionId>().map_err(|_odd| unknown())?,
    };
    if !row.state.sessions.contains_key(&session) {
        return Err(unknown());
    }
    members::decide(&app, &call, &row.id, |state| Ok(member::log_out(state, session)?)).await?;
    let mut response = call::json(StatusCode::OK, &json!({ "ended": session.to_string() }))?;
    if session == current
        && let Some(cookie) = cookie::clear()
    {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}
