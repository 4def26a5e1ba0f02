//! `/v1/destination`: the account's own bucket. Where it has none, results go to development storage.

pub(crate) mod proof;
pub(crate) mod request;
pub(super) mod view;

use std::sync::Arc;

use domain::{
    account::{self, Accounts, Destination, Encryption, Refusal, State},
    id::{AccountId, DestinationId},
    scope::Scope,
    sealed::field,
};
use eventlog::{Committed, Loaded, Moment, TransactError};
use http::StatusCode;
use readmodel::Stream;
use storage::InvalidDestination;
use uuid::Uuid;
use warp::reply::Response;

use self::{
    request::{Asked, Cipher},
    view::View,
};
use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    fields::Fields,
    problem::Problem,
    routes::{Endpoint, Verb},
};

const PATH: &str = "/v1/destination";

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: PATH,
    access: Access::Caller(Scope::AccountRead),
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "Where results go, what was found out about that bucket's credentials, and the policy that they need. Never the credentials.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "Destination",
        streams: false,
    },
};

pub(crate) const PUT: Endpoint = Endpoint {
    verb: Verb::Put,
    path: PATH,
    access: Access::Caller(Scope::AccountWrite),
    handler: |app, call| Box::pin(put(app, call)),
    doc: Doc {
        summary: "Sends results to a bucket of the account's own from now on. What its credentials may do is tried soon after.",
        parameters: &[],
        request: Some("DestinationRequest"),
        status: 200,
        answer: "Destination",
        streams: false,
    },
};

pub(crate) const PATCH: Endpoint = Endpoint {
    verb: Verb::Patch,
    path: PATH,
    access: Access::Caller(Scope::AccountWrite),
    handler: |app, call| Box::pin(patch(app, call)),
    doc: Doc {
        summary: "Demands that jobs are refused unless the destination is proven write-only, or does not.",
        parameters: &[],
        request: Some("DestinationChange"),
        status: 200,
        answer: "Destination",
        streams: false,
    },
};

pub(crate) const DELETE: Endpoint = Endpoint {
    verb: Verb::Delete,
    path: PATH,
    access: Access::Caller(Scope::AccountWrite),
    handler: |app, call| Box::pin(delete(app, call)),
    doc: Doc {
        summary: "Sends results to development storage from now on. What lies in the bucket stays there.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "Destination",
        streams: false,
    },
};

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let account = call.caller()?.account;
    let age = app.catch_up(Stream::Accounts).await;
    let row = app.store.account(account)?.ok_or(Problem::Unavailable)?;
    let view = View::of(&app, account, &row.state).await?;
    let mut response = call::json(StatusCode::OK, &view)?;
    app.date(&mut response, age);
    Ok(response)
}

async fn put(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let account = call.caller()?.account;
    let asked = Asked::read(&call.body)?;
    if asked.role.is_some() && app.custody.principal().is_none() {
        let error = InvalidDestination::NoRoles;
        let message = format!("{error}. Give keys.");
        return Err(Problem::FieldInvalid { field: error.field(), message });
    }
    let destination = seal(&app, account, asked).await?;
    let set = |state: &State| account::set_destination(state, destination.clone());
    let committed = decide(&app, &call, set).await?;
    answer(&app, account, committed).await
}

async fn patch(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    const DEMAND: &str = "demand_write_only";
    let account = call.caller()?.account;
    let demanded = Fields::read(&call.body, &[DEMAND])?.optional_flag(DEMAND)?;
    let demanded = demanded.ok_or(Problem::FieldMissing(DEMAND))?;
    let demand = |state: &State| account::demand_write_only(state, demanded);
    let committed = decide(&app, &call, demand).await?;
    answer(&app, account, committed).await
}

async fn delete(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let account = call.caller()?.account;
    let committed = decide(&app, &call, account::clear_destination).await?;
    answer(&app, account, committed).await
}

/// Answers once requests that follow here are judged by what was decided, if that is soon.
async fn answer(
    app: &App,
    account: AccountId,
    committed: Committed<Accounts>,
) -> Result<Response, Problem> {
    let Loaded { state, last, .. } = committed.loaded;
    let seq = last.map_or(0, |head| head.seq);
    let mut reached = app.reached.subscribe();
    let there = reached.wait_for(|positions| positions.of(Stream::Accounts) >= seq);
    let in_time = tokio::time::timeout(app.api.read_barrier(), there).await.is_ok();
    tracing::debug!(in_time, "the account's row holds what was decided");
    call::json(StatusCode::OK, &View::of(app, account, &state).await?)
}

/// Records what is decided about the caller's account.
async fn decide(
    app: &App,
    call: &Call,
    decide: impl FnMut(&State) -> Result<Vec<account::Event>, Refusal> + Send,
) -> Result<Committed<Accounts>, Problem> {
    let account = call.caller()?.account;
    let moment = Moment { now: app.clock.now(), traceparent: call.traceparent() };
    let decided = app.log.transact::<Accounts, Refusal>(&account, moment, decide).await;
    decided.map_err(|error| match error {
        TransactError::Refused(Refusal::UnknownDestination) => Problem::Conflict {
            code: "no_destination",
            message: "The account has no destination of its own: PUT /v1/destination sets one."
                .to_owned(),
        },
        TransactError::Refused(Refusal::AskedOften { at }) => Problem::QuotaExceeded {
            quota: "destination_proofs",
            message: format!("This has been asked very often; it can be asked again at {at}."),
            retry_after_s: u64::try_from(at.duration_since(app.clock.now()).as_secs())
                .unwrap_or_default(),
        },
        // The caller is known, so the account was there a moment ago.
        TransactError::Refused(_) => Problem::WrongKey,
        TransactError::Read(error) => error.into(),
        TransactError::Unavailable(error) => error.into(),
        TransactError::Contended { .. } => Problem::Unavailable,
        error @ (TransactError::Rejected { .. } | TransactError::Encode(_)) => {
            tracing::error!(error = %service::Chain(&error), "the log does not take an event");
            Problem::Unavailable
        }
    })
}

/// Seals what is secret of a destination. Nobody here can open it again.
async fn seal(app: &App, account: AccountId, asked: Asked) -> Result<Destination, Problem> {
    let custody = &app.custody;
    let fingerprint = custody.fingerprint(&asked.canonical(account));
    let credentials = custody.seal_bucket_credentials(
        account,
        field::DESTINATION_CREDENTIALS,
        &asked.access_key,
        &asked.secret_key,
    );
    let encryption = match asked.cipher {
        Cipher::Plain(encryption) => encryption,
        Cipher::CustomerKey(key) => {
            let key = custody.seal_credential(account, field::DESTINATION_KEY, &key).await?;
            Encryption::SseC { key }
        }
    };
    Ok(Destination {
        destination: DestinationId::from_uuid(Uuid::new_v4()),
        place: asked.place,
        credentials: credentials.await?,
        role: asked.role,
        encryption,
        headers: custody.seal_destination_headers(account, &asked.headers).await?,
        fingerprint,
    })
}
