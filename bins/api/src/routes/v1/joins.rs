//! `POST /v1/joins`: joins an account by the token of an invitation, and chooses a password.

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
    members::{self, MemberView},
    problem::Problem,
    routes::{Endpoint, Verb},
};

pub(crate) const POST: Endpoint = Endpoint {
    verb: Verb::Post,
    path: "/v1/joins",
    access: Access::Anyone,
    handler: |app, call| Box::pin(post(app, call)),
    doc: Doc {
        summary: "Joins an account by the token of an invitation, and chooses a password.",
        parameters: &[],
        request: Some("Token"),
        status: 201,
        answer: "Joined",
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
    // Nobody is made to hash a password who has no right to set one.
    if !row.state.invitation.as_ref().is_some_and(|offer| offer.opens(&digest, now)) {
        return Err(members::not_valid());
    }
    let hash = members::hash(&app, &id, &row.state, password).await?;
    let step = |state: &State| Ok(member::join(state, &digest, &hash, now)?);
    let state = members::decide(&app, &call, &id, step).await?;
    let member = MemberView::open(&app, &id, &state).await?;
    let body = json!({ "account": id.account.to_string(), "member": member });
    call::json(StatusCode::CREATED, &body)
}
