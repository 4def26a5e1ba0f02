//! From the log to the read model: followed live, or read again from the start.

use std::sync::Arc;

use domain::{
    Aggregate,
    account::{self, Accounts},
    delivery::Deliveries,
    endpoint::Endpoints,
    id::JobId,
    job::{self, Jobs},
    member::Members,
    upload::Uploads,
};
use eventlog::{Log, Raw, Span, Unavailable, follow};
use futures::StreamExt as _;
use readmodel::{Change, Entry, Positions, Store, Stream};
use tokio::{
    sync::mpsc,
    time::{Duration, MissedTickBehavior, interval},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    app::{self, App},
    error::Error,
    quotas::Accepted,
};

/// How often the read model is compared with the end of the log.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How long to wait before following a stream again that has lost messages.
const DAMAGE_PAUSE: Duration = Duration::from_secs(30);
/// How often in a row the log must end before the read model to be believed.
const SURE_AFTER: u32 = 5;
/// How long to wait between two looks at that.
const SURE_PAUSE: Duration = Duration::from_millis(200);
/// Events applied at once when everything is read again, more or less: of rows that change often only
/// the last state is written.
const REBUILD_EVENTS: usize = 8_000;
/// Such batches that are read and decoded ahead.
const REBUILD_AHEAD: usize = 2;
/// Pages that are decoded at once.
const DECODING: usize = 2;

/// Entries, page by page.
type Batch = Vec<Vec<Entry>>;

/// Reads the log from where `store` stopped up to `until`, and answers where it stands then. What it
/// has read is in the store, however it ends: called again it goes on from there. `told` is called
/// now and then with how far it has come.
///
/// # Errors
/// [`Error::Replay`] when the log breaks off, [`Error::ReadModel`] when the store does.
pub async fn rebuild(
    log: &Log,
    store: Arc<Store>,
    until: Positions,
    mut told: impl FnMut(Positions) + Send,
) -> Result<Positions, Error> {
    for stream in Stream::ALL {
        let from = store.position(stream) + 1;
        if from > until.of(stream) {
            continue;
        }
        let span = Span { from_seq: Some(from), to_seq: Some(until.of(stream)), ..Span::default() };
        let (sender, mut batches) = mpsc::channel(REBUILD_AHEAD);
        let pages = log.replay_pages(app::name(stream), span);
        // What comes next is read and decoded while what came before is written.
        let reading = AbortOnDropHandle::new(tokio::spawn(read(stream, pages, sender)));
        while let Some(batch) = batches.recv().await {
            let store = Arc::clone(&store);
            let applied = move || store.apply(batch.iter().flatten());
            told(tokio::task::spawn_blocking(applied).await??);
        }
        reading.await??;
    }
    Ok(store.positions())
}

/// Decodes pages and sends on what they say, batch by batch; what was read before an error as well.
async fn read(
    stream: Stream,
    pages: impl futures::Stream<Item = Result<Vec<Raw>, Unavailable>> + Send,
    sender: mpsc::Sender<Batch>,
) -> Result<(), Error> {
    let decoded = pages.map(|page| async move {
        let page = page?;
        let entries = tokio::task::spawn_blocking(move || {
            page.iter().map(|raw| entry(stream, raw)).collect::<Vec<_>>()
        });
        Ok::<_, Error>(entries.await?)
    });
    let mut decoded = std::pin::pin!(decoded.buffered(DECODING));
    let (mut batch, mut events) = (Batch::new(), 0);
    let ended = loop {
        match decoded.next().await {
            Some(Ok(entries)) => {
                events += entries.len();
                batch.push(entries);
            }
            Some(Err(error)) => break Err(error),
            None => break Ok(()),
        }
        if events >= REBUILD_EVENTS {
            events = 0;
            if sender.send(std::mem::take(&mut batch)).await.is_err() {
                // Whoever wanted it has gone.
                return Ok(());
            }
        }
    };
    let _gone = sender.send(batch).await.is_err();
    ended
}

/// Where every stream ends now.
///
/// # Errors
/// [`Error::Replay`] when the log does not answer.
pub async fn ends(log: &Log) -> Result<Positions, Error> {
    Ok(Positions {
        accounts: log.last_sequence(app::name(Stream::Accounts)).await?,
        jobs: log.last_sequence(app::name(Stream::Jobs)).await?,
        members: log.last_sequence(app::name(Stream::Members)).await?,
        uploads: log.last_sequence(app::name(Stream::Uploads)).await?,
        endpoints: log.last_sequence(app::name(Stream::Endpoints)).await?,
        deliveries: log.last_sequence(app::name(Stream::Deliveries)).await?,
    })
}

/// Keeps the read model up to the log until the shutdown: every stream followed, and their ends
/// compared with what has been reached.
///
/// # Errors
/// [`Error::ReadModel`] when the store cannot be written, [`Error::LogEndsEarlier`] when the log is
/// not the one the rows were made from. Calling again is what helps, in either case.
pub(crate) async fn keep(app: Arc<App>, shutdown: CancellationToken) -> Result<(), Error> {
    reconcile(&app).await?;
    let parts = shutdown.child_token();
    // Whichever ends first ends the others.
    let _ends_all = parts.clone().drop_guard();
    tokio::try_join!(
        follow(&app, Stream::Accounts, &parts),
        follow(&app, Stream::Jobs, &parts),
        follow(&app, Stream::Members, &parts),
        follow(&app, Stream::Uploads, &parts),
        follow(&app, Stream::Endpoints, &parts),
        follow(&app, Stream::Deliveries, &parts),
        watch(&app, &parts),
    )?;
    Ok(())
}

async fn follow(app: &Arc<App>, stream: Stream, shutdown: &CancellationToken) -> Result<(), Error> {
    while !shutdown.is_cancelled() {
        let from = app.store.position(stream) + 1;
        let mut tail =
            follow::ordered(&app.log, app::name(stream), from, None, shutdown.child_token());
        while let Some(batch) = tail.next().await {
            match batch {
                Ok(raws) => {
                    let Applied { reached, jobs, accepted, accounts } =
                        apply(&app.store, stream, raws).await?;
                    // Whoever knows that something has happened must not be answered from before.
                    if accounts {
                        app.callers.forget();
                    }
                    if stream == Stream::Members {
                        app.callers.stir();
                    }
                    if stream == Stream::Jobs {
                        app.views.forget(jobs);
                        app.gate.hear(&accepted, reached.jobs, app.clock.now());
                    }
                    app.currency.set_damaged(stream, false);
                    app.reached.send_if_modified(|known| {
                        let news = !known.cover(&reached);
                        if news {
                            *known = reached;
                        }
                        news
                    });
                }
                Err(gap) => {
                    tracing::error!(error = %gap, "reads of what follows go to the log itself");
                    app.currency.set_damaged(stream, true);
                    break;
                }
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(DAMAGE_PAUSE) => {}
        }
    }
    Ok(())
}

/// Keeps comparing the read model with the end of the log, so that everybody knows how current it
/// is, and a log that is suddenly shorter is noticed.
async fn watch(app: &Arc<App>, shutdown: &CancellationToken) -> Result<(), Error> {
    let mut ticks = interval(CHECK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut shorter = 0;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        let reached = *app.reached.borrow();
        let mut ends = reached;
        for stream in Stream::ALL {
            let asked_at = app.clock.now();
            let Ok(last) = app.barrier(stream).position().await else { continue };
            if app.reached.borrow().of(stream) == last {
                app.currency.confirm(stream, asked_at);
            }
            if last < reached.of(stream) {
                ends = Positions::default();
            }
        }
        // One server of several may be a little behind; none stays behind.
        shorter = if ends.cover(&reached) { 0 } else { shorter + 1 };
        if shorter >= SURE_AFTER {
            return Err(Error::LogEndsEarlier);
        }
    }
}

/// What reaches further than the log was made from another one, and is forgotten.
async fn reconcile(app: &Arc<App>) -> Result<(), Error> {
    let reached = app.store.positions();
    for _ in 0..SURE_AFTER {
        if ends(&app.log).await?.cover(&reached) {
            return Ok(());
        }
        tokio::time::sleep(SURE_PAUSE).await;
    }
    tracing::error!(?reached, "the log ends before the read model: making it anew");
    let store = app.store.clone();
    tokio::task::spawn_blocking(move || store.clear()).await??;
    app.callers.forget();
    app.gate.forget();
    app.views.forget_all();
    app.reached.send_replace(Positions::default());
    Ok(())
}

/// What was taken into the rows.
struct Applied {
    /// How far they reach now.
    reached: Positions,
    /// Which jobs it was about.
    jobs: Vec<JobId>,
    /// Those of them that were accepted.
    accepted: Vec<Accepted>,
    /// Whether any account or its key pairs are not what they were.
    accounts: bool,
}

/// Takes `raws` into the rows.
async fn apply(store: &Arc<Store>, stream: Stream, raws: Vec<Raw>) -> Result<Applied, Error> {
    let store = store.clone();
    let applied = tokio::task::spawn_blocking(move || {
        let entries: Vec<Entry> = raws.iter().map(|raw| entry(stream, raw)).collect();
        let reached = store.apply(&entries).inspect_err(|error| {
            if error.is_damage() {
                tracing::error!(%error, "the read model is damaged; it is made anew at the next start");
                if let Err(error) = store.condemn() {
                    tracing::error!(error = %service::Chain(&error), "it cannot be marked as such");
                }
            }
        })?;
        Ok::<_, Error>(Applied {
            reached,
            jobs: entries.iter().filter_map(touched).collect(),
            accepted: entries.iter().filter_map(accepted).collect(),
            accounts: entries.iter().any(changes_accounts),
        })
    });
    applied.await?
}

fn touched(entry: &Entry) -> Option<JobId> {
    match &entry.change {
        Change::Job(id, _) => Some(id.job),
        Change::Account(..)
        | Change::Member(..)
        | Change::Upload(..)
        | Change::Endpoint(..)
        | Change::Delivery(..)
        | Change::Unreadable => None,
    }
}

fn accepted(entry: &Entry) -> Option<Accepted> {
    match &entry.change {
        Change::Job(id, job::Event::Requested(_)) => {
            Some(Accepted { account: id.account, seq: entry.seq, at: entry.at })
        }
        _ => None,
    }
}

/// That a key pair was used says nothing new of what it may do.
fn changes_accounts(entry: &Entry) -> bool {
    entry.stream == Stream::Accounts
        && !matches!(entry.change, Change::Account(_, account::Event::ApplicationUsed { .. }))
}

/// How subjects of a stream name what it holds.
#[must_use]
pub const fn noun(stream: Stream) -> &'static str {
    match stream {
        Stream::Accounts => Accounts::NOUN,
        Stream::Jobs => Jobs::NOUN,
        Stream::Members => Members::NOUN,
        Stream::Uploads => Uploads::NOUN,
        Stream::Endpoints => Endpoints::NOUN,
        Stream::Deliveries => Deliveries::NOUN,
    }
}

/// The name of a stream in the log.
#[must_use]
pub const fn name(stream: Stream) -> &'static str {
    app::name(stream)
}

/// A message as rows are made of it.
#[must_use]
pub fn entry(stream: Stream, raw: &Raw) -> Entry {
    let change = match stream {
        Stream::Jobs => decode::<Jobs>(raw, Change::Job),
        Stream::Accounts => decode::<Accounts>(raw, Change::Account),
        Stream::Members => decode::<Members>(raw, Change::Member),
        Stream::Uploads => decode::<Uploads>(raw, Change::Upload),
        Stream::Endpoints => decode::<Endpoints>(raw, Change::Endpoint),
        Stream::Deliveries => decode::<Deliveries>(raw, Change::Delivery),
    };
    let at = raw.time().unwrap_or(domain::Timestamp::UNIX_EPOCH);
    Entry { stream, seq: raw.seq, at, change }
}

fn decode<A: Aggregate>(raw: &Raw, change: impl Fn(A::Id, A::Event) -> Change) -> Change {
    match raw.event::<A>() {
        Ok((id, event, _)) => change(id, event),
        Err(error) => {
            tracing::error!(
                error = %service::Chain(&error), stream.seq = raw.seq,
                "an event cannot be read; rows go on without it"
            );
            Change::Unreadable
        }
    }
}
