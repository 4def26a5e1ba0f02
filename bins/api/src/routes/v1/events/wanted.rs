//! Which events somebody wants and may see, as filters for the log and as a last look at each event.

use domain::{
    Aggregate as _,
    account::Accounts,
    delivery::Deliveries,
    endpoint::{Endpoints, Topic, TopicFilter, of_event},
    id::{AccountId, ApplicationId, JobId},
    job::Jobs,
    member::Members,
    scope::Scope,
    upload::Uploads,
};
use eventlog::Raw;
use readmodel::Stream;

use crate::{auth::Caller, problem::Problem};

/// The most topics of one request.
const MAX_TOPICS: usize = 64;

/// What is wanted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wanted {
    /// Only events that one of these names; all where there is none.
    topics: Vec<TopicFilter>,
    /// The histories that they lie in.
    pub(super) streams: Vec<Stream>,
    job: Option<JobId>,
    /// Only jobs that this key pair asked for.
    pub(super) application: Option<ApplicationId>,
}

impl Wanted {
    /// Reads what somebody wants, as far as they may see it.
    pub(super) fn read(
        caller: &Caller,
        types: Option<&str>,
        job: Option<JobId>,
        application: Option<ApplicationId>,
    ) -> Result<Self, Problem> {
        let topics = topics(types.unwrap_or("*"))?;
        let of_jobs = job.is_some() || application.is_some();
        let mut streams = Vec::new();
        for stream in Stream::ALL {
            let Some(named) = named(&topics, stream) else { continue };
            if of_jobs && stream != Stream::Jobs {
                continue;
            }
            if may_see(caller, stream) {
                streams.push(stream);
            } else if named {
                return Err(Problem::ScopeMissing(scope(stream)));
            }
        }
        if streams.is_empty() {
            let message =
                "With job or application, name events of jobs here: job.completed, job.*.";
            return Err(Problem::FieldInvalid { field: "types", message: message.to_owned() });
        }
        Ok(Self { topics, streams, job, application })
    }

    /// The narrowest filter of subjects that covers what is wanted of `stream`.
    pub(super) fn filter(&self, stream: Stream, account: AccountId) -> String {
        let noun = noun(stream);
        let mut names = self.topics.iter().filter(|topic| concerns(topic, stream));
        let only = match (names.next(), names.next()) {
            (Some(topic), None) => event_name(topic),
            _ => None,
        };
        let job = self.job.filter(|_| stream == Stream::Jobs);
        let thing = match (stream, job) {
            (_, Some(job)) => format!(".{job}"),
            (Stream::Accounts, None) => String::new(),
            (Stream::Deliveries, None) => ".*.*".to_owned(),
            (Stream::Jobs | Stream::Members | Stream::Uploads | Stream::Endpoints, None) => {
                ".*".to_owned()
            }
        };
        match only {
            Some(name) => format!("darkroom.{noun}.{account}{thing}.{name}"),
            None if job.is_some() => format!("darkroom.{noun}.{account}{thing}.>"),
            None => format!("darkroom.{noun}.{account}.>"),
        }
    }

    /// What an event is about, if that is wanted.
    pub(super) fn topic(&self, stream: Stream, raw: &Raw) -> Option<Topic> {
        let topic = of_event(noun(stream), raw.event_name());
        self.topics.iter().any(|wanted| wanted.wants(&topic)).then_some(topic)
    }
}

fn topics(text: &str) -> Result<Vec<TopicFilter>, Problem> {
    let invalid = |message: String| Problem::FieldInvalid { field: "types", message };
    let topics = text.split(',').map(|one| TopicFilter::of_history(one.trim()));
    let topics: Vec<_> =
        topics.collect::<Result<_, _>>().map_err(|error| invalid(format!("{error}.")))?;
    if topics.len() > MAX_TOPICS {
        return Err(invalid(format!("This may name at most {MAX_TOPICS} topics.")));
    }
    Ok(topics)
}

/// Whether topics concern a stream, and if so, whether one names it rather than everything.
fn named(topics: &[TopicFilter], stream: Stream) -> Option<bool> {
    let mut concerning = topics.iter().filter(|topic| concerns(topic, stream)).peekable();
    concerning.peek()?;
    Some(concerning.any(|topic| topic.kind().is_some()))
}

fn concerns(topic: &TopicFilter, stream: Stream) -> bool {
    match topic.kind() {
        None => true,
        // What happens to a destination is the account's history.
        Some("destination") => stream == Stream::Accounts,
        Some(kind) => kind == noun(stream),
    }
}

/// The name of the one event that a topic names, as the last token of its subject.
fn event_name(topic: &TopicFilter) -> Option<String> {
    let name = topic.name()?;
    let destination = topic.kind() == Some("destination");
    Some(if destination { format!("destination_{name}") } else { name.to_owned() })
}

const fn noun(stream: Stream) -> &'static str {
    match stream {
        Stream::Accounts => Accounts::NOUN,
        Stream::Jobs => Jobs::NOUN,
        Stream::Members => Members::NOUN,
        Stream::Uploads => Uploads::NOUN,
        Stream::Endpoints => Endpoints::NOUN,
        Stream::Deliveries => Deliveries::NOUN,
    }
}

/// Whether somebody may see a history. Who may read the account's whole history may see all of them.
pub(super) fn may_see(caller: &Caller, stream: Stream) -> bool {
    caller.may(scope(stream)) || caller.may(Scope::Audit)
}

/// What somebody must be allowed to see a history.
const fn scope(stream: Stream) -> Scope {
    match stream {
        Stream::Jobs => Scope::JobsRead,
        Stream::Uploads => Scope::UploadsWrite,
        Stream::Accounts | Stream::Endpoints | Stream::Deliveries => Scope::AccountRead,
        // Who logged in when, from which session: the account's whole history.
        Stream::Members => Scope::Audit,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::account::{Application, Terms};
    use uuid::Uuid;

    use super::*;
    use crate::auth::By;

    fn account() -> AccountId {
        AccountId::from_uuid(Uuid::from_u128(1))
    }

    fn caller(scopes: &[Scope]) -> Caller {
        let application = Application {
            application: ApplicationId::from_uuid(Uuid::from_u128(2)),
            key: "dk_1".to_owned(),
            secret_digest: String::new(),
            terms: Terms { scopes: Some(scopes.iter().copied().collect()), ..Terms::default() },
        };
        Caller { account: account(), by: By::Secret(Arc::new(application)) }
    }

    fn wanted(types: &str) -> Result<Wanted, Problem> {
        Wanted::read(&caller(Scope::ALL), Some(types), None, None)
    }

    #[test]
    fn what_is_asked_of_the_log_is_no_wider_than_it_must_be() {
        let account = account();
        for (types, stream, filter) in [
            ("*", Stream::Jobs, format!("darkroom.job.{account}.>")),
            ("job.*", Stream::Jobs, format!("darkroom.job.{account}.>")),
            ("job.completed", Stream::Jobs, format!("darkroom.job.{account}.*.completed")),
            ("job.completed,job.failed", Stream::Jobs, format!("darkroom.job.{account}.>")),
            (
                "destination.set",
                Stream::Accounts,
                format!("darkroom.account.{account}.destination_set"),
            ),
            (
                "delivery.exhausted",
                Stream::Deliveries,
                format!("darkroom.delivery.{account}.*.*.exhausted"),
            ),
            ("member.logged_in", Stream::Members, format!("darkroom.member.{account}.*.logged_in")),
        ] {
            let wanted = wanted(types).unwrap();
            assert!(wanted.streams.contains(&stream), "{types}");
            assert_eq!(wanted.filter(stream, account), filter, "{types}");
        }
        let job = JobId::from_uuid(Uuid::from_u128(3));
        let one = Wanted::read(&caller(Scope::ALL), None, Some(job), None).unwrap();
        assert_eq!(one.streams, [Stream::Jobs]);
        assert_eq!(one.filter(Stream::Jobs, account), format!("darkroom.job.{account}.{job}.>"));
    }

    #[test]
    fn what_may_not_be_seen_is_left_out_and_refused_when_it_is_named() {
        let jobs = caller(&[Scope::JobsRead]);
        let all = Wanted::read(&jobs, None, None, None).unwrap();
        assert_eq!(all.streams, [Stream::Jobs]);
        let auditor = Wanted::read(&caller(&[Scope::Audit]), None, None, None).unwrap();
        assert_eq!(auditor.streams, Stream::ALL);
        for (types, scope) in
            [("member.*", Scope::Audit), ("job.*,delivery.due", Scope::AccountRead)]
        {
            let refused = Wanted::read(&jobs, Some(types), None, None);
            assert_eq!(refused, Err(Problem::ScopeMissing(scope)), "{types}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let job = Some(JobId::from_uuid(Uuid::from_u128(3)));
        for types in ["", "job", "work.*", "job.*;upload.*", &["job.*"; 65].join(",")] {
            let refused = wanted(types);
            assert!(
                matches!(refused, Err(Problem::FieldInvalid { field: "types", .. })),
                "{types}"
            );
        }
        assert!(Wanted::read(&caller(Scope::ALL), Some("upload.*"), job, None).is_err());
    }
}
