//! `GET /v1/log`: what is signed of the log, and the key to verify that with.

pub(crate) mod checkpoint;

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};
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
    path: "/v1/log",
    access: Access::Anyone,
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "The newest signed checkpoint of each log, and the key to verify it with. Whoever relies on that key takes it from elsewhere as well.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "Logs",
        streams: false,
    },
};

async fn get(app: Arc<App>, _call: Call) -> Result<Response, Problem> {
    let said = app.logs.read(&app.log).await?;
    let link = |log| format!("{}/v1/log/{log}/checkpoint", app.public_url);
    let logs: Vec<Value> = said
        .iter()
        .map(|said| {
            json!({
                "log": said.log,
                "origin": said.checkpoint.origin,
                "key": said.key,
                "size": said.checkpoint.size,
                "root": said.checkpoint.root,
                "signed_at": said.checkpoint.time(),
                "checkpoint": said.note,
                "checkpoint_url": link(said.log),
            })
        })
        .collect();
    call::json(StatusCode::OK, &json!({ "logs": logs }))
}
