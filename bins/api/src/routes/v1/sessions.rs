//! `POST /v1/sessions`: logs in. `GET`: where the caller is logged in. `DELETE`: nowhere any more.

pub(crate) mod id;

use std::sync::Arc;

use domain::member;
use http::{StatusCode, header};
use serde::Serialize;
use serde_json::json;
use warp::reply::Response;

use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    members::{self, MemberView},
    problem::Problem,
    routes::{Endpoint, Verb},
    sessions::{cookie, log_in},
};

pub(crate) const POST: Endpoint = Endpoint {
    verb: Verb::Post,
    path: "/v1/sessions",
    access: Access::Anyone,
    handler: |app, call| Box::pin(post(app, call)),
    doc: Doc {
        summary: "Logs a member in. The answer sets the cookie of the session.",
        parameters: &[],
        request: Some("Credentials"),
        status: 201,
        answer: "LoggedIn",
        streams: false,
    },
};

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/v1/sessions",
    access: Access::Session,
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "Where the caller is logged in.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "SessionList",
        streams: false,
    },
};

pub(crate) const DELETE: Endpoint = Endpoint {
    verb: Verb::Delete,
    path: "/v1/sessions",
    access: Access::Session,
    handler: |app, call| Box::pin(delete(app, call)),
    doc: Doc {
        summary: "Logs the caller out everywhere, here included.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "SessionsEnded",
        streams: false,
    },
};

/// A session as its member sees it.
#[derive(Serialize)]
struct SessionView {
    id: String,
    current: bool,
    since: String,
    seen_at: String,
    expires_at: String,
}

async fn post(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    cookie::is_not_foreign(&call.headers, &app.public_url)?;
    let request = log_in::Request::read(&call.body)?;
    let begun = Box::pin(log_in::log_in(&app, &call, request)).await?;
    let body = json!({
        "account": begun.id.account.to_string(),
        "member": MemberView::open(&app, &begun.id, &begun.state).await?,
        "session": begun.session.to_string(),
        "expires_at": begun.expires_at.to_string(),
    });
    let mut response = call::json(StatusCode::CREATED, &body)?;
    let seconds = app.sessions.settings.absolute().as_secs();
    let cookie = cookie::set(&begun.token, seconds).ok_or(Problem::Internal)?;
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let row = members::own(&app, &call).await?;
    let current = call.caller()?.member().map(|member| member.session);
    let (now, idle) = (app.clock.now(), app.sessions.settings.idle());
    let live = row.state.sessions.iter().filter(|(_, known)| known.goes_on(now, idle));
    let sessions: Vec<SessionView> = live
        .map(|(session, known)| SessionView {
            id: session.to_string(),
            current: Some(*session) == current,
            since: known.since.to_string(),
            seen_at: known.seen_at.to_string(),
            expires_at: known.expires_at.to_string(),
        })
        .collect();
    call::json(StatusCode::OK, &json!({ "sessions": sessions }))
}

async fn delete(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let row = members::own(&app, &call).await?;
    let mut ended = 0;
    let step = |state: &member::State| {
        ended = state.sessions.len();
        Ok(member::log_out_everywhere(state)?)
    };
    members::decide(&app, &call, &row.id, step).await?;
    let mut response = call::json(StatusCode::OK, &json!({ "ended": ended }))?;
    if let Some(cookie) = cookie::clear() {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}
