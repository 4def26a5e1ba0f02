//! `darkroom erase`: leaves nothing of a job or an account, and shows what has become of that.

use std::{
    io::{Write as _, stderr, stdout},
    time::Duration,
};

use clap::{ArgGroup, Args};
use domain::{
    account::{self, Accounts},
    id::{AccountId, JobId},
    job::{self, Jobs},
};
use eventlog::{Log, Raw, Span, TransactError, topology};
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};
use service::{Clock, Failure, OrTry};
use uuid::Uuid;

use crate::{exit::Exit, ledger, operator::Operator};

/// How often progress is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Leave nothing of an account or a job, or show the receipt
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("what").required(true).args(["account", "job", "receipt", "list"]),
    after_help = "\
Examples:
  darkroom erase --account ACCOUNT --yes     its keys open nothing from now on; waits until it is gone
  darkroom erase --job JOB --yes
  darkroom erase --receipt ACCOUNT           what was erased, when, and the event that says so
  darkroom erase --list > erasures.ndjson    every erasure, to be kept beside backups

A worker does it: keys are shredded, objects in the platform bucket removed, read models forget it.
What lies in customers' own buckets stays: Darkroom can only write there. OPERATIONS says for how long
a shredded key survives in backups."
)]
pub(crate) struct Arguments {
    /// Everything of an account
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<AccountId>,
    /// One job
    #[arg(long, value_name = "JOB")]
    job: Option<JobId>,
    /// The receipt for an account or a job
    #[arg(long, value_name = "ID")]
    receipt: Option<Uuid>,
    /// Every erasure that the log knows of, one JSON object a line
    #[arg(long)]
    list: bool,
    /// There is no way back
    #[arg(long)]
    yes: bool,
    /// Do not wait until it is done
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    operator: Operator,
}

#[derive(Debug, thiserror::Error)]
enum EraseError {
    #[error("this leaves nothing of it, for good")]
    NotConfirmed,
    #[error("there is no account {0}")]
    NoSuchAccount(AccountId),
    #[error("there is no job {0}")]
    NoSuchJob(JobId),
    #[error("nobody asked for {0} to be erased")]
    NotAsked(Uuid),
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments, clock: &dyn Clock) -> Result<Exit, Failure> {
    if (arguments.account.is_some() || arguments.job.is_some()) && !arguments.yes {
        return Err(EraseError::NotConfirmed).or_try("--yes, if you are sure");
    }
    let way = arguments.operator.reach().await?;
    let log = Log::connect(&way.nats, "operator").await?;
    let done = act(&arguments, &log, clock).await;
    way.close().await;
    done
}

async fn act(arguments: &Arguments, log: &Log, clock: &dyn Clock) -> Result<Exit, Failure> {
    if arguments.list {
        let lines = ledger::lines(log).await?;
        if lines.is_empty() {
            writeln!(stderr(), "nothing was ever erased")?;
        }
        for line in lines {
            writeln!(stdout(), "{}", serde_json::to_string(&line)?)?;
        }
        return Ok(Exit::Well);
    }
    let (stream, history, subject) = if let Some(account) = arguments.account {
        match log.transact::<Accounts, _>(&account, clock.now(), account::request_erasure).await {
            Ok(_) => {}
            Err(TransactError::Refused(_)) => {
                return Err(EraseError::NoSuchAccount(account)).or_try("darkroom account list");
            }
            Err(error) => return Err(error.into()),
        }
        (topology::ACCOUNTS, format!("darkroom.account.{account}"), account.as_uuid())
    } else if let Some(job) = arguments.job {
        let id = find(log, job).await?.ok_or(EraseError::NoSuchJob(job))?;
        log.transact::<Jobs, _>(&id, clock.now(), job::request_erasure).await?;
        // The event is what counts; with this hint its worker hears of it at once.
        log.send_cancel(id.account, id.job).await?;
        (topology::JOBS, format!("darkroom.job.{}.{job}", id.account), job.as_uuid())
    } else {
        let subject = arguments.receipt.unwrap_or_default();
        let job = find(log, JobId::from_uuid(subject)).await?;
        match job {
            Some(id) => (topology::JOBS, format!("darkroom.job.{}.{subject}", id.account), subject),
            None => (topology::ACCOUNTS, format!("darkroom.account.{subject}"), subject),
        }
    };
    if !arguments.no_wait && arguments.receipt.is_none() {
        wait(log, stream, &history).await?;
    }
    let receipt = receipt(log, stream, &history).await?.ok_or(EraseError::NotAsked(subject))?;
    writeln!(stdout(), "{}", serde_json::to_string_pretty(&receipt)?)?;
    Ok(Exit::Well)
}

/// Waits until it is done, and says now and then how far it has come.
async fn wait(log: &Log, stream: &'static str, history: &str) -> Result<(), Failure> {
    let mut said = String::new();
    while last(log, stream, history, "erased").await?.is_none() {
        let account = history.strip_prefix("darkroom.account.");
        let progress = match account {
            Some(account) => {
                let count = |event: &str| count(log, format!("darkroom.job.{account}.*.{event}"));
                format!("erased {} of {} jobs", count("erased").await?, count("requested").await?)
            }
            None => "waits for its worker".to_owned(),
        };
        if progress != said {
            writeln!(stderr(), "{progress}")?;
            said = progress;
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

async fn count(log: &Log, filter: String) -> Result<usize, Failure> {
    let span = Span { filter: Some(filter), ..Span::default() };
    Ok(log
        .replay(topology::JOBS, span)
        .try_fold(0, |count, _| async move { Ok(count + 1) })
        .await?)
}

/// What has become of it; nothing where nobody asked. Holds nothing personal.
async fn receipt(log: &Log, stream: &'static str, history: &str) -> Result<Option<Value>, Failure> {
    let Some(asked) = last(log, stream, history, "erasure_requested").await? else {
        return Ok(None);
    };
    let erased = last(log, stream, history, "erased").await?;
    let status = if erased.is_some() { "erased" } else { "erasing" };
    let event = erased.as_ref().map(|raw| {
        let data: Value = serde_json::from_slice(&raw.body).unwrap_or_default();
        json!({
            "id": raw.event_id(),
            "hash": raw.hash().to_string(),
            "prev": raw.prev().map(|prev| prev.to_string()),
            "seq": raw.seq,
            "jobs": data.get("jobs"),
            "objects": data.get("objects").cloned().unwrap_or_else(|| 0.into()),
        })
    });
    Ok(Some(json!({
        "subject": history,
        "status": status,
        "requested_at": asked.time(),
        "erased_at": erased.as_ref().and_then(Raw::time),
        "event": event,
        "not_covered": "customers' own buckets, which can only be written to, and what webhook endpoints were told",
    })))
}

async fn last(
    log: &Log,
    stream: &'static str,
    history: &str,
    event: &str,
) -> Result<Option<Raw>, Failure> {
    Ok(log.last(stream, &format!("{history}.{event}")).await?)
}

/// A job's whole name.
async fn find(log: &Log, job: JobId) -> Result<Option<job::Id>, Failure> {
    let span = Span { filter: Some(format!("darkroom.job.*.{job}.requested")), ..Span::default() };
    let first = Box::pin(log.replay(topology::JOBS, span)).next().await.transpose()?;
    let account = first.as_ref().and_then(|raw| raw.subject.split('.').nth(2)?.parse().ok());
    Ok(account.map(|account| job::Id { account, job }))
}
