//! Wrapped data keys, in the one place of the log that forgets.
//!
//! A name is created once. Shredding overwrites the value on disk and leaves a mark in its place,
//! so that nobody creates another key under a name whose ciphertexts are meant to stay unreadable.

use std::time::Duration;

use bytes::Bytes;
use vault::{Creation, StoreError, StoreFuture, WrappedKeys};

use crate::{
    backend::{AppendError, Backend, Fence},
    envelope::Raw,
    error::{Cause, Unavailable},
    headers::Headers,
    log::Log,
    topology::KEYS,
};

const OPERATION: &str = "KV-Operation";
/// How often a change is tried when its fate is unknown.
const MAX_TRIES: u32 = 10;
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

    async fn forget(&self, name: &str) -> Result<(), Cause> {
        let Some(raw) = self.find(name).await? else { return Ok(()) };
        if value(&raw).is_none() {
            return Ok(());
        }
        if let Backend::Server(wire) = &*self.0.backend {
            wire.erase(KEYS, raw.seq).await?;
        }
        let headers = Headers::from_iter([(OPERATION, "PURGE"), ("Nats-Rollup", "sub")]);
        let mut unknown: Cause = Unavailable::silent("shred a key").into();
        for _ in 0..MAX_TRIES {
            let subject = subject(name);
            match self.0.backend.append(KEYS, &subject, &headers, &Bytes::new(), None).await {
                Ok(_) => return Ok(()),
                Err(AppendError::Rejected { code, description }) => {
                    return Err(Refused { code, description }.into());
                }
                Err(AppendError::Unclear(source)) => unknown = source,
                Err(AppendError::Conflict) => {}
            }
        }
        Err(unknown)
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
}

fn subject(name: &str) -> String {
    format!("$KV.keys.{name}")
}

/// The value, unless the message is the mark of a shredded one.
fn value(raw: &Raw) -> Option<Vec<u8>> {
    raw.headers.get(OPERATION).is_none().then(|| raw.body.to_vec())
}
