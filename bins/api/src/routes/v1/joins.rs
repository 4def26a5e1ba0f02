//! `POST /v1/joins`: joins an account by the token of an invitation, and chooses a password.

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
    members::{self, MemberView, Offered},
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
    let offered = Offered { offer: |state| state.invitation.as_ref(), verb: member::join };
    let (id, state) = members::choose_password(&app, &call, offered).await?;
    let member = MemberView::open(&app, &id, &state).await?;
    let body = json!({ "account": id.account.to_string(), "member": member });
    call::json(StatusCode::CREATED, &body)
}
