//! `GET /v1/deliveries`: what was told to endpoints, and how it went.

pub(crate) mod id;
pub(crate) mod redeliver;

use std::{fmt::Write as _, sync::Arc};

use domain::{
    Timestamp,
    delivery::{FailureCode, Phase},
    id::{DeliveryId, EndpointId, EventId, JobId},
    scope::Scope,
};
use http::{HeaderValue, StatusCode, header};
use readmodel::{Attempt, DeliveryFilter, DeliveryRow, MAX_PAGE_ROWS, Standing, Stream};
use serde::Serialize;
use warp::reply::{Reply as _, Response};

use crate::{
    app::App,
    auth::Access,
    call::{self, Call, quote},
    document::{Doc, Parameter, Place},
    problem::Problem,
    routes::{Endpoint, Verb},
};

/// Rows of a page, if the query does not say.
const PAGE_ROWS: usize = 50;

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/v1/deliveries",
    access: Access::Caller(Scope::AccountRead),
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "Deliveries to webhook endpoints, newest first.",
        parameters: &[
            Parameter {
                place: Place::Query,
                name: "endpoint",
                description: "Those to this endpoint alone.",
            },
            Parameter {
                place: Place::Query,
                name: "status",
                description: "waiting, delivered or exhausted.",
            },
            Parameter {
                place: Place::Query,
                name: "limit",
                description: "Rows of a page, 1 to 200; 50 if absent.",
            },
            Parameter {
                place: Place::Query,
                name: "cursor",
                description: "The `next` of the page before.",
            },
            Parameter { place: Place::Query, name: "format", description: "csv for a table." },
        ],
        request: None,
        status: 200,
        answer: "DeliveryList",
        streams: false,
    },
};

/// A delivery as its owner sees it.
#[derive(Serialize)]
pub(crate) struct DeliveryView {
    id: DeliveryId,
    webhook_id: String,
    endpoint: EndpointId,
    event: EventId,
    topic: String,
    job: Option<JobId>,
    sequence: u64,
    status: &'static str,
    attempts: u32,
    due_at: Timestamp,
    updated_at: Timestamp,
    retry_at: Option<Timestamp>,
    code: Option<FailureCode>,
    last: Option<Attempt>,
}

impl DeliveryView {
    pub(crate) fn of(row: &DeliveryRow) -> Self {
        let delivery = &row.delivery;
        let (retry_at, code) = match delivery.phase {
            Phase::Waiting { retry_at } => (retry_at, None),
            Phase::Delivered { .. } => (None, None),
            Phase::Exhausted { code, .. } => (None, Some(code)),
        };
        Self {
            id: row.id,
            webhook_id: format!("msg_{}", row.id.as_uuid().simple()),
            endpoint: row.endpoint,
            event: delivery.told.event_id,
            topic: delivery.told.event_type.clone(),
            job: delivery.told.job,
            sequence: delivery.told.seq,
            status: row.standing().name(),
            attempts: delivery.attempts,
            due_at: delivery.due_at,
            updated_at: row.updated_at,
            retry_at,
            code,
            last: row.last,
        }
    }
}

#[derive(Serialize)]
struct List {
    deliveries: Vec<DeliveryView>,
    next: Option<String>,
}

/// Which page, and in which form.
struct Wanted {
    filter: DeliveryFilter,
    limit: usize,
    csv: bool,
}

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let account = call.caller()?.account;
    let wanted = Wanted::read(&call)?;
    let age = app.catch_up(Stream::Deliveries).await;
    let store = app.store.clone();
    let read = move || store.deliveries(account, wanted.filter, wanted.limit);
    let page = tokio::task::spawn_blocking(read).await.map_err(|error| {
        tracing::error!(%error, "a list could not be read");
        Problem::Internal
    })??;
    let list = List {
        deliveries: page.rows.iter().map(DeliveryView::of).collect(),
        next: page.next.map(|cursor| cursor.to_string()),
    };
    let mut response = if wanted.csv { csv(&list) } else { call::json(StatusCode::OK, &list)? };
    app.date(&mut response, age);
    Ok(response)
}

impl Wanted {
    fn read(call: &Call) -> Result<Self, Problem> {
        let invalid = |field, message| Problem::FieldInvalid { field, message };
        let mut wanted = Self { filter: DeliveryFilter::default(), limit: PAGE_ROWS, csv: false };
        for (name, value) in call.query(&["endpoint", "status", "limit", "cursor", "format"])? {
            let quoted = quote(&value);
            match name {
                "endpoint" => {
                    wanted.filter.endpoint = Some(value.parse().map_err(|error| {
                        let error: domain::id::InvalidId = error;
                        invalid("endpoint", format!("{error}."))
                    })?);
                }
                "status" => {
                    wanted.filter.standing = Some(Standing::parse(&value).ok_or_else(|| {
                        let known = Standing::ALL.map(Standing::name).join(", ");
                        invalid("status", format!("\"{quoted}\" is no status: use {known}."))
                    })?);
                }
                "limit" => {
                    let limit = value.parse().ok().filter(|n| (1..=MAX_PAGE_ROWS).contains(n));
                    wanted.limit = limit.ok_or_else(|| {
                        let text = format!("\"{quoted}\" is no limit: use 1 to {MAX_PAGE_ROWS}.");
                        invalid("limit", text)
                    })?;
                }
                "format" => match value.as_str() {
                    "csv" => wanted.csv = true,
                    "json" => {}
                    _ => return Err(invalid("format", "Use json or csv.".to_owned())),
                },
                _ => {
                    wanted.filter.cursor = Some(value.parse().map_err(|error| {
                        let error: readmodel::InvalidCursor = error;
                        invalid("cursor", format!("This is {error}."))
                    })?);
                }
            }
        }
        Ok(wanted)
    }
}

/// A table (RFC 4180). Nothing in it comes from a stranger, so nothing needs quoting.
fn csv(list: &List) -> Response {
    let mut table = "id,endpoint,topic,job,sequence,status,attempts,due_at,updated_at,retry_at,http_status,latency_ms\r\n".to_owned();
    for row in &list.deliveries {
        let text = |value: Option<String>| value.unwrap_or_default();
        let last = row.last;
        // Writing to a text never fails.
        let _written = write!(
            table,
            "{},{},{},{},{},{},{},{},{},{},{},{}\r\n",
            row.id,
            row.endpoint,
            row.topic,
            text(row.job.map(|job| job.to_string())),
            row.sequence,
            row.status,
            row.attempts,
            row.due_at,
            row.updated_at,
            text(row.retry_at.map(|at| at.to_string())),
            text(last.and_then(|last| last.status).map(|status| status.to_string())),
            text(last.map(|last| last.latency_ms.to_string())),
        );
    }
    let mut response = http::Response::new(bytes::Bytes::from(table)).into_response();
    let media_type = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}
