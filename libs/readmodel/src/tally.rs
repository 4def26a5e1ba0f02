//! What was used, counted from events as they pass by: for whoever reads them anyway, and keeps no rows.

use std::collections::HashMap;

use domain::{
    Aggregate as _,
    id::AccountId,
    job::{self, Jobs},
    upload::{self, Uploads},
};
use jiff::civil::Date;

use crate::{
    Change, Entry, Usage,
    projection::usage::{self, Added},
};

/// Counts usage by day. Holds what has not ended, and the days.
#[derive(Default)]
pub struct Tally {
    jobs: HashMap<job::Id, job::State>,
    uploads: HashMap<upload::Id, upload::State>,
    used: Added,
}

impl Tally {
    /// Takes in one entry; those of each stream come in their order.
    pub fn take(&mut self, entry: &Entry) {
        match &entry.change {
            Change::Job(id, event) => {
                let before = self.jobs.remove(id).unwrap_or_default();
                self.used.add(id.account, entry.at, &usage::of_job(before.job(), event));
                let after = Jobs::evolve(before, event, entry.at);
                // What has ended adds nothing any more.
                if after.job().is_some_and(|job| !job.status().is_final()) {
                    self.jobs.insert(*id, after);
                }
            }
            Change::Upload(id, event) => {
                let before = self.uploads.remove(id).unwrap_or_default();
                self.used.add(id.account, entry.at, &usage::of_upload(before.upload(), event));
                let after = Uploads::evolve(before, event, entry.at);
                if after.upload().is_some_and(usage::is_open) {
                    self.uploads.insert(*id, after);
                }
            }
            Change::Account(..)
            | Change::Member(..)
            | Change::Endpoint(..)
            | Change::Delivery(..)
            | Change::Unreadable => {}
        }
    }

    /// What was used on each day of each account, in this order.
    pub fn into_days(self) -> impl Iterator<Item = (AccountId, Date, Usage)> {
        self.used.into_days().map(|((account, day), used)| (account, usage::date_of(day), used))
    }
}
