//! The end of an account's keys.

use std::sync::Arc;

use tokio::task::{JoinError, JoinSet};

use super::Vault;
use crate::keys::{account_name, credentials_prefix, jobs_prefix};
use crate::{Error, StoreError};

/// How many keys of an erased account are destroyed at once.
const SHREDDED_AT_ONCE: usize = 16;

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

impl Vault {
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
}

fn joined(ended: Option<Result<Result<(), StoreError>, JoinError>>) -> Result<(), Error> {
    match ended {
        None | Some(Ok(Ok(()))) => Ok(()),
        Some(Ok(Err(error))) => Err(error.into()),
        Some(Err(error)) => Err(StoreError::new("shred", "of an account", error).into()),
    }
}
