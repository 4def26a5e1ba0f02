//! `darkroom audit find`: the jobs that an engine of some version touched, and their making again.

mod again;
mod row;
mod version;

use std::{
    collections::BTreeSet,
    io::{IsTerminal as _, Write as _, stderr, stdout},
};

use clap::Args;
use domain::{
    Aggregate, Timestamp,
    id::AccountId,
    job::{self, Event, Job, Jobs},
    upload::{self, Phase, Uploads},
};
use eventlog::{Log, Raw, Span, topology};
use futures::{Stream, TryStreamExt as _};
use service::{Clock, Failure};

use self::{
    again::{Again, Outcome},
    row::{Format, Row, Rows},
    version::{Condition, Match},
};
use crate::{connection::Where, exit::Exit, export, operator::Operator, replay};

/// How many histories are read at once.
const READ_AT_ONCE: usize = 16;
/// The most names of engines that are remembered, to help with a name that none has.
const NAMES_MAX: usize = 200;

/// Find the jobs that an engine of some version touched, and make them again
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom audit find --engine 'libwebp<1.3.2'                 who was touched by it
  darkroom audit find --engine 'libwebp>=1.0,<1.3.2' --since 90d --csv > touched.csv
  darkroom audit find --engine 'libwebp<1.3.2' --rerun         what would be made again
  darkroom audit find --engine 'libwebp<1.3.2' --rerun --yes   makes it again, as new jobs

Engines and their versions are those that `completed` events name. Versions are compared as their authors
number them; one that has no number is listed as unclear. A new job reads the same source, names the old
job as `rerun_of` and has results of its own. Running the same again makes nothing twice: go on where a
run was cut short. Jobs whose source is gone are listed as such.")]
pub(crate) struct Arguments {
    /// An engine and which of its versions, as in 'libwebp<1.3.2' or 'ffmpeg>=4,<7.1'
    #[arg(long, value_name = "CONDITION")]
    engine: Condition,
    /// Nothing completed before this: 90s, 15m, 1h, 2d, or a time such as 2026-07-01T12:00:00Z
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Jobs of one account alone
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<AccountId>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// RFC 4180, with a header
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Make them again; without --yes only shows what would be made
    #[arg(long)]
    rerun: bool,
    /// Really make them again
    #[arg(long, requires = "rerun")]
    yes: bool,
    /// Each job is made again once for each label [default: the condition]
    #[arg(long, value_name = "LABEL", requires = "rerun")]
    label: Option<String>,
    /// Make at most so many jobs again in one run
    #[arg(long, value_name = "JOBS", default_value_t = 1_000, requires = "rerun")]
    limit: u64,
    /// Leave callback URLs out of the new jobs
    #[arg(long, requires = "rerun")]
    no_callback: bool,
    #[command(flatten)]
    operator: Operator,
    #[command(flatten)]
    place: Where,
}

/// A job that the engine touched.
#[derive(Clone)]
struct Hit {
    id: job::Id,
    completed_at: Timestamp,
    engine: String,
    version: String,
    unclear: bool,
}

/// What is looked for.
struct Sought<'a> {
    condition: &'a Condition,
    since: Option<Timestamp>,
}

impl Sought<'_> {
    /// Whether a job that has ended is among it.
    fn has(&self, job: &Job) -> bool {
        let job::Phase::Ended(ended) = &job.phase else { return false };
        let job::Outcome::Completed(completed) = &ended.outcome else { return false };
        let early = self.since.is_some_and(|since| ended.ended_at < since);
        !early && named(completed, self.condition).is_some()
    }
}

/// How many there were of each sort.
#[derive(Default)]
struct Counts {
    found: u64,
    unclear: u64,
    gone: u64,
    made: u64,
    already: u64,
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments, clock: &dyn Clock) -> Result<Exit, Failure> {
    let since =
        arguments.since.as_deref().map(|text| replay::moment(text, clock.now())).transpose()?;
    if !arguments.rerun {
        // Who only looks needs no more than the auditor may.
        let log = Log::connect(&arguments.place.connection()?.nats()?, "auditor").await?;
        return list(&arguments, &log, since).await;
    }
    let settings = arguments.operator.settings()?;
    let way = arguments.operator.reach().await?;
    let log = Log::connect(&way.nats, "operator").await?;
    let custody = export::custody(&log, &settings).await?;
    let label = arguments.label.clone().unwrap_or_else(|| arguments.engine.to_string());
    let again = Again {
        log: &log,
        custody: &custody,
        sought: Sought { condition: &arguments.engine, since },
        label,
        callbacks: !arguments.no_callback,
    };
    let done = remake(&arguments, &again, clock).await;
    way.close().await;
    done
}

async fn list(arguments: &Arguments, log: &Log, since: Option<Timestamp>) -> Result<Exit, Failure> {
    let (mut counts, mut names) = (Counts::default(), BTreeSet::new());
    let mut rows = Rows::begin(format(arguments))?;
    let hits = hits(log, arguments, since, &mut names);
    let mut found = Box::pin(hits.map_ok(|hit| look(log, hit)).try_buffered(READ_AT_ONCE));
    while let Some((hit, source)) = found.try_next().await? {
        counts.take(&hit);
        counts.gone += u64::from(source.starts_with(GONE));
        if !rows.show(&Row { hit: &hit, source: &source, rerun: None })? {
            return Ok(Exit::Well);
        }
    }
    drop(found);
    counts.tell(arguments, &names)?;
    Ok(Exit::Well)
}

async fn remake(
    arguments: &Arguments,
    again: &Again<'_>,
    clock: &dyn Clock,
) -> Result<Exit, Failure> {
    let (mut counts, mut names) = (Counts::default(), BTreeSet::new());
    let mut rows = Rows::begin(format(arguments))?;
    let shown = stderr().is_terminal() && !stdout().is_terminal();
    // What is made while this runs is not looked at.
    let last = again.log.last_sequence(topology::JOBS).await?;
    let mut hits =
        Box::pin(hits_until(again.log, arguments, again.sought.since, Some(last), &mut names));
    let mut more = false;
    while let Some(hit) = hits.try_next().await? {
        if counts.made >= arguments.limit {
            more = true;
            break;
        }
        let now = arguments.yes.then(|| clock.now());
        let (source, outcome) = again.make(&hit.id, now).await?;
        counts.take(&hit);
        match &outcome {
            Outcome::Made(_) => counts.made += 1,
            Outcome::Already(_) | Outcome::Result => counts.already += 1,
            Outcome::Gone => counts.gone += 1,
        }
        if !rows.show(&Row {
            hit: &hit,
            source: &source,
            rerun: Some((&outcome, arguments.yes)),
        })? {
            return Ok(Exit::Well);
        }
        if shown {
            // Nobody is told less of the outcome if this cannot be shown.
            drop(write!(stderr(), "\r{} looked at, {} made\x1b[K\r", counts.found, counts.made));
        }
    }
    drop(hits);
    counts.tell(arguments, &names)?;
    let Counts { made, already, .. } = counts;
    if arguments.yes {
        writeln!(stderr(), "{made} made again, {already} had been before")?;
    } else {
        writeln!(
            stderr(),
            "{made} would be made again, {already} have been; nothing was done: add --yes"
        )?;
    }
    if more {
        writeln!(stderr(), "there are more than --limit {}: run the same again", arguments.limit)?;
    }
    Ok(Exit::Well)
}

const fn format(arguments: &Arguments) -> Format {
    match (arguments.json, arguments.csv) {
        (true, _) => Format::Json,
        (false, true) => Format::Csv,
        (false, false) => Format::Table,
    }
}

fn hits<'a>(
    log: &Log,
    arguments: &'a Arguments,
    since: Option<Timestamp>,
    names: &'a mut BTreeSet<String>,
) -> impl Stream<Item = Result<Hit, Failure>> + Send + use<'a> {
    hits_until(log, arguments, since, None, names)
}

/// The jobs whose `completed` names the engine in such a version, oldest first.
fn hits_until<'a>(
    log: &Log,
    arguments: &'a Arguments,
    since: Option<Timestamp>,
    to_seq: Option<u64>,
    names: &'a mut BTreeSet<String>,
) -> impl Stream<Item = Result<Hit, Failure>> + Send + use<'a> {
    let whose = arguments.account.map_or_else(|| "*".to_owned(), |account| account.to_string());
    let filter = Some(format!("darkroom.job.{whose}.*.completed"));
    let events = log.replay(topology::JOBS, Span { filter, since, to_seq, ..Span::default() });
    events.map_err(Failure::from).try_filter_map(move |raw| {
        let hit = touched(&raw, &arguments.engine, names);
        async move { hit }
    })
}

fn touched(
    raw: &Raw,
    condition: &Condition,
    names: &mut BTreeSet<String>,
) -> Result<Option<Hit>, Failure> {
    let recorded = raw.decode::<Jobs>()?;
    let Event::Completed(completed) = &recorded.event else { return Ok(None) };
    for engine in completed.engines.keys() {
        if names.len() < NAMES_MAX && !names.contains(engine) {
            names.insert(engine.clone());
        }
    }
    Ok(named(completed, condition).map(|(engine, version, unclear)| Hit {
        id: recorded.id,
        completed_at: recorded.time,
        engine: engine.to_owned(),
        version: version.to_owned(),
        unclear,
    }))
}

/// The engine that was looked for and its version, and whether nobody can tell if it is the one.
fn named<'a>(
    completed: &'a job::Completed,
    condition: &Condition,
) -> Option<(&'a str, &'a str, bool)> {
    let of_it = completed.engines.iter().filter(|(engine, _)| condition.is_of(engine));
    of_it.into_iter().find_map(|(engine, version)| match condition.holds(version) {
        Match::No => None,
        holds => Some((engine.as_str(), version.as_str(), holds == Match::Unclear)),
    })
}

/// What stands before the reason for which a source can be read no more.
const GONE: &str = "gone: ";

/// What the log says of a job's source; what is sealed is not looked at.
async fn look(log: &Log, hit: Hit) -> Result<(Hit, String), Failure> {
    let state = fold::<Jobs>(log, topology::JOBS, &hit.id).await?;
    let source = match state.job() {
        None => format!("{GONE}its history is gone"),
        Some(job) => match gone(log, &hit.id, job).await? {
            Some(why) => format!("{GONE}{why}"),
            None if job.requested.upload.is_some() => "upload".to_owned(),
            None => "url".to_owned(),
        },
    };
    Ok((hit, source))
}

/// Why a job's source can be read no more, as far as the log says it.
async fn gone(log: &Log, id: &job::Id, job: &Job) -> Result<Option<&'static str>, Failure> {
    if job.erasure_requested_at.is_some() {
        return Ok(Some("the job was erased"));
    }
    let Some(upload) = job.requested.upload else { return Ok(None) };
    let id = upload::Id { account: id.account, upload };
    let state = fold::<Uploads>(log, topology::UPLOADS, &id).await?;
    let phase = state.upload().map(|upload| &upload.phase);
    Ok((!matches!(phase, Some(Phase::Uploaded { .. }))).then_some("the upload was removed"))
}

/// A history folded with the right to read alone.
async fn fold<A: Aggregate>(log: &Log, stream: &str, id: &A::Id) -> Result<A::State, Failure> {
    let span = Span { filter: Some(format!("{}.>", A::prefix(id))), ..Span::default() };
    let mut events = Box::pin(log.replay(stream, span));
    let mut state = A::State::default();
    while let Some(raw) = events.try_next().await? {
        let recorded = raw.decode::<A>()?;
        state = A::evolve(state, &recorded.event, recorded.time);
    }
    Ok(state)
}

impl Counts {
    fn take(&mut self, hit: &Hit) {
        self.found += 1;
        self.unclear += u64::from(hit.unclear);
    }

    /// Says on standard error what was found.
    fn tell(&self, arguments: &Arguments, names: &BTreeSet<String>) -> Result<(), Failure> {
        let Self { found, unclear, gone, .. } = self;
        let condition = &arguments.engine;
        let mut out = stderr().lock();
        write!(out, "{found} jobs were touched by {condition}")?;
        if *unclear > 0 {
            write!(out, ", {unclear} of them by a version that has no number")?;
        }
        if *gone > 0 {
            write!(out, "; the source of {gone} is gone")?;
        }
        writeln!(out)?;
        if *found == 0 && !names.iter().any(|name| condition.is_of(name)) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            writeln!(
                out,
                "no job names an engine {}; those named are: {}",
                condition.engine,
                names.join(", ")
            )?;
        }
        Ok(())
    }
}
