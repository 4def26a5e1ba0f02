//! What a process is told of its key rings, and how an operator changes them.

use std::path::PathBuf;
use std::{fmt, str};

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::document::{Document, Kind};
use crate::error::{RingError, RingFault, Unretirable};
use crate::reloading::STALE_AFTER;
use crate::source::Source;
use crate::{KeyId, ring_file};

/// For how long after a rotation the earlier key stays, though nothing is wrapped under it, in seconds.
const RETIRE_AFTER_S: u64 = STALE_AFTER.as_secs() + 60;

/// Section `[vault]`. Each ring comes from one place: a command, a systemd credential, the environment
/// ([`take_rings_from_environment`](crate::take_rings_from_environment)) or else a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The fields ring. Whoever has it and the log can read everything: keep it apart from backups of the log.
    pub master_key_file: PathBuf,
    /// The same as a systemd credential of this name.
    pub master_key_credential: Option<String>,
    /// The same as printed by a program, given with its arguments.
    pub master_key_command: Vec<String>,
    /// The private halves of the credentials ring, for those who act with customers' credentials.
    pub credentials_key_file: PathBuf,
    /// The same as a systemd credential of this name.
    pub credentials_key_credential: Option<String>,
    /// The same as printed by a program, given with its arguments.
    pub credentials_key_command: Vec<String>,
    /// The public halves of the credentials ring, for those who only take credentials in.
    pub credentials_public_file: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            master_key_file: PathBuf::from(".darkroom/master.key"),
            master_key_credential: None,
            master_key_command: Vec::new(),
            credentials_key_file: PathBuf::from(".darkroom/credentials.key"),
            credentials_key_credential: None,
            credentials_key_command: Vec::new(),
            credentials_public_file: PathBuf::from(".darkroom/credentials.pub"),
        }
    }
}

/// One of the two rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RingName {
    /// Wraps the keys of accounts, under which jobs' and accounts' personal fields are sealed.
    Fields,
    /// Wraps the keys of customers' credentials.
    Credentials,
}

impl RingName {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Fields, Self::Credentials];

    const fn kind(self) -> Kind {
        match self {
            Self::Fields => Kind::Fields,
            Self::Credentials => Kind::Credentials,
        }
    }
}

impl fmt::Display for RingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fields => "fields",
            Self::Credentials => "credentials",
        })
    }
}

/// Not the name of a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the rings are `fields` and `credentials`")]
pub struct NoSuchRing;

impl str::FromStr for RingName {
    type Err = NoSuchRing;

    fn from_str(text: &str) -> Result<Self, NoSuchRing> {
        Self::ALL.into_iter().find(|ring| ring.to_string() == text).ok_or(NoSuchRing)
    }
}

/// A key of a ring, without its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingKey {
    /// Its id.
    pub id: KeyId,
    /// Whether it is the one that wraps.
    pub current: bool,
    /// When it was added, in seconds since 1970; the first key of a ring has none.
    pub made_at: Option<i64>,
}

/// How a ring got its new key.
pub enum Rotated {
    /// It was written, and is the current one.
    Written(KeyId),
    /// The ring is kept where we cannot write: this text is to be added there, and has to be kept secret.
    ToAdd {
        /// The new key's id, which is to become `current`.
        id: KeyId,
        /// What belongs into `keys`, as JSON.
        entry: Zeroizing<String>,
    },
}

impl Settings {
    pub(crate) fn source(&self, ring: RingName) -> Result<Source, RingError> {
        match ring {
            RingName::Fields => Source::of(
                "master_key",
                &self.master_key_file,
                self.master_key_credential.as_deref(),
                &self.master_key_command,
            ),
            RingName::Credentials => Source::of(
                "credentials_key",
                &self.credentials_key_file,
                self.credentials_key_credential.as_deref(),
                &self.credentials_key_command,
            ),
        }
    }

    /// Says so where a ring comes from the place that is guarded least.
    pub(crate) fn warn_of_environment(&self) {
        for ring in RingName::ALL {
            if matches!(self.source(ring), Ok(Source::Environment(_))) {
                tracing::warn!(
                    %ring,
                    "this key ring came from the environment, which whoever started this process has kept; \
                     a file of its own, a systemd credential or a command keeps it better"
                );
            }
        }
    }

    /// The keys of a ring, in the order they were added.
    ///
    /// # Errors
    /// [`RingError`].
    pub async fn keys(&self, ring: RingName) -> Result<Vec<RingKey>, RingError> {
        let document = self.source(ring)?.read(ring.kind()).await?;
        let key = |entry: &crate::document::Entry| RingKey {
            id: entry.id,
            current: entry.id == document.current,
            made_at: entry.made_at,
        };
        Ok(document.keys.iter().map(key).collect())
    }

    /// Adds a new key to a ring and makes it the current one; earlier ones stay. Where the ring is no file, it says
    /// what to add. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// [`RingError`]; the ring is then as it was.
    pub async fn rotate(&self, ring: RingName, now: i64) -> Result<Rotated, RingError> {
        let source = self.source(ring)?;
        let Source::File(path) = &source else {
            let mut document = source.read(ring.kind()).await?;
            document.rotate(now).map_err(|fault| malformed(&source, fault))?;
            return to_add(&source, &document);
        };
        let _lock = ring_file::lock(path)?;
        let mut document = source.read(ring.kind()).await?;
        document.rotate(now).map_err(|fault| malformed(&source, fault))?;
        ring_file::replace(path, &document)?;
        // Whoever opens knows the new pair before anybody seals to it.
        if ring == RingName::Credentials {
            self.publish(&document)?;
        }
        Ok(Rotated::Written(document.current))
    }

    /// Brings the public file in line with the private halves, if it is not.
    ///
    /// # Errors
    /// [`RingError`].
    pub async fn publish_credentials(&self) -> Result<(), RingError> {
        let source = self.source(RingName::Credentials)?;
        self.publish(&source.read(Kind::Credentials).await?)
    }

    /// Takes a key that nothing is wrapped under out of a ring. `held` is how many keys still are.
    ///
    /// # Errors
    /// [`RingError::Unretirable`], which says why it has to stay, and others; the ring is then as it was.
    pub async fn retire(
        &self,
        ring: RingName,
        id: KeyId,
        held: u64,
        now: i64,
    ) -> Result<(), RingError> {
        let refused = |why| Err(RingError::Unretirable { id, why });
        let source = self.source(ring)?;
        let Source::File(path) = &source else { return refused(Unretirable::NotOurs) };
        let _lock = ring_file::lock(path)?;
        let mut document = source.read(ring.kind()).await?;
        if !document.keys.iter().any(|key| key.id == id) {
            return refused(Unretirable::Unknown);
        }
        if document.current == id {
            return refused(Unretirable::Current);
        }
        if held > 0 {
            return refused(Unretirable::Held(held));
        }
        let age_s = document.current().and_then(|key| key.made_at).map(|made| now - made);
        if let Some(age_s) = age_s.filter(|age| *age < RETIRE_AFTER_S.cast_signed()) {
            return refused(Unretirable::TooSoon { age_s, needed_s: RETIRE_AFTER_S });
        }
        document.keys.retain(|key| key.id != id);
        ring_file::replace(path, &document)?;
        if ring == RingName::Credentials {
            self.publish(&document)?;
        }
        Ok(())
    }

    fn publish(&self, ring: &Document) -> Result<(), RingError> {
        let path = &self.credentials_public_file;
        let Some(public) = ring.public() else {
            let fault = RingFault::Secret(crate::pair::HALF_BYTES);
            return Err(RingError::Malformed { place: path.display().to_string(), fault });
        };
        match ring_file::read(path, ring_file::Guard::Public) {
            Ok(written) if *written == *public.print().as_bytes() => Ok(()),
            Ok(_) => ring_file::replace(path, &public),
            Err(RingError::Missing { .. }) => ring_file::create(path, &public),
            Err(error) => Err(error),
        }
    }
}

fn to_add(source: &Source, document: &Document) -> Result<Rotated, RingError> {
    let fault = RingFault::Current(document.current);
    let key = document.current().ok_or_else(|| malformed(source, fault))?;
    let mut entry = Zeroizing::new(String::with_capacity(256));
    key.print(document.kind, &mut entry);
    Ok(Rotated::ToAdd { id: key.id, entry })
}

fn malformed(source: &Source, fault: RingFault) -> RingError {
    RingError::Malformed { place: source.place(), fault }
}
