//! Which events are asked for, and where a page ends.

use std::{collections::BTreeMap, fmt, str::FromStr};

use domain::{
    Timestamp,
    id::{AccountId, JobId},
};
use eventlog::{Raw, Span};
use readmodel::Stream;

use crate::{
    app,
    call::{self, Call, quote},
    problem::Problem,
    projection::noun,
};

/// The most events of a page.
pub(super) const MAX_EVENTS: usize = 1_000;
/// How many a page has unless told otherwise.
const EVENTS: usize = 100;
/// Longest name of an event.
const MAX_NAME_BYTES: usize = 64;

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Page,
    Lines,
    Csv,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    job: Option<JobId>,
    stream: Option<Stream>,
    event: Option<String>,
    span: Range,
    pub(super) after: Positions,
    pub(super) limit: usize,
    pub(super) format: Format,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Range {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    from_seq: Option<u64>,
    to_seq: Option<u64>,
}

/// The last event that was shown of each stream. As text `JOBS:17,ACCOUNTS:3`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Positions(BTreeMap<String, u64>);

impl Positions {
    pub(super) fn pass(&mut self, raw: &Raw) {
        self.0.insert(raw.stream.clone(), raw.seq);
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (stream, seq)) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{stream}:{seq}")?;
        }
        Ok(())
    }
}

impl FromStr for Positions {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut positions = BTreeMap::new();
        for part in text.split(',') {
            let (stream, seq) = part.split_once(':').ok_or(())?;
            let known = Stream::ALL.into_iter().any(|known| app::name(known) == stream);
            let digits = seq.bytes().all(|byte| byte.is_ascii_digit());
            let seq = seq.parse().ok().filter(|_| known && digits).ok_or(())?;
            if positions.insert(stream.to_owned(), seq).is_some() {
                return Err(());
            }
        }
        Ok(Self(positions))
    }
}

impl Wanted {
    pub(crate) fn read(call: &Call) -> Result<Self, Problem> {
        let format = match call.header("accept").unwrap_or_default() {
            accepted if accepted.contains("application/x-ndjson") => Format::Lines,
            accepted if accepted.contains("text/csv") => Format::Csv,
            _ => Format::Page,
        };
        let mut wanted = Self {
            job: None,
            stream: None,
            event: None,
            span: Range::default(),
            after: Positions::default(),
            limit: EVENTS,
            format,
        };
        const KNOWN: [&str; 9] =
            ["job", "stream", "event", "since", "until", "from_seq", "to_seq", "after", "limit"];
        for (name, value) in call.query(&KNOWN)? {
            wanted.take(name, &value)?;
        }
        wanted.check()
    }

    fn take(&mut self, name: &'static str, value: &str) -> Result<(), Problem> {
        let no = |remedy: &str| {
            let message = format!("\"{}\" is none: {remedy}", quote(value));
            Problem::FieldInvalid { field: name, message }
        };
        let seq = || {
            let seq = value.parse().ok().filter(|seq| *seq > 0);
            seq.ok_or_else(|| no("use the `seq` of an event."))
        };
        match name {
            "job" => self.job = Some(value.parse().map_err(|_odd| no("use the id of a job."))?),
            "stream" => {
                let named = |stream: &Stream| app::name(*stream).eq_ignore_ascii_case(value);
                let stream = Stream::ALL.into_iter().find(named).ok_or_else(|| {
                    no("use jobs, accounts, members, uploads, endpoints or deliveries.")
                })?;
                self.stream = Some(stream);
            }
            "event" => {
                let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
                let named = (1..=MAX_NAME_BYTES).contains(&value.len());
                if !named || !value.bytes().all(plain) {
                    return Err(no("use the name of an event, as in completed."));
                }
                self.event = Some(value.to_owned());
            }
            "since" => self.span.since = Some(call::time(name, value)?),
            "until" => self.span.until = Some(call::time(name, value)?),
            "from_seq" => self.span.from_seq = Some(seq()?),
            "to_seq" => self.span.to_seq = Some(seq()?),
            "after" => {
                self.after = value.parse().map_err(|()| no("hand back the `next` of a page."))?;
            }
            _ => {
                let limit = value.parse().ok().filter(|n| (1..=MAX_EVENTS).contains(n));
                let remedy = format!("use 1 to {MAX_EVENTS}.");
                self.limit = limit.ok_or_else(|| no(&remedy))?;
            }
        }
        Ok(())
    }

    fn check(mut self) -> Result<Self, Problem> {
        let no = |field, message: &str| {
            Err(Problem::FieldInvalid { field, message: message.to_owned() })
        };
        match (self.job, self.stream) {
            (Some(_), Some(stream)) if stream != Stream::Jobs => {
                return no("stream", "The history of a job is in jobs: leave out one of the two.");
            }
            (Some(_), _) => self.stream = Some(Stream::Jobs),
            (None, _) => {}
        }
        let Range { since, until, from_seq, to_seq } = &self.span;
        if self.stream.is_none() && (from_seq.is_some() || to_seq.is_some()) {
            let field = if from_seq.is_some() { "from_seq" } else { "to_seq" };
            return no(field, "Each stream counts for itself: say which with `stream` or `job`.");
        }
        if from_seq.zip(*to_seq).is_some_and(|(from, to)| from > to) {
            return no("to_seq", "This is before `from_seq`: use a later sequence.");
        }
        if since.zip(*until).is_some_and(|(since, until)| since > until) {
            return no("until", "This is before `since`: use a later time.");
        }
        Ok(self)
    }

    /// Which stretches of which streams these are.
    pub(super) fn sources(&self, account: AccountId) -> Vec<(String, Span)> {
        let streams = Stream::ALL.into_iter();
        let streams = streams.filter(|stream| self.stream.is_none_or(|only| only == *stream));
        streams.map(|stream| (app::name(stream).to_owned(), self.span(account, stream))).collect()
    }

    fn span(&self, account: AccountId, stream: Stream) -> Span {
        // Tokens between the account and the name of the event.
        let ids = match (stream, self.job) {
            (Stream::Jobs, Some(job)) => format!("{job}."),
            (Stream::Accounts, _) => String::new(),
            (Stream::Deliveries, _) => "*.*.".to_owned(),
            (Stream::Jobs | Stream::Members | Stream::Uploads | Stream::Endpoints, _) => {
                "*.".to_owned()
            }
        };
        let filter = match &self.event {
            Some(event) => format!("darkroom.{}.{account}.{ids}{event}", noun(stream)),
            None if self.job.is_some() => format!("darkroom.{}.{account}.{ids}>", noun(stream)),
            None => format!("darkroom.{}.{account}.>", noun(stream)),
        };
        let Range { since, until, from_seq, to_seq } = self.span.clone();
        let shown = self.after.0.get(app::name(stream)).map(|seq| seq.saturating_add(1));
        Span { filter: Some(filter), from_seq: from_seq.max(shown), to_seq, since, until }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use uuid::Uuid;

    use super::*;

    const JOB: &str = "0190a5c4-9d2e-7c3b-8f1a-2b6d5e4f3a21";

    fn read(query: &str) -> Result<Wanted, Problem> {
        Wanted::read(&Call::asking(query))
    }

    #[test]
    fn whatever_is_asked_for_is_of_the_account() {
        let account = AccountId::from_uuid(Uuid::nil());
        for query in [
            "",
            "stream=deliveries&event=exhausted",
            &format!("job={JOB}&from_seq=2"),
            "event=completed&since=2026-01-01T00:00:00Z",
        ] {
            for (stream, span) in read(query).unwrap().sources(account) {
                let filter = span.filter.unwrap();
                let tokens: Vec<_> = filter.split('.').collect();
                assert_eq!(tokens[2], account.to_string(), "{query} {stream} {filter}");
            }
        }
        assert_eq!(read("stream=jobs").unwrap().sources(account).len(), 1);
        assert_eq!(read("").unwrap().sources(account).len(), Stream::ALL.len());
    }

    #[test]
    fn a_page_goes_on_behind_the_one_before() {
        let account = AccountId::from_uuid(Uuid::nil());
        let wanted = read("after=JOBS:17,ACCOUNTS:3").unwrap();
        let of = |name: &str| {
            let sources = wanted.sources(account);
            sources.into_iter().find(|(stream, _)| stream == name).unwrap().1.from_seq
        };
        assert_eq!((of("JOBS"), of("ACCOUNTS"), of("MEMBERS")), (Some(18), Some(4), None));
        assert_eq!(wanted.after.to_string(), "ACCOUNTS:3,JOBS:17");
    }

    #[test]
    fn nonsense_is_answered_with_what_to_use() {
        for wrong in [
            "job=7",
            "stream=keys",
            "stream=",
            "event=",
            "event=*",
            "event=a.b",
            "event=%3E",
            "since=yesterday",
            "until=",
            "from_seq=0",
            "from_seq=2",
            "to_seq=9",
            "stream=jobs&from_seq=9&to_seq=2",
            "after=JOBS",
            "after=KV_keys:1",
            "after=JOBS:+1",
            "limit=0",
            "limit=1001",
            "page=2",
            "since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z",
        ] {
            assert_eq!(read(wrong).unwrap_err().status(), StatusCode::BAD_REQUEST, "{wrong}");
        }
        let both = format!("job={JOB}&stream=members");
        assert_eq!(read(&both).unwrap_err().status(), StatusCode::BAD_REQUEST);
    }
}
