//! Streams and consumers as `nats/` describes them in nats-server's own JSON: the one truth for this
//! crate, for its in-memory twin, and for operators.

use std::{fmt, time::Duration};

use serde_json::{Map, Value};

use crate::{backend::Backend, error::Unavailable, log::Log, subject::matches, wire::Wire};

/// The stream of jobs.
pub const JOBS: &str = "JOBS";
/// The stream of accounts.
pub const ACCOUNTS: &str = "ACCOUNTS";
/// The stream of webhook deliveries.
pub const DELIVERIES: &str = "DELIVERIES";
/// The stream of members.
pub const MEMBERS: &str = "MEMBERS";
/// The stream of uploads.
pub const UPLOADS: &str = "UPLOADS";
/// The stream of endpoints.
pub const ENDPOINTS: &str = "ENDPOINTS";
/// The work queue of jobs.
pub const WORK: &str = "WORK";
/// The stream of messages set aside.
pub const PARKED: &str = "PARKED";
/// The stream of signed statements about the log.
pub const CHECKPOINTS: &str = "CHECKPOINTS";
/// The stream of tiles of the trees over the others.
pub const TILES: &str = "TILES";
/// The stream behind the bucket of wrapped keys.
pub const KEYS: &str = "KV_keys";
/// The dispatcher's consumer on every stream of which endpoints are told, and on [`DELIVERIES`].
pub const DISPATCHER: &str = "dispatcher";
/// The dispatcher's consumer on [`JOBS`] of everything but outcomes.
pub const STEPS: &str = "steps";
/// The consumers of whoever finds out whether things are as said: on [`ACCOUNTS`] what destinations'
/// credentials may do, on [`UPLOADS`] whether files are those that were announced.
pub const PROVER: &str = "prover";
/// The consumers on [`ACCOUNTS`], [`JOBS`] and [`UPLOADS`] of whoever clears the platform bucket.
pub const JANITOR: &str = "janitor";
/// The consumer on [`JOBS`] of whoever erases.
pub const ERASER: &str = "eraser";
/// Over how many consumers [`WORK`] is spread.
pub const SHARDS: u32 = 16;

/// Where a server elsewhere reaches the origin's JetStream.
const ORIGIN_API: &str = "$JS.darkroom.API";
const STREAM_NOT_FOUND: u64 = 10_059;
const CONSUMER_NOT_FOUND: u64 = 10_014;

const STREAMS: [&str; 11] = [
    include_str!("../../../nats/streams/JOBS.json"),
    include_str!("../../../nats/streams/ACCOUNTS.json"),
    include_str!("../../../nats/streams/DELIVERIES.json"),
    include_str!("../../../nats/streams/ENDPOINTS.json"),
    include_str!("../../../nats/streams/MEMBERS.json"),
    include_str!("../../../nats/streams/UPLOADS.json"),
    include_str!("../../../nats/streams/WORK.json"),
    include_str!("../../../nats/streams/PARKED.json"),
    include_str!("../../../nats/streams/CHECKPOINTS.json"),
    include_str!("../../../nats/streams/TILES.json"),
    include_str!("../../../nats/streams/KV_keys.json"),
];

macro_rules! workers {
    ($($shard:literal)+) => {
        [$((WORK, include_str!(concat!("../../../nats/consumers/WORK.worker-", $shard, ".json")))),+]
    };
}

const WORKERS: [(&str, &str); SHARDS as usize] = workers!(
    "00" "01" "02" "03" "04" "05" "06" "07" "08" "09" "10" "11" "12" "13" "14" "15"
);
const OTHERS: &[(&str, &str)] = &[
    (JOBS, include_str!("../../../nats/consumers/JOBS.dispatcher.json")),
    (JOBS, include_str!("../../../nats/consumers/JOBS.steps.json")),
    (ACCOUNTS, include_str!("../../../nats/consumers/ACCOUNTS.dispatcher.json")),
    (UPLOADS, include_str!("../../../nats/consumers/UPLOADS.dispatcher.json")),
    (ENDPOINTS, include_str!("../../../nats/consumers/ENDPOINTS.dispatcher.json")),
    (DELIVERIES, include_str!("../../../nats/consumers/DELIVERIES.dispatcher.json")),
    (JOBS, include_str!("../../../nats/consumers/JOBS.janitor.json")),
    (JOBS, include_str!("../../../nats/consumers/JOBS.eraser.json")),
    (ACCOUNTS, include_str!("../../../nats/consumers/ACCOUNTS.prover.json")),
    (ACCOUNTS, include_str!("../../../nats/consumers/ACCOUNTS.janitor.json")),
    (UPLOADS, include_str!("../../../nats/consumers/UPLOADS.janitor.json")),
    (UPLOADS, include_str!("../../../nats/consumers/UPLOADS.prover.json")),
];

/// The consumers that workers take from, one for each shard of [`WORK`].
#[must_use]
pub fn worker_consumers() -> Vec<String> {
    (0..SHARDS).map(|shard| format!("worker-{shard:02}")).collect()
}

/// A difference between what is wanted and what the server has.
#[derive(Debug, Clone, PartialEq)]
pub struct Drift {
    /// `stream JOBS`, `consumer WORK/worker-00`.
    pub what: String,
    /// The setting; empty when the whole thing is missing.
    pub field: String,
    /// As it should be.
    pub wanted: Value,
    /// As it is.
    pub found: Value,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            write!(f, "{} is missing", self.what)
        } else {
            write!(f, "{}: {} is {}, wanted {}", self.what, self.field, self.found, self.wanted)
        }
    }
}

/// Streams or consumers could not be brought into shape.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// The server did not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The server refuses.
    #[error("nats-server refuses {what} with {code}: {description}")]
    Refused {
        /// The stream or consumer.
        what: String,
        /// nats-server's error code.
        code: u64,
        /// nats-server's explanation.
        description: String,
    },
    /// The server says yes and does otherwise.
    #[error("nats-server made something else than was asked for: {0}")]
    Drifted(Drift),
}

/// Creates or updates every stream and consumer, and holds the server's report against the wish.
/// Applied twice it changes nothing.
///
/// # Errors
/// [`TopologyError`]; what was applied before it stays applied.
pub async fn apply(log: &Log, replicas: u8) -> Result<(), TopologyError> {
    apply_all(log, items(replicas)).await
}

/// The same on a server elsewhere that keeps a copy of the log: every stream but the queue, what was
/// parked and the keys, each a mirror of the origin's.
///
/// # Errors
/// As [`apply`].
pub async fn apply_mirrors(log: &Log, replicas: u8) -> Result<(), TopologyError> {
    apply_all(log, mirrors(replicas)).await
}

/// How `stream` is kept at the origin, in nats-server's own JSON.
#[must_use]
pub fn config(stream: &str, replicas: u8) -> Option<Value> {
    let item = items(replicas).into_iter().find(|it| it.stream == stream && it.consumer.is_none());
    item.map(|item| Value::Object(item.config))
}

async fn apply_all(log: &Log, items: Vec<Item>) -> Result<(), TopologyError> {
    let Backend::Server(wire) = &*log.backend else { return Ok(()) };
    for item in items {
        let found = item.found(wire).await?;
        let verb = match &found {
            None => "create",
            Some(found) if item.drifts(Some(found)).is_empty() => continue,
            Some(found) if item.must_be_made_anew(found) => {
                item.delete(wire).await?;
                "create"
            }
            Some(_) => "update",
        };
        let report = item.put(wire, verb).await?;
        if let Some(drift) = item.drifts(Some(&report)).into_iter().next() {
            return Err(TopologyError::Drifted(drift));
        }
        tracing::info!(what = item.what(), verb, "applied");
    }
    Ok(())
}

/// Everything in which the server differs from `nats/`.
///
/// # Errors
/// [`TopologyError`] when the server cannot be asked.
pub async fn diff(log: &Log, replicas: u8) -> Result<Vec<Drift>, TopologyError> {
    let Backend::Server(wire) = &*log.backend else { return Ok(Vec::new()) };
    let mut drifts = Vec::new();
    for item in items(replicas) {
        let found = item.found(wire).await?;
        drifts.extend(item.drifts(found.as_ref()));
    }
    Ok(drifts)
}

/// A stream, or a consumer of one.
struct Item {
    stream: String,
    consumer: Option<String>,
    config: Map<String, Value>,
}

impl Item {
    fn what(&self) -> String {
        match &self.consumer {
            None => format!("stream {}", self.stream),
            Some(consumer) => format!("consumer {}/{consumer}", self.stream),
        }
    }

    async fn found(&self, wire: &Wire) -> Result<Option<Map<String, Value>>, TopologyError> {
        let subject = match &self.consumer {
            None => format!("STREAM.INFO.{}", self.stream),
            Some(consumer) => format!("CONSUMER.INFO.{}.{consumer}", self.stream),
        };
        match wire.api(&subject, &Value::Null, "look at a stream or consumer").await? {
            Ok(report) => Ok(Some(config_of(&report))),
            Err(error) if [STREAM_NOT_FOUND, CONSUMER_NOT_FOUND].contains(&error.err_code) => {
                Ok(None)
            }
            Err(error) => Err(self.refused(error)),
        }
    }

    async fn put(&self, wire: &Wire, verb: &str) -> Result<Map<String, Value>, TopologyError> {
        let config = Value::Object(self.config.clone());
        let (subject, query) = match &self.consumer {
            None => (format!("STREAM.{}.{}", verb.to_uppercase(), self.stream), config),
            Some(consumer) => (
                self.consumer_subject(consumer),
                // The action keeps a creation from rewriting a consumer that came to be meanwhile.
                serde_json::json!({
                    "stream_name": self.stream, "action": verb, "config": config,
                }),
            ),
        };
        match wire.api(&subject, &query, "create or update a stream or consumer").await? {
            Ok(report) => Ok(config_of(&report)),
            Err(error) => Err(self.refused(error)),
        }
    }

    /// [`WORK`] or a consumer of it, kept or filled in another way than wanted. The server changes
    /// that for none, or forgets where it was; but these can be made anew, from what is in [`JOBS`] and what is in the queue: a
    /// message too many is looked at, and nothing more.
    fn must_be_made_anew(&self, found: &Map<String, Value>) -> bool {
        let differs = |field: &&str| {
            let set = |config: &Map<String, Value>| {
                config.get(*field).filter(|value| !is_unset(value)).cloned()
            };
            set(found) != set(&self.config)
        };
        self.stream == WORK && ["persist_mode", "mem_storage", "sources"].iter().any(differs)
    }

    async fn delete(&self, wire: &Wire) -> Result<(), TopologyError> {
        let subject = match &self.consumer {
            None => format!("STREAM.DELETE.{}", self.stream),
            Some(consumer) => format!("CONSUMER.DELETE.{}.{consumer}", self.stream),
        };
        match wire.api(&subject, &Value::Null, "delete a stream or consumer").await? {
            Ok(_) => Ok(()),
            Err(error) => Err(self.refused(error)),
        }
    }

    /// The server holds the filter in the subject against that in the request, so that rights can
    /// be given for it.
    fn consumer_subject(&self, consumer: &str) -> String {
        match self.config.get("filter_subject").and_then(Value::as_str) {
            Some(filter) => format!("CONSUMER.CREATE.{}.{consumer}.{filter}", self.stream),
            None => format!("CONSUMER.CREATE.{}.{consumer}", self.stream),
        }
    }

    fn drifts(&self, found: Option<&Map<String, Value>>) -> Vec<Drift> {
        let drift = |field: &str, wanted: Value, found: Value| Drift {
            what: self.what(),
            field: field.to_owned(),
            wanted,
            found,
        };
        let Some(found) = found else {
            return vec![drift("", Value::Object(self.config.clone()), Value::Null)];
        };
        let mut drifts = Vec::new();
        for (field, wanted) in &self.config {
            let have = found.get(field).cloned().unwrap_or_default();
            if have != *wanted && !(is_unset(&have) && is_unset(wanted)) {
                drifts.push(drift(field, wanted.clone(), have));
            }
        }
        for (field, have) in found {
            // The server notes its own version in the metadata, and a limit on later consumers.
            let own = ["metadata", "consumer_limits"].contains(&field.as_str());
            if !self.config.contains_key(field) && !own && !is_unset(have) {
                drifts.push(drift(field, Value::Null, have.clone()));
            }
        }
        drifts
    }

    fn refused(&self, error: crate::wire::ApiError) -> TopologyError {
        TopologyError::Refused {
            what: self.what(),
            code: error.err_code,
            description: error.description,
        }
    }
}

fn items(replicas: u8) -> Vec<Item> {
    let mut items = Vec::new();
    for config in streams() {
        let stream = name(&config);
        let Value::Object(mut config) = config else { continue };
        config.insert("num_replicas".to_owned(), replicas.into());
        if replicas > 1 {
            // Servers that agree on each message know no other way than to keep it at once.
            config.remove("persist_mode");
        }
        items.push(Item { stream, consumer: None, config });
    }
    for (stream, config) in consumers() {
        items.extend(consumer(stream, config));
    }
    items
}

/// What of a stream's configuration a mirror has from its origin.
const FROM_THE_ORIGIN: [&str; 4] = ["subjects", "republish", "allow_atomic", "duplicate_window"];

fn mirrors(replicas: u8) -> Vec<Item> {
    let mirrored = |item: &Item| {
        item.consumer.is_none() && ![WORK, PARKED, KEYS].contains(&item.stream.as_str())
    };
    let mut mirrors: Vec<Item> = items(replicas).into_iter().filter(mirrored).collect();
    for item in &mut mirrors {
        item.config.retain(|field, _| !FROM_THE_ORIGIN.contains(&field.as_str()));
        let external = serde_json::json!({ "api": ORIGIN_API, "deliver": "" });
        let mirror = serde_json::json!({ "name": item.stream, "external": external });
        item.config.insert("mirror".to_owned(), mirror);
    }
    mirrors
}

fn consumer(stream: String, config: Value) -> Option<Item> {
    let consumer = Some(name(&config));
    let Value::Object(config) = config else { return None };
    Some(Item { stream, consumer, config })
}

/// Makes a consumer of [`WORK`] again that the servers know nothing of any more. How far workers
/// have come is kept in memory, where it costs no disk for every message that is handed out or
/// settled: a consumer made anew starts with the first message that nobody has acknowledged, and
/// the queue holds no others.
pub(crate) async fn restore(wire: &Wire, stream: &str, name: &str) -> Result<(), TopologyError> {
    let described = consumers().into_iter().filter(|(of, _)| of == WORK && of == stream);
    let mut items = described.filter_map(|(of, config)| consumer(of, config));
    let Some(item) = items.find(|item| item.consumer.as_deref() == Some(name)) else {
        return Ok(());
    };
    item.put(wire, "create").await?;
    tracing::info!(what = item.what(), "nobody answered for it; made sure that it is there");
    Ok(())
}

pub(crate) fn streams() -> Vec<Value> {
    STREAMS.into_iter().filter_map(parse).collect()
}

/// What every stream is called.
pub(crate) fn names() -> Vec<String> {
    streams().iter().map(name).collect()
}

pub(crate) fn consumers() -> Vec<(String, Value)> {
    WORKERS
        .into_iter()
        .chain(OTHERS.iter().copied())
        .filter_map(|(stream, text)| Some((stream.to_owned(), parse(text)?)))
        .collect()
}

/// Whether `stream` takes several messages as one.
pub(crate) fn takes_batches(stream: &str) -> bool {
    [JOBS, ACCOUNTS, DELIVERIES, ENDPOINTS, MEMBERS, UPLOADS, TILES, KEYS].contains(&stream)
}

/// How long a consumer waits for an acknowledgement.
pub(crate) fn ack_wait(stream: &str, consumer: &str) -> Duration {
    const USUAL: Duration = Duration::from_secs(30);
    consumers()
        .into_iter()
        .find(|(of, config)| of == stream && name(config) == consumer)
        .and_then(|(_, config)| config.get("ack_wait")?.as_u64())
        .map_or(USUAL, Duration::from_nanos)
}

/// What `stream` takes in.
pub(crate) fn ingest(stream: &str) -> String {
    streams()
        .into_iter()
        .find(|config| name(config) == stream)
        .and_then(|config| Some(config.get("republish")?.get("src")?.as_str()?.to_owned()))
        .unwrap_or_else(|| format!("darkroom.{}.>", stream.to_lowercase()))
}

/// Where the work queue puts a requested job: the same transform as the server's.
pub(crate) fn work_subject(subject: &str) -> String {
    debug_assert!(matches("darkroom.job.*.*.requested", subject));
    let mut tokens = subject.split('.').skip(2);
    let account = tokens.next().unwrap_or_default();
    let job = tokens.next().unwrap_or_default();
    format!("darkroom.work.{}.{account}.{job}", shard(account))
}

/// nats-server's `partition`: FNV-1a of the token, modulo the number of shards.
fn shard(token: &str) -> u32 {
    let fold = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(16_777_619);
    token.bytes().fold(2_166_136_261, fold) % SHARDS
}

fn parse(text: &str) -> Option<Value> {
    // The files are part of the program; a test reads them all.
    serde_json::from_str(text).ok()
}

fn name(config: &Value) -> String {
    config.get("name").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn config_of(report: &Value) -> Map<String, Value> {
    report.get("config").and_then(Value::as_object).cloned().unwrap_or_default()
}

/// Values that mean the same as none.
fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => matches!(number.as_i64(), Some(0 | -1)),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_description_is_json_and_named_like_its_file() {
        let files = |folder: &str| {
            let folder = format!("{}/../../nats/{folder}", env!("CARGO_MANIFEST_DIR"));
            let names = std::fs::read_dir(folder).unwrap();
            let mut names: Vec<String> =
                names.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        let described = |mut names: Vec<String>| {
            names.sort();
            names
        };
        let streams = names().into_iter().map(|name| format!("{name}.json"));
        assert_eq!(described(streams.collect()), files("streams"));
        let of = |(stream, config): (String, Value)| format!("{stream}.{}.json", name(&config));
        assert_eq!(described(consumers().into_iter().map(of).collect()), files("consumers"));
    }
}
