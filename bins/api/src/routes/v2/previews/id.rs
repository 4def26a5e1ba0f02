//! `GET /v2/previews/{id}`: how a preview stands.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use domain::{
    Timestamp,
    filepreviews::{self, Style},
    id::JobId,
    job,
    scope::Scope,
};
use http::{HeaderName, HeaderValue, StatusCode};
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
    views::View,
};

/// Until when links in a body work to results in development storage.
const EXPIRES_AT: HeaderName = HeaderName::from_static("darkroom-expires-at");
/// Where they lie, if that is not a bucket of the account's own.
const STORAGE: HeaderName = HeaderName::from_static("darkroom-storage");

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/v2/previews/{id}",
    access: Access::CallerOrOrigin(Scope::JobsRead),
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
    if reach == Reach::There
        && let Some(view) = app.views.get(&id, caller.failure_word(), Instant::now())
        && caller.may_see_jobs_of(view.application)
    {
        let in_development = if view.goes_on {
            app.stores_in_development(id.account)?
        } else {
            view.expires_at.is_some()
        };
        let mut response = call::json_bytes(StatusCode::OK, view.body);
        say_where(&mut response, in_development, view.expires_at);
        return Ok(response);
    }
    // Boxed: the way from here is rarely taken, and long.
    let made = Box::pin(make(&app, caller, id, reach)).await?;
    made.ok_or_else(unknown)
}

/// Makes the answer, and keeps it if it is current.
async fn make(
    app: &App,
    caller: &Caller,
    id: job::Id,
    reach: Reach,
) -> Result<Option<Response>, Problem> {
    let place = app.views.take(id.job);
    let seen = app.job_after(reach, id).await?;
    let Some(seen) = seen.filter(|seen| caller.may_see(&seen.job)) else { return Ok(None) };
    let opened = app.open_view(&id, &seen.job).await?;
    let body = filepreviews::body(id.job, &seen.job, &opened, &style(app, caller));
    let body = Bytes::from(serde_json::to_vec(&body).map_err(|error| {
        tracing::error!(%error, "an answer has no JSON form");
        Problem::Internal
    })?);
    let expires_at = app.custody.expires_at(&seen.job);
    if reach == Reach::There {
        let view = View {
            account: id.account,
            application: seen.job.requested.application,
            word: caller.failure_word(),
            body: body.clone(),
            expires_at,
            goes_on: !matches!(seen.job.phase, job::Phase::Ended(_)),
        };
        app.views.put(&place, view, Instant::now());
    }
    let mut response = call::json_bytes(StatusCode::OK, body);
    say_where(&mut response, app.is_in_development(id.account, &seen.job)?, expires_at);
    app.date(&mut response, seen.age);
    Ok(Some(response))
}

/// Says that results lie in development storage, or will, and until when links to them work. The body is
/// the contract's.
pub(crate) fn say_where(
    response: &mut Response,
    in_development: bool,
    expires_at: Option<Timestamp>,
) {
    if in_development {
        response.headers_mut().insert(STORAGE, HeaderValue::from_static("development"));
    }
    let text = expires_at.map(|at| HeaderValue::from_str(&at.to_string()));
    if let Some(Ok(text)) = text {
        response.headers_mut().insert(EXPIRES_AT, text);
    }
}

/// How the caller wants to be answered.
pub(crate) fn style(app: &App, caller: &Caller) -> Style {
    Style { public_url: app.public_url.clone(), failure_word: caller.failure_word() }
}
