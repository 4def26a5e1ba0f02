//! `POST /v1/applications/{id}/rotate`: a new secret, while the one before goes on for a while.

use std::{sync::Arc, time::Duration};

use domain::{account, scope::Scope};
use http::StatusCode;
use readmodel::Stream;
use serde_json::Value;
use vault::secrets;
use warp::reply::Response;

use super::{super::terms::hold_within, ApplicationView, pair, unknown};
use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    fields::Fields,
    problem::Problem,
    routes::{Endpoint, Verb},
};

/// How long the secret before opens unless told otherwise.
const OVERLAP: Duration = Duration::from_secs(24 * 3_600);
/// The longest that it can.
const MAX_OVERLAP: Duration = Duration::from_secs(30 * 24 * 3_600);

pub(crate) const POST: Endpoint = Endpoint {
    verb: Verb::Post,
    path: "/v1/applications/{id}/rotate",
    access: Access::Caller(Scope::AccountWrite),
    handler: |app, call| Box::pin(post(app, call)),
    doc: Doc {
        summary: "Gives an API key pair a new secret, which is in this answer and nowhere else. The one before opens for `overlap_s` more seconds (a day), the one before that no more.",
        parameters: &[],
        request: Some("RotateRequest"),
        status: 200,
        answer: "ApplicationSecret",
        streams: false,
    },
};

async fn post(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let overlap = overlap(&call.body)?;
    app.catch_up(Stream::Accounts).await;
    let known = pair(&app, &call)?.application;
    // Whoever gives it a secret can use it.
    hold_within(caller, &known.terms)?;
    let prefix = if known.key.starts_with("dk_test_") { "ds_test_" } else { "ds_live_" };
    let secret = secrets::token(prefix);
    let digest = app.custody.secret_digest(secret.expose());
    let until = app.clock.now().checked_add(overlap).map_err(|_never| Problem::Internal)?;
    let id = known.application;
    let step =
        |state: &account::State| account::rotate_application(state, id, digest.clone(), until);
    let state = app.change_account(&call, step).await?;
    let pair = state.applications.get(&id).ok_or_else(|| unknown(&call))?;
    let view = ApplicationView::open(&app, caller.account, pair).await?;
    call::json(StatusCode::OK, &view.with_secret(secret.expose()))
}

fn overlap(body: &[u8]) -> Result<Duration, Problem> {
    let body = if body.is_empty() { b"{}" } else { body };
    match Fields::read(body, &["overlap_s"])?.value("overlap_s") {
        None | Some(Value::Null) => Ok(OVERLAP),
        Some(value) => value
            .as_u64()
            .map(Duration::from_secs)
            .filter(|overlap| *overlap <= MAX_OVERLAP)
            .ok_or_else(|| Problem::FieldInvalid {
                field: "overlap_s",
                message: format!(
                    "This is a number of seconds from 0 to {}.",
                    MAX_OVERLAP.as_secs()
                ),
            }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlap_is_a_day_unless_told_otherwise() {
        for (body, expected) in [
            ("", Some(OVERLAP)),
            ("{}", Some(OVERLAP)),
            (r#"{"overlap_s": 0}"#, Some(Duration::ZERO)),
            (r#"{"overlap_s": 60}"#, Some(Duration::from_secs(60))),
            (r#"{"overlap_s": -1}"#, None),
            (r#"{"overlap_s": 2592001}"#, None),
            (r#"{"overlap_s": "60"}"#, None),
            (r#"{"overlap": 60}"#, None),
        ] {
            assert_eq!(overlap(body.as_bytes()).ok(), expected, "{body}");
        }
    }
}
