//! `GET /openapi.json`: this API, described for programs.

use std::sync::Arc;

use http::StatusCode;
use warp::reply::Response;

use super::{Endpoint, Verb};
use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::{Doc, document},
    problem::Problem,
};

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/openapi.json",
    access: Access::Anyone,
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "This document.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "Document",
        streams: false,
    },
};

async fn get(app: Arc<App>, _call: Call) -> Result<Response, Problem> {
    call::json(StatusCode::OK, &document(&app.public_url))
}
