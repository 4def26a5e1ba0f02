//! `POST /v1/deliveries/{id}/redeliver`: has a delivery told again, by the schedule from its start.

use std::sync::Arc;

use domain::{
    delivery::{self, Deliveries, Refusal},
    scope::Scope,
};
use eventlog::{Moment, TransactError};
use http::StatusCode;
use readmodel::Stream;
use warp::reply::Response;

use super::{DeliveryView, id::find};
use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    problem::Problem,
    routes::{Endpoint, Verb},
};

pub(crate) const POST: Endpoint = Endpoint {
    verb: Verb::Post,
    path: "/v1/deliveries/{id}/redeliver",
    access: Access::Caller(Scope::AccountWrite),
    handler: |app, call| Box::pin(post(app, call)),
    doc: Doc {
        summary: "Has a delivery that is over made again, under the same webhook-id. For all that failed since a time, use an endpoint's /replays with `only` = `exhausted`.",
        parameters: &[],
        request: None,
        status: 202,
        answer: "Delivery",
        streams: false,
    },
};

async fn post(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    app.catch_up(Stream::Deliveries).await;
    let row = find(&app, &call)?;
    let id = delivery::Id { account: row.account, endpoint: row.endpoint, delivery: row.id };
    let moment = Moment { now: app.clock.now(), traceparent: call.traceparent() };
    match app.log.transact::<Deliveries, Refusal>(&id, moment, delivery::redeliver).await {
        Ok(_) => {}
        Err(TransactError::Refused(refusal @ Refusal::Waiting)) => {
            let message = format!("{refusal}: its next attempt is due anyway.");
            return Err(Problem::Conflict { code: "delivery_waiting", message });
        }
        Err(TransactError::Refused(Refusal::Unknown)) => {
            return Err(Problem::NotFound { what: "delivery", id: call.quoted_id() });
        }
        Err(error) => {
            tracing::warn!(error = %service::Chain(&error), "not made due again");
            return Err(Problem::Unavailable);
        }
    }
    app.catch_up(Stream::Deliveries).await;
    let row = find(&app, &call)?;
    call::json(StatusCode::ACCEPTED, &DeliveryView::of(&row))
}
