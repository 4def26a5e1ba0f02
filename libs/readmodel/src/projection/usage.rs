//! What an account has used, by day: for its people, for quotas, and for whoever writes bills.
//!
//! Days only ever grow, by what an event adds to what was known of its job or upload before. Jobs
//! and uploads add independently of each other, so it makes no difference in which order their
//! streams are read.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    Timestamp,
    id::AccountId,
    job::{self, Job},
    upload::{self, Phase, Upload},
};
use jiff::{ToSpan as _, civil::Date};
use serde::{Deserialize, Serialize};

macro_rules! usage {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// What was used in some time.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Usage {
            $($(#[$doc])* pub $name: u64,)+
        }

        impl Usage {
            /// What is counted, by name.
            pub const NAMES: &[&str] = &[$(stringify!($name),)+];

            /// Each count, in the order of [`Usage::NAMES`].
            #[must_use]
            pub fn values(&self) -> Vec<u64> {
                vec![$(self.$name,)+]
            }

            /// With what was used besides.
            #[must_use]
            pub const fn and(&self, more: &Self) -> Self {
                Self { $($name: self.$name.saturating_add(more.$name),)+ }
            }
        }
    };
}

usage! {
    /// Jobs accepted.
    jobs_accepted,
    /// Jobs fulfilled.
    jobs_completed,
    /// Jobs given up.
    jobs_failed,
    /// Jobs that were not wanted any more.
    jobs_cancelled,
    /// Bytes of sources, each job's once however often it was read.
    source_bytes,
    /// Artifacts of fulfilled jobs.
    artifacts,
    /// Their bytes.
    artifact_bytes,
    /// Pages of which fulfilled jobs have a rendition.
    pages,
    /// Milliseconds of drawing, of the attempts that fulfilled a job.
    engine_ms,
    /// Uploads completed.
    uploads,
    /// Their bytes.
    upload_bytes,
}

/// A day of an account.
pub(crate) type Day = (AccountId, u32);

/// What a run of entries adds to which day.
#[derive(Default)]
pub(crate) struct Added(BTreeMap<Day, Usage>);

impl Added {
    /// Adds to the day that `at` lies in.
    pub(crate) fn add(&mut self, account: AccountId, at: Timestamp, more: &Usage) {
        if *more != Usage::default() {
            let day = self.0.entry((account, day_of(at))).or_default();
            *day = day.and(more);
        }
    }

    pub(crate) fn into_days(self) -> impl Iterator<Item = (Day, Usage)> {
        self.0.into_iter()
    }
}

/// The day in UTC that a time lies in: how many lie between it and the first of January 1970.
pub(crate) fn day_of(at: Timestamp) -> u32 {
    u32::try_from(at.as_second().div_euclid(24 * 3_600)).unwrap_or_default()
}

/// The day with this date.
pub(crate) fn day_on(date: Date) -> u32 {
    let since = date.since(Date::constant(1970, 1, 1)).map(|since| since.get_days());
    since.ok().and_then(|days| u32::try_from(days).ok()).unwrap_or_default()
}

/// The date of a day.
pub(crate) fn date_of(day: u32) -> Date {
    Date::constant(1970, 1, 1).saturating_add(i64::from(day).days())
}

/// What an event adds to what was used for its job.
pub(crate) fn of_job(before: Option<&Job>, event: &job::Event) -> Usage {
    use job::Event;
    let none = Usage::default();
    let Some(job) = before else {
        let accepted = matches!(event, Event::Requested(_));
        return Usage { jobs_accepted: accepted.into(), ..none };
    };
    if job.status().is_final() {
        return none;
    }
    match event {
        Event::Fetched(fetched) if job.fetched.is_none() => {
            Usage { source_bytes: fetched.size_bytes, ..none }
        }
        Event::Completed(completed) => Usage {
            jobs_completed: 1,
            artifacts: job.artifacts.len() as u64,
            artifact_bytes: job.artifacts.iter().map(|artifact| artifact.size_bytes).sum(),
            pages: pages(job),
            engine_ms: completed.durations.render_ms,
            ..none
        },
        Event::Failed { .. } => Usage { jobs_failed: 1, ..none },
        Event::Cancelled {} => Usage { jobs_cancelled: 1, ..none },
        Event::Requested(_)
        | Event::Started { .. }
        | Event::Fetched(_)
        | Event::Stored { .. }
        | Event::Wiped { .. }
        | Event::AttemptFailed { .. }
        | Event::CancelRequested {}
        | Event::Expired {}
        | Event::ErasureRequested {}
        | Event::Erased { .. } => none,
    }
}

fn pages(job: &Job) -> u64 {
    let renditions = job.artifacts.iter().filter(|artifact| artifact.role.is_rendition());
    renditions.map(|artifact| artifact.page).collect::<BTreeSet<_>>().len() as u64
}

/// What an event adds to what was used for its upload.
pub(crate) fn of_upload(before: Option<&Upload>, event: &upload::Event) -> Usage {
    match event {
        upload::Event::SourceUploaded { size_bytes, .. } if before.is_some_and(is_open) => {
            Usage { uploads: 1, upload_bytes: *size_bytes, ..Usage::default() }
        }
        _ => Usage::default(),
    }
}

/// Whether an upload has been started, and what becomes of it is not known yet.
pub(crate) const fn is_open(upload: &Upload) -> bool {
    matches!(upload.phase, Phase::Open | Phase::Verifying { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_utc() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let day = day_of(at("2026-11-22T00:00:00Z"));
        assert_eq!(day_of(at("2026-11-22T23:59:59.999Z")), day);
        assert_eq!(day_of(at("2026-11-21T23:59:59.999Z")), day - 1);
        assert_eq!(day_on("2026-11-22".parse().unwrap()), day);
        assert_eq!(date_of(day).to_string(), "2026-11-22");
    }
}
