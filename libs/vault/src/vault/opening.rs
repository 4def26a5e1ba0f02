//! How a vault gets its rings, and whether they are the ones that its store was made with.

use std::path::Path;
use std::sync::Arc;

use super::Vault;
use crate::keys::{Creation, WrappedKeys};
use crate::settings::{RingName, Settings};
use crate::source::Source;
use crate::{CredentialKeys, DataKey, Error, MasterKeys};

/// The keys that exist only to show that the rings fit the store.
const CHECK_NAME: &str = "master.check";
const CREDENTIALS_CHECK_NAME: &str = "credentials.check";

/// What a process may do with customers' credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Take them in: it is given the public halves and never looks for the private ones.
    Seals,
    /// Act with them. The first such process makes rings that do not exist yet.
    Opens,
    /// Rotate and verify: as [`Role::Opens`], but a ring that does not exist is not made.
    Operates,
}

impl Vault {
    /// A vault with the rings that `settings` name, checked against the store.
    ///
    /// # Errors
    /// [`Error::Ring`] if a ring cannot be read, [`Error::LostRing`] if one is gone that the store was made with,
    /// [`Error::UnknownMasterKey`] or [`Error::UnknownCredentialKey`] if one is another installation's, and
    /// [`Error::Store`]. Nothing was changed then.
    pub async fn open(
        settings: &Settings,
        role: Role,
        keys: Arc<dyn WrappedKeys>,
    ) -> Result<Self, Error> {
        let master = open_master(settings, role, &*keys).await?;
        let credentials = open_credentials(settings, role, &*keys).await?;
        let vault = Self::new(master, keys).with_credentials(credentials);
        vault.check().await?;
        settings.warn_of_environment();
        Ok(vault)
    }

    /// Proves that the key rings are the ones the store was made with, before anything is sealed under a stray one.
    ///
    /// # Errors
    /// [`Error::UnknownMasterKey`] or [`Error::UnknownCredentialKey`] if a ring was lost or is another installation's;
    /// [`Error::Store`].
    pub async fn check(&self) -> Result<(), Error> {
        if let Some(wrapped) = self.mark(CHECK_NAME).await? {
            self.master.unwrap_fresh(CHECK_NAME, &wrapped).await?;
        }
        let Some(credentials) = &self.credentials else { return Ok(()) };
        match self.mark(CREDENTIALS_CHECK_NAME).await? {
            Some(wrapped) => credentials.fits(CREDENTIALS_CHECK_NAME, &wrapped).await,
            None => Ok(()),
        }
    }

    /// What a ring left in the store when it was first used; nothing if it leaves it now.
    async fn mark(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        if let Some(wrapped) = self.keys.get(name).await? {
            return Ok(Some(wrapped));
        }
        let fresh = DataKey::generate();
        let wrapped = if name == CHECK_NAME {
            self.master.wrap_fresh(name, &fresh).await?
        } else {
            self.credentials()?.wrap_fresh(name, &fresh).await?
        };
        Ok(match self.keys.create(name, wrapped).await? {
            Creation::Created => None,
            Creation::Exists(wrapped) => Some(wrapped),
        })
    }
}

async fn open_master(
    settings: &Settings,
    role: Role,
    keys: &dyn WrappedKeys,
) -> Result<MasterKeys, Error> {
    let source = settings.source(RingName::Fields)?;
    if let Source::File(path) = &source
        && role == Role::Opens
        && !path.exists()
    {
        may_make(keys, CHECK_NAME, path).await?;
        return Ok(MasterKeys::open_or_create(path)?);
    }
    Ok(MasterKeys::from_source(source).await?)
}

async fn open_credentials(
    settings: &Settings,
    role: Role,
    keys: &dyn WrappedKeys,
) -> Result<CredentialKeys, Error> {
    let public = &settings.credentials_public_file;
    if role == Role::Seals {
        return Ok(CredentialKeys::sealing(public)?);
    }
    let source = settings.source(RingName::Credentials)?;
    if let Source::File(path) = &source
        && role == Role::Opens
    {
        if !path.exists() {
            may_make(keys, CREDENTIALS_CHECK_NAME, path).await?;
            return Ok(CredentialKeys::open_or_create(path, public)?);
        }
        // Whoever opens has no need of it, and may have no room for it.
        if !public.exists()
            && let Err(error) = settings.publish_credentials().await
        {
            let error = &error as &(dyn std::error::Error + 'static);
            tracing::warn!(error, "the public half of the credentials ring is not written here");
        }
    }
    Ok(CredentialKeys::from_source(source).await?)
}

/// A ring is made for a store that has seen none.
async fn may_make(keys: &dyn WrappedKeys, mark: &str, path: &Path) -> Result<(), Error> {
    match keys.get(mark).await? {
        None => Ok(()),
        Some(_) => Err(Error::LostRing { path: path.to_owned() }),
    }
}
