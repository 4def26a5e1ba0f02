//! `POST /v1/password-resets`: chooses a new password by the token of a reset.

use std::sync::Arc;

use domain::member;
use http::StatusCode;
use serde_json::json;
use warp::reply::Response;

use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    members::{self, Offered},
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
    let offered = Offered { offer: |state| state.reset.as_ref(), verb: member::reset_password };
    let (id, state) = members::choose_password(&app, &call, offered).await?;
    app.sessions.attempts.forgive(&state.email_digest);
    let body = json!({ "member": id.member.to_string(), "sessions_ended": true });
    call::json(StatusCode::OK, &body)
}
