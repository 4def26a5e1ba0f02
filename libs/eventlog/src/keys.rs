//! Wrapped data keys, in the one place of the log that forgets.
//!
//! A name is created once. Shredding overwrites the value on disk and leaves a mark in its place,
//! so that nobody creates another key under a name whose ciphertexts are meant to stay unreadable.
//!
//! A value is replaced by appending its successor behind a fence and then overwriting it, in that
//! order, so that whoever is killed in between loses no key. That is why the bucket keeps two
//! messages a name; an earlier one that was left behind is swept by the next who replaces or shreds.

use std::time::Duration;

use bytes::Bytes;
use vault::{Creation, Page, Replacement, StoreError, StoreFuture, WrappedKeys};

use crate::{
    backend::{AppendError, Fence},
    envelope::Raw,
    error::{Cause, Unavailable},
    headers::Headers,
    log::Log,
    topology::KEYS,
};

const OPERATION: &str = "KV-Operation";
/// Before every name.
const SUBJECT: &str = "$KV.keys.";
/// How often a change is tried when its fate is unknown.
const MAX_TRIES: u32 = 10;
/// How many values one page has.
const PAGE: usize = 500;
/// Most values that one name ever has: two, and what races leave.
const VERSIONS: usize = 16;
/// How long the winner of a race may take to become readable, each time.
const PAUSE: Duration = Duration::from_millis(20);

/// The name was shredded: no key may ever be kept under it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it was shredded")]
struct Shredded;

#[derive(Debug, thiserror::Error)]
#[error("nats-server refuses with {code}: {description}")]
struct Refused {
    code: u64,
    description: String,
}

/// [`WrappedKeys`] in the bucket `keys`.
#[derive(Clone)]
pub struct Keys(Log);

impl Keys {
    /// Over the bucket that [`crate::topology`] makes.
    #[must_use]
    pub fn new(log: &Log) -> Self {
        Self(log.clone())
    }

    async fn find(&self, name: &str) -> Result<Option<Raw>, Unavailable> {
        self.0.backend.last(KEYS, &subject(name)).await
    }

    async fn put(&self, name: &str, wrapped: &[u8]) -> Result<Creation, Cause> {
        let fence = Fence { filter: subject(name), last: 0 };
        let body = Bytes::copy_from_slice(wrapped);
        let mut unknown: Cause = Unavailable::silent("store a key").into();
        for _ in 0..MAX_TRIES {
            let headers = Headers::default();
            let stored =
                self.0.backend.append(KEYS, &subject(name), &headers, &body, Some(&fence)).await;
            match stored {
                Ok(_) => return Ok(Creation::Created),
                Err(AppendError::Rejected { code, description }) => {
                    return Err(Refused { code, description }.into());
                }
                Err(AppendError::Unclear(source)) => unknown = source,
                Err(AppendError::Conflict) => {
                    let taken = self.find(name).await?.map(|raw| value(&raw).ok_or(Shredded));
                    return match taken {
                        // A first try may have arrived without our knowing.
                        Some(Ok(value)) if value == wrapped => Ok(Creation::Created),
                        Some(Ok(value)) => Ok(Creation::Exists(value)),
                        Some(Err(shredded)) => Err(shredded.into()),
                        // In a cluster a race is lost before the winner can be read.
                        None => {
                            tokio::time::sleep(PAUSE).await;
                            continue;
                        }
                    };
                }
            }
        }
        Err(unknown)
    }

    /// Overwrites every value of the name, then marks it. The mark is fenced by there being nothing,
    /// so that a value that somebody puts in between is overwritten too.
    async fn forget(&self, name: &str) -> Result<(), Cause> {
        let subject = subject(name);
        let headers = Headers::from_iter([(OPERATION, "PURGE"), ("Nats-Rollup", "sub")]);
        let mut unknown: Cause = Unavailable::silent("shred a key").into();
        for _ in 0..MAX_TRIES {
            if self.find(name).await?.is_some_and(|raw| value(&raw).is_none()) {
                return Ok(());
            }
            self.sweep(name, u64::MAX).await?;
            let nothing = Fence { filter: subject.clone(), last: 0 };
            let body = Bytes::new();
            match self.0.backend.append(KEYS, &subject, &headers, &body, Some(&nothing)).await {
                Ok(_) => return Ok(()),
                Err(AppendError::Rejected { code, description }) => {
                    return Err(Refused { code, description }.into());
                }
                Err(AppendError::Unclear(source)) => unknown = source,
                // In a cluster a race is lost before the winner can be read.
                Err(AppendError::Conflict) => tokio::time::sleep(PAUSE).await,
            }
        }
        Err(unknown)
    }

    async fn swap(&self, name: &str, old: &[u8], new: &[u8]) -> Result<Replacement, Cause> {
        let (subject, headers) = (subject(name), Headers::default());
        let body = Bytes::copy_from_slice(new);
        let mut unknown: Cause = Unavailable::silent("replace a key").into();
        for _ in 0..MAX_TRIES {
            let Some(raw) = self.find(name).await? else { return Ok(Replacement::Changed) };
            match value(&raw) {
                Some(value) if value == old => {}
                // A first try may have arrived without our knowing.
                Some(value) if value == new => {
                    self.sweep(name, raw.seq).await?;
                    return Ok(Replacement::Replaced);
                }
                Some(_) => {
                    self.sweep(name, raw.seq).await?;
                    return Ok(Replacement::Changed);
                }
                None => return Ok(Replacement::Changed),
            }
            let fence = Fence { filter: subject.clone(), last: raw.seq };
            match self.0.backend.append(KEYS, &subject, &headers, &body, Some(&fence)).await {
                Ok(seq) => {
                    self.sweep(name, seq).await?;
                    return Ok(Replacement::Replaced);
                }
                Err(AppendError::Rejected { code, description }) => {
                    return Err(Refused { code, description }.into());
                }
                Err(AppendError::Unclear(source)) => unknown = source,
                // In a cluster a race is lost before the winner can be read.
                Err(AppendError::Conflict) => tokio::time::sleep(PAUSE).await,
            }
        }
        Err(unknown)
    }

    /// Overwrites the values of a name before `end`, the oldest first.
    async fn sweep(&self, name: &str, end: u64) -> Result<(), Unavailable> {
        let (subject, mut from) = (subject(name), 1);
        for _ in 0..VERSIONS {
            let found = self.0.backend.ordered_next(KEYS, &subject, from).await?;
            let Some(raw) = found.filter(|raw| raw.seq < end) else { return Ok(()) };
            self.0.backend.erase(KEYS, raw.seq).await?;
            from = raw.seq + 1;
        }
        Ok(())
    }

    async fn list(&self, prefix: &str, from: u64) -> Result<Page, Unavailable> {
        let filter = format!("{}.>", subject(prefix));
        let (messages, more) = if self.0.backend.may_lag() {
            let message = self.0.backend.ordered_next(KEYS, &filter, from).await?;
            let more = message.is_some();
            (Vec::from_iter(message), more)
        } else {
            let page = self.0.backend.page(KEYS, &filter, from, PAGE).await?;
            (page.messages, page.left > 0)
        };
        let next = messages.last().filter(|_| more).map(|last| last.seq + 1);
        let named = |raw: &Raw| Some((raw.subject.strip_prefix(SUBJECT)?.to_owned(), value(raw)?));
        Ok(Page { entries: messages.iter().filter_map(named).collect(), next })
    }
}

impl WrappedKeys for Keys {
    fn get<'a>(&'a self, name: &'a str) -> StoreFuture<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let found = self.find(name).await;
            Ok(found
                .map_err(|source| StoreError::new("read", name, source))?
                .as_ref()
                .and_then(value))
        })
    }

    fn create<'a>(&'a self, name: &'a str, wrapped: Vec<u8>) -> StoreFuture<'a, Creation> {
        Box::pin(async move {
            let created = self.put(name, &wrapped).await;
            created.map_err(|source| StoreError::new("create", name, source))
        })
    }

    fn shred<'a>(&'a self, name: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let shredded = self.forget(name).await;
            shredded.map_err(|source| StoreError::new("shred", name, source))
        })
    }

    fn replace<'a>(
        &'a self,
        name: &'a str,
        old: &'a [u8],
        new: Vec<u8>,
    ) -> StoreFuture<'a, Replacement> {
        Box::pin(async move {
            let replaced = self.swap(name, old, &new).await;
            replaced.map_err(|source| StoreError::new("replace", name, source))
        })
    }

    fn page<'a>(&'a self, prefix: &'a str, from: u64) -> StoreFuture<'a, Page> {
        Box::pin(async move {
            let listed = self.list(prefix, from.max(1)).await;
            listed.map_err(|source| StoreError::new("list", prefix, source))
        })
    }
}

fn subject(name: &str) -> String {
    format!("{SUBJECT}{name}")
}

/// The value, unless the message is the mark of a shredded one.
fn value(raw: &Raw) -> Option<Vec<u8>> {
    raw.headers.get(OPERATION).is_none().then(|| raw.body.to_vec())
}
