//! `GET /v2/previews/{id}`: how a preview stands.

use std::sync::Arc;

use domain::{
    filepreviews::{self, Style},
    id::JobId,
    job,
};
use http::StatusCode;
use readmodel::Stream;
use warp::reply::Response;

use crate::{
    app::App,
    auth::{Access, Caller},
    call::{self, Call},
    document::Doc,
    problem::Problem,
    reads::Reach,
    routes::{Endpoint, Verb},
};

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/v2/previews/{id}",
    access: Access::SecretOrOrigin,
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "How a preview stands.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "Preview",
        streams: false,
    },
};

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let unknown = || Problem::NoSuchPreview(call.quoted_id());
    let Ok(job) = call.id.parse::<JobId>() else { return Err(unknown()) };
    let id = job::Id { account: caller.account, job };
    let reach = app.reach(Stream::Jobs).await;
    if let Some(body) = seen_before(&app, caller, id, reach)? {
        return Ok(call::json_bytes(StatusCode::OK, body));
    }
    let seen = app.job_after(reach, id).await?;
    let seen = seen.filter(|seen| caller.may_see(&seen.job)).ok_or_else(unknown)?;
    let opened = app.open_view(&id, &seen.job).await?;
    let body = filepreviews::body(job, &seen.job, &opened, &style(&app, caller));
    let body = bytes::Bytes::from(serde_json::to_vec(&body).map_err(|error| {
        tracing::error!(%error, "an answer has no JSON form");
        Problem::Internal
    })?);
    app.views.put(job, seen.seq, caller.application.failure_word, body.clone());
    let mut response = call::json_bytes(StatusCode::OK, body);
    app.date(&mut response, seen.age);
    Ok(response)
}

/// The answer that was made before, if the job has not moved on since.
fn seen_before(
    app: &App,
    caller: &Caller,
    id: job::Id,
    reach: Reach,
) -> Result<Option<bytes::Bytes>, Problem> {
    if reach != Reach::There {
        return Ok(None);
    }
    let mark = app.store.job_mark(id)?;
    let mark = mark.filter(|mark| caller.may_see_jobs_of(mark.application));
    Ok(mark.and_then(|mark| app.views.get(id.job, mark.seq, caller.application.failure_word)))
}

/// How the caller wants to be answered.
pub(crate) fn style(app: &App, caller: &Caller) -> Style {
    Style { public_url: app.public_url.clone(), failure_word: caller.application.failure_word }
}
