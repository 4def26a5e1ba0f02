//! How many first events of jobs a second one synced server takes from us, beside a bare loop.
//!
//! `cargo run --release -p eventlog --example append_rate [seconds a round]`
#![allow(clippy::print_stdout, reason = "its figures are its product")]

use std::{
    error::Error,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_nats::{Client, ConnectOptions, HeaderMap, Request};
use domain::Aggregate;
use eventlog::{
    Durability, Loaded, Log,
    server::{Binary, Embedded, Options},
    topology,
};
use futures::future::join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const CLIENTS: [usize; 4] = [1, 16, 64, 256];
const ROUNDS: usize = 5;

enum Plain {}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Requested {
    event: String,
    note: String,
}

impl Aggregate for Plain {
    type Id = String;
    type Event = Requested;
    type State = bool;

    const STREAM: &'static str = topology::JOBS;
    const NOUN: &'static str = "job";

    fn prefix(id: &String) -> String {
        format!("darkroom.job.bench.{id}")
    }

    fn parse_prefix(prefix: &str) -> Option<String> {
        Some(prefix.strip_prefix("darkroom.job.bench.")?.to_owned())
    }

    fn event_name(_: &Requested) -> &'static str {
        "requested"
    }

    fn evolve(_: bool, _: &Requested, _: Timestamp) -> bool {
        true
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(2.0), |text| text.parse())?;
    let round = Duration::from_secs_f64(seconds);
    let folder = tempfile::tempdir()?;
    let options = Options {
        data: folder.path().join("nats"),
        binary: Binary::find(None, &[Path::new(".tools/bin")])?,
        port: None,
        durability: Durability::Synced,
    };
    let server = Embedded::start(options).await?;
    let settings = server.settings("operator");
    let log = Log::connect(&settings, "operator").await?;
    topology::apply(&log, 1).await?;
    let bare = ConnectOptions::new()
        .nkey(settings.password.expose().to_owned())
        .custom_inbox_prefix("_INBOX_operator")
        .connect(&settings.url)
        .await?;
    for clients in CLIENTS {
        let mut pairs = Vec::new();
        for _ in 0..ROUNDS {
            let ours = rate(clients, round, || append(log.clone())).await;
            let peer = rate(clients, round, || publish(bare.clone())).await;
            pairs.push((ours, peer));
        }
        pairs.sort_by(|(ours, peer), (other, its)| (ours / peer).total_cmp(&(other / its)));
        let Some((ours, peer)) = pairs.get(ROUNDS / 2) else { continue };
        println!(
            "append_r1_synced_{clients} ours={ours:.0} peer={peer:.0} ratio={:.2}",
            ours / peer
        );
    }
    server.stop().await;
    Ok(())
}

/// How often a second `clients` of them succeed together.
async fn rate<F: Future<Output = bool> + Send>(
    clients: usize,
    round: Duration,
    once: impl Fn() -> F + Sync,
) -> f64 {
    let (done, start) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let client = || async {
        while start.elapsed() < round {
            if once().await {
                done.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    join_all((0..clients).map(|_| client())).await;
    f64::from(u32::try_from(done.load(Ordering::Relaxed)).unwrap_or(u32::MAX))
        / start.elapsed().as_secs_f64()
}

fn event() -> Requested {
    Requested { event: "requested".into(), note: "x".repeat(300) }
}

async fn append(log: Log) -> bool {
    let id = Uuid::new_v4().to_string();
    let decide = |_: &bool| Ok::<_, ()>(vec![event()]);
    let known = Loaded::<Plain>::default();
    log.transact_from(&id, known, Timestamp::UNIX_EPOCH, decide).await.is_ok()
}

/// The least that a client of JetStream can do for the same promise.
async fn publish(client: Client) -> bool {
    let prefix = format!("darkroom.job.bench.{}", Uuid::new_v4());
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Expected-Last-Subject-Sequence", "0");
    headers.insert("Nats-Expected-Last-Subject-Sequence-Subject", format!("{prefix}.>"));
    let Ok(body) = serde_json::to_vec(&event()) else { return false };
    let request = Request::new().headers(headers).payload(body.into());
    let answer = client.send_request(format!("{prefix}.requested"), request).await;
    answer.is_ok_and(|answer| !answer.payload.windows(7).any(|part| part == b"\"error\""))
}
