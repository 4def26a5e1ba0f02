//! What JetStream does by itself: messages as large and as fenced as events, published in a loop.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_nats::{ConnectOptions, HeaderMap, jetstream};
use bytes::Bytes;
use eventlog::Log;
use tempfile::TempDir;
use uuid::Uuid;

use super::{
    Trouble,
    figures::Latencies,
    stack::{Kind, Servers, apply_topology},
};

/// About what an event's body has.
const BODY_BYTES: usize = 300;

/// Servers of the same kind that nobody else knows.
pub struct Bare {
    publisher: Publisher,
    servers: Servers,
    _data: TempDir,
}

/// A bare connection to them.
#[derive(Clone)]
struct Publisher {
    context: jetstream::Context,
    place: String,
    headers: HeaderMap,
}

/// How publishing went.
pub struct Report {
    pub took: Duration,
    pub latencies: Latencies,
}

impl Bare {
    pub async fn start(kind: Kind) -> Result<Self, Trouble> {
        let data = tempfile::tempdir()?;
        let servers = Servers::start(kind, data.path()).await?;
        let settings = servers.settings("operator");
        apply_topology(&Log::connect(&settings, "operator").await?, settings.replicas).await?;
        let addresses: Result<Vec<async_nats::ServerAddr>, _> =
            settings.url.split(',').map(str::parse).collect();
        let client = ConnectOptions::new()
            .nkey(settings.password.expose().to_owned())
            .custom_inbox_prefix("_INBOX_operator")
            .connect(addresses?)
            .await?;
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("ce-specversion", "1.0".to_owned()),
            ("ce-id", Uuid::new_v4().to_string()),
            ("ce-source", "/darkroom".to_owned()),
            ("ce-type", "darkroom.job.requested.v1".to_owned()),
            ("ce-time", "2026-01-01T00:00:00.000000Z".to_owned()),
            ("darkroom-prev", "0".repeat(64)),
            ("Nats-Expected-Last-Subject-Sequence", "0".to_owned()),
        ] {
            headers.insert(name, value);
        }
        // A stream that is configured like that of jobs, and that no other stream copies from.
        let place = format!("darkroom.delivery.{}.{}", Uuid::new_v4(), Uuid::new_v4());
        let publisher = Publisher { context: jetstream::new(client), place, headers };
        Ok(Self { publisher, servers, _data: data })
    }

    pub async fn stop(self) {
        self.servers.stop().await;
    }

    /// Publishes `count` first events of as many histories, `in_flight` at a time.
    pub async fn publish(&self, count: usize, in_flight: usize) -> Result<Report, Trouble> {
        let next = Arc::new(AtomicUsize::new(0));
        let begun = Instant::now();
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..in_flight {
            let (publisher, next) = (self.publisher.clone(), next.clone());
            running.spawn(async move {
                let mut latencies = Vec::new();
                while next.fetch_add(1, Ordering::Relaxed) < count {
                    latencies.push(publisher.one().await?);
                }
                Ok::<_, Trouble>(latencies)
            });
        }
        let mut latencies = Vec::new();
        while let Some(done) = running.join_next().await {
            latencies.extend(done??);
        }
        Ok(Report { took: begun.elapsed(), latencies: latencies.into_iter().collect() })
    }
}

impl Publisher {
    async fn one(&self) -> Result<Duration, Trouble> {
        let history = format!("{}.{}", self.place, Uuid::new_v4());
        let mut headers = self.headers.clone();
        headers.insert("Nats-Expected-Last-Subject-Sequence-Subject", format!("{history}.>"));
        let body = Bytes::from_static(&[b'x'; BODY_BYTES]);
        let begun = Instant::now();
        self.context.publish_with_headers(format!("{history}.due"), headers, body).await?.await?;
        Ok(begun.elapsed())
    }
}
