//! What an account's jobs and uploads may use together, held against what they use.
//!
//! Everything is counted in what this process hears from the log, and it hears of what every
//! replica accepts; what it has accepted itself and not heard of yet is added. So a quota holds for
//! all replicas together, but for what the others accept in the moments until that is heard of.
//! Jobs of the last minute are counted in memory: a process that has just started knows of those
//! alone that it has heard of since.

mod minute;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use domain::{Timestamp, id::AccountId, limits::Quotas};
use readmodel::Stream;

use self::minute::Minute;
use crate::{app::App, callers::Era, problem::Problem};

/// Most accounts whose last minute is kept; beyond, those at rest are forgotten, then all.
const MAX_ACCOUNTS: usize = 16_384;
/// Most jobs of an account accepted and not heard of that are kept count of.
const MAX_UNHEARD: usize = 65_536;
/// After how many seconds to come back where nobody can say when there is room.
const SOMETIME_S: u64 = 5;
/// The same where room is made by results that expire.
const LATER_S: u64 = 600;
/// Seconds of a day.
const DAY_S: i64 = 24 * 3_600;

/// Keeps count, and lets in.
pub(crate) struct Gate {
    installation: Quotas,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    /// How far into the histories of jobs was heard.
    heard: u64,
    desks: HashMap<AccountId, Desk>,
}

/// What is known of an account.
#[derive(Default)]
struct Desk {
    allowed: Option<(Era, Allowed)>,
    minute: Minute,
    /// Jobs that this process accepted, by their sequence, until they have been heard of.
    unheard: BTreeSet<u64>,
    /// Jobs being accepted.
    coming: u64,
    /// Uploads being started, and their bytes.
    uploads: (u64, u64),
}

/// What an account may use.
#[derive(Debug, Clone, Copy)]
struct Allowed {
    quotas: Quotas,
    /// Whether its results go to development storage.
    develops: bool,
}

/// A job that was accepted by whichever replica.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Accepted {
    pub(crate) account: AccountId,
    pub(crate) seq: u64,
    pub(crate) at: Timestamp,
}

/// What is counted when a job is to be accepted.
#[derive(Clone, Copy)]
struct Counted {
    in_flight: u64,
    last_minute: u64,
    source_bytes: u64,
    development_bytes: u64,
}

impl Gate {
    pub(crate) fn new(installation: Quotas) -> Self {
        Self { installation, book: Mutex::default() }
    }

    /// The quotas of an account that has none of its own.
    pub(crate) const fn installation(&self) -> &Quotas {
        &self.installation
    }

    /// How many jobs of an account were accepted in the last minute, as far as was heard.
    pub(crate) fn last_minute(&self, account: AccountId, now: Timestamp) -> u64 {
        self.book().desk(account).minute.sum(now.as_second())
    }

    /// These jobs were accepted, and all up to `reached` have been heard of.
    pub(crate) fn hear(&self, accepted: &[Accepted], reached: u64, now: Timestamp) {
        let mut book = self.book();
        for job in accepted.iter().filter(|job| job.seq > book.heard).collect::<Vec<_>>() {
            book.desk(job.account).minute.count(job.at.as_second(), now.as_second());
        }
        book.heard = book.heard.max(reached);
    }

    /// The log is another one.
    pub(crate) fn forget(&self) {
        *self.book() = Book::default();
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn desk(&mut self, account: AccountId) -> &mut Desk {
        if self.desks.len() >= MAX_ACCOUNTS && !self.desks.contains_key(&account) {
            self.desks.retain(|_, desk| desk.coming > 0 || desk.uploads.0 > 0);
            if self.desks.len() >= MAX_ACCOUNTS {
                self.desks.clear();
            }
        }
        self.desks.entry(account).or_default()
    }
}

/// The place of a job that is being accepted; given back when dropped.
#[must_use = "keep it until the job is stored, then say where"]
pub(crate) struct JobPlace<'a> {
    gate: &'a Gate,
    account: AccountId,
    stored: Option<u64>,
}

impl JobPlace<'_> {
    /// The job is stored at this place of its stream.
    pub(crate) fn stored(mut self, seq: u64) {
        self.stored = Some(seq);
    }
}

impl Drop for JobPlace<'_> {
    fn drop(&mut self) {
        let mut book = self.gate.book();
        let desk = book.desk(self.account);
        desk.coming = desk.coming.saturating_sub(1);
        desk.unheard.extend(self.stored);
        if desk.unheard.len() > MAX_UNHEARD {
            desk.unheard.pop_first();
        }
    }
}

/// The place of an upload that is being started; given back when dropped.
#[must_use = "keep it until the upload is stored"]
pub(crate) struct UploadPlace<'a> {
    gate: &'a Gate,
    account: AccountId,
    size_bytes: u64,
}

impl Drop for UploadPlace<'_> {
    fn drop(&mut self) {
        let mut book = self.gate.book();
        let (uploads, bytes) = &mut book.desk(self.account).uploads;
        *uploads = uploads.saturating_sub(1);
        *bytes = bytes.saturating_sub(self.size_bytes);
    }
}

impl App {
    /// Takes a place for a new job of `account`.
    ///
    /// # Errors
    /// [`Problem::QuotaExceeded`] when there is none.
    pub(crate) fn admit_job(&self, account: AccountId) -> Result<JobPlace<'_>, Problem> {
        let now = self.clock.now();
        let allowed = self.allowed(account)?;
        let (in_flight, as_of) = self.store.jobs_in_flight(account)?;
        let source_bytes = self.store.usage_today(account, now)?.source_bytes;
        let development_bytes =
            if allowed.develops { self.store.development_bytes(account)? } else { 0 };
        let mut book = self.gate.book();
        let heard = book.heard;
        let desk = book.desk(account);
        desk.unheard = desk.unheard.split_off(&heard.min(as_of).saturating_add(1));
        let after = |seq: u64| desk.unheard.range(seq.saturating_add(1)..).count() as u64;
        let counted = Counted {
            in_flight: in_flight + after(as_of) + desk.coming,
            last_minute: after(heard) + desk.coming + desk.minute.sum(now.as_second()),
            source_bytes,
            development_bytes,
        };
        refuse_job(&allowed, &counted, &mut desk.minute, now)?;
        desk.coming += 1;
        Ok(JobPlace { gate: &self.gate, account, stored: None })
    }

    /// Takes a place for a new upload of `size_bytes`.
    ///
    /// # Errors
    /// [`Problem::QuotaExceeded`] when there is none.
    pub(crate) async fn admit_upload(
        &self,
        account: AccountId,
        size_bytes: u64,
    ) -> Result<UploadPlace<'_>, Problem> {
        self.catch_up(Stream::Uploads).await;
        let now = self.clock.now();
        let Allowed { quotas, .. } = self.allowed(account)?;
        let in_use = self.store.in_use(account)?;
        let today = self.store.usage_today(account, now)?.upload_bytes;
        let mut book = self.gate.book();
        let (starting, starting_bytes) = &mut book.desk(account).uploads;
        if in_use.uploads + *starting >= quotas.uploads_in_flight {
            let most = quotas.uploads_in_flight;
            let why = format!("at most {most} uploads are under way at once");
            return Err(used_up("uploads_in_flight", &why, SOMETIME_S));
        }
        let bytes = [today, in_use.upload_bytes, *starting_bytes, size_bytes];
        if bytes.iter().fold(0, |sum: u64, more| sum.saturating_add(*more))
            > quotas.upload_bytes_per_day
        {
            let most = quotas.upload_bytes_per_day;
            let why = format!("at most {most} bytes are uploaded in a day");
            return Err(used_up("upload_bytes_per_day", &why, until_midnight(now)));
        }
        *starting += 1;
        *starting_bytes += size_bytes;
        Ok(UploadPlace { gate: &self.gate, account, size_bytes })
    }

    /// What the account may use, looked up once for as long as nothing happens to any account.
    fn allowed(&self, account: AccountId) -> Result<Allowed, Problem> {
        let era = self.callers.era();
        let known = self.gate.book().desk(account).allowed;
        if let Some((_, allowed)) = known.filter(|(then, _)| *then == era) {
            return Ok(allowed);
        }
        let state = self.store.account(account)?.map(|row| row.state).unwrap_or_default();
        let quotas = self.gate.installation.with(&state.quotas);
        let allowed = Allowed { quotas, develops: state.destination.is_none() };
        self.gate.book().desk(account).allowed = Some((era, allowed));
        Ok(allowed)
    }
}

fn refuse_job(
    Allowed { quotas, .. }: &Allowed,
    counted: &Counted,
    minute: &mut Minute,
    now: Timestamp,
) -> Result<(), Problem> {
    if counted.last_minute >= quotas.jobs_per_minute {
        let most = quotas.jobs_per_minute;
        let why = format!("at most {most} jobs are accepted in a minute");
        let wait_s = minute.below(most, now.as_second());
        return Err(used_up("jobs_per_minute", &why, wait_s));
    }
    if counted.in_flight >= quotas.jobs_in_flight {
        let why = format!("at most {} jobs are under way at once", quotas.jobs_in_flight);
        return Err(used_up("jobs_in_flight", &why, SOMETIME_S));
    }
    if counted.source_bytes >= quotas.source_bytes_per_day {
        let why =
            format!("at most {} bytes of sources are read a day", quotas.source_bytes_per_day);
        return Err(used_up("source_bytes_per_day", &why, until_midnight(now)));
    }
    if counted.development_bytes >= quotas.development_bytes {
        let why = format!(
            "at most {} bytes of results lie in development storage; give the account a \
             destination, or wait until results expire",
            quotas.development_bytes
        );
        return Err(used_up("development_bytes", &why, LATER_S));
    }
    Ok(())
}

fn used_up(quota: &'static str, why: &str, retry_after_s: u64) -> Problem {
    let message = format!("The quota {quota} is used up: {why}. Try again in {retry_after_s} s.");
    Problem::QuotaExceeded { quota, message, retry_after_s }
}

/// Seconds until the next day begins, in UTC.
fn until_midnight(now: Timestamp) -> u64 {
    (DAY_S - now.as_second().rem_euclid(DAY_S)).unsigned_abs()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn account(number: u128) -> AccountId {
        AccountId::from_uuid(Uuid::from_u128(number))
    }

    fn refused(counted: Counted) -> Option<(&'static str, u64)> {
        let quotas = Quotas {
            jobs_in_flight: 2,
            jobs_per_minute: 3,
            source_bytes_per_day: 4,
            development_bytes: 5,
            ..Quotas::default()
        };
        let now = Timestamp::from_second(DAY_S - 100).unwrap();
        let allowed = Allowed { quotas, develops: true };
        match refuse_job(&allowed, &counted, &mut Minute::default(), now) {
            Ok(()) => None,
            Err(Problem::QuotaExceeded { quota, retry_after_s, message }) => {
                assert!(message.contains(quota), "{message}");
                Some((quota, retry_after_s))
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_quota_refuses_by_its_name_and_says_when_to_come_back() {
        let none =
            || Counted { in_flight: 1, last_minute: 2, source_bytes: 3, development_bytes: 4 };
        assert_eq!(refused(none()), None);
        for (counted, expected) in [
            (Counted { in_flight: 2, ..none() }, ("jobs_in_flight", SOMETIME_S)),
            (Counted { last_minute: 3, ..none() }, ("jobs_per_minute", 1)),
            (Counted { source_bytes: 4, ..none() }, ("source_bytes_per_day", 100)),
            (Counted { development_bytes: 5, ..none() }, ("development_bytes", LATER_S)),
        ] {
            assert_eq!(refused(counted), Some(expected));
        }
    }

    #[test]
    fn a_job_is_counted_once_whether_it_is_heard_of_before_or_after_it_was_answered() {
        let (gate, now) = (Gate::new(Quotas::default()), Timestamp::from_second(1_000).unwrap());
        let counted = |gate: &Gate| {
            let mut book = gate.book();
            let heard = book.heard;
            let desk = book.desk(account(1));
            let unheard = desk.unheard.range(heard + 1..).count() as u64;
            unheard + desk.coming + desk.minute.sum(now.as_second())
        };
        let coming = || {
            gate.book().desk(account(1)).coming += 1;
            JobPlace { gate: &gate, account: account(1), stored: None }
        };
        let heard = |seq| Accepted { account: account(1), seq, at: now };
        drop(coming());
        assert_eq!(counted(&gate), 0);
        coming().stored(5);
        assert_eq!(counted(&gate), 1);
        gate.hear(&[heard(5)], 5, now);
        assert_eq!(counted(&gate), 1);
        let place = coming();
        gate.hear(&[heard(6), heard(5)], 6, now);
        place.stored(6);
        assert_eq!(counted(&gate), 2);
    }

    #[test]
    fn no_more_accounts_are_kept_than_there_is_room_for() {
        let gate = Gate::new(Quotas::default());
        for number in 0..=MAX_ACCOUNTS as u128 {
            gate.book().desk(account(number));
        }
        assert!(gate.book().desks.len() <= MAX_ACCOUNTS);
    }
}
