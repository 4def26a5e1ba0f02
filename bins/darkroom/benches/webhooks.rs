//! Deliveries a second to a hundred endpoints that take 5 ms each, beside a bare client that signs and
//! posts the same bodies to the same receiver; and how long after it happened an event is told.
//!
//! Ours: jobs are completed by a stub, the real dispatcher finds them in the real log, tells every
//! endpoint, and records each delivery, while the real API makes rows of all that, on the same machine.
//! The bare client has nobody but the same receiver: same bodies, same signatures, as many at once,
//! connections kept, no TLS, as ours. Then, how much longer one endpoint waits while 10,000 deliveries
//! are due to another that never answers, than while that one answers, beside how much two measurements
//! of the same differ; and how much more a dispatcher holds in memory when 100,000 are due than with
//! 10,000.

mod support;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use clap::Parser;
use domain::{
    delivery::{self, Deliveries, Told},
    endpoint,
    id::{AccountId, EndpointId, EventId, JobId},
    job::{self, Jobs},
};
use eventlog::{Log, topology};
use futures::{StreamExt as _, stream};
use http::{Method, Request};
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use service::{Clock as _, SystemClock};
use support::{
    Trouble, cpu,
    figures::{Figures, Latencies, rate, say, show_load},
    load::{self, Plan},
    program,
    receiver::Receiver,
    stack::{Kind, Stack},
    stub::Stub,
};
use tokio::{net::TcpListener, process::Command};
use uuid::Uuid;
use vault::webhook::SigningSecret;

/// How long all deliveries of a measurement may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long between two looks.
const LOOK: Duration = Duration::from_millis(5);
/// Servers that start and stop have much to say about it.
const QUIET: &str = "warn,nats_server=off,eventlog::connect=off";
/// Deliveries due to an endpoint that never answers, while another is told of this many jobs this
/// often: enough that a hundredth of them is no accident.
const HELD: usize = 10_000;
const PACED_JOBS: usize = 2_000;
const PACE: Duration = Duration::from_millis(10);
/// How many are due for the second look at a dispatcher's memory; for the first a tenth of them.
const MANY_HELD: usize = 100_000;
/// Deliveries at once where one endpoint is told beside another.
const MANY_AT_ONCE: usize = 512;
/// Jobs that end at once where no API is asked.
const ENDED_AT_ONCE: usize = 16;
/// How long a dispatcher may take until it has looked at all that is due.
const SETTLED: Duration = Duration::from_secs(20);
/// What the bare client signs with.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[derive(Parser)]
struct Arguments {
    /// How often each side is measured.
    #[arg(long, default_value_t = 3)]
    pairs: usize,
    /// Endpoints, each of which is told of every job.
    #[arg(long, default_value_t = 100)]
    endpoints: usize,
    /// Jobs of one measurement; a tenth of them where a single server writes each event through.
    #[arg(long, default_value_t = 200)]
    jobs: usize,
    /// Deliveries at once, here and there: one for each endpoint, and as many as the machine can.
    #[arg(long, value_delimiter = ',', default_value = "100,512")]
    concurrency: Vec<usize>,
    /// Only these servers: relaxed, synced, cluster.
    #[arg(long, value_delimiter = ',', default_value = "relaxed,synced")]
    servers: Vec<String>,
    /// Leave out what one endpoint does to another, and what waiting deliveries cost.
    #[arg(long)]
    rates_only: bool,
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
            for at_once in &arguments.concurrency {
                measure(kind, *at_once, &arguments, &mut figures).await?;
            }
        }
    }
    if !arguments.rates_only {
        Box::pin(isolate(&arguments, &mut figures)).await?;
        Box::pin(hold(&mut figures)).await?;
    }
    figures.conclude();
    Ok(())
}

async fn measure(
    kind: Kind,
    at_once: usize,
    arguments: &Arguments,
    figures: &mut Figures,
) -> Result<(), Trouble> {
    let receiver = Receiver::start().await?;
    let stack = Stack::start(kind, 1).await?;
    let _stub = Stub::start(&stack, at_once).await?;
    let dispatcher = stack.dispatcher(receiver.address.port(), at_once);
    let running =
        tokio::spawn(dispatcher::run(dispatcher, Arc::new(SystemClock), stack.stopping()));
    let ours = Ours { stack, receiver, endpoints: arguments.endpoints };
    ours.add_endpoints().await?;
    let jobs = if kind == Kind::Synced { arguments.jobs / 10 } else { arguments.jobs };
    let name = format!("{}-{at_once}", kind.name());
    say(&format!("{name}: warming up"));
    ours.tell(jobs.div_ceil(4), None).await?;
    for pair in 1..=arguments.pairs {
        show_load(&format!("{name}: pair {pair}"));
        let row = format!("webhooks-{name}");
        let tell = async |ours: &Ours| ours.tell(jobs, None).await;
        let full = ours.race(&row, jobs, at_once, figures, tell).await?;
        // At half of that load, how long after it happened an event is told.
        #[allow(clippy::cast_precision_loss, reason = "counts of a benchmark are small")]
        let every = Duration::from_secs_f64(2.0 * arguments.endpoints as f64 / full);
        ours.receiver.delays();
        ours.tell(jobs, Some(every)).await?;
        let delays = ours.receiver.delays();
        figures.add(&format!("webhooks-{name}-p50-ms"), delays.ms(0.50), f64::NAN);
        figures.add(&format!("webhooks-{name}-p99-ms"), delays.ms(0.99), f64::NAN);
    }
    // What the dispatcher and the log cost alone, as where the API runs on another machine.
    ours.stack.stop_api().await;
    let worker = Log::connect(&ours.stack.settings("worker"), "worker").await?;
    for pair in 1..=arguments.pairs {
        show_load(&format!("{name}, no API: pair {pair}"));
        let row = format!("webhooks-{name}-no-api");
        let tell = async |ours: &Ours| ours.tell_from_log(&worker, jobs).await;
        ours.race(&row, jobs, at_once, figures, tell).await?;
    }
    ours.stack.stop().await?;
    running.await??;
    Ok(())
}

/// One endpoint is told of paced jobs beside another that wants to be told of the same: twice while
/// that answers, then while it takes connections and never answers, and thousands are due to it at which
/// the dispatcher has looked once. The second is held against the first, which says what the figures are
/// worth, and the third against the second. Each pair has servers of its own.
async fn isolate(arguments: &Arguments, figures: &mut Figures) -> Result<(), Trouble> {
    for _ in 0..arguments.pairs {
        let (receiver, other) = (Receiver::start().await?, Receiver::start().await?);
        let stack = Stack::start(Kind::Relaxed, 1).await?;
        let _stub = Stub::start(&stack, MANY_AT_ONCE).await?;
        let mut dispatcher = stack.dispatcher(receiver.address.port(), MANY_AT_ONCE);
        let ports = [receiver.address.port(), other.address.port()];
        dispatcher.egress.allow =
            ports.map(|port| format!("127.0.0.1/32:{port}")).join(",").parse()?;
        let running =
            tokio::spawn(dispatcher::run(dispatcher, Arc::new(SystemClock), stack.stopping()));
        let ours = Ours { stack, receiver, endpoints: 1 };
        ours.add_endpoints().await?;
        let silent = ours.add_endpoint(&format!("http://{}/", other.address)).await?;
        ours.tell(PACED_JOBS / 10, Some(PACE)).await?;
        let first = ours.paced().await?;
        let answered = ours.paced().await?;
        other.fall_silent();
        let log = Log::connect(&ours.stack.settings("api"), "api").await?;
        make_due(&log, silent, HELD).await?;
        tokio::time::sleep(SETTLED).await;
        show_load("beside a silent endpoint");
        let beside = ours.paced().await?;
        for (name, share) in [("p50", 0.50), ("p99", 0.99)] {
            let control = format!("webhooks-beside-control-{name}-ms");
            figures.add(&control, answered.ms(share), first.ms(share));
            let name = format!("webhooks-beside-{name}-ms");
            figures.add(&name, beside.ms(share), answered.ms(share));
        }
        ours.stack.stop().await?;
        running.await??;
    }
    Ok(())
}

/// What a dispatcher, a process of its own, holds in memory while deliveries wait.
async fn hold(figures: &mut Figures) -> Result<(), Trouble> {
    let hole = hole().await?;
    let stack = Stack::start(Kind::Relaxed, 1).await?;
    let settings = stack.dispatcher(hole.port(), 256);
    let mut process = Command::new(program("darkroom-dispatcher")?)
        .env_clear()
        .envs(environment(&settings, hole.port()))
        .kill_on_drop(true)
        .spawn()?;
    let pid = process.id().ok_or("the dispatcher did not start")?;
    let ours = Ours { stack, receiver: Receiver::start().await?, endpoints: 0 };
    let silent = ours.add_endpoint(&format!("http://{hole}/")).await?;
    let log = Log::connect(&ours.stack.settings("api"), "api").await?;
    let mut held = Vec::new();
    for more in [MANY_HELD / 10, MANY_HELD - MANY_HELD / 10] {
        make_due(&log, silent, more).await?;
        tokio::time::sleep(SETTLED).await;
        held.push(resident_mib(pid)?);
    }
    if let [few, many] = held[..] {
        figures.add("webhooks-held-rss-mib", many, few);
    }
    process.kill().await?;
    ours.stack.stop().await
}

fn environment(settings: &dispatcher::Settings, port: u16) -> Vec<(&'static str, String)> {
    let path = |path: &std::path::Path| path.display().to_string();
    let (nats, vault, storage) = (&settings.nats, &settings.vault, &settings.storage);
    vec![
        ("DARKROOM__NATS__URL", nats.url.clone()),
        ("DARKROOM__NATS__USER", nats.user.clone()),
        ("DARKROOM__NATS__PASSWORD", nats.password.expose().to_owned()),
        ("DARKROOM__NATS__SYSTEM_USER", nats.system_user.clone()),
        ("DARKROOM__NATS__SYSTEM_PASSWORD", nats.system_password.expose().to_owned()),
        ("DARKROOM__NATS__DURABILITY", "relaxed".to_owned()),
        ("DARKROOM__VAULT__MASTER_KEY_FILE", path(&vault.master_key_file)),
        ("DARKROOM__VAULT__CREDENTIALS_KEY_FILE", path(&vault.credentials_key_file)),
        ("DARKROOM__VAULT__CREDENTIALS_PUBLIC_FILE", path(&vault.credentials_public_file)),
        ("DARKROOM__STORAGE__ENDPOINT", storage.endpoint.clone().unwrap_or_default()),
        ("DARKROOM__STORAGE__ACCESS_KEY", storage.access_key.clone()),
        ("DARKROOM__STORAGE__SECRET_KEY", storage.secret_key.expose().to_owned()),
        ("DARKROOM__DISPATCHER__ATTEMPTS", path(&settings.dispatcher.attempts)),
        ("DARKROOM__EGRESS__ALLOW", format!("127.0.0.1/32:{port}")),
        ("DARKROOM__LOG__LEVEL", QUIET.to_owned()),
    ]
}

/// Resident memory of a process.
fn resident_mib(pid: u32) -> Result<f64, Trouble> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1_024.0)
}

/// Takes connections and never answers.
async fn hole() -> Result<SocketAddr, Trouble> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    Ok(address)
}

/// Makes so many deliveries due.
async fn make_due(log: &Log, endpoint: endpoint::Id, count: usize) -> Result<(), Trouble> {
    let all = stream::iter(0..count as u64).map(|seq| async move {
        let event_id = EventId::from_uuid(Uuid::new_v4());
        let (now, id) = (SystemClock.now(), delivery::Id::of(endpoint, event_id));
        let told = Told {
            event_id,
            event_type: "job.failed".to_owned(),
            job: None,
            time: Some(now),
            stream: topology::JOBS.to_owned(),
            seq: seq + 1,
        };
        let due = |state: &delivery::State| delivery::due(state, told.clone());
        log.transact::<Deliveries, _>(&id, now, due).await.map(drop)
    });
    let mut all = all.buffer_unordered(256);
    while let Some(done) = all.next().await {
        done?;
    }
    Ok(())
}

struct Ours {
    stack: Stack,
    receiver: Receiver,
    endpoints: usize,
}

impl Ours {
    /// Adds all endpoints, and waits until each was told so.
    async fn add_endpoints(&self) -> Result<(), Trouble> {
        for number in 0..self.endpoints {
            self.add_endpoint(&format!("http://{}/{number}", self.receiver.address)).await?;
        }
        self.wait_for(self.endpoints, Instant::now()).await
    }

    async fn add_endpoint(&self, url: &str) -> Result<endpoint::Id, Trouble> {
        let caller = self.stack.callers.first().map_or("", String::as_str);
        let ask = |request| {
            let plan = Plan {
                address: self.stack.address,
                connections: 1,
                total: 1,
                requests: Arc::new(vec![request]),
                status: 201,
                keep: true,
            };
            load::run(plan)
        };
        let body = format!(r#"{{"url":"{url}","payload":"thin"}}"#);
        let added = ask(load::request("POST", "/v1/endpoints", caller, &body)).await?;
        let added: serde_json::Value =
            serde_json::from_slice(added.bodies.first().ok_or("no body")?)?;
        let endpoint: EndpointId =
            added.get("id").and_then(serde_json::Value::as_str).ok_or("no id")?.parse()?;
        let account: AccountId = self.stack.account(0).ok_or("no account")?;
        Ok(endpoint::Id { account, endpoint })
    }

    /// Tells of so many jobs as `tell` does, and has the bare client post as often; gives our rate.
    async fn race(
        &self,
        name: &str,
        jobs: usize,
        at_once: usize,
        figures: &mut Figures,
        tell: impl AsyncFnOnce(&Self) -> Result<Duration, Trouble>,
    ) -> Result<f64, Trouble> {
        let deliveries = jobs * self.endpoints;
        let (own, servers) = (cpu::own()?, self.stack.servers_cpu_s()?);
        let took = tell(self).await?;
        let (own, servers) = (cpu::own()? - own, self.stack.servers_cpu_s()? - servers);
        self.receiver.delays();
        let bare_spent = cpu::own()?;
        let peer = bare(self.receiver.address, deliveries, at_once).await?;
        let bare_spent = cpu::own()? - bare_spent;
        let full = rate(deliveries, took);
        figures.add(name, full, rate(deliveries, peer));
        let each_us = |seconds: f64| 1e6 / rate(deliveries, Duration::from_secs_f64(seconds));
        figures.add(&format!("{name}-cpu-us"), each_us(own + servers), each_us(bare_spent));
        figures.add(&format!("{name}-servers-us"), each_us(servers), f64::NAN);
        Ok(full)
    }

    /// Jobs that end as soon as they begin, by events that are written as a worker writes them, until
    /// every endpoint was told of all.
    async fn tell_from_log(&self, worker: &Log, jobs: usize) -> Result<Duration, Trouble> {
        let told = self.receiver.count() + jobs * self.endpoints;
        let account = self.stack.account(0).ok_or("no account")?;
        let end = stream::iter(0..jobs).map(|_| async {
            let id = job::Id { account, job: JobId::from_uuid(Uuid::new_v4()) };
            let cancelled = |_: &job::State| Ok::<_, job::Refusal>(vec![job::Event::Cancelled {}]);
            worker.transact::<Jobs, _>(&id, SystemClock.now(), cancelled).await.map(drop)
        });
        let begun = Instant::now();
        let mut all = end.buffer_unordered(ENDED_AT_ONCE);
        while let Some(done) = all.next().await {
            done?;
        }
        self.wait_for(told, begun).await?;
        Ok(begun.elapsed())
    }

    /// How long after they ended so many jobs are told of that end one after the other.
    async fn paced(&self) -> Result<Latencies, Trouble> {
        self.receiver.delays();
        self.tell(PACED_JOBS, Some(PACE)).await?;
        Ok(self.receiver.delays())
    }

    async fn wait_for(&self, told: usize, begun: Instant) -> Result<(), Trouble> {
        while self.receiver.count() < told {
            if begun.elapsed() > PATIENCE {
                return Err("deliveries do not arrive".into());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// From the first POST until every endpoint was told of all `jobs`; one job `every` so often, or
    /// all at once.
    async fn tell(&self, jobs: usize, every: Option<Duration>) -> Result<Duration, Trouble> {
        let told = self.receiver.count() + jobs * self.endpoints;
        let caller = self.stack.callers.first().map_or("", String::as_str);
        let body = r#"{"url":"http://127.0.0.1:9/photo.jpg","sizes":["640x480"]}"#;
        let requests = Arc::new(vec![load::request("POST", "/v2/previews", caller, body)]);
        let plan = |total, connections| Plan {
            address: self.stack.address,
            connections,
            total,
            requests: Arc::clone(&requests),
            status: 201,
            keep: false,
        };
        let begun = Instant::now();
        match every {
            None => drop(load::run(plan(jobs, 16)).await?),
            Some(every) => {
                let mut ticks = tokio::time::interval(every);
                for _ in 0..jobs {
                    ticks.tick().await;
                    load::run(plan(1, 1)).await?;
                }
            }
        }
        self.wait_for(told, begun).await?;
        Ok(begun.elapsed())
    }
}

/// A client that does nothing but sign and post.
async fn bare(to: SocketAddr, total: usize, at_once: usize) -> Result<Duration, Trouble> {
    let client: Client<_, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).pool_max_idle_per_host(at_once).build_http();
    let key = Arc::new(SigningSecret::read(SECRET)?);
    let begun = Instant::now();
    let posts = stream::iter(0..total).map(|number| {
        let (client, key) = (client.clone(), Arc::clone(&key));
        tokio::spawn(async move {
            let now = SystemClock.now();
            let (id, seconds) = (format!("msg_{number}"), now.as_second().to_string());
            let body = Bytes::from(format!(
                r#"{{"data":{{"event":"01a202e2-a9cc-7fc3-ae24-b977628d3eb0","sequence":{number}}},"timestamp":"{now}","type":"job.completed"}}"#
            ));
            let parts = [id.as_bytes(), b".", seconds.as_bytes(), b".", &body];
            let request = Request::builder()
                .method(Method::POST)
                .uri(format!("http://{to}/{}", number % 100))
                .header("content-type", "application/json")
                .header("webhook-signature", key.signature(&parts))
                .header("webhook-id", id.as_str())
                .header("webhook-timestamp", seconds.as_str())
                .body(Full::new(body.clone()))?;
            client.request(request).await?;
            Ok::<_, Trouble>(())
        })
    });
    let mut posts = posts.buffer_unordered(at_once);
    while let Some(posted) = posts.next().await {
        posted??;
    }
    Ok(begun.elapsed())
}
