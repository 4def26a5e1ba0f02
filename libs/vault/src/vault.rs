//! The vault: account and job keys, made once, unwrapped on demand, forgotten on request.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{JoinError, JoinSet};
use zeroize::Zeroizing;

use crate::cache::{Epoch, KeyCache};
use crate::keys::{
    Creation, WrappedKeys, account_name, credential_name, credentials_prefix, job_name, jobs_prefix,
};
use crate::settings::{RingName, Settings};
use crate::source::Source;
use crate::{CredentialKeys, DataKey, Error, FieldKey, MasterKeys, StoreError};

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
/// How many keys of an erased account are destroyed at once.
const SHREDDED_AT_ONCE: usize = 16;
/// The keys that exist only to show that the rings fit the store.
const CHECK_NAME: &str = "master.check";
const CREDENTIALS_CHECK_NAME: &str = "credentials.check";
/// The record of fields that belong to an account as a whole.
const ACCOUNT_RECORD: &str = "account";
/// The record of an account's credentials.
const CREDENTIAL_RECORD: &str = "credential";

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

/// How many wrapped keys of an account are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeysHeld {
    /// Whether its own key is there.
    pub account: bool,
    /// Keys of credentials.
    pub credentials: u64,
    /// Keys of jobs; without the account's own key they open nothing.
    pub jobs: u64,
}

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
        Ok(vault)
    }

    /// The key ring, for digests.
    #[must_use]
    pub const fn master(&self) -> &MasterKeys {
        &self.master
    }

    pub(crate) fn credentials(&self) -> Result<&CredentialKeys, Error> {
        self.credentials.as_ref().ok_or(Error::NoCredentialKeys)
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

    /// Destroys an account's key, the keys of its credentials and those of its jobs; elsewhere within a minute. Gives how
    /// many there were. Safe to repeat: what one call leaves the next destroys.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::Store`]; some of the keys may then still exist.
    pub async fn shred_account(&self, account: &str) -> Result<u64, Error> {
        let name = account_name(account)?;
        let own = self.keys.get(&name).await?;
        // The account's own first: without it the keys of its jobs open nothing.
        self.keys.shred(&name).await?;
        self.accounts.remove(&name);
        self.jobs.clear();
        let mut shredded = u64::from(own.is_some());
        for prefix in [credentials_prefix(account)?, jobs_prefix(account)?] {
            shredded += self.shred_below(&prefix).await?;
        }
        self.jobs.clear();
        self.credential_keys.clear();
        Ok(shredded)
    }

    async fn shred_below(&self, prefix: &str) -> Result<u64, Error> {
        let (mut shredded, mut from) = (0, Some(0));
        while let Some(at) = from {
            let page = self.keys.page(prefix, at).await?;
            let mut work = JoinSet::new();
            for (name, _) in page.entries {
                if work.len() >= SHREDDED_AT_ONCE {
                    joined(work.join_next().await)?;
                }
                let keys = Arc::clone(&self.keys);
                work.spawn(async move { keys.shred(&name).await });
                shredded += 1;
            }
            while let Some(ended) = work.join_next().await {
                joined(Some(ended))?;
            }
            from = page.next;
        }
        Ok(shredded)
    }

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

    /// How many wrapped keys of an account are left.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::Store`].
    pub async fn keys_of(&self, account: &str) -> Result<KeysHeld, Error> {
        let own = self.keys.get(&account_name(account)?).await?;
        Ok(KeysHeld {
            account: own.is_some(),
            credentials: self.count(&credentials_prefix(account)?).await?,
            jobs: self.count(&jobs_prefix(account)?).await?,
        })
    }

    async fn count(&self, prefix: &str) -> Result<u64, Error> {
        let (mut count, mut from) = (0, Some(0));
        while let Some(at) = from {
            let page = self.keys.page(prefix, at).await?;
            count += page.entries.len() as u64;
            from = page.next;
        }
        Ok(count)
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
        && !(path.exists() && public.exists())
    {
        if !path.exists() {
            may_make(keys, CREDENTIALS_CHECK_NAME, path).await?;
        }
        return Ok(CredentialKeys::open_or_create(path, public)?);
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

fn joined(ended: Option<Result<Result<(), StoreError>, JoinError>>) -> Result<(), Error> {
    match ended {
        None | Some(Ok(Ok(()))) => Ok(()),
        Some(Ok(Err(error))) => Err(error.into()),
        Some(Err(error)) => Err(StoreError::new("shred", "of an account", error).into()),
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
