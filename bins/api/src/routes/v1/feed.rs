//! `GET /v1/account/feed`, `PUT /v1/account/feed`: whether what happens is told on NATS with personal fields opened.

use std::sync::Arc;

use domain::{account, scope::Scope};
use http::StatusCode;
use readmodel::Stream;
use serde_json::{Value, json};
use warp::reply::Response;

use super::account::known;
use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    fields::Fields,
    problem::Problem,
    routes::{Endpoint, Verb},
};

const PATH: &str = "/v1/account/feed";

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: PATH,
    access: Access::Caller(Scope::AccountRead),
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "Whether what happens to jobs is told on NATS, under `darkroom.feed.ACCOUNT.>`, with its personal fields opened.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "Feed",
        streams: false,
    },
};

pub(crate) const PUT: Endpoint = Endpoint {
    verb: Verb::Put,
    path: PATH,
    access: Access::Caller(Scope::AccountWrite),
    handler: |app, call| Box::pin(put(app, call)),
    doc: Doc {
        summary: "Switches the account's feed on or off. What is told is stored nowhere; whoever is not listening misses it.",
        parameters: &[],
        request: Some("Feed"),
        status: 200,
        answer: "Feed",
        streams: false,
    },
};

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let account = call.caller()?.account;
    let age = app.catch_up(Stream::Accounts).await;
    let mut response = call::json(StatusCode::OK, &json!({ "on": known(&app, account)?.feed }))?;
    app.date(&mut response, age);
    Ok(response)
}

async fn put(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let mut fields = Fields::read(&call.body, &["on"])?;
    let on = match fields.value("on") {
        Some(Value::Bool(on)) => on,
        Some(_) => {
            let message = "This must be true or false.".to_owned();
            return Err(Problem::FieldInvalid { field: "on", message });
        }
        None => return Err(Problem::FieldMissing("on")),
    };
    let state = app.change_account(&call, |state| account::set_feed(state, on)).await?;
    call::json(StatusCode::OK, &json!({ "on": state.feed }))
}
