//! Empty jobs a second, beside BullMQ on Redis and beside what bare JetStream could do.
//!
//! Ours: HTTP POST, the real API, real servers, a worker that does all but files, until the read
//! model shows the job as completed. BullMQ: one `add` a job, a processor that does nothing, until
//! the worker has completed it; no HTTP, no encryption, no history.

mod support;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Parser;
use support::{
    Trouble,
    bare::Bare,
    counters::Counters,
    figures::{Figures, rate, say, show_load},
    load::{self, Plan},
    redis::{BullMq, Persistence},
    stack::{Kind, Stack},
    stub::Stub,
};

/// Events of a job: requested, started, completed.
const EVENTS: usize = 3;
/// How long a job may take to appear.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// Servers that start and stop have much to say about it.
const QUIET: &str = "warn,nats_server=off,eventlog::connect=off";

#[derive(Parser)]
struct Arguments {
    /// How often each side is measured.
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Jobs of one measurement; a tenth of them where a single server writes each event through.
    #[arg(long, default_value_t = 4_000)]
    jobs: usize,
    /// Jobs asked for at once, and jobs worked on at once, here and there.
    #[arg(long, default_value_t = 64)]
    concurrency: usize,
    /// Accounts that the jobs belong to.
    #[arg(long, default_value_t = 16)]
    accounts: usize,
    /// Only these servers: relaxed, synced, cluster.
    #[arg(long, value_delimiter = ',', default_value = "relaxed,synced,cluster")]
    servers: Vec<String>,
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
    let mut figures = Figures::default();
    for kind in [Kind::Relaxed, Kind::Synced, Kind::Cluster] {
        if arguments.servers.iter().any(|name| name == kind.name()) {
            Box::pin(measure(kind, &arguments, &mut figures)).await?;
        }
    }
    figures.conclude();
    Ok(())
}

async fn measure(kind: Kind, arguments: &Arguments, figures: &mut Figures) -> Result<(), Trouble> {
    let stack = Stack::start(kind, arguments.accounts).await?;
    let ours = Ours { stub: Stub::start(&stack, arguments.concurrency).await?, stack };
    let bare = Bare::start(kind).await?;
    let mut snapshots = BullMq::start(Persistence::Snapshots, arguments.concurrency).await?;
    let mut log = BullMq::start(Persistence::AppendOnly, arguments.concurrency).await?;
    let counters = Counters::of(&ours.stack.settings("operator"), kind.servers()).await?;
    let jobs = if kind == Kind::Synced { arguments.jobs / 10 } else { arguments.jobs };
    let width = arguments.concurrency;

    say(&format!("{}: warming up", kind.name()));
    ours.run(jobs / 4, width).await?;
    snapshots.run(arguments.jobs / 4, width).await?;
    log.run(arguments.jobs / 4, width).await?;
    bare.publish(jobs / 4, width).await?;
    for pair in 1..=arguments.pairs {
        show_load(&format!("{}: pair {pair}", kind.name()));
        let (before, counted) = (ours.stack.cpu_s()?, counters.now().await?);
        let took = ours.run(jobs, width).await?;
        let cpu = (ours.stack.cpu_s()? - before) * 1e3 / jobs as f64;
        counters.now().await?.say_each(&counted, jobs);
        let before = snapshots.cpu_s()?;
        let peer = snapshots.run(arguments.jobs, width).await?;
        let peer_cpu = (snapshots.cpu_s()? - before) * 1e3 / arguments.jobs as f64;
        let log = log.run(arguments.jobs, width).await?;
        // As many on their way as both halves of ours have.
        let bare = bare.publish(jobs * EVENTS, 2 * width).await?;
        let name = kind.name();
        let rates = [peer, log].map(|took| rate(arguments.jobs, took));
        figures.add(&format!("jobs-{name}"), rate(jobs, took), rates[0]);
        figures.add(&format!("jobs-{name}-appendonly"), rate(jobs, took), rates[1]);
        figures.add(&format!("jobs-{name}-cpu-ms"), cpu, peer_cpu);
        let events = jobs * EVENTS;
        figures.add(&format!("events-{name}"), rate(events, took), rate(events, bare.took));
    }
    bare.stop().await;
    ours.stack.stop().await
}

struct Ours {
    stack: Stack,
    stub: Stub,
}

impl Ours {
    /// From the first POST until all `jobs` are completed in the read model.
    async fn run(&self, jobs: usize, connections: usize) -> Result<Duration, Trouble> {
        let worked = self.stub.completed() + jobs as u64;
        let seen = self.stack.completed().await? + jobs as u64;
        let body = r#"{"url":"http://127.0.0.1:9/photo.jpg","sizes":["640x480"]}"#;
        let callers = self.stack.callers.iter();
        let requests = callers.map(|caller| load::request("POST", "/v2/previews", caller, body));
        let plan = Plan {
            address: self.stack.address,
            connections,
            total: jobs,
            requests: Arc::new(requests.collect()),
            status: 201,
            keep: false,
        };
        let begun = Instant::now();
        load::run(plan).await?;
        // What the read model shows is only asked for once there is something to be shown.
        while self.stub.completed() < worked || self.stack.completed().await? < seen {
            if begun.elapsed() > PATIENCE {
                return Err("jobs do not end".into());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(begun.elapsed())
    }
}
