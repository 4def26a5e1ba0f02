//! `GET /healthz`: whether the process lives.

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
    path: "/healthz",
    access: Access::Anyone,
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "Whether the process lives.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "Health",
        streams: false,
    },
};

async fn get(_app: Arc<App>, _call: Call) -> Result<Response, Problem> {
    call::json(StatusCode::OK, &json!({ "status": "alive" }))
}
