//! A key ring as text: JSON with one current key, and the earlier ones that still open what they sealed.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::Secret;
use crate::cipher::{KEY_BYTES, KeyId, random};
use crate::digest::SECRET_BYTES;
use crate::error::RingFault;
use crate::pair::{HALF_BYTES, PrivateHalf};

/// Most keys in a ring.
pub(crate) const KEYS_MAX: usize = 64;
/// The only format so far.
const FORMAT: u32 = 1;

/// What a ring holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Keys that wrap account keys, and the secret of all keyed digests.
    Fields,
    /// Private halves, which open credentials.
    Credentials,
    /// Public halves, which seal them.
    Public,
}

impl Kind {
    const fn key_bytes(self) -> usize {
        match self {
            Self::Fields => KEY_BYTES,
            Self::Credentials | Self::Public => HALF_BYTES,
        }
    }

    const fn member(self) -> &'static str {
        match self {
            Self::Fields | Self::Credentials => "secret",
            Self::Public => "public",
        }
    }
}

/// A ring as it is written. Wiped when dropped.
pub(crate) struct Document {
    pub(crate) kind: Kind,
    pub(crate) current: KeyId,
    pub(crate) keys: Vec<Entry>,
    /// What a credentials ring is known by through all rotations; a fields ring is known by its digest secret.
    pub(crate) ring: Option<KeyId>,
    /// Of the fields ring alone.
    pub(crate) digest_secret: Option<Zeroizing<Vec<u8>>>,
}

/// One key.
pub(crate) struct Entry {
    pub(crate) id: KeyId,
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    /// When it was added, in seconds since 1970; the first key of a ring has none.
    pub(crate) made_at: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: u32,
    ring: Option<String>,
    current: String,
    keys: Vec<WrittenKey>,
    digest_secret: Option<Secret>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenKey {
    id: String,
    secret: Option<Secret>,
    public: Option<Secret>,
    made_at_unix_s: Option<i64>,
}

impl Document {
    /// A ring with one new key.
    pub(crate) fn generate(kind: Kind) -> Self {
        let key = Entry::generate(kind, None);
        let digest_secret = (kind == Kind::Fields)
            .then(|| Zeroizing::new(Zeroizing::new(random::<SECRET_BYTES>()).to_vec()));
        let ring = (kind != Kind::Fields).then(|| KeyId(random()));
        Self { kind, current: key.id, keys: vec![key], ring, digest_secret }
    }

    pub(crate) fn parse(kind: Kind, bytes: &[u8]) -> Result<Self, RingFault> {
        // The parser's own message may quote a secret.
        let written: Written = serde_json::from_slice(bytes)
            .map_err(|error| RingFault::Json { line: error.line(), column: error.column() })?;
        if written.format != FORMAT {
            return Err(RingFault::Format(written.format));
        }
        if written.keys.is_empty() || written.keys.len() > KEYS_MAX {
            return Err(RingFault::Count(KEYS_MAX));
        }
        let mut keys = Vec::with_capacity(KEYS_MAX);
        let mut seen = HashSet::new();
        for key in &written.keys {
            let entry = Entry::parse(kind, key)?;
            if !seen.insert(entry.id) {
                return Err(RingFault::Twice(entry.id));
            }
            keys.push(entry);
        }
        let current = key_id(&written.current)?;
        if !seen.contains(&current) {
            return Err(RingFault::Current(current));
        }
        let digest_secret = match (kind, &written.digest_secret) {
            (Kind::Fields, Some(secret)) => {
                Some(decode(secret, SECRET_BYTES).ok_or(RingFault::Secret(SECRET_BYTES))?)
            }
            (Kind::Credentials | Kind::Public, None) => None,
            (Kind::Fields, None) => return Err(RingFault::Secret(SECRET_BYTES)),
            (Kind::Credentials | Kind::Public, Some(_)) => return Err(RingFault::OtherKind),
        };
        let ring = written.ring.as_deref().map(key_id).transpose()?;
        if ring.is_some() == (kind == Kind::Fields) {
            return Err(RingFault::OtherKind);
        }
        Ok(Self { kind, current, keys, ring, digest_secret })
    }

    /// Adds a new key and makes it the current one.
    pub(crate) fn rotate(&mut self, now: i64) -> Result<(), RingFault> {
        if self.keys.len() >= KEYS_MAX {
            return Err(RingFault::Full(KEYS_MAX));
        }
        let key = Entry::generate(self.kind, Some(now));
        self.current = key.id;
        self.keys.push(key);
        Ok(())
    }

    /// The key that wraps.
    pub(crate) fn current(&self) -> Option<&Entry> {
        self.keys.iter().find(|key| key.id == self.current)
    }

    /// The public halves of a credentials ring.
    pub(crate) fn public(&self) -> Option<Self> {
        let half = |key: &Entry| {
            let half = PrivateHalf::from_bytes(&key.bytes)?;
            let bytes = Zeroizing::new(half.public().to_bytes().to_vec());
            Some(Entry { id: key.id, bytes, made_at: key.made_at })
        };
        let keys = self.keys.iter().map(half).collect::<Option<_>>()?;
        let (kind, current, ring) = (Kind::Public, self.current, self.ring);
        Some(Self { kind, current, keys, ring, digest_secret: None })
    }

    /// As it is written to a file.
    pub(crate) fn print(&self) -> Zeroizing<String> {
        // Room for all of it at once: growing would leave copies behind.
        let mut text = Zeroizing::new(String::with_capacity(256 * (self.keys.len() + 2)));
        text.push_str("{\n  \"format\": ");
        text.push_str(&FORMAT.to_string());
        if let Some(ring) = self.ring {
            text.push_str(",\n  \"ring\": \"");
            text.push_str(&ring.to_string());
            text.push('"');
        }
        text.push_str(",\n  \"current\": \"");
        text.push_str(&self.current.to_string());
        text.push_str("\",\n  \"keys\": [\n");
        for (number, key) in self.keys.iter().enumerate() {
            text.push_str(if number == 0 { "    " } else { ",\n    " });
            key.print(self.kind, &mut text);
        }
        text.push_str("\n  ]");
        if let Some(secret) = &self.digest_secret {
            text.push_str(",\n  \"digest_secret\": \"");
            STANDARD.encode_string(secret, &mut text);
            text.push('"');
        }
        text.push_str("\n}\n");
        text
    }
}

impl Entry {
    fn generate(kind: Kind, made_at: Option<i64>) -> Self {
        match kind {
            Kind::Fields => {
                let bytes = Zeroizing::new(Zeroizing::new(random::<KEY_BYTES>()).to_vec());
                Self { id: KeyId(random()), bytes, made_at }
            }
            Kind::Credentials | Kind::Public => {
                let bytes = PrivateHalf::generate();
                let half = PrivateHalf::from_bytes(&bytes).expect("32 bytes are a private half");
                Self { id: half.public().id(), bytes, made_at }
            }
        }
    }

    fn parse(kind: Kind, written: &WrittenKey) -> Result<Self, RingFault> {
        let id = key_id(&written.id)?;
        let text = match (kind, &written.secret, &written.public) {
            (Kind::Fields | Kind::Credentials, Some(text), None)
            | (Kind::Public, None, Some(text)) => text,
            (_, None, None) => return Err(RingFault::Secret(kind.key_bytes())),
            _ => return Err(RingFault::OtherKind),
        };
        let bytes = decode(text, kind.key_bytes()).ok_or(RingFault::Secret(kind.key_bytes()))?;
        Ok(Self { id, bytes, made_at: written.made_at_unix_s })
    }

    pub(crate) fn print(&self, kind: Kind, text: &mut String) {
        text.push_str("{ \"id\": \"");
        text.push_str(&self.id.to_string());
        text.push_str("\", \"");
        text.push_str(kind.member());
        text.push_str("\": \"");
        STANDARD.encode_string(&self.bytes, text);
        text.push('"');
        if let Some(made_at) = self.made_at {
            text.push_str(", \"made_at_unix_s\": ");
            text.push_str(&made_at.to_string());
        }
        text.push_str(" }");
    }
}

fn key_id(text: &str) -> Result<KeyId, RingFault> {
    match text.parse() {
        Ok(id) => Ok(id),
        Err(_) => Err(RingFault::Id),
    }
}

fn decode(text: &Secret, length: usize) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = STANDARD.decode(text.expose()).ok().map(Zeroizing::new)?;
    (bytes.len() == length).then_some(bytes)
}
