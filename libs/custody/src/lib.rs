//! The personal fields of jobs and accounts: sealed on the way into events, opened on the way out.
//!
//! This is where the vault's keys, the domain's events and the platform bucket's links meet, so
//! that API, worker and dispatcher open the same fields in the same way and answer with the same
//! `/v2` body.

mod account;
mod destination;
mod endpoint;
mod erasure;
mod error;
pub mod event;
mod job;
pub mod member;
mod settings;
mod upload;

use std::{sync::Arc, time::Duration};

use storage::{Bucket, Cdn, Network, Uploads};
use vault::{Digests, Vault};

pub use destination::{Headers, OpenedDestination};
pub use endpoint::endpoint_field;
pub use error::Error;
pub use job::{PersonalFields, SealedRequest};
pub use settings::{BadSettings, artifact_field};
pub use upload::Download;

/// What a request's fingerprint is a keyed digest for.
const FINGERPRINT: &str = "request-fingerprint";
/// What an application's stored digest of its secret is a keyed digest for.
const APPLICATION_SECRET: &str = "application-secret";
/// What stands in memory for credentials that have been checked is a keyed digest for.
const SHOWN_CREDENTIALS: &str = "shown-credentials";

/// Seals and opens. Cheap to clone.
#[derive(Clone)]
pub struct Custody {
    vault: Arc<Vault>,
    development: Bucket,
    uploads: Uploads,
    cdn: Option<Arc<Cdn>>,
    roles: storage::RoleSettings,
    expires: Duration,
    fingerprints: Digests,
    secrets: Digests,
    credentials: Digests,
}

impl Custody {
    /// Over a vault, and the platform bucket that development storage lies in.
    ///
    /// # Errors
    /// [`BadSettings`] when the `[storage]` section does not make a bucket.
    pub async fn new(
        vault: Arc<Vault>,
        storage: &storage::Settings,
        network: &Network,
    ) -> Result<Self, BadSettings> {
        let development = Bucket::open(storage.destination()?, network).await?;
        let digests = |purpose| vault.master().digests(purpose);
        Ok(Self {
            fingerprints: digests(FINGERPRINT),
            secrets: digests(APPLICATION_SECRET),
            credentials: digests(SHOWN_CREDENTIALS),
            development,
            uploads: Uploads::open(storage.destination()?, network).await?,
            cdn: upload::cdn(storage)?,
            roles: storage.roles.clone(),
            expires: storage.expires()?,
            vault,
        })
    }

    /// Whom customers' roles have to trust; nothing where no roles are taken on.
    #[must_use]
    pub fn principal(&self) -> Option<&str> {
        self.roles.principal.as_deref()
    }

    /// The platform bucket.
    #[must_use]
    pub const fn development(&self) -> &Bucket {
        &self.development
    }

    /// Tells a repeated request from another one without storing what it said: keyed, in hex.
    #[must_use]
    pub fn fingerprint(&self, request: &[u8]) -> String {
        hex::encode(self.fingerprints.of(request))
    }

    /// What is stored of an application's secret: keyed, in hex.
    #[must_use]
    pub fn secret_digest(&self, secret: &str) -> String {
        hex::encode(self.secrets.of(secret.as_bytes()))
    }

    /// Whether `secret` is the one that `digest` was made of; takes the same time either way.
    #[must_use]
    pub fn secret_matches(&self, secret: &str, digest: &str) -> bool {
        // A digest that is no hex matches nothing, at the cost of one that is.
        let digest = hex::decode(digest).unwrap_or_default();
        self.secrets.verify(secret.as_bytes(), &digest)
    }

    /// Stands in memory for credentials that somebody has shown: the same for the same, and nobody
    /// can get back from it to them.
    #[must_use]
    pub fn stand_in(&self, credentials: &[u8]) -> [u8; 32] {
        self.credentials.of(credentials)
    }
}
