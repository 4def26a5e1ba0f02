//! `GET /v1/account`: what the caller's account is and may use. `PATCH /v1/account`: changes it.

mod view;

use std::sync::Arc;

use domain::{
    account::{self, Accounts, Refusal, State},
    id::AccountId,
    scope::Scope,
    sealed::field,
};
use eventlog::{Moment, TransactError};
use http::StatusCode;
use readmodel::Stream;
use serde_json::Value;
use vault::secrets;
use warp::reply::Response;

use self::view::AccountView;
use super::applications::label;
use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    fields::Fields,
    past::{self, AS_OF, AsOf},
    problem::Problem,
    routes::{Endpoint, Verb},
};

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/v1/account",
    access: Access::Caller(Scope::AccountRead),
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "The account: label, limits, quotas and what is in use of them, where results go, and what is known of that bucket's credentials.",
        parameters: &[past::PARAMETER],
        request: None,
        status: 200,
        answer: "Account",
        streams: false,
    },
};

pub(crate) const PATCH: Endpoint = Endpoint {
    verb: Verb::Patch,
    path: "/v1/account",
    access: Access::Caller(Scope::AccountWrite),
    handler: |app, call| Box::pin(patch(app, call)),
    doc: Doc {
        summary: "Changes the account's label, whether uploads are kept, and with `rotate_webhook_secret` what signs its webhooks; the new secret is in this answer and nowhere else.",
        parameters: &[],
        request: Some("AccountChange"),
        status: 200,
        answer: "Account",
        streams: false,
    },
};

/// What a body asks for.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Wanted {
    label: Option<Option<String>>,
    keep_media: Option<bool>,
    rotate_webhook_secret: bool,
}

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let account = call.caller()?.account;
    if let Some((_, text)) = call.query(&[AS_OF])?.first() {
        let as_of = AsOf::read(text, app.clock.now())?;
        let past = app.past(account, &[Stream::Accounts, Stream::Jobs, Stream::Uploads], as_of);
        let past = past.await?;
        let row = past.store.account(account)?.filter(|row| row.state.opened_at.is_some());
        let row = row.ok_or_else(|| {
            past::invalid("The account was not there yet: use a later time.".to_owned())
        })?;
        let view = AccountView::open_past(&app, account, &row.state, &past).await?;
        return call::json(StatusCode::OK, &view);
    }
    // Jobs and uploads for what is in use.
    let age = app.catch_up_all(&[Stream::Accounts, Stream::Jobs, Stream::Uploads]).await;
    let view = AccountView::open(&app, account, &known(&app, account)?).await?;
    let mut response = call::json(StatusCode::OK, &view)?;
    app.date(&mut response, age);
    Ok(response)
}

async fn patch(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let account = call.caller()?.account;
    let wanted = Wanted::read(&call.body)?;
    let label = match wanted.label {
        Some(Some(text)) => {
            Some(Some(app.custody.seal_for_account(account, field::LABEL, &text).await?))
        }
        Some(None) => Some(None),
        None => None,
    };
    let secret = wanted.rotate_webhook_secret.then(secrets::webhook_secret);
    let sealed = match &secret {
        Some(secret) => {
            let field = field::WEBHOOK_SECRET;
            Some(app.custody.seal_credential(account, field, secret.expose()).await?)
        }
        None => None,
    };
    let step = |state: &State| {
        let mut events = Vec::new();
        if let Some(label) = &label {
            events.extend(account::label(state, label.clone())?);
        }
        if let Some(kept) = wanted.keep_media {
            events.extend(account::keep_media(state, kept)?);
        }
        if let Some(sealed) = &sealed {
            events.extend(account::set_webhook_secret(state, sealed.clone())?);
        }
        Ok(events)
    };
    let state = app.change_account(&call, step).await?;
    let mut view = AccountView::open(&app, account, &state).await?;
    view.webhook_secret = secret.as_ref().map(|secret| secret.expose().to_owned());
    call::json(StatusCode::OK, &view)
}

impl Wanted {
    pub(crate) fn read(body: &[u8]) -> Result<Self, Problem> {
        let mut fields = Fields::read(body, &["label", "keep_media", "rotate_webhook_secret"])?;
        let label = match fields.value("label") {
            None => None,
            Some(Value::Null) => Some(None),
            Some(value) => Some(Some(
                label(&value)
                    .map_err(|message| Problem::FieldInvalid { field: "label", message })?,
            )),
        };
        let keep_media = match fields.value("keep_media") {
            None | Some(Value::Null) => None,
            Some(Value::Bool(kept)) => Some(kept),
            Some(_) => {
                let message = "This must be true or false.".to_owned();
                return Err(Problem::FieldInvalid { field: "keep_media", message });
            }
        };
        Ok(Self { label, keep_media, rotate_webhook_secret: fields.flag("rotate_webhook_secret")? })
    }
}

/// The account as the rows know it.
pub(super) fn known(app: &App, account: AccountId) -> Result<State, Problem> {
    Ok(app.store.account(account)?.map(|row| row.state).unwrap_or_default())
}

impl App {
    /// Has something happen to the account of whoever calls, and answers what it is then. What this
    /// process answers afterwards, it answers knowing that.
    pub(crate) async fn change_account<F>(&self, call: &Call, decide: F) -> Result<State, Problem>
    where
        F: Fn(&State) -> Result<Vec<account::Event>, Refusal> + Send,
    {
        let account = call.caller()?.account;
        let moment = Moment { now: self.clock.now(), traceparent: call.traceparent() };
        let changed = self.log.transact::<Accounts, Refusal>(&account, moment, decide).await;
        let state = changed.map_err(|error| refused(error, call))?.loaded.state;
        self.catch_up(Stream::Accounts).await;
        Ok(state)
    }
}

/// What a client is told when nothing could be recorded.
fn refused(error: TransactError<Refusal>, call: &Call) -> Problem {
    match error {
        TransactError::Refused(Refusal::UnknownApplication) => {
            Problem::NotFound { what: "application", id: call.quoted_id() }
        }
        TransactError::Refused(refusal @ Refusal::TooManyApplications) => Problem::Conflict {
            code: "too_many_applications",
            message: format!("{refusal}; revoke one first."),
        },
        TransactError::Refused(refusal @ (Refusal::Unknown | Refusal::Erased)) => {
            Problem::Conflict { code: "account_erased", message: format!("{refusal}.") }
        }
        TransactError::Refused(refusal) => {
            tracing::error!(%refusal, "a refusal that a request cannot lead to");
            Problem::Internal
        }
        TransactError::Read(error) => error.into(),
        TransactError::Unavailable(error) => error.into(),
        TransactError::Contended { .. } => Problem::Unavailable,
        error @ (TransactError::Rejected { .. } | TransactError::Encode(_)) => {
            tracing::error!(error = %service::Chain(&error), "the log does not take an event");
            Problem::Unavailable
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_body_does_not_speak_of_stays() {
        let read = |body: &str| Wanted::read(body.as_bytes());
        assert_eq!(read("{}"), Ok(Wanted::default()));
        let some = read(r#"{"label": null, "keep_media": true}"#).unwrap();
        assert_eq!((some.label, some.keep_media), (Some(None), Some(true)));
        for wrong in ["", "[]", r#"{"label": ""}"#, r#"{"keep_media": 1}"#, r#"{"id": "x"}"#] {
            assert_eq!(read(wrong).unwrap_err().status(), StatusCode::BAD_REQUEST, "{wrong}");
        }
    }
}
