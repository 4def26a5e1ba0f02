//! `POST /v1/endpoints/{id}/test`: sends a sample to an endpoint, by the way that everything takes.

use std::{sync::Arc, time::Duration};

use domain::{
    delivery::{self, Deliveries, State, Told},
    endpoint::Topic,
    id::EventId,
    scope::Scope,
};
use eventlog::{Moment, topology};
use http::StatusCode;
use readmodel::Stream;
use uuid::Uuid;
use warp::reply::Response;

use super::{super::deliveries::DeliveryView, named, unknown};
use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    problem::Problem,
    routes::{Endpoint, Verb},
};

/// How long the answer waits for the endpoint's.
const PATIENCE: Duration = Duration::from_secs(8);

pub(crate) const POST: Endpoint = Endpoint {
    verb: Verb::Post,
    path: "/v1/endpoints/{id}/test",
    access: Access::Caller(Scope::AccountWrite),
    handler: |app, call| Box::pin(post(app, call)),
    doc: Doc {
        summary: "Sends a signed sample (`endpoint.test`) to an endpoint and says how it went; without an answer within 8 seconds, that it is under way.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "Delivery",
        streams: false,
    },
};

async fn post(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let endpoint = named(&call)?;
    app.catch_up(Stream::Endpoints).await;
    app.store.endpoint(endpoint)?.ok_or_else(|| unknown(&call))?;
    let now = app.clock.now();
    let event_id = EventId::from_uuid(Uuid::new_v4());
    let id = delivery::Id::of(endpoint, event_id);
    let told = Told {
        event_id,
        event_type: Topic::test().as_str().to_owned(),
        job: None,
        time: Some(now),
        stream: topology::ENDPOINTS.to_owned(),
        seq: 0,
    };
    let moment = Moment { now, traceparent: call.traceparent() };
    let due = |state: &State| delivery::due(state, told.clone());
    app.log.transact::<Deliveries, _>(&id, moment, due).await.map_err(|error| {
        tracing::warn!(error = %service::Chain(&error), "a sample could not be sent");
        Problem::Unavailable
    })?;
    let mut reached = app.reached.subscribe();
    let attempted = async {
        loop {
            if let Some(row) = app.store.delivery(id.account, id.delivery)?
                && row.last.is_some()
            {
                return Ok::<_, Problem>(row);
            }
            reached.changed().await.map_err(|_stopping| Problem::Unavailable)?;
        }
    };
    match tokio::time::timeout(PATIENCE, attempted).await {
        Ok(row) => call::json(StatusCode::OK, &DeliveryView::of(&row?)),
        Err(_elapsed) => {
            app.catch_up(Stream::Deliveries).await;
            let row = app.store.delivery(id.account, id.delivery)?.ok_or(Problem::Unavailable)?;
            call::json(StatusCode::ACCEPTED, &DeliveryView::of(&row))
        }
    }
}
