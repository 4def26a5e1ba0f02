//! `GET /v1/endpoints`: the account's webhook endpoints. `POST /v1/endpoints`: adds one.

pub(crate) mod id;
pub(crate) mod replays;
pub(crate) mod secret;
pub(crate) mod terms;
pub(crate) mod test;
mod view;

use std::sync::Arc;

use domain::{
    endpoint::{self, Endpoints, Refusal, Scheme, Signing, State},
    id::EndpointId,
    scope::Scope,
    sealed::field,
};
use eventlog::{Moment, TransactError};
use http::StatusCode;
use readmodel::{MAX_ENDPOINTS, Stream};
use serde_json::json;
use uuid::Uuid;
use vault::{Secret, secrets, webhook};
use warp::reply::Response;

use self::{terms::Said, view::EndpointView};
use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    fields::Fields,
    problem::Problem,
    routes::{Endpoint, Verb},
};

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/v1/endpoints",
    access: Access::Caller(Scope::AccountRead),
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "The account's webhook endpoints: what each is told, and how it does.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "EndpointList",
        streams: false,
    },
};

pub(crate) const POST: Endpoint = Endpoint {
    verb: Verb::Post,
    path: "/v1/endpoints",
    access: Access::Caller(Scope::AccountWrite),
    handler: |app, call| Box::pin(post(app, call)),
    doc: Doc {
        summary: "Adds a webhook endpoint. Its signing secret is in this answer and nowhere else. POST to its /test to see whether it works.",
        parameters: &[],
        request: Some("EndpointRequest"),
        status: 201,
        answer: "Endpoint",
        streams: false,
    },
};

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let account = call.caller()?.account;
    let age = app.catch_up(Stream::Endpoints).await;
    let mut views = Vec::new();
    for row in app.store.endpoints(account)? {
        let id = endpoint::Id { account, endpoint: row.id };
        views.push(EndpointView::open(&app, id, &row.endpoint).await?);
    }
    views.sort_by_key(|view| view.created_at);
    let mut response = call::json(StatusCode::OK, &json!({ "endpoints": views }))?;
    app.date(&mut response, age);
    Ok(response)
}

async fn post(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let account = call.caller()?.account;
    let mut fields = terms::fields(&call.body, &["scheme", "secret"])?;
    let (scheme, given) = (scheme(&mut fields)?, given_secret(&mut fields)?);
    let said = Said::read(&mut fields)?;
    app.catch_up(Stream::Endpoints).await;
    if app.store.endpoints(account)?.len() >= MAX_ENDPOINTS {
        let message =
            format!("An account has at most {MAX_ENDPOINTS} endpoints; remove one first.");
        return Err(Problem::Conflict { code: "too_many_endpoints", message });
    }
    let id = endpoint::Id { account, endpoint: EndpointId::from_uuid(Uuid::new_v4()) };
    let letter = said.new_letter(&app, id).await?;
    let (signing, secret) = signing(&app, id, scheme, given).await?;
    let add = |state: &State| endpoint::add(state, letter.clone(), signing.clone());
    let state = app.change_endpoint(&call, id, add).await?;
    let added = state.endpoint().ok_or(Problem::Internal)?;
    let view = EndpointView::open(&app, id, added).await?;
    call::json(StatusCode::CREATED, &view.with_secret(secret.expose()))
}

/// How deliveries are to be signed.
fn scheme(fields: &mut Fields) -> Result<Scheme, Problem> {
    match fields.optional_text("scheme")?.as_deref().map(String::as_str) {
        None | Some("hmac_sha256") => Ok(Scheme::HmacSha256),
        Some("ed25519") => Ok(Scheme::Ed25519),
        Some(_) => Err(Problem::FieldInvalid {
            field: "scheme",
            message: "This is hmac_sha256 (v1) or ed25519 (v1a).".to_owned(),
        }),
    }
}

/// A secret that a customer brings along.
fn given_secret(fields: &mut Fields) -> Result<Option<Secret>, Problem> {
    let Some(text) = fields.optional_text("secret")? else { return Ok(None) };
    if secrets::webhook_key(&text).is_none() {
        let message = "A secret of your own is whsec_ and 24 to 64 bytes in base64; leave it out to be given one.".to_owned();
        return Err(Problem::FieldInvalid { field: "secret", message });
    }
    Ok(Some(Secret::from(text.as_str())))
}

/// What deliveries are signed with from now on, sealed, and as its owner is shown it once.
async fn signing(
    app: &App,
    id: endpoint::Id,
    scheme: Scheme,
    given: Option<Secret>,
) -> Result<(Signing, Secret), Problem> {
    let (secret, public_key) = match (scheme, given) {
        (Scheme::HmacSha256, Some(given)) => (given, None),
        (Scheme::HmacSha256, None) => (secrets::webhook_secret(), None),
        (Scheme::Ed25519, None) => {
            let (secret, public) = webhook::key_pair();
            (secret, Some(public))
        }
        (Scheme::Ed25519, Some(_)) => {
            let message = "A key pair is made here: leave the secret out.".to_owned();
            return Err(Problem::FieldInvalid { field: "secret", message });
        }
    };
    let name = custody::endpoint_field(field::ENDPOINT_SECRET, id.endpoint);
    let sealed = app.custody.seal_credential(id.account, &name, secret.expose()).await?;
    Ok((Signing { scheme, secret: sealed, public_key }, secret))
}

/// The endpoint that a call is about, in the caller's account.
fn named(call: &Call) -> Result<endpoint::Id, Problem> {
    let account = call.caller()?.account;
    let endpoint = call.id.parse::<EndpointId>().map_err(|_odd| unknown(call))?;
    Ok(endpoint::Id { account, endpoint })
}

fn unknown(call: &Call) -> Problem {
    Problem::NotFound { what: "endpoint", id: call.quoted_id() }
}

impl App {
    /// Has something happen to an endpoint, and answers what it is then.
    async fn change_endpoint<F>(
        &self,
        call: &Call,
        id: endpoint::Id,
        decide: F,
    ) -> Result<State, Problem>
    where
        F: Fn(&State) -> Result<Vec<endpoint::Event>, Refusal> + Send,
    {
        let moment = Moment { now: self.clock.now(), traceparent: call.traceparent() };
        match self.log.transact::<Endpoints, Refusal>(&id, moment, decide).await {
            Ok(changed) => Ok(changed.loaded.state),
            Err(TransactError::Refused(Refusal::Unknown)) => Err(unknown(call)),
            Err(TransactError::Refused(refusal @ Refusal::Replaying)) => Err(Problem::Conflict {
                code: "replaying",
                message: format!("{refusal}; wait for its end."),
            }),
            Err(TransactError::Read(error)) => Err(error.into()),
            Err(error) => {
                tracing::warn!(error = %service::Chain(&error), "an endpoint was not changed");
                Err(Problem::Unavailable)
            }
        }
    }
}
