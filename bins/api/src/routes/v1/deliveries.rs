//! `GET /v1/deliveries`: what was told to endpoints, and how it went.

pub(crate) mod id;
pub(crate) mod redeliver;
mod table;

use std::sync::Arc;

use domain::{
    Timestamp,
    delivery::{FailureCode, Phase},
    id::{DeliveryId, EndpointId, EventId, JobId},
    scope::Scope,
};
use http::StatusCode;
use readmodel::{Attempt, DeliveryFilter, DeliveryRow, MAX_PAGE_ROWS, Standing, Stream};
use serde::Serialize;
use warp::reply::Response;

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
        summary: "Deliveries to webhook endpoints, newest first. A page may have fewer than its rows, even none, and yet a `next`. With `format=csv` all that are wanted, as a table that breaks off where it cannot be whole.",
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
                name: "topic",
                description: "Those of this topic alone, as endpoints name them: job.completed, job.*, *.",
            },
            Parameter {
                place: Place::Query,
                name: "job",
                description: "Those that tell of this job alone.",
            },
            Parameter {
                place: Place::Query,
                name: "since",
                description: "Those that became due at this time or later.",
            },
            Parameter {
                place: Place::Query,
                name: "until",
                description: "Those that became due before this time.",
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
            Parameter {
                place: Place::Query,
                name: "format",
                description: "json or csv. A table has no pages: `limit` and `cursor` do not go with it.",
            },
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
    duplicates: u32,
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
            duplicates: row.duplicates(),
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

/// Which deliveries, and in which form.
#[derive(Debug, PartialEq)]
pub(crate) struct Wanted {
    filter: DeliveryFilter,
    form: Form,
}

#[derive(Debug, PartialEq, Eq)]
enum Form {
    /// One page in JSON, of so many rows at most.
    Page { limit: usize },
    /// All of them in CSV.
    Table,
}

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let account = call.caller()?.account;
    let Wanted { filter, form } = Wanted::read(&call)?;
    let age = app.catch_up(Stream::Deliveries).await;
    let mut response = match form {
        Form::Page { limit } => {
            let store = app.store.clone();
            let read = move || store.deliveries(account, &filter, limit);
            let page = tokio::task::spawn_blocking(read).await.map_err(|error| {
                tracing::error!(%error, "a list could not be read");
                Problem::Internal
            })??;
            let list = List {
                deliveries: page.rows.iter().map(DeliveryView::of).collect(),
                next: page.next.map(|cursor| cursor.to_string()),
            };
            call::json(StatusCode::OK, &list)?
        }
        Form::Table => table::response(&app, account, filter)?,
    };
    app.date(&mut response, age);
    Ok(response)
}

impl Wanted {
    pub(crate) fn read(call: &Call) -> Result<Self, Problem> {
        const KNOWN: [&str; 9] =
            ["endpoint", "status", "topic", "job", "since", "until", "limit", "cursor", "format"];
        let (mut filter, mut limit, mut csv) = (DeliveryFilter::default(), None, false);
        for (name, value) in call.query(&KNOWN)? {
            let quoted = quote(&value);
            match name {
                "endpoint" => filter.endpoint = Some(call::read(name, &value)?),
                "status" => {
                    filter.standing = Some(Standing::parse(&value).ok_or_else(|| {
                        let known = Standing::ALL.map(Standing::name).join(", ");
                        invalid("status", format!("\"{quoted}\" is no status: use {known}."))
                    })?);
                }
                "topic" => filter.topic = Some(call::read(name, &value)?),
                "job" => filter.job = Some(call::read(name, &value)?),
                "since" => filter.since = Some(call::time(name, &value)?),
                "until" => filter.until = Some(call::time(name, &value)?),
                "limit" => {
                    let known = value.parse().ok().filter(|n| (1..=MAX_PAGE_ROWS).contains(n));
                    limit = Some(known.ok_or_else(|| {
                        let text = format!("\"{quoted}\" is no limit: use 1 to {MAX_PAGE_ROWS}.");
                        invalid("limit", text)
                    })?);
                }
                "format" => match value.as_str() {
                    "csv" => csv = true,
                    "json" => {}
                    _ => return Err(invalid("format", "Use json or csv.".to_owned())),
                },
                _ => {
                    filter.cursor = Some(value.parse().map_err(|error| {
                        let error: readmodel::InvalidCursor = error;
                        invalid("cursor", format!("This is {error}."))
                    })?);
                }
            }
        }
        if let (Some(since), Some(until)) = (filter.since, filter.until)
            && until <= since
        {
            return Err(invalid("until", format!("This must be a time after {since}.")));
        }
        let form = match (csv, limit) {
            (false, limit) => Form::Page { limit: limit.unwrap_or(PAGE_ROWS) },
            (true, None) if filter.cursor.is_none() => Form::Table,
            (true, limit) => {
                let paged = if limit.is_some() { "limit" } else { "cursor" };
                let text = "A table has every row that is wanted: leave this out, and use since and until for a part.";
                return Err(invalid(paged, text.to_owned()));
            }
        };
        Ok(Self { filter, form })
    }
}

const fn invalid(field: &'static str, message: String) -> Problem {
    Problem::FieldInvalid { field, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Wanted, Problem> {
        Wanted::read(&Call::asking(query))
    }

    #[test]
    fn a_query_is_read_strictly() {
        let plain =
            Wanted { filter: DeliveryFilter::default(), form: Form::Page { limit: PAGE_ROWS } };
        assert_eq!(read(""), Ok(plain));
        let some =
            read("status=exhausted&topic=job.*&until=2026-11-22T12:00:00Z&limit=200").unwrap();
        assert_eq!(some.form, Form::Page { limit: MAX_PAGE_ROWS });
        assert_eq!(some.filter.standing, Some(Standing::Exhausted));
        assert_eq!(some.filter.topic, Some("job.*".parse().unwrap()));
        assert_eq!(some.filter.until, Some("2026-11-22T12:00:00Z".parse().unwrap()));
        assert_eq!(read("format=csv").unwrap().form, Form::Table);
        for (wrong, field) in [
            ("endpoint=7", "endpoint"),
            ("status=done", "status"),
            ("topic=", "topic"),
            ("topic=jobs.*", "topic"),
            ("topic=member.*", "topic"),
            ("job=7", "job"),
            ("since=yesterday", "since"),
            ("until=2026-11-22", "until"),
            ("since=2026-11-22T12:00:00Z&until=2026-11-22T12:00:00Z", "until"),
            ("limit=0", "limit"),
            ("limit=201", "limit"),
            ("cursor=x", "cursor"),
            ("format=xml", "format"),
            ("format=csv&limit=5", "limit"),
        ] {
            let Err(Problem::FieldInvalid { field: named, message }) = read(wrong) else {
                panic!("{wrong} is read")
            };
            assert!(named == field && message.len() > 10, "{wrong}: {named}: {message}");
        }
        assert!(matches!(read("page=2"), Err(Problem::Malformed(_))));
    }
}
