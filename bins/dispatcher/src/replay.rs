//! Past events told again: an endpoint's replay, page by page, so that it goes on where it stopped.

use std::{sync::Arc, time::Duration};

use domain::{
    Aggregate as _, Timestamp,
    delivery::{self, Deliveries, Event, Phase, State},
    endpoint::{self, Endpoint, Endpoints, ReplayOnly, RunningReplay},
    id::ReplayId,
    job::Jobs,
};
use eventlog::{ReadError, Span, TransactError, Unavailable, topology};
use futures::{StreamExt as _, pin_mut, stream::FuturesUnordered};
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    book::Behind,
    deliver::{Deliverer, Error as DeliveryError},
    told::Happening,
};

/// Events looked at between two notes of how far a replay has come.
const PAGE: u64 = 1_000;
/// Deliveries made due in a second, so that what happens now is not held up.
const PER_SECOND: u32 = 500;
/// Deliveries that are being made due at once.
const AT_ONCE: usize = 32;

/// Why a replay stopped. It goes on where it stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The log breaks off.
    #[error("read past events")]
    Read(#[from] ReadError),
    /// The log does not answer.
    #[error("read past events")]
    Unavailable(#[from] Unavailable),
    /// The endpoint cannot be read.
    #[error("find the endpoint")]
    Behind(#[from] Behind),
    /// A delivery cannot be made due.
    #[error("make a delivery due")]
    Due(#[from] TransactError<delivery::Refusal>),
    /// How far it has come cannot be recorded.
    #[error("record how far it has come")]
    Record(#[from] TransactError<endpoint::Refusal>),
    /// A past event cannot be read.
    #[error("tell a past event again")]
    Deliver(#[from] DeliveryError),
}

impl Deliverer {
    /// Makes everything due that a replay asks for, from where it stopped. What was told since
    /// `asked` was told by it.
    pub(crate) async fn replay(
        &self,
        id: endpoint::Id,
        replay: ReplayId,
        asked: Timestamp,
    ) -> Result<(), Error> {
        let known = self.load::<Endpoints>(&id).await?;
        let running = known.state.endpoint().and_then(|endpoint| endpoint.replay);
        let Some(mut running) = running.filter(|running| running.replay == replay) else {
            return Ok(());
        };
        while running.through_seq < running.of.to_seq {
            let through = running.through_seq.saturating_add(PAGE).min(running.of.to_seq);
            running.deliveries += self.page(id, &running, asked, through).await?;
            running.through_seq = through;
            let (now, deliveries) = (self.clock.now(), running.deliveries);
            let step = |state: &endpoint::State| {
                endpoint::progress_replay(state, replay, through, deliveries)
            };
            let told = self.log.transact::<Endpoints, _>(&id, now, step).await?.loaded;
            if told.state.endpoint().and_then(|known| known.replay).is_none() {
                return Ok(());
            }
        }
        let (now, deliveries) = (self.clock.now(), running.deliveries);
        let end = |state: &endpoint::State| endpoint::end_replay(state, replay, deliveries);
        self.log.transact::<Endpoints, _>(&id, now, end).await?;
        Ok(())
    }

    /// Makes due what lies between where a replay stopped and `through`.
    async fn page(
        &self,
        id: endpoint::Id,
        running: &RunningReplay,
        asked: Timestamp,
        through: u64,
    ) -> Result<u64, Error> {
        let span = Span {
            filter: Some(format!("darkroom.{}.{}.>", Jobs::NOUN, id.account)),
            from_seq: Some(running.through_seq + 1),
            to_seq: Some(through),
            ..Span::default()
        };
        let messages = self.log.replay(topology::JOBS, span);
        pin_mut!(messages);
        let mut pace = interval(Duration::from_secs(1) / PER_SECOND);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut made_due, mut under_way) = (0, FuturesUnordered::new());
        while let Some(raw) = messages.next().await {
            let Ok(happening) = Happening::read(topology::JOBS, &raw?) else { continue };
            let Some(endpoint) = self.book.endpoint(id) else { continue };
            if endpoint.disabled.is_some() || !endpoint.wants(&happening.topic(), None) {
                continue;
            }
            pace.tick().await;
            if under_way.len() >= AT_ONCE
                && let Some(done) = under_way.next().await
            {
                made_due += u64::from(done?);
            }
            under_way.push(self.tell_again(id, endpoint, happening, (running.of.only, asked)));
        }
        while let Some(done) = under_way.next().await {
            made_due += u64::from(done?);
        }
        Ok(made_due)
    }

    /// Makes one delivery due, if the replay asks for it; whether it is one of the replay's, be it
    /// that a dispatcher made it due which died before it could say so.
    async fn tell_again(
        &self,
        id: endpoint::Id,
        endpoint: Arc<Endpoint>,
        happening: Happening,
        (only, asked): (ReplayOnly, Timestamp),
    ) -> Result<bool, Error> {
        if endpoint.letter.terms.applications.is_some() {
            let job = self.job(happening.job()).await?;
            let application = job.map(|(_, job)| job.requested.application);
            if !endpoint.wants(&happening.topic(), application) {
                return Ok(false);
            }
        }
        let delivery_id = delivery::Id::of(id, happening.told.event_id);
        let known = self.load::<Deliveries>(&delivery_id).await?;
        let before = known.state.delivery().map(|delivery| delivery.phase);
        let (wanted, since) = match before {
            None => (only == ReplayOnly::All, false),
            Some(Phase::Waiting { .. }) => (false, true),
            Some(Phase::Delivered { at }) => (at < asked && only == ReplayOnly::All, at >= asked),
            Some(Phase::Exhausted { at, .. }) => (at < asked, at >= asked),
        };
        if !wanted {
            return Ok(since && self.was_made_due(&delivery_id, (only, asked)).await?);
        }
        let now = self.clock.now();
        let decide = |state: &State| match state {
            State::Absent => delivery::due(state, happening.told.clone()),
            State::Present(delivery) if delivery.is_waiting() => Ok(vec![]),
            State::Present(_) => delivery::redeliver(state),
        };
        let done =
            self.log.transact_from::<Deliveries, _>(&delivery_id, known, now, decide).await?;
        Ok(!done.recorded.is_empty())
    }

    /// Whether a delivery became due since a replay was asked for.
    async fn was_made_due(
        &self,
        id: &delivery::Id,
        (only, asked): (ReplayOnly, Timestamp),
    ) -> Result<bool, Error> {
        let history = self.log.history::<Deliveries>(id).await?;
        let mut since = history.iter().filter(|recorded| recorded.time >= asked);
        Ok(since.any(|recorded| match &recorded.event {
            Event::RedeliveryRequested {} => true,
            Event::Due { .. } | Event::Delivered { told: Some(_), .. } => only == ReplayOnly::All,
            Event::Delivered { .. } | Event::AttemptFailed { .. } | Event::Exhausted { .. } => {
                false
            }
        }))
    }
}
