//! The master keys: several may unwrap, one wraps.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use crate::digest::{DigestSecret, Digests};
use crate::envelope::Envelope;
use crate::{DataKey, Error, KeyId, RingError, ring_file};

/// Section `[vault]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The key ring file. Whoever has it and the log can read everything: keep it apart from backups of the log.
    pub master_key_file: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Self { master_key_file: PathBuf::from(".darkroom/master.key") }
    }
}

/// The key ring. Cheap to clone; wiped with the last clone.
#[derive(Clone)]
pub struct MasterKeys(Arc<Ring>);

pub(crate) struct Ring {
    pub(crate) current: DataKey,
    /// Earlier keys, which unwrap what they wrapped.
    pub(crate) earlier: HashMap<KeyId, DataKey>,
    /// Apart from the wrapping keys, so that rotating those leaves every digest valid.
    pub(crate) digest_secret: DigestSecret,
}

impl MasterKeys {
    /// Reads the key ring file.
    ///
    /// # Errors
    /// [`RingError`]; the file is never changed.
    pub fn open(path: &Path) -> Result<Self, RingError> {
        ring_file::read(path).map(|ring| Self(Arc::new(ring)))
    }

    /// Reads the key ring file, or makes one with a single new key if there is none. Processes that start at once all
    /// end with the same ring.
    ///
    /// # Errors
    /// [`RingError`]; a file that is there is never changed.
    pub fn open_or_create(path: &Path) -> Result<Self, RingError> {
        match Self::open(path) {
            Err(RingError::Missing { .. }) => {
                ring_file::create(path)?;
                Self::open(path)
            }
            read => read,
        }
    }

    /// The key that wraps.
    #[must_use]
    pub fn current(&self) -> KeyId {
        self.0.current.id()
    }

    /// Wraps a data key under the current master key, to be stored as `name`.
    #[must_use]
    pub fn wrap(&self, name: &str, key: &DataKey) -> Vec<u8> {
        self.0.current.wrap(name, key)
    }

    /// Takes a data key out again, under whichever master key wrapped it.
    ///
    /// # Errors
    /// [`Error::UnknownMasterKey`], or as [`DataKey::unwrap`].
    pub fn unwrap(&self, name: &str, wrapped: &[u8]) -> Result<DataKey, Error> {
        let id = match Envelope::decode(wrapped) {
            Ok(envelope) => envelope.key,
            Err(source) => return Err(Error::Envelope { what: name.to_owned(), source }),
        };
        let master =
            if id == self.current() { Some(&self.0.current) } else { self.0.earlier.get(&id) };
        master
            .ok_or_else(|| Error::UnknownMasterKey { name: name.to_owned(), id })?
            .unwrap(name, wrapped)
    }

    /// Digests for this purpose alone.
    #[must_use]
    pub fn digests(&self, purpose: &str) -> Digests {
        self.0.digest_secret.digests(purpose)
    }
}
