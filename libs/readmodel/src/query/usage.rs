//! What has been used, and what is in use.

use std::ops::Bound;

use domain::{Timestamp, id::AccountId};
use jiff::civil::Date;

use crate::{
    Error, Store, Stream, Usage,
    key::{self, Held},
    projection::{read, read_number, usage},
};

/// The most days that are answered about at once.
pub const MAX_USAGE_DAYS: usize = 400;

/// How often a number is looked at again because something was written meanwhile.
const MAX_LOOKS: usize = 8;

/// What is in use: it came, and has not gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InUse {
    /// Jobs accepted that have not ended.
    pub jobs: u64,
    /// Uploads started that are neither complete nor expired.
    pub uploads: u64,
    /// Their bytes, as announced.
    pub upload_bytes: u64,
    /// Bytes of results that lie in development storage.
    pub development_bytes: u64,
}

impl Store {
    /// What an account used on each day from `from` to `to`, both included; days on which nothing
    /// was used are left out. At most [`MAX_USAGE_DAYS`].
    ///
    /// # Errors
    /// As [`Store::job`].
    pub fn usage(
        &self,
        account: AccountId,
        from: Date,
        to: Date,
    ) -> Result<Vec<(Date, Usage)>, Error> {
        let first = key::usage(account, usage::day_on(from));
        let last = key::usage(account, usage::day_on(to));
        if first > last {
            return Ok(Vec::new());
        }
        let days = self.tree().range(Bound::Included(first), Bound::Included(last));
        let days = days.take(MAX_USAGE_DAYS);
        days.map(|row| {
            let (key, value) = row?;
            let day = key.last_chunk().ok_or_else(|| Error::row(&key, None))?;
            let used = serde_json::from_slice(&value).map_err(|error| Error::row(&key, error))?;
            Ok((usage::date_of(u32::from_be_bytes(*day)), used))
        })
        .collect()
    }

    /// What an account has used so far on the day of `now`, in UTC.
    ///
    /// # Errors
    /// As [`Store::job`].
    pub fn usage_today(&self, account: AccountId, now: Timestamp) -> Result<Usage, Error> {
        let used = read(self.tree(), &key::usage(account, usage::day_of(now)))?;
        Ok(used.unwrap_or_default())
    }

    /// How many of an account's jobs have been accepted and have not ended, and the sequence of the
    /// last message of the jobs' stream that is part of that.
    ///
    /// # Errors
    /// As [`Store::job`].
    pub fn jobs_in_flight(&self, account: AccountId) -> Result<(u64, u64), Error> {
        let position = || read_number(self.tree(), &key::position(Stream::Jobs));
        let jobs = || read_number(self.tree(), &key::held(account, Held::Jobs));
        let (mut before, mut found) = (position()?, jobs()?);
        for _ in 0..MAX_LOOKS {
            let after = position()?;
            // A batch is written as a whole: no other position, no other number.
            if after == before {
                break;
            }
            (before, found) = (after, jobs()?);
        }
        Ok((found, before))
    }

    /// How many bytes of an account's results lie in development storage.
    ///
    /// # Errors
    /// As [`Store::job`].
    pub fn development_bytes(&self, account: AccountId) -> Result<u64, Error> {
        read_number(self.tree(), &key::held(account, Held::DevelopmentBytes))
    }

    /// What of an account's is in use.
    ///
    /// # Errors
    /// As [`Store::job`].
    pub fn in_use(&self, account: AccountId) -> Result<InUse, Error> {
        let held = |what| read_number(self.tree(), &key::held(account, what));
        Ok(InUse {
            jobs: held(Held::Jobs)?,
            uploads: held(Held::Uploads)?,
            upload_bytes: held(Held::UploadBytes)?,
            development_bytes: held(Held::DevelopmentBytes)?,
        })
    }
}
