//! `GET /v1/deliveries/{id}`: a delivery with every attempt.

use std::sync::Arc;

use domain::{
    Timestamp,
    delivery::{self, Answer, Deliveries, Event, FailureCode},
    id::DeliveryId,
    scope::Scope,
    sealed::field,
};
use http::StatusCode;
use readmodel::{DeliveryRow, Stream};
use serde::Serialize;
use warp::reply::Response;

use super::DeliveryView;
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
    path: "/v1/deliveries/{id}",
    access: Access::Caller(Scope::AccountRead),
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "A delivery with the history of its attempts.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "DeliveryHistory",
        streams: false,
    },
};

#[derive(Serialize)]
struct History {
    #[serde(flatten)]
    delivery: DeliveryView,
    history: Vec<Step>,
}

/// One event of a delivery.
#[derive(Serialize)]
struct Step {
    event: &'static str,
    at: Timestamp,
    attempt: Option<u32>,
    http_status: Option<u16>,
    code: Option<FailureCode>,
    latency_ms: Option<u64>,
    retry_at: Option<Timestamp>,
    address: Option<std::net::IpAddr>,
    /// The beginning of the endpoint's answer, where it keeps answers.
    answer: Option<String>,
}

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let age = app.catch_up(Stream::Deliveries).await;
    let row = find(&app, &call)?;
    let id = delivery::Id { account: row.account, endpoint: row.endpoint, delivery: row.id };
    let mut history = Vec::new();
    for recorded in app.log.history::<Deliveries>(&id).await? {
        history.push(step(&app, &id, &recorded.event, recorded.time).await?);
    }
    let view = History { delivery: DeliveryView::of(&row), history };
    let mut response = call::json(StatusCode::OK, &view)?;
    app.date(&mut response, age);
    Ok(response)
}

/// The delivery that a call is about, in the caller's account.
pub(super) fn find(app: &App, call: &Call) -> Result<DeliveryRow, Problem> {
    let account = call.caller()?.account;
    let unknown = || Problem::NotFound { what: "delivery", id: call.quoted_id() };
    let id: DeliveryId = call.id.parse().map_err(|_odd| unknown())?;
    app.store.delivery(account, id)?.ok_or_else(unknown)
}

async fn step(app: &App, id: &delivery::Id, event: &Event, at: Timestamp) -> Result<Step, Problem> {
    let mut step = Step {
        event: event.name(),
        at,
        attempt: None,
        http_status: None,
        code: None,
        latency_ms: None,
        retry_at: None,
        address: None,
        answer: None,
    };
    let answer = match event {
        Event::Due { .. } | Event::RedeliveryRequested {} => return Ok(step),
        Event::AttemptFailed { attempt, code, status, latency_ms, retry_at, answer } => {
            step.attempt = Some(*attempt);
            step.code = Some(*code);
            step.http_status = *status;
            step.latency_ms = Some(*latency_ms);
            step.retry_at = Some(*retry_at);
            answer
        }
        Event::Delivered { attempt, status, latency_ms, answer, .. } => {
            step.attempt = Some(*attempt);
            step.http_status = Some(*status);
            step.latency_ms = Some(*latency_ms);
            answer
        }
        Event::Exhausted { attempts, code, status, latency_ms, answer } => {
            step.attempt = Some(*attempts);
            step.code = Some(*code);
            step.http_status = *status;
            step.latency_ms = Some(*latency_ms);
            answer
        }
    };
    let Answer { address, excerpt } = answer;
    step.address = *address;
    if let Some(sealed) = excerpt {
        let name = custody::endpoint_field(field::ENDPOINT_ANSWER, id.endpoint);
        step.answer = match app.custody.open_for_account(id.account, &name, sealed).await {
            Ok(text) => Some(text),
            Err(custody::Error::Erased) => None,
            Err(error) => return Err(error.into()),
        };
    }
    Ok(step)
}
