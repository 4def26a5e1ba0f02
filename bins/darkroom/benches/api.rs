//! What a request costs: a POST beside a bare JetStream publish with the same fence, a status read
//! beside warp's hello world, at as many connections.

mod support;

use std::{net::SocketAddr, sync::Arc};

use clap::Parser;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use support::{
    Trouble,
    bare::Bare,
    figures::{Figures, rate, say, show_load},
    load::{self, Plan, Report},
    stack::{Kind, Stack},
};
use tokio::net::TcpListener;
use warp::{Filter as _, Reply as _};

/// Servers that start and stop have much to say about it.
const QUIET: &str = "warn,nats_server=off,eventlog::connect=off";

#[derive(Parser)]
struct Arguments {
    /// How often each side is measured.
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Requests of one measurement that change nothing.
    #[arg(long, default_value_t = 40_000)]
    reads: usize,
    /// Requests of one measurement that add a job; a tenth where one server writes each through.
    #[arg(long, default_value_t = 4_000)]
    posts: usize,
    /// Connections, each with one request at a time.
    #[arg(long, default_value_t = 64)]
    connections: usize,
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
    let hello = hello().await?;
    let mut figures = Figures::default();
    for kind in [Kind::Relaxed, Kind::Synced, Kind::Cluster] {
        if arguments.servers.iter().any(|name| name == kind.name()) {
            let stack = Stack::start(kind, 1).await?;
            let bench = Bench { bare: Bare::start(kind).await?, stack, hello };
            bench.measure(&arguments, &mut figures).await?;
            bench.bare.stop().await;
            bench.stack.stop().await?;
        }
    }
    figures.conclude();
    Ok(())
}

struct Bench {
    stack: Stack,
    bare: Bare,
    hello: SocketAddr,
}

impl Bench {
    async fn measure(&self, arguments: &Arguments, figures: &mut Figures) -> Result<(), Trouble> {
        let (name, connections) = (self.stack.kind.name(), arguments.connections);
        let synced = self.stack.kind == Kind::Synced;
        let posts = if synced { arguments.posts / 10 } else { arguments.posts };
        say(&format!("{name}: warming up"));
        let jobs = self.jobs(posts / 4, connections).await?;
        self.bare.publish(posts / 4, connections).await?;
        for pair in 1..=arguments.pairs {
            show_load(&format!("{name}: pair {pair}"));
            let ours = self.post(posts, connections, false).await?;
            let peer = self.bare.publish(posts, connections).await?;
            let (our_rate, peer_rate) = (rate(posts, ours.took), rate(posts, peer.took));
            figures.add(&format!("post-{name}"), our_rate, peer_rate);
            for (word, share) in [("p50", 0.50), ("p99", 0.99)] {
                let figure = format!("post-{name}-{word}-ms");
                figures.add(&figure, ours.latencies.ms(share), peer.latencies.ms(share));
            }
            // Reading is the same whatever writing costs, but for the questions to the servers.
            let reads = arguments.reads;
            let before = self.stack.cpu_s()?;
            let ours = self.read(&jobs, arguments).await?;
            let between = self.stack.cpu_s()?;
            let peer = self.greet(arguments).await?;
            let after = self.stack.cpu_s()?;
            figures.add(&format!("status-{name}"), rate(reads, ours.took), rate(reads, peer.took));
            for (word, share) in [("p50", 0.50), ("p99", 0.99)] {
                let figure = format!("status-{name}-{word}-ms");
                figures.add(&figure, ours.latencies.ms(share), peer.latencies.ms(share));
            }
            // The caller's own share is in both.
            let us = |seconds: f64| seconds * 1e6 / reads as f64;
            let figure = format!("status-{name}-cpu-us");
            figures.add(&figure, us(between - before), us(after - between));
        }
        Ok(())
    }

    fn caller(&self) -> &str {
        self.stack.callers.first().map_or("", String::as_str)
    }

    async fn post(&self, total: usize, connections: usize, keep: bool) -> Result<Report, Trouble> {
        let body = r#"{"url":"http://127.0.0.1:9/photo.jpg","sizes":["640x480"]}"#;
        let request = load::request("POST", "/v2/previews", self.caller(), body);
        let requests = Arc::new(vec![request]);
        let address = self.stack.address;
        load::run(Plan { address, connections, total, requests, status: 201, keep }).await
    }

    /// Adds jobs and names them.
    async fn jobs(&self, total: usize, connections: usize) -> Result<Vec<String>, Trouble> {
        let added = self.post(total, connections, true).await?;
        let mut jobs = Vec::new();
        for body in added.bodies {
            let body: serde_json::Value = serde_json::from_slice(&body)?;
            jobs.push(body.get("id").and_then(|id| id.as_str()).ok_or("no id")?.to_owned());
        }
        Ok(jobs)
    }

    async fn read(&self, jobs: &[String], arguments: &Arguments) -> Result<Report, Trouble> {
        let request = |id| load::request("GET", &format!("/v2/previews/{id}"), self.caller(), "");
        let plan = Plan {
            address: self.stack.address,
            connections: arguments.connections,
            total: arguments.reads,
            requests: Arc::new(jobs.iter().map(request).collect()),
            status: 200,
            keep: false,
        };
        load::run(plan).await
    }

    async fn greet(&self, arguments: &Arguments) -> Result<Report, Trouble> {
        let plan = Plan {
            address: self.hello,
            connections: arguments.connections,
            total: arguments.reads,
            requests: Arc::new(vec![load::request("GET", "/hello", self.caller(), "")]),
            status: 200,
            keep: false,
        };
        load::run(plan).await
    }
}

/// Warp's hello world, its connections served the way that the API serves its own.
async fn hello() -> Result<SocketAddr, Trouble> {
    let greeting =
        warp::path("hello").and(warp::path::end()).map(|| "Hello, world!".into_response());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let service = TowerToHyperService::new(warp::service(greeting));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Without it, answers wait for acknowledgements.
            if stream.set_nodelay(true).is_err() {
                continue;
            }
            tokio::spawn(async move {
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(std::time::Duration::from_secs(15))
                    .serve_connection(TokioIo::new(stream), service);
                // A connection that breaks off is its client's affair.
                let _ended = connection.await;
            });
        }
    });
    Ok(address)
}
