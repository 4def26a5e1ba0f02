//! `GET /v1/me`: who is logged in, and what they may do.

pub(crate) mod password;
pub(crate) mod totp;

use std::sync::Arc;

use http::StatusCode;
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
};

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/v1/me",
    access: Access::Session,
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "Who is logged in, and what they may do.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "Me",
        streams: false,
    },
};

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let row = members::own(&app, &call).await?;
    let caller = call.caller()?.member().ok_or(Problem::NoCredentials)?;
    let body = json!({
        "account": row.id.account.to_string(),
        "member": MemberView::open(&app, &row.id, &row.state).await?,
        "session": caller.session.to_string(),
        "scopes": members::scopes(caller.role),
    });
    call::json(StatusCode::OK, &body)
}
