//! The fields ring: several master keys may unwrap, one wraps.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::digest::{DigestSecret, Digests};
use crate::document::{Document, Kind};
use crate::envelope::Envelope;
use crate::error::RingFault;
use crate::reloading::{Reloading, Ring};
use crate::source::Source;
use crate::{DataKey, Error, KeyId, RingError, ring_file};

/// The ring that wraps the keys of accounts, and is read again when it was rotated. Cheap to clone; wiped with the last
/// clone.
#[derive(Clone)]
pub struct MasterKeys(Arc<Reloading<MasterRing>>);

pub(crate) struct MasterRing {
    current: DataKey,
    /// Earlier keys, which unwrap what they wrapped.
    earlier: HashMap<KeyId, DataKey>,
    /// Apart from the wrapping keys, so that rotating those leaves every digest valid.
    digest_secret: DigestSecret,
}

impl MasterKeys {
    /// Reads the key ring file.
    ///
    /// # Errors
    /// [`RingError`]; the file is never changed.
    pub fn open(path: &Path) -> Result<Self, RingError> {
        open_file(path).map(|ring| Self(Arc::new(ring)))
    }

    /// Reads the key ring file, or makes one with a single new key if there is none. Processes that start at once all
    /// end with the same ring.
    ///
    /// # Errors
    /// [`RingError`]; a file that is there is never changed.
    pub fn open_or_create(path: &Path) -> Result<Self, RingError> {
        match Self::open(path) {
            Err(RingError::Missing { .. }) => {
                ring_file::create(path, &Document::generate(Kind::Fields))?;
                Self::open(path)
            }
            read => read,
        }
    }

    pub(crate) async fn from_source(source: Source) -> Result<Self, RingError> {
        Reloading::open(source).await.map(|ring| Self(Arc::new(ring)))
    }

    /// The key that wraps, as the ring was last read.
    #[must_use]
    pub fn current(&self) -> KeyId {
        self.0.held().current.id()
    }

    /// Wraps a data key under the current master key, to be stored as `name`.
    #[must_use]
    pub fn wrap(&self, name: &str, key: &DataKey) -> Vec<u8> {
        self.0.held().current.wrap(name, key)
    }

    /// Takes a data key out again, under whichever master key wrapped it.
    ///
    /// # Errors
    /// [`Error::UnknownMasterKey`], or as [`DataKey::unwrap`].
    pub fn unwrap(&self, name: &str, wrapped: &[u8]) -> Result<DataKey, Error> {
        self.0.held().unwrap(name, wrapped)
    }

    /// Digests for this purpose alone.
    #[must_use]
    pub fn digests(&self, purpose: &str) -> Digests {
        self.0.held().digest_secret.digests(purpose)
    }

    /// Wraps under a ring that was read lately.
    pub(crate) async fn wrap_fresh(&self, name: &str, key: &DataKey) -> Result<Vec<u8>, Error> {
        Ok(self.0.fresh().await?.current.wrap(name, key))
    }

    /// Unwraps; a key id that the ring does not hold has it read again.
    pub(crate) async fn unwrap_fresh(&self, name: &str, wrapped: &[u8]) -> Result<DataKey, Error> {
        match self.unwrap(name, wrapped) {
            Err(Error::UnknownMasterKey { .. }) => self.0.again().await.unwrap(name, wrapped),
            unwrapped => unwrapped,
        }
    }
}

impl MasterRing {
    fn unwrap(&self, name: &str, wrapped: &[u8]) -> Result<DataKey, Error> {
        let id = match Envelope::decode(wrapped) {
            Ok(envelope) => envelope.key,
            Err(source) => return Err(Error::Envelope { what: name.to_owned(), source }),
        };
        let key = if id == self.current.id() { Some(&self.current) } else { self.earlier.get(&id) };
        key.ok_or_else(|| Error::UnknownMasterKey { name: name.to_owned(), id })?
            .unwrap(name, wrapped)
    }
}

impl Ring for MasterRing {
    const KIND: Kind = Kind::Fields;

    fn build(document: Document) -> Result<Self, RingFault> {
        let fault = RingFault::Secret(crate::cipher::KEY_BYTES);
        let mut keys = HashMap::new();
        for entry in &document.keys {
            keys.insert(entry.id, DataKey::from_parts(entry.id, &entry.bytes).ok_or(fault)?);
        }
        let current = keys.remove(&document.current).ok_or(RingFault::Current(document.current))?;
        let digest_secret = document
            .digest_secret
            .as_ref()
            .and_then(|secret| DigestSecret::new(secret))
            .ok_or(RingFault::Secret(crate::digest::SECRET_BYTES))?;
        Ok(Self { current, earlier: keys, digest_secret })
    }

    fn follows(&self, earlier: &Self) -> bool {
        self.digest_secret.is(&earlier.digest_secret)
    }
}

fn open_file(path: &Path) -> Result<Reloading<MasterRing>, RingError> {
    let source = Source::File(PathBuf::from(path));
    let bytes = ring_file::read(path, ring_file::Guard::Owner)?;
    let document = source.parse(Kind::Fields, &bytes)?;
    Reloading::new(source, document)
}

#[cfg(test)]
#[path = "ring_tests.rs"]
mod tests;
