//! An account as its own people see it.

use std::collections::BTreeMap;

use domain::{Timestamp, account::State, id::AccountId, sealed::field};
use readmodel::{Store, Usage};
use serde::Serialize;

use super::super::destination::view::View;
use crate::{app::App, past::Past, problem::Problem};

/// An account.
#[derive(Serialize)]
pub(super) struct AccountView {
    id: AccountId,
    label: Option<String>,
    opened_at: Option<Timestamp>,
    applications: usize,
    limits: BTreeMap<&'static str, Bound>,
    quotas: BTreeMap<&'static str, Quota>,
    /// As `GET /v1/destination` shows it: where results go, and what is known of that bucket.
    destination: View,
    keeps_media: bool,
    /// Whether there is a secret that signs webhooks.
    signs_webhooks: bool,
    /// A new one, shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) webhook_secret: Option<String>,
}

/// A number that holds, and whether it is the account's own or the installation's.
#[derive(Serialize)]
struct Bound {
    value: u64,
    own: bool,
}

/// The same, and how much of it is in use now.
#[derive(Serialize)]
struct Quota {
    #[serde(flatten)]
    bound: Bound,
    used: Option<u64>,
}

impl AccountView {
    pub(super) async fn open(app: &App, id: AccountId, state: &State) -> Result<Self, Problem> {
        let now = app.clock.now();
        let in_use = in_use(&app.store, id, now)?;
        let in_use = InUse { jobs_per_minute: Some(app.gate.last_minute(id, now)), ..in_use };
        Self::with(app, id, state, &in_use).await
    }

    /// The same as it stood.
    pub(super) async fn open_past(
        app: &App,
        id: AccountId,
        state: &State,
        past: &Past,
    ) -> Result<Self, Problem> {
        Self::with(app, id, state, &in_use(&past.store, id, past.at)?).await
    }

    async fn with(
        app: &App,
        id: AccountId,
        state: &State,
        in_use: &InUse,
    ) -> Result<Self, Problem> {
        let label = match &state.label {
            None => None,
            Some(sealed) => Some(app.custody.open_for_account(id, field::LABEL, sealed).await?),
        };
        let limits = app.limits.with(&state.limits).beside(&state.limits);
        let bound = |(name, value, own): (&'static str, u64, Option<u64>)| {
            (name, Bound { value, own: own.is_some() })
        };
        Ok(Self {
            id,
            label,
            opened_at: state.opened_at,
            applications: state.applications.len(),
            limits: limits.into_iter().map(bound).collect(),
            quotas: quotas(app, state, in_use),
            destination: View::of(app, id, state).await?,
            keeps_media: state.keeps_media,
            signs_webhooks: state.webhook_secret.is_some(),
            webhook_secret: None,
        })
    }
}

/// What is in use of which quota, where that can be said.
struct InUse {
    now: readmodel::InUse,
    today: Usage,
    jobs_per_minute: Option<u64>,
}

fn in_use(store: &Store, id: AccountId, at: Timestamp) -> Result<InUse, Problem> {
    Ok(InUse { now: store.in_use(id)?, today: store.usage_today(id, at)?, jobs_per_minute: None })
}

/// Each quota with what is in use of it, where that can be said at any moment.
fn quotas(app: &App, state: &State, in_use: &InUse) -> BTreeMap<&'static str, Quota> {
    let InUse { now, today, jobs_per_minute } = in_use;
    let used = |name| match name {
        "jobs_in_flight" => Some(now.jobs),
        "jobs_per_minute" => *jobs_per_minute,
        "source_bytes_per_day" => Some(today.source_bytes),
        "upload_bytes_per_day" => Some(today.upload_bytes.saturating_add(now.upload_bytes)),
        "uploads_in_flight" => Some(now.uploads),
        "development_bytes" => Some(now.development_bytes),
        _ => None,
    };
    let all = app.gate.installation().with(&state.quotas).beside(&state.quotas);
    let quota = |(name, value, own): (&'static str, u64, Option<u64>)| {
        (name, Quota { bound: Bound { value, own: own.is_some() }, used: used(name) })
    };
    all.into_iter().map(quota).collect()
}
