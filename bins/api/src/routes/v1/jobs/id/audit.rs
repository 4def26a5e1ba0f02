//! `GET /v1/jobs/{id}/audit`: evidence of a job, to be checked by anybody without asking us.

use std::sync::Arc;

use domain::scope::Scope;
use evidence::bundle::{self, About};
use http::StatusCode;
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
    path: "/v1/jobs/{id}/audit",
    access: Access::Caller(Scope::Audit),
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "Evidence of a job: its events and those of its webhooks as stored, a proof of each, and the signed checkpoints. `darkroom audit check` verifies it offline.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "EvidenceBundle",
        streams: false,
    },
};

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let id = super::id(&call)?;
    let about = About { account: id.account, job: Some(id.job) };
    let bundle = bundle::gather(&app.log, about, Vec::new(), app.clock.now()).await?;
    if bundle.events.is_empty() {
        return Err(Problem::NoSuchJob(call.quoted_id()));
    }
    call::json(StatusCode::OK, &bundle)
}
