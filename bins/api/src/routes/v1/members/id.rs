//! `GET /v1/members/{id}`: a member. `PATCH`: makes them something else. `DELETE`: takes them out of the account.

use std::sync::Arc;

use domain::{
    id::MemberId,
    member::{self, State},
    scope::{Role, Scope},
};
use http::StatusCode;
use readmodel::Stream;
use serde_json::json;
use warp::reply::Response;

use super::role;

use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    fields::Fields,
    members::{self, Actor, MemberView},
    problem::Problem,
    routes::{Endpoint, Verb},
};

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/v1/members/{id}",
    access: Access::Caller(Scope::AccountRead),
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "A member, or somebody who is invited.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "Member",
        streams: false,
    },
};

pub(crate) const PATCH: Endpoint = Endpoint {
    verb: Verb::Patch,
    path: "/v1/members/{id}",
    access: Access::Caller(Scope::MembersWrite),
    handler: |app, call| Box::pin(patch(app, call)),
    doc: Doc {
        summary: "Makes a member something else, and ends their sessions. Only an owner makes or unmakes owners; an account keeps one.",
        parameters: &[],
        request: Some("RoleChange"),
        status: 200,
        answer: "Member",
        streams: false,
    },
};

pub(crate) const DELETE: Endpoint = Endpoint {
    verb: Verb::Delete,
    path: "/v1/members/{id}",
    access: Access::Caller(Scope::MembersWrite),
    handler: |app, call| Box::pin(delete(app, call)),
    doc: Doc {
        summary: "Takes a member, or an invitation, out of the account. Their sessions end.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "MemberRemoved",
        streams: false,
    },
};

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let row = members::meant(&app, &call).await?;
    call::json(StatusCode::OK, &MemberView::open(&app, &row.id, &row.state).await?)
}

async fn patch(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let row = members::meant(&app, &call).await?;
    let role = role(&mut Fields::read(&call.body, &["role"])?)?;
    let state = become_role(&app, &call, &row.id, role).await?;
    call::json(StatusCode::OK, &MemberView::open(&app, &row.id, &state).await?)
}

async fn delete(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let row = members::meant(&app, &call).await?;
    let actor = Actor::of(call.caller()?);
    if row.state.joined_as() == Some(Role::Owner) {
        become_role(&app, &call, &row.id, Role::Admin).await?;
    }
    let step = |state: &State| {
        actor.may_touch(state.role)?;
        Ok(member::remove(state, actor.member)?)
    };
    members::decide(&app, &call, &row.id, step).await?;
    call::json(StatusCode::OK, &json!({ "removed": row.id.member.to_string() }))
}

/// Makes a member something else, and sees to it that the account keeps an owner.
async fn become_role(
    app: &App,
    call: &Call,
    id: &member::Id,
    role: Role,
) -> Result<State, Problem> {
    let actor = Actor::of(call.caller()?);
    let (mut unmade, step_by) = (false, actor.member);
    let keeps_one = members::has_other_owner(app, id.account, id.member)?;
    let step = |state: &State| {
        actor.may_touch(state.role)?;
        actor.may_touch(Some(role))?;
        unmade = state.joined_as() == Some(Role::Owner) && role != Role::Owner;
        if unmade && !keeps_one {
            return Err(members::No::LastOwner);
        }
        Ok(member::set_role(state, role, step_by)?)
    };
    let state = members::decide(app, call, id, step).await?;
    if unmade {
        restore(app, call, id, step_by).await?;
    }
    Ok(state)
}

/// Two owners may have unmade each other at once. Whoever looks last sees that none is left, and
/// takes theirs back.
async fn restore(
    app: &App,
    call: &Call,
    id: &member::Id,
    by: Option<MemberId>,
) -> Result<(), Problem> {
    app.catch_up(Stream::Members).await;
    if members::has_other_owner(app, id.account, id.member)? {
        return Ok(());
    }
    let step = |state: &State| Ok(member::set_role(state, Role::Owner, by)?);
    members::decide(app, call, id, step).await?;
    Err(members::last_owner())
}
