//! `GET /v1/applications`: the account's API key pairs. `POST /v1/applications`: makes one more.

pub(crate) mod id;
pub(crate) mod terms;
mod view;

use std::sync::Arc;

use domain::{
    account::{self, Application},
    id::ApplicationId,
    scope::Scope,
};
use http::StatusCode;
use readmodel::Stream;
use serde_json::json;
use uuid::Uuid;
use vault::secrets;
use warp::reply::Response;

pub(super) use self::terms::label;
use self::{
    terms::{Said, hold_within, inherited},
    view::ApplicationView,
};
use super::account::known;
use crate::{
    app::App,
    auth::{Access, By, Caller},
    call::{self, Call},
    document::Doc,
    fields::Fields,
    problem::Problem,
    routes::{Endpoint, Verb},
};

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/v1/applications",
    access: Access::Caller(Scope::AccountRead),
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "The account's API key pairs: what each may do, and when it was last used.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "ApplicationList",
        streams: false,
    },
};

pub(crate) const POST: Endpoint = Endpoint {
    verb: Verb::Post,
    path: "/v1/applications",
    access: Access::Caller(Scope::AccountWrite),
    handler: |app, call| Box::pin(post(app, call)),
    doc: Doc {
        summary: "Makes an API key pair. Its secret is in this answer and nowhere else. It can do no more than whoever makes it.",
        parameters: &[],
        request: Some("ApplicationRequest"),
        status: 201,
        answer: "ApplicationSecret",
        streams: false,
    },
};

/// What a key is kept for. It is written into the key, for people and scanners; both do the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Live,
    Test,
}

impl Mode {
    const fn prefixes(self) -> (&'static str, &'static str) {
        match self {
            Self::Live => ("dk_live_", "ds_live_"),
            Self::Test => ("dk_test_", "ds_test_"),
        }
    }

    /// That of a public key.
    fn of(key: &str) -> Self {
        if key.starts_with("dk_test_") { Self::Test } else { Self::Live }
    }

    /// What a body says; else that of the key that asks.
    fn read(fields: &mut Fields, caller: &Caller) -> Result<Self, Problem> {
        match fields.optional_text("mode")?.as_deref().map(String::as_str) {
            Some("live") => Ok(Self::Live),
            Some("test") => Ok(Self::Test),
            Some(_) => Err(Problem::FieldInvalid {
                field: "mode",
                message: "This is live or test.".to_owned(),
            }),
            None => Ok(match &caller.by {
                By::Secret(own) | By::Origin(own, _) => Self::of(&own.key),
                By::Session(_) => Self::Live,
            }),
        }
    }
}

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let account = call.caller()?.account;
    let age = app.catch_up(Stream::Accounts).await;
    let mut views = Vec::new();
    for pair in known(&app, account)?.applications.values() {
        views.push(ApplicationView::open(&app, account, pair).await?);
    }
    views.sort_by_key(|view| view.created_at);
    let mut response = call::json(StatusCode::OK, &json!({ "applications": views }))?;
    app.date(&mut response, age);
    Ok(response)
}

async fn post(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let mut fields = terms::fields(&call.body, &["mode"])?;
    let mode = Mode::read(&mut fields, caller)?;
    let said = Said::read(&mut fields, app.clock.now())?;
    let terms = said.onto(&app, caller.account, inherited(caller)).await?;
    hold_within(caller, &terms)?;
    let (key_prefix, secret_prefix) = mode.prefixes();
    let secret = secrets::token(secret_prefix);
    let application = Application {
        application: ApplicationId::from_uuid(Uuid::new_v4()),
        key: secrets::token(key_prefix).expose().to_owned(),
        secret_digest: app.custody.secret_digest(secret.expose()),
        terms,
    };
    let id = application.application;
    let step = |state: &account::State| account::add_application(state, application.clone());
    let state = app.change_account(&call, step).await?;
    let pair = state.applications.get(&id).ok_or(Problem::Internal)?;
    let view = ApplicationView::open(&app, caller.account, pair).await?;
    call::json(StatusCode::CREATED, &view.with_secret(secret.expose()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_what_it_is_kept_for() {
        for mode in [Mode::Live, Mode::Test] {
            assert_eq!(Mode::of(secrets::token(mode.prefixes().0).expose()), mode);
        }
    }
}
