//! Which stretches of which streams are asked for.

use domain::{
    Timestamp,
    id::{AccountId, EndpointId, JobId},
};
use eventlog::{Log, Span, topology};
use futures::StreamExt as _;
use jiff::{SignedDuration, Span as Interval};
use service::{Failure, OrTry};

use super::{Arguments, position::Positions};

/// Streams of events, and how their subjects name what they hold.
const STREAMS: [(&str, &str); 6] = [
    (topology::ACCOUNTS, "account"),
    (topology::MEMBERS, "member"),
    (topology::UPLOADS, "upload"),
    (topology::JOBS, "job"),
    (topology::ENDPOINTS, "endpoint"),
    (topology::DELIVERIES, "delivery"),
];
/// One that holds statements about the others, and is only shown when asked for.
const CHECKPOINTS: (&str, &str) = (topology::CHECKPOINTS, "checkpoint");

#[derive(Debug, thiserror::Error)]
enum SelectionError {
    #[error("`{0}` is neither a duration nor a time")]
    When(String),
    #[error("no stream holds `{0}`")]
    Filter(String),
    #[error("there is no stream {0}")]
    NoSuchStream(String),
    #[error("there is no job {0}")]
    NoSuchJob(JobId),
    #[error("{0} counts in one stream, and several are asked for")]
    ManyStreams(&'static str),
    #[error("--{0} lies before --{1}")]
    Empty(&'static str, &'static str),
}

/// What is read, stretch by stretch.
pub(super) struct Selection {
    pub(super) sources: Vec<(String, Span)>,
    /// How much of each history is in it.
    pub(super) reach: Reach,
}

/// How much of each history is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// All of it, from its first event on.
    Whole,
    /// All of it behind some place.
    Later,
    /// Some events of it: nothing can be said of the rest.
    Parts,
}

/// What is asked for, before the log was looked into.
pub(super) enum Sought {
    Known(Selection),
    /// A job whose account is not known yet, and where to begin and end.
    Job(JobId, Span),
}

/// Reads what the command line asks for; and spells it out, so that two askings can be told apart.
pub(super) fn read(arguments: &Arguments, now: Timestamp) -> Result<(Sought, String), Failure> {
    let when = |text: &Option<String>| text.as_deref().map(|text| moment(text, now)).transpose();
    let (since, until) = (when(&arguments.since)?, when(&arguments.until)?);
    let (from_seq, to_seq) = (arguments.from_seq, arguments.to_seq);
    if since.zip(until).is_some_and(|(since, until)| until < since) {
        return Err(SelectionError::Empty("until", "since")).or_try("a later --until");
    }
    if from_seq.zip(to_seq).is_some_and(|(from, to)| to < from) {
        return Err(SelectionError::Empty("to-seq", "from-seq")).or_try("a later --to-seq");
    }
    let span = Span { filter: None, from_seq, to_seq, since, until };
    let asked = format!(
        "job {:?} account {:?} filter {:?} stream {:?} since {:?} until {:?} from {from_seq:?} to {to_seq:?}",
        arguments.job,
        arguments.account,
        arguments.filter,
        arguments.stream,
        arguments.since,
        arguments.until,
    );
    if let Some(job) = arguments.job {
        return Ok((Sought::Job(job, span), asked));
    }
    let streams = streams(arguments)?;
    if streams.len() > 1 {
        let seq = from_seq.map(|_| "--from-seq").or(to_seq.map(|_| "--to-seq"));
        if let Some(seq) = seq {
            return Err(SelectionError::ManyStreams(seq)).or_try("name one with --stream JOBS");
        }
    }
    let whole = arguments.filter.as_ref().is_none_or(|filter| filter.ends_with(".>"));
    let chained = streams.iter().all(|(stream, _)| *stream != topology::CHECKPOINTS);
    let reach = match (whole && chained, since.is_some() || from_seq.is_some()) {
        (false, _) => Reach::Parts,
        (true, true) => Reach::Later,
        (true, false) => Reach::Whole,
    };
    let sources = streams.into_iter().map(|(stream, noun)| {
        let of = |account: AccountId| format!("darkroom.{noun}.{account}.>");
        let filter = arguments.filter.clone().or(arguments.account.map(of));
        (stream.to_owned(), Span { filter, ..span.clone() })
    });
    let selection = Selection { sources: sources.collect(), reach };
    Ok((Sought::Known(selection), asked))
}

fn streams(arguments: &Arguments) -> Result<Vec<(&'static str, &'static str)>, Failure> {
    let mut all = STREAMS.into_iter().chain([CHECKPOINTS]);
    if let Some(filter) = &arguments.filter {
        let found = all.find(|(_, noun)| filter.starts_with(&format!("darkroom.{noun}.")));
        let found = found.ok_or_else(|| SelectionError::Filter(filter.clone()));
        let nouns = STREAMS.map(|(_, noun)| format!("darkroom.{noun}.")).join(", ");
        return Ok(vec![
            found.or_try(format!("a subject that begins with one of {nouns}").as_str())?,
        ]);
    }
    if let Some(name) = &arguments.stream {
        let found = all.find(|(stream, _)| stream.eq_ignore_ascii_case(name));
        let found = found.ok_or_else(|| SelectionError::NoSuchStream(name.clone()));
        let names = STREAMS.map(|(stream, _)| stream).join(", ");
        return Ok(vec![found.or_try(format!("one of {names}, CHECKPOINTS").as_str())?]);
    }
    Ok(STREAMS.into())
}

impl Sought {
    pub(super) async fn find(self, log: &Log) -> Result<Selection, Failure> {
        match self {
            Self::Known(selection) => Ok(selection),
            Self::Job(job, span) => {
                let mut found = job_and_webhook(job, log).await?;
                if span.since.is_some() || span.from_seq.is_some() {
                    found.reach = Reach::Later;
                }
                for (stream, of) in &mut found.sources {
                    let filter = of.filter.take();
                    *of = Span { filter, ..span.clone() };
                    if stream != topology::JOBS {
                        // Sequences are those of jobs.
                        (of.from_seq, of.to_seq) = (None, None);
                    }
                }
                Ok(found)
            }
        }
    }
}

impl Selection {
    /// Leaves out what was shown before.
    pub(super) fn start_after(&mut self, shown: &Positions) {
        for (stream, span) in &mut self.sources {
            let Some(seq) = shown.of(stream) else { continue };
            span.from_seq = span.from_seq.max(Some(seq.saturating_add(1)));
            if self.reach == Reach::Whole {
                self.reach = Reach::Later;
            }
        }
    }
}

/// A job's own events, and those of the delivery to its callback URL.
pub(super) async fn job_and_webhook(job: JobId, log: &Log) -> Result<Selection, Failure> {
    let jobs = Span { filter: Some(format!("darkroom.job.*.{job}.>")), ..Span::default() };
    let first = log.replay(topology::JOBS, jobs.clone()).boxed().next().await.transpose()?;
    let account = first.as_ref().and_then(|raw| raw.subject.split('.').nth(2));
    let account =
        account.ok_or(SelectionError::NoSuchJob(job)).or_try("darkroom replay --since 1h")?;
    let endpoint = EndpointId::derived(job.as_uuid(), b"callback");
    let filter = Some(format!("darkroom.delivery.{account}.{endpoint}.>"));
    let deliveries = Span { filter, ..Span::default() };
    let sources =
        vec![(topology::JOBS.to_owned(), jobs), (topology::DELIVERIES.to_owned(), deliveries)];
    Ok(Selection { sources, reach: Reach::Whole })
}

/// A duration before now, or a time.
pub(crate) fn moment(text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let back = text.parse::<Interval>().ok().and_then(|interval| {
        // A day is 24 hours: nobody here knows the user's time zone.
        interval.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()
    });
    let back = back.filter(|back| *back >= SignedDuration::ZERO);
    back.and_then(|back| now.checked_sub(back).ok())
        .ok_or_else(|| SelectionError::When(text.to_owned()))
        .or_try("for example 1h, 2d or 2026-07-01T12:00:00Z")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn asked(line: &str) -> Result<Selection, String> {
        let words = std::iter::once("replay").chain(line.split_whitespace());
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        let now = "2026-07-02T12:00:00Z".parse().unwrap();
        match read(&line.arguments, now).map_err(|failure| failure.to_string())?.0 {
            Sought::Known(selection) => Ok(selection),
            Sought::Job(..) => Err("a job".to_owned()),
        }
    }

    #[test]
    fn durations_and_times_are_both_understood() {
        let now: Timestamp = "2026-07-02T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("1h", "2026-07-02T11:00:00Z"),
            ("90s", "2026-07-02T11:58:30Z"),
            ("1d", "2026-07-01T12:00:00Z"),
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ] {
            assert_eq!(moment(text, now).unwrap().to_string(), expected, "{text}");
        }
        for wrong in ["yesterday", "", "-1h"] {
            assert!(moment(wrong, now).is_err(), "{wrong}");
        }
    }

    #[test]
    fn streams_filters_and_stretches_are_found() {
        assert_eq!(asked("").unwrap().sources.len(), STREAMS.len());
        assert_eq!(asked("").unwrap().reach, Reach::Whole);
        assert_eq!(asked("--since 1h").unwrap().reach, Reach::Later);
        let some = asked("--stream jobs --from-seq 5 --to-seq 9").unwrap();
        assert_eq!((some.sources[0].0.as_str(), some.reach), ("JOBS", Reach::Later));
        assert_eq!((some.sources[0].1.from_seq, some.sources[0].1.to_seq), (Some(5), Some(9)));
        let failed = asked("--filter darkroom.upload.*.*.rejected").unwrap();
        assert_eq!((failed.sources[0].0.as_str(), failed.reach), ("UPLOADS", Reach::Parts));
        assert_eq!(asked("--stream CHECKPOINTS").unwrap().reach, Reach::Parts);
        let of = "--account 0190a5c4-9d2e-7c3b-8f1a-2b6d5e4f3a21 --stream members";
        let filter = asked(of).unwrap().sources[0].1.filter.clone().unwrap();
        assert_eq!(filter, "darkroom.member.0190a5c4-9d2e-7c3b-8f1a-2b6d5e4f3a21.>");
    }

    #[test]
    fn what_makes_no_sense_is_answered_with_what_to_try() {
        for (line, expected) in [
            ("--stream KV_keys", "one of ACCOUNTS"),
            ("--filter $KV.keys.>", "darkroom.account."),
            ("--from-seq 3", "--stream JOBS"),
            ("--to-seq 3 --account 0190a5c4-9d2e-7c3b-8f1a-2b6d5e4f3a21", "--stream JOBS"),
            ("--stream JOBS --from-seq 3 --to-seq 2", "a later --to-seq"),
            ("--since 1h --until 2h", "a later --until"),
            ("--until soon", "for example 1h"),
            ("--from-seq 0", "--from-seq"),
            ("--after JOBS", "--after"),
        ] {
            let said = asked(line).map(|_| ()).unwrap_err();
            assert!(said.contains(expected), "{line}: {said}");
        }
    }

    #[test]
    fn what_was_shown_is_left_out() {
        let mut selection = asked("").unwrap();
        selection.start_after(&"JOBS:17,ACCOUNTS:3".parse().unwrap());
        let from = |name: &str| {
            let found = selection.sources.iter().find(|(stream, _)| stream == name);
            found.unwrap().1.from_seq
        };
        assert_eq!((from("JOBS"), from("ACCOUNTS"), from("MEMBERS")), (Some(18), Some(4), None));
        assert_eq!(selection.reach, Reach::Later);
    }
}
