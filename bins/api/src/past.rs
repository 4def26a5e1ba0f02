//! How things stood: what had happened by some event or time, folded anew from the log for one answer.

use std::sync::Arc;

use domain::{
    Timestamp,
    id::AccountId,
    job::{self, Jobs},
};
use eventlog::{Span, subject};
use futures::StreamExt as _;
use readmodel::{Entry, Store, Stream};

use crate::{
    app::{self, App},
    call::quote,
    document::{Parameter, Place},
    problem::Problem,
    projection,
};

/// The most events that are folded for one answer.
pub(crate) const MAX_PAST_EVENTS: usize = 100_000;

/// The parameter's name.
pub(crate) const AS_OF: &str = "as_of";

/// What the document says of it.
pub(crate) const PARAMETER: Parameter = Parameter {
    place: Place::Query,
    name: AS_OF,
    description: "How it stood then: a time as in 2026-11-22T12:00:00Z, or the `seq` of an event, which is the last that counts.",
};

/// Up to where events count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AsOf {
    /// Up to this message of the stream that is asked about first.
    Sequence(u64),
    /// What was decided up to this time.
    Time(Timestamp),
}

/// What was folded.
pub(crate) struct Past {
    pub(crate) store: Store,
    /// When the last event was decided that counts, or the time that was asked for.
    pub(crate) at: Timestamp,
}

impl AsOf {
    /// Reads the parameter.
    pub(crate) fn read(text: &str, now: Timestamp) -> Result<Self, Problem> {
        let number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<Timestamp>() {
            Ok(time) if time > now => {
                Err(invalid(format!("\"{}\" has not come yet: use a time up to now.", quote(text))))
            }
            Ok(time) => Ok(Self::Time(time)),
            Err(_) if number => match text.parse() {
                Ok(0) | Err(_) => Err(invalid(
                    "Sequences begin with 1 and have at most 19 digits: use the `seq` of an event."
                        .to_owned(),
                )),
                Ok(seq) => Ok(Self::Sequence(seq)),
            },
            Err(_) => Err(invalid(format!(
                "\"{}\" is neither a sequence nor a time: use the `seq` of an event, or a time as in 2026-11-22T12:00:00Z.",
                quote(text)
            ))),
        }
    }

    fn span(self, filter: String) -> Span {
        let filter = Some(filter);
        match self {
            Self::Sequence(seq) => Span { filter, to_seq: Some(seq), ..Span::default() },
            Self::Time(until) => Span { filter, until: Some(until), ..Span::default() },
        }
    }
}

impl App {
    /// A job as it stood.
    pub(crate) async fn past_job(&self, id: job::Id, as_of: AsOf) -> Result<Past, Problem> {
        self.check_end(Stream::Jobs, as_of).await?;
        let mut fold = Fold::new(self);
        fold.take(Stream::Jobs, as_of.span(subject::fence::<Jobs>(&id))).await?;
        fold.into_past(as_of)
    }

    /// What had become of an account's doings in these streams. A sequence is one of the first of
    /// them; of the others counts what was decided up to the account's last event there.
    pub(crate) async fn past(
        &self,
        account: AccountId,
        streams: &[Stream],
        as_of: AsOf,
    ) -> Result<Past, Problem> {
        // One that takes its time takes the place of an event stream.
        let _place = self.places.take(account)?;
        let mut fold = Fold::new(self);
        let mut upto = as_of;
        for (place, stream) in streams.iter().enumerate() {
            if place == 0 {
                self.check_end(*stream, as_of).await?;
            }
            let noun = projection::noun(*stream);
            fold.take(*stream, upto.span(format!("darkroom.{noun}.{account}.>"))).await?;
            if let (0, AsOf::Sequence(_)) = (place, as_of) {
                upto = AsOf::Time(fold.last.unwrap_or(Timestamp::UNIX_EPOCH));
            }
        }
        fold.into_past(as_of)
    }

    /// What has not happened yet is not known.
    async fn check_end(&self, stream: Stream, as_of: AsOf) -> Result<(), Problem> {
        let AsOf::Sequence(seq) = as_of else { return Ok(()) };
        if self.barrier(stream).position().await? < seq {
            let message = format!(
                "There is no event {seq} of {} yet: use the `seq` of an event that happened, or a time.",
                projection::noun(stream)
            );
            return Err(invalid(message));
        }
        Ok(())
    }
}

struct Fold<'a> {
    app: &'a App,
    store: Arc<Store>,
    events: usize,
    /// When the last event was decided.
    last: Option<Timestamp>,
}

impl<'a> Fold<'a> {
    fn new(app: &'a App) -> Self {
        Self { app, store: Arc::new(Store::memory()), events: 0, last: None }
    }

    async fn take(&mut self, stream: Stream, span: Span) -> Result<(), Problem> {
        let mut pages = self.app.log.replay_pages(app::name(stream), span);
        while let Some(raws) = pages.next().await.transpose()? {
            self.events += raws.len();
            if self.events > MAX_PAST_EVENTS {
                return Err(invalid(format!(
                    "By then more than {MAX_PAST_EVENTS} events had happened, which is too many for one answer: ask for one job, for an earlier time, or have the operator run `darkroom diff`."
                )));
            }
            self.last = raws.last().and_then(eventlog::Raw::time).or(self.last);
            let store = Arc::clone(&self.store);
            let applied = tokio::task::spawn_blocking(move || {
                let entries: Vec<Entry> =
                    raws.iter().map(|raw| projection::entry(stream, raw)).collect();
                store.apply(&entries)
            });
            applied.await.map_err(|error| {
                tracing::error!(%error, "the past could not be folded");
                Problem::Internal
            })??;
        }
        Ok(())
    }

    fn into_past(self, as_of: AsOf) -> Result<Past, Problem> {
        let at = match as_of {
            AsOf::Time(at) => at,
            AsOf::Sequence(_) => self.last.unwrap_or(Timestamp::UNIX_EPOCH),
        };
        let Some(store) = Arc::into_inner(self.store) else { return Err(Problem::Internal) };
        Ok(Past { store, at })
    }
}

/// A problem with the parameter.
pub(crate) const fn invalid(message: String) -> Problem {
    Problem::FieldInvalid { field: AS_OF, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_or_a_time_is_read_and_anything_else_is_answered_with_what_to_use() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        assert_eq!(AsOf::read("17", now), Ok(AsOf::Sequence(17)));
        assert_eq!(AsOf::read("2026-11-22T12:00:00Z", now), Ok(AsOf::Time(now)));
        for wrong in [
            "",
            "0",
            "-1",
            "1.5",
            "x",
            "yesterday",
            "2026-11-22",
            "2026-11-22T12:00:01Z",
            "99999999999999999999",
            "17 ",
            "1;2",
        ] {
            let Err(Problem::FieldInvalid { field, message }) = AsOf::read(wrong, now) else {
                panic!("{wrong:?} is read");
            };
            assert_eq!(field, AS_OF);
            assert!(message.contains("use "), "{message}");
        }
    }
}
