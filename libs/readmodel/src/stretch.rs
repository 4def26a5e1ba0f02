//! Rows held against those of another store: run by run, each under one digest.

use std::ops::Bound;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    Error, Positions, Store,
    key::{self, Key},
};

/// The most rows of one run.
pub const MAX_STRETCH_ROWS: usize = 50_000;
/// The most bytes of rows that are handed out at once; one row more than that is handed out alone.
pub const MAX_STRETCH_BYTES: usize = 128 << 10;

/// A key of a store; in JSON its bytes in hex.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RowKey(#[serde(with = "in_hex")] Vec<u8>);

/// A run of keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// It begins behind this key; the default one is before all others.
    pub after: RowKey,
    /// It ends with this key; absent: after as many rows as `limit` says.
    pub until: Option<RowKey>,
    /// The most rows, [`MAX_STRETCH_ROWS`] whatever it says.
    pub limit: usize,
}

/// What lies in a run of keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// How far the rows reach that it was taken from.
    pub positions: Positions,
    /// The last key; none when the store ends with this run.
    pub last: Option<RowKey>,
    /// How many rows.
    pub rows: usize,
    /// SHA-256, in hex, over all keys and values.
    pub digest: String,
}

/// A key and what is under it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowBytes {
    /// The key.
    pub key: RowKey,
    /// What is under it; in JSON in hex.
    #[serde(with = "in_hex")]
    pub value: Vec<u8>,
}

impl RowBytes {
    fn of(key: &[u8], value: &[u8]) -> Self {
        Self { key: RowKey(key.to_vec()), value: value.to_vec() }
    }

    /// What kind of row it is, and which, for people.
    #[must_use]
    pub fn name(&self) -> String {
        key::describe(&self.key.0)
    }

    /// What is under the key: a row's JSON, a number, or nothing where the key says it all.
    #[must_use]
    pub fn value(&self) -> Value {
        match self.value.as_slice() {
            [] => Value::Null,
            bytes if key::is_number(&self.key.0) => {
                let number = bytes.try_into().map(u64::from_be_bytes);
                number.map_or_else(|_odd| Value::String(hex::encode(bytes)), Value::from)
            }
            bytes => serde_json::from_slice(bytes)
                .unwrap_or_else(|_odd| Value::String(hex::encode(bytes))),
        }
    }

    /// Whether it says something of its own, and does not only lead to another row.
    #[must_use]
    pub fn is_told(&self) -> bool {
        key::is_told(&self.key.0)
    }
}

impl Store {
    /// What lies in a run of keys. Nothing is taken in meanwhile.
    ///
    /// # Errors
    /// [`Error::Sled`].
    pub fn stretch(&self, run: &Run) -> Result<Stretch, Error> {
        let positions = self.hold();
        let mut digest = Sha256::new();
        let (mut rows, mut last) = (0, None);
        let mut found = self.run(run);
        for row in found.by_ref().take(run.limit()) {
            let (key, value) = row?;
            for part in [&key, &value] {
                digest.update(part.len().to_be_bytes());
                digest.update(part);
            }
            rows += 1;
            last = Some(RowKey(key.to_vec()));
        }
        let more = run.until.is_some() || found.next().transpose()?.is_some();
        let last = last.filter(|_| more);
        Ok(Stretch { positions: *positions, last, rows, digest: hex::encode(digest.finalize()) })
    }

    /// The rows of a run of keys, no more than fit [`MAX_STRETCH_BYTES`], and the positions they are of.
    ///
    /// # Errors
    /// [`Error::Sled`].
    pub fn rows_of(&self, run: &Run) -> Result<(Positions, Vec<RowBytes>), Error> {
        let positions = self.hold();
        let (mut rows, mut bytes) = (Vec::new(), 0);
        for row in self.run(run).take(run.limit()) {
            let (key, value) = row?;
            bytes += key.len() + value.len();
            if bytes > MAX_STRETCH_BYTES && !rows.is_empty() {
                break;
            }
            rows.push(RowBytes::of(&key, &value));
        }
        Ok((*positions, rows))
    }

    /// Every row that says something of its own, in the order of keys.
    ///
    /// # Errors
    /// [`Error::Sled`].
    pub fn told(&self) -> Result<Vec<RowBytes>, Error> {
        let _positions = self.hold();
        let rows = self.tree().iter().map(|row| row.map(|(key, value)| RowBytes::of(&key, &value)));
        rows.filter(|row| row.as_ref().map_or(true, RowBytes::is_told)).collect()
    }

    fn run<'a>(&'a self, run: &Run) -> Box<dyn Iterator<Item = crate::tree::Found> + 'a> {
        let after: Key = run.after.0.clone();
        let from = if after.is_empty() { Bound::Unbounded } else { Bound::Excluded(after) };
        match &run.until {
            Some(until) if *until <= run.after => Box::new(std::iter::empty()),
            Some(until) => self.tree().range(from, Bound::Included(until.0.clone())),
            None => self.tree().range(from, Bound::Unbounded),
        }
    }
}

impl Run {
    fn limit(&self) -> usize {
        // One that ends with a key has as many rows as there are.
        if self.until.is_some() { usize::MAX } else { self.limit.clamp(1, MAX_STRETCH_ROWS) }
    }
}

mod in_hex {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        hex::decode(String::deserialize(from)?).map_err(D::Error::custom)
    }
}
