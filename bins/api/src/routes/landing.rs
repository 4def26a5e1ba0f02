//! `GET /`: what this is, and where to go on.

use std::sync::Arc;

use http::StatusCode;
use serde_json::json;
use warp::reply::Response;

use super::{Endpoint, Verb};
use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
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

async fn get(app: Arc<App>, _call: Call) -> Result<Response, Problem> {
    let link = |path: &str| format!("{}{path}", app.public_url);
    let body = json!({
        "name": "Darkroom",
        "version": env!("CARGO_PKG_VERSION"),
        "links": {
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
