//! `GET /v1/counts`: how many jobs have each status.

use std::{collections::BTreeMap, sync::Arc};

use domain::scope::Scope;
use http::StatusCode;
use readmodel::Stream;
use warp::reply::Response;

use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    problem::Problem,
    routes::{Endpoint, Verb},
};

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/v1/counts",
    access: Access::Caller(Scope::JobsRead),
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "How many jobs of the account have each status.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "Counts",
        streams: false,
    },
};

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let age = app.catch_up(Stream::Jobs).await;
    let counts: BTreeMap<_, _> = app
        .store
        .counts(caller.account)?
        .into_iter()
        .map(|(status, count)| (status.name(), count))
        .collect();
    let mut response = call::json(StatusCode::OK, &counts)?;
    app.date(&mut response, age);
    Ok(response)
}
