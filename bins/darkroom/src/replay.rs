//! `darkroom replay`: the log, read again and held against its chain.
//!
//! Reads as the auditor, who may read the log and nothing else: what is sealed stays sealed.

mod chains;
pub(crate) mod line;
mod position;
mod selection;
mod show;
mod told;

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use domain::id::{AccountId, JobId};
use eventlog::{Log, Span, topology};
use futures::StreamExt as _;
use service::{Clock, Failure};

pub(crate) use self::{line::hide, selection::moment};
use self::{
    position::{Bookmark, Positions},
    selection::{Selection, job_and_webhook},
};
use crate::{
    connection::{Connection, Where},
    exit::Exit,
};

/// The role that may read the log and nothing else.
const AUDITOR: &str = "auditor";
/// The role that may do anything to it.
const OPERATOR: &str = "operator";
/// How long the outcome of a delivery may take to be in the log.
const DELIVERY_WITHIN: Duration = Duration::from_secs(10);
/// How long between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// Show what happened, event by event, and check that nothing was changed since
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom replay 0190a5c4-9d2e-7c3b-8f1a-2b6d5e4f3a21  one job, with its webhook
  darkroom replay --since 1h                            all of the last hour
  darkroom replay --account ACCOUNT --json | jq .type
  darkroom replay --filter 'darkroom.job.*.*.failed'    by subject
  darkroom replay --stream JOBS --from-seq 1000 --to-seq 2000
  darkroom replay --format ndjson --resume done.json >> log.ndjson
                                                        all of it; again, and it goes on

Every event carries the hash of the one before it in the same history. At the end stands
whether all of them hold; exit status 2 says that one does not. Personal fields are shown
as `sealed`: who reads the log needs no keys to them, and has none. Events of several
streams come in the order of their times. What was shown since --resume last noted where it
was (once a second) is shown again: stream and seq tell whether you have it.")]
pub(crate) struct Arguments {
    /// One job and its webhook
    #[arg(value_name = "JOB", conflicts_with_all = ["account", "filter", "stream"])]
    job: Option<JobId>,
    /// Everything of one account
    #[arg(long, value_name = "ACCOUNT", conflicts_with = "filter")]
    account: Option<AccountId>,
    /// Only subjects that match, as in darkroom.job.*.*.failed
    #[arg(long, value_name = "SUBJECT", conflicts_with = "stream")]
    filter: Option<String>,
    /// Only this stream: ACCOUNTS, JOBS, MEMBERS, UPLOADS, ENDPOINTS, DELIVERIES or CHECKPOINTS
    #[arg(long, value_name = "STREAM")]
    stream: Option<String>,
    /// Nothing before this: 90s, 15m, 1h, 2d, or a time such as 2026-07-01T12:00:00Z
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Nothing after this
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Nothing before this sequence of the stream
    #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(u64).range(1..))]
    from_seq: Option<u64>,
    /// Nothing after this sequence of the stream
    #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(u64).range(1..))]
    to_seq: Option<u64>,
    /// Only what lies behind the position that another replay ended with, as in JOBS:17,ACCOUNTS:3
    #[arg(long, value_name = "POSITION", conflicts_with = "resume")]
    after: Option<Positions>,
    /// Note in this file how far it has come, and go on from there
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// How events are written
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "human")]
    format: Format,
    /// The same as --format ndjson
    #[arg(long, conflicts_with = "format")]
    json: bool,
    #[command(flatten)]
    place: Where,
}

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line for people
    Human,
    /// One JSON object a line, as stored
    Ndjson,
    /// Comma-separated values
    Csv,
}

/// What is replayed, and how it is shown.
struct Plan {
    selection: Selection,
    bookmark: Bookmark,
    format: Format,
    /// Whether to say where it ended.
    places: bool,
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments, clock: &dyn Clock) -> Result<Exit, Failure> {
    let connection = arguments.place.connection()?;
    let (sought, asked) = selection::read(&arguments, clock.now())?;
    let bookmark = match &arguments.resume {
        Some(path) => Bookmark::open(path, asked)?,
        None => Bookmark::none(arguments.after.clone().unwrap_or_default()),
    };
    let log = open(&connection).await?;
    let mut selection = sought.find(&log).await?;
    selection.start_after(bookmark.reached());
    let format = if arguments.json { Format::Ndjson } else { arguments.format };
    let places = arguments.job.is_none();
    show::run(&log, Plan { selection, bookmark, format, places }).await
}

/// As whoever the credentials are for: an auditor may read the log and nothing else; long stretches are
/// read faster for an operator.
async fn open(connection: &Connection) -> Result<Log, Failure> {
    let nats = connection.nats()?;
    let role = if nats.user == OPERATOR { OPERATOR } else { AUDITOR };
    Ok(Log::connect(&nats, role).await?)
}

/// Shows one job and its webhook.
pub(crate) async fn of_job(connection: &Connection, job: JobId) -> Result<Exit, Failure> {
    let log = open(connection).await?;
    let selection = job_and_webhook(job, &log).await?;
    let bookmark = Bookmark::none(Positions::default());
    show::run(&log, Plan { selection, bookmark, format: Format::Human, places: false }).await
}

/// Waits until the log says what became of a job's webhook, or for a while.
pub(crate) async fn wait_for_delivery(connection: &Connection, job: JobId) -> Result<(), Failure> {
    let log = open(connection).await?;
    let selection = job_and_webhook(job, &log).await?;
    let of_webhook = |(stream, _): &&(String, Span)| stream == topology::DELIVERIES;
    let Some((_, span)) = selection.sources.iter().find(of_webhook) else { return Ok(()) };
    let delivered = async {
        loop {
            let mut events = Box::pin(log.replay(topology::DELIVERIES, span.clone()));
            while let Some(raw) = events.next().await.transpose()? {
                if raw.event_name() == "delivered" {
                    return Ok::<(), Failure>(());
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(DELIVERY_WITHIN, delivered).await.unwrap_or(Ok(()))
}
