//! Credentials: each sealed under a key of its own, which the credentials ring wraps.

use std::sync::Arc;
use std::time::Instant;

use zeroize::Zeroizing;

use super::{Vault, remember};
use crate::keys::{Creation, credential_name};
use crate::{DataKey, Error, FieldKey};

/// The record of an account's credentials.
const CREDENTIAL_RECORD: &str = "credential";

impl Vault {
    /// Seals a credential of the account's under a key of its own, which only the private half of the credentials ring
    /// takes out again.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::NoCredentialKeys`], [`Error::Ring`], [`Error::Store`].
    pub async fn seal_credential(
        &self,
        account: &str,
        field: &str,
        plaintext: &[u8],
    ) -> Result<String, Error> {
        let key = DataKey::generate();
        let name = credential_name(account, key.id())?;
        let wrapped = self.credentials()?.wrap_fresh(&name, &key).await?;
        // The id is new: whatever lies under it already is not ours to seal under.
        if let Creation::Exists(_) = self.keys.create(&name, wrapped).await? {
            return Err(Error::Refused { what: name });
        }
        Ok(FieldKey::new(Arc::new(key), account, CREDENTIAL_RECORD).seal(field, plaintext))
    }

    /// Opens what [`Vault::seal_credential`] made for the same account and field.
    ///
    /// # Errors
    /// [`Error::SealsOnly`] in a process that holds the public halves alone; [`Error::Shredded`];
    /// [`Error::UnknownCredentialKey`], [`Error::Refused`], [`Error::Envelope`], [`Error::Store`].
    pub async fn open_credential(
        &self,
        account: &str,
        field: &str,
        envelope: &str,
    ) -> Result<Zeroizing<String>, Error> {
        if !self.credentials()?.opens() {
            return Err(Error::SealsOnly);
        }
        let id = FieldKey::id_in(field, envelope)?;
        let name = credential_name(account, id)?;
        match self.credential_key(&name).await {
            Ok(key) => FieldKey::new(key, account, CREDENTIAL_RECORD).open_text(field, envelope),
            // Before there was a ring for credentials the account's key sealed them.
            Err(shredded @ Error::Shredded { .. }) => match self.account_key(account).await {
                Ok(key) if key.id() == id => key.open_text(field, envelope),
                Err(error) if !error.is_shredded() => Err(error),
                Ok(_) | Err(_) => Err(shredded),
            },
            Err(error) => Err(error),
        }
    }

    /// Destroys the key of one credential, once nothing acts with it any more.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::Envelope`], [`Error::Store`]; the key may then still exist.
    pub async fn shred_credential(
        &self,
        account: &str,
        field: &str,
        envelope: &str,
    ) -> Result<(), Error> {
        let name = credential_name(account, FieldKey::id_in(field, envelope)?)?;
        self.keys.shred(&name).await?;
        self.credential_keys.remove(&name);
        Ok(())
    }

    async fn credential_key(&self, name: &str) -> Result<Arc<DataKey>, Error> {
        if let Some(key) = self.credential_keys.get(name, Instant::now()) {
            return Ok(key);
        }
        let epoch = self.credential_keys.epoch();
        let Some(wrapped) = self.keys.get(name).await? else {
            return Err(Error::Shredded { name: name.to_owned() });
        };
        let key = self.credentials()?.unwrap_fresh(name, &wrapped).await?;
        Ok(remember(&self.credential_keys, epoch, name, key))
    }
}
