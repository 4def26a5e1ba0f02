//! The secrets of an account: what signs its webhooks, and the credentials of its bucket.

use domain::{Sealed, id::AccountId};
use serde::Deserialize;
use storage::Credentials;
use vault::Secret;
use zeroize::Zeroizing;

use crate::{Custody, Error};

/// Credentials as they are sealed.
#[derive(Deserialize)]
struct SealedCredentials {
    access_key: String,
    secret_key: String,
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
        let account = account.to_string();
        let sealed = self.vault.seal_credential(&account, field, value.as_bytes()).await?;
        Ok(Sealed::from_envelope(sealed))
    }

    /// Opens a credential of the account's. A process that was given the public halves of the credentials ring alone
    /// cannot.
    ///
    /// # Errors
    /// [`Error::Erased`], or when the vault fails or refuses the ciphertext.
    pub async fn open_credential(
        &self,
        account: AccountId,
        field: &str,
        sealed: &Sealed,
    ) -> Result<Secret, Error> {
        let opened =
            self.vault.open_credential(&account.to_string(), field, sealed.envelope()).await?;
        Ok(Secret::from(opened.as_str()))
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
        Ok(Credentials { access_key, secret_key, session_token: None, role: None })
    }
}
