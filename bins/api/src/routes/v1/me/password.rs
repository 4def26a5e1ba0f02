//! `PUT /v1/me/password`: chooses a new password by the old one.

use std::sync::Arc;

use domain::member;
use http::{StatusCode, header};
use serde_json::json;
use warp::reply::Response;

use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    fields::Fields,
    members,
    problem::Problem,
    routes::{Endpoint, Verb},
    sessions::cookie,
};

pub(crate) const PUT: Endpoint = Endpoint {
    verb: Verb::Put,
    path: "/v1/me/password",
    access: Access::Session,
    handler: |app, call| Box::pin(put(app, call)),
    doc: Doc {
        summary: "Chooses a new password by the old one. Every session of the caller ends, this one too.",
        parameters: &[],
        request: Some("NewPassword"),
        status: 200,
        answer: "PasswordSet",
        streams: false,
    },
};

async fn put(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let row = members::own(&app, &call).await?;
    let mut fields = Fields::read(&call.body, &["current", "password"])?;
    let (current, password) = (fields.text("current")?, fields.text("password")?);
    let known = members::confirm(&app, &call, &row, current).await?;
    let hash = members::hash(&app, &row.id, &row.state, password).await?;
    let step = |state: &member::State| Ok(member::change_password(state, &known, &hash)?);
    members::decide(&app, &call, &row.id, step).await?;
    let body = json!({ "member": row.id.member.to_string(), "sessions_ended": true });
    let mut response = call::json(StatusCode::OK, &body)?;
    if let Some(cookie) = cookie::clear() {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}
