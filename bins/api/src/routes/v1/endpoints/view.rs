//! An endpoint as its owner sees it. Secrets are shown once, when they are made.

use std::collections::BTreeSet;

use domain::{
    Timestamp,
    endpoint::{
        self, Circuit, DisabledBecause, Endpoint, Payload, RunningReplay, Scheme, Signing,
        TopicFilter,
    },
    id::{ApplicationId, EndpointId},
    retry::Schedule,
    sealed::field,
};
use serde::Serialize;
use vault::webhook;

use crate::{app::App, problem::Problem};

/// An endpoint as its owner sees it.
#[derive(Serialize)]
pub(super) struct EndpointView {
    id: EndpointId,
    url: Option<String>,
    description: Option<String>,
    topics: Vec<TopicFilter>,
    applications: Option<BTreeSet<ApplicationId>>,
    payload: Payload,
    ordered: bool,
    timeout_ms: Option<u64>,
    per_second: Option<u32>,
    at_once: Option<u32>,
    retry_after_s: Option<Schedule>,
    keep_answers: bool,
    has_headers: bool,
    scheme: Scheme,
    public_key: Option<String>,
    public_keys: Vec<PublicKey>,
    previous_secrets_until: Vec<Timestamp>,
    enabled: bool,
    disabled: Option<Disabled>,
    circuit: Circuit,
    replay: Option<RunningReplay>,
    pub(super) created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    missed_since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// A key that a delivery's `v1a` signatures verify with.
#[derive(Serialize)]
struct PublicKey {
    id: String,
    public_key: String,
    /// Until when deliveries are signed with it; none where it is the current one.
    until: Option<Timestamp>,
}

#[derive(Serialize)]
struct Disabled {
    because: DisabledBecause,
    at: Timestamp,
}

impl EndpointView {
    /// Opens what is personal of it.
    pub(super) async fn open(
        app: &App,
        id: endpoint::Id,
        endpoint: &Endpoint,
    ) -> Result<Self, Problem> {
        let Endpoint { letter, signing, previous, added_at, disabled, circuit, well_at: _, replay } =
            endpoint;
        let now = app.clock.now();
        let open = async |name, sealed| {
            let name = custody::endpoint_field(name, id.endpoint);
            match app.custody.open_for_account(id.account, &name, sealed).await {
                Ok(text) => Ok(Some(text)),
                Err(custody::Error::Erased) => Ok(None),
                Err(error) => Err(Problem::from(error)),
            }
        };
        let description = match &letter.description {
            None => None,
            Some(sealed) => open(field::ENDPOINT_DESCRIPTION, sealed).await?,
        };
        let terms = letter.terms.clone();
        Ok(Self {
            id: id.endpoint,
            url: open(field::ENDPOINT_URL, &letter.url).await?,
            description,
            topics: terms.topics,
            applications: terms.applications,
            payload: terms.payload,
            ordered: terms.ordered,
            timeout_ms: terms.timeout_ms,
            per_second: terms.per_second,
            at_once: terms.at_once,
            retry_after_s: terms.retry_after_s,
            keep_answers: terms.keeps_answers,
            has_headers: letter.headers.is_some(),
            scheme: signing.scheme,
            public_key: signing.public_key.clone(),
            public_keys: public_keys(endpoint, now),
            previous_secrets_until: previous
                .iter()
                .map(|previous| previous.until)
                .filter(|until| now < *until)
                .collect(),
            enabled: disabled.is_none(),
            disabled: disabled.map(|(because, at)| Disabled { because, at }),
            circuit: *circuit,
            replay: *replay,
            created_at: *added_at,
            missed_since: None,
            secret: None,
        })
    }

    /// With since when it may have missed what happened, where it was disabled before.
    pub(super) fn with_missed(self, before: &Endpoint) -> Self {
        let missed_since = before.disabled.map(|(_, at)| match before.circuit {
            Circuit::Open { failing_since, .. } => failing_since.min(at),
            Circuit::Closed => at,
        });
        Self { missed_since, ..self }
    }

    /// With its signing secret, for the one answer that has it.
    pub(super) fn with_secret(self, secret: &str) -> Self {
        Self { secret: Some(secret.to_owned()), ..self }
    }
}

/// Every key that deliveries verify with at `now`, the latest first.
fn public_keys(endpoint: &Endpoint, now: Timestamp) -> Vec<PublicKey> {
    let previous = endpoint.previous.iter().filter(|previous| now < previous.until);
    let previous = previous.map(|previous| (&previous.signing, Some(previous.until)));
    let all = std::iter::once((&endpoint.signing, None)).chain(previous);
    let key = |(signing, until): (&Signing, _)| {
        let public_key = signing.public_key.clone()?;
        Some(PublicKey { id: webhook::public_key_id(&public_key)?, public_key, until })
    };
    all.filter_map(key).collect()
}
