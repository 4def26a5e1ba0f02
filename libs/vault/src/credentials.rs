//! The credentials ring: everybody may seal to its public halves, and whoever has the private ones may open.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::document::{Document, Kind};
use crate::envelope::Envelope;
use crate::error::RingFault;
use crate::pair::{HALF_BYTES, PrivateHalf, PublicHalf};
use crate::reloading::{Reloading, Ring};
use crate::ring_file::{self, Guard};
use crate::source::Source;
use crate::{DataKey, Error, KeyId, RingError};

/// The ring that wraps the keys of credentials, and is read again when it was rotated. Cheap to clone.
#[derive(Clone)]
pub struct CredentialKeys(Halves);

#[derive(Clone)]
enum Halves {
    Public(Arc<Reloading<PublicRing>>),
    Private(Arc<Reloading<PrivateRing>>),
}

pub(crate) struct PublicRing {
    ring: Option<KeyId>,
    current: PublicHalf,
    all: Vec<KeyId>,
}

/// Its private halves wipe themselves.
pub(crate) struct PrivateRing {
    ring: Option<KeyId>,
    current: PublicHalf,
    halves: HashMap<KeyId, PrivateHalf>,
}

impl CredentialKeys {
    /// The ring of whoever only seals, from the file of public halves.
    ///
    /// # Errors
    /// [`RingError`]; the file is never changed.
    pub fn sealing(public: &Path) -> Result<Self, RingError> {
        let source = Source::File(public.to_owned());
        let bytes = ring_file::read(public, Guard::Public)?;
        let ring = Reloading::new(source.clone(), source.parse(Kind::Public, &bytes)?)?;
        Ok(Self(Halves::Public(Arc::new(ring))))
    }

    /// The ring of whoever also opens, from the file of private halves.
    ///
    /// # Errors
    /// [`RingError`]; the file is never changed.
    pub fn opening(private: &Path) -> Result<Self, RingError> {
        let source = Source::File(private.to_owned());
        let bytes = ring_file::read(private, Guard::Owner)?;
        let ring = Reloading::new(source.clone(), source.parse(Kind::Credentials, &bytes)?)?;
        Ok(Self(Halves::Private(Arc::new(ring))))
    }

    /// Reads the private file, or makes one with a single new pair if there is none, and the public file beside it.
    ///
    /// # Errors
    /// [`RingError`]; a file that is there is never changed.
    pub fn open_or_create(private: &Path, public: &Path) -> Result<Self, RingError> {
        match Self::opening(private) {
            Err(RingError::Missing { .. }) => {
                ring_file::create(private, &Document::generate(Kind::Credentials))?;
            }
            read => drop(read?),
        }
        // Of several who start at once one made the ring; the public halves are those of that one.
        let bytes = ring_file::read(private, Guard::Owner)?;
        let ring = Source::File(private.to_owned()).parse(Kind::Credentials, &bytes)?;
        if !public.exists()
            && let Some(halves) = ring.public()
        {
            ring_file::create(public, &halves)?;
        }
        Self::opening(private)
    }

    pub(crate) async fn from_source(source: Source) -> Result<Self, RingError> {
        let ring = Reloading::open(source).await?;
        Ok(Self(Halves::Private(Arc::new(ring))))
    }

    /// Whether it holds private halves.
    #[must_use]
    pub const fn opens(&self) -> bool {
        matches!(self.0, Halves::Private(_))
    }

    /// The pair that seals, as the ring was last read.
    #[must_use]
    pub fn current(&self) -> KeyId {
        match &self.0 {
            Halves::Public(ring) => ring.held().current.id(),
            Halves::Private(ring) => ring.held().current.id(),
        }
    }

    /// Wraps a data key to the current pair of a ring that was read lately.
    pub(crate) async fn wrap_fresh(&self, name: &str, key: &DataKey) -> Result<Vec<u8>, Error> {
        let wrapped = match &self.0 {
            Halves::Public(ring) => ring.fresh().await?.current.wrap(name, key),
            Halves::Private(ring) => ring.fresh().await?.current.wrap(name, key),
        };
        wrapped.ok_or_else(|| Error::Unsealable { id: self.current() })
    }

    /// Takes a data key out again; a key id that the ring does not hold has it read again.
    pub(crate) async fn unwrap_fresh(&self, name: &str, wrapped: &[u8]) -> Result<DataKey, Error> {
        let Halves::Private(ring) = &self.0 else { return Err(Error::SealsOnly) };
        match ring.held().unwrap(name, wrapped) {
            Err(Error::UnknownCredentialKey { .. }) => ring.again().await.unwrap(name, wrapped),
            unwrapped => unwrapped,
        }
    }

    /// Whether the ring is the one that this key was wrapped to, as far as its halves tell.
    pub(crate) async fn fits(&self, name: &str, wrapped: &[u8]) -> Result<(), Error> {
        match &self.0 {
            Halves::Private(_) => self.unwrap_fresh(name, wrapped).await.map(drop),
            Halves::Public(ring) => match ring.held().fits(name, wrapped) {
                Err(Error::UnknownCredentialKey { .. }) => ring.again().await.fits(name, wrapped),
                fits => fits,
            },
        }
    }
}

/// The pair that a key was wrapped to.
fn wrapped_to(name: &str, wrapped: &[u8]) -> Result<KeyId, Error> {
    match Envelope::decode(wrapped) {
        Ok(envelope) => Ok(envelope.key),
        Err(source) => Err(Error::Envelope { what: name.to_owned(), source }),
    }
}

impl PublicRing {
    fn fits(&self, name: &str, wrapped: &[u8]) -> Result<(), Error> {
        let id = wrapped_to(name, wrapped)?;
        let unknown = || Error::UnknownCredentialKey { name: name.to_owned(), id };
        self.all.contains(&id).then_some(()).ok_or_else(unknown)
    }
}

impl PrivateRing {
    fn unwrap(&self, name: &str, wrapped: &[u8]) -> Result<DataKey, Error> {
        let id = wrapped_to(name, wrapped)?;
        let half = self.halves.get(&id);
        half.ok_or_else(|| Error::UnknownCredentialKey { name: name.to_owned(), id })?
            .unwrap(name, wrapped)
    }
}

impl Ring for PublicRing {
    const KIND: Kind = Kind::Public;

    fn build(document: Document) -> Result<Self, RingFault> {
        let mut current = None;
        let mut all = Vec::with_capacity(document.keys.len());
        for entry in &document.keys {
            let half = PublicHalf::from_bytes(&entry.bytes).ok_or(RingFault::Secret(HALF_BYTES))?;
            if half.id() != entry.id {
                return Err(RingFault::Mismatch(entry.id));
            }
            all.push(entry.id);
            if entry.id == document.current {
                current = Some(half);
            }
        }
        let current = current.ok_or(RingFault::Current(document.current))?;
        Ok(Self { ring: document.ring, current, all })
    }

    fn follows(&self, earlier: &Self) -> bool {
        self.ring == earlier.ring
    }
}

impl Ring for PrivateRing {
    const KIND: Kind = Kind::Credentials;

    fn build(document: Document) -> Result<Self, RingFault> {
        let mut halves = HashMap::new();
        for entry in &document.keys {
            let half =
                PrivateHalf::from_bytes(&entry.bytes).ok_or(RingFault::Secret(HALF_BYTES))?;
            if half.public().id() != entry.id {
                return Err(RingFault::Mismatch(entry.id));
            }
            halves.insert(entry.id, half);
        }
        let current = halves.get(&document.current).map(|half| half.public().clone());
        let current = current.ok_or(RingFault::Current(document.current))?;
        Ok(Self { ring: document.ring, current, halves })
    }

    fn follows(&self, earlier: &Self) -> bool {
        self.ring == earlier.ring
    }
}
