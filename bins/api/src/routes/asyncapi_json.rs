//! `GET /asyncapi.json`: what Darkroom tells by itself, described for programs: on NATS, to webhooks, as a stream.

mod document;
mod shapes;

use std::sync::Arc;

use http::StatusCode;
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
    path: "/asyncapi.json",
    access: Access::Anyone,
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "What happens, as an AsyncAPI document: where it is told, and what every event says.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "AsyncDocument",
        streams: false,
    },
};

async fn get(app: Arc<App>, _call: Call) -> Result<Response, Problem> {
    call::json(StatusCode::OK, &document::document(&app.public_url))
}
