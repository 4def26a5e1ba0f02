//! The vault: account and job keys, made once, unwrapped on demand, forgotten on request.

mod credential;
mod erasing;
mod opening;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use self::erasing::KeysHeld;
pub use self::opening::Role;
use crate::cache::{Epoch, KeyCache};
use crate::keys::{Creation, WrappedKeys, account_name, job_name};
use crate::{CredentialKeys, DataKey, Error, FieldKey, MasterKeys};

/// Most account keys held unwrapped.
const ACCOUNT_KEYS_MAX: usize = 4_096;
/// How long an account key is held, and so how long other processes may still use one that was shredded.
const ACCOUNT_KEY_LIFETIME: Duration = Duration::from_secs(60);
/// Most job keys held unwrapped.
const JOB_KEYS_MAX: usize = 4_096;
/// How long a job key is held, and so how long other processes may still use one that was shredded.
const JOB_KEY_LIFETIME: Duration = Duration::from_secs(10);
/// Most keys of credentials held unwrapped.
const CREDENTIAL_KEYS_MAX: usize = 4_096;
/// How long the key of a credential is held by those who act with it.
const CREDENTIAL_KEY_LIFETIME: Duration = Duration::from_secs(10);
/// The record of fields that belong to an account as a whole.
const ACCOUNT_RECORD: &str = "account";

/// Gives out the keys of accounts and jobs. Share it as `Arc<Vault>`.
pub struct Vault {
    master: MasterKeys,
    credentials: Option<CredentialKeys>,
    pub(crate) keys: Arc<dyn WrappedKeys>,
    accounts: KeyCache,
    jobs: KeyCache,
    credential_keys: KeyCache,
}

impl Vault {
    /// A vault over a key ring and a store of wrapped keys. Call [`Vault::check`] before using it.
    #[must_use]
    pub fn new(master: MasterKeys, keys: Arc<dyn WrappedKeys>) -> Self {
        Self {
            master,
            credentials: None,
            keys,
            accounts: KeyCache::new(ACCOUNT_KEYS_MAX, ACCOUNT_KEY_LIFETIME),
            jobs: KeyCache::new(JOB_KEYS_MAX, JOB_KEY_LIFETIME),
            credential_keys: KeyCache::new(CREDENTIAL_KEYS_MAX, CREDENTIAL_KEY_LIFETIME),
        }
    }

    /// The same with a ring for credentials.
    #[must_use]
    pub fn with_credentials(mut self, credentials: CredentialKeys) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// The key ring, for digests.
    #[must_use]
    pub const fn master(&self) -> &MasterKeys {
        &self.master
    }

    pub(crate) fn credentials(&self) -> Result<&CredentialKeys, Error> {
        self.credentials.as_ref().ok_or(Error::NoCredentialKeys)
    }

    /// The account's key, made if it does not exist.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::UnknownMasterKey`], [`Error::Refused`], [`Error::Store`].
    pub async fn create_account_key(&self, account: &str) -> Result<FieldKey, Error> {
        let key = self.create_account_data_key(account).await?;
        Ok(FieldKey::new(key, account, ACCOUNT_RECORD))
    }

    /// The account's key.
    ///
    /// # Errors
    /// [`Error::Shredded`] if there is none, else as [`Vault::create_account_key`].
    pub async fn account_key(&self, account: &str) -> Result<FieldKey, Error> {
        let name = account_name(account)?;
        let key = self.find_account_data_key(&name).await?.ok_or(Error::Shredded { name })?;
        Ok(FieldKey::new(key, account, ACCOUNT_RECORD))
    }

    /// The job's key, made if it does not exist, and the account's with it.
    ///
    /// # Errors
    /// [`Error::Shredded`] if the job's key is there but the account's that wrapped it is gone, else as
    /// [`Vault::create_account_key`].
    pub async fn create_job_key(&self, account: &str, job: &str) -> Result<FieldKey, Error> {
        let name = job_name(account, job)?;
        if let Some(key) = self.jobs.get(&name, Instant::now()) {
            return Ok(FieldKey::new(key, account, job));
        }
        let epoch = self.jobs.epoch();
        let account_key = self.create_account_data_key(account).await?;
        let fresh = DataKey::generate();
        let key = match self.keys.create(&name, account_key.wrap(&name, &fresh)).await? {
            Creation::Created => fresh,
            Creation::Exists(wrapped) => unwrap_job_key(&account_key, &name, &wrapped)?,
        };
        Ok(FieldKey::new(remember(&self.jobs, epoch, &name, key), account, job))
    }

    /// The job's key.
    ///
    /// # Errors
    /// [`Error::Shredded`] if there is none, or none of the account that wrapped it; else as
    /// [`Vault::create_account_key`].
    pub async fn job_key(&self, account: &str, job: &str) -> Result<FieldKey, Error> {
        let name = job_name(account, job)?;
        if let Some(key) = self.jobs.get(&name, Instant::now()) {
            return Ok(FieldKey::new(key, account, job));
        }
        let epoch = self.jobs.epoch();
        let Some(wrapped) = self.keys.get(&name).await? else {
            return Err(Error::Shredded { name });
        };
        let account_name = account_name(account)?;
        let account_key = self
            .find_account_data_key(&account_name)
            .await?
            .ok_or(Error::Shredded { name: account_name })?;
        let key = unwrap_job_key(&account_key, &name, &wrapped)?;
        Ok(FieldKey::new(remember(&self.jobs, epoch, &name, key), account, job))
    }

    /// Destroys a job's key: all its sealed fields become unreadable, here at once, elsewhere within ten seconds.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::Store`]; the key may then still exist.
    pub async fn shred_job(&self, account: &str, job: &str) -> Result<(), Error> {
        let name = job_name(account, job)?;
        self.keys.shred(&name).await?;
        self.jobs.remove(&name);
        Ok(())
    }

    async fn create_account_data_key(&self, account: &str) -> Result<Arc<DataKey>, Error> {
        let name = account_name(account)?;
        let epoch = self.accounts.epoch();
        if let Some(key) = self.find_account_data_key(&name).await? {
            return Ok(key);
        }
        let fresh = DataKey::generate();
        let wrapped = self.master.wrap_fresh(&name, &fresh).await?;
        let key = match self.keys.create(&name, wrapped).await? {
            Creation::Created => fresh,
            Creation::Exists(wrapped) => self.master.unwrap_fresh(&name, &wrapped).await?,
        };
        Ok(remember(&self.accounts, epoch, &name, key))
    }

    pub(crate) async fn find_account_data_key(
        &self,
        name: &str,
    ) -> Result<Option<Arc<DataKey>>, Error> {
        if let Some(key) = self.accounts.get(name, Instant::now()) {
            return Ok(Some(key));
        }
        let epoch = self.accounts.epoch();
        let Some(wrapped) = self.keys.get(name).await? else {
            return Ok(None);
        };
        let key = self.master.unwrap_fresh(name, &wrapped).await?;
        Ok(Some(remember(&self.accounts, epoch, name, key)))
    }
}

fn remember(cache: &KeyCache, epoch: Epoch, name: &str, key: DataKey) -> Arc<DataKey> {
    let key = Arc::new(key);
    cache.insert(name, &key, epoch, Instant::now());
    key
}

/// A job key wrapped under another account key than today's lost its wrapper: it is as gone as a shredded one.
fn unwrap_job_key(account_key: &DataKey, name: &str, wrapped: &[u8]) -> Result<DataKey, Error> {
    match account_key.unwrap(name, wrapped) {
        Err(Error::OtherKey { .. }) => Err(Error::Shredded { name: name.to_owned() }),
        unwrapped => unwrapped,
    }
}
