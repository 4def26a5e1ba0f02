//! `GET /v1/events`: everything that happens to the account, as it happens or as lines up to now.

mod cursor;
mod follower;
mod listener;
mod wanted;

use std::sync::Arc;

use domain::{Timestamp, scope::Scope};
use http::{HeaderValue, header};
use warp::reply::{Reply as _, Response};

use self::{cursor::Start, follower::Follower, wanted::Wanted};
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
    path: "/v1/events",
    access: Access::Caller(Scope::JobsRead),
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "Everything that happens to the account, as CloudEvents with personal fields opened: one JSON object a line up to now, or with `Accept: text/event-stream` from now on, as it happens.",
        parameters: &[
            Parameter {
                place: Place::Query,
                name: "types",
                description: "Only these events, as webhook topics have them, with commas between: job.*, delivery.exhausted. Kinds: job (scope jobs:read), upload (uploads:write), account, destination, endpoint, delivery (account:read), member (audit); audit lets all be seen. What the caller may not see is left out; asked for by name it is refused.",
            },
            Parameter {
                place: Place::Query,
                name: "job",
                description: "Only what happens to this job.",
            },
            Parameter {
                place: Place::Query,
                name: "application",
                description: "Only what happens to jobs that this key pair asked for.",
            },
            Parameter {
                place: Place::Query,
                name: "after",
                description: "Only what came after this: the `cursor` of an event; `start` for everything (so without it in lines); `now` (so without it in a stream).",
            },
            Parameter {
                place: Place::Header,
                name: "Last-Event-ID",
                description: "The same, as event sources send it; it stands before `after`.",
            },
            Parameter {
                place: Place::Query,
                name: "since",
                description: "Nothing that happened before this time.",
            },
            Parameter {
                place: Place::Query,
                name: "follow",
                description: "Whether to go on with what happens from now on: true or false. True for a stream unless said otherwise, false for lines.",
            },
        ],
        request: None,
        status: 200,
        answer: "Event",
        streams: true,
    },
};

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Server-sent events, as browsers' `EventSource` reads them.
    Sse,
    /// One JSON object a line.
    Lines,
}

impl Form {
    const fn media_type(self) -> &'static str {
        match self {
            Self::Sse => "text/event-stream",
            Self::Lines => "application/x-ndjson",
        }
    }
}

/// What somebody wants to hear, and how.
pub(crate) struct Asked {
    form: Form,
    wanted: Wanted,
    start: Start,
    since: Option<Timestamp>,
    follow: bool,
}

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let asked = read(&call)?;
    let form = asked.form;
    let body = Follower::open(app, &call, asked).await?;
    let mut response = warp::reply::stream(body).into_response();
    let media_type = HeaderValue::from_static(form.media_type());
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    Ok(response)
}

pub(crate) fn read(call: &Call) -> Result<Asked, Problem> {
    let form = if call.accepts("text/event-stream") { Form::Sse } else { Form::Lines };
    let (mut types, mut job, mut application) = (None, None, None);
    let (mut after, mut since, mut follow) = (None, None, form == Form::Sse);
    for (name, value) in call.query(&["types", "job", "application", "after", "since", "follow"])? {
        match name {
            "types" => types = Some(value),
            "job" => job = Some(call::read(name, &value)?),
            "application" => application = Some(call::read(name, &value)?),
            "after" => after = Some(Start::read("after", &value)?),
            "since" => since = Some(call::time(name, &value)?),
            _ => follow = flag(&value)?,
        }
    }
    let last = call.header("last-event-id").filter(|text| !text.is_empty());
    let last = last.map(|text| Start::read("Last-Event-ID", text)).transpose()?;
    let usual = if form == Form::Sse && since.is_none() { Start::Now } else { Start::Beginning };
    let wanted = Wanted::read(call.caller()?, types.as_deref(), job, application)?;
    Ok(Asked { form, wanted, start: last.or(after).unwrap_or(usual), since, follow })
}

fn flag(text: &str) -> Result<bool, Problem> {
    let message = "This must be true or false.".to_owned();
    text.parse().map_err(|_neither| Problem::FieldInvalid { field: "follow", message })
}
