//! What was erased, as far as anything outside a backup knows: the log as it is, lists written beside
//! backups, and the notes in the platform bucket.

use std::{collections::BTreeSet, fs, io, path::Path};

use domain::{
    Aggregate, Timestamp,
    account::Accounts,
    id::{AccountId, JobId},
    job::{self, Jobs},
};
use eventlog::{Log, Raw, Span, topology};
use futures::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use service::{Failure, OrTry};
use storage::{ERASURES, Network, Patience, Platform};

/// Accounts and jobs of which nothing may be left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    pub(crate) accounts: BTreeSet<AccountId>,
    pub(crate) jobs: BTreeSet<job::Id>,
}

/// One line of a list: an account, or a job of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) account: AccountId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) job: Option<JobId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) requested_at: Option<Timestamp>,
}

#[derive(Debug, thiserror::Error)]
enum LedgerError {
    #[error("read the list of erasures {path}")]
    File {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("line {number} of {path} names no erasure")]
    Line {
        path: String,
        number: usize,
        #[source]
        source: serde_json::Error,
    },
}

impl Ledger {
    /// How much it holds.
    pub(crate) fn len(&self) -> usize {
        self.accounts.len() + self.jobs.len()
    }

    /// Takes in another.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.accounts.extend(other.accounts);
        self.jobs.extend(other.jobs);
        self
    }

    fn take(&mut self, line: &Line) {
        match line.job {
            Some(job) => drop(self.jobs.insert(job::Id { account: line.account, job })),
            None => drop(self.accounts.insert(line.account)),
        }
    }

    /// What a log says.
    pub(crate) async fn of_log(log: &Log) -> Result<Self, Failure> {
        let mut ledger = Self::default();
        for line in lines(log).await? {
            ledger.take(&line);
        }
        Ok(ledger)
    }

    /// What a list says, as `darkroom erase --list` and every backup write it.
    pub(crate) fn of_file(path: &Path) -> Result<Self, Failure> {
        let shown = path.display().to_string();
        let text = fs::read_to_string(path)
            .map_err(|source| LedgerError::File { path: shown.clone(), source })
            .or_try("a list as `darkroom erase --list` writes it")?;
        let mut ledger = Self::default();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let number = index + 1;
            let line: Line = serde_json::from_str(line).map_err(|source| LedgerError::Line {
                path: shown.clone(),
                number,
                source,
            })?;
            ledger.take(&line);
        }
        Ok(ledger)
    }

    /// What the notes in the platform bucket say.
    pub(crate) async fn of_bucket(settings: &storage::Settings) -> Result<Self, Failure> {
        let network = Network::direct(Patience::default());
        let platform = Platform::open(settings.destination()?, &network).await?;
        let keys = platform.keys(ERASURES).await.or_try(
            "the notes of erasures lie in the platform bucket: see [storage], or name lists with --erasures",
        )?;
        Ok(Self::of_keys(keys.iter().map(String::as_str)))
    }

    /// What the notes in a folder say that an embedded bucket lies in; nothing where there is none.
    pub(crate) fn of_folder(bucket: &Path) -> Option<Self> {
        let root = bucket.join(ERASURES);
        let mut keys = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).ok()? {
                let path = entry.ok()?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Some(key) = path.strip_prefix(bucket).ok().and_then(Path::to_str) {
                    keys.push(key.to_owned());
                }
            }
        }
        Some(Self::of_keys(keys.iter().map(String::as_str)))
    }

    /// Keys that name nothing are left out: others may keep things there.
    fn of_keys<'a>(keys: impl Iterator<Item = &'a str>) -> Self {
        let mut ledger = Self::default();
        for key in keys {
            let mut parts = key.strip_prefix(ERASURES).unwrap_or_default().split('/');
            let (kind, account, job) = (parts.next(), parts.next(), parts.next());
            let account: Option<AccountId> = account.and_then(|text| text.parse().ok());
            let job: Option<JobId> = job.and_then(|text| text.parse().ok());
            match (kind, account, job) {
                (Some("accounts"), Some(account), None) => drop(ledger.accounts.insert(account)),
                (Some("jobs"), Some(account), Some(job)) => {
                    ledger.jobs.insert(job::Id { account, job });
                }
                _ => {}
            }
        }
        ledger
    }
}

/// Every erasure that a log knows of.
pub(crate) async fn lines(log: &Log) -> Result<Vec<Line>, Failure> {
    let of_account = |raw: &Raw| {
        let account = Accounts::parse_prefix(raw.subject.rsplit_once('.')?.0)?;
        Some(Line { account, job: None, requested_at: raw.time() })
    };
    let of_job = |raw: &Raw| {
        let id = Jobs::parse_prefix(raw.subject.rsplit_once('.')?.0)?;
        Some(Line { account: id.account, job: Some(id.job), requested_at: raw.time() })
    };
    let mut lines = read(log, topology::ACCOUNTS, "darkroom.account.*", of_account).await?;
    lines.extend(read(log, topology::JOBS, "darkroom.job.*.*", of_job).await?);
    Ok(lines)
}

async fn read(
    log: &Log,
    stream: &str,
    prefix: &str,
    line: impl Fn(&Raw) -> Option<Line>,
) -> Result<Vec<Line>, Failure> {
    let span = Span { filter: Some(format!("{prefix}.erasure_requested")), ..Span::default() };
    let raws: Vec<Raw> = log.replay(stream, span).try_collect().await?;
    Ok(raws.iter().filter_map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "0190a5c4-9d2e-7c3b-8f1a-2b6d5e4f3a21";
    const JOB: &str = "0190a5c4-9d2e-7c3b-8f1a-2b6d5e4f3a22";

    #[test]
    fn notes_and_lists_say_the_same() {
        let keys = [
            format!("erasures/accounts/{ACCOUNT}"),
            format!("erasures/jobs/{ACCOUNT}/{JOB}"),
            "erasures/jobs/x/y".to_owned(),
            "erasures/README".to_owned(),
        ];
        let noted = Ledger::of_keys(keys.iter().map(String::as_str));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("erasures.ndjson");
        let text = format!(
            "{{\"account\":\"{ACCOUNT}\"}}\n{{\"account\":\"{ACCOUNT}\",\"job\":\"{JOB}\"}}\n"
        );
        fs::write(&file, text).unwrap();
        assert_eq!(Ledger::of_file(&file).unwrap(), noted);
        assert_eq!((noted.accounts.len(), noted.jobs.len(), noted.len()), (1, 1, 2));
        let bucket = folder.path().join("bucket");
        assert_eq!(Ledger::of_folder(&bucket), None);
        let jobs = bucket.join("erasures/jobs").join(ACCOUNT);
        fs::create_dir_all(&jobs).unwrap();
        fs::write(jobs.join(JOB), "{}").unwrap();
        assert_eq!(Ledger::of_folder(&bucket).unwrap().jobs, noted.jobs);
    }

    #[test]
    fn a_list_that_is_none_is_not_taken_for_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list");
        fs::write(&file, "\nnonsense\n").unwrap();
        assert!(Ledger::of_file(&file).unwrap_err().to_string().contains("line 2"));
        assert!(Ledger::of_file(&folder.path().join("none")).is_err());
    }
}
