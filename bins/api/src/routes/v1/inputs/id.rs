//! `DELETE /v1/inputs/{id}`: sources are read from that bucket no more.

use std::sync::Arc;

use domain::{
    account::{self, Accounts, Refusal},
    id::InputId,
    scope::Scope,
};
use eventlog::Moment;
use http::StatusCode;
use serde_json::json;
use warp::reply::Response;

use super::failed;
use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    problem::Problem,
    routes::{Endpoint, Verb},
};

pub(crate) const DELETE: Endpoint = Endpoint {
    verb: Verb::Delete,
    path: "/v1/inputs/{id}",
    access: Access::Caller(Scope::AccountWrite),
    handler: |app, call| Box::pin(delete(app, call)),
    doc: Doc {
        summary: "Lets no more sources be read from that bucket; jobs that have not read theirs yet fail.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "InputRemoved",
        streams: false,
    },
};

async fn delete(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let account = call.caller()?.account;
    let unknown = || Problem::NotFound { what: "input", id: call.quoted_id() };
    let input: InputId = call.id.parse().or(Err(unknown()))?;
    let moment = Moment { now: app.clock.now(), traceparent: call.traceparent() };
    app.log
        .transact::<Accounts, Refusal>(&account, moment, |state| {
            account::remove_input(state, input)
        })
        .await
        .map_err(|error| failed(error, &call.quoted_id()))?;
    call::json(StatusCode::OK, &json!({ "id": input, "removed": true }))
}
