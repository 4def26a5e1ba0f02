//! `POST /v1/uploads/{id}/parts`: links for more parts, or fresh ones for the same.

use std::sync::Arc;

use domain::{scope::Scope, upload::Phase};
use http::StatusCode;
use serde::Deserialize;
use warp::reply::Response;

use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    problem::Problem,
    routes::{
        Endpoint, Verb,
        v1::uploads::{
            body, find,
            view::{UploadView, plan},
        },
    },
};

/// The most links in one answer.
const MAX_LINKS: usize = 100;

pub(crate) const POST: Endpoint = Endpoint {
    verb: Verb::Post,
    path: "/v1/uploads/{id}/parts",
    access: Access::CallerOrOrigin(Scope::UploadsWrite),
    handler: |app, call| Box::pin(post(app, call)),
    doc: Doc {
        summary: "Links to send these parts with; earlier links go on working until they expire.",
        parameters: &[],
        request: Some("UploadParts"),
        status: 200,
        answer: "Upload",
        streams: false,
    },
};

/// What is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    numbers: Vec<u64>,
}

async fn post(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let (id, upload) = find(&app, &call).await?;
    let Asked { numbers } = body(&call)?;
    let plan = plan(&upload);
    let known = |number: &u64| plan.part(*number).is_some();
    if !(1..=MAX_LINKS).contains(&numbers.len()) || !numbers.iter().all(known) {
        let count = plan.count();
        return Err(Problem::FieldInvalid {
            field: "numbers",
            message: format!(
                "This field takes 1 to {MAX_LINKS} numbers of parts from 1 to {count}."
            ),
        });
    }
    let now = app.clock.now();
    if upload.phase != Phase::Open || now >= upload.started.expires_at {
        return Err(Problem::Conflict {
            code: "upload_not_open",
            message: format!(
                "No more parts can be sent: the upload is {}.",
                match upload.phase {
                    Phase::Open => "about to expire",
                    ref phase => phase.name(),
                }
            ),
        });
    }
    let mut view = UploadView::open(&app, &id, &upload).await?;
    view.sign(&app, &id, &upload, &numbers).await?;
    call::json(StatusCode::OK, &view)
}
