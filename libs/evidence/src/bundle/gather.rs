//! Puts a bundle together, with no more than the right to read.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    Aggregate as _,
    account::Accounts,
    delivery::{self, Deliveries},
    endpoint,
    id::{EndpointId, EventId},
    job::{self, Jobs},
};
use eventlog::{Log, Raw, Span, Statement, Unavailable, topology};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

use super::{About, Bundle, KIND, Proven, VERSION, check::summary};
use crate::{
    Hash, KEY_HEADER,
    checkpoint::Checkpoint,
    note::Note,
    proof::{self, Plan},
    shelf::{Shelf, ShelfError},
    verify::{Signed, Stored},
};

/// The most events that a bundle holds.
const EVENTS_MAX: usize = 20_000;
/// How many histories are looked for at once.
const AT_ONCE: usize = 16;

/// A bundle cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// The log did not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// A tree cannot be read.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// There is more than a bundle holds.
    #[error("it has more than {EVENTS_MAX} events, which is the most that a bundle holds")]
    TooMany,
}

/// The newest checkpoint of one stream, its signature not looked at.
struct Newest {
    note: String,
    size: u64,
    key: Option<String>,
}

/// Evidence of what `about` names, as far as it is signed by now. Without events there is no such
/// thing. `keys` are verifier keys to be put into it; without any, those that the log says are its own.
///
/// # Errors
/// [`GatherError`].
pub async fn gather(
    log: &Log,
    about: About,
    keys: Vec<String>,
    now: Timestamp,
) -> Result<Bundle, GatherError> {
    let mut histories: Vec<(&str, Vec<Stored>)> = Vec::new();
    match about.job {
        None => {
            let prefix = Accounts::prefix(&about.account);
            histories.push((topology::ACCOUNTS, read(log, topology::ACCOUNTS, &prefix).await?));
        }
        Some(job) => {
            let id = job::Id { account: about.account, job };
            let events = read(log, topology::JOBS, &Jobs::prefix(&id)).await?;
            let told = deliveries(log, id, &events).await?;
            histories.extend([(topology::JOBS, events), (topology::DELIVERIES, told)]);
        }
    }
    if histories.iter().map(|(_, events)| events.len()).sum::<usize>() > EVENTS_MAX {
        return Err(GatherError::TooMany);
    }
    let (mut checkpoints, mut own) = (Vec::new(), BTreeSet::new());
    let mut proven: Vec<Vec<Proven>> = Vec::new();
    for (stream, events) in histories.into_iter().filter(|(_, events)| !events.is_empty()) {
        let last = events.last().map_or(0, |event| event.seq);
        let newest = newest(log, stream, last).await?;
        let size = newest.as_ref().map_or(0, |newest| newest.size);
        proven.push(prove(log, stream, size, events).await?);
        if let Some(newest) = newest {
            own.extend(newest.key);
            checkpoints.push(Signed { stream: stream.to_owned(), note: newest.note });
        }
    }
    let events = in_time(proven);
    Ok(Bundle {
        kind: KIND.to_owned(),
        version: VERSION,
        made_at: now,
        about,
        summary: summary(&events),
        keys: if keys.is_empty() { own.into_iter().collect() } else { keys },
        checkpoints,
        events,
    })
}

async fn read(log: &Log, stream: &str, prefix: &str) -> Result<Vec<Stored>, GatherError> {
    let span = Span { filter: Some(format!("{prefix}.>")), ..Span::default() };
    let raws: Vec<Raw> = log.replay(stream, span).take(EVENTS_MAX + 1).try_collect().await?;
    Ok(raws.into_iter().map(Stored::from).collect())
}

/// What became of telling these events of a job to anybody: each to its callback URL and to every
/// endpoint that the account ever had.
async fn deliveries(log: &Log, id: job::Id, events: &[Stored]) -> Result<Vec<Stored>, GatherError> {
    let span =
        Span { filter: Some(format!("darkroom.endpoint.{}.>", id.account)), ..Span::default() };
    let mut endpoints = BTreeSet::from([EndpointId::derived(id.job.as_uuid(), b"callback")]);
    let mut changes = Box::pin(log.replay(topology::ENDPOINTS, span));
    while let Some(raw) = changes.next().await.transpose()? {
        let token = raw.subject.split('.').nth(3);
        endpoints.extend(token.and_then(|token| token.parse::<EndpointId>().ok()));
    }
    let told: Vec<EventId> = events.iter().filter_map(|event| event.raw().event_id()).collect();
    let prefixes: Vec<String> = endpoints
        .into_iter()
        .flat_map(|endpoint| {
            let endpoint = endpoint::Id { account: id.account, endpoint };
            told.iter().map(move |event| delivery::Id::of(endpoint, *event))
        })
        .map(|delivery| Deliveries::prefix(&delivery))
        .collect();
    let found: Vec<Vec<Stored>> = stream::iter(prefixes)
        .map(|prefix| async move { read(log, topology::DELIVERIES, &prefix).await })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let mut found: Vec<Stored> = found.into_iter().flatten().collect();
    found.sort_by_key(|event| event.seq);
    Ok(found)
}

/// The newest checkpoint; the newest that witnesses signed, if it reaches as far as is needed.
async fn newest(log: &Log, stream: &str, last: u64) -> Result<Option<Newest>, GatherError> {
    let shelf = Shelf::new(log);
    let read = |raw: &Raw| {
        let note = String::from_utf8(raw.body.to_vec()).ok()?;
        let checkpoint: Checkpoint = Note::parse(&note).ok()?.text.parse().ok()?;
        let key = raw.headers.get(KEY_HEADER).map(ToOwned::to_owned);
        Some(Newest { size: checkpoint.size, note, key })
    };
    let cosigned = shelf.last(stream, Statement::Cosigned).await?;
    if let Some(newest) = cosigned.as_ref().and_then(read).filter(|it| it.size >= last) {
        return Ok(Some(newest));
    }
    Ok(shelf.last(stream, Statement::Signed).await?.as_ref().and_then(read))
}

/// Adds to each event its path to the root of the tree of this size.
async fn prove(
    log: &Log,
    stream: &str,
    size: u64,
    events: Vec<Stored>,
) -> Result<Vec<Proven>, GatherError> {
    let shelf = Shelf::new(log);
    let kept = if size > 0 { shelf.kept(stream).await? } else { None };
    // What is signed was claimed before.
    let Some(kept) = kept.filter(|kept| kept.claim.size >= size) else {
        return Ok(events.into_iter().map(|event| Proven { event, path: None }).collect());
    };
    let plan = |event: &Stored| proof::inclusion(event.seq.checked_sub(1)?, size).ok();
    let plans: BTreeMap<u64, Plan> =
        events.iter().filter_map(|event| Some((event.seq, plan(event)?))).collect();
    let nodes: Vec<_> = plans.values().flat_map(Plan::nodes).collect();
    let tiles = shelf.tiles(stream, &kept, nodes).await?;
    let prove = |event: Stored| {
        let path: Option<Vec<Hash>> = plans
            .get(&event.seq)
            .map(|plan| plan.make(&tiles).map_err(|missing| ShelfError::missing(stream, missing)))
            .transpose()?;
        Ok(Proven { event, path })
    };
    events.into_iter().map(prove).collect()
}

/// All of them by the times that they state, each stream in its own order.
fn in_time(streams: Vec<Vec<Proven>>) -> Vec<Proven> {
    let mut rests: Vec<_> = streams.into_iter().map(|it| it.into_iter().peekable()).collect();
    let mut merged = Vec::new();
    loop {
        let mut earliest: Option<(Option<Timestamp>, usize)> = None;
        for (index, rest) in rests.iter_mut().enumerate() {
            let Some(next) = rest.peek() else { continue };
            let time = next.event.decided_at().and_then(|text| text.parse().ok());
            if earliest.is_none_or(|(best, _)| time < best) {
                earliest = Some((time, index));
            }
        }
        let next = earliest.and_then(|(_, index)| rests.get_mut(index)?.next());
        match next {
            Some(proven) => merged.push(proven),
            None => return merged,
        }
    }
}
