//! Proof that what the servers acknowledge has reached their disks.

use std::time::Duration;

use futures::StreamExt as _;
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    connect,
    error::{ConnectError, Unavailable},
    settings::{Durability, Settings},
    wire::Wire,
};

const REPORT: &str = "$SYS.REQ.SERVER.PING.VARZ";
/// How the observer's inbox is named.
const ROLE: &str = "observer";
/// How long the first server may take to report.
const FIRST: Duration = Duration::from_secs(5);
/// How long the others of a cluster may take after that.
const OTHERS: Duration = Duration::from_millis(500);
/// Reports that are read at most.
const MAX_SERVERS: usize = 256;
/// The first release that synchronises what it says it does.
const OLDEST: (u64, u64, u64) = (2, 12, 3);

/// The promised durability is not there, or cannot be proven.
#[derive(Debug, thiserror::Error)]
pub enum DurabilityError {
    /// There is nobody to ask with.
    #[error(
        "durability `synced` cannot be proven: set nats.system_user and nats.system_password to a user of \
         the system account that may publish {REPORT}, or accept that a power cut loses acknowledged jobs \
         with nats.durability = \"relaxed\""
    )]
    NoObserver,
    /// The system account lets nobody in.
    #[error("connect to the system account")]
    Connect(#[from] ConnectError),
    /// No server reports.
    #[error("no server reports how it stores")]
    Silent(#[from] Unavailable),
    /// A server is too old to be trusted with it.
    #[error("NATS server {server} is {version}: needed is 2.12.3 or newer")]
    Old {
        /// Its name.
        server: String,
        /// Its version.
        version: String,
    },
    /// A server acknowledges before its disk has it.
    #[error(
        "NATS server {server} acknowledges before its disk has it: set `sync_interval: always` in its \
         `jetstream` block, or accept that a power cut loses acknowledged jobs with nats.durability = \"relaxed\""
    )]
    Lazy {
        /// Its name.
        server: String,
    },
    /// Fewer servers store than there should be copies.
    #[error("{found} NATS servers store, but nats.replicas is {wanted}")]
    Few {
        /// How many reported.
        found: usize,
        /// How many are needed.
        wanted: u8,
    },
}

pub(crate) async fn prove(settings: &Settings) -> Result<(), DurabilityError> {
    if settings.durability == Durability::Relaxed {
        tracing::warn!("durability is relaxed: a power cut may lose jobs that were acknowledged");
        return Ok(());
    }
    if settings.system_user.is_empty() || settings.system_password.is_empty() {
        return Err(DurabilityError::NoObserver);
    }
    let reports = collect(settings).await?;
    let mut storing = 0;
    for report in &reports {
        storing += usize::from(check(report)?);
    }
    if storing < usize::from(settings.replicas.max(1)) {
        return Err(DurabilityError::Few { found: storing, wanted: settings.replicas });
    }
    Ok(())
}

async fn collect(settings: &Settings) -> Result<Vec<Value>, DurabilityError> {
    const ASKING: &str = "ask servers for their reports";
    let (user, password) = (&settings.system_user, &settings.system_password);
    let client = connect::connect(settings, ROLE, user, password).await?;
    let wire = Wire { client, replicas: settings.replicas, committer: None, consumes: false };
    let mut answers = wire.ask(REPORT.to_owned(), bytes::Bytes::new()).await?;
    let mut deadline = Instant::now() + FIRST;
    let mut reports = Vec::new();
    while reports.len() < MAX_SERVERS {
        let Ok(Some(note)) = tokio::time::timeout_at(deadline, answers.next()).await else { break };
        let report: Value = serde_json::from_slice(&note.body)
            .map_err(|source| Unavailable::new(ASKING, source))?;
        reports.push(report);
        deadline = Instant::now() + OTHERS;
    }
    if reports.is_empty() {
        return Err(Unavailable::silent(ASKING).into());
    }
    Ok(reports)
}

/// Whether the server stores at all; an error if it does and is not to be trusted with it.
fn check(report: &Value) -> Result<bool, DurabilityError> {
    let text =
        |pointer: &str| report.pointer(pointer).and_then(Value::as_str).unwrap_or("?").to_owned();
    let Some(config) = report.pointer("/data/jetstream/config").filter(|config| {
        config.get("store_dir").and_then(Value::as_str).is_some_and(|dir| !dir.is_empty())
    }) else {
        return Ok(false);
    };
    let (server, version) = (text("/server/name"), text("/data/version"));
    if parse_version(&version).is_none_or(|version| version < OLDEST) {
        return Err(DurabilityError::Old { server, version });
    }
    if config.get("sync_always").and_then(Value::as_bool) != Some(true) {
        return Err(DurabilityError::Lazy { server });
    }
    Ok(true)
}

/// The numbers of a version such as `2.15.1` or `v2.14.0-RC.1`.
pub(crate) fn parse_version(text: &str) -> Option<(u64, u64, u64)> {
    let numbers = text.trim().trim_start_matches('v').split(['-', '+']).next()?;
    let mut numbers = numbers.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        for (text, expected) in [
            ("2.15.1", Some((2, 15, 1))),
            ("v2.12.3-RC.2", Some((2, 12, 3))),
            ("2.9", None),
            ("?", None),
        ] {
            assert_eq!(parse_version(text), expected, "{text}");
        }
    }
}
