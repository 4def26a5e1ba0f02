//! Moving wrapped keys from one key of a ring to its current one, while everybody goes on working.
//!
//! Each key is moved by itself, by a compare-and-set in the store. Whoever is killed over it leaves nothing half-done:
//! what is still under an earlier key is what the next one moves.

use std::collections::BTreeMap;

use crate::envelope::Envelope;
use crate::keys::{Page, Replacement, WrappedKeys, account_name};
use crate::{DataKey, Error, KeyId, RingName, Vault};

/// Most failures that are named; all are counted.
const FAILURES_NAMED: usize = 20;
/// Most times all keys are gone through for those that others wrapped meanwhile.
const PASSES_MAX: u32 = 8;
/// Where the names of the keys begin that each ring wraps.
const FIELDS: &[&str] = &["master", "account"];
const CREDENTIALS: &[&str] = &["credentials", "credential"];
/// Keys that keys of accounts wrap.
const JOBS: &[&str] = &["job"];

/// How many wrapped keys lie under each key of a ring, whether the ring holds that or not.
pub type Census = BTreeMap<KeyId, u64>;

/// What became of wrapped keys.
#[derive(Debug, Default)]
pub struct Report {
    /// How many are as they should be.
    pub well: u64,
    /// How many were moved to the current key.
    pub moved: u64,
    /// Keys of jobs whose account was shredded.
    pub orphaned: u64,
    /// How many do not open.
    pub failed: u64,
    /// The first of those, and why.
    pub failures: Vec<(String, Error)>,
}

impl Report {
    fn fail(&mut self, name: String, error: Error) {
        self.failed += 1;
        if self.failures.len() < FAILURES_NAMED {
            self.failures.push((name, error));
        }
    }

    const fn seen(&self) -> u64 {
        self.well + self.moved + self.orphaned + self.failed
    }
}

/// Goes through all names under some prefixes.
struct Scan<'a> {
    keys: &'a dyn WrappedKeys,
    prefixes: std::slice::Iter<'static, &'static str>,
    at: Option<(&'static str, u64)>,
}

impl<'a> Scan<'a> {
    fn new(keys: &'a dyn WrappedKeys, prefixes: &'static [&'static str]) -> Self {
        let mut prefixes = prefixes.iter();
        let at = prefixes.next().map(|first| (*first, 0));
        Self { keys, prefixes, at }
    }

    async fn next(&mut self) -> Result<Option<Vec<(String, Vec<u8>)>>, Error> {
        let Some((prefix, from)) = self.at else { return Ok(None) };
        let Page { entries, next } = self.keys.page(prefix, from).await?;
        self.at = match next {
            Some(next) => Some((prefix, next)),
            None => self.prefixes.next().map(|next| (*next, 0)),
        };
        Ok(Some(entries))
    }
}

const fn prefixes(ring: RingName) -> &'static [&'static str] {
    match ring {
        RingName::Fields => FIELDS,
        RingName::Credentials => CREDENTIALS,
    }
}

impl Vault {
    /// Counts what each key of a ring still holds.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn census(&self, ring: RingName) -> Result<Census, Error> {
        let mut census = Census::new();
        let mut scan = Scan::new(&*self.keys, prefixes(ring));
        while let Some(entries) = scan.next().await? {
            for (_, wrapped) in entries {
                // What is no envelope was not wrapped by a key.
                if let Ok(envelope) = Envelope::decode(&wrapped) {
                    *census.entry(envelope.key).or_default() += 1;
                }
            }
        }
        Ok(census)
    }

    /// Moves every key of a ring that is wrapped under an earlier key to the current one, and says after each page how
    /// many it has met. What does not open is left as it is and reported.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Ring`]; what was moved stays moved, and the next call goes on.
    pub async fn rewrap(
        &self,
        ring: RingName,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Report, Error> {
        let mut moved = 0;
        for _ in 0..PASSES_MAX {
            let mut report = Report::default();
            let mut scan = Scan::new(&*self.keys, prefixes(ring));
            while let Some(entries) = scan.next().await? {
                for (name, wrapped) in entries {
                    self.rewrap_one(ring, name, &wrapped, &mut report).await?;
                }
                progress(report.seen());
            }
            moved += report.moved;
            // Others may have wrapped under an earlier key until they read the ring again.
            if report.moved == 0 {
                return Ok(Report { moved, ..report });
            }
        }
        Ok(Report { moved, ..Report::default() })
    }

    async fn rewrap_one(
        &self,
        ring: RingName,
        name: String,
        wrapped: &[u8],
        report: &mut Report,
    ) -> Result<(), Error> {
        let under = Envelope::decode(wrapped).map(|envelope| envelope.key);
        if under == Ok(self.current(ring)?) {
            report.well += 1;
            return Ok(());
        }
        let key = match self.unwrap_in(ring, &name, wrapped).await {
            Ok(key) => key,
            Err(error @ (Error::Store(_) | Error::SealsOnly)) => return Err(error),
            Err(error) => {
                report.fail(name, error);
                return Ok(());
            }
        };
        let new = self.wrap_in(ring, &name, &key).await?;
        match self.keys.replace(&name, wrapped, new).await? {
            Replacement::Replaced => report.moved += 1,
            // Shredded, or moved by somebody else: neither is ours to count.
            Replacement::Changed => {}
        }
        Ok(())
    }

    /// Opens every wrapped key of a ring, and of the fields ring also the keys of jobs, and changes nothing.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::SealsOnly`].
    pub async fn verify(
        &self,
        ring: RingName,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Report, Error> {
        let mut report = Report::default();
        let mut scan = Scan::new(&*self.keys, prefixes(ring));
        while let Some(entries) = scan.next().await? {
            for (name, wrapped) in entries {
                match self.unwrap_in(ring, &name, &wrapped).await {
                    Ok(_) => report.well += 1,
                    Err(error @ (Error::Store(_) | Error::SealsOnly)) => return Err(error),
                    Err(error) => report.fail(name, error),
                }
            }
            progress(report.seen());
        }
        if ring == RingName::Fields {
            self.verify_jobs(&mut report, progress).await?;
        }
        Ok(report)
    }

    async fn verify_jobs(
        &self,
        report: &mut Report,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), Error> {
        let mut scan = Scan::new(&*self.keys, JOBS);
        while let Some(entries) = scan.next().await? {
            for (name, wrapped) in entries {
                match self.open_job_key(&name, &wrapped).await {
                    Ok(()) => report.well += 1,
                    Err(error) if error.is_shredded() => report.orphaned += 1,
                    Err(error @ Error::Store(_)) => return Err(error),
                    Err(error) => report.fail(name, error),
                }
            }
            progress(report.seen());
        }
        Ok(())
    }

    async fn open_job_key(&self, name: &str, wrapped: &[u8]) -> Result<(), Error> {
        let account = name.split('.').nth(1).unwrap_or_default();
        let account = account_name(account)?;
        let key = self.find_account_data_key(&account).await?;
        key.ok_or(Error::Shredded { name: account })?.unwrap(name, wrapped).map(drop)
    }

    fn current(&self, ring: RingName) -> Result<KeyId, Error> {
        match ring {
            RingName::Fields => Ok(self.master().current()),
            RingName::Credentials => Ok(self.credentials()?.current()),
        }
    }

    async fn unwrap_in(
        &self,
        ring: RingName,
        name: &str,
        wrapped: &[u8],
    ) -> Result<DataKey, Error> {
        match ring {
            RingName::Fields => self.master().unwrap_fresh(name, wrapped).await,
            RingName::Credentials => self.credentials()?.unwrap_fresh(name, wrapped).await,
        }
    }

    async fn wrap_in(&self, ring: RingName, name: &str, key: &DataKey) -> Result<Vec<u8>, Error> {
        match ring {
            RingName::Fields => self.master().wrap_fresh(name, key).await,
            RingName::Credentials => self.credentials()?.wrap_fresh(name, key).await,
        }
    }
}
