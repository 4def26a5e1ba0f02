//! Past events told again: an endpoint's replay, page by page, so that it goes on where it stopped.

use std::{sync::Arc, time::Duration};

use domain::{
    Timestamp,
    delivery::{self, Deliveries, Event, Phase, State, Told},
    endpoint::{self, Endpoint, Endpoints, ReplayOnly, ReplayStream, RunningReplay},
    id::ReplayId,
    job::Id,
};
use eventlog::{Malformed, Raw, ReadError, Recorded, Span, TransactError, Unavailable, topology};
use futures::{StreamExt as _, pin_mut, stream::FuturesUnordered};
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    book::Behind,
    deliver::{Deliverer, Error as DeliveryError},
    told::Happening,
};

/// Events looked at between two notes of how far a replay has come.
const PAGE: usize = 1_000;
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

/// What a replay comes by.
enum Past {
    /// Something happened.
    Happened(Told),
    /// A delivery was given up.
    GivenUp(Box<Recorded<Deliveries>>),
}

impl Past {
    fn read(stream: ReplayStream, raw: &Raw) -> Result<Self, Malformed> {
        let stream = match stream {
            ReplayStream::Jobs => topology::JOBS,
            ReplayStream::Accounts => topology::ACCOUNTS,
            ReplayStream::Uploads => topology::UPLOADS,
            ReplayStream::Deliveries => return Ok(Self::GivenUp(Box::new(raw.decode()?))),
        };
        Ok(Self::Happened(Happening::read(stream, raw)?.told))
    }

    /// The delivery that tells this endpoint of it.
    fn delivery(&self, id: endpoint::Id) -> delivery::Id {
        match self {
            Self::Happened(told) => delivery::Id::of(id, told.event_id),
            Self::GivenUp(given_up) => given_up.id,
        }
    }

    /// What is told, as far as this says it.
    const fn told(&self) -> Option<&Told> {
        match self {
            Self::Happened(told) => Some(told),
            Self::GivenUp(_) => None,
        }
    }

    /// Whether this gave up a delivery that was last given up then; anything else stands for all of its
    /// delivery.
    fn gave_up_at(&self, at: Timestamp) -> bool {
        match self {
            Self::Happened(_) => true,
            Self::GivenUp(given_up) => given_up.time == at,
        }
    }
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
            let (made_due, through) = self.page(id, &running, asked).await?;
            running.deliveries += made_due;
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

    /// Makes due what lies next where a replay stopped; how many, and the last sequence looked at.
    async fn page(
        &self,
        id: endpoint::Id,
        running: &RunningReplay,
        asked: Timestamp,
    ) -> Result<(u64, u64), Error> {
        let of = &running.of;
        let span = Span {
            filter: Some(of.stream.subjects(id)),
            from_seq: Some(running.through_seq + 1),
            to_seq: Some(of.to_seq),
            ..Span::default()
        };
        let messages = self.log.replay(of.stream.name(), span).take(PAGE);
        pin_mut!(messages);
        let mut pace = interval(Duration::from_secs(1) / PER_SECOND);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut made_due, mut under_way) = (0, FuturesUnordered::new());
        let (mut looked_at, mut last) = (0, None);
        while let Some(raw) = messages.next().await {
            let raw = raw?;
            (looked_at, last) = (looked_at + 1, Some(raw.seq));
            let Ok(past) = Past::read(of.stream, &raw) else { continue };
            let Some(endpoint) = self.book.endpoint(id) else { continue };
            let wanted = |told: &Told| endpoint.wants(&told.event_type.as_str().into(), None);
            if endpoint.disabled.is_some() || !past.told().is_none_or(wanted) {
                continue;
            }
            pace.tick().await;
            if under_way.len() >= AT_ONCE
                && let Some(done) = under_way.next().await
            {
                made_due += u64::from(done?);
            }
            under_way.push(self.tell_again(id, endpoint, past, (of.only, asked)));
        }
        while let Some(done) = under_way.next().await {
            made_due += u64::from(done?);
        }
        // Of what is less than a page nothing is left.
        Ok((made_due, last.filter(|_| looked_at == PAGE).unwrap_or(of.to_seq)))
    }

    /// Makes one delivery due, if the replay asks for it; whether it is one of the replay's, be it
    /// that a dispatcher made it due which died before it could say so.
    async fn tell_again(
        &self,
        id: endpoint::Id,
        endpoint: Arc<Endpoint>,
        past: Past,
        (only, asked): (ReplayOnly, Timestamp),
    ) -> Result<bool, Error> {
        let delivery_id = past.delivery(id);
        let known = self.load::<Deliveries>(&delivery_id).await?;
        let delivery = known.state.delivery();
        let Some(told) = past.told().or(delivery.map(|delivery| &delivery.told)).cloned() else {
            // What it told is older than what is kept of deliveries.
            return Ok(false);
        };
        if !self.is_wanted(id, &endpoint, &told).await? {
            return Ok(false);
        }
        let (wanted, since) = match delivery.map(|delivery| delivery.phase) {
            None => (only == ReplayOnly::All, false),
            Some(Phase::Waiting { .. }) => (false, true),
            Some(Phase::Delivered { at }) => (at < asked && only == ReplayOnly::All, at >= asked),
            Some(Phase::Exhausted { at, .. }) => (at < asked && past.gave_up_at(at), at >= asked),
        };
        if !wanted {
            return Ok(since && self.was_made_due(&delivery_id, &past, (only, asked)).await?);
        }
        let now = self.clock.now();
        let decide = |state: &State| match state {
            State::Absent => delivery::due(state, told.clone()),
            State::Present(delivery) if delivery.is_waiting() => Ok(vec![]),
            State::Present(_) => delivery::redeliver(state),
        };
        let done =
            self.log.transact_from::<Deliveries, _>(&delivery_id, known, now, decide).await?;
        Ok(!done.recorded.is_empty())
    }

    /// Whether the endpoint wants to be told this, as of now.
    async fn is_wanted(
        &self,
        id: endpoint::Id,
        endpoint: &Endpoint,
        told: &Told,
    ) -> Result<bool, Error> {
        let topic = told.event_type.as_str().into();
        if endpoint.letter.terms.applications.is_none() || !endpoint.wants(&topic, None) {
            return Ok(endpoint.wants(&topic, None));
        }
        let job = self.job(told.job.map(|job| Id { account: id.account, job })).await?;
        Ok(endpoint.wants(&topic, job.map(|(_, job)| job.requested.application)))
    }

    /// Whether a delivery became due since a replay was asked for that came by it, for those given up
    /// the last time that they were.
    async fn was_made_due(
        &self,
        id: &delivery::Id,
        past: &Past,
        (only, asked): (ReplayOnly, Timestamp),
    ) -> Result<bool, Error> {
        let history = self.log.history::<Deliveries>(id).await?;
        let (before, since): (Vec<_>, Vec<_>) =
            history.iter().partition(|recorded| recorded.time < asked);
        let given_up = before.iter().rev().find(|recorded| recorded.event.name() == "exhausted");
        if !given_up.is_none_or(|recorded| past.gave_up_at(recorded.time)) {
            return Ok(false);
        }
        Ok(since.iter().any(|recorded| match &recorded.event {
            Event::RedeliveryRequested {} => true,
            Event::Due { .. } | Event::Delivered { told: Some(_), .. } => only == ReplayOnly::All,
            Event::Delivered { .. } | Event::AttemptFailed { .. } | Event::Exhausted { .. } => {
                false
            }
        }))
    }
}
