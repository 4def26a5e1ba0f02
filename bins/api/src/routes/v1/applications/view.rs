//! A key pair as it is shown: everything but its secret.

use domain::{
    Timestamp,
    account::KeyPair,
    id::{AccountId, ApplicationId},
    scope::Scope,
    sealed::field,
};
use serde::Serialize;

use crate::{app::App, problem::Problem};

/// A key pair.
#[derive(Serialize)]
pub(super) struct ApplicationView {
    id: ApplicationId,
    key: String,
    label: Option<String>,
    /// `null`: everything.
    scopes: Option<Vec<&'static str>>,
    origins: Vec<String>,
    failure_word: &'static str,
    pub(super) created_at: Timestamp,
    expires_at: Option<Timestamp>,
    status: &'static str,
    /// A day in UTC.
    last_used_on: Option<String>,
    /// Until when the secret before opens as well.
    previous_secret_until: Option<Timestamp>,
}

/// A key pair, and its secret, which is shown once.
#[derive(Serialize)]
pub(super) struct Secret<'a> {
    #[serde(flatten)]
    application: ApplicationView,
    secret: &'a str,
}

impl ApplicationView {
    pub(super) async fn open(
        app: &App,
        account: AccountId,
        pair: &KeyPair,
    ) -> Result<Self, Problem> {
        let now = app.clock.now();
        let terms = &pair.application.terms;
        let label = match &terms.label {
            None => None,
            Some(sealed) => {
                Some(app.custody.open_for_account(account, field::LABEL, sealed).await?)
            }
        };
        let scopes = terms.scopes.as_ref();
        Ok(Self {
            id: pair.application.application,
            key: pair.application.key.clone(),
            label,
            scopes: scopes.map(|scopes| scopes.iter().copied().map(Scope::name).collect()),
            origins: terms.origins.clone(),
            failure_word: terms.failure_word.word(),
            created_at: pair.added_at,
            expires_at: terms.expires_at,
            status: if pair.digests(now).is_empty() { "expired" } else { "active" },
            last_used_on: pair.used_on.map(|on| on.to_string()),
            previous_secret_until: pair
                .previous
                .as_ref()
                .map(|previous| previous.until)
                .filter(|until| *until > now),
        })
    }

    pub(super) const fn with_secret(self, secret: &str) -> Secret<'_> {
        Secret { application: self, secret }
    }
}
