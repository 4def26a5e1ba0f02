//! Reads that reflect everything stored before they were asked for, on any replica.

use domain::{
    Timestamp,
    filepreviews::Opened,
    job::{self, Job, Jobs, Phase, State},
};
use futures::future::join_all;
use http::{HeaderName, HeaderValue};
use readmodel::Stream;
use warp::reply::Response;

use crate::{app::App, problem::Problem};

/// As of when an answer holds that could not be checked against the log.
const AS_OF: HeaderName = HeaderName::from_static("darkroom-as-of");
/// How many milliseconds ago that was.
const STALE_MS: HeaderName = HeaderName::from_static("darkroom-stale-ms");

/// How an answer relates to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    /// It reflects everything stored before the question.
    Current,
    /// The log is away: it reflects what was stored before this time, if ever anything.
    AsOf(Option<Timestamp>),
}

/// A job, and how its state relates to the log.
pub(crate) struct Seen {
    pub(crate) job: Box<Job>,
    /// Sequence of its last event.
    pub(crate) seq: u64,
    pub(crate) age: Age,
}

/// How far the read model got in the time it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// To where the stream was after the question was asked.
    There,
    /// Not as far.
    Behind,
    /// Nobody knows: the log does not answer.
    Unknown,
}

impl App {
    /// Waits until the rows of `stream` hold everything that was stored before this call.
    pub(crate) async fn catch_up(&self, stream: Stream) -> Age {
        match self.reach(stream).await {
            Reach::There => Age::Current,
            Reach::Behind | Reach::Unknown => Age::AsOf(self.currency.as_of(stream)),
        }
    }

    /// The same of several streams at once; as old as the oldest of them.
    pub(crate) async fn catch_up_all(&self, streams: &[Stream]) -> Age {
        let ages = join_all(streams.iter().map(|stream| self.catch_up(*stream))).await;
        let oldest = ages.into_iter().filter_map(|age| match age {
            Age::Current => None,
            Age::AsOf(as_of) => Some(as_of),
        });
        // A stream that was never known to be current counts as the oldest.
        oldest.min().map_or(Age::Current, Age::AsOf)
    }

    /// The job as of now: from the read model, or from its own events where that lags behind.
    pub(crate) async fn job(&self, id: job::Id) -> Result<Option<Seen>, Problem> {
        let reach = self.reach(Stream::Jobs).await;
        self.job_after(reach, id).await
    }

    /// The same, once it is known how far the read model got.
    pub(crate) async fn job_after(
        &self,
        reach: Reach,
        id: job::Id,
    ) -> Result<Option<Seen>, Problem> {
        let age = match reach {
            Reach::There => Age::Current,
            Reach::Unknown => Age::AsOf(self.currency.as_of(Stream::Jobs)),
            Reach::Behind => match self.log.load::<Jobs>(&id).await {
                Ok(loaded) => {
                    let seq = loaded.last.map_or(0, |head| head.seq);
                    return Ok(match loaded.state {
                        State::Absent => None,
                        State::Present(job) if is_erased(&job) => None,
                        State::Present(job) => Some(Seen { job, seq, age: Age::Current }),
                    });
                }
                Err(eventlog::ReadError::Unavailable(_)) => {
                    Age::AsOf(self.currency.as_of(Stream::Jobs))
                }
                Err(error) => return Err(error.into()),
            },
        };
        let row = self.store.job(id)?;
        if row.is_none() && age != Age::Current {
            // Not known to exist is not known not to exist.
            return Err(Problem::Unavailable);
        }
        Ok(row.map(|row| Seen { job: row.job, seq: row.seq, age }))
    }

    /// What of a job is personal. What was shredded is not known any more.
    pub(crate) async fn open_view(&self, id: &job::Id, job: &Job) -> Result<Opened, Problem> {
        match self.custody.open_view(id, job).await {
            Err(custody::Error::Erased) => Ok(Opened::default()),
            opened => Ok(opened?),
        }
    }

    /// Waits until the rows of `stream` hold everything that was stored before this call.
    pub(crate) async fn reach(&self, stream: Stream) -> Reach {
        let asked_at = self.clock.now();
        let Ok(last) = self.barrier(stream).position().await else {
            return Reach::Unknown;
        };
        if self.reached.borrow().of(stream) < last {
            // Seldom, and large enough to be kept apart from what is always there.
            let mut reached = self.reached.subscribe();
            let there = reached.wait_for(|positions| positions.of(stream) >= last);
            let there = Box::pin(tokio::time::timeout(self.api.read_barrier(), there));
            if !matches!(there.await, Ok(Ok(_))) {
                return Reach::Behind;
            }
        }
        self.currency.confirm(stream, asked_at);
        Reach::There
    }

    /// Says on a response how old it may be.
    pub(crate) fn date(&self, response: &mut Response, age: Age) {
        let Age::AsOf(as_of) = age else { return };
        let headers = response.headers_mut();
        let as_of = as_of.unwrap_or(Timestamp::UNIX_EPOCH);
        let stale_ms = self.clock.now().as_millisecond() - as_of.as_millisecond();
        headers.insert(STALE_MS, HeaderValue::from(stale_ms.max(0)));
        if let Ok(text) = HeaderValue::from_str(&as_of.to_string()) {
            headers.insert(AS_OF, text);
        }
    }
}

/// Rows know nothing of a job that was erased; nor does whoever reads its events instead.
fn is_erased(job: &Job) -> bool {
    matches!(&job.phase, Phase::Ended(ended) if ended.erased_at.is_some())
}
