//! `GET /v1/audit/events`: what happened in the account, as it is stored; page by page, or all of it as lines.

pub(crate) mod wanted;

use std::sync::Arc;

use bytes::Bytes;
use domain::{id::AccountId, scope::Scope};
use eventlog::{Line, Log, Raw, Span, Unavailable};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;
use warp::reply::{Reply as _, Response};

use self::wanted::{Format, Wanted};
use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::{Doc, Parameter, Place},
    problem::Problem,
    routes::{Endpoint, Verb},
};

/// Lines that are gathered before they are sent.
const LINES: usize = 256;
/// Such gatherings made ready before the client has taken those before.
const AHEAD: usize = 4;

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/v1/audit/events",
    access: Access::Caller(Scope::Audit),
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "What happened in the account, oldest first, as it is stored: what is sealed stays sealed, and what stands for a credential is left out. With `Accept: application/x-ndjson` or `text/csv` all of it as lines instead of a page.",
        parameters: &[
            query("job", "Only the history of this job."),
            query(
                "stream",
                "Only these histories: jobs, accounts, members, uploads, endpoints or deliveries.",
            ),
            query("event", "Only events of this name, as in completed."),
            query("since", "Nothing decided before this time."),
            query("until", "Nothing decided after this time."),
            query("from_seq", "Nothing before this sequence; needs `stream` or `job`."),
            query("to_seq", "Nothing after this sequence; needs `stream` or `job`."),
            query("after", "The `next` of the page before."),
            query("limit", "How many events a page has: 1 to 1000, 100 if absent."),
        ],
        request: None,
        status: 200,
        answer: "AuditEvents",
        streams: false,
    },
};

const fn query(name: &'static str, description: &'static str) -> Parameter {
    Parameter { place: Place::Query, name, description }
}

/// A page of events.
#[derive(Serialize)]
struct Page<'a> {
    events: Vec<Line<'a>>,
    next: Option<String>,
}

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let account = call.caller()?.account;
    let wanted = Wanted::read(&call)?;
    let sources = wanted.sources(account);
    match wanted.format {
        Format::Page => page(&app.log, sources, &wanted).await,
        format => lines(app, account, sources, format),
    }
}

async fn page(
    log: &Log,
    sources: Vec<(String, Span)>,
    wanted: &Wanted,
) -> Result<Response, Problem> {
    let found = log.replay_merged(sources);
    // One more than is shown: whether there is another page.
    let mut raws: Vec<Raw> = found.take(wanted.limit + 1).try_collect().await?;
    let more = raws.len() > wanted.limit;
    raws.truncate(wanted.limit);
    let mut reached = wanted.after.clone();
    raws.iter().for_each(|raw| reached.pass(raw));
    let page =
        Page { events: raws.iter().map(line).collect(), next: more.then(|| reached.to_string()) };
    call::json(StatusCode::OK, &page)
}

/// All of it, as it is read.
fn lines(
    app: Arc<App>,
    account: AccountId,
    sources: Vec<(String, Span)>,
    format: Format,
) -> Result<Response, Problem> {
    // One that lasts takes the place of an event stream.
    let place = app.places.take(account)?;
    let (sender, receiver) = mpsc::channel::<Result<Bytes, Unavailable>>(AHEAD);
    let shutdown = app.shutdown.clone();
    tokio::spawn(async move {
        let _place = place;
        let mut texts = Box::pin(texts(&app.log, sources, format));
        while let Some(Some(text)) = shutdown.run_until_cancelled(texts.next()).await {
            let broken = text.is_err();
            if let Err(error) = &text {
                tracing::warn!(error = %service::Chain(error), "an export of events breaks off");
            }
            if sender.send(text).await.is_err() || broken {
                return;
            }
        }
    });
    let body = futures::stream::unfold(receiver, |mut receiver| async move {
        Some((receiver.recv().await?, receiver))
    });
    let mut response = warp::reply::stream(body).into_response();
    let media_type = match format {
        Format::Csv => "text/csv; charset=utf-8",
        Format::Page | Format::Lines => "application/x-ndjson",
    };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    Ok(response)
}

fn texts(
    log: &Log,
    sources: Vec<(String, Span)>,
    format: Format,
) -> impl Stream<Item = Result<Bytes, Unavailable>> + Send + use<> {
    let head = match format {
        Format::Csv => Bytes::from_static(Line::CSV_HEAD.as_bytes()),
        Format::Page | Format::Lines => Bytes::new(),
    };
    let raws = log.replay_merged(sources).ready_chunks(LINES);
    let texts = raws.map(move |raws| {
        let mut text = Vec::new();
        for raw in raws {
            let raw = raw?;
            match format {
                Format::Csv => line(&raw).write_csv(&mut text),
                Format::Page | Format::Lines => line(&raw).write_json(&mut text),
            }
        }
        Ok(text.into())
    });
    futures::stream::iter([Ok(head)]).chain(texts)
}

/// What is shown of an event; its hash is that of the event as it is stored.
fn line(raw: &Raw) -> Line<'_> {
    let mut data: Value = serde_json::from_slice(&raw.body).unwrap_or_default();
    custody::event::withhold(&mut data);
    Line::told(raw, raw.hash(), data)
}
