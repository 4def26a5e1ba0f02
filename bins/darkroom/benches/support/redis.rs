//! BullMQ on a Redis of its own: one process that adds jobs, one that works on them.

use std::{
    net::TcpListener,
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::json;
use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use super::{Trouble, cpu, node::Peer, tool};

/// How long Redis may take until it listens.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// How Redis keeps what it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// As it comes: a snapshot now and then.
    Snapshots,
    /// Every command goes to a file that is synced every second.
    AppendOnly,
}

impl Persistence {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Snapshots => "default persistence",
            Self::AppendOnly => "appendonly, synced every second",
        }
    }
}

/// Redis, and BullMQ's two halves.
pub struct BullMq {
    adder: Peer,
    worker: Peer,
    redis: Child,
    _data: TempDir,
}

impl BullMq {
    /// Starts all three, the worker with `slots` jobs at a time.
    pub async fn start(persistence: Persistence, slots: usize) -> Result<Self, Trouble> {
        let data = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut redis = Command::new(tool("redis-server"));
        redis.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--loglevel", "warning"]);
        if persistence == Persistence::AppendOnly {
            redis.args(["--appendonly", "yes", "--appendfsync", "everysec"]);
        }
        let redis = redis
            .arg("--dir")
            .arg(data.path())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("start redis-server: {error}"))?;
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            if Instant::now() > deadline {
                return Err("redis-server does not listen".into());
            }
            tokio::time::sleep(LOOK).await;
        }
        let port = port.to_string();
        let adder = Peer::start("bullmq.cjs", &["add", &port])?;
        let mut worker = Peer::start("bullmq.cjs", &["work", &port, &slots.to_string()])?;
        worker.receive().await?;
        Ok(Self { adder, worker, redis, _data: data })
    }

    /// Seconds of CPU that all three have used so far.
    pub fn cpu_s(&self) -> Result<f64, Trouble> {
        cpu::of_all([self.adder.pid(), self.worker.pid(), self.redis.id()].into_iter().flatten())
    }

    /// From the first `add` until all `jobs` are completed, with `adders` of them on their way.
    pub async fn run(&mut self, jobs: usize, adders: usize) -> Result<Duration, Trouble> {
        self.worker.ask(json!({ "expect": jobs })).await?;
        let begun = Instant::now();
        self.adder.send(json!({ "add": jobs, "adders": adders })).await?;
        self.worker.receive().await?;
        let took = begun.elapsed();
        self.adder.receive().await?;
        Ok(took)
    }
}
