//! Events a second of `darkroom replay` and of a read model made again, beside what reads the same
//! stream and does nothing with it; and what proving an event of it takes, beside what it must take.
//!
//! The peer of both is an ordered consumer of the broker's own client, which counts messages. A
//! replay is the operator's, who may have a consumer too; auditors may only read, by direct gets, and
//! have a line of their own. A read model is also held against sled alone, which is handed as many
//! rows in batches as large. Commands are the real programs, their start included.

#[path = "replay/proof.rs"]
mod proof;
mod support;

use std::{
    ops::Range,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use async_nats::{
    ConnectOptions, HeaderMap,
    jetstream::{self, consumer},
};
use bytes::Bytes;
use clap::Parser;
use domain::{
    FailureCode, Sealed, Timestamp,
    id::{AccountId, ApplicationId, EventId, JobId, WorkerId},
    job::{Event, Fetched, Kind as JobKind, Requested},
    wish::PreviewWish,
};
use eventlog::{
    Durability, Hash, Headers, Log, Raw, Settings,
    server::{Binary, Embedded, Options},
    topology,
};
use futures::StreamExt as _;
use support::{
    Trouble,
    figures::{Figures, rate, say, show_load},
    program, root,
};
use tempfile::TempDir;
use tokio::process::Command;
use uuid::Uuid;

/// Servers that start and stop have much to say about it.
const QUIET: &str = "warn,nats_server=off,eventlog::connect=off";
/// Events of a job.
const EVENTS: usize = 5;
/// Accounts that the jobs belong to.
const ACCOUNTS: u64 = 16;
/// When the first job was asked for, in seconds since 1970.
const BEGUN_S: u64 = 1_790_000_000;
/// Jobs that are written at once while the stream is filled.
const IN_FLIGHT: usize = 256;
/// How often a program's memory is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Rows of a job in a read model: its own, and the one in the list of its status.
const ROWS: usize = 2;
/// Events that are written to a read model at once.
const BATCH: usize = 4_000;
/// About what the row of a job has.
const ROW_BYTES: usize = 1_000;

#[derive(Parser)]
struct Arguments {
    /// How often each side is measured.
    #[arg(long, default_value_t = 3)]
    pairs: usize,
    /// Events in the stream.
    #[arg(long, default_value_t = 1_000_000)]
    events: usize,
    /// For how long the notary is looked at while events are written.
    #[arg(long, default_value_t = 20)]
    lag_s: u64,
    /// What cargo tells every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> Result<(), Trouble> {
    let arguments = Arguments::parse();
    service::telemetry::init(&service::LogSettings {
        level: QUIET.to_owned(),
        ..service::LogSettings::default()
    })?;
    let stage = Stage::start().await?;
    let jobs = arguments.events.div_ceil(EVENTS);
    let events = jobs * EVENTS;
    say(&format!("filling JOBS with {events} events of {jobs} jobs"));
    let begun = Instant::now();
    stage.fill(0..jobs).await?;
    let filled = rate(events, begun.elapsed());
    let mut figures = Figures::default();
    for pair in 1..=arguments.pairs {
        show_load(&format!("pair {pair}"));
        let bare = rate(events, stage.ordered(events).await?);
        let replay = stage.replay("operator").await?;
        figures.add("replay", rate(events, replay.took), bare);
        let audit = stage.replay("auditor").await?;
        figures.add("replay-as-auditor", rate(events, audit.took), bare);
        let rebuild = stage.rebuild().await?;
        figures.add("rebuild", rate(events, rebuild.took), bare);
        let sled = rate(events, stage.sled(events)?);
        figures.add("rebuild-of-sled", rate(events, rebuild.took), sled);
        // Of ours alone: what the second half of the stream adds to what the first took.
        let half = stage.replay_to(events / 2).await?;
        figures.add("replay-peak-mib", mib(replay.peak), mib(half.peak));
        say(&format!("  rebuild peaks at {:.0} MiB", mib(rebuild.peak)));
    }
    proof::measure(&stage, jobs, &mut figures).await?;
    proof::lag(&stage, jobs, filled, Duration::from_secs(arguments.lag_s), &mut figures).await?;
    figures.conclude();
    stage.server.stop().await;
    Ok(())
}

/// A server of its own.
struct Stage {
    server: Embedded,
    data: TempDir,
}

/// How a program ran.
struct Ran {
    took: Duration,
    /// The most memory that it had, in bytes.
    peak: u64,
}

impl Stage {
    async fn start() -> Result<Self, Trouble> {
        let data = tempfile::tempdir()?;
        let server = Embedded::start(Options {
            data: data.path().join("nats"),
            binary: Binary::find(None, &[&root().join(".tools/bin")])?,
            port: None,
            durability: Durability::Relaxed,
        })
        .await?;
        let log = Log::connect(&server.settings("operator"), "operator").await?;
        topology::apply(&log, 1).await?;
        Ok(Self { server, data })
    }

    async fn bare(&self) -> Result<jetstream::Context, Trouble> {
        let Settings { url, password, .. } = self.server.settings("operator");
        let client = ConnectOptions::new()
            .nkey(password.expose().to_owned())
            .custom_inbox_prefix("_INBOX_operator")
            .connect(url)
            .await?;
        Ok(jetstream::new(client))
    }

    /// Whole histories of jobs, several of them interleaved, as workers would write them.
    async fn fill(&self, jobs: Range<usize>) -> Result<(), Trouble> {
        let context = self.bare().await?;
        for first in jobs.clone().step_by(IN_FLIGHT) {
            let histories: Vec<_> =
                (first..jobs.end.min(first + IN_FLIGHT)).map(|job| history(job as u64)).collect();
            for turn in 0..EVENTS {
                let raws = histories.iter().filter_map(|history| history.get(turn));
                let sent = raws.map(|raw| publish(&context, raw));
                futures::future::try_join_all(sent).await?;
            }
        }
        Ok(())
    }

    /// What the broker's own client reads in order.
    async fn ordered(&self, events: usize) -> Result<Duration, Trouble> {
        let context = self.bare().await?;
        let begun = Instant::now();
        let stream = context.get_stream(topology::JOBS).await?;
        let config = consumer::pull::OrderedConfig::default();
        let mut messages = stream.create_consumer(config).await?.messages().await?;
        for _ in 0..events {
            messages.next().await.ok_or("the stream ended")??;
        }
        Ok(begun.elapsed())
    }

    async fn replay(&self, role: &str) -> Result<Ran, Trouble> {
        self.run(&["replay", "--stream", "JOBS", "--format", "ndjson"], role).await
    }

    async fn replay_to(&self, seq: usize) -> Result<Ran, Trouble> {
        let seq = seq.max(1).to_string();
        let arguments = ["replay", "--stream", "JOBS", "--format", "ndjson", "--to-seq", &seq];
        self.run(&arguments, "operator").await
    }

    async fn rebuild(&self) -> Result<Ran, Trouble> {
        let data = self.data.path().join("darkroom");
        let into = self.data.path().join("rows");
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let Settings { url, password, .. } = self.server.settings("operator");
        let set = [
            format!("nats.url={url}"),
            "nats.user=operator".to_owned(),
            format!("nats.password={}", password.expose()),
        ];
        let mut arguments =
            vec!["readmodel".to_owned(), "rebuild".into(), "--data".into(), path(&data)];
        arguments.extend(["--into".to_owned(), path(&into)]);
        arguments.extend(set.into_iter().flat_map(|set| ["--set".to_owned(), set]));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        std::fs::create_dir_all(&data)?;
        let ran = self.run(&arguments, "operator").await?;
        std::fs::remove_dir_all(into)?;
        Ok(ran)
    }

    async fn run(&self, arguments: &[&str], role: &str) -> Result<Ran, Trouble> {
        let Settings { url, user, password, .. } = self.server.settings(role);
        let begun = Instant::now();
        let mut child = Command::new(program("darkroom")?)
            .args(arguments)
            .current_dir(self.data.path())
            .env("DARKROOM_NATS_URL", url)
            .env("DARKROOM_NATS_USER", user)
            .env("DARKROOM_NATS_PASSWORD", password.expose())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().ok_or("it ended at once")?;
        let mut peak = 0;
        let status = loop {
            tokio::select! {
                status = child.wait() => break status?,
                () = tokio::time::sleep(LOOK) => peak = peak.max(most_memory(pid).unwrap_or(0)),
            }
        };
        if !status.success() {
            return Err(format!("darkroom {arguments:?} ended with {status}").into());
        }
        Ok(Ran { took: begun.elapsed(), peak })
    }

    /// Rows as many and as large, handed to sled in batches and nothing else.
    fn sled(&self, events: usize) -> Result<Duration, Trouble> {
        let path = self.data.path().join("sled");
        let begun = Instant::now();
        {
            let db = sled::Config::new().path(&path).cache_capacity(64 << 20).open()?;
            for first in (0..events).step_by(BATCH) {
                let mut batch = sled::Batch::default();
                for event in first..events.min(first + BATCH) {
                    let job = history_id((event / EVENTS) as u64);
                    batch.insert(
                        [b"job/", job.as_bytes().as_slice()].concat(),
                        vec![b'x'; ROW_BYTES],
                    );
                    for row in 1..ROWS {
                        let key = format!("list/{row}/{job}");
                        batch.insert(key.as_bytes(), b"".as_slice());
                    }
                }
                db.apply_batch(batch)?;
            }
            db.flush()?;
        }
        let took = begun.elapsed();
        std::fs::remove_dir_all(path)?;
        Ok(took)
    }
}

/// Of version 7, as the API makes them: later jobs have larger ones.
fn history_id(job: u64) -> Uuid {
    let scattered = job.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    let mut rest = [0; 10];
    rest.split_at_mut(2).1.copy_from_slice(&scattered);
    uuid::Builder::from_unix_timestamp_millis(BEGUN_S * 1_000 + 10 * job, &rest).into_uuid()
}

fn history_account(job: u64) -> AccountId {
    AccountId::from_uuid(Uuid::from_u128(u128::from(job % ACCOUNTS)))
}

/// All that happened to a job that could not be done, chained.
fn history(job: u64) -> Vec<Raw> {
    let account = history_account(job);
    let id = JobId::from_uuid(history_id(job));
    let at = Timestamp::from_second((BEGUN_S + job / 100).cast_signed()).unwrap_or_default();
    let sealed = || Sealed::from_envelope("c2VhbGVk".repeat(16));
    let requested = Requested {
        application: ApplicationId::from_uuid(Uuid::from_u128(1)),
        kind: JobKind::Preview { wish: PreviewWish::default() },
        source_url: sealed(),
        upload: None,
        callback_url: Some(sealed()),
        user_data: None,
        uploader: None,
        fingerprint: "f".repeat(64),
        rerun_of: None,
    };
    let fetched = Fetched {
        file_name: Some(sealed()),
        size_bytes: 81_811,
        media_type: "image/jpeg".to_owned(),
        encoding: "binary".to_owned(),
        sha256: "a".repeat(64),
        md5: "b".repeat(32),
        crc32c: "c".repeat(8),
        mismatch: Default::default(),
    };
    let worker = WorkerId::from_uuid(Uuid::from_u128(9));
    let events: [(&str, Event); EVENTS] = [
        ("requested", Event::Requested(requested)),
        ("started", Event::Started { attempt: 1, worker }),
        ("fetched", Event::Fetched(fetched)),
        ("wiped", Event::Wiped { bytes: 3 }),
        (
            "failed",
            Event::Failed {
                attempts: 1,
                code: FailureCode::Corrupt,
                capability: None,
                detail: None,
            },
        ),
    ];
    let mut prev = Hash::default();
    let stored = events.into_iter().map(|(name, event)| {
        let raw = Raw {
            stream: topology::JOBS.to_owned(),
            subject: format!("darkroom.job.{account}.{id}.{name}"),
            seq: 0,
            headers: Headers::from_iter([
                ("ce-specversion", "1.0".to_owned()),
                ("ce-id", EventId::from_uuid(Uuid::new_v4()).to_string()),
                ("ce-source", "/darkroom".to_owned()),
                ("ce-type", format!("darkroom.job.{name}.v1")),
                ("ce-time", at.to_string()),
                ("darkroom-prev", prev.to_string()),
            ]),
            body: Bytes::from(serde_json::to_vec(&event).unwrap_or_default()),
        };
        prev = raw.hash();
        raw
    });
    stored.collect()
}

async fn publish(context: &jetstream::Context, raw: &Raw) -> Result<(), Trouble> {
    let mut headers = HeaderMap::new();
    for (name, value) in raw.headers.iter() {
        headers.insert(name, value);
    }
    let (subject, body) = (raw.subject.clone(), raw.body.clone());
    context.publish_with_headers(subject, headers, body).await?.await?;
    Ok(())
}

/// The most memory that a process has had, in bytes.
fn most_memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1_024)
}

#[allow(clippy::cast_precision_loss, reason = "memory of a process is far below 2^52 bytes")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
