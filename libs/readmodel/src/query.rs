//! What can be asked of a store.

pub(crate) mod deliveries;
pub(crate) mod usage;

use std::{collections::BTreeMap, ops::Bound};

use domain::{
    id::AccountId,
    job::{self, Status},
    member, upload,
};

use crate::{
    Error, Store,
    cursor::Cursor,
    key::{self, Key, Place},
    projection::{AccountRow, Holder, JobRow, MemberRow, SessionOf, UploadRow, read, read_number},
};

/// The most rows of one page.
pub const MAX_PAGE_ROWS: usize = 200;

/// The most members of an account that are listed, and the most members with one address that are
/// looked at.
pub const MAX_MEMBERS: usize = 1_000;

/// How many jobs have each status; every status is there.
pub type Counts = BTreeMap<Status, u64>;

/// A part of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Newest first.
    pub rows: Vec<JobRow>,
    /// Where the next page starts, if there is one.
    pub next: Option<Cursor>,
}

impl Store {
    /// The job with this id.
    ///
    /// # Errors
    /// [`Error::Sled`] or [`Error::Row`]; so with every question.
    pub fn job(&self, id: job::Id) -> Result<Option<JobRow>, Error> {
        read(self.tree(), &key::job(id))
    }

    /// The account with this id.
    ///
    /// # Errors
    /// As [`Store::job`].
    pub fn account(&self, id: AccountId) -> Result<Option<AccountRow>, Error> {
        read(self.tree(), &key::account(id))
    }

    /// Whom this public key names.
    ///
    /// # Errors
    /// As [`Store::job`].
    pub fn application(&self, public_key: &str) -> Result<Option<Holder>, Error> {
        read(self.tree(), &key::application(public_key))
    }

    /// The member with this id.
    ///
    /// # Errors
    /// As [`Store::job`].
    pub fn member(&self, id: member::Id) -> Result<Option<MemberRow>, Error> {
        read(self.tree(), &key::member(id))
    }

    /// The members of an account, at most [`MAX_MEMBERS`].
    ///
    /// # Errors
    /// As [`Store::job`].
    pub fn members(&self, account: AccountId) -> Result<Vec<MemberRow>, Error> {
        self.rows(&key::members(account), MAX_MEMBERS)
    }

    /// The members of all accounts with this digest of their address, at most [`MAX_MEMBERS`].
    ///
    /// # Errors
    /// As [`Store::job`].
    pub fn members_with_address(&self, email_digest: &str) -> Result<Vec<MemberRow>, Error> {
        let list = key::addresses(email_digest);
        let mut found = Vec::new();
        for row in self.tree().scan_prefix(&list).take(MAX_MEMBERS) {
            let (key, _) = row?;
            let id = key.get(list.len()..).unwrap_or_default();
            let row: Option<MemberRow> = read(self.tree(), &[b"member/", id].concat())?;
            found.extend(row);
        }
        Ok(found)
    }

    /// Whose the session with this digest of its token is.
    ///
    /// # Errors
    /// As [`Store::job`].
    pub fn session(&self, token_digest: &str) -> Result<Option<SessionOf>, Error> {
        read(self.tree(), &key::session(token_digest))
    }

    /// The upload with this id.
    ///
    /// # Errors
    /// As [`Store::job`].
    pub fn upload(&self, id: upload::Id) -> Result<Option<UploadRow>, Error> {
        read(self.tree(), &key::upload(id))
    }

    /// An account's uploads, at most [`MAX_PAGE_ROWS`].
    ///
    /// # Errors
    /// As [`Store::job`].
    pub fn uploads(&self, account: AccountId) -> Result<Vec<UploadRow>, Error> {
        self.rows(&key::uploads(account), MAX_PAGE_ROWS)
    }

    pub(crate) fn rows<R: serde::de::DeserializeOwned>(
        &self,
        list: &Key,
        limit: usize,
    ) -> Result<Vec<R>, Error> {
        let values = self.tree().scan_prefix(list).take(limit);
        values
            .map(|row| {
                let (key, value) = row?;
                serde_json::from_slice(&value).map_err(|source| Error::row(&key, source))
            })
            .collect()
    }

    /// At most `limit` of an account's jobs, newest first, all or those of one status, after
    /// `cursor` or from the newest. At most [`MAX_PAGE_ROWS`], whatever the limit.
    ///
    /// # Errors
    /// As [`Store::job`].
    pub fn jobs(
        &self,
        account: AccountId,
        status: Option<Status>,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, Error> {
        let limit = limit.clamp(1, MAX_PAGE_ROWS);
        let lists: Vec<Key> = match status {
            Some(status) => vec![key::list_of(account, status)],
            None => Status::ALL.map(|status| key::list_of(account, status)).into(),
        };
        let places = self.newest(&lists, cursor, limit + 1)?;
        let more = places.len() > limit;
        let places = places.get(..limit).unwrap_or(&places);
        let next = places.last().filter(|_| more).copied().map(Cursor);
        let mut rows = Vec::with_capacity(places.len());
        for place in places {
            // The list and the row are read one after the other: the row may have moved on.
            if let Some(row) = self.job(job::Id { account, job: place.job() })?
                && status.is_none_or(|status| row.job.status() == status)
            {
                rows.push(row);
            }
        }
        Ok(Page { rows, next })
    }

    /// The first places of all these lists together, newest first. Nothing is taken in meanwhile, so
    /// that what goes from one list to another is in one of them.
    pub(crate) fn newest(
        &self,
        lists: &[Key],
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<Place>, Error> {
        let _still = self.still();
        let mut lists: Vec<_> = lists.iter().map(|list| self.places(list, cursor)).collect();
        let mut heads = Vec::with_capacity(lists.len());
        for list in &mut lists {
            heads.push(list.next().transpose()?);
        }
        let mut places = Vec::new();
        while places.len() < limit {
            let ahead = lists.iter_mut().zip(&mut heads).filter(|(_, head)| head.is_some());
            // What is newer comes first in the order of places.
            let Some((list, head)) = ahead.min_by_key(|(_, head)| **head) else { break };
            places.extend(std::mem::replace(head, list.next().transpose()?));
        }
        Ok(places)
    }

    pub(crate) fn places(
        &self,
        list: &Key,
        cursor: Option<Cursor>,
    ) -> impl Iterator<Item = Result<Place, Error>> {
        let end = key::listed(list.clone(), Place::from_bytes([u8::MAX; Place::LEN]));
        let start = match cursor {
            Some(Cursor(place)) => Bound::Excluded(key::listed(list.clone(), place)),
            None => Bound::Excluded(list.clone()),
        };
        self.tree().range(start, Bound::Included(end)).map(|row| {
            let (key, _) = row?;
            match key.last_chunk::<{ Place::LEN }>() {
                Some(place) => Ok(Place::from_bytes(*place)),
                None => Err(Error::row(&key, None)),
            }
        })
    }

    /// How many of an account's jobs have each status.
    ///
    /// # Errors
    /// As [`Store::job`].
    pub fn counts(&self, account: AccountId) -> Result<Counts, Error> {
        self.count(|status| key::count(account, status))
    }

    /// How many jobs of all accounts have each status.
    ///
    /// # Errors
    /// As [`Store::job`].
    pub fn counts_of_all(&self) -> Result<Counts, Error> {
        self.count(key::count_of_all)
    }

    fn count(&self, key: impl Fn(Status) -> Key) -> Result<Counts, Error> {
        Status::ALL
            .into_iter()
            .map(|status| Ok((status, read_number(self.tree(), &key(status))?)))
            .collect()
    }
}
