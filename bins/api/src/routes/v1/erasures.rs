//! `GET /v1/erasures/{id}`: the receipt for a job of which nothing shall be left.

use std::sync::Arc;

use domain::{
    Timestamp,
    id::{EventId, JobId},
    job::{Event, Jobs},
    scope::Scope,
};
use eventlog::Recorded;
use http::StatusCode;
use serde::Serialize;
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
    path: "/v1/erasures/{id}",
    access: Access::Caller(Scope::Erase),
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "The receipt for a job of which nothing shall be left.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "Erasure",
        streams: false,
    },
};

/// What a receipt says about what it does not cover.
const NOT_COVERED: &str = "What lies in a bucket of your own stays there: this service can only write to it. What your webhook endpoints were told is theirs.";

/// What has become of an erasure. Nothing in it is personal.
#[derive(Serialize)]
pub(crate) struct Erasure {
    job: JobId,
    status: &'static str,
    requested_at: Timestamp,
    erased_at: Option<Timestamp>,
    /// Objects removed from the platform bucket.
    objects: Option<u64>,
    /// The event that ends the job's history.
    event: Option<Proof>,
    not_covered: &'static str,
}

/// An event, and its place in the chain.
#[derive(Serialize)]
struct Proof {
    id: EventId,
    hash: String,
    prev: String,
    seq: u64,
}

impl Erasure {
    /// Read from a job's history; nothing where nobody asked for it.
    pub(crate) fn of(job: JobId, history: &[Recorded<Jobs>]) -> Option<Self> {
        let asked = |one: &&Recorded<Jobs>| matches!(one.event, Event::ErasureRequested {});
        let mut erasure = Self {
            job,
            status: "erasing",
            requested_at: history.iter().find(asked)?.time,
            erased_at: None,
            objects: None,
            event: None,
            not_covered: NOT_COVERED,
        };
        for one in history {
            if let Event::Erased { objects } = one.event {
                erasure.status = "erased";
                erasure.erased_at = Some(one.time);
                erasure.objects = Some(objects);
                let (hash, prev) = (one.hash.to_string(), one.prev.to_string());
                erasure.event = Some(Proof { id: one.event_id, hash, prev, seq: one.seq });
            }
        }
        Some(erasure)
    }
}

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let id = super::jobs::id::id(&call)?;
    let history = app.log.history::<Jobs>(&id).await?;
    let erasure = Erasure::of(id.job, &history);
    let erasure =
        erasure.ok_or_else(|| Problem::NotFound { what: "erasure", id: call.quoted_id() })?;
    call::json(StatusCode::OK, &erasure)
}
