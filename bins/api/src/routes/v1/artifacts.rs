//! `GET /v1/artifacts/{id}/{name}`: where what a job made can be downloaded, for a moment.

use std::{sync::Arc, time::Duration};

use custody::Download;
use domain::{id::JobId, job, scope::Scope};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use warp::reply::Response;

use crate::{
    app::App,
    auth::Access,
    call::{self, Call, quote},
    document::Doc,
    problem::Problem,
    routes::{Endpoint, Verb, v2::previews::id::say_where},
};

/// How long a link works. A download that has begun goes on.
const WORKS: Duration = Duration::from_secs(300);

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/v1/artifacts/{id}/{name}",
    access: Access::CallerOrOrigin(Scope::JobsRead),
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "Leads to what the job with this id made under this name: a link that works for five minutes, through the CDN where there is one.",
        parameters: &[],
        request: None,
        status: 302,
        answer: "Download",
        streams: false,
    },
};

#[derive(Serialize)]
struct Leads {
    url: String,
}

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let unknown = || Problem::NoSuchJob(call.quoted_id());
    let job: JobId = call.id.parse().or(Err(unknown()))?;
    let id = job::Id { account: caller.account, job };
    let seen = app.job(id).await?.filter(|seen| caller.may_see(&seen.job));
    let job = seen.ok_or_else(unknown)?.job;
    let expires_at = app.custody.expires_at(&job);
    let download = match app.custody.download(&id, &job, &call.name, (app.clock.now(), WORKS)).await
    {
        Err(custody::Error::Erased) => None,
        download => download?,
    };
    let name = quote(&call.name);
    let Some(download) = download else {
        return Err(Problem::NotFound {
            what: "artifact",
            id: format!("{job_id}/{name}", job_id = id.job),
        });
    };
    match download {
        Download::Link(url) => {
            let location = HeaderValue::from_str(&url).or(Err(Problem::Internal))?;
            let mut response = call::json(StatusCode::FOUND, &Leads { url })?;
            response.headers_mut().insert(header::LOCATION, location);
            say_where(&mut response, expires_at.is_some(), expires_at);
            Ok(response)
        }
        Download::Own(url) => Err(Problem::Conflict {
            code: "in_own_bucket",
            message: format!(
                "This lies in the account's own bucket, which Darkroom can write to and nobody but its owner can sign links for: {url}"
            ),
        }),
    }
}
