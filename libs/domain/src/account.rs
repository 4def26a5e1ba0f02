//! An account: a tenant, its applications, its destination and what signs its webhooks.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Aggregate, Sealed,
    id::{AccountId, ApplicationId},
    limits::Overrides,
};

/// The aggregate `account`.
#[derive(Debug, Clone, Copy)]
pub enum Accounts {}

/// A fact in an account's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The account exists.
    Opened {
        /// What its people call it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<Sealed>,
    },
    /// It has one more API key pair.
    ApplicationAdded(Application),
    /// A key pair opens nothing any more.
    ApplicationRevoked {
        /// Whose.
        application: ApplicationId,
    },
    /// Results go to this bucket from now on.
    DestinationSet(Destination),
    /// Results go to development storage from now on.
    DestinationCleared {},
    /// Webhooks are signed with this secret from now on.
    WebhookSecretSet {
        /// `whsec_...` as in Standard Webhooks.
        secret: Sealed,
    },
    /// Its jobs have these limits instead of the installation's from now on.
    LimitsSet {
        /// All that it has of its own.
        limits: Overrides,
    },
}

/// An API key pair and how its owner wants to be answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Application {
    /// Which it is.
    pub application: ApplicationId,
    /// The public half, `dk_...`: names the application in requests.
    pub key: String,
    /// Keyed digest of the secret half, in hex.
    pub secret_digest: String,
    /// Origins from which a browser may use the key without its secret.
    #[serde(default)]
    pub origins: Vec<String>,
    /// How a failed job is spelled in `/v2` answers.
    #[serde(default)]
    pub failure_word: FailureWord,
}

/// How a failed job is spelled in `/v2` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureWord {
    /// `"status": "failure"`.
    #[default]
    Failure,
    /// `"status": "error"`, which some clients expect.
    Error,
}

impl FailureWord {
    /// The word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Error => "error",
        }
    }
}

/// A bucket for results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Destination {
    /// Base URL of an S3 service; AWS's own where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Region to sign for.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// Key prefix, empty or ending in `/`.
    #[serde(default)]
    pub prefix: String,
    /// Whether the bucket is a path segment rather than a host label.
    #[serde(default)]
    pub path_style: bool,
    /// `{"access_key": ..., "secret_key": ...}` as JSON.
    pub credentials: Sealed,
}

/// An account as it stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// When it was opened; `None`: there is no such account.
    pub opened_at: Option<Timestamp>,
    /// What its people call it.
    pub label: Option<Sealed>,
    /// Its key pairs that open something.
    pub applications: BTreeMap<ApplicationId, Application>,
    /// Its own bucket, if it has one.
    pub destination: Option<Destination>,
    /// What signs its webhooks.
    pub webhook_secret: Option<Sealed>,
    /// Limits of its own.
    #[serde(default)]
    pub limits: Overrides,
}

/// Why a verb does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such account.
    #[error("there is no such account")]
    Unknown,
    /// There is no such application.
    #[error("there is no such application")]
    UnknownApplication,
}

type Decision = Result<Vec<Event>, Refusal>;

/// Opens an account; nothing to do when it is open.
///
/// # Errors
/// None; a `Result` as every decision.
pub fn open(state: &State, label: Option<Sealed>) -> Decision {
    Ok(if state.opened_at.is_some() { vec![] } else { vec![Event::Opened { label }] })
}

/// Adds a key pair.
///
/// # Errors
/// [`Refusal::Unknown`].
pub fn add_application(state: &State, application: Application) -> Decision {
    exists(state)?;
    let known = state.applications.get(&application.application) == Some(&application);
    Ok(if known { vec![] } else { vec![Event::ApplicationAdded(application)] })
}

/// Revokes a key pair.
///
/// # Errors
/// [`Refusal::Unknown`] or [`Refusal::UnknownApplication`].
pub fn revoke_application(state: &State, application: ApplicationId) -> Decision {
    exists(state)?;
    if state.applications.contains_key(&application) {
        Ok(vec![Event::ApplicationRevoked { application }])
    } else {
        Err(Refusal::UnknownApplication)
    }
}

/// Sends results to a bucket from now on.
///
/// # Errors
/// [`Refusal::Unknown`].
pub fn set_destination(state: &State, destination: Destination) -> Decision {
    exists(state)?;
    Ok(vec![Event::DestinationSet(destination)])
}

/// Sends results to development storage from now on.
///
/// # Errors
/// [`Refusal::Unknown`].
pub fn clear_destination(state: &State) -> Decision {
    exists(state)?;
    Ok(if state.destination.is_some() { vec![Event::DestinationCleared {}] } else { vec![] })
}

/// Signs webhooks with a secret from now on.
///
/// # Errors
/// [`Refusal::Unknown`].
pub fn set_webhook_secret(state: &State, secret: Sealed) -> Decision {
    exists(state)?;
    Ok(vec![Event::WebhookSecretSet { secret }])
}

/// Gives it limits of its own.
///
/// # Errors
/// [`Refusal::Unknown`].
pub fn set_limits(state: &State, limits: Overrides) -> Decision {
    exists(state)?;
    Ok(if state.limits == limits { vec![] } else { vec![Event::LimitsSet { limits }] })
}

fn exists(state: &State) -> Result<(), Refusal> {
    state.opened_at.map(|_| ()).ok_or(Refusal::Unknown)
}

impl Aggregate for Accounts {
    type Id = AccountId;
    type Event = Event;
    type State = State;

    const STREAM: &'static str = "ACCOUNTS";
    const NOUN: &'static str = "account";

    fn prefix(id: &AccountId) -> String {
        format!("darkroom.account.{id}")
    }

    fn parse_prefix(prefix: &str) -> Option<AccountId> {
        prefix.strip_prefix("darkroom.account.")?.parse().ok()
    }

    fn event_name(event: &Event) -> &'static str {
        match event {
            Event::Opened { .. } => "opened",
            Event::ApplicationAdded(_) => "application_added",
            Event::ApplicationRevoked { .. } => "application_revoked",
            Event::DestinationSet(_) => "destination_set",
            Event::DestinationCleared {} => "destination_cleared",
            Event::WebhookSecretSet { .. } => "webhook_secret_set",
            Event::LimitsSet { .. } => "limits_set",
        }
    }

    fn evolve(mut state: State, event: &Event, at: Timestamp) -> State {
        match event {
            Event::Opened { label } => {
                state.opened_at = Some(at);
                state.label.clone_from(label);
            }
            Event::ApplicationAdded(application) => {
                state.applications.insert(application.application, application.clone());
            }
            Event::ApplicationRevoked { application } => {
                state.applications.remove(application);
            }
            Event::DestinationSet(destination) => state.destination = Some(destination.clone()),
            Event::DestinationCleared {} => state.destination = None,
            Event::WebhookSecretSet { secret } => state.webhook_secret = Some(secret.clone()),
            Event::LimitsSet { limits } => state.limits = *limits,
        }
        state
    }
}
