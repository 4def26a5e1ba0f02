//! `POST /v1/endpoints/{id}/secret`: gives an endpoint a new signing secret.

use std::sync::Arc;

use domain::{
    endpoint::{self, State},
    scope::Scope,
};
use http::StatusCode;
use jiff::SignedDuration;
use readmodel::Stream;
use serde_json::Value;
use warp::reply::Response;

use super::{given_secret, named, scheme, signing, unknown, view::EndpointView};
use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    fields::Fields,
    problem::Problem,
    routes::{Endpoint, Verb},
};

/// How long deliveries are signed with the old secret as well, if the body does not say.
const OVERLAP_S: i64 = 86_400;
/// The longest, in seconds.
const MAX_OVERLAP_S: i64 = 7 * 86_400;

pub(crate) const POST: Endpoint = Endpoint {
    verb: Verb::Post,
    path: "/v1/endpoints/{id}/secret",
    access: Access::Caller(Scope::AccountWrite),
    handler: |app, call| Box::pin(post(app, call)),
    doc: Doc {
        summary: "Gives an endpoint a new signing secret, which is in this answer and nowhere else. For `overlap_s` seconds (a day, at most a week) deliveries carry both signatures.",
        parameters: &[],
        request: Some("SecretRotation"),
        status: 200,
        answer: "Endpoint",
        streams: false,
    },
};

async fn post(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let id = named(&call)?;
    let empty = call.body.is_empty();
    let body: &[u8] = if empty { b"{}" } else { &call.body };
    let mut fields = Fields::read(body, &["scheme", "secret", "overlap_s"])?;
    let overlap_s = match fields.value("overlap_s") {
        None | Some(Value::Null) => OVERLAP_S,
        Some(value) => match value.as_i64().filter(|s| (0..=MAX_OVERLAP_S).contains(s)) {
            Some(seconds) => seconds,
            None => {
                let message = format!("This is a whole number from 0 to {MAX_OVERLAP_S}.");
                return Err(Problem::FieldInvalid { field: "overlap_s", message });
            }
        },
    };
    let (scheme, given) = (scheme(&mut fields)?, given_secret(&mut fields)?);
    app.catch_up(Stream::Endpoints).await;
    app.store.endpoint(id)?.ok_or_else(|| unknown(&call))?;
    let (signing, secret) = signing(&app, id, scheme, given).await?;
    let until = app.clock.now().saturating_add(SignedDuration::from_secs(overlap_s));
    let until = until.map_err(|_far| Problem::Internal)?;
    let rotate = |state: &State| endpoint::rotate(state, signing.clone(), until);
    let state = app.change_endpoint(&call, id, rotate).await?;
    let rotated = state.endpoint().ok_or_else(|| unknown(&call))?;
    let view = EndpointView::open(&app, id, rotated).await?;
    call::json(StatusCode::OK, &view.with_secret(secret.expose()))
}
