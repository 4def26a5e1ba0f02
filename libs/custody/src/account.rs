//! The secrets of an account: what signs its webhooks, and the credentials of its bucket.

use domain::{Sealed, account::Destination, id::AccountId, job::StoredIn, sealed::field};
use serde::{Deserialize, Serialize};
use storage::{Bucket, Credentials, Encryption, Network};
use vault::Secret;

use crate::{Custody, Error};

/// Credentials as they are sealed.
#[derive(Serialize, Deserialize)]
struct SealedCredentials {
    access_key: String,
    secret_key: String,
}

/// A bucket to put results into, and whose it is.
#[derive(Clone)]
pub struct OpenedDestination {
    /// The bucket.
    pub bucket: Bucket,
    /// In whose bucket artifacts lie.
    pub stored_in: StoredIn,
}

impl Custody {
    /// Makes the account's key, if there is none, and seals a text under it.
    ///
    /// # Errors
    /// When the vault fails.
    pub async fn seal_for_account(
        &self,
        account: AccountId,
        field: &str,
        value: &str,
    ) -> Result<Sealed, Error> {
        let key = self.vault.create_account_key(&account.to_string()).await?;
        Ok(Sealed::from_envelope(key.seal(field, value.as_bytes())))
    }

    /// The secret that signs the account's webhooks.
    ///
    /// # Errors
    /// [`Error::Erased`], or when the vault fails or refuses the ciphertext.
    pub async fn open_webhook_secret(
        &self,
        account: AccountId,
        sealed: &Sealed,
    ) -> Result<Secret, Error> {
        let key = self.vault.account_key(&account.to_string()).await?;
        let text = key.open_text(field::WEBHOOK_SECRET, sealed.envelope())?;
        Ok(Secret::from(text.as_str()))
    }

    /// Seals the credentials of a destination.
    ///
    /// # Errors
    /// When the vault fails.
    pub async fn seal_credentials(
        &self,
        account: AccountId,
        access_key: &str,
        secret_key: &str,
    ) -> Result<Sealed, Error> {
        let key = self.vault.create_account_key(&account.to_string()).await?;
        let credentials = SealedCredentials {
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
        };
        let envelope = key.seal_json(field::DESTINATION_CREDENTIALS, &credentials)?;
        Ok(Sealed::from_envelope(envelope))
    }

    /// Where results go without a destination of the account's own.
    #[must_use]
    pub fn development_destination(&self) -> OpenedDestination {
        OpenedDestination { bucket: self.development.clone(), stored_in: StoredIn::Development }
    }

    /// The account's own bucket, reached over `network`.
    ///
    /// # Errors
    /// [`Error::Erased`], [`Error::Destination`], or when the vault fails.
    pub async fn open_destination(
        &self,
        account: AccountId,
        own: &Destination,
        network: &Network,
    ) -> Result<OpenedDestination, Error> {
        let key = self.vault.account_key(&account.to_string()).await?;
        let credentials: SealedCredentials =
            key.open_json(field::DESTINATION_CREDENTIALS, own.credentials.envelope())?;
        let destination = storage::Destination {
            endpoint: own.endpoint.clone(),
            region: own.region.clone(),
            bucket: own.bucket.clone(),
            prefix: own.prefix.clone(),
            path_style: own.path_style,
            credentials: Credentials {
                access_key: credentials.access_key,
                secret_key: storage::Secret::from(credentials.secret_key),
                session_token: None,
            },
            encryption: Encryption::None,
            bucket_owner: None,
        };
        let bucket = Bucket::open(destination, network).await.map_err(Error::Destination)?;
        Ok(OpenedDestination { bucket, stored_in: StoredIn::Destination })
    }
}
