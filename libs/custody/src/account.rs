//! The secrets of an account: what signs its webhooks, and the credentials of its bucket.

use domain::{
    Sealed,
    account::{Destination, Place},
    id::AccountId,
    job::StoredIn,
    sealed::field,
};
use serde::Deserialize;
use storage::{Bucket, Credentials, Encryption, Network};
use vault::Secret;
use zeroize::Zeroizing;

use crate::{Custody, Error};

/// Credentials as they are sealed.
#[derive(Deserialize)]
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

    /// Opens a text that was sealed under the account's key.
    ///
    /// # Errors
    /// [`Error::Erased`], or when the vault fails or refuses the ciphertext.
    pub async fn open_for_account(
        &self,
        account: AccountId,
        field: &str,
        sealed: &Sealed,
    ) -> Result<String, Error> {
        let key = self.vault.account_key(&account.to_string()).await?;
        Ok(key.open_text(field, sealed.envelope())?.to_string())
    }

    /// Seals a credential of the account's, which only those who act with it can open.
    ///
    /// # Errors
    /// When the vault fails.
    pub async fn seal_credential(
        &self,
        account: AccountId,
        field: &str,
        value: &str,
    ) -> Result<Sealed, Error> {
        let key = self.vault.create_account_key(&account.to_string()).await?;
        Ok(Sealed::from_envelope(key.seal(field, value.as_bytes())))
    }

    /// Opens a credential of the account's.
    ///
    /// # Errors
    /// [`Error::Erased`], or when the vault fails or refuses the ciphertext.
    pub async fn open_credential(
        &self,
        account: AccountId,
        field: &str,
        sealed: &Sealed,
    ) -> Result<Secret, Error> {
        let key = self.vault.account_key(&account.to_string()).await?;
        let text = key.open_text(field, sealed.envelope())?;
        Ok(Secret::from(text.as_str()))
    }

    /// Seals the credentials of a bucket.
    ///
    /// # Errors
    /// When the vault fails.
    pub async fn seal_bucket_credentials(
        &self,
        account: AccountId,
        field: &str,
        access_key: &str,
        secret_key: &str,
    ) -> Result<Sealed, Error> {
        let pair = Zeroizing::new(
            serde_json::json!({ "access_key": access_key, "secret_key": secret_key }).to_string(),
        );
        self.seal_credential(account, field, &pair).await
    }

    /// Opens the credentials of a bucket.
    ///
    /// # Errors
    /// [`Error::Erased`], or when the vault fails or refuses the ciphertext.
    pub async fn open_bucket_credentials(
        &self,
        account: AccountId,
        field: &str,
        sealed: &Sealed,
    ) -> Result<Credentials, Error> {
        let text = self.open_credential(account, field, sealed).await?;
        let SealedCredentials { access_key, secret_key } =
            serde_json::from_str(text.expose()).map_err(|_quotes_a_secret| Error::Credentials)?;
        let secret_key = storage::Secret::from(secret_key);
        Ok(Credentials { access_key, secret_key, session_token: None })
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
        let credentials = self
            .open_bucket_credentials(account, field::DESTINATION_CREDENTIALS, &own.credentials)
            .await?;
        let Place { endpoint, region, bucket, prefix, path_style, bucket_owner, .. } =
            own.place.clone();
        let destination = storage::Destination {
            endpoint,
            region,
            bucket,
            prefix,
            path_style,
            credentials,
            encryption: Encryption::None,
            bucket_owner,
        };
        let bucket = Bucket::open(destination, network).await.map_err(Error::Destination)?;
        Ok(OpenedDestination { bucket, stored_in: StoredIn::Destination })
    }
}
