//! `GET /readyz`: whether the process can do its work.

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
    path: "/readyz",
    access: Access::Anyone,
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "Whether the process can do its work: its read model is made, and the log answers.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "Health",
        streams: false,
    },
};

async fn get(app: Arc<App>, _call: Call) -> Result<Response, Problem> {
    let reasons = app.unready();
    if !reasons.is_empty() {
        return Err(Problem::NotReady { reasons });
    }
    let positions = *app.reached.borrow();
    call::json(StatusCode::OK, &json!({ "status": "ready", "positions": positions }))
}
