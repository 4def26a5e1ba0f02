//! `darkroom replay`: the log, read again and held against its chain.
//!
//! Reads as the auditor, who may read the log and nothing else: what is sealed stays sealed.

mod chains;
mod line;

use std::{
    io::{Write as _, stderr, stdout},
    pin::Pin,
    time::Duration,
};

use clap::Args;
use domain::{
    Timestamp,
    id::{AccountId, EndpointId, JobId},
};
use eventlog::{Log, Raw, Span, Unavailable, topology};
use futures::{Stream, StreamExt as _, stream::Peekable};
use jiff::{SignedDuration, Span as Interval};
use service::{Clock, Failure, OrTry};

use self::chains::Chains;
use crate::{
    connection::{Connection, Where},
    exit::Exit,
};

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

Every event carries the hash of the one before it in the same history. At the end stands
whether all of them hold; exit status 2 says that one does not. Personal fields are shown
as `sealed`: who reads the log needs no keys to them, and has none.")]
pub(crate) struct Arguments {
    /// One job and its webhook
    #[arg(value_name = "JOB", conflicts_with_all = ["account", "filter"])]
    job: Option<JobId>,
    /// Everything of one account
    #[arg(long, value_name = "ACCOUNT", conflicts_with = "filter")]
    account: Option<AccountId>,
    /// Nothing before this: 90s, 15m, 1h, 2d, or a time such as 2026-07-01T12:00:00Z
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only subjects that match, as in darkroom.job.*.*.failed
    #[arg(long, value_name = "SUBJECT")]
    filter: Option<String>,
    /// One JSON object a line, as stored
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, thiserror::Error)]
enum ReplayError {
    #[error("`{0}` is neither a duration nor a time")]
    Since(String),
    #[error("no stream holds `{0}`")]
    Filter(String),
    #[error("there is no job {0}")]
    NoSuchJob(JobId),
}

type Events = Peekable<Pin<Box<dyn Stream<Item = Result<Raw, Unavailable>> + Send>>>;

/// What is replayed, and how it is shown.
struct Plan {
    sources: Vec<(&'static str, String)>,
    since: Option<Timestamp>,
    json: bool,
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments, clock: &dyn Clock) -> Result<Exit, Failure> {
    let connection = arguments.place.connection()?;
    let since = arguments.since.as_deref().map(|text| moment(text, clock.now())).transpose()?;
    let log = Log::connect(&connection.nats()?, "auditor").await?;
    let sources = sources(&arguments, &log).await?;
    replay(&log, Plan { sources, since, json: arguments.json }).await
}

/// Shows one job and its webhook.
pub(crate) async fn of_job(connection: &Connection, job: JobId) -> Result<Exit, Failure> {
    let log = Log::connect(&connection.nats()?, "auditor").await?;
    let sources = job_and_webhook(job, &log).await?;
    replay(&log, Plan { sources, since: None, json: false }).await
}

/// Waits until the log says what became of a job's webhook, or for a while.
pub(crate) async fn wait_for_delivery(connection: &Connection, job: JobId) -> Result<(), Failure> {
    let log = Log::connect(&connection.nats()?, "auditor").await?;
    let filter = job_and_webhook(job, &log).await?.pop().map(|(_, filter)| filter);
    let delivered = async {
        loop {
            let span = Span { filter: filter.clone(), ..Span::default() };
            let mut events = Box::pin(log.replay(topology::DELIVERIES, span));
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

async fn replay(log: &Log, plan: Plan) -> Result<Exit, Failure> {
    let Plan { sources, since, json } = plan;
    let whole_histories = sources.iter().all(|(_, filter)| filter.ends_with(".>"));
    let events = sources.into_iter().map(|(stream, filter)| {
        let span = Span { filter: Some(filter), since, ..Span::default() };
        let events: Pin<Box<dyn Stream<Item = _> + Send>> = Box::pin(log.replay(stream, span));
        events.peekable()
    });
    let chains =
        if whole_histories { Chains::checked(since.is_none()) } else { Chains::unchecked() };
    let chains = show(events.collect(), chains, json).await?;
    let verdict = chains.verdict();
    // Standard output belongs to the events where those are for programs.
    let told = if json {
        stdout().flush().and_then(|()| writeln!(stderr(), "{verdict}"))
    } else {
        writeln!(stdout(), "{verdict}").and_then(|()| stdout().flush())
    };
    match told {
        // `| head` has seen enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    Ok(if chains.broken() { Exit::ChainBroken } else { Exit::Well })
}

/// Which part of which streams.
async fn sources(arguments: &Arguments, log: &Log) -> Result<Vec<(&'static str, String)>, Failure> {
    if let Some(job) = arguments.job {
        return job_and_webhook(job, log).await;
    }
    if let Some(filter) = &arguments.filter {
        let stream = [
            (topology::JOBS, "job"),
            (topology::ACCOUNTS, "account"),
            (topology::DELIVERIES, "delivery"),
        ]
        .into_iter()
        .find(|(_, noun)| filter.starts_with(&format!("darkroom.{noun}.")));
        let (stream, _) = stream.ok_or_else(|| ReplayError::Filter(filter.clone())).or_try(
            "a subject that begins with darkroom.job., darkroom.account. or darkroom.delivery.",
        )?;
        return Ok(vec![(stream, filter.clone())]);
    }
    let whose = arguments.account.map(|account| format!("{account}.")).unwrap_or_default();
    Ok(vec![
        (topology::ACCOUNTS, format!("darkroom.account.{whose}>")),
        (topology::JOBS, format!("darkroom.job.{whose}>")),
        (topology::DELIVERIES, format!("darkroom.delivery.{whose}>")),
    ])
}

/// A job's own events, and those of the delivery to its callback URL.
async fn job_and_webhook(job: JobId, log: &Log) -> Result<Vec<(&'static str, String)>, Failure> {
    let jobs = format!("darkroom.job.*.{job}.>");
    let span = Span { filter: Some(jobs.clone()), ..Span::default() };
    let first = Box::pin(log.replay(topology::JOBS, span)).next().await.transpose()?;
    let account = first.as_ref().and_then(|raw| raw.subject.split('.').nth(2));
    let account =
        account.ok_or(ReplayError::NoSuchJob(job)).or_try("darkroom replay --since 1h")?;
    let endpoint = EndpointId::derived(job.as_uuid(), b"callback");
    let deliveries = format!("darkroom.delivery.{account}.{endpoint}.>");
    Ok(vec![(topology::JOBS, jobs), (topology::DELIVERIES, deliveries)])
}

/// Prints all events, in the order of their times, and holds them against their chains.
async fn show(mut sources: Vec<Events>, mut chains: Chains, json: bool) -> Result<Chains, Failure> {
    loop {
        let mut earliest: Option<(Option<Timestamp>, usize)> = None;
        for (index, source) in sources.iter_mut().enumerate() {
            let time = match Pin::new(source).peek().await {
                None => continue,
                Some(Ok(raw)) => raw.time(),
                Some(Err(_)) => None,
            };
            if earliest.is_none_or(|(best, _)| time < best) {
                earliest = Some((time, index));
            }
        }
        let Some(source) = earliest.and_then(|(_, index)| sources.get_mut(index)) else {
            return Ok(chains);
        };
        let Some(raw) = source.next().await.transpose()? else { return Ok(chains) };
        let holds = chains.take(&raw);
        let text = if json { line::json(&raw) } else { line::human(&raw, holds) };
        if let Err(error) = writeln!(stdout(), "{text}") {
            // `| head` has seen enough.
            if error.kind() == std::io::ErrorKind::BrokenPipe {
                return Ok(chains);
            }
            return Err(error.into());
        }
    }
}

/// A duration before now, or a time.
fn moment(text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let back = text.parse::<Interval>().ok().and_then(|interval| {
        // A day is 24 hours: nobody here knows the user's time zone.
        interval.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()
    });
    let back = back.filter(|back| *back >= SignedDuration::ZERO);
    back.and_then(|back| now.checked_sub(back).ok())
        .ok_or_else(|| ReplayError::Since(text.to_owned()))
        .or_try("for example --since 1h, --since 2d or --since 2026-07-01T12:00:00Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_times_are_both_understood() {
        let now: Timestamp = "2026-07-02T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("1h", "2026-07-02T11:00:00Z"),
            ("90s", "2026-07-02T11:58:30Z"),
            ("1d", "2026-07-01T12:00:00Z"),
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ] {
            assert_eq!(moment(text, now).unwrap().to_string(), expected, "{text}");
        }
        for wrong in ["yesterday", "", "-1h"] {
            assert!(moment(wrong, now).is_err(), "{wrong}");
        }
    }
}
