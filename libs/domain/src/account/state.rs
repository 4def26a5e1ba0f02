//! What an account's history amounts to.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use super::event::{Application, Destination, Event, Input};
use crate::{
    FailureCode, Sealed,
    id::{ApplicationId, InputId},
    limits::{Overrides, QuotaOverrides},
    proof::{Proof, Standing},
};

/// An account as it stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// When it was opened; `None`: there is no such account.
    pub opened_at: Option<Timestamp>,
    /// What its people call it.
    pub label: Option<Sealed>,
    /// Its key pairs that open something, or would had they not expired.
    pub applications: BTreeMap<ApplicationId, KeyPair>,
    /// Its own bucket, if it has one.
    pub destination: Option<Destination>,
    /// What is known of that bucket's credentials.
    pub knowledge: Knowledge,
    /// Whether jobs are refused unless its bucket is proven write-only.
    pub write_only_demanded: bool,
    /// How often somebody asked what a bucket's credentials may do.
    #[serde(default)]
    pub proofs_requested: u32,
    /// Buckets that sources may be read from.
    pub inputs: BTreeMap<InputId, Input>,
    /// Whether uploads stay after the jobs that read them.
    pub keeps_media: bool,
    /// Whether what happens is told on NATS with its personal fields opened.
    #[serde(default)]
    pub feed: bool,
    /// How often the use of a key pair has been noted.
    #[serde(default)]
    pub uses_noted: u32,
    /// What signs its webhooks.
    pub webhook_secret: Option<Sealed>,
    /// Limits of its own.
    pub limits: Overrides,
    /// Quotas of its own.
    pub quotas: QuotaOverrides,
    /// When it was asked that everything held about it go.
    pub erasure_requested_at: Option<Timestamp>,
    /// When that was done.
    pub erased_at: Option<Timestamp>,
}

/// A key pair as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyPair {
    /// The pair, its latest secret and its latest terms.
    pub application: Application,
    /// When it was added.
    pub added_at: Timestamp,
    /// The secret before the latest.
    pub previous: Option<PreviousSecret>,
    /// The last day on which it was used, in UTC.
    pub used_on: Option<Date>,
}

/// A secret that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousSecret {
    /// Keyed digest, in hex.
    pub secret_digest: String,
    /// Until when it opens.
    pub until: Timestamp,
}

impl KeyPair {
    /// Digests of the secrets that open at `now`: none once it has expired.
    #[must_use]
    pub fn digests(&self, now: Timestamp) -> Vec<&str> {
        if self.application.terms.expires_at.is_some_and(|at| at <= now) {
            return vec![];
        }
        let previous = self.previous.as_ref().filter(|previous| now < previous.until);
        let latest = self.application.secret_digest.as_str();
        [Some(latest), previous.map(|previous| previous.secret_digest.as_str())]
            .into_iter()
            .flatten()
            .collect()
    }

    /// When what [`KeyPair::digests`] says changes next by itself.
    #[must_use]
    pub fn changes_at(&self, now: Timestamp) -> Option<Timestamp> {
        let times = [self.application.terms.expires_at, self.previous.as_ref().map(|it| it.until)];
        times.into_iter().flatten().filter(|at| *at > now).min()
    }
}

/// What is known of the destination's credentials.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Knowledge {
    /// The last proof that succeeded, and when.
    pub proven: Option<(Proof, Timestamp)>,
    /// Why a later try failed, and when.
    pub failed: Option<(FailureCode, Timestamp)>,
    /// When somebody asked to know, if nothing came of it yet.
    pub requested_at: Option<Timestamp>,
}

impl Knowledge {
    /// Whether the credentials were found to be able to do nothing but store.
    #[must_use]
    pub fn is_write_only(&self) -> bool {
        self.proven.is_some_and(|(proof, _)| proof.standing() == Standing::WriteOnly)
    }
}

impl State {
    /// Whether there is such an account, and it is not on its way out.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.opened_at.is_some() && self.erasure_requested_at.is_none()
    }

    pub(super) fn evolve(mut self, event: &Event, at: Timestamp) -> Self {
        match event {
            Event::Opened { label } => {
                self.opened_at = Some(at);
                self.label.clone_from(label);
            }
            Event::Labelled { label } => self.label.clone_from(label),
            Event::ApplicationAdded(application) => {
                let application = application.clone();
                let id = application.application;
                let pair = KeyPair { application, added_at: at, previous: None, used_on: None };
                self.applications.insert(id, pair);
            }
            Event::ApplicationChanged { application, terms } => {
                if let Some(pair) = self.applications.get_mut(application) {
                    pair.application.terms = terms.clone();
                }
            }
            Event::ApplicationRotated { application, secret_digest, previous_until } => {
                if let Some(pair) = self.applications.get_mut(application) {
                    let latest = secret_digest.clone();
                    let before = std::mem::replace(&mut pair.application.secret_digest, latest);
                    pair.previous =
                        Some(PreviousSecret { secret_digest: before, until: *previous_until });
                }
            }
            Event::ApplicationRevoked { application } => {
                self.applications.remove(application);
            }
            Event::ApplicationUsed { application, on } => {
                self.uses_noted = self.uses_noted.saturating_add(1);
                if let Some(pair) = self.applications.get_mut(application) {
                    pair.used_on = Some(*on);
                }
            }
            Event::InputSet(input) => drop(self.inputs.insert(input.input, input.clone())),
            Event::InputRemoved { input } => drop(self.inputs.remove(input)),
            Event::MediaKept { kept } => self.keeps_media = *kept,
            Event::FeedSet { on } => self.feed = *on,
            Event::WebhookSecretSet { secret } => self.webhook_secret = Some(secret.clone()),
            Event::LimitsSet { limits } => self.limits = *limits,
            Event::QuotasSet { quotas } => self.quotas = *quotas,
            Event::ErasureRequested {} => self.erasure_requested_at = Some(at),
            Event::Erased { .. } => return self.erase(at),
            Event::WriteOnlyDemanded { demanded } => self.write_only_demanded = *demanded,
            Event::DestinationSet(_)
            | Event::DestinationCleared {}
            | Event::ProofRequested { .. }
            | Event::DestinationProven { .. }
            | Event::DestinationProofFailed { .. } => self.direct(event, at),
        }
        self
    }

    fn direct(&mut self, event: &Event, at: Timestamp) {
        let current = self.destination.as_ref().map(|destination| destination.destination);
        match event {
            Event::DestinationSet(destination) => {
                self.destination = Some(destination.clone());
                self.knowledge = Knowledge { requested_at: Some(at), ..Knowledge::default() };
            }
            Event::DestinationCleared {} => {
                self.destination = None;
                self.knowledge = Knowledge::default();
            }
            // What is found out about a bucket says nothing about the one after it.
            Event::ProofRequested { destination } if current == Some(*destination) => {
                self.proofs_requested = self.proofs_requested.saturating_add(1);
                self.knowledge.requested_at = Some(at);
            }
            Event::DestinationProven { destination, proof } if current == Some(*destination) => {
                self.knowledge =
                    Knowledge { proven: Some((*proof, at)), failed: None, requested_at: None };
            }
            Event::DestinationProofFailed { destination, code, .. }
                if current == Some(*destination) =>
            {
                self.knowledge.failed = Some((*code, at));
                self.knowledge.requested_at = None;
            }
            _ => {}
        }
    }

    /// Nothing is left but that it was there.
    fn erase(self, at: Timestamp) -> Self {
        Self {
            opened_at: self.opened_at,
            erasure_requested_at: self.erasure_requested_at,
            erased_at: Some(at),
            ..Self::default()
        }
    }
}
