//! `DELETE /v1/account`: asks that nothing be left of the caller's account.

use std::sync::Arc;

use domain::{
    Timestamp,
    account::{self, Accounts, Refusal},
    id::AccountId,
    scope::Scope,
};
use eventlog::{Moment, TransactError};
use http::StatusCode;
use readmodel::Stream;
use serde::Serialize;
use warp::reply::Response;

use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::{Doc, Parameter, Place},
    problem::Problem,
    routes::{Endpoint, Verb},
};

pub(crate) const DELETE: Endpoint = Endpoint {
    verb: Verb::Delete,
    path: "/v1/account",
    access: Access::Caller(Scope::Erase),
    handler: |app, call| Box::pin(delete(app, call)),
    doc: Doc {
        summary: "Erases the account: its keys open nothing from now on, and everything held about it goes. There is no way back.",
        parameters: &[Parameter {
            place: Place::Query,
            name: "confirm",
            description: "The account's own id, to show that it is meant.",
        }],
        request: None,
        status: 202,
        answer: "AccountErasure",
        streams: false,
    },
};

/// What was taken on. Nobody of the account can ask afterwards.
#[derive(Serialize)]
struct AccountErasure {
    account: AccountId,
    status: &'static str,
    requested_at: Option<Timestamp>,
    receipt: &'static str,
}

async fn delete(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let account = call.caller()?.account;
    let confirmed = call.query(&["confirm"])?.into_iter().next().map(|(_, value)| value);
    if confirmed.as_deref() != Some(account.to_string().as_str()) {
        let message = format!("Say confirm={account}: this erases the whole account for good.");
        return Err(Problem::FieldInvalid { field: "confirm", message });
    }
    let moment = Moment { now: app.clock.now(), traceparent: call.traceparent() };
    let asked = app.log.transact::<Accounts, Refusal>(&account, moment, account::request_erasure);
    let state = asked.await.map_err(refused)?.loaded.state;
    // Its keys open nothing here when this is answered; elsewhere as soon as the event is heard of.
    app.catch_up(Stream::Accounts).await;
    app.callers.forget();
    let answer = AccountErasure {
        account,
        status: "erasing",
        requested_at: state.erasure_requested_at,
        receipt: "Your operator has the receipt: `darkroom erase --receipt ACCOUNT`.",
    };
    call::json(StatusCode::ACCEPTED, &answer)
}

fn refused(error: TransactError<Refusal>) -> Problem {
    match error {
        TransactError::Read(error) => error.into(),
        TransactError::Unavailable(error) => error.into(),
        TransactError::Contended { .. } => Problem::Unavailable,
        error => {
            tracing::error!(error = %service::Chain(&error), "an erasure is not taken on");
            Problem::Internal
        }
    }
}
