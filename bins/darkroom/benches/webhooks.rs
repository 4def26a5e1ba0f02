//! Deliveries a second to a hundred endpoints that take 5 ms each, beside a bare client that signs and
//! posts the same bodies to the same receiver; and how long after it happened an event is told.
//!
//! Ours: jobs are completed by a stub, the real dispatcher finds them in the real log, tells every
//! endpoint, and records each delivery.

mod support;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use clap::Parser;
use futures::{StreamExt as _, stream};
use http::{Method, Request};
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use service::{Clock as _, SystemClock};
use support::{
    Trouble,
    figures::{Figures, rate, say, show_load},
    load::{self, Plan},
    receiver::Receiver,
    stack::{Kind, Stack},
    stub::Stub,
};
use vault::webhook::SigningSecret;

/// How long all deliveries of a measurement may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long between two looks.
const LOOK: Duration = Duration::from_millis(5);
/// Servers that start and stop have much to say about it.
const QUIET: &str = "warn,nats_server=off,eventlog::connect=off";
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
    /// Deliveries at once, here and there.
    #[arg(long, default_value_t = 512)]
    concurrency: usize,
    /// Only these servers: relaxed, synced, cluster.
    #[arg(long, value_delimiter = ',', default_value = "relaxed,synced")]
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
            measure(kind, &arguments, &mut figures).await?;
        }
    }
    figures.conclude();
    Ok(())
}

async fn measure(kind: Kind, arguments: &Arguments, figures: &mut Figures) -> Result<(), Trouble> {
    let receiver = Receiver::start().await?;
    let stack = Stack::start(kind, 1).await?;
    let _stub = Stub::start(&stack, arguments.concurrency).await?;
    let dispatcher = stack.dispatcher(receiver.address.port(), arguments.concurrency);
    let running =
        tokio::spawn(dispatcher::run(dispatcher, Arc::new(SystemClock), stack.stopping()));
    let ours = Ours { stack, receiver, endpoints: arguments.endpoints };
    ours.add_endpoints().await?;
    let jobs = if kind == Kind::Synced { arguments.jobs / 10 } else { arguments.jobs };
    let deliveries = jobs * arguments.endpoints;
    let name = kind.name();
    say(&format!("{name}: warming up"));
    ours.tell(jobs.div_ceil(4), None).await?;
    for pair in 1..=arguments.pairs {
        show_load(&format!("{name}: pair {pair}"));
        let took = ours.tell(jobs, None).await?;
        ours.receiver.delays();
        let peer = bare(ours.receiver.address, deliveries, arguments.concurrency).await?;
        let full = rate(deliveries, took);
        figures.add(&format!("webhooks-{name}"), full, rate(deliveries, peer));
        // At half of that load, how long after it happened an event is told.
        #[allow(clippy::cast_precision_loss, reason = "counts of a benchmark are small")]
        let every = Duration::from_secs_f64(2.0 * arguments.endpoints as f64 / full);
        ours.receiver.delays();
        ours.tell(jobs, Some(every)).await?;
        let delays = ours.receiver.delays();
        figures.add(&format!("webhooks-{name}-p50-ms"), delays.ms(0.50), f64::NAN);
        figures.add(&format!("webhooks-{name}-p99-ms"), delays.ms(0.99), f64::NAN);
    }
    ours.stack.stop().await?;
    running.await??;
    Ok(())
}

struct Ours {
    stack: Stack,
    receiver: Receiver,
    endpoints: usize,
}

impl Ours {
    async fn add_endpoints(&self) -> Result<(), Trouble> {
        let caller = self.stack.callers.first().map_or("", String::as_str);
        let request = |number| {
            let url = format!("http://{}/{number}", self.receiver.address);
            let body = format!(r#"{{"url":"{url}","payload":"thin"}}"#);
            load::request("POST", "/v1/endpoints", caller, &body)
        };
        let plan = Plan {
            address: self.stack.address,
            connections: 1,
            total: self.endpoints,
            requests: Arc::new((0..self.endpoints).map(request).collect()),
            status: 201,
            keep: false,
        };
        load::run(plan).await?;
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
        while self.receiver.count() < told {
            if begun.elapsed() > PATIENCE {
                return Err("deliveries do not arrive".into());
            }
            tokio::time::sleep(LOOK).await;
        }
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
