//! `GET /v1/jobs/{id}/events`: what happened to a job, as a list, or as it happens.

pub(crate) mod live;

use std::sync::Arc;

use domain::{
    id::EventId,
    job::{Event, Jobs},
    scope::Scope,
};
use eventlog::Raw;
use http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;
use warp::reply::Response;

use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::{Doc, Parameter, Place},
    problem::Problem,
    routes::{Endpoint, Verb},
};

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/v1/jobs/{id}/events",
    access: Access::Caller(Scope::JobsRead),
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "What happened to a job: a list, or with `Accept: text/event-stream` as it happens, up to its outcome.",
        parameters: &[Parameter {
            place: Place::Header,
            name: "Last-Event-ID",
            description: "For a stream: only what came after the event with this `seq`.",
        }],
        request: None,
        status: 200,
        answer: "EventList",
        streams: true,
    },
};

/// What happened to a job.
#[derive(Serialize)]
struct List {
    job: String,
    events: Vec<Happened>,
}

/// One event, byte for byte as stored, so that its chain can be checked.
#[derive(Serialize)]
struct Happened {
    seq: u64,
    id: Option<EventId>,
    #[serde(rename = "type")]
    kind: String,
    time: Option<String>,
    hash: String,
    prev: Option<String>,
    data: Option<Box<RawValue>>,
}

impl Happened {
    fn new(raw: &Raw) -> Self {
        Self {
            seq: raw.seq,
            id: raw.event_id(),
            kind: raw.event_name().to_owned(),
            time: raw.headers.get("ce-time").map(ToOwned::to_owned),
            hash: raw.hash().to_string(),
            prev: raw.prev().map(|prev| prev.to_string()),
            data: serde_json::from_slice(&raw.body).ok(),
        }
    }
}

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let id = super::id(&call)?;
    if call.accepts("text/event-stream") {
        return live::stream(app, &call, id).await;
    }
    let messages = app.log.messages::<Jobs>(&id).await?;
    if messages.is_empty() {
        return Err(Problem::NoSuchJob(call.quoted_id()));
    }
    let events = messages.iter().map(Happened::new).collect();
    call::json(StatusCode::OK, &List { job: id.job.to_string(), events })
}

fn is_outcome(raw: &Raw) -> bool {
    raw.decode::<Jobs>().is_ok_and(|recorded| Event::is_outcome(&recorded.event))
}
