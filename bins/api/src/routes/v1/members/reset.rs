//! `POST /v1/members/{id}/reset`: lets a member choose a new password.

use std::sync::Arc;

use domain::{
    member::{self, Offer, State, Totp},
    scope::Scope,
};
use http::StatusCode;
use serde_json::json;
use warp::reply::Response;

use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    fields::Fields,
    members::{self, Actor, OfferView},
    problem::Problem,
    routes::{Endpoint, Verb},
};

pub(crate) const POST: Endpoint = Endpoint {
    verb: Verb::Post,
    path: "/v1/members/{id}/reset",
    access: Access::Caller(Scope::MembersWrite),
    handler: |app, call| Box::pin(post(app, call)),
    doc: Doc {
        summary: "Makes a token, shown once, by which a member chooses a new password; without one-time codes, where they lost what makes them. Only an owner does it for an owner.",
        parameters: &[],
        request: Some("Reset"),
        status: 201,
        answer: "ResetOffered",
        streams: false,
    },
};

async fn post(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let row = members::meant(&app, &call).await?;
    let body = if call.body.is_empty() { b"{}".as_slice() } else { &call.body };
    let clear = Fields::read(body, &["clear_totp"])?.flag("clear_totp")?;
    let totp = if clear { Totp::Cleared } else { Totp::Kept };
    let actor = Actor::of(call.caller()?);
    let token = custody::member::offer_token(&row.id)?;
    let expires_at = app.sessions.settings.reset_until(app.clock.now());
    let token_digest = app.custody.token_digest(&token);
    let step = |state: &State| {
        actor.may_touch(state.role)?;
        let offer = Offer { token_digest: token_digest.clone(), expires_at };
        Ok(member::offer_reset(state, offer, totp, actor.member)?)
    };
    members::decide(&app, &call, &row.id, step).await?;
    let body = json!({
        "member": row.id.member.to_string(),
        "reset": OfferView::of(&token, expires_at),
    });
    call::json(StatusCode::CREATED, &body)
}
