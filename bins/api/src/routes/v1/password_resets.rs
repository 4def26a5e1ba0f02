//! `POST /v1/password-resets`: chooses a new password by the token of a reset.

use std::sync::Arc;

use domain::member::{self, State};
use http::StatusCode;
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
};

pub(crate) const POST: Endpoint = Endpoint {
    verb: Verb::Post,
    path: "/v1/password-resets",
    access: Access::Anyone,
    handler: |app, call| Box::pin(post(app, call)),
    doc: Doc {
        summary: "Chooses a new password by the token of a reset. Every session of the member ends.",
        parameters: &[],
        request: Some("Token"),
        status: 200,
        answer: "PasswordSet",
        streams: false,
    },
};

async fn post(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let now = app.clock.now();
    app.sessions.admit(&call, now)?;
    let mut fields = Fields::read(&call.body, &["token", "password"])?;
    let (token, password) = (fields.text("token")?, fields.text("password")?);
    let row = members::offered(&app, &token).await?;
    let (id, digest) = (row.id, app.custody.token_digest(&token));
    if !row.state.reset.as_ref().is_some_and(|offer| offer.opens(&digest, now)) {
        return Err(members::not_valid());
    }
    let hash = members::hash(&app, &id, &row.state, password).await?;
    let step = |state: &State| Ok(member::reset_password(state, &digest, &hash, now)?);
    let state = members::decide(&app, &call, &id, step).await?;
    app.sessions.attempts.forgive(&state.email_digest);
    let body = json!({ "member": id.member.to_string(), "sessions_ended": true });
    call::json(StatusCode::OK, &body)
}
