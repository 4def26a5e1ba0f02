//! `GET /v1/log/{name}/checkpoint`: the newest checkpoint of one log, as it was signed.

use std::sync::Arc;

use http::{HeaderValue, header};
use warp::reply::{Reply as _, Response};

use crate::{
    app::App,
    auth::Access,
    call::{Call, quote},
    document::Doc,
    problem::Problem,
    routes::{Endpoint, Verb},
};

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/v1/log/{name}/checkpoint",
    access: Access::Anyone,
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "The newest checkpoint of a log, `JOBS` say: a signed note as https://c2sp.org/tlog-checkpoint has it.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "Checkpoint",
        streams: false,
    },
};

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let all = app.logs.read(&app.log).await?;
    let found = all.iter().find(|said| said.log == call.name);
    let absent = || Problem::NotFound { what: "checkpoint", id: quote(&call.name) };
    let said = found.ok_or_else(absent)?;
    let mut response = http::Response::new(said.note.clone()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}
