//! `GET /v1/jobs`: the account's jobs, newest first.

pub(crate) mod id;
mod view;

use std::sync::Arc;

use domain::{Timestamp, job::Status, scope::Scope};
use http::StatusCode;
use readmodel::{Cursor, MAX_PAGE_ROWS, Stream};
use serde::Serialize;
use warp::reply::Response;

use self::view::JobView;
use crate::{
    app::App,
    auth::Access,
    call::{self, Call, quote},
    document::{Doc, Parameter, Place},
    past::{self, AS_OF, AsOf},
    problem::Problem,
    reads::Age,
    routes::{Endpoint, Verb},
};

/// How many jobs a page has unless told otherwise.
const PAGE_ROWS: usize = 50;

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/v1/jobs",
    access: Access::Caller(Scope::JobsRead),
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "The account's jobs, newest first.",
        parameters: &[
            Parameter {
                place: Place::Query,
                name: "status",
                description: "Only jobs of this status: queued, retrying, running, cancelling, completed, failed or cancelled.",
            },
            Parameter {
                place: Place::Query,
                name: "limit",
                description: "How many jobs a page has: 1 to 200, 50 if absent.",
            },
            Parameter {
                place: Place::Query,
                name: "cursor",
                description: "The `next` of the page before.",
            },
            past::PARAMETER,
        ],
        request: None,
        status: 200,
        answer: "JobList",
        streams: false,
    },
};

/// A page of the list.
#[derive(Serialize)]
struct List {
    jobs: Vec<JobView>,
    next: Option<String>,
}

/// Which page of the list.
#[derive(Debug, PartialEq)]
pub(crate) struct Wanted {
    status: Option<Status>,
    limit: usize,
    cursor: Option<Cursor>,
    as_of: Option<AsOf>,
}

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let account = call.caller()?.account;
    let wanted = Wanted::read(&call, app.clock.now())?;
    let (store, age) = match wanted.as_of {
        None => {
            let age = app.catch_up(Stream::Jobs).await;
            (app.store.clone(), age)
        }
        Some(as_of) => {
            let past = app.past(account, &[Stream::Jobs], as_of).await?;
            (Arc::new(past.store), Age::Current)
        }
    };
    let read = move || store.jobs(account, wanted.status, wanted.cursor, wanted.limit);
    let page = tokio::task::spawn_blocking(read).await.map_err(|error| {
        tracing::error!(%error, "a list could not be read");
        Problem::Internal
    })??;
    let list = List {
        jobs: page
            .rows
            .iter()
            .map(|row| {
                let in_development = app.is_in_development(account, &row.job)?;
                let view = JobView::of(row.id, &row.job, row.seq);
                Ok(view.stored(in_development, app.custody.expires_at(&row.job)))
            })
            .collect::<Result<_, Problem>>()?,
        next: page.next.map(|cursor| cursor.to_string()),
    };
    let mut response = call::json(StatusCode::OK, &list)?;
    app.date(&mut response, age);
    Ok(response)
}

impl Wanted {
    pub(crate) fn read(call: &Call, now: Timestamp) -> Result<Self, Problem> {
        let invalid = |field, message| Problem::FieldInvalid { field, message };
        let mut wanted = Self { status: None, limit: PAGE_ROWS, cursor: None, as_of: None };
        for (name, value) in call.query(&["status", "limit", "cursor", AS_OF])? {
            match name {
                "status" => {
                    let known = Status::ALL.map(Status::name).join(", ");
                    wanted.status = Some(Status::parse(&value).ok_or_else(|| {
                        let value = quote(&value);
                        invalid("status", format!("\"{value}\" is no status: use {known}."))
                    })?);
                }
                "limit" => {
                    let limit = value.parse().ok().filter(|n| (1..=MAX_PAGE_ROWS).contains(n));
                    wanted.limit = limit.ok_or_else(|| {
                        let value = quote(&value);
                        invalid(
                            "limit",
                            format!("\"{value}\" is no limit: use 1 to {MAX_PAGE_ROWS}."),
                        )
                    })?;
                }
                AS_OF => wanted.as_of = Some(AsOf::read(&value, now)?),
                _ => {
                    let cursor = value.parse();
                    wanted.cursor = Some(cursor.map_err(|error: readmodel::InvalidCursor| {
                        invalid("cursor", format!("This is {error}."))
                    })?);
                }
            }
        }
        Ok(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Wanted, Problem> {
        Wanted::read(&Call::asking(query), "2026-11-22T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_query_is_read_strictly() {
        let plain = Wanted { status: None, limit: PAGE_ROWS, cursor: None, as_of: None };
        assert_eq!(read(""), Ok(plain));
        let some = read("status=failed&limit=200").unwrap();
        assert_eq!((some.status, some.limit), (Some(Status::Failed), 200));
        for wrong in [
            "status=done",
            "status=",
            "limit=0",
            "limit=201",
            "limit=-1",
            "limit=1e3",
            "cursor=x",
            "limit=1&limit=2",
            "page=2",
            "limit[]=3",
            "as_of=yesterday",
            "as_of=0",
        ] {
            let problem = read(wrong).unwrap_err();
            assert_eq!(problem.status(), StatusCode::BAD_REQUEST, "{wrong}");
        }
    }
}
