//! From events to rows: pure functions, one file a kind of row, and the batch that gathers them.
//!
//! A projection says how an event changes a row, and which keys a row occupies. What a batch
//! writes follows from comparing each touched row as it was with the row as it is after the last
//! of the batch's events, so the same events give the same tree however they were cut into batches.

mod accounts;
mod deliveries;
mod endpoints;
mod jobs;
mod members;
mod uploads;
pub(crate) mod usage;

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry as Slot},
    hash::Hash,
};

use domain::{
    endpoint,
    id::{AccountId, DeliveryId},
    job, member, upload,
};
use serde::{Serialize, de::DeserializeOwned};

pub use self::{
    accounts::{AccountRow, Holder},
    deliveries::{Attempt, DeliveryRow, Standing},
    endpoints::EndpointRow,
    jobs::JobRow,
    members::{MemberRow, SessionOf},
    uploads::UploadRow,
    usage::Usage,
};
use crate::{
    Error,
    entry::{Change, Entry, Positions, Stream},
    key::{self, Key},
    seen::Seen,
    tree::{Batch, Tree},
};

/// About what the largest rows have, so that few of them move while they are written.
const ROW_BYTES: usize = 1 << 10;

/// A row, the keys that lead to it, and the counts it is part of.
pub(crate) trait Row: Serialize + DeserializeOwned {
    fn key(&self) -> Key;
    fn indexes(&self) -> Vec<(Key, Vec<u8>)>;
    /// Which numbers it is part of, and how much of each it is.
    fn counts(&self) -> Vec<(Key, u64)>;
}

/// Reads the row under `key`.
pub(crate) fn read<R: DeserializeOwned>(tree: &Tree, key: &[u8]) -> Result<Option<R>, Error> {
    match tree.get(key)? {
        Some(bytes) => {
            serde_json::from_slice(&bytes).map(Some).map_err(|source| Error::row(key, source))
        }
        None => Ok(None),
    }
}

/// Reads the number under `key`; zero where there is none.
pub(crate) fn read_number(tree: &Tree, key: &[u8]) -> Result<u64, Error> {
    match tree.get(key)? {
        Some(bytes) => match bytes.as_ref().try_into() {
            Ok(bytes) => Ok(u64::from_be_bytes(bytes)),
            Err(_) => Err(Error::row(key, None)),
        },
        None => Ok(0),
    }
}

/// A row before and after a batch.
struct Touched<R> {
    before: Option<R>,
    after: Option<R>,
}

impl<R: Row + Clone> Touched<R> {
    fn load(tree: &Tree, key: &[u8]) -> Result<Self, Error> {
        let row: Option<R> = read(tree, key)?;
        Ok(Self { before: row.clone(), after: row })
    }
}

/// The row called `id`, read when it is first touched.
fn touch<'a, K: Eq + Hash, R: Row + Clone>(
    rows: &'a mut HashMap<K, Touched<R>>,
    tree: &Tree,
    id: K,
    key: impl FnOnce() -> Key,
) -> Result<&'a mut Touched<R>, Error> {
    touch_if_there(rows, |_| true, tree, id, key)
}

/// The same of rows of which there are many, where it may be known that there is none yet.
fn touch_if_there<'a, K: Eq + Hash, R: Row + Clone>(
    rows: &'a mut HashMap<K, Touched<R>>,
    may_be_there: impl FnOnce(&K) -> bool,
    tree: &Tree,
    id: K,
    key: impl FnOnce() -> Key,
) -> Result<&'a mut Touched<R>, Error> {
    Ok(match rows.entry(id) {
        Slot::Occupied(slot) => slot.into_mut(),
        Slot::Vacant(slot) => {
            let touched = if may_be_there(slot.key()) {
                Touched::load(tree, &key())?
            } else {
                Touched { before: None, after: None }
            };
            slot.insert(touched)
        }
    })
}

/// What a run of entries changes in a tree.
pub(crate) struct Changes<'a> {
    tree: &'a Tree,
    seen: &'a mut Seen,
    jobs: HashMap<job::Id, Touched<JobRow>>,
    accounts: HashMap<AccountId, Touched<AccountRow>>,
    members: HashMap<member::Id, Touched<MemberRow>>,
    uploads: HashMap<upload::Id, Touched<UploadRow>>,
    endpoints: HashMap<endpoint::Id, Touched<EndpointRow>>,
    deliveries: HashMap<(AccountId, DeliveryId), Touched<DeliveryRow>>,
    used: usage::Added,
    unreadable: Vec<Key>,
}

impl<'a> Changes<'a> {
    pub(crate) fn new(tree: &'a Tree, seen: &'a mut Seen) -> Self {
        Self {
            tree,
            seen,
            jobs: HashMap::new(),
            accounts: HashMap::new(),
            members: HashMap::new(),
            uploads: HashMap::new(),
            endpoints: HashMap::new(),
            deliveries: HashMap::new(),
            used: usage::Added::default(),
            unreadable: Vec::new(),
        }
    }

    /// Takes in one entry.
    pub(crate) fn take(&mut self, entry: &Entry) -> Result<(), Error> {
        let tree = self.tree;
        match &entry.change {
            Change::Job(id, event) => {
                let key = || key::job(*id);
                let touched =
                    touch_if_there(&mut self.jobs, |id| self.seen.note(id), tree, *id, key)?;
                let before = touched.after.as_ref().map(|row| row.job.as_ref());
                self.used.add(id.account, entry.at, &usage::of_job(before, event));
                touched.after = jobs::evolve(touched.after.take(), *id, event, entry);
            }
            Change::Account(id, event) => {
                let touched = touch(&mut self.accounts, tree, *id, || key::account(*id))?;
                touched.after = Some(accounts::evolve(touched.after.take(), *id, event, entry));
            }
            Change::Member(id, event) => {
                let touched = touch(&mut self.members, tree, *id, || key::member(*id))?;
                touched.after = members::evolve(touched.after.take(), *id, event, entry);
            }
            Change::Upload(id, event) => {
                let touched = touch(&mut self.uploads, tree, *id, || key::upload(*id))?;
                let before = touched.after.as_ref().map(|row| row.upload.as_ref());
                self.used.add(id.account, entry.at, &usage::of_upload(before, event));
                touched.after = uploads::evolve(touched.after.take(), *id, event, entry);
            }
            Change::Endpoint(id, event) => {
                let touched = touch(&mut self.endpoints, tree, *id, || key::endpoint(*id))?;
                touched.after = endpoints::evolve(touched.after.take(), *id, event, entry);
            }
            Change::Delivery(id, event) => {
                let name = (id.account, id.delivery);
                let key = || key::delivery(id.account, id.delivery);
                let touched =
                    touch_if_there(&mut self.deliveries, |id| self.seen.note(id), tree, name, key)?;
                touched.after = deliveries::evolve(touched.after.take(), *id, event, entry);
            }
            Change::Unreadable => self.unreadable.push(key::unreadable(entry.stream, entry.seq)),
        }
        Ok(())
    }

    /// The one atomic write that makes the tree reach `positions`. It says those of all streams where it
    /// is not known what the tree says of them, else those that are others than `known`.
    pub(crate) fn into_batch(
        self,
        known: Option<Positions>,
        positions: Positions,
    ) -> Result<Batch, Error> {
        let mut batch = Batch::default();
        let mut counts = BTreeMap::new();
        for touched in self.jobs.into_values() {
            write(&mut batch, &mut counts, touched)?;
        }
        for touched in self.accounts.into_values() {
            write(&mut batch, &mut counts, touched)?;
        }
        for touched in self.members.into_values() {
            write(&mut batch, &mut counts, touched)?;
        }
        for touched in self.uploads.into_values() {
            write(&mut batch, &mut counts, touched)?;
        }
        for touched in self.endpoints.into_values() {
            write(&mut batch, &mut counts, touched)?;
        }
        for touched in self.deliveries.into_values() {
            write(&mut batch, &mut counts, touched)?;
        }
        for (key, change) in counts.into_iter().filter(|(_, change)| *change != 0) {
            match read_number(self.tree, &key)?.saturating_add_signed(change) {
                0 => batch.remove(key),
                count => batch.insert(key, count.to_be_bytes()),
            }
        }
        for ((account, day), more) in self.used.into_days() {
            let key = key::usage(account, day);
            let used = read(self.tree, &key)?.unwrap_or_default();
            let used = more.and(&used);
            let value = serde_json::to_vec(&used).map_err(|source| Error::row(&key, source))?;
            batch.insert(key, value);
        }
        for key in self.unreadable {
            batch.insert(key, []);
        }
        for stream in Stream::ALL {
            let reached = positions.of(stream);
            if known.is_none_or(|known| known.of(stream) != reached) {
                batch.insert(key::position(stream), reached.to_be_bytes());
            }
        }
        Ok(batch)
    }
}

fn write<R: Row>(
    batch: &mut Batch,
    counts: &mut BTreeMap<Key, i64>,
    Touched { before, after }: Touched<R>,
) -> Result<(), Error> {
    let mut kept = after.as_ref().map(Row::indexes).unwrap_or_default();
    if let Some(before) = &before {
        for index in before.indexes() {
            // What stays as it was need not be written again.
            match kept.iter().position(|(key, _)| *key == index.0) {
                Some(place) if kept.get(place) == Some(&index) => drop(kept.swap_remove(place)),
                Some(_) => {}
                None => batch.remove(index.0),
            }
        }
        for (key, part) in before.counts() {
            *counts.entry(key).or_default() -= part.cast_signed();
        }
    }
    if let (Some(before), None) = (&before, &after) {
        batch.remove(before.key());
    }
    if let Some(after) = &after {
        for (key, value) in kept {
            batch.insert(key, value);
        }
        for (key, part) in after.counts() {
            *counts.entry(key).or_default() += part.cast_signed();
        }
        let key = after.key();
        let mut value = Vec::with_capacity(ROW_BYTES);
        serde_json::to_writer(&mut value, after).map_err(|source| Error::row(&key, source))?;
        batch.insert(key, value);
    }
    Ok(())
}
