//! `GET /`: what this is, and where to go on; a browser goes on to the console.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use warp::reply::Response;

use super::{Endpoint, Verb};
use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    console,
    document::Doc,
    problem::Problem,
};

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/",
    access: Access::Anyone,
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "What this is, and where to go on.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "Landing",
        streams: false,
    },
};

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    if call.accepts("text/html") {
        let body = json!({ "name": "Darkroom", "version": env!("CARGO_PKG_VERSION"), "links": {} });
        let mut response = call::json(StatusCode::SEE_OTHER, &body)?;
        let location = HeaderValue::from_str(&console::location(&app.public_url));
        response.headers_mut().insert(header::LOCATION, location.or(Err(Problem::Internal))?);
        return Ok(response);
    }
    let link = |path: &str| format!("{}{path}", app.public_url);
    let body = json!({
        "name": "Darkroom",
        "version": env!("CARGO_PKG_VERSION"),
        "links": {
            "console": link("/console/"),
            "openapi": link("/openapi.json"),
            "asyncapi": link("/asyncapi.json"),
            "previews": link("/v2/previews/"),
            "jobs": link("/v1/jobs"),
            "events": link("/v1/events"),
            "ready": link("/readyz"),
        },
    });
    call::json(StatusCode::OK, &body)
}
