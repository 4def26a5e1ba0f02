//! Where wrapped keys are kept: a map that can create a name once and forget it for good.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Error, KeyId};

/// Longest account or job id in a key's name.
pub(crate) const ID_MAX_CHARS: usize = 128;

/// What a store of wrapped keys gives back.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A store of wrapped keys. Names are made of `A-Z a-z 0-9 - _ .` and are at most 270 characters long; values are
/// ciphertext of about 150 bytes.
pub trait WrappedKeys: Send + Sync {
    /// The value, or nothing. Sees every `create` that was acknowledged before.
    fn get<'a>(&'a self, name: &'a str) -> StoreFuture<'a, Option<Vec<u8>>>;

    /// Stores the value unless the name is taken; of two at once exactly one wins, and the other gets its value.
    fn create<'a>(&'a self, name: &'a str, wrapped: Vec<u8>) -> StoreFuture<'a, Creation>;

    /// Removes the value so that no later read gives it, history included. A name that does not exist is no error.
    fn shred<'a>(&'a self, name: &'a str) -> StoreFuture<'a, ()>;

    /// Puts `new` in the place of `old`, and overwrites that. Does nothing if the value is not `old` any more: what was
    /// shredded stays so.
    fn replace<'a>(
        &'a self,
        name: &'a str,
        old: &'a [u8],
        new: Vec<u8>,
    ) -> StoreFuture<'a, Replacement>;

    /// Some of the values whose names begin with `prefix` and a dot, from `from` on; 0 is the beginning. Whoever goes
    /// on with `next` until there is none meets every value that is there all the while, and those replaced meanwhile
    /// twice. A value that was replaced by somebody who was killed over it may still be met before its successor.
    fn page<'a>(&'a self, prefix: &'a str, from: u64) -> StoreFuture<'a, Page>;
}

/// How [`WrappedKeys::replace`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replacement {
    /// The new value stands.
    Replaced,
    /// The name was shredded or has another value: nothing was changed.
    Changed,
}

/// Some wrapped keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Names and values.
    pub entries: Vec<(String, Vec<u8>)>,
    /// Where to go on, if there is more.
    pub next: Option<u64>,
}

/// How [`WrappedKeys::create`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Creation {
    /// The value given is stored.
    Created,
    /// The name was taken by this value.
    Exists(Vec<u8>),
}

/// The store failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} the wrapped key `{name}`")]
pub struct StoreError {
    operation: &'static str,
    name: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl StoreError {
    /// `operation` is a verb, as in "cannot `read` the wrapped key".
    pub fn new(
        operation: &'static str,
        name: &str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { operation, name: name.to_owned(), source: source.into() }
    }
}

/// Wrapped keys in memory: the twin of the real store for tests.
#[derive(Default)]
pub struct MemoryKeys {
    values: Mutex<HashMap<String, Vec<u8>>>,
}

impl MemoryKeys {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<u8>>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WrappedKeys for MemoryKeys {
    fn get<'a>(&'a self, name: &'a str) -> StoreFuture<'a, Option<Vec<u8>>> {
        Box::pin(async move { Ok(self.lock().get(name).cloned()) })
    }

    fn create<'a>(&'a self, name: &'a str, wrapped: Vec<u8>) -> StoreFuture<'a, Creation> {
        Box::pin(async move {
            Ok(match self.lock().entry(name.to_owned()) {
                Entry::Occupied(taken) => Creation::Exists(taken.get().clone()),
                Entry::Vacant(free) => {
                    free.insert(wrapped);
                    Creation::Created
                }
            })
        })
    }

    fn shred<'a>(&'a self, name: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.lock().remove(name);
            Ok(())
        })
    }

    fn replace<'a>(
        &'a self,
        name: &'a str,
        old: &'a [u8],
        new: Vec<u8>,
    ) -> StoreFuture<'a, Replacement> {
        Box::pin(async move {
            Ok(match self.lock().get_mut(name) {
                Some(value) if value == old => {
                    *value = new;
                    Replacement::Replaced
                }
                _ => Replacement::Changed,
            })
        })
    }

    fn page<'a>(&'a self, prefix: &'a str, _from: u64) -> StoreFuture<'a, Page> {
        Box::pin(async move {
            let begins = |name: &str| name.strip_prefix(prefix).is_some_and(|r| r.starts_with('.'));
            let values = self.lock();
            let found = values.iter().filter(|(name, _)| begins(name));
            Ok(Page { entries: found.map(|(n, v)| (n.clone(), v.clone())).collect(), next: None })
        })
    }
}

/// The name of an account's key.
pub(crate) fn account_name(account: &str) -> Result<String, Error> {
    Ok(format!("account.{}", id(account)?))
}

/// The name of a job's key.
pub(crate) fn job_name(account: &str, job: &str) -> Result<String, Error> {
    Ok(format!("job.{}.{}", id(account)?, id(job)?))
}

/// Where the names of an account's credential keys begin.
pub(crate) fn credentials_prefix(account: &str) -> Result<String, Error> {
    Ok(format!("credential.{}", id(account)?))
}

/// The name of a credential's key.
pub(crate) fn credential_name(account: &str, key: KeyId) -> Result<String, Error> {
    Ok(format!("{}.{key}", credentials_prefix(account)?))
}

/// Where the names of an account's job keys begin.
pub(crate) fn jobs_prefix(account: &str) -> Result<String, Error> {
    Ok(format!("job.{}", id(account)?))
}

fn id(text: &str) -> Result<&str, Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if text.is_empty() || text.len() > ID_MAX_CHARS || !text.bytes().all(plain) {
        return Err(Error::Name);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_could_reach_another_name_is_refused() {
        assert_eq!(job_name("a-1", "j_2").unwrap(), "job.a-1.j_2");
        for bad in ["", "a.b", "*", ">", "a b", "ä", "a/b", &"x".repeat(129)] {
            assert!(matches!(account_name(bad), Err(Error::Name)), "{bad}");
            assert!(matches!(job_name("a", bad), Err(Error::Name)), "{bad}");
        }
    }
}
