//! A delivery: first tried where it was found to be due, then pursued from the log until it is over.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use custody::Custody;
use domain::{
    Aggregate, Timestamp,
    delivery::{self, Deliveries, FailureCode, Phase, State, Told},
    endpoint::{self, Endpoint, Payload, of_event},
    id::EndpointId,
    job::{self, Job, Jobs},
};
use eventlog::{Loaded, Log, ReadError, TransactError, topology};
use futures::future::join_all;
use jiff::SignedDuration;
use service::Clock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    attempt::Went,
    book::{Behind, Book},
    journal::Journal,
    lanes::{Entry, Lanes},
    matter::Matter,
    settings,
    target::{self, Opener, Target},
    told::Happening,
    turns::{Turn, Turns},
};

/// How long a delivery waits that is being pursued.
const A_WHILE: Duration = Duration::from_millis(500);
/// How long what happened before may take to be told on its own.
const HEAD_START: SignedDuration = SignedDuration::from_secs(5);
/// Most first attempts that are under way or wait for room: what may be held in memory of a burst.
pub(crate) const MOST_BEGUN: usize = 2_048;
/// Most histories that are read at once. A server takes a millisecond for one that lies deep in a stream,
/// one after the other for each who asks, and lets all other questions wait: what waits, waits here.
pub(crate) const MOST_READ: usize = 16;
/// Most deliveries that are called for when another is over: two, so that an endpoint which does well
/// again soon has as many at once as it may.
const CALLED_AT_ONCE: u32 = 2;

/// Delivers what happened to whoever wants to know.
pub(crate) struct Deliverer {
    pub(crate) log: Log,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) custody: Custody,
    pub(crate) egress: egress::Client,
    pub(crate) settings: settings::Dispatcher,
    pub(crate) book: Book,
    pub(crate) lanes: Lanes,
    pub(crate) opener: Opener,
    pub(crate) turns: Turns,
    pub(crate) journal: Arc<Journal>,
    /// One permit for each first attempt that has begun, be it only to wait for room.
    pub(crate) begun: Arc<Semaphore>,
    /// One permit for each first attempt on its way.
    pub(crate) calls: Semaphore,
    /// One permit for each history that is being read.
    pub(crate) reads: Semaphore,
}

/// What has become of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Told, or given up.
    Over,
    /// An attempt is due at this time.
    DueAt(Timestamp),
    /// An attempt is due, and has to wait this long.
    Later(Duration),
    /// An attempt is due as soon as another delivery is over, and is then called for here.
    Behind,
}

/// Why nothing could be recorded. Trying again is safe.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A history could not be read.
    #[error("read what is to be told")]
    Read(#[from] ReadError),
    /// Who is to be told is not known.
    #[error("find out who is to be told")]
    Behind(#[from] Behind),
    /// A field could not be opened.
    #[error("open what is to be told")]
    Custody(#[from] custody::Error),
    /// The delivery could not be recorded.
    #[error("record the delivery")]
    Record(#[from] TransactError<delivery::Refusal>),
}

impl Deliverer {
    /// Tells everybody of it who wants to know: at once where there is room, else later. `again`:
    /// this may have been done before, in part. `but`: an endpoint that is not told.
    pub(crate) async fn tell(
        &self,
        happening: &Happening,
        again: bool,
        but: Option<EndpointId>,
    ) -> Result<(), Error> {
        let endpoints = self.book.endpoints(happening.account).await?;
        let topic = happening.topic();
        let mut wanted: BTreeMap<EndpointId, Arc<Endpoint>> = endpoints
            .into_iter()
            .filter(|(id, _)| but != Some(*id))
            .filter(|(_, known)| known.disabled.is_none() && known.added_at <= happening.time)
            .filter(|(_, known)| known.wants(&topic, None))
            .collect();
        if wanted.is_empty() && !happening.is_outcome() {
            return Ok(());
        }
        let mut room = self.room_for(wanted.len() + 1).await;
        let job = self.job(happening.job()).await?;
        if let Some((_, job)) = &job {
            wanted.retain(|_, known| known.wants(&topic, Some(job.requested.application)));
        }
        let mut targets: Vec<Target> = wanted
            .into_iter()
            .map(|(endpoint, known)| {
                let id = endpoint::Id { account: happening.account, endpoint };
                let id = delivery::Id::of(id, happening.told.event_id);
                Target::Endpoint { id, endpoint: known }
            })
            .collect();
        if let Some((id, job)) = job.as_ref().filter(|_| happening.is_outcome()) {
            let delivery = delivery::Id::of_callback(id.account, id.job, happening.told.event_id);
            match target::callback(&self.custody, *id, job, delivery).await {
                Ok(callback) => targets.extend(callback),
                // Nobody can read any more who was to be told.
                Err(custody::Error::Erased) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if targets.is_empty() {
            return Ok(());
        }
        let account = self.book.account(happening.account).await?;
        let matter = Matter::new(&happening.told, job.as_ref(), &account);
        let told = targets.iter().map(|target| {
            let mine = room.as_mut().and_then(|room| room.split(1));
            let begun = self.begin(target, &matter, again);
            async move {
                let done = begun.await;
                // Whoever takes long keeps the room of no other.
                drop(mine);
                done
            }
        });
        join_all(told).await.into_iter().collect()
    }

    /// Tells an endpoint that was just added so, whatever else it wants to be told: whoever added it
    /// sees whether it works.
    pub(crate) async fn greet(
        &self,
        id: endpoint::Id,
        happening: &Happening,
        again: bool,
    ) -> Result<(), Error> {
        let mut endpoints = self.book.endpoints(id.account).await?;
        let known = endpoints.remove(&id.endpoint).filter(|known| known.disabled.is_none());
        let Some(endpoint) = known else { return Ok(()) };
        let account = self.book.account(id.account).await?;
        let matter = Matter::new(&happening.told, None, &account);
        let id = delivery::Id::of(id, happening.told.event_id);
        self.begin(&Target::Endpoint { id, endpoint }, &matter, again).await
    }

    /// Reads a history, when it is its turn.
    pub(crate) async fn load<A: Aggregate>(&self, id: &A::Id) -> Result<Loaded<A>, ReadError> {
        let _turn = self.reads.acquire().await;
        self.log.load(id).await
    }

    /// Waits until so many may begin, however many there are of one happening.
    async fn room_for(&self, count: usize) -> Option<OwnedSemaphorePermit> {
        let count = u32::try_from(count.min(MOST_BEGUN)).unwrap_or(u32::MAX);
        // Nobody closes it.
        Arc::clone(&self.begun).acquire_many_owned(count).await.ok()
    }

    pub(crate) async fn job(
        &self,
        id: Option<job::Id>,
    ) -> Result<Option<(job::Id, Box<Job>)>, Error> {
        let Some(id) = id else { return Ok(None) };
        Ok(match self.load::<Jobs>(&id).await?.state {
            job::State::Absent => None,
            job::State::Present(job) => Some((id, job)),
        })
    }

    /// The first attempt, where there is room for it; otherwise the delivery is noted as due.
    async fn begin(&self, target: &Target, matter: &Matter<'_>, again: bool) -> Result<(), Error> {
        let id = target.id();
        // Thousands may wait here for room: what comes before and after is kept out of what they hold.
        let known =
            if again { Box::pin(self.load::<Deliveries>(&id)).await? } else { Loaded::default() };
        if known.state.delivery().is_some() {
            // Whatever is still to be done is found by its own message.
            return Ok(());
        }
        let now = self.clock.now();
        if !Box::pin(self.is_behind_another(target, matter)).await? {
            let (lane, standing) = target.lane();
            let lane = self.lanes.of(lane, standing);
            let width = target.width(&self.settings);
            if let Entry::Go(pass) = lane.enter_soon(width, || self.clock.now()).await {
                let _call = self.calls.acquire().await;
                Box::pin(self.attempt(target, matter, known, 1, pass)).await?;
                return Ok(());
            }
        }
        let due = |state: &State| delivery::due(state, matter.told.clone());
        Box::pin(self.log.transact_from::<Deliveries, _>(&id, known, now, due)).await?;
        Ok(())
    }

    /// Makes the attempt that is due of a delivery, if one is and there is room for it.
    pub(crate) async fn pursue(&self, id: delivery::Id) -> Result<Progress, Error> {
        let Some(_pursuit) = self.turns.pursue(id) else { return Ok(Progress::Later(A_WHILE)) };
        let mut turn = self.turns.of(&id);
        if let Some(wait) = self.has_no_room(id, turn) {
            return Ok(Progress::Later(wait));
        }
        if let Turn::After(before) = turn {
            turn = match self.load::<Deliveries>(&before).await?.state.delivery() {
                Some(before) if before.is_waiting() => return Ok(Progress::Behind),
                Some(_over) => {
                    self.turns.end(&before);
                    Turn::Come
                }
                None => Turn::Unknown,
            };
        }
        let known = self.load::<Deliveries>(&id).await?;
        let Some(waiting) = known.state.delivery().cloned() else { return Ok(Progress::Over) };
        let now = self.clock.now();
        match waiting.phase {
            Phase::Delivered { .. } | Phase::Exhausted { .. } => {
                self.turns.end(&id);
                return Ok(Progress::Over);
            }
            Phase::Waiting { retry_at: Some(at) } if at > now => return Ok(Progress::DueAt(at)),
            Phase::Waiting { .. } => {}
        }
        let told = &waiting.told;
        let attempt = waiting.attempts + 1;
        let endpoint = self.book.endpoints(id.account).await?.remove(&id.endpoint);
        // It may lie deep in the log; who is told ids alone needs nothing of it.
        let says_ids = |known: &Arc<Endpoint>| known.letter.terms.payload == Payload::Thin;
        let job = if endpoint.as_ref().is_some_and(says_ids) {
            None
        } else {
            self.job(told.job.map(|job| job::Id { account: id.account, job })).await?
        };
        let account = self.book.account(id.account).await?;
        let matter = Matter::new(told, job.as_ref(), &account);
        let Some(target) = self.target(id, &matter, endpoint).await? else {
            let went = Went::not_taken(FailureCode::Disabled);
            return self
                .record(id, known, &matter, attempt, went, &self.settings.retry_after_s)
                .await;
        };
        if turn != Turn::Come && self.is_behind_another(&target, &matter).await? {
            return Ok(Progress::Behind);
        }
        let (lane, standing) = target.lane();
        match self.lanes.of(lane, standing).enter(target.width(&self.settings), now) {
            Entry::Go(pass) => self.attempt(&target, &matter, known, attempt, pass).await,
            Entry::Wait(wait) => {
                self.wait_for_room(&target);
                Ok(Progress::Later(wait))
            }
        }
    }

    /// Pursues a delivery whose turn it seemed to be. Its own message comes in any case.
    pub(crate) async fn answer(&self, id: delivery::Id) {
        if let Err(error) = self.pursue(id).await {
            tracing::warn!(delivery.id = %id, error = %service::Chain(&error), "called in vain; its own message follows");
        }
        // It may have left the room unused.
        if let Some(target) = self.enabled(id) {
            self.make_room(&target);
        }
    }

    /// How long a delivery has to wait whose endpoint has no room anyhow: thousands may wait for one
    /// that is down, and reading what each of them is about would cost those of others dear.
    fn has_no_room(&self, id: delivery::Id, turn: Turn) -> Option<Duration> {
        let target = self.enabled(id)?;
        let (lane, standing) = target.lane();
        let lane = self.lanes.of(lane, standing);
        let wait = lane.turns_away(target.width(&self.settings), self.clock.now())?;
        // Whoever comes after another is called when that is over.
        if !matches!(turn, Turn::After(_)) {
            self.wait_for_room(&target);
        }
        Some(wait)
    }

    /// The endpoint of a delivery, as last heard of, if it is enabled.
    fn enabled(&self, id: delivery::Id) -> Option<Target> {
        let endpoint =
            self.book.endpoint(id.endpoint()).filter(|known| known.disabled.is_none())?;
        Some(Target::Endpoint { id, endpoint })
    }

    /// Has a delivery called when there is room in its lane. Where only so many a second may be, room
    /// comes with time.
    fn wait_for_room(&self, target: &Target) {
        if target.width(&self.settings).per_second.is_none() {
            self.turns.wait_for_room(target.lane().0, target.id());
        }
    }

    /// Calls those who wait for the room there is in a lane.
    pub(crate) fn make_room(&self, target: &Target) {
        let (lane, standing) = target.lane();
        if self.turns.is_crowded(lane) {
            let room = self.lanes.of(lane, standing);
            let room = room.to_spare(target.width(&self.settings), self.clock.now());
            self.turns.make_room(lane, room.min(CALLED_AT_ONCE));
        }
    }

    /// Where a delivery goes; nothing if its endpoint was disabled or removed.
    async fn target(
        &self,
        id: delivery::Id,
        matter: &Matter<'_>,
        endpoint: Option<Arc<Endpoint>>,
    ) -> Result<Option<Target>, Error> {
        if let Some(endpoint) = endpoint {
            let enabled = endpoint.disabled.is_none();
            return Ok(enabled.then_some(Target::Endpoint { id, endpoint }));
        }
        let Some((job_id, job)) = matter.job else { return Ok(None) };
        if delivery::Id::of_callback(job_id.account, job_id.job, matter.told.event_id) != id {
            return Ok(None);
        }
        match target::callback(&self.custody, *job_id, job, id).await {
            Err(custody::Error::Erased) => Ok(None),
            callback => Ok(callback?),
        }
    }

    /// Whether an endpoint that wants to be told in order has not been told yet what happened to
    /// the job before.
    async fn is_behind_another(&self, target: &Target, matter: &Matter<'_>) -> Result<bool, Error> {
        let told = matter.told;
        let Some((endpoint_id, endpoint)) = target.endpoint() else { return Ok(false) };
        let ordered = endpoint.letter.terms.ordered && told.stream == topology::JOBS;
        let Some(job) = told.job.filter(|_| ordered) else { return Ok(false) };
        let job = job::Id { account: endpoint_id.account, job };
        let history = matter.history.get_or_try_init(|| async {
            let _turn = self.reads.acquire().await;
            self.log.history::<Jobs>(&job).await
        });
        let before = history.await?.iter().rev().find(|recorded| {
            let topic = of_event("job", recorded.event.name());
            recorded.seq < told.seq
                && recorded.time >= endpoint.added_at
                && endpoint.wants(&topic, None)
        });
        let Some(before) = before else { return Ok(false) };
        let id = delivery::Id::of(endpoint_id, before.event_id);
        if self.turns.is_over(&id) {
            return Ok(false);
        }
        let known = self.load::<Deliveries>(&id).await?;
        if known.state.delivery().is_some_and(|delivery| !delivery.is_waiting()) {
            self.turns.end(&id);
            return Ok(false);
        }
        if !self.turns.wait_for(id, target.id()) {
            return Ok(false);
        }
        let now = self.clock.now();
        if known.state.delivery().is_some() || now.duration_since(before.time) < HEAD_START {
            // It waits itself, or is most likely under way.
            return Ok(true);
        }
        // It waits to be taken from the log, or was never meant for this endpoint; this way it
        // cannot be forgotten.
        let before = Told {
            event_id: before.event_id,
            event_type: of_event("job", before.event.name()).as_str().to_owned(),
            job: told.job,
            time: Some(before.time),
            stream: told.stream.clone(),
            seq: before.seq,
        };
        let due = |state: &State| delivery::due(state, before.clone());
        self.log.transact_from::<Deliveries, _>(&id, known, now, due).await?;
        Ok(true)
    }
}
