//! `GET /v1/members`: who belongs to the account. `POST /v1/members`: invites somebody.

pub(crate) mod id;
pub(crate) mod reset;

use std::sync::Arc;

use domain::{
    member::{self, Invitation, Offer},
    scope::{Role, Scope},
};
use http::StatusCode;
use readmodel::Stream;
use serde_json::json;
use warp::reply::Response;

use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    fields::Fields,
    members::{self, Actor, MemberView, OfferView},
    problem::Problem,
    routes::{Endpoint, Verb},
};

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/v1/members",
    access: Access::Caller(Scope::AccountRead),
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "Who belongs to the account, or is invited.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "MemberList",
        streams: false,
    },
};

pub(crate) const POST: Endpoint = Endpoint {
    verb: Verb::Post,
    path: "/v1/members",
    access: Access::Caller(Scope::MembersWrite),
    handler: |app, call| Box::pin(post(app, call)),
    doc: Doc {
        summary: "Invites somebody. The token, shown once, lets them join. Only an owner invites an owner.",
        parameters: &[],
        request: Some("Invitation"),
        status: 201,
        answer: "Invited",
        streams: false,
    },
};

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let account = call.caller()?.account;
    let age = app.catch_up(Stream::Members).await;
    let mut views = Vec::new();
    for row in app.store.members(account)? {
        views.push(MemberView::open(&app, &row.id, &row.state).await?);
    }
    let mut response = call::json(StatusCode::OK, &json!({ "members": views }))?;
    app.date(&mut response, age);
    Ok(response)
}

async fn post(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let mut fields = Fields::read(&call.body, &["email", "role"])?;
    let (email, role) = (fields.text("email")?, role(&mut fields)?);
    let email = members::address(&email)?;
    let actor = Actor::of(caller);
    app.catch_up(Stream::Members).await;
    let email_digest = app.custody.address_digest(email);
    let id = member::Id::of_address(caller.account, &email_digest);
    let full = app.store.members(caller.account)?.len() >= readmodel::MAX_MEMBERS;
    if full && app.store.member(id)?.is_none() {
        let message = format!("An account has at most {} members.", readmodel::MAX_MEMBERS);
        return Err(Problem::Conflict { code: "too_many_members", message });
    }
    let token = custody::member::offer_token(&id)?;
    let expires_at = app.sessions.settings.invitation_until(app.clock.now());
    let invitation = Invitation {
        email: app.custody.seal_email(&id, email).await?,
        email_digest,
        role,
        offer: Offer { token_digest: app.custody.token_digest(&token), expires_at },
        by: actor.member,
    };
    let step = |state: &member::State| {
        actor.may_touch(state.role)?;
        actor.may_touch(Some(role))?;
        Ok(member::invite(state, &invitation)?)
    };
    let state = members::decide(&app, &call, &id, step).await?;
    let body = json!({
        "member": MemberView::open(&app, &id, &state).await?,
        "invitation": OfferView::of(&token, expires_at),
    });
    call::json(StatusCode::CREATED, &body)
}

/// The role that a body names.
pub(crate) fn role(fields: &mut Fields) -> Result<Role, Problem> {
    let name = fields.text("role")?;
    Role::parse(&name).ok_or_else(|| {
        let known = Role::ALL.map(Role::name).join(", ");
        Problem::FieldInvalid { field: "role", message: format!("This is no role: use {known}.") }
    })
}
