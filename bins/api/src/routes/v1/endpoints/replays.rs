//! `POST /v1/endpoints/{id}/replays`: has past events told to an endpoint again.

use std::sync::Arc;

use domain::{
    endpoint::{self, Replay, ReplayOnly, State},
    id::ReplayId,
    scope::Scope,
};
use eventlog::{Span, topology};
use futures::StreamExt as _;
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;
use warp::reply::Response;

use super::named;
use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    fields::Fields,
    problem::Problem,
    routes::{Endpoint, Verb},
};

pub(crate) const POST: Endpoint = Endpoint {
    verb: Verb::Post,
    path: "/v1/endpoints/{id}/replays",
    access: Access::Caller(Scope::AccountWrite),
    handler: |app, call| Box::pin(post(app, call)),
    doc: Doc {
        summary: "Tells past events of the account's jobs to an endpoint again: from a sequence of the log (`from_seq`) or a time (`since`), all that it wants, or with `only` = `exhausted` those that were given up. Deliveries keep their webhook-id.",
        parameters: &[],
        request: Some("ReplayRequest"),
        status: 202,
        answer: "Replay",
        streams: false,
    },
};

async fn post(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let id = named(&call)?;
    let mut fields = Fields::read(&call.body, &["from_seq", "since", "only"])?;
    let only = match fields.optional_text("only")?.as_deref().map(String::as_str) {
        None | Some("all") => ReplayOnly::All,
        Some("exhausted") => ReplayOnly::Exhausted,
        Some(_) => {
            let message = "This is all or exhausted.".to_owned();
            return Err(Problem::FieldInvalid { field: "only", message });
        }
    };
    let from_seq = from_seq(&app, &mut fields).await?;
    let to_seq = app.log.last_sequence(topology::JOBS).await?;
    let of = Replay { from_seq, to_seq, only };
    let replay = ReplayId::from_uuid(Uuid::new_v4());
    let request = |state: &State| endpoint::request_replay(state, replay, of);
    app.change_endpoint(&call, id, request).await?;
    let answer = json!({ "replay": replay, "from_seq": from_seq, "to_seq": to_seq, "only": only });
    call::json(StatusCode::ACCEPTED, &answer)
}

/// Where a replay begins.
async fn from_seq(app: &App, fields: &mut Fields) -> Result<u64, Problem> {
    let invalid =
        |field, message: &str| Problem::FieldInvalid { field, message: message.to_owned() };
    let since = fields.optional_text("since")?;
    match (fields.value("from_seq"), since) {
        (None | Some(Value::Null), None) => Err(Problem::FieldMissing("from_seq")),
        (Some(value), None) => value
            .as_u64()
            .filter(|seq| *seq > 0)
            .ok_or_else(|| invalid("from_seq", "This is a sequence of the log, from 1.")),
        (_, Some(since)) => {
            let from = since.parse().map_err(|_odd: jiff::Error| {
                invalid("since", "This is a time such as 2026-11-22T10:00:00Z.")
            })?;
            let span = Span { since: Some(from), ..Span::default() };
            let messages = app.log.replay(topology::JOBS, span);
            futures::pin_mut!(messages);
            match messages.next().await {
                Some(first) => Ok(first?.seq),
                None => Ok(app.log.last_sequence(topology::JOBS).await? + 1),
            }
        }
    }
}
