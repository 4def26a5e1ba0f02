//! `GET /v1/export`: everything held about the account, as lines of JSON.

use std::sync::Arc;

use bytes::Bytes;
use domain::scope::Scope;
use futures::{StreamExt as _, stream};
use http::{HeaderValue, header};
use tokio::sync::mpsc;
use warp::reply::{Reply as _, Response};

use crate::{
    app::App,
    auth::Access,
    call::Call,
    document::Doc,
    export::{self, ExportError},
    problem::Problem,
    routes::{Endpoint, Verb},
};

/// Lines made ready before the client has taken those before.
const AHEAD: usize = 64;

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/v1/export",
    access: Access::Caller(Scope::Audit),
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "Everything held about the account, personal fields opened, credentials left out, and what it used by day: one JSON object a line, the last {\"end\":true}.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "ExportLine",
        streams: false,
    },
};

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let account = call.caller()?.account;
    // One that lasts takes the place of an event stream.
    let place = app.places.take(account)?;
    let (sender, receiver) = mpsc::channel::<Result<Bytes, ExportError>>(AHEAD);
    let shutdown = app.shutdown.clone();
    tokio::spawn(async move {
        let _place = place;
        let mut lines = Box::pin(export::lines(&app.log, &app.custody, account));
        while let Some(Some(line)) = shutdown.run_until_cancelled(lines.next()).await {
            let line = line.inspect_err(|error| {
                tracing::warn!(error = %service::Chain(error), "an export breaks off");
            });
            let broken = line.is_err();
            let bytes = line.map(|line| Bytes::from(format!("{line}\n")));
            if sender.send(bytes).await.is_err() || broken {
                return;
            }
        }
    });
    let body =
        stream::unfold(
            receiver,
            |mut receiver| async move { Some((receiver.recv().await?, receiver)) },
        );
    let mut response = warp::reply::stream(body).into_response();
    let media_type = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    Ok(response)
}
