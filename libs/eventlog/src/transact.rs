//! Load, decide, append: the only way to write to the log.
//!
//! Every append carries a fence: the sequence of the aggregate's last event must still be the one
//! the decision was made on. Whoever loses that race reads what the winner wrote and decides
//! again. When nobody knows whether an append arrived, the same event is offered again under the
//! same fence after looking for it in the log: it is stored once or not at all.

use std::{fmt, time::Duration};

use domain::Aggregate;
use jiff::Timestamp;

use crate::{
    backend::{AppendError, Fence},
    envelope::{Draft, Hash, Raw, Recorded},
    error::{ChainBroken, Malformed, ReadError, TransactError, Unavailable},
    log::Log,
    subject,
};

/// How many races one decision may lose.
const MAX_RACES: u32 = 64;
/// How often an event is offered when its fate is unknown.
const MAX_OFFERS: u32 = 3;
/// More events than any legal history has.
const MAX_EVENTS: usize = 100_000;
/// How many messages one read of a history asks for.
const PAGE: usize = 256;
/// The longest pause after a lost race.
const MAX_PAUSE: Duration = Duration::from_millis(40);

/// When a decision is made, and in which trace.
#[derive(Debug, Clone)]
pub struct Moment {
    /// The time that its events will state.
    pub now: Timestamp,
    /// The W3C trace it belongs to.
    pub traceparent: Option<String>,
}

impl From<Timestamp> for Moment {
    fn from(now: Timestamp) -> Self {
        Self { now, traceparent: None }
    }
}

/// The last event of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its place in the stream.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
}

/// What a history amounts to.
pub struct Loaded<A: Aggregate> {
    /// The state.
    pub state: A::State,
    /// Where the history ends; none for an empty one.
    pub last: Option<Head>,
    /// How many events it has.
    pub events: u64,
}

impl<A: Aggregate> Default for Loaded<A> {
    fn default() -> Self {
        Self { state: A::State::default(), last: None, events: 0 }
    }
}

impl<A: Aggregate> Clone for Loaded<A> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), ..*self }
    }
}

impl<A: Aggregate> fmt::Debug for Loaded<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("state", &self.state)
            .field("last", &self.last)
            .field("events", &self.events)
            .finish()
    }
}

impl<A: Aggregate> Loaded<A> {
    /// The history that consists of its first event alone, as a follower was handed it.
    ///
    /// # Errors
    /// [`ReadError`] when the message is no event, or not the first of its history.
    pub fn starting_with(first: &Raw) -> Result<(A::Id, Self), ReadError> {
        let recorded = first.decode::<A>()?;
        let mut loaded = Self::default();
        loaded.push(first, &recorded)?;
        Ok((recorded.id, loaded))
    }

    fn push(&mut self, raw: &Raw, recorded: &Recorded<A>) -> Result<(), ChainBroken> {
        if recorded.prev != self.hash() {
            return Err(ChainBroken { stream: raw.stream.clone(), sequence: raw.seq });
        }
        self.advance(recorded);
        Ok(())
    }

    fn advance(&mut self, recorded: &Recorded<A>) {
        let state = std::mem::take(&mut self.state);
        self.state = A::evolve(state, &recorded.event, recorded.time);
        self.last = Some(Head { seq: recorded.seq, hash: recorded.hash });
        self.events += 1;
    }

    fn hash(&self) -> Hash {
        self.last.map(|head| head.hash).unwrap_or_default()
    }

    fn seq(&self) -> u64 {
        self.last.map_or(0, |head| head.seq)
    }
}

/// What became of a decision.
#[derive(Debug)]
pub struct Committed<A: Aggregate> {
    /// The history after it; feed it to [`Log::transact_from`] to decide on without reading.
    pub loaded: Loaded<A>,
    /// The events recorded by this call, oldest first. None when all was as wished already.
    pub recorded: Vec<Recorded<A>>,
}

enum Offer {
    Stored(u64),
    Lost,
}

impl Log {
    /// Reads and folds one history.
    ///
    /// # Errors
    /// [`ReadError`] when the log does not answer or its history is damaged.
    pub async fn load<A: Aggregate>(&self, id: &A::Id) -> Result<Loaded<A>, ReadError> {
        let mut loaded = Loaded::default();
        self.read_all(id, &mut loaded).await?;
        Ok(loaded)
    }

    /// Reads one history, oldest first.
    ///
    /// # Errors
    /// [`ReadError`] when the log does not answer or its history is damaged.
    pub async fn history<A: Aggregate>(&self, id: &A::Id) -> Result<Vec<Recorded<A>>, ReadError> {
        self.read_all(id, &mut Loaded::default()).await
    }

    /// Reads one history as it is stored, oldest first, checking nothing.
    ///
    /// # Errors
    /// [`ReadError`] when the log does not answer.
    pub async fn messages<A: Aggregate>(&self, id: &A::Id) -> Result<Vec<Raw>, ReadError> {
        let mut messages = self.read_after::<A>(id, 0, false).await?;
        if self.backend.may_lag() {
            let last = messages.last().map_or(0, |raw| raw.seq);
            messages.append(&mut self.read_after::<A>(id, last, true).await?);
        }
        Ok(messages)
    }

    /// Lets `decide` look at the state of `id` and records what it decides.
    ///
    /// `decide` runs again on the newer state whenever another writer was faster. Its events are
    /// appended one by one, each fenced by its predecessor: a crash may leave a prefix of them, and
    /// so may a refusal of what is left after a race was lost in between.
    ///
    /// # Errors
    /// [`TransactError`]; a refusal of `decide` is passed on as it is.
    pub async fn transact<A: Aggregate, R>(
        &self,
        id: &A::Id,
        moment: impl Into<Moment>,
        decide: impl FnMut(&A::State) -> Result<Vec<A::Event>, R>,
    ) -> Result<Committed<A>, TransactError<R>> {
        let mut known = Loaded::default();
        self.catch_up(id, &mut known, false).await?;
        let fresh = !self.backend.may_lag();
        self.decide_on(id, known, fresh, &moment.into(), decide).await
    }

    /// Like [`Log::transact`], from a state that the caller already knows. The log is only read
    /// when that state turns out to be old, or when `decide` refuses or changes nothing.
    ///
    /// # Errors
    /// [`TransactError`]; a refusal of `decide` is passed on as it is.
    pub async fn transact_from<A: Aggregate, R>(
        &self,
        id: &A::Id,
        known: Loaded<A>,
        moment: impl Into<Moment>,
        decide: impl FnMut(&A::State) -> Result<Vec<A::Event>, R>,
    ) -> Result<Committed<A>, TransactError<R>> {
        self.decide_on(id, known, false, &moment.into(), decide).await
    }

    async fn decide_on<A: Aggregate, R>(
        &self,
        id: &A::Id,
        mut known: Loaded<A>,
        mut fresh: bool,
        moment: &Moment,
        mut decide: impl FnMut(&A::State) -> Result<Vec<A::Event>, R>,
    ) -> Result<Committed<A>, TransactError<R>> {
        let mut recorded = Vec::new();
        for race in 0..MAX_RACES {
            let decision = decide(&known.state);
            // A refusal is only as good as the reading it rests on; an append is fenced anyhow.
            let rests_on_reading = !matches!(&decision, Ok(events) if !events.is_empty());
            if rests_on_reading && !fresh {
                fresh = true;
                if !self.catch_up(id, &mut known, self.backend.may_lag()).await?.is_empty() {
                    continue;
                }
            }
            let events = decision.map_err(TransactError::Refused)?;
            if self.append_all(id, &mut known, events, moment, &mut recorded).await? {
                return Ok(Committed { loaded: known, recorded });
            }
            pause(race).await;
            fresh = !self.backend.may_lag();
            self.catch_up(id, &mut known, false).await?;
        }
        Err(TransactError::Contended { subject: subject::fence::<A>(id), attempts: MAX_RACES })
    }

    /// Appends `events` in turn; false when another writer was faster.
    async fn append_all<A: Aggregate, R>(
        &self,
        id: &A::Id,
        known: &mut Loaded<A>,
        events: Vec<A::Event>,
        moment: &Moment,
        recorded: &mut Vec<Recorded<A>>,
    ) -> Result<bool, TransactError<R>> {
        for event in events {
            let draft =
                Draft::new::<A>(id, &event, moment, known.hash()).map_err(TransactError::Encode)?;
            let Offer::Stored(seq) = self.offer::<A, R>(id, known.seq(), &draft).await? else {
                return Ok(false);
            };
            let fact = Recorded {
                id: id.clone(),
                event,
                seq,
                event_id: draft.event_id,
                time: moment.now,
                hash: draft.hash,
                prev: draft.prev,
            };
            known.advance(&fact);
            recorded.push(fact);
        }
        Ok(true)
    }

    /// Offers one event until its fate is known.
    async fn offer<A: Aggregate, R>(
        &self,
        id: &A::Id,
        last: u64,
        draft: &Draft,
    ) -> Result<Offer, TransactError<R>> {
        let fence = Fence { filter: subject::fence::<A>(id), last };
        let mut unknown = Unavailable::silent("append an event");
        for _ in 0..MAX_OFFERS {
            let Draft { subject, headers, body, .. } = draft;
            let stored = self.backend.append(A::STREAM, subject, headers, body, Some(&fence)).await;
            match stored {
                Ok(seq) => return Ok(Offer::Stored(seq)),
                Err(AppendError::Rejected { code, description }) => {
                    return Err(TransactError::Rejected {
                        subject: fence.filter,
                        code,
                        description,
                    });
                }
                // The client may have sent it twice around a lost connection: it may be ours.
                Err(AppendError::Conflict) => {
                    let ours = self.find::<A>(id, last, draft).await?;
                    return Ok(ours.unwrap_or(Offer::Lost));
                }
                Err(AppendError::Unclear(source)) => {
                    unknown = Unavailable::new("append an event", source);
                    match self.find::<A>(id, last, draft).await {
                        Ok(Some(known)) => return Ok(known),
                        Ok(None) => {}
                        Err(error) => tracing::debug!(%error, "the fate of an event is unknown"),
                    }
                }
            }
        }
        Err(unknown.into())
    }

    /// Looks for `draft` behind `last`: stored, beaten by another event, or neither yet.
    async fn find<A: Aggregate>(
        &self,
        id: &A::Id,
        last: u64,
        draft: &Draft,
    ) -> Result<Option<Offer>, ReadError> {
        let filter = subject::fence::<A>(id);
        let next = if self.backend.may_lag() {
            self.backend.ordered_next(A::STREAM, &filter, last + 1).await?
        } else {
            self.backend.page(A::STREAM, &filter, last + 1, 1).await?.messages.pop()
        };
        Ok(next.map(|raw| {
            if raw.event_id() == Some(draft.event_id) {
                Offer::Stored(raw.seq)
            } else {
                Offer::Lost
            }
        }))
    }

    /// Reads what was stored before the call, whoever lags.
    async fn read_all<A: Aggregate>(
        &self,
        id: &A::Id,
        loaded: &mut Loaded<A>,
    ) -> Result<Vec<Recorded<A>>, ReadError> {
        let mut recorded = self.catch_up(id, loaded, false).await?;
        if self.backend.may_lag() {
            recorded.append(&mut self.catch_up(id, loaded, true).await?);
        }
        Ok(recorded)
    }

    /// Brings `known` up to what is stored, and returns what was new.
    async fn catch_up<A: Aggregate>(
        &self,
        id: &A::Id,
        known: &mut Loaded<A>,
        from_leader: bool,
    ) -> Result<Vec<Recorded<A>>, ReadError> {
        let messages = self.read_after::<A>(id, known.seq(), from_leader).await?;
        let mut recorded = Vec::with_capacity(messages.len());
        for raw in &messages {
            let fact = raw.decode::<A>()?;
            known.push(raw, &fact)?;
            recorded.push(fact);
        }
        Ok(recorded)
    }

    async fn read_after<A: Aggregate>(
        &self,
        id: &A::Id,
        seq: u64,
        from_leader: bool,
    ) -> Result<Vec<Raw>, ReadError> {
        let filter = subject::fence::<A>(id);
        let mut messages: Vec<Raw> = Vec::new();
        // Who asks for more than there is has the server look for it to the end of the stream. So one
        // is asked for first; with it comes how many are left.
        let (mut next, mut limit) = (seq + 1, 1);
        loop {
            let (mut found, left) = if from_leader {
                let found = self.backend.ordered_next(A::STREAM, &filter, next).await?;
                let left = found.iter().len();
                (Vec::from_iter(found), left)
            } else {
                let page = self.backend.page(A::STREAM, &filter, next, limit).await?;
                (page.messages, page.left)
            };
            let more = left > 0 && !found.is_empty();
            limit = left.min(PAGE);
            messages.append(&mut found);
            if messages.len() > MAX_EVENTS {
                return Err(ReadError::TooLong { subject: filter, limit: MAX_EVENTS });
            }
            match messages.last() {
                Some(last) if more => next = last.seq + 1,
                _ => return Ok(messages),
            }
        }
    }
}

impl<R> From<Malformed> for TransactError<R> {
    fn from(error: Malformed) -> Self {
        Self::Read(error.into())
    }
}

/// Racers that lost together should not meet again.
async fn pause(race: u32) {
    let longest = (Duration::from_micros(500) * 2_u32.pow(race.min(8))).min(MAX_PAUSE);
    tokio::time::sleep(longest.mul_f64(rand::random_range(0.0..1.0))).await;
}
