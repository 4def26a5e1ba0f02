//! Where rows lie: on disk, or for a fold that is looked at once in memory.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{PoisonError, RwLock, RwLockReadGuard},
};

use sled::{Db, IVec};

use crate::{Error, key::Key};

/// A key and what is under it.
pub(crate) type Found = Result<(IVec, IVec), Error>;

type Rows = BTreeMap<IVec, IVec>;

/// Keys in order, and what is under each.
pub(crate) enum Tree {
    Disk(Db),
    Memory(RwLock<Rows>),
}

/// What changes as a whole.
#[derive(Default)]
pub(crate) struct Batch(Vec<(Key, Option<Vec<u8>>)>);

impl Batch {
    pub(crate) fn insert(&mut self, key: Key, value: impl Into<Vec<u8>>) {
        self.0.push((key, Some(value.into())));
    }

    pub(crate) fn remove(&mut self, key: Key) {
        self.0.push((key, None));
    }
}

impl Tree {
    /// One in memory, with this row in it.
    pub(crate) fn memory(key: &[u8], value: &[u8]) -> Self {
        Self::Memory(RwLock::new(Rows::from([(key.into(), value.into())])))
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<IVec>, Error> {
        match self {
            Self::Disk(db) => db.get(key).map_err(Error::sled("read")),
            Self::Memory(rows) => Ok(read(rows).get(key).cloned()),
        }
    }

    pub(crate) fn insert(&self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        match self {
            Self::Disk(db) => {
                db.insert(key, value).map_err(Error::sled("write"))?;
            }
            Self::Memory(rows) => {
                let mut rows = rows.write().unwrap_or_else(PoisonError::into_inner);
                rows.insert(key.into(), value.into());
            }
        }
        Ok(())
    }

    /// Writes all of it, or nothing.
    pub(crate) fn apply(&self, batch: Batch) -> Result<(), Error> {
        match self {
            Self::Disk(db) => {
                let mut writes = sled::Batch::default();
                for (key, value) in batch.0 {
                    match value {
                        Some(value) => writes.insert(key, value),
                        None => writes.remove(key),
                    }
                }
                db.apply_batch(writes).map_err(Error::sled("write"))
            }
            Self::Memory(rows) => {
                let mut rows = rows.write().unwrap_or_else(PoisonError::into_inner);
                for (key, value) in batch.0 {
                    match value {
                        Some(value) => drop(rows.insert(key.into(), value.into())),
                        None => drop(rows.remove(key.as_slice())),
                    }
                }
                Ok(())
            }
        }
    }

    pub(crate) fn clear(&self) -> Result<(), Error> {
        match self {
            Self::Disk(db) => db.clear().map_err(Error::sled("empty")),
            Self::Memory(rows) => {
                rows.write().unwrap_or_else(PoisonError::into_inner).clear();
                Ok(())
            }
        }
    }

    /// Whether nothing was there when it was opened.
    pub(crate) fn is_new(&self) -> bool {
        match self {
            Self::Disk(db) => !db.was_recovered(),
            Self::Memory(_) => true,
        }
    }

    /// Hands everything to the operating system.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        if let Self::Disk(db) = self {
            db.flush().map_err(Error::sled("flush"))?;
        }
        Ok(())
    }

    /// Rows between two keys, in order.
    pub(crate) fn range(
        &self,
        from: Bound<Key>,
        to: Bound<Key>,
    ) -> Box<dyn Iterator<Item = Found> + '_> {
        match self {
            Self::Disk(db) => {
                Box::new(db.range((from, to)).map(|row| row.map_err(Error::sled("list"))))
            }
            Self::Memory(rows) => {
                Box::new(Walk { rows, from: from.map(IVec::from), to: to.map(IVec::from) })
            }
        }
    }

    /// Rows whose keys begin like this, in order.
    pub(crate) fn scan_prefix(&self, prefix: &[u8]) -> Box<dyn Iterator<Item = Found> + '_> {
        let prefix = prefix.to_vec();
        let from = self.range(Bound::Included(prefix.clone()), Bound::Unbounded);
        Box::new(
            from.take_while(move |row| {
                row.as_ref().map_or(true, |(key, _)| key.starts_with(&prefix))
            }),
        )
    }

    /// Every row, in order.
    pub(crate) fn iter(&self) -> Box<dyn Iterator<Item = Found> + '_> {
        self.range(Bound::Unbounded, Bound::Unbounded)
    }
}

/// Goes from key to key without holding on to the rows in between.
struct Walk<'a> {
    rows: &'a RwLock<Rows>,
    from: Bound<IVec>,
    to: Bound<IVec>,
}

impl Iterator for Walk<'_> {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        if is_empty(&self.from, &self.to) {
            return None;
        }
        let (key, value) = {
            let rows = read(self.rows);
            let (key, value) = rows.range((self.from.clone(), self.to.clone())).next()?;
            (key.clone(), value.clone())
        };
        self.from = Bound::Excluded(key.clone());
        Some(Ok((key, value)))
    }
}

/// Whether nothing can lie between the two.
fn is_empty(from: &Bound<IVec>, to: &Bound<IVec>) -> bool {
    match (from, to) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (
            Bound::Included(from) | Bound::Excluded(from),
            Bound::Included(to) | Bound::Excluded(to),
        ) => from >= to,
    }
}

fn read(rows: &RwLock<Rows>) -> RwLockReadGuard<'_, Rows> {
    rows.read().unwrap_or_else(PoisonError::into_inner)
}
