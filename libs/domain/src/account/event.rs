//! What can happen to an account, as stored. Fields are only ever added, with a default.

use std::collections::BTreeSet;

use jiff::{Timestamp, civil::Date};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    FailureCode, Sealed,
    id::{ApplicationId, DestinationId, InputId},
    limits::{Overrides, QuotaOverrides},
    proof::Proof,
    scope::Scope,
};

/// A fact in an account's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The account exists.
    Opened {
        /// What its people call it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<Sealed>,
    },
    /// Its people call it something else, or nothing, from now on.
    Labelled {
        /// What.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<Sealed>,
    },
    /// It has one more API key pair.
    ApplicationAdded(Application),
    /// A key pair is for something else from now on.
    ApplicationChanged {
        /// Which.
        application: ApplicationId,
        /// All that can be changed of it.
        #[serde(flatten)]
        terms: Terms,
    },
    /// A key pair has a new secret; the one before goes on for a while.
    ApplicationRotated {
        /// Which.
        application: ApplicationId,
        /// Keyed digest of the new secret, in hex.
        secret_digest: String,
        /// Until when the secret before opens as well.
        previous_until: Timestamp,
    },
    /// A key pair opens nothing any more.
    ApplicationRevoked {
        /// Whose.
        application: ApplicationId,
    },
    /// A key pair was used on a day; said once a day, and more rarely in a long history.
    ApplicationUsed {
        /// Which.
        application: ApplicationId,
        /// The day, in UTC.
        on: Date,
    },
    /// Results go to this bucket from now on.
    DestinationSet(Destination),
    /// Results go to development storage from now on.
    DestinationCleared {},
    /// Somebody wants to know what the destination's credentials may do.
    ProofRequested {
        /// Which destination.
        destination: DestinationId,
    },
    /// What the destination's credentials may do was found out by trying.
    DestinationProven {
        /// Which destination.
        destination: DestinationId,
        /// What came of it.
        proof: Proof,
    },
    /// It could not be found out.
    DestinationProofFailed {
        /// Which destination.
        destination: DestinationId,
        /// Why.
        code: FailureCode,
        /// More of why; may quote the server.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<Sealed>,
    },
    /// Whether jobs are refused unless the destination is proven write-only.
    WriteOnlyDemanded {
        /// Whether they are.
        demanded: bool,
    },
    /// Sources may be read from this bucket.
    InputSet(Input),
    /// Sources are not read from a bucket any more.
    InputRemoved {
        /// Which.
        input: InputId,
    },
    /// Whether uploads stay after the jobs that read them.
    MediaKept {
        /// Whether they do.
        kept: bool,
    },
    /// Whether what happens is told on NATS with its personal fields opened.
    FeedSet {
        /// Whether it is.
        on: bool,
    },
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
    /// Its jobs together have these quotas instead of the installation's from now on.
    QuotasSet {
        /// All that it has of its own.
        quotas: QuotaOverrides,
    },
    /// Everything held about it shall go.
    ErasureRequested {},
    /// Its keys are shredded and its objects removed.
    Erased {
        /// Jobs whose keys were shredded.
        jobs: u64,
        /// Objects removed from the platform bucket.
        objects: u64,
    },
}

impl Event {
    /// The last token of its subject.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "opened",
            Self::Labelled { .. } => "labelled",
            Self::ApplicationAdded(_) => "application_added",
            Self::ApplicationChanged { .. } => "application_changed",
            Self::ApplicationRotated { .. } => "application_rotated",
            Self::ApplicationRevoked { .. } => "application_revoked",
            Self::ApplicationUsed { .. } => "application_used",
            Self::DestinationSet(_) => "destination_set",
            Self::DestinationCleared {} => "destination_cleared",
            Self::ProofRequested { .. } => "proof_requested",
            Self::DestinationProven { .. } => "destination_proven",
            Self::DestinationProofFailed { .. } => "destination_proof_failed",
            Self::WriteOnlyDemanded { .. } => "write_only_demanded",
            Self::InputSet(_) => "input_set",
            Self::InputRemoved { .. } => "input_removed",
            Self::MediaKept { .. } => "media_kept",
            Self::FeedSet { .. } => "feed_set",
            Self::WebhookSecretSet { .. } => "webhook_secret_set",
            Self::LimitsSet { .. } => "limits_set",
            Self::QuotasSet { .. } => "quotas_set",
            Self::ErasureRequested {} => "erasure_requested",
            Self::Erased { .. } => "erased",
        }
    }
}

/// An API key pair and how its owner wants to be answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Application {
    /// Which it is.
    pub application: ApplicationId,
    /// The public half, `dk_...`: names the application in requests.
    pub key: String,
    /// Keyed digest of the secret half, in hex.
    pub secret_digest: String,
    /// What it may be used for.
    #[serde(flatten)]
    pub terms: Terms,
}

/// What a key pair may be used for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Terms {
    /// Origins from which a browser may use the key without its secret.
    #[serde(default)]
    pub origins: Vec<String>,
    /// How a failed job is spelled in `/v2` answers.
    #[serde(default)]
    pub failure_word: FailureWord,
    /// What its people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Sealed>,
    /// What it may do; absent: everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<BTreeSet<Scope>>,
    /// From when on it opens nothing; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

impl Terms {
    /// Whether it may do that.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.as_ref().is_none_or(|scopes| scopes.contains(&scope))
    }
}

/// How a failed job is spelled in `/v2` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
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

/// A bucket and how to reach it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
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
    /// The AWS account that must own the bucket, 12 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket_owner: Option<String>,
    /// The last four characters of the access key, to tell one from another.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub access_key_hint: String,
}

/// A bucket for results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Destination {
    /// Names it for as long as it is the account's; nil in events of before it had a name.
    #[serde(default = "unnamed", skip_serializing_if = "is_unnamed")]
    pub destination: DestinationId,
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
    /// `{"access_key": ..., "secret_key": ...}` as JSON; both empty where a role is taken on.
    pub credentials: Sealed,
    /// The ARN of the role that is taken on to write there; absent where keys were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What its server is asked to encrypt with.
    #[serde(default, skip_serializing_if = "Encryption::is_none")]
    pub encryption: Encryption,
    /// Headers of every object: a JSON object of strings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<Sealed>,
    /// Keyed digest of all of it, secrets included, in hex: the same for the same. Empty in events
    /// of before it was kept.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
}

const fn unnamed() -> DestinationId {
    DestinationId::from_uuid(Uuid::nil())
}

fn is_unnamed(id: &DestinationId) -> bool {
    *id == unnamed()
}

/// Encryption that a bucket's server is asked for with every object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Encryption {
    /// Whatever the bucket does by itself.
    #[default]
    None,
    /// With keys that the server keeps (SSE-S3).
    SseS3,
    /// With a key of the customer's key service (SSE-KMS).
    SseKms {
        /// Id or ARN of the key.
        key_id: String,
    },
    /// With a key that the customer gives with every object (SSE-C).
    SseC {
        /// 32 bytes, in base64.
        key: Sealed,
    },
}

impl Encryption {
    /// Whether nothing is asked for.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

/// A bucket that sources may be read from, as `s3://bucket/key`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Input {
    /// Which it is.
    pub input: InputId,
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
    /// `{"access_key": ..., "secret_key": ...}` as JSON.
    pub credentials: Sealed,
}
