//! `darkroom audit prove`: evidence of one job or account, for a program and for a reader.

use std::{
    fs::OpenOptions,
    io::{Write as _, stdout},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use clap::Args;
use domain::id::{AccountId, JobId};
use eventlog::{Log, Span, topology};
use evidence::{
    bundle::{self, About, Covered},
    verify::Trust,
};
use futures::StreamExt as _;
use service::{Clock, Failure, OrTry};

use super::{Place, check, keys};
use crate::{backup::failed, exit::Exit};

/// Write evidence of one job, to be checked by anybody: a bundle, and a page to read
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom audit prove JOB                   evidence-JOB.json and evidence-JOB.html
  darkroom audit prove JOB --out case-7.json
  darkroom audit prove --account ACCOUNT     what happened to an account itself

The bundle holds every event of the job and of its webhooks as stored, the proof of each, and the signed
checkpoints. An erased job is proven just the same: its last event is the receipt of the erasure, and
what was personal can no longer be read in any of them.")]
pub(super) struct Arguments {
    /// The job
    #[arg(value_name = "JOB", required_unless_present = "account", conflicts_with = "account")]
    job: Option<JobId>,
    /// The account's own history instead
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<AccountId>,
    /// Into this file, which must not be there; the page goes beside it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Whose signatures count, of the notary and of witnesses; may be given several times
    #[arg(long, value_name = "KEY|FILE")]
    key: Vec<String>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, thiserror::Error)]
enum ProveError {
    #[error("there is no job {0}")]
    NoSuchJob(JobId),
    #[error("there is no account {0}")]
    NoSuchAccount(AccountId),
}

/// Runs the command.
pub(super) async fn run(arguments: Arguments, clock: &dyn Clock) -> Result<Exit, Failure> {
    let connection = arguments.place.connection()?;
    let given = keys::known(&arguments.key, &connection)?;
    let log = Log::connect(&connection.nats()?, "auditor").await?;
    let about = about(&arguments, &log).await?;
    let named = given.as_ref().map(Trust::names).unwrap_or_default();
    let bundle = bundle::gather(&log, about, named, clock.now()).await?;
    if bundle.events.is_empty() {
        return Err(ProveError::NoSuchAccount(about.account)).or_try("darkroom account list");
    }
    let checked = bundle.check(&given.unwrap_or_else(|| Trust::of_itself(&bundle.keys)));
    let file = match &arguments.out {
        Some(path) => path.clone(),
        None => PathBuf::from(format!("{}.json", bundle.file_name())),
    };
    let name = file.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let beside = file.with_extension("html");
    let mut text = serde_json::to_vec_pretty(&bundle)?;
    text.push(b'\n');
    create(&file, &text)?;
    create(&beside, bundle::page(&bundle, &checked, &name).as_bytes())?;
    check::tell(&checked)?;
    let waiting = checked.steps.iter().any(|step| step.covered == Covered::Chained);
    if waiting {
        writeln!(
            stdout(),
            "the newest events are under no checkpoint yet: prove it once more in a minute to have \
             them signed"
        )?;
    }
    writeln!(stdout(), "{}\n{}", file.display(), beside.display())?;
    Ok(if checked.holds { Exit::Well } else { Exit::ChainBroken })
}

async fn about(arguments: &Arguments, log: &Log) -> Result<About, Failure> {
    let Some(job) = arguments.job else {
        let account = arguments.account.unwrap_or_else(|| AccountId::from_uuid(uuid::Uuid::nil()));
        return Ok(About { account, job: None });
    };
    let span = Span { filter: Some(format!("darkroom.job.*.{job}.>")), ..Span::default() };
    let first = Box::pin(log.replay(topology::JOBS, span)).next().await.transpose()?;
    let account = first.as_ref().and_then(|raw| raw.subject.split('.').nth(2)?.parse().ok());
    let account = account.ok_or(ProveError::NoSuchJob(job)).or_try("darkroom replay --since 1h")?;
    Ok(About { account, job: Some(job) })
}

fn create(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file
        .map_err(failed("make", path))
        .or_try("another name with --out; nothing is written over")?;
    Ok(file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed("write", path))?)
}
